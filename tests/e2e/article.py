"""The article's first two parts, typed: a person at a terminal with the AWS CLI, docker and git, and what they make."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

from tests.daemon import Daemon
from tests.fargate import SERVER
from tests.git import Git
from tests.waiting import wait_for

CONTAINER = "<replace this text with the container name used in task definition>"

# the article's, its phases put back; the container's name is put in as it asks
BUILDSPEC = """version: 0.2

phases:
  pre_build:
    commands:
      - echo Logging in to Amazon ECR...
      - aws --version
      - $(aws ecr get-login --region $AWS_DEFAULT_REGION --no-include-email)
      - IMAGE_TAG=${COMMIT_HASH:=latest}
  build:
    commands:
      - echo Build started on `date`
      - echo Building the Docker image...          
      - docker build -t $REPOSITORY_URI:latest .
      - docker tag $REPOSITORY_URI:latest $REPOSITORY_URI:$IMAGE_TAG
  post_build:
    commands:
      - echo Build completed on `date`
      - echo Pushing the Docker images...
      - docker push $REPOSITORY_URI:latest
      - docker push $REPOSITORY_URI:$IMAGE_TAG
      - echo Writing image definitions file...
      - printf '[{"name":"<replace this text with the container name used in task definition>","imageUri":"%s"}]' $REPOSITORY_URI:$IMAGE_TAG > imagedefinitions.json
artifacts:
    files: imagedefinitions.json
