"""Deploy actions: a service gets a new revision and runs it, or the action says why not; files go to a bucket."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.builds import service_role
from tests.contract.test_iam import policy
from tests.daemon import Daemon
from tests.fargate import IMAGE, Fargate
from tests.pipelines import action, action_executions, action_state, create, nth, over, start, zipped

ACCOUNT = "000000000000"
STAY = "trap 'exit 0' TERM; while :; do sleep 0.1; done"


def bucket_source(cloud: Daemon, files: dict[str, str]) -> dict[str, Any]:
    """Put a zip of files where the returned source action takes it from; each new one starts the pipeline."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="sources")
    s3.put_bucket_versioning(Bucket="sources", VersioningConfiguration={"Status": "Enabled"})
    put(cloud, files)
    return action("Source", "Source/S3", {"S3Bucket": "sources", "S3ObjectKey": "app.zip"}, outputs=["App"])


def put(cloud: Daemon, files: dict[str, str]) -> None:
    cloud.client("s3").put_object(Bucket="sources", Key="app.zip", Body=zipped(files))


def images(**containers: str) -> dict[str, str]:
    """An image definitions file."""
    return {"imagedefinitions.json": json.dumps([{"name": n, "imageUri": uri} for n, uri in containers.items()])}


def ecs_deploy(**configuration: str) -> dict[str, Any]:
    return action("Deploy", "Deploy/ECS", {"ClusterName": "c", "ServiceName": "web", **configuration}, inputs=["App"])


@pytest.fixture
def fargate(cloud: Daemon) -> Fargate:
    """A cluster with the service `web`, of one task with the containers `app` and `side`."""
    made = Fargate(cloud)
    stay = {"stopTimeout": 2, "environment": [{"name": "KEEP", "value": "this"}]}
    made.register(
        made.container("app", STAY, **stay),
        made.container("side", STAY, stopTimeout=2),
        tags=[{"key": "team", "value": "blue"}],
        taskRoleArn=made.make_role("task"),
    )
    made.ecs.create_service(
        cluster="c",
        serviceName="web",
        taskDefinition="f",
        desiredCount=1,
        networkConfiguration=made.network,
        deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
    )
    return made


def service(fargate: Fargate) -> Any:
    return fargate.ecs.describe_services(cluster="c", services=["web"])["services"][0]


def failure(cloud: Daemon, identity: str) -> tuple[str, str]:
    """Return how the deployment of an execution failed."""
    assert over(cloud, identity, 60)["status"] == "Failed"
    error = action_state(cloud, "Deploy", "Deploy")["errorDetails"]
    return error["code"], error["message"]


def test_a_service_gets_the_new_image_and_keeps_everything_else(cloud: Daemon, fargate: Fargate) -> None:
    create(cloud, ("Source", [bucket_source(cloud, images(app=f"{IMAGE}"))]), ("Deploy", [ecs_deploy()]))
    done = over(cloud, nth(cloud, 1), 60)
    deployed = action_executions(cloud)[-1]
    assert done["status"] == "Succeeded", deployed["output"]
    now = service(fargate)
    arn = now["taskDefinition"]
    assert arn.endswith("task-definition/f:2")
    (deployment,) = now["deployments"]
    assert (deployment["rolloutState"], deployment["taskDefinition"]) == ("COMPLETED", arn)
    result = deployed["output"]["executionResult"]
    assert result["externalExecutionId"] == deployment["id"]
    assert result["externalExecutionSummary"] == "f:2 is deployed to the service web"
    old, new = (
        fargate.ecs.describe_task_definition(taskDefinition=f"f:{revision}", include=["TAGS"]) for revision in (1, 2)
    )
    assert new["tags"] == old["tags"] == [{"key": "team", "value": "blue"}]
    assert new["taskDefinition"]["registeredBy"].startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/pipeline/")
    own = ("revision", "taskDefinitionArn", "registeredAt", "registeredBy")
    assert {k: v for k, v in new["taskDefinition"].items() if k not in own} == {
        k: v for k, v in old["taskDefinition"].items() if k not in own
    }


