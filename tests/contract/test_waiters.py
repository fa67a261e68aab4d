"""The waiters of boto3 that no other test has a use for; and that none which fits is left out."""

from __future__ import annotations

from pathlib import Path

from botocore import xform_name

from tests.contract.test_iam import trust
from tests.daemon import Daemon
from tidegate.cloud.daemon import Cloud, Settings

TESTS = Path(__file__).parents[1]
# what these wait for is not what they ask
AFTER = {
    "stack_rollback_complete": "rollback_stack",
    "stack_import_complete": "(imports are not offered)",
    "log_alarm_exists": "put_log_alarm",
}
AT_ONCE = {"Delay": 1, "MaxAttempts": 5}


def test_users_and_instance_profiles(cloud: Daemon) -> None:
    iam = cloud.client("iam")
    iam.create_user(UserName="w")
    iam.get_waiter("user_exists").wait(UserName="w", WaiterConfig=AT_ONCE)
    iam.create_role(RoleName="w", AssumeRolePolicyDocument=trust(Service="ec2.amazonaws.com"))
    iam.create_instance_profile(InstanceProfileName="w")
    iam.get_waiter("instance_profile_exists").wait(InstanceProfileName="w", WaiterConfig=AT_ONCE)


def test_networks(cloud: Daemon) -> None:
    ec2 = cloud.client("ec2")
    (vpc,) = [each["VpcId"] for each in ec2.describe_vpcs()["Vpcs"]]
    ec2.get_waiter("vpc_exists").wait(VpcIds=[vpc], WaiterConfig=AT_ONCE)
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.get_waiter("internet_gateway_exists").wait(InternetGatewayIds=[gateway], WaiterConfig=AT_ONCE)
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    interface = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    ec2.get_waiter("network_interface_available").wait(NetworkInterfaceIds=[interface], WaiterConfig=AT_ONCE)


def test_every_waiter_that_fits_is_used(cloud: Daemon, tmp_path: Path) -> None:
    """A waiter fits where the operation that it asks is offered, and the one that it waits for."""
    local_cloud = Cloud(Settings(tmp_path))
    operations = local_cloud.dispatcher.operations()
    local_cloud.close()
    tests = "\n".join(path.read_text() for path in TESTS.rglob("*.py"))
    unused = []
    for service, offered in operations.items():
        client = cloud.client(service)
        for name in client.waiter_names:
            asks = xform_name(client.get_waiter(name).config.operation)
            if asks in offered and AFTER.get(name, asks) in offered and f'"{name}"' not in tests:
                unused.append(f"{service} {name}")
    assert unused == []
