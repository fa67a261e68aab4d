"""A cluster's settings, and the list of its services."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.test_ec2 import refusal
from tests.daemon import Daemon


@pytest.fixture
def ecs(cloud: Daemon) -> Any:
    client = cloud.client("ecs")
    client.create_cluster(clusterName="shop")
    return client


def insights(value: str) -> list[dict[str, str]]:
    return [{"name": "containerInsights", "value": value}]


def test_settings_of_a_cluster(ecs: Any) -> None:
    def settings() -> Any:
        (found,) = ecs.describe_clusters(clusters=["shop"], include=["SETTINGS"])["clusters"]
        return found["settings"]

    assert settings() == insights("disabled")
    assert ecs.update_cluster(cluster="shop", settings=insights("enabled"))["cluster"]["settings"] == insights(
        "enabled"
    )
    assert settings() == insights("enabled")
    arn = ecs.describe_clusters(clusters=["shop"])["clusters"][0]["clusterArn"]
    ecs.update_cluster_settings(cluster=arn, settings=insights("enhanced"))
    assert settings() == insights("enhanced")
    for call in (ecs.update_cluster, ecs.update_cluster_settings):
        assert refusal(call, cluster="none", settings=insights("enabled"))[0] == "ClusterNotFoundException"
        assert refusal(call, cluster="shop", settings=insights("loud"))[0] == "InvalidParameterException"
    assert settings() == insights("enhanced")


def test_services_of_a_cluster_are_listed(cloud: Daemon, ecs: Any) -> None:
    ecs.register_task_definition(
        family="idle",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        containerDefinitions=[{"name": "app", "image": "busybox"}],
    )
    subnet = cloud.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
    arns = {
        name: ecs.create_service(
            cluster="shop",
            serviceName=name,
            taskDefinition="idle",
            desiredCount=0,
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": {"subnets": [subnet]}},
        )["service"]["serviceArn"]
        for name in ("one", "two", "three")
    }
    assert set(ecs.list_services(cluster="shop")["serviceArns"]) == set(arns.values())
    pages = list(ecs.get_paginator("list_services").paginate(cluster="shop", PaginationConfig={"PageSize": 2}))
    assert [len(page["serviceArns"]) for page in pages] == [2, 1]
    assert ecs.list_services(cluster="shop", launchType="EC2")["serviceArns"] == []
    assert ecs.list_services(cluster="shop", schedulingStrategy="DAEMON")["serviceArns"] == []
    ecs.delete_service(cluster="shop", service="two")
    ecs.get_waiter("services_inactive").wait(cluster="shop", services=["two"], WaiterConfig={"Delay": 1})
    assert set(ecs.list_services(cluster="shop")["serviceArns"]) == {arns["one"], arns["three"]}
    assert refusal(ecs.list_services, cluster="none") == ("ClusterNotFoundException", "Cluster not found.")
