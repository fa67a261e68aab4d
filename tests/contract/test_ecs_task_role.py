"""What a container finds out about itself, and what it may do: boto3 in a task just works, within the task's role."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import Daemon
from tests.fargate import IMAGE, Fargate, until

WITH_BOTO3 = "tidegate/test-boto3"
_PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py")
_SERVICES = ("sts", "s3", "ecs")
_LOOK = """
import json, os, urllib.request
def get(url, method="GET", body=None):
    request = urllib.request.Request(url, method=method, data=body)
    print(json.dumps(json.load(urllib.request.urlopen(request, timeout=5))), flush=True)
base = os.environ["ECS_CONTAINER_METADATA_URI_V4"]
for path in ("", "/task", "/stats", "/task/stats"):
    get(base + path)
protect = os.environ["ECS_AGENT_URI"] + "/task-protection/v1/state"
get(protect, "PUT", b'{"ProtectionEnabled": true, "ExpiresInMinutes": 3}')
get(protect)
"""
_CALL = """
import boto3
print(boto3.client("sts").get_caller_identity()["Arn"], flush=True)
s3 = boto3.client("s3")
s3.put_object(Bucket="mine", Key="k", Body=b"from a task")
print(s3.get_object(Bucket="mine", Key="k")["Body"].read().decode(), flush=True)
try:
    s3.list_buckets()
except Exception as error:
    print(error, flush=True)
import time
time.sleep(600)
"""


@pytest.fixture(scope="session")
def with_boto3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image with boto3 as it is installed here, and with as few of its models as are needed."""
    folder, installed = tmp_path_factory.mktemp("boto3"), Path(sys.prefix, "lib", "python3.11", "site-packages")

    def unneeded(path: str, names: list[str]) -> set[str]:
        is_data = Path(path) == installed / "botocore" / "data"
        return {name for name in names if is_data and "." not in name and name not in _SERVICES} | {"__pycache__"}

    for name in _PACKAGES:
        if (installed / name).is_dir():
            shutil.copytree(installed / name, folder / name, ignore=unneeded)
        else:
            shutil.copy(installed / name, folder / name)
    (folder / "Dockerfile").write_text(f"FROM {IMAGE}\nCOPY . /packages\nENV PYTHONPATH=/packages\n")
    subprocess.run(["docker", "build", "-q", "-t", WITH_BOTO3, str(folder)], check=True, capture_output=True)
    yield WITH_BOTO3
    subprocess.run(["docker", "rmi", "-f", WITH_BOTO3], check=False, capture_output=True)


@pytest.fixture
def fargate(cloud: Daemon) -> Fargate:
    made = Fargate(cloud)
    made.task_role = made.make_role("task")  # type: ignore[attr-defined]
    return made


def allow(fargate: Fargate, *actions: str) -> None:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    fargate.iam.put_role_policy(RoleName="task", PolicyName="p", PolicyDocument=document)


def written(fargate: Fargate, number: int) -> list[str]:
    """Return what the containers have written, once it is that many lines."""
    until(lambda: len(fargate.lines()) == number)
    return fargate.lines()


def run(fargate: Fargate, container: dict[str, Any]) -> str:
    definition = fargate.register(container, taskRoleArn="task")
    request = {"cluster": "c", "taskDefinition": definition, "networkConfiguration": fargate.network}
    return str(fargate.ecs.run_task(**request)["tasks"][0]["taskArn"])


def test_boto3_in_a_task(fargate: Fargate, with_boto3: str) -> None:
    allow(fargate, "s3:PutObject", "s3:GetObject")
    fargate.cloud.client("s3").create_bucket(Bucket="mine")
    container = {**fargate.container("app", ""), "command": ["python3", "-c", _CALL], "image": with_boto3}
    arn = run(fargate, container)
    identity, content, denied = written(fargate, 3)
    assert identity == f"arn:aws:sts::000000000000:assumed-role/task/{arn.rpartition('/')[2]}"
    assert content == "from a task"
    assert "is not authorized to perform: s3:ListAllMyBuckets" in denied
    fargate.ecs.stop_task(cluster="c", task=arn)


def test_metadata_and_protection(fargate: Fargate) -> None:
    allow(fargate, "ecs:UpdateTaskProtection", "ecs:GetTaskProtection")
    look = {**fargate.container("app", ""), "command": ["python3", "-c", f"{_LOOK}\nimport time; time.sleep(600)"]}
    definition = fargate.register(look, taskRoleArn="task")
    fargate.ecs.create_service(
        cluster="c", serviceName="s", taskDefinition=definition, desiredCount=1, networkConfiguration=fargate.network
    )
    container, task, stats, all_stats, changed, read = map(json.loads, written(fargate, 6))
    (arn,) = fargate.ecs.list_tasks(cluster="c")["taskArns"]
    described = fargate.task(arn)
    assert (container["Name"], container["DockerId"]) == ("app", described["containers"][0]["runtimeId"])
    assert container["Labels"]["com.amazonaws.ecs.task-arn"] == task["TaskARN"] == arn
    assert container["Networks"][0]["IPv4Addresses"] == [
        described["containers"][0]["networkInterfaces"][0]["privateIpv4Address"]
    ]
    assert (task["Family"], task["Revision"], task["LaunchType"]) == ("f", "1", "FARGATE")
    assert task["Limits"] == {"CPU": 0.25, "Memory": 512}
    assert [each["Name"] for each in task["Containers"]] == ["app"]
    assert stats["memory_stats"]["usage"] > 0
    assert list(all_stats) == [container["DockerId"]]
    assert changed["protection"]["ProtectionEnabled"] is read["protection"]["ProtectionEnabled"] is True
    (shown,) = fargate.ecs.get_task_protection(cluster="c", tasks=[arn])["protectedTasks"]
    assert shown["protectionEnabled"]


def test_credentials_outlive_the_daemon(own_cloud: Daemon) -> None:
    fargate = Fargate(own_cloud)
    fargate.make_role("task")
    url = "os.environ['AWS_CONTAINER_CREDENTIALS_FULL_URI']"
    ask = f"import json, os, urllib.request as r; print(json.load(r.urlopen({url}))['RoleArn'])"
    script = f'while :; do python3 -c "{ask}" 2>/dev/null; sleep 0.3; done'
    arn = run(fargate, fargate.container("app", script))
    until(lambda: "arn:aws:iam::000000000000:role/task" in fargate.lines())
    own_cloud.kill()
    own_cloud.start()
    number = len(fargate.lines())
    until(lambda: len(fargate.lines()) > number + 1)
    fargate.ecs.stop_task(cluster="c", task=arn)


def test_a_task_without_a_role_has_no_credentials(fargate: Fargate) -> None:
    arn = fargate.run(fargate.container("app", 'echo "[$AWS_CONTAINER_CREDENTIALS_FULL_URI]"'))
    fargate.wait_for(arn, "STOPPED")
    assert fargate.lines() == ["[]"]
