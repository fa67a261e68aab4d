"""Templates read and evaluated: short forms, every function, what is unknown."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.cloud.services.cloudformation.schemas import PropertiesError, schema
from tidegate.cloud.services.cloudformation.template.evaluate import NO_VALUE, UNKNOWN, Scope, is_unknown
from tidegate.cloud.services.cloudformation.template.graph import dependencies, in_order, uses
from tidegate.cloud.services.cloudformation.template.parameters import given, shown, typed
from tidegate.cloud.services.cloudformation.template.parse import TemplateError, parse


def scope(template: dict[str, Any] | None = None, **parameters: Any) -> Scope:
    known = {"Bucket": "the-bucket", "New": UNKNOWN}
    return Scope(
        template or {},
        {"AWS::Region": "eu-west-1", **parameters},
        lambda name: known[name],
        lambda name, attribute: UNKNOWN if name == "New" else f"{known[name]}/{attribute}",
        exports={"shared": "value"},
        zones={"eu-west-1": ["eu-west-1a", "eu-west-1b"]},
    )


def value(text: str, **parameters: Any) -> Any:
    return scope(None, **parameters).value(parse(f"V: {text}")["V"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("!Ref P", "p"),
        ("!Ref Bucket", "the-bucket"),
        ("!GetAtt Bucket.Arn", "the-bucket/Arn"),
        ("!GetAtt [Bucket, Endpoint.Address]", "the-bucket/Endpoint.Address"),
        ("{'Fn::GetAtt': 'Bucket.Arn'}", "the-bucket/Arn"),
        ("!Sub 'x-${P}-${Bucket}-${Bucket.Arn}-${!Literal}-$plain'", "x-p-the-bucket-the-bucket/Arn-${Literal}-$plain"),
        ("!Sub ['${own}-${P}', {own: !Ref Bucket}]", "the-bucket-p"),
        ("!Join ['/', [a, !Ref P, 3]]", "a/p/3"),
        ("!Join ['', !Split ['-', 'a-b-c']]", "abc"),
        ("!Select [1, !Split [',', 'a,b']]", "b"),
        ("!Select ['0', !Ref List]", "one"),
        ("!GetAZs ''", ["eu-west-1a", "eu-west-1b"]),
        ("!GetAZs", ["eu-west-1a", "eu-west-1b"]),
        ("!Cidr [10.0.0.0/16, 2, 8]", ["10.0.0.0/24", "10.0.1.0/24"]),
        ("!Cidr ['10.0.0.0/24', '3', '5']", ["10.0.0.0/27", "10.0.0.32/27", "10.0.0.64/27"]),
        ("!Base64 hello", "aGVsbG8="),
        ("!ImportValue shared", "value"),
        ("!ImportValue {'Fn::Sub': 'sha${Empty}red'}", "value"),
        ("{'Fn::ToJsonString': {a: !Ref P}}", '{"a":"p"}'),
        ("{'Fn::Length': [1, 2]}", 2),
        ("[a, !Ref 'AWS::NoValue', b]", ["a", "b"]),
        ("{a: 1, b: !Ref 'AWS::NoValue'}", {"a": 1}),
        ("!Ref New", UNKNOWN),
        ("!Sub '${New}-x'", UNKNOWN),
        ("!Join [',', [a, !Ref New]]", UNKNOWN),
        ("!Select [0, !Split [',', !GetAtt New.Arns]]", UNKNOWN),
        ("2012-10-17", "2012-10-17"),
    ],
)
def test_functions(text: str, expected: Any) -> None:
    assert value(text, P="p", List=["one", "two"], Empty="") == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("!Select [5, [a]]", "nonexistent value at index 5"),
        ("!ImportValue nobody", "No export named nobody found"),
        ("!Sub '${List}'", "does not resolve to a string"),
        ("!Join [',']", "requires two parameters"),
        ("!Nothing x", "Fn::Nothing is not a function"),
        ("!GetAZs mars-1", "mars-1"),
        ("!Cidr [10.0.0.0/30, 9, 8]", "Fn::Cidr"),
    ],
)
def test_what_cannot_be_evaluated_says_why(text: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        value(text, List=["a"])


def test_conditions_and_mappings() -> None:
    template = parse("""
Mappings: {Sizes: {eu-west-1: {small: 256}}}
Conditions:
  Production: !Equals [!Ref Stage, production]
  Large: !And [!Condition Production, !Not [!Equals [!Ref Count, '1']]]
  Either: !Or [!Condition Production, !Equals [!Ref Count, 1]]
