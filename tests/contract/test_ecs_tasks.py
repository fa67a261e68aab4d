"""Tasks are containers: started, limited, logged, stopped, and told of as ECS tells of them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.daemon import Daemon
from tests.fargate import Fargate, until


@pytest.fixture
def fargate(cloud: Daemon) -> Fargate:
    return Fargate(cloud)


def test_a_task_runs_to_its_end(fargate: Fargate) -> None:
    arn = fargate.run(fargate.container("app", "echo hello; exit 3"))
    fargate.ecs.get_waiter("tasks_stopped").config.delay = 1
    task = fargate.wait_for(arn, "STOPPED")
    (container,) = task["containers"]
    assert (task["stopCode"], task["stoppedReason"]) == (
        "EssentialContainerExited",
        "Essential container in task exited",
    )
    assert (container["exitCode"], container["lastStatus"]) == (3, "STOPPED")
    assert task["createdAt"] <= task["pullStartedAt"] <= task["pullStoppedAt"] <= task["stoppedAt"]
    assert fargate.lines() == ["hello"]
    assert fargate.ec2.describe_network_interfaces()["NetworkInterfaces"] == []


def test_waiters(fargate: Fargate) -> None:
    arn = fargate.run(fargate.container("app", "trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done"))
    running, stopped = (fargate.ecs.get_waiter(name) for name in ("tasks_running", "tasks_stopped"))
    running.config.delay = stopped.config.delay = 0.1
    running.wait(cluster="c", tasks=[arn])
    fargate.ecs.stop_task(cluster="c", task=arn, reason="enough")
    stopped.wait(cluster="c", tasks=[arn])
    task = fargate.task(arn)
    assert (task["stopCode"], task["stoppedReason"]) == ("UserInitiated", "enough")
    assert task["containers"][0]["exitCode"] == 0


def really(fargate: Fargate, address: str) -> str:
    """Return the engine's address for one of the VPC: where somebody else has its range, at the same place (ADR 3)."""
    owner = f"label=dev.tidegate.data-dir={fargate.cloud.data_dir}"
    listed = subprocess.run(
        ["docker", "network", "ls", "--quiet", "--filter", owner], capture_output=True, text=True, check=True
    )
    (network,) = listed.stdout.split()
    shown = ["docker", "network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", network]
    subnet = ip_network(subprocess.run(shown, capture_output=True, text=True, check=True).stdout.strip())
    (vpc,) = fargate.cloud.client("ec2").describe_vpcs()["Vpcs"]
    return str(subnet[int(ip_address(address)) - int(ip_network(vpc["CidrBlock"])[0])])


def test_a_running_task_has_an_address_of_its_own(fargate: Fargate) -> None:
    arn = fargate.run(fargate.container("app", "hostname -I; sleep 60"))
    task = fargate.wait_for(arn, "RUNNING")
    address = task["containers"][0]["networkInterfaces"][0]["privateIpv4Address"]
    details = {each["name"]: each["value"] for each in task["attachments"][0]["details"]}
    assert details["privateIPv4Address"] == address
    assert details["subnetId"] in fargate.subnets
    until(lambda: [line.strip() for line in fargate.lines()] == [really(fargate, address)])
    fargate.ecs.stop_task(cluster="c", task=arn)


def test_limits_bind(fargate: Fargate) -> None:
    script = """
    cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null
    cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cut -d' ' -f1 /sys/fs/cgroup/cpu.max
    """
    fargate.wait_for(fargate.run(fargate.container("app", script)), "STOPPED")
    assert fargate.lines() == [str(512 << 20), "25000"]


@pytest.mark.slow
def test_a_container_is_restarted_by_its_policy(fargate: Fargate) -> None:
    policy = {"enabled": True, "restartAttemptPeriod": 60, "ignoredExitCodes": [7]}
    script = "echo up; if [ -e /tmp/again ]; then exit 7; fi; touch /tmp/again; sleep 61; exit 1"
    arn = fargate.run(fargate.container("app", script, restartPolicy=policy))
    task = fargate.wait_for(arn, "STOPPED", 100)
    assert fargate.lines() == ["up", "up"]
    assert task["containers"][0]["exitCode"] == 7


