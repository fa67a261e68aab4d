"""Releases: put together from what ECS, the pipeline and the registry tell; and the one before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.aws import FakeClient, fake_project
from tidegate.deploy.deployments import stop
from tidegate.deploy.errors import UserError
from tidegate.deploy.releases import DEPLOYING, LIVE, REPLACED, Release, before, content, copied, principal, releases
from tidegate.deploy.rollback import differences, prepare

BEGIN = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)
ARN = "arn:aws:ecs:us-east-1:000000000000"
IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/hello/web"
MANIFEST = "app: hello\nservices: {web: {port: 8080}}\n"


def at(minutes: float) -> datetime:
    return BEGIN + timedelta(minutes=minutes)


def definition(number: int, image: str, tags: dict[str, str] | None = None, **settings: Any) -> dict[str, Any]:
    container = {"name": "web", "image": f"{IMAGE}@sha256:{image}", **settings}
    return {
        "taskDefinition": {
            "taskDefinitionArn": f"{ARN}:task-definition/hello-local-web:{number}",
            "family": "hello-local-web",
            "revision": number,
            "containerDefinitions": [container],
            "registeredBy": "arn:aws:iam::000000000000:user/ann",
        },
        "tags": [{"key": key, "value": value} for key, value in (tags or {}).items()],
    }


class Ecs:
    """An ECS with deployments (revision, status, minute of its begin, why), the newest last."""

    def __init__(self, definitions: list[dict[str, Any]], deployments: list[tuple[int, str, float, str]], live: int):
        self.definitions = {each["taskDefinition"]["revision"]: each for each in definitions}
        self.deployments = deployments
        service = {"serviceName": "web", "status": "ACTIVE", "taskDefinition": self._arn(live)}
        self.client = FakeClient(
            "ecs",
            describe_services={"services": [service]},
            list_service_deployments=self._list,
            describe_service_deployments=self._describe,
            describe_service_revisions=self._revisions,
            describe_task_definition=lambda **asked: self.definitions[int(asked["taskDefinition"].split(":")[-1])],
            stop_service_deployment={},
        )

    def _arn(self, number: int) -> str:
        return str(self.definitions[number]["taskDefinition"]["taskDefinitionArn"])

    def _list(self, **request: Any) -> Any:
        wanted = request.get("status")
        found = [
            {"serviceDeploymentArn": f"{ARN}:service-deployment/hello-local/web/{place}", "status": status}
            for place, (_, status, _, _) in enumerate(self.deployments)
            if wanted is None or status in wanted
        ]
        return {"serviceDeployments": found[::-1]}

    def _describe(self, serviceDeploymentArns: list[str]) -> Any:  # noqa: N803
        found = []
        for arn in serviceDeploymentArns:
            number, status, minute, why = self.deployments[int(arn.rpartition("/")[2])]
            each = {
                "serviceDeploymentArn": arn,
                "status": status,
                "createdAt": at(minute),
                "startedAt": at(minute),
                "targetServiceRevision": {"arn": f"{ARN}:service-revision/hello-local/web/{number}"},
            }
            if status not in ("IN_PROGRESS", "PENDING"):
                each["finishedAt"] = at(minute + 1)
            if why:
                each["rollback"] = {"reason": why}
            found.append(each)
        return {"serviceDeployments": found}

    def _revisions(self, serviceRevisionArns: list[str]) -> Any:  # noqa: N803
        return {
            "serviceRevisions": [
                {"serviceRevisionArn": arn, "taskDefinition": self._arn(int(arn.rpartition("/")[2]))}
                for arn in serviceRevisionArns
            ]
        }


def pipeline(*runs: tuple[str, str, str, float]) -> FakeClient:
    """A pipeline that has deployed commits (id, message, trigger) at a minute."""
    actions, executions = [], []
    for place, (commit, message, trigger, minute) in enumerate(runs):
        execution = f"00000000-0000-0000-0000-{place:012d}"
        actions.append(
            {
                "pipelineExecutionId": execution,
                "status": "InProgress" if place == len(runs) - 1 else "Succeeded",
                "startTime": at(minute - 0.1),
                "lastUpdateTime": at(minute + 1),
                "input": {
                    "actionTypeId": {"category": "Deploy", "owner": "AWS", "provider": "ECS", "version": "1"},
                    "configuration": {"ClusterName": "hello-local", "ServiceName": "web"},
                },
            }
        )
        executions.append(
            {
                "pipelineExecutionId": execution,
                "status": "InProgress" if place == len(runs) - 1 else "Succeeded",
                "startTime": at(minute - 1),
                "sourceRevisions": [{"actionName": "Source", "revisionId": commit, "revisionSummary": message}],
                "trigger": {"triggerType": trigger, "triggerDetail": "arn:aws:iam::000000000000:user/bob"},
            }
        )
    return FakeClient(
        "codepipeline",
        list_action_executions={"actionExecutionDetails": actions[::-1]},
        list_pipeline_executions={"pipelineExecutionSummaries": executions[::-1]},
        stop_pipeline_execution={},
    )


def registry(**tags: list[str]) -> FakeClient:
    ids = [{"imageDigest": f"sha256:{digest}", "imageTag": tag} for digest, some in tags.items() for tag in some]
    return FakeClient("ecr", list_images={"imageIds": ids})


def test_everything_about_a_release() -> None:
    ecs = Ecs(
        [
            definition(1, "aaa"),
            definition(2, "bbb"),
            definition(3, "ccc"),
            definition(4, "aaa", {"tidegate:release": "4=1"}),
        ],
        [
            (1, "SUCCESSFUL", 0, ""),
            (2, "SUCCESSFUL", 10, ""),
            (3, "ROLLBACK_SUCCESSFUL", 20, "circuit breaker"),
            (4, "SUCCESSFUL", 30, ""),
            (4, "IN_PROGRESS", 40, ""),
        ],
        live=4,
    )
    found = releases(
        fake_project(
            MANIFEST,
            ecs=ecs.client,
            ecr=registry(aaa=["0123456789ab", "latest"], bbb=["fedcba987654"]),
            codepipeline=pipeline(
                ("f" * 40, "second\n\nlong story", "CloudWatchEvent", 10),
                ("c" * 40, "third", "StartPipelineExecution", 20),
            ),
        ),
        "web",
        10,
    )
    assert [(each.number, each.outcome, each.copy_of) for each in found] == [
        (4, DEPLOYING, 1),
        (4, LIVE, 1),
        (3, "taken back", None),
        (2, REPLACED, None),
        (1, REPLACED, None),
    ]
    assert [each.by for each in found] == [
        "once more",
        "rollback by ann",
        "pipeline start by bob",
        "push",
        "up by ann",
    ]
    assert [each.commit for each in found] == ["01234567", "01234567", "c" * 8, "f" * 8, "01234567"]
    assert [each.message for each in found][2:] == ["third", "second", ""]
    assert [each.image_gone for each in found] == [False, False, True, False, False]
    assert [each.seconds for each in found] == [None, 60, 60, 60, 60]
    assert found[2].why == "circuit breaker"


def test_a_copy_is_told_by_a_tag_that_names_the_revision_itself() -> None:
    tags = [{"key": "tidegate:release", "value": "4=1"}]
    assert copied({"revision": 4}, tags) == 1
    assert copied({"revision": 5}, tags) is None  # the pipeline's next revision gets the tags of the one before
    assert copied({"revision": 4}, []) is None


def test_two_task_definitions_have_the_same_content() -> None:
    first, same = definition(1, "aaa"), definition(9, "aaa", {"any": "tag"})
    assert content(first["taskDefinition"]) == content({**same["taskDefinition"], "volumes": []})
    assert content(first["taskDefinition"]) != content(definition(1, "aaa", cpu=5)["taskDefinition"])


@pytest.mark.parametrize(
    ("ran", "expected"),
    [
        ("a b", "a"),
        ("a b c", "b"),
        ("a b c b", "a"),  # rolled back once: again means one more
        ("a b c b d", "b"),  # not to c, which was rolled back from
        ("a b c- b", "a"),  # what failed has never served
        ("a b- c", "a"),
        ("a a", None),  # the new pipeline deploys the first image once more
        ("a a b b", "a"),
        ("a", None),
    ],
)
def test_the_one_before(ran: str, expected: str | None) -> None:
    history = [
        Release(place, "", "taken back" if each.endswith("-") else REPLACED, at(place), content=each.rstrip("-"))
        for place, each in enumerate(ran.split(), 1)
    ]
    found = before(history[::-1], len(history))
    assert (found.content if found else None) == expected


def test_principals() -> None:
    assert principal("arn:aws:iam::000000000000:user/ann") == "ann"
    assert principal("arn:aws:sts::000000000000:assumed-role/Admin/ann") == "Admin/ann"
    assert principal("arn:aws:iam::000000000000:root") == "root"


def test_in_what_two_releases_differ() -> None:
    now = definition(
        1, "aaa", environment=[{"name": "LOG", "value": "a"}, {"name": "SAME", "value": "1"}], stopTimeout=30
    )["taskDefinition"]
    then = definition(
        2, "bbb", environment=[{"name": "SAME", "value": "1"}], secrets=[{"name": "KEY", "valueFrom": "x"}]
    )
    other = {**then["taskDefinition"], "cpu": "512", "executionRoleArn": "arn:aws:iam::000000000000:role/other"}
    assert list(differences(now, other)) == ["cpu", "execution role", "LOG", "KEY", "stop timeout of web"]
    assert list(differences(now, {**now, "revision": 7})) == []


def test_what_cannot_be_gone_back_to() -> None:
    ecs = Ecs(
        [definition(1, "aaa"), definition(2, "bbb")], [(1, "SUCCESSFUL", 0, ""), (2, "SUCCESSFUL", 9, "")], live=2
    )
    project = fake_project(MANIFEST, ecs=ecs.client, ecr=registry(bbb=["latest"]), codepipeline=pipeline())
    with pytest.raises(UserError, match="the registry does not have its image sha256:aaa any more"):
        prepare(project, "web", None)
    with pytest.raises(UserError, match="it is what runs"):
        prepare(project, "web", 2)


def test_stop_ends_the_deployment_and_the_execution_that_waits_for_it() -> None:
    ecs = Ecs(
        [definition(1, "aaa"), definition(2, "bbb")], [(1, "SUCCESSFUL", 0, ""), (2, "IN_PROGRESS", 9, "")], live=2
    )
    codepipeline = pipeline(("f" * 40, "second", "CloudWatchEvent", 9))

    def stopped(serviceDeploymentArn: str, stopType: str) -> Any:  # noqa: N803
        ecs.deployments[1] = (2, "ROLLBACK_SUCCESSFUL", 9, f"{stopType} was asked for")
        return {"serviceDeploymentArn": serviceDeploymentArn}

    ecs.client._answers["stop_service_deployment"] = stopped
    project = fake_project(MANIFEST, ecs=ecs.client, codepipeline=codepipeline)
    found = stop(project, "web", abort=False)
    assert (found.outcome, found.execution) == ("ROLLBACK_SUCCESSFUL", "00000000-0000-0000-0000-000000000000")
    name, request = codepipeline.requests[-1]
    assert (name, request["abandon"], request["reason"]) == ("stop_pipeline_execution", True, "tidegate stop")
    assert ecs.deployments[1][3] == "ROLLBACK was asked for"


def test_nothing_to_stop() -> None:
    ecs = Ecs([definition(1, "aaa")], [(1, "SUCCESSFUL", 0, "")], live=1)
    found = stop(fake_project(MANIFEST, ecs=ecs.client, codepipeline=pipeline()), "web", abort=True)
    assert (found.deployment, found.execution) == (None, None)
