"""What the templates promise, whatever their text: nothing is reverted, nobody is moved, one image goes everywhere."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.manifests import MANIFESTS
from tests.template.golden import templates
from tidegate.manifest import parse
from tidegate.template.names import deploy_role
from tidegate.template.pipeline import pipeline_template
from tidegate.template.service import service_template
from tidegate.template.target import priorities


def stacks(name: str) -> dict[str, Any]:
    return {stack: json.loads(template.to_json()) for stack, template in templates(parse(MANIFESTS[name]))}


def of_type(template: Any, kind: str) -> dict[str, Any]:
    return {title: each["Properties"] for title, each in template["Resources"].items() if each["Type"] == kind}


# a stack update reverts nothing


@pytest.mark.parametrize("name", MANIFESTS)
def test_image_and_count_are_what_runs(name: str) -> None:
    for template in stacks(name).values():
        for title, service in of_type(template, "AWS::ECS::Service").items():
            assert service["DesiredCount"]["Fn::If"][:2] == ["CountGiven", {"Ref": "DesiredCount"}], title
        for definition in of_type(template, "AWS::ECS::TaskDefinition").values():
            assert definition["ContainerDefinitions"][0]["Image"] == {"Ref": "Image"}


@pytest.mark.parametrize("name", ["blue-green", "linear", "canary", "network-balancer-blue-green"])
def test_an_update_leaves_requests_where_they_go(name: str) -> None:
    (template,) = (each for stack, each in stacks(name).items() if stack.startswith("local-"))
    assert template["Parameters"]["LiveTargets"]["Default"] == "primary"
    actions = [
        rule.get("Actions") or rule["DefaultActions"]
        for kind in ("ListenerRule", "Listener")
        for rule in of_type(template, f"AWS::ElasticLoadBalancingV2::{kind}").values()
    ]
    weights = [target["Weight"] for ((action,),) in [actions] for target in action["ForwardConfig"]["TargetGroups"]]
    assert weights == [{"Fn::If": ["AlternateIsLive", 0, 1]}, {"Fn::If": ["AlternateIsLive", 1, 0]}]


# several services on one balancer


def test_priorities_are_unique() -> None:
    many = "".join(f"  s{number}: {{port: 80, routes: [{{path: /s{number}/*}}, {{path: /}}]}}\n" for number in range(1))
    many += "".join(f"  t{n}: {{port: 80, routes: [{{path: /t{n:03}/*}}]}}\n" for n in range(200))
    order = priorities(parse(f"app: shop\nservices:\n{many}"), "local")
    assert len(set(order.values())) == len(order) == 202
    assert all(1 <= priority <= 50_000 for priority in order.values())


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_new_service_moves_nobodys_rule(place: int) -> None:
    services = ["  web: {port: 80}", "  api: {port: 81, routes: [{path: /api/*}]}"]
    before = priorities(parse("app: shop\nservices:\n" + "\n".join(services)), "local")
    services.insert(place, "  admin: {port: 82, routes: [{path: /adm/*}, {host: admin.example.com}]}")
    after = priorities(parse("app: shop\nservices:\n" + "\n".join(services)), "local")
    assert {key: after[key] for key in before} == before


def test_what_says_more_is_asked_first() -> None:
    routes = "[{path: /*}, {path: /api/*}, {path: /api/v1/*}, {path: /api/*, method: GET}, {path: /*, host: a.com}]"
    order = priorities(parse(f"app: shop\nservices: {{web: {{port: 80, routes: {routes}}}}}"), "local")
    everything, api, version, method, host = (order["web", number] for number in range(5))
    assert host < version < method < api < everything or host < method < version < api < everything


# jobs


def test_a_job_runs_what_was_deployed_last() -> None:
    template = stacks("jobs")["local-web"]
    target = of_type(template, "AWS::Events::Rule")["BigJob"]["Targets"][0]
    family = target["EcsParameters"]["TaskDefinitionArn"]["Fn::Sub"]
    assert family.endswith(":task-definition/shop-local-web")  # no revision: the newest
    assert json.loads(target["Input"]) == {
        "containerOverrides": [
            {"name": "web", "command": ["big"], "environment": [{"name": "ALL", "value": "1"}]},
        ],
        "cpu": "1024",
        "memory": "2048",
    }


def test_a_job_runs_only_where_it_is_meant_to() -> None:
    found = stacks("environments")
    assert not of_type(found["staging-web"], "AWS::Events::Rule")
    assert of_type(found["production-web"], "AWS::Events::Rule")["NightlyJob"]["ScheduleExpression"] == "rate(2 days)"


# pipelines


def actions(pipeline: Any) -> dict[str, Any]:
    (found,) = of_type(pipeline, "AWS::CodePipeline::Pipeline").values()
    return {f"{stage['Name']}.{action['Name']}": action for stage in found["Stages"] for action in stage["Actions"]}


@pytest.mark.parametrize("name", MANIFESTS)
def test_an_image_is_built_once(name: str) -> None:
    found = actions(stacks(name)["pipeline"])
    built = [action["OutputArtifacts"] for action in found.values() if action["ActionTypeId"]["Category"] == "Build"]
    deployed = [action["InputArtifacts"] for action in found.values() if action["ActionTypeId"]["Category"] == "Deploy"]
    assert len({json.dumps(each) for each in built}) == len(built)
    assert {json.dumps(each) for each in deployed} == {json.dumps(each) for each in built}


def test_approval_comes_before_the_deployment_of_its_stage() -> None:
    found = actions(stacks("environments")["pipeline"])
    assert found["DeployProduction.Approve"]["RunOrder"] < found["DeployProduction.DeployWeb"]["RunOrder"]
    assert list(found).index("Test.Test") < list(found).index("DeployStaging.DeployWeb")


def test_the_action_waits_as_long_as_the_strategy_takes() -> None:
    found = actions(stacks("environments")["pipeline"])
    assert found["DeployStaging.DeployWeb"]["Configuration"]["DeploymentTimeout"] == "20"
    assert found["DeployProduction.DeployWeb"]["Configuration"]["DeploymentTimeout"] == "27"  # 2 + 5 of the canary


@pytest.mark.parametrize(
    ("name", "permission"),
    [("github", "codeconnections:UseConnection"), ("gitlab", "codestar-connections:UseConnection")],
)
def test_the_permission_has_the_prefix_of_the_connection(name: str, permission: str) -> None:
    (role,) = of_type(stacks(name)["pipeline"], "AWS::IAM::Role").values()
    given = [each for each in role["Policies"][0]["PolicyDocument"]["Statement"] if "UseConnection" in str(each)]
    assert [each["Action"] for each in given] == [[permission]]


def test_with_path_filters_the_trigger_decides() -> None:
    pipeline = stacks("github")["pipeline"]
    (found,) = of_type(pipeline, "AWS::CodePipeline::Pipeline").values()
    push = found["Triggers"][0]["GitConfiguration"]["Push"][0]
    assert push == {"Branches": {"Includes": ["main"]}, "FilePaths": {"Includes": ["web/**", "Dockerfile"]}}
    assert actions(pipeline)["Source.Source"]["Configuration"]["DetectChanges"] == "false"
    assert actions(stacks("bitbucket")["pipeline"])["Source.Source"]["Configuration"]["DetectChanges"] == "true"


def test_another_region_has_its_own_artifacts() -> None:
    found = stacks("regions")
    (pipeline,) = of_type(found["pipeline"], "AWS::CodePipeline::Pipeline").values()
    stores = {str(each["Region"]): each["ArtifactStore"]["Location"] for each in pipeline["ArtifactStores"]}
    (bucket,) = of_type(found["artifacts-us-east-1"], "AWS::S3::Bucket").values()
    assert bucket["BucketName"] == {"Fn::Sub": "shop-${AWS::AccountId}-${AWS::Region}"}
    assert stores["us-east-1"] == {"Fn::Sub": "shop-${AWS::AccountId}-us-east-1"}
    action = actions(found["pipeline"])["DeployAmerica.DeployWeb"]
    assert (action["Region"], "Region" in actions(found["pipeline"])["DeployEurope.DeployWeb"]) == ("us-east-1", False)


def test_another_account_is_entered_by_a_role_that_trusts_the_pipeline_alone() -> None:
    found = stacks("accounts")
    action = actions(found["pipeline"])["DeployProduction.DeployWeb"]
    role = of_type(found["production-web"], "AWS::IAM::Role")["DeployRole"]
    assert action["RoleArn"] == {"Fn::Sub": f"arn:${{AWS::Partition}}:iam::222233334444:role/{role['RoleName']}"}
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"]["AWS"]["Fn::Sub"].endswith("iam::111122223333:root")
    assert trust["Condition"]["ArnEquals"]["aws:PrincipalArn"]["Fn::Sub"].endswith(":role/shop-pipeline")
    assert of_type(found["pipeline"], "AWS::IAM::Role")["PipelineRole"]["RoleName"] == "shop-pipeline"
    assert "DeployRole" not in found["staging-web"]["Resources"]


def test_another_account_pulls_the_image_that_was_built() -> None:
    found = stacks("accounts")
    (repository,) = of_type(found["image"], "AWS::ECR::Repository").values()
    (statement,) = repository["RepositoryPolicyText"]["Statement"]
    assert "222233334444" in json.dumps(statement["Principal"])
    execution = of_type(found["production-web"], "AWS::IAM::Role")["ExecutionRole"]
    assert "ecr:eu-west-1:111122223333:repository/shop/web" in json.dumps(execution["Policies"])


def test_names_of_roles_fit() -> None:
    name = "a" * 30
    assert len(deploy_role(name, name, name)) == 64
    assert deploy_role("shop", "production", "web") == "shop-production-web-deploy"


# load balancers


def test_a_domain_gives_https_and_a_redirect() -> None:
    found = stacks("domain")
    listeners = of_type(found["production"], "AWS::ElasticLoadBalancingV2::Listener")
    assert listeners["Listener"]["DefaultActions"][0]["RedirectConfig"]["Protocol"] == "HTTPS"
    assert listeners["HttpsListener"]["SslPolicy"].startswith("ELBSecurityPolicy-TLS13-1-2")
    rule = of_type(found["production-web"], "AWS::ElasticLoadBalancingV2::ListenerRule")["Rule1"]
    assert rule["ListenerArn"] == {"Fn::ImportValue": "shop-production-HttpsListener"}
    assert found["production"]["Outputs"]["Url"]["Value"] == "https://www.example.com"


@pytest.mark.parametrize("name", MANIFESTS)
def test_tasks_are_reached_from_their_balancer_alone(name: str) -> None:
    for template in stacks(name).values():
        group = of_type(template, "AWS::EC2::SecurityGroup").get("TaskGroup")
        for rule in group.get("SecurityGroupIngress", []) if group else ():
            assert "SourceSecurityGroupId" in rule
            assert "CidrIp" not in rule


@pytest.mark.parametrize(("name", "address"), [("smallest", "ENABLED"), ("nat", "DISABLED"), ("endpoints", "DISABLED")])
def test_only_public_networks_give_public_addresses(name: str, address: str) -> None:
    found = stacks(name)
    (service,) = (each for template in found.values() for each in of_type(template, "AWS::ECS::Service").values())
    assert service["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == address


def test_endpoints_are_those_that_are_needed() -> None:
    def services(name: str) -> list[str]:
        found = of_type(stacks(name)["staging"], "AWS::EC2::VPCEndpoint").values()
        return sorted(each["ServiceName"]["Fn::Sub"].removeprefix("com.amazonaws.${AWS::Region}.") for each in found)

    assert services("endpoints-worker") == ["ecr.api", "ecr.dkr", "logs", "s3"]
    assert services("endpoints") == ["ecr.api", "ecr.dkr", "logs", "s3", "secretsmanager", "ssm", "ssmmessages"]
    assert not of_type(stacks("endpoints-worker")["staging"], "AWS::EC2::InternetGateway")


def test_a_pipeline_of_many_services_can_be_sent() -> None:
    many = "".join(f"  service-{n}: {{port: 80, routes: [{{path: /s{n}/*}}]}}\n" for n in range(12))
    text = f"app: shop\nservices:\n{many}environments: {{a: {{}}, b: {{}}, c: {{}}}}\npipeline: {{stages: [a, b, c]}}\n"
    manifest = parse(text)
    assert len(pipeline_template(manifest, manifest.pipeline.stages).to_json(indent=1)) < 51_200
    assert len(service_template(manifest, "a", "service-1").to_json(indent=1)) < 51_200