def test_out_of_memory(fargate: Fargate) -> None:
    arn = fargate.run(fargate.container("app", "exec python3 -c 'x = bytearray(900 << 20)'"))
    task = fargate.wait_for(arn, "STOPPED")
    assert task["containers"][0]["exitCode"] == 137
    assert task["containers"][0]["reason"] == "OutOfMemoryError: Container killed due to memory usage"


def test_containers_of_a_task_meet_on_localhost(fargate: Fargate) -> None:
    ask = "python3 -c 'import urllib.request as r; print(r.urlopen(\"http://localhost:8080\").read().decode())'"
    probe = {"command": ["CMD-SHELL", "python3 -c 'import socket; socket.create_connection((\"localhost\", 8080))'"]}
    server = {**fargate.server(VERSION="v1"), "essential": False, "healthCheck": {**probe, "interval": 5}}
    client = fargate.container("client", ask, dependsOn=[{"containerName": "web", "condition": "HEALTHY"}])
    task = fargate.wait_for(fargate.run(server, client), "STOPPED")
    assert "v1" in fargate.lines()
    assert {each["name"]: each["exitCode"] for each in task["containers"]}["client"] == 0


def test_a_container_may_wait_for_another_to_succeed(fargate: Fargate) -> None:
    first = fargate.container("first", "sleep 0.5; echo first", essential=False)
    second = fargate.container("second", "echo second", dependsOn=[{"containerName": "first", "condition": "SUCCESS"}])
    fargate.wait_for(fargate.run(second, first), "STOPPED")
    assert sorted(fargate.lines()) == ["first", "second"]


def test_a_dependency_that_fails_stops_the_task(fargate: Fargate) -> None:
    first = fargate.container("first", "exit 1", essential=False)
    second = fargate.container("second", "echo second", dependsOn=[{"containerName": "first", "condition": "SUCCESS"}])
    task = fargate.wait_for(fargate.run(first, second), "STOPPED")
    assert task["stopCode"] == "TaskFailedToStart"
    assert "second waits for first to be SUCCESS" in task["stoppedReason"]


def test_volumes_are_shared_between_containers(fargate: Fargate) -> None:
    mount = {"mountPoints": [{"sourceVolume": "data", "containerPath": "/data"}]}
    writer = fargate.container("writer", "echo from writer > /data/x", essential=False, **mount)
    waits = {"dependsOn": [{"containerName": "writer", "condition": "SUCCESS"}]}
    reader = fargate.container("reader", "cat /data/x", **mount, **waits)
    definition = fargate.register(writer, reader, volumes=[{"name": "data"}])
    (task,) = fargate.ecs.run_task(cluster="c", taskDefinition=definition, networkConfiguration=fargate.network)[
        "tasks"
    ]
    fargate.wait_for(task["taskArn"], "STOPPED")
    assert fargate.lines() == ["from writer"]


def test_overrides(fargate: Fargate) -> None:
    override = {"name": "app", "command": ["sh", "-c", "echo $A $B"], "environment": [{"name": "B", "value": "2"}]}
    container = fargate.container("app", "exit 1", environment=[{"name": "A", "value": "1"}])
    fargate.wait_for(fargate.run(container, overrides={"containerOverrides": [override]}), "STOPPED")
    assert fargate.lines() == ["1 2"]


def failure(fargate: Fargate, container: dict[str, Any]) -> tuple[str, str]:
    task = fargate.wait_for(fargate.run(container), "STOPPED")
    return task["stopCode"], task["stoppedReason"]


def test_an_image_that_does_not_exist(fargate: Fargate) -> None:
    image = f"{fargate.cloud.registry}/nothing:latest"
    code, reason = failure(fargate, {**fargate.container("app", ""), "image": image})
    assert code == "TaskFailedToStart"
    assert reason.startswith("CannotPullContainerError: ")
    assert "The repository with name 'nothing' does not exist" in reason


def test_a_command_that_does_not_exist(fargate: Fargate) -> None:
    code, reason = failure(fargate, {**fargate.container("app", ""), "command": ["/no/such/program"]})
    assert code == "TaskFailedToStart"
    assert reason.startswith("CannotStartContainerError: ")
    assert "/no/such/program" in reason


