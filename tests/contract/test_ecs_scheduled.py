"""Tasks that EventBridge runs: by an event, by the clock, with overrides, as the target's role."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contract.test_iam import trust
from tests.daemon import Daemon
from tests.fargate import Fargate, until


class Scheduled(Fargate):
    """Fargate with a role of EventBridge, which may run tasks."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.events = self.cloud.client("events")
        document = trust(Service="events.amazonaws.com")
        self.events_role = self.iam.create_role(RoleName="events", AssumeRolePolicyDocument=document)["Role"]["Arn"]
        statements = [
            {"Effect": "Allow", "Action": "ecs:RunTask", "Resource": "arn:aws:ecs:*:*:task-definition/job:*"},
            {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"},
        ]
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        self.iam.put_role_policy(RoleName="events", PolicyName="p", PolicyDocument=policy)
        self.family = self.register(self.container("job", "echo $WHAT"), family="job").rpartition(":")[0]

    def target(self, rule: str, what: str) -> None:
        """Give a rule the task that writes a word."""
        override = {"name": "job", "environment": [{"name": "WHAT", "value": what}]}
        network = {"Subnets": self.subnets, "AssignPublicIp": "ENABLED"}
        parameters: dict[str, Any] = {
            "TaskDefinitionArn": self.family,
            "TaskCount": 1,
            "LaunchType": "FARGATE",
            "NetworkConfiguration": {"awsvpcConfiguration": network},
        }
        target = {
            "Id": "task",
            "Arn": "arn:aws:ecs:us-east-1:000000000000:cluster/c",
            "RoleArn": self.events_role,
            "Input": json.dumps({"containerOverrides": [override]}),
            "EcsParameters": parameters,
        }
        assert self.events.put_targets(Rule=rule, Targets=[target])["FailedEntryCount"] == 0


@pytest.fixture
def scheduled(cloud: Daemon) -> Scheduled:
    return Scheduled(cloud)


def test_an_event_runs_a_task(scheduled: Scheduled) -> None:
    scheduled.events.put_rule(Name="r", EventPattern=json.dumps({"source": ["mine"]}))
    scheduled.target("r", "from an event")
    scheduled.events.put_events(Entries=[{"Source": "mine", "DetailType": "t", "Detail": "{}"}])
    until(lambda: scheduled.lines() == ["from an event"])
    arns = until(lambda: scheduled.ecs.list_tasks(cluster="c", desiredStatus="STOPPED")["taskArns"])
    assert scheduled.task(arns[0])["startedBy"] == "events-rule/r"


@pytest.mark.slow
def test_the_clock_runs_a_task(scheduled: Scheduled) -> None:
    scheduled.events.put_rule(Name="r", ScheduleExpression="rate(1 minute)")
    scheduled.target("r", "from the clock")
    until(lambda: scheduled.lines() == ["from the clock"], 90)
    scheduled.events.disable_rule(Name="r")