V: {size: !FindInMap [Sizes, !Ref AWS::Region, small], count: !If [Large, 4, !Ref 'AWS::NoValue']}
""")
    production = scope(template, Stage="production", Count="2")
    assert production.value(template["V"]) == {"size": 256, "count": 4}
    test = scope(template, Stage="test", Count="1")
    assert test.value(template["V"]) == {"size": 256}
    assert test.condition("Either")
    with pytest.raises(TemplateError, match="Unable to get mapping for Sizes::us-east-1::small"):
        Scope(template, {"AWS::Region": "us-east-1", "Stage": "x", "Count": "1"}, str, lambda a, b: a).value(
            template["V"]
        )


def test_uses_and_order() -> None:
    template = parse("""
Resources:
  A: {Type: T, Properties: {x: !GetAtt B.Arn, y: !Sub '${C}-${AWS::Region}-${D.Name}'}}
  B: {Type: T, DependsOn: [D]}
  C: {Type: T}
  D: {Type: T}
""")
    assert dependencies(template) == {"A": ["B", "C", "D"], "B": ["D"], "C": [], "D": []}
    order = in_order(dependencies(template))
    assert order.index("D") < order.index("B") < order.index("A")
    assert list(uses(template["Resources"]["A"]["Properties"])) == [
        ("B", "Arn"), ("C", None), ("AWS::Region", None), ("D", "Name"),
    ]  # fmt: skip


def test_parameters() -> None:
    template = parse("""
Parameters:
  Name: {Type: String, MinLength: 2, AllowedPattern: '[a-z]+', ConstraintDescription: only small letters}
  Count: {Type: Number, Default: 2, MinValue: 1, MaxValue: 5}
  Subnets: {Type: 'List<AWS::EC2::Subnet::Id>', Default: 'subnet-1, subnet-2'}
  Secret: {Type: String, NoEcho: true, Default: hush}
""")
    values = given(template, [{"ParameterKey": "Name", "ParameterValue": "web"}], None)
    assert typed(template, values) == {
        "Name": "web",
        "Count": "2",
        "Subnets": ["subnet-1", "subnet-2"],
        "Secret": "hush",
    }
    assert {"ParameterKey": "Secret", "ParameterValue": "****"} in shown(template, values)
    assert given(template, [{"ParameterKey": "Name", "UsePreviousValue": True}], values)["Name"] == "web"
    for key, text, message in (
        ("Name", "WEB", "only small letters"),
        ("Count", "many", "must be a number"),
        ("Count", "9", "violates MaxValue 5"),
        ("Other", "x", r"\[Other\] do not exist"),
    ):
        with pytest.raises(TemplateError, match=message):
            given(
                template,
                [{"ParameterKey": "Name", "ParameterValue": "web"}, {"ParameterKey": key, "ParameterValue": text}],
                None,
            )


def test_what_is_no_template_is_said_with_its_line() -> None:
    with pytest.raises(TemplateError, match=r"the key A occurs twice \(line 3\)"):
        parse("Resources:\n  A: 1\n  A: 2\n")
    with pytest.raises(TemplateError, match=r"YAML not well-formed\. \(line 3"):
        parse("Resources:\n  A: [1\n")
    with pytest.raises(TemplateError, match=r"JSON not well-formed\. \(line 1, column 15\)"):
        parse('{"Resources": }')
    with pytest.raises(TemplateError, match="unsupported structure"):
        parse("just text")
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 200))
    with pytest.raises(TemplateError, match="aliases"):
        parse(bomb)


def test_properties_are_typed_and_checked_by_the_schema() -> None:
    service = schema("AWS::ECS::Service")
    assert service.typed({"DesiredCount": "2", "ServiceName": 7, "EnableECSManagedTags": "true"}) == {
        "DesiredCount": 2, "ServiceName": "7", "EnableECSManagedTags": True,
    }  # fmt: skip
    with pytest.raises(PropertiesError, match=r"extraneous key \[Colour\] is not permitted"):
        service.check({"Colour": "red"})
    with pytest.raises(PropertiesError, match="Encountered unsupported property ServiceArn"):
        service.check({"ServiceArn": "arn:x"})
    with pytest.raises(PropertiesError, match=r"required key \[GroupDescription\] not found"):
        schema("AWS::EC2::SecurityGroup").check({})
    tagged = schema("AWS::EC2::VPC").tagged(
        {"Tags": [{"Key": "a", "Value": "own"}]}, {"a": "stack", "b": "stack"}, {"aws:x": "y"}
    )
    assert {tag["Key"]: tag["Value"] for tag in tagged["Tags"]} == {"a": "own", "b": "stack", "aws:x": "y"}
    assert service.recreation("Cluster") == "Always"
    assert service.recreation("LaunchType") == "Conditionally"
    assert service.recreation("DesiredCount") == "Never"


def test_marks() -> None:
    assert is_unknown({"a": [1, {"b": UNKNOWN}]})
    assert not is_unknown({"a": [1, NO_VALUE]})