def test_a_log_group_that_does_not_exist(fargate: Fargate) -> None:
    fargate.logs.delete_log_group(logGroupName="/tasks")
    code, reason = failure(fargate, fargate.container("app", ""))
    assert code == "TaskFailedToStart"
    assert reason.startswith("ResourceInitializationError: failed to validate logger args")
    assert "ResourceNotFoundException" in reason


def test_an_execution_role_that_may_not_write_logs(fargate: Fargate) -> None:
    fargate.role = fargate.make_role("nothing")
    _, reason = failure(fargate, fargate.container("app", ""))
    assert "is not authorized to perform: logs:CreateLogStream" in reason


def test_a_role_that_ecs_may_not_assume(fargate: Fargate) -> None:
    trust = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": '
    trust += '{"Service": "codebuild.amazonaws.com"}}]}'
    fargate.iam.update_assume_role_policy(RoleName="execution", PolicyDocument=trust)
    _, reason = failure(fargate, fargate.container("app", ""))
    assert "ECS was unable to assume the role 'arn:aws:iam::000000000000:role/execution'" in reason


def test_a_killed_daemon_finds_its_tasks_again(own_cloud: Daemon) -> None:
    fargate = Fargate(own_cloud)
    script = "trap 'echo bye; exit 0' TERM; n=0; while :; do n=$((n+1)); echo $n; sleep 0.05; done"
    arn = fargate.run(fargate.container("app", script))
    task = fargate.wait_for(arn, "RUNNING")
    until(lambda: len(fargate.lines()) > 3)
    own_cloud.kill()
    own_cloud.start()
    again = fargate.task(arn)
    assert again["lastStatus"] == "RUNNING"
    assert again["containers"][0]["runtimeId"] == task["containers"][0]["runtimeId"]
    fargate.ecs.stop_task(cluster="c", task=arn)
    fargate.wait_for(arn, "STOPPED")
    lines = fargate.lines()
    assert lines[-1] == "bye"
    assert lines[:-1] == [str(number) for number in range(1, len(lines))], "lines were lost or doubled"


def test_a_task_killed_with_the_daemon_is_told_of(own_cloud: Daemon) -> None:
    fargate = Fargate(own_cloud)
    arn = fargate.run(fargate.container("app", "sleep 0.5; exit 7"))
    fargate.wait_for(arn, "RUNNING")
    own_cloud.kill()
    own_cloud.start()
    task = fargate.wait_for(arn, "STOPPED")
    assert task["containers"][0]["exitCode"] == 7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cpu": "300"}, "No Fargate configuration exists for given values: 300 CPU, 512 memory."),
        ({"memory": "8192"}, "No Fargate configuration exists for given values: 256 CPU, 8192 memory."),
        ({"cpu": None}, "Fargate requires that 'cpu' be defined at the task level."),
        ({"networkMode": "bridge"}, "Fargate only supports network mode 'awsvpc'."),
        ({"executionRoleArn": None}, "execution role ARN to support log driver awslogs"),
        ({"volumes": [{"name": "x", "host": {"sourcePath": "/etc"}}]}, "a host sourcePath of volumes"),
        ({"container": {"privileged": True}}, "privileged containers"),
        ({"container": {"portMappings": [{"containerPort": 80, "hostPort": 81}]}}, "port mappings must match"),
        ({"container": {"dependsOn": [{"containerName": "x", "condition": "START"}]}}, "depends on container 'x'"),
        ({"container": {"essential": False}}, "at least one essential container"),
        ({"container": {"mountPoints": [{"sourceVolume": "v", "containerPath": "/v"}]}}, "Unknown volume 'v'"),
        ({"container": {"stopTimeout": 121}}, "a stopTimeout over 120 seconds"),
        ({"container": {"restartPolicy": {"enabled": True, "restartAttemptPeriod": 9}}}, "must be between 60 and 1800"),
    ],
)
def test_wrong_task_definitions(fargate: Fargate, change: dict[str, Any], message: str) -> None:
    container = {**fargate.container("app", ""), **change.pop("container", {})}
    request = {
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": "256",
        "memory": "512",
        "executionRoleArn": fargate.role,
        **change,
    }
    with pytest.raises(ClientError) as caught:
        fargate.ecs.register_task_definition(
            family="f", containerDefinitions=[container], **{k: v for k, v in request.items() if v is not None}
        )
    assert caught.value.response["Error"]["Code"] == "ClientException"
    assert message in caught.value.response["Error"]["Message"]


