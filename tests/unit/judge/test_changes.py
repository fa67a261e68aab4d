"""Changes: what is shown of them, and which of them are loud."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tidegate.judge.changes import Detail, differences, shown, told

LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
DOCUMENTS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)
)


@given(DOCUMENTS)
def test_what_is_the_same_does_not_differ(document: Any) -> None:
    assert list(differences(document, document)) == []


@given(DOCUMENTS, DOCUMENTS)
def test_what_is_not_the_same_differs(one: Any, other: Any) -> None:
    if one != other:
        assert list(differences(one, other)) or told(one) == told(other) or {type(one), type(other)} & {dict, list}


def test_a_property_is_shown_from_what_to_what() -> None:
    before = {"Cpu": "256", "ContainerDefinitions": [{"Name": "web", "PortMappings": [{"ContainerPort": 8080}]}]}
    after = {"Cpu": "512", "ContainerDefinitions": [{"Name": "web", "PortMappings": [{"ContainerPort": 9090}]}]}
    change = shown("Replace", "TaskDefinition", "AWS::ECS::TaskDefinition", before=before, after=after, forcing=["Cpu"])
    assert change.details == (
        Detail("Cpu", "256", "512"),
        Detail("ContainerDefinitions[web].PortMappings[0].ContainerPort", "8080", "9090"),
    )
    assert not change.loud
    assert "without an interruption" in change.means


def test_functions_are_shown_in_their_short_forms() -> None:
    assert told({"Ref": "Vpc"}) == "!Ref Vpc"
    assert told({"Fn::GetAtt": ["Role", "Arn"]}) == "!GetAtt Role.Arn"
    assert told({"Fn::Sub": "${Role.Arn}"}) == "!Sub ${Role.Arn}"
    assert told(True) == "true"
    assert len(str(told("x" * 500))) == 60


def test_a_replacement_is_loud_and_says_why_and_what_it_means() -> None:
    change = shown(
        "Replace",
        "Balancer",
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        named=["Scheme"],
        forcing=["Scheme"],
        before={"Scheme": "internal"},
        after={"Scheme": "internet-facing"},
    )
    assert change.loud
    assert change.why == "Scheme cannot be changed in what exists"
    assert "its address changes" in change.means
    assert change.details == (Detail("Scheme", "internal", "internet-facing", replaces=True),)


def test_what_has_a_name_of_its_own_cannot_be_replaced_beside_itself() -> None:
    change = shown(
        "Replace",
        "Service",
        "AWS::ECS::Service",
        named=["LaunchType"],
        forcing=["LaunchType"],
        before={"ServiceName": "web", "LaunchType": "FARGATE"},
        after={"ServiceName": "web", "LaunchType": "EC2"},
    )
    assert "Its name (web) stays taken" in change.means


def test_what_is_removed_says_what_is_lost() -> None:
    assert shown("Remove", "WebRepository", "AWS::ECR::Repository").means.startswith("its images are gone")
    assert shown("Remove", "WebRepository", "AWS::ECR::Repository").loud
    assert not shown("Remove", "CpuScaling", "AWS::ApplicationAutoScaling::ScalingPolicy").loud
    assert shown("Add", "Vpc", "AWS::EC2::VPC", after={"CidrBlock": "10.0.0.0/16"}).details == ()


def test_what_a_parameter_changes_is_shown_with_its_values() -> None:
    properties = {"DesiredCount": {"Fn::If": ["CountGiven", {"Ref": "DesiredCount"}, {"Ref": "AWS::NoValue"}]}}
    change = shown(
        "Modify",
        "Service",
        "AWS::ECS::Service",
        named=["DesiredCount"],
        before=properties,
        after=properties,
        parameters={"DesiredCount": ("2", "3")},
    )
    assert change.details == (Detail("DesiredCount", "2", "3"),)


def test_what_another_resource_changes_names_it() -> None:
    properties = {"Actions": [{"TargetGroupArn": {"Ref": "TargetGroup"}}]}
    change = shown(
        "Modify",
        "Rule1",
        "AWS::ElasticLoadBalancingV2::ListenerRule",
        named=["Actions"],
        before=properties,
        after=properties,
        anew=["TargetGroup"],
    )
    assert change.details == (Detail("Actions", None, "that of the new TargetGroup"),)
