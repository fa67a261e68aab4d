"""Tasks are found by name: in Cloud Map, and by the resolver of every other task of the VPC."""

from __future__ import annotations

import subprocess
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import pytest

from tests.contract.test_servicediscovery import Map
from tests.daemon import Daemon
from tests.fargate import Fargate, until

# sends a question to the container's own resolver and prints the answer, both as they go over the wire
ASK = """
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.settimeout(10)
server = next(line.split()[1] for line in open("/etc/resolv.conf") if line.startswith("nameserver"))
sock.sendto(bytes.fromhex(sys.argv[1]), (server, 53))
print(sock.recv(65535).hex())
"""
LIVES = "trap 'exit 0' TERM; while true; do sleep 0.1; done"


class Discovered(Fargate):
    """A private namespace `shop.local`, and services whose tasks are found in it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.map = Map(self.cloud)
        self.namespace = self.map.private("shop.local")

    def registry(self, name: str, kind: str = "A") -> str:
        records = {"DnsRecords": [{"Type": kind, "TTL": 7}]}
        service = self.map.service(self.namespace, name, DnsConfig=records)
        return str(self.map.client.get_service(Id=service)["Service"]["Arn"])

    def create(self, name: str, *containers: dict[str, Any], count: int = 2, **registry: Any) -> None:
        definition = self.register(*containers, family=name)
        self.ecs.create_service(
            cluster="c",
            serviceName=name,
            taskDefinition=definition,
            desiredCount=count,
            networkConfiguration=self.network,
            serviceRegistries=[registry],
        )

    def inside(self, task: str, *command: str, container: str = "client") -> str:
        """Run a command in a container of a task and return what it prints."""
        name = f"tidegate-{self.cloud.region}.c.{task.rpartition('/')[2]}-{container}"
        return subprocess.run(["docker", "exec", name, *command], capture_output=True, text=True, check=True).stdout

    def ask(self, task: str, name: str, kind: str = "A") -> dns.message.Message:
        query = dns.message.make_query(name, kind)
        answer = self.inside(task, "python3", "-c", ASK, query.to_wire().hex())
        return dns.message.from_wire(bytes.fromhex(answer.strip()))

    def addresses(self, task: str, name: str) -> set[str]:
        return {str(each) for rrset in self.ask(task, name).answer for each in rrset}

    def running(self, service: str) -> set[str]:
        """The addresses of a service's running tasks, as the engine has them."""
        arns = self.ecs.list_tasks(cluster="c", serviceName=service)["taskArns"]
        tasks = self.ecs.describe_tasks(cluster="c", tasks=arns)["tasks"] if arns else []
        up = [each["taskArn"].rpartition("/")[2] for each in tasks if each["lastStatus"] == "RUNNING"]
        pods = [f"tidegate-{self.cloud.region}.c.{each}-pause" for each in up]
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        command = ["docker", "inspect", "--format", form, *pods]
        return (
            set(subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()) if pods else set()
        )

    def steady(self, service: str, number: int) -> bool:
        (found,) = self.ecs.describe_services(cluster="c", services=[service])["services"]
        deployments = found["deployments"]
        return len(deployments) == 1 and found["runningCount"] == number and not found["pendingCount"]


@pytest.mark.slow
def test_a_name_follows_its_tasks_and_outlives_the_daemon(own_cloud: Daemon) -> None:
    shop = Discovered(own_cloud)
    arn = shop.registry("web")
    shop.create("web", shop.container("web", LIVES), registryArn=arn)
    client = shop.run(shop.container("client", LIVES))
    shop.wait_for(client, "RUNNING")
    until(lambda: shop.steady("web", 2))
    until(lambda: shop.addresses(client, "web.shop.local") == shop.running("web"))
    (rrset,) = shop.ask(client, "web.shop.local").answer
    assert rrset.ttl == 7
    assert shop.ask(client, "none.shop.local").rcode() == dns.rcode.NXDOMAIN
    (instance, _) = shop.map.client.list_instances(ServiceId=arn)["Instances"]
    assert instance["Attributes"]["ECS_SERVICE_NAME"] == "web"
    assert instance["Attributes"]["ECS_CLUSTER_NAME"] == "c"
    assert instance["Attributes"]["ECS_TASK_DEFINITION_FAMILY"] == "web"

    # what boto3 asks DiscoverInstances of
    resolved = "import socket; print(socket.gethostbyname('data-169.254.170.2'))"
    assert shop.inside(client, "python3", "-c", resolved).strip() == "169.254.170.2"
    first = shop.running("web")
    own_cloud.kill()
    assert shop.addresses(client, "web.shop.local") == first
    own_cloud.start()
    shop.ecs.update_service(cluster="c", service="web", desiredCount=1)
    until(lambda: shop.addresses(client, "web.shop.local") == shop.running("web") and shop.steady("web", 1))
    shop.ecs.update_service(cluster="c", service="web", forceNewDeployment=True)
    until(lambda: shop.steady("web", 1) and not shop.running("web") & first)
    until(lambda: shop.addresses(client, "web.shop.local") == shop.running("web"))
    shop.ecs.delete_service(cluster="c", service="web", force=True)
    until(lambda: shop.ask(client, "web.shop.local").rcode() == dns.rcode.NXDOMAIN)
    assert shop.map.client.list_instances(ServiceId=arn)["Instances"] == []


@pytest.mark.slow  # ECS looks at a container every five seconds at most
def test_ports_are_found_and_sick_tasks_are_not(cloud: Daemon) -> None:
    shop = Discovered(cloud)
    probe = {"command": ["CMD-SHELL", "test ! -e /tmp/sick"], "interval": 5, "timeout": 2, "retries": 1}
    container = shop.container("web", LIVES, portMappings=[{"containerPort": 8080}], healthCheck=probe)
    arn = shop.registry("_web._tcp", "SRV")
    shop.create("web", container, registryArn=arn, containerName="web", containerPort=8080)
    client = shop.run(shop.container("client", LIVES))
    shop.wait_for(client, "RUNNING")

    def healthy() -> int:
        states = shop.map.client.get_instances_health_status(ServiceId=arn)["Status"]
        return list(states.values()).count("HEALTHY")

    until(lambda: healthy() == 2, 60)
    answer = until(lambda: shop.ask(client, "_web._tcp.shop.local", "SRV"))
    (rrset,) = answer.answer
    assert {each.port for each in rrset} == {8080}
    assert len(rrset) == 2
    hosts = {str(each.target) for each in rrset}
    assert {address for host in hosts for address in shop.addresses(client, host)} == shop.running("web")

    sick = shop.ecs.list_tasks(cluster="c", serviceName="web")["taskArns"][0]
    shop.inside(sick, "touch", "/tmp/sick", container="web")
    until(lambda: healthy() == 1, 60)
    assert sick.rpartition("/")[2] not in str(shop.ask(client, "_web._tcp.shop.local", "SRV"))
    # a name of nobody here is asked elsewhere, as it is without a namespace
    assert shop.ask(client, "none.shop.local").flags & dns.flags.AA
    assert not shop.ask(client, "tidegate.invalid").flags & dns.flags.AA
