"""Things that are there before the first hostile request: their names and ARNs are what requests then speak of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.daemon import Daemon

_TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Service": ["ecs-tasks.amazonaws.com", "codebuild.amazonaws.com"]},
            "Action": "sts:AssumeRole",
        },
    }
)
_TEMPLATE = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})


def made(daemon: Daemon) -> Iterator[Any]:
    """Make one of most things; yields the answers, among them that of the description of the network."""
    client = daemon.client
    ec2 = client("ec2")
    subnets = ec2.describe_subnets()
    yield from (ec2.describe_vpcs(), subnets, ec2.describe_security_groups(), ec2.describe_route_tables())
    yield ec2.describe_internet_gateways()
    role = client("iam").create_role(RoleName="fuzz", AssumeRolePolicyDocument=_TRUST)
    yield role
    yield client("s3").create_bucket(Bucket="fuzz-bucket")
    yield {"Bucket": "fuzz-bucket", "Key": "key", "UserName": "fuzz", "BranchName": "main", "TagKey": "a"}
    yield client("s3").put_object(Bucket="fuzz-bucket", Key="key", Body=b"x" * 100)
    yield client("iam").create_user(UserName="fuzz")
    yield client("ecr").create_repository(repositoryName="fuzz")
    yield client("codecommit").create_repository(repositoryName="fuzz")
    yield client("codecommit").put_file(
        repositoryName="fuzz", branchName="main", filePath="a.txt", fileContent=b"a\n", commitMessage="first"
    )
    client("logs").create_log_group(logGroupName="/fuzz")
    client("logs").create_log_stream(logGroupName="/fuzz", logStreamName="stream")
    yield client("logs").describe_log_groups()
    yield client("logs").describe_log_streams(logGroupName="/fuzz")
    yield client("ecs").create_cluster(clusterName="fuzz")
    yield client("ecs").register_task_definition(
        family="fuzz",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        containerDefinitions=[{"name": "app", "image": "fuzz:1", "portMappings": [{"containerPort": 80}]}],
    )
    network = {"awsvpcConfiguration": {"subnets": [subnets["Subnets"][0]["SubnetId"]]}}
    yield client("ecs").create_service(
        cluster="fuzz", serviceName="fuzz", taskDefinition="fuzz", desiredCount=0, launchType="FARGATE",
        networkConfiguration=network,
    )  # fmt: skip
    balancer = client("elbv2").create_load_balancer(
        Name="fuzz", Subnets=[each["SubnetId"] for each in subnets["Subnets"][:2]]
    )
    group = client("elbv2").create_target_group(
        Name="fuzz", Protocol="HTTP", Port=80, TargetType="ip", VpcId=subnets["Subnets"][0]["VpcId"]
    )
    yield from (balancer, group)
    yield client("elbv2").create_listener(
        LoadBalancerArn=balancer["LoadBalancers"][0]["LoadBalancerArn"],
        Protocol="HTTP",
        Port=8099,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group["TargetGroups"][0]["TargetGroupArn"]}],
    )
    yield client("codebuild").create_project(
        name="fuzz",
        source={"type": "NO_SOURCE", "buildspec": "version: 0.2\nphases: {build: {commands: ['true']}}"},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={
            "type": "LINUX_CONTAINER",
            "image": "aws/codebuild/standard:7.0",
            "computeType": "BUILD_GENERAL1_SMALL",
        },
        serviceRole=role["Role"]["Arn"],
    )
    yield client("cloudformation").create_stack(StackName="fuzz", TemplateBody=_TEMPLATE)
    yield {"StackName": "fuzz", "TemplateBody": _TEMPLATE, "PolicyDocument": _TRUST, "AssumeRolePolicyDocument": _TRUST}
    yield client("sns").create_topic(Name="fuzz")
    yield client("ssm").put_parameter(Name="/fuzz", Value="x", Type="SecureString")
    yield client("ssm").describe_parameters()
    yield client("secretsmanager").create_secret(Name="fuzz", SecretString="x")
    yield client("kms").create_key()
    yield client("kms").list_aliases()
    yield client("events").put_rule(Name="fuzz", ScheduleExpression="rate(1 day)", State="DISABLED")
    yield {"Rule": "fuzz", "EventBusName": "default", "ScheduleExpression": "rate(1 day)"}
    yield client("route53").create_hosted_zone(Name="fuzz.example.com", CallerReference="fuzz")
    yield client("acm").request_certificate(DomainName="www.fuzz.example.com")
    yield client("codestar-connections").create_connection(ProviderType="GitHub", ConnectionName="fuzz")