"""  # noqa: E501, W291 - as the article has it


class Service(NamedTuple):
    """What part 2 makes: the repository of its images, and the address that it answers at."""

    repository: str
    url: str


class Article:
    """A person at a terminal, with the local cloud's variables exported."""

    def __init__(self, cloud: Daemon, folder: Path) -> None:
        self.cloud = cloud
        self.folder = folder
        self.project = Git(folder / "project")
        self.project("init", "-q", "-b", "main")

    def aws(self, *arguments: str) -> Any:
        """Type `aws …` and read the answer."""
        done = self.cloud.aws(*arguments, "--output", "json", check=False)
        assert done.returncode == 0, f"aws {' '.join(arguments)}: {done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    def shell(self, script: str) -> str:
        """Type a line into bash."""
        environment = {**self.cloud.environment, "DOCKER_CONFIG": str(self.folder / "docker")}
        done = subprocess.run(
            ["bash", "-ec", script],
            cwd=self.project.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def role(self, name: str, service: str, *policies: str) -> str:
        """Type `aws iam create-role` and attach managed policies."""
        statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        role = self.aws("iam", "create-role", "--role-name", name, "--assume-role-policy-document", trust)
        for policy in policies:
            arn = f"arn:aws:iam::aws:policy/{policy}"
            self.aws("iam", "attach-role-policy", "--role-name", name, "--policy-arn", arn)
        return str(role["Role"]["Arn"])

    def write_version(self, version: str) -> str:
        """Write the application and commit it."""
        self.project.write("app.py", SERVER.replace('os.environ.get("VERSION", "none")', repr(version)))
        self.project.write("Dockerfile", 'FROM tidegate/python:3.11\nCOPY app.py /\nCMD ["python3", "/app.py"]\n')
        self.project.write("buildspec.yml", BUILDSPEC.replace(CONTAINER, "web"))
        return self.project.commit(version)

    def execution(self, number: int = 0) -> Any:
        """The pipeline's executions, the newest first: return one."""
        found = self.aws("codepipeline", "list-pipeline-executions", "--pipeline-name", "hello")
        summaries = found["pipelineExecutionSummaries"]
        return summaries[number] if len(summaries) > number else None

    def ended(self, execution: str) -> str:
        """Wait for an execution's end and return its status."""

        def status() -> str:
            arguments = ("--pipeline-name", "hello", "--pipeline-execution-id", execution)
            answer = self.aws("codepipeline", "get-pipeline-execution", *arguments)
            return str(answer["pipelineExecution"]["status"])

        return wait_for(status, lambda each: each != "InProgress", 300)

    def failed_action(self) -> tuple[str, str]:
        """Return the stage that failed and what its action says."""
        for stage in self.aws("codepipeline", "get-pipeline-state", "--name", "hello")["stageStates"]:
            for action in stage["actionStates"]:
                latest = action.get("latestExecution", {})
                if latest.get("status") == "Failed":
                    return stage["stageName"], latest["errorDetails"]["message"]
        raise AssertionError("no action failed")

    def deploy_by_hand(self) -> Service:
        """Parts 1 and 2: the first image, and the service that runs it behind a balancer."""
        type_, region = self.aws, self.cloud.region
        self.write_version("version 1")

        # Part 1: preparation of the first docker image
        repository = type_("ecr", "create-repository", "--repository-name", "hello")["repository"]
        uri = repository["repositoryUri"]
        self.shell(f"$(aws ecr get-login --no-include-email --region {region})")
        self.shell("docker build -t hello-article .")
        self.shell(f"docker tag hello-article:latest {uri}:latest")
        self.shell(f"docker push {uri}:latest")
        self.shell(f"aws ecr get-login-password | docker login --username AWS --password-stdin {uri.partition('/')[0]}")
        self.shell("docker rmi hello-article")

        # Part 2: configuration of ECS Fargate and networking
        vpc = type_("ec2", "describe-vpcs", "--filters", "Name=is-default,Values=true")["Vpcs"][0]["VpcId"]
        found = type_("ec2", "describe-subnets", "--filters", f"Name=vpc-id,Values={vpc}")["Subnets"]
        subnets = [subnet["SubnetId"] for subnet in found]
        group = type_(
            "ec2", "create-security-group", "--group-name", "hello", "--description", "hello", "--vpc-id", vpc
        )["GroupId"]
        for port in ("80", "8080"):
            type_(
                "ec2", "authorize-security-group-ingress", "--group-id", group, "--protocol", "tcp", "--port", port,
                "--cidr", "0.0.0.0/0",
            )  # fmt: skip
        balancer = type_(
            "elbv2", "create-load-balancer", "--name", "hello", "--subnets", *subnets, "--security-groups", group
        )["LoadBalancers"][0]
        targets = type_(
            "elbv2", "create-target-group", "--name", "hello", "--protocol", "HTTP", "--port", "8080", "--vpc-id", vpc,
            "--target-type", "ip", "--health-check-interval-seconds", "5", "--health-check-timeout-seconds", "2",
        )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
        type_(
            "elbv2", "create-listener", "--load-balancer-arn", balancer["LoadBalancerArn"], "--protocol", "HTTP",
            "--port", "80", "--default-actions", f"Type=forward,TargetGroupArn={targets}",
        )  # fmt: skip
        type_("elbv2", "wait", "load-balancer-available", "--load-balancer-arns", balancer["LoadBalancerArn"])
        type_("ecs", "create-cluster", "--cluster-name", "hello")
        execution_role = self.role(
            "ecsTaskExecutionRole", "ecs-tasks.amazonaws.com", "service-role/AmazonECSTaskExecutionRolePolicy"
        )
        type_("logs", "create-log-group", "--log-group-name", "/ecs/hello")
        container = {
            "name": "web",
            "image": f"{uri}:latest",
            "portMappings": [{"containerPort": 8080}],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {"awslogs-group": "/ecs/hello", "awslogs-region": region, "awslogs-stream-prefix": "web"},
            },
        }
        type_(
            "ecs", "register-task-definition", "--family", "hello", "--requires-compatibilities", "FARGATE",
            "--network-mode", "awsvpc", "--cpu", "256", "--memory", "512", "--execution-role-arn", execution_role,
            "--container-definitions", json.dumps([container]),
        )  # fmt: skip
        network = (
            f"awsvpcConfiguration={{subnets=[{','.join(subnets)}],securityGroups=[{group}],assignPublicIp=ENABLED}}"
        )
        type_(
            "ecs", "create-service", "--cluster", "hello", "--service-name", "hello", "--task-definition", "hello",
            "--desired-count", "2", "--launch-type", "FARGATE", "--network-configuration", network,
            "--load-balancers", f"targetGroupArn={targets},containerName=web,containerPort=8080",
        )  # fmt: skip
        type_("ecs", "wait", "services-stable", "--cluster", "hello", "--services", "hello")
        url = f"http://{balancer['DNSName']}/"
        return Service(uri, url)

    def build_project(self, uri: str, *policies: str) -> None:
        """Type what the wizard makes for the build: enough for its logs, its source and its artifacts, and no more."""
        build_role = self.role(
            "code-build-hello-service-role",
            "codebuild.amazonaws.com",
            "CloudWatchLogsFullAccess",
            "AmazonS3FullAccess",
            *policies,
        )
        environment = {
            "type": "LINUX_CONTAINER",
            "image": "aws/codebuild/standard:7.0",
            "computeType": "BUILD_GENERAL1_SMALL",
            "privilegedMode": True,
            "environmentVariables": [{"name": "REPOSITORY_URI", "value": uri}],
        }
        self.aws(
            "codebuild", "create-project", "--name", "hello", "--source", "type=CODEPIPELINE",
            "--artifacts", "type=CODEPIPELINE", "--environment", json.dumps(environment), "--service-role", build_role,
        )  # fmt: skip


def served(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return str(response.read().decode())
    except OSError as error:
        return str(error)


def action(name: str, category: str, provider: str, configuration: dict[str, str], **more: Any) -> dict[str, Any]:
    """Declare an action."""
    kind = {"category": category, "owner": "AWS", "provider": provider, "version": "1"}
    return {"name": name, "actionTypeId": kind, "configuration": configuration, **more}
