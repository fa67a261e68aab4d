"""What tests of tasks and services have in common: roles, a cluster, a network, task definitions."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.daemon import Daemon

IMAGE = "tidegate/python:3.11"

# a small HTTP server: answers its VERSION; /health by HEALTH; ends on SIGTERM when its requests have ended
SERVER = """
import http.server, os, signal, sys, threading, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        code = int(os.environ.get("HEALTH", "200")) if self.path == "/health" else 200
        if self.path.startswith("/slow"):
            time.sleep(2)
        body = os.environ.get("VERSION", "none").encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, form, *args):
        print(form % args, flush=True)
class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128
server = Server(("", 8080), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
print("listening", flush=True)
server.serve_forever()
"""

T = TypeVar("T")


def until(condition: Callable[[], T], timeout: float = 30.0, every: float = 0.05) -> T:
    """Return the first true value of `condition`; fail when there is none in time."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(every)


@dataclass
class Fargate:
    """A local cloud with an execution role, a cluster `c`, a log group `/tasks` and the default network."""

    cloud: Daemon

    def __post_init__(self) -> None:
        self.ecs = self.cloud.client("ecs")
        self.ec2 = self.cloud.client("ec2")
        self.logs = self.cloud.client("logs")
        self.iam = self.cloud.client("iam")
        self.role = self.make_role("execution", "AmazonECSTaskExecutionRolePolicy")
        self.logs.create_log_group(logGroupName="/tasks")
        self.ecs.create_cluster(clusterName="c")
        self.subnets = [subnet["SubnetId"] for subnet in self.ec2.describe_subnets()["Subnets"]]
        self.vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]

    def make_role(self, name: str, policy: str | None = None) -> str:
        """Make a role for tasks, with one of AWS's service-role policies."""
        statement = {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
        }
        trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        arn = str(self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"])
        if policy is not None:
            self.iam.attach_role_policy(RoleName=name, PolicyArn=f"arn:aws:iam::aws:policy/service-role/{policy}")
        return arn

    @property
    def network(self) -> dict[str, Any]:
        return {"awsvpcConfiguration": {"subnets": self.subnets, "assignPublicIp": "ENABLED"}}

    def container(self, name: str, script: str, **more: Any) -> dict[str, Any]:
        """A container that runs a shell script and logs to /tasks."""
        return {
            "name": name,
            "image": IMAGE,
            "command": ["sh", "-c", script],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": "/tasks",
                    "awslogs-region": self.cloud.region,
                    "awslogs-stream-prefix": "t",
                },
            },
            **more,
        }

    def server(self, **environment: str) -> dict[str, Any]:
        """The HTTP server as a container `web` on port 8080."""
        variables = [{"name": key, "value": value} for key, value in environment.items()]
        return {
            **self.container("web", ""),
            "command": ["python3", "-c", SERVER],
            "portMappings": [{"containerPort": 8080}],
            "environment": variables,
            "stopTimeout": 5,
        }

    def register(self, *containers: dict[str, Any], family: str = "f", **more: Any) -> str:
        """Register a task definition of the smallest size and return its ARN."""
        request = {
            "family": family,
            "requiresCompatibilities": ["FARGATE"],
            "networkMode": "awsvpc",
            "cpu": "256",
            "memory": "512",
            "executionRoleArn": self.role,
            "containerDefinitions": list(containers),
            **more,
        }
        return str(self.ecs.register_task_definition(**request)["taskDefinition"]["taskDefinitionArn"])

    def run(self, *containers: dict[str, Any], **more: Any) -> str:
        """Run one task of these containers and return its ARN."""
        definition = self.register(*containers)
        request = {"cluster": "c", "taskDefinition": definition, "networkConfiguration": self.network, **more}
        return str(self.ecs.run_task(**request)["tasks"][0]["taskArn"])

    def task(self, arn: str) -> Any:
        return self.ecs.describe_tasks(cluster="c", tasks=[arn])["tasks"][0]

    def wait_for(self, arn: str, status: str, timeout: float = 30.0) -> Any:
        """Return the task once it has a status; fail on STOPPED before."""

        def reached() -> Any:
            task = self.task(arn)
            assert task["lastStatus"] != "STOPPED" or status == "STOPPED", task.get("stoppedReason")
            return task if task["lastStatus"] == status else None

        return until(reached, timeout)

    def lines(self) -> list[str]:
        """What the containers have written."""
        return [event["message"] for event in self.logs.filter_log_events(logGroupName="/tasks")["events"]]