def test_what_an_image_definitions_file_must_be(cloud: Daemon, fargate: Fargate) -> None:
    before = service(fargate)["taskDefinition"]
    create(
        cloud,
        ("Source", [bucket_source(cloud, {"other.txt": ""})]),
        ("Deploy", [ecs_deploy(FileName="images.json")]),
    )
    cases = (
        ({"other.txt": ""}, "Did not find the image definition file images.json"),
        ({"images.json": "{"}, "it is not JSON"),
        ({"images.json": "{}"}, "it must be an array"),
        ({"images.json": "[]"}, "it must be an array"),
        ({"images.json": '[{"name": "app"}]'}, "entry 0 has no imageUri"),
        ({"images.json": '[{"imageUri": "x"}]'}, "entry 0 has no name"),
        ({"images.json": '["app"]'}, "entry 0 is not an object"),
        ({"images.json": json.dumps([{"name": "a", "imageUri": "x" * 110_000}])}, "larger than 100 KB"),
        (
            {"images.json": '[{"name": "apq", "imageUri": "x"}]'},
            "The AWS ECS container apq does not exist: the containers of the task definition f:1 are app, side",
        ),
    )
    for number, (files, message) in enumerate(cases, 1):
        if number > 1:
            put(cloud, files)
        code, said = failure(cloud, nth(cloud, number))
        assert code == "ConfigurationError"
        assert message in said
    assert service(fargate)["taskDefinition"] == before
    assert fargate.ecs.list_task_definitions()["taskDefinitionArns"] == [before]


def test_a_missing_permission_is_named(cloud: Daemon, fargate: Fargate) -> None:
    role = service_role(cloud, "codepipeline", name="small", policy="")
    iam = cloud.client("iam")
    allowed = ["s3:*"]

    def allow(*actions: str) -> None:
        allowed.extend(actions)
        iam.put_role_policy(RoleName="small", PolicyName="p", PolicyDocument=policy("Allow", allowed))

    allow()
    create(cloud, ("Source", [bucket_source(cloud, images(app=IMAGE))]), ("Deploy", [ecs_deploy()]), role=role)
    identity = nth(cloud, 1)
    for needed in (
        "ecs:DescribeServices",
        "ecs:DescribeTaskDefinition",
        "ecs:RegisterTaskDefinition",
        "iam:PassRole",
        "ecs:UpdateService",
        "ecs:ListTasks",
        "ecs:DescribeTasks",
    ):
        code, said = failure(cloud, identity)
        assert (code, f"is not authorized to perform: {needed} on resource" in said) == ("PermissionError", True), said
        allow(needed, *(["ecs:TagResource"] if needed == "ecs:RegisterTaskDefinition" else []))
        identity = start(cloud)
    assert over(cloud, identity, 60)["status"] == "Succeeded"


def test_a_deployment_that_is_rolled_back_fails_the_action(cloud: Daemon, fargate: Fargate) -> None:
    fargate.ecs.get_waiter("services_stable").wait(cluster="c", services=["web"], WaiterConfig={"Delay": 1})
    create(
        cloud, ("Source", [bucket_source(cloud, images(app="127.0.0.1:1/no/such:image"))]), ("Deploy", [ecs_deploy()])
    )
    code, said = failure(cloud, nth(cloud, 1))
    assert code == "JobFailed"
    assert "The deployment of f:2 failed: ECS deployment circuit breaker: tasks failed to start" in said
    assert "(service web)" in said
    assert "unable to start a task" in said or "deployment failed" in said


def test_what_is_not_there(cloud: Daemon) -> None:
    made = Fargate(cloud)
    create(cloud, ("Source", [bucket_source(cloud, images(app=IMAGE))]), ("Deploy", [ecs_deploy()]))
    assert failure(cloud, nth(cloud, 1)) == (
        "ConfigurationError",
        "The Amazon ECS service web does not exist in the cluster c",
    )
    made.ecs.delete_cluster(cluster="c")
    assert failure(cloud, start(cloud)) == ("ConfigurationError", "The Amazon ECS cluster c does not exist")


def test_files_into_a_bucket(cloud: Daemon) -> None:
    s3 = cloud.client("s3")
    files = {"index.html": "<p>", "css/site.css": "p {}"}
    unpacked = {"BucketName": "site", "Extract": "true", "ObjectKey": "www", "CacheControl": "max-age=5"}
    whole = {"BucketName": "site", "Extract": "false", "ObjectKey": "kept/{datetime}.zip"}
    create(
        cloud,
        ("Source", [bucket_source(cloud, files)]),
        (
            "Deploy",
            [
                action("Deploy", "Deploy/S3", unpacked, inputs=["App"]),
                action("Keep", "Deploy/S3", whole, inputs=["App"], runOrder=2),
            ],
        ),
    )
    assert failure(cloud, nth(cloud, 1)) == ("ConfigurationError", "The S3 bucket site does not exist")
    s3.create_bucket(Bucket="site")
    assert over(cloud, start(cloud))["status"] == "Succeeded"
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket="site")["Contents"]]
    assert keys[1:] == ["www/css/site.css", "www/index.html"]
    assert keys[0].startswith("kept/20")
    page = s3.get_object(Bucket="site", Key="www/index.html")
    assert (page["Body"].read(), page["ContentType"], page["CacheControl"]) == (b"<p>", "text/html", "max-age=5")