@pytest.mark.parametrize(
    ("cpu", "memory"), [(".25 vCPU", "0.5GB"), ("256", "512"), ("1 vCPU", "2 GB"), ("1024", "8192")]
)
def test_ways_of_writing_a_size(fargate: Fargate, cpu: str, memory: str) -> None:
    fargate.register(fargate.container("app", ""), cpu=cpu, memory=memory)


def test_families_and_revisions(fargate: Fargate) -> None:
    for family in ("a", "b", "a"):
        fargate.register(fargate.container("app", ""), family=family)
    assert fargate.ecs.list_task_definition_families()["families"] == ["a", "b"]
    pages = fargate.ecs.get_paginator("list_task_definitions").paginate(PaginationConfig={"PageSize": 1})
    arns = [arn.rpartition("/")[2] for page in pages for arn in page["taskDefinitionArns"]]
    assert arns == ["a:1", "a:2", "b:1"]
    assert fargate.ecs.describe_task_definition(taskDefinition="a")["taskDefinition"]["revision"] == 2
    fargate.ecs.deregister_task_definition(taskDefinition="a:2")
    assert fargate.ecs.describe_task_definition(taskDefinition="a")["taskDefinition"]["revision"] == 1
    deleted = fargate.ecs.delete_task_definitions(taskDefinitions=["a:2", "a:1"])
    assert [each["revision"] for each in deleted["taskDefinitions"]] == [2]
    assert "still in ACTIVE status" in deleted["failures"][0]["reason"]
    fargate.register(fargate.container("app", ""), family="a")
    assert fargate.ecs.describe_task_definition(taskDefinition="a")["taskDefinition"]["revision"] == 3


def test_what_is_not_there(fargate: Fargate) -> None:
    assert fargate.ecs.describe_clusters(clusters=["x"])["failures"][0]["reason"] == "MISSING"
    assert fargate.ecs.describe_tasks(cluster="c", tasks=["f" * 32])["failures"][0]["reason"] == "MISSING"
    calls: list[tuple[Callable[[], Any], str]] = [
        (lambda: fargate.ecs.list_tasks(cluster="x"), "ClusterNotFoundException"),
        (lambda: fargate.ecs.stop_task(cluster="c", task="f" * 32), "InvalidParameterException"),
        (lambda: fargate.ecs.run_task(cluster="c", taskDefinition="x"), "ClientException"),
        (lambda: fargate.ecs.update_service(cluster="c", service="x"), "ServiceNotFoundException"),
    ]
    for call, code in calls:
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == code


def test_passing_a_role_needs_permission(fargate: Fargate) -> None:
    trust = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": '
    trust += '{"AWS": "arn:aws:iam::000000000000:user/administrator"}}]}'
    arn = fargate.iam.create_role(RoleName="dev", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    document = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ecs:*", "Resource": "*"}]}'
    fargate.iam.put_role_policy(RoleName="dev", PolicyName="p", PolicyDocument=document)
    keys = fargate.cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="dev")["Credentials"]
    fargate.ecs = fargate.cloud.client("ecs", keys=keys)
    with pytest.raises(ClientError, match=r"not authorized to perform: iam:PassRole on resource: .*role/execution"):
        fargate.register(fargate.container("app", ""))


def test_tags(fargate: Fargate) -> None:
    definition = fargate.register(fargate.container("app", ""), tags=[{"key": "a", "value": "1"}])
    fargate.ecs.tag_resource(resourceArn=definition, tags=[{"key": "b", "value": "2"}])
    fargate.ecs.untag_resource(resourceArn=definition, tagKeys=["a"])
    assert fargate.ecs.list_tags_for_resource(resourceArn=definition)["tags"] == [{"key": "b", "value": "2"}]
