"""All stacks as files that need no Tidegate: YAML, parameters, and the AWS CLI's commands in order, with why."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from tidegate.manifest import Manifest, Stage
from tidegate.manifest.model import Place
from tidegate.template import names
from tidegate.template.readable import to_yaml
from tidegate.template.stacks import Stack, all_stacks

PLACEHOLDER = "IMAGE-BY-ITS-DIGEST"
_KINDS = {"codecommit": "CODECOMMIT", "github": "GITHUB", "gitlab": "GITLAB", "bitbucket": "BITBUCKET", "s3": "S3"}


def ejected(manifest: Manifest, stages: Sequence[Stage], buildspec: str, folder: str) -> dict[str, str]:
    """Return the text of every file by its path below `folder`, which is how the commands name that folder.

    The same manifest gives the same text.
    """
    stacks = all_stacks(manifest, stages)
    files = {"README.md": "", "buildspec.yml": buildspec}
    for number, stack in enumerate(stacks, 1):
        files[_file(number, stack)] = to_yaml(stack.template)
        if stack.service is not None:
            files[_parameters(stack)] = _as_file({names.IMAGE_PARAMETER: PLACEHOLDER, **stack.parameters})
    files["README.md"] = "\n".join(_Readme(manifest, stages, stacks, folder).lines()) + "\n"
    return files


def _file(number: int, stack: Stack) -> str:
    return f"{number}-{stack.name}.yml"


def _parameters(stack: Stack) -> str:
    return f"parameters/{stack.name}.json"


def _as_file(parameters: dict[str, str]) -> str:
    """Return the one form that `aws cloudformation deploy` of the AWS CLI 1 and of 2 both take.

    https://docs.aws.amazon.com/cli/latest/reference/cloudformation/deploy/
    """
    return json.dumps([f"{key}={value}" for key, value in parameters.items()], indent=2) + "\n"


class _Readme:
    """The commands, in the order in which they are typed. Every block of them is run by a test."""

    def __init__(self, manifest: Manifest, stages: Sequence[Stage], stacks: Sequence[Stack], folder: str) -> None:
        self._manifest = manifest
        self._stages = stages
        self._stacks = list(enumerate(stacks, 1))
        self._folder = folder

    def lines(self) -> Iterator[str]:
        """Yield the lines of the page."""
        app = self._manifest.app
        yield f"# {app} without Tidegate"
        yield ""
        yield f"The CloudFormation of {app}, as Tidegate deploys it. It takes the AWS CLI and git, and no Tidegate."
        yield "Type the commands at the root of the repository, one block after the other, in one shell."
        yield ""
        yield "| file | stack |"
        yield "|---|---|"
        for number, stack in self._stacks:
            yield f"| `{_file(number, stack)}` | `{stack.name}` |"
        yield ""
        yield from self._image()
        yield from self._artifacts()
        yield from self._first_images()
        for stage in self._stages:
            yield from self._environment(stage.environment)
        yield from self._pipeline()
        yield from self._later()
        yield from self._away()

    def _image(self) -> Iterator[str]:
        """Part 1: what keeps and builds the code and its images."""
        number, stack = self._stacks[0]
        yield "## 1. Images, source and build"
        yield ""
        yield from _block(self._deploy(number, stack))
        if self._manifest.source.connected and self._manifest.source.connection is None:
            yield "Somebody has to confirm once, in a browser, that AWS may read the repository. The page:"
            yield ""
            yield from _block(self._output(stack, "HandshakeUrl"))

    def _artifacts(self) -> Iterator[str]:
        for number, stack in self._stacks:
            if stack.name != names.artifacts_stack(self._manifest.app):
                continue
            yield f"The pipeline takes artifacts to {stack.place.region}, too:"
            yield ""
            commands = []
            more = ""
            if names.KEY_PARAMETER in stack.template.parameters:
                commands.append(f"KEY=$({self._output(self._stacks[0][1], 'ArtifactKeyArn')})")
                more = f' --parameter-overrides {names.KEY_PARAMETER}="$KEY"'
            yield from _block(*commands, self._deploy(number, stack) + more)

    def _first_images(self) -> Iterator[str]:
        """The first image of every service: a service cannot be made without one, nor a build without a commit."""
        manifest, image_stack = self._manifest, self._stacks[0][1]
        app, place = manifest.app, _options(image_stack.place)
        yield "## 2. The first image of each service"
        yield ""
        yield "A service needs an image before it can be made. CodeBuild builds it, so that no Docker is needed here."
        yield ""
        yield from self._code(image_stack)
        for name in self._services():
            project, repository = names.build_project(app, name), names.repository(app, name)
            yield from _block(
                f"BUILD=$(aws codebuild start-build{place} --project-name {project} \\\n"
                f"  --source-type-override {_KINDS[manifest.source.provider]} \\\n"
                # version 1 of the AWS CLI takes an argument that begins with https:// for a page to be fetched
                '  --cli-input-json "{\\"sourceLocationOverride\\": \\"$SOURCE\\"}" \\\n'
                f"{self._version()}"
                "  --artifacts-override type=NO_ARTIFACTS --query build.id --output text)",
                f"until aws codebuild batch-get-builds{place} --ids \"$BUILD\" --query 'builds[0].buildComplete' "
                "--output text | grep -q True; do\n  sleep 5\ndone",
                f"aws codebuild batch-get-builds{place} --ids \"$BUILD\" --query 'builds[0].buildStatus' --output text "
                "| grep -x SUCCEEDED",
                f"{_variable(name)}=$(aws ecr describe-repositories{place} --repository-names {repository} \\\n"
                "  --query 'repositories[0].repositoryUri' --output text)@$("
                f"aws ecr describe-images{place} --repository-name {repository} \\\n"
                "  --query 'sort_by(imageDetails, &imagePushedAt)[-1].imageDigest' --output text)",
            )

    def _code(self, stack: Stack) -> Iterator[str]:
        """How the code gets to where builds find it."""
        source = self._manifest.source
        if source.provider == "s3":
            bucket = source.bucket or f"$({self._output(stack, 'SourceBucket')})"
            key = self._manifest.source.zip_key
            yield from _block(
                f'SOURCE="{bucket}/{key}"',
                "git archive --format zip --output source.zip HEAD",
                f'aws s3 cp{_options(stack.place)} source.zip "s3://$SOURCE"',
            )
            return
        yield from _block(f"SOURCE=$({self._output(stack, 'SourceUrl')})")
        if source.provider == "codecommit":
            yield "Git asks the AWS CLI for a password:"
            yield ""
            yield from _block(
                "git config \"credential.$SOURCE.helper\" '!aws codecommit credential-helper $@'",
                'git config "credential.$SOURCE.UseHttpPath" true',
                f'git push "$SOURCE" HEAD:refs/heads/{source.branch}',
            )

    def _version(self) -> str:
        if self._manifest.source.provider == "s3":
            return ""
        connection = ""
        if self._manifest.source.connected:
            arn = self._manifest.source.connection or f'"$({self._output(self._stacks[0][1], "ConnectionArn")})"'
            connection = f"  --source-auth-override type=CODECONNECTIONS,resource={arn} \\\n"
        return f'  --source-version "$(git rev-parse HEAD)" \\\n{connection}'

    def _environment(self, environment: str) -> Iterator[str]:
        """Part 2: networking and cluster, then one stack a service."""
        found = [(number, stack) for number, stack in self._stacks if stack.environment == environment]
        yield f"## 3. The environment {environment}"
        yield ""
        account = found[0][1].place.account
        if account is not None and account != self._stacks[0][1].place.account:
            yield f"With the credentials of account {account}:"
            yield ""
        for number, stack in found:
            if stack.service is None:
                yield from _block(self._deploy(number, stack))
                continue
            file = f"{self._folder}/{_parameters(stack)}"
            yield from _block(
                f'sed -i.new "s|{PLACEHOLDER}|${_variable(stack.service)}|" {file} && rm {file}.new',
                f"{self._deploy(number, stack)} \\\n  --parameter-overrides file://{file}",
            )

    def _pipeline(self) -> Iterator[str]:
        """Part 3: from a push to the services."""
        number, stack = self._stacks[-1]
        yield "## 4. The pipeline"
        yield ""
        yield "It runs once when it is made, and from then on at every push."
        yield ""
        yield from _block(self._deploy(number, stack))
        for stage in self._stages:
            of_stage = next(each for _, each in self._stacks if each.environment == stage.environment)
            if "Url" in of_stage.template.outputs:
                yield f"Where {stage.environment} answers:"
                yield ""
                yield from _block(self._output(of_stage, "Url"))

    def _later(self) -> Iterator[str]:
        _, example = next((number, each) for number, each in self._stacks if each.service is not None)
        cluster = names.cluster(self._manifest.app, str(example.environment))
        yield "## Later"
        yield ""
        yield "An update of a service's stack sets its parameters, so put in what runs at that moment: the image, or"
        yield "the pipeline's last deployment is taken back, and the count, or what autoscaling decided is."
        yield f"For example `{example.name}`:"
        yield ""
        yield "```"
        yield f"aws ecs describe-services --cluster {cluster} --services {example.service} \\"
        yield "  --query 'services[0].[taskDefinition,desiredCount]' --output text"
        yield "aws ecs describe-task-definition --task-definition THE-FIRST \\"
        yield f"  --query \"taskDefinition.containerDefinitions[?name=='{example.service}'].image\" --output text"
        yield "```"
        yield ""
        if any(names.LIVE_PARAMETER in stack.template.parameters for _, stack in self._stacks):
            yield f"{names.LIVE_PARAMETER} is likewise the target group that has the weight: `primary` or `alternate`."
            yield ""

    def _away(self) -> Iterator[str]:
        bucket = self._output(self._stacks[0][1], "ArtifactBucket")
        yield "## Away with it"
        yield ""
        yield "In the reverse order; the artifacts' bucket has to be empty."
        yield ""
        yield "```"
        for _, stack in reversed(self._stacks):
            if stack is self._stacks[0][1]:
                yield f'aws s3 rm{_options(stack.place)} --recursive "s3://$({bucket})"'
            yield f"aws cloudformation delete-stack{_options(stack.place)} --stack-name {stack.name}"
            yield f"aws cloudformation wait stack-delete-complete{_options(stack.place)} --stack-name {stack.name}"
        yield "```"

    def _deploy(self, number: int, stack: Stack) -> str:
        return (
            f"aws cloudformation deploy{_options(stack.place)} --stack-name {stack.name} \\\n"
            f"  --template-file {self._folder}/{_file(number, stack)} "
            "--capabilities CAPABILITY_NAMED_IAM --no-fail-on-empty-changeset"
        )

    def _services(self) -> list[str]:
        return list(self._manifest.services)

    @staticmethod
    def _output(stack: Stack, key: str) -> str:
        return (
            f"aws cloudformation describe-stacks{_options(stack.place)} --stack-name {stack.name} "
            f"--query \"Stacks[0].Outputs[?OutputKey=='{key}'].OutputValue\" --output text"
        )


def _block(*commands: str) -> Iterator[str]:
    yield "```sh"
    for command in commands:
        yield from command.splitlines()
    yield "```"
    yield ""


def _options(place: Place) -> str:
    return f" --region {place.region}" if place.region is not None else ""


def _variable(service: str) -> str:
    return f"IMAGE_{service.upper().replace('-', '_')}"
