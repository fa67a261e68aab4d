"""CodeCommit: repositories."""

from __future__ import annotations

from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.cloudformation.resources.handler import (
    Attributes,
    Handler,
    Properties,
    Step,
    changed,
    only,
    tag_changes,
)
from tidegate.cloud.services.cloudformation.resources.tags import as_map, carries


class Repository(Handler):
    """Its id stays when it is renamed, and CodeCommit's operations want the name.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-codecommit-repository.html
    """

    type = "AWS::CodeCommit::Repository"
    missing = frozenset({"RepositoryDoesNotExistException"})

    async def create(self, step: Step) -> str:
        """Create the repository, empty."""
        _refuse(step.properties)
        request = only(step.properties, "RepositoryName", "RepositoryDescription", "KmsKeyId")
        tags = as_map(step.properties)
        answer = await step.send("codecommit", "create_repository", {**request, **({"tags": tags} if tags else {})})
        return str(answer["repositoryMetadata"]["repositoryId"])

    async def find(self, step: Step) -> str | None:
        """Return the id of the repository of that name if it has CloudFormation's tags."""
        name = step.properties["RepositoryName"]
        try:
            metadata = (await step.call("codecommit", "get_repository", repositoryName=name))["repositoryMetadata"]
        except ServiceError as error:
            if not self.is_missing(error):
                raise
            return None
        tags = (await step.call("codecommit", "list_tags_for_resource", resourceArn=metadata["Arn"]))["tags"]
        there = [{"Key": key, "Value": value} for key, value in tags.items()]
        return str(metadata["repositoryId"]) if carries(step, there) else None

    async def read(self, step: Step) -> Attributes:
        """Return the ARN, the name and the addresses to clone from."""
        answer = await step.call("codecommit", "get_repository", repositoryName=await self._name(step))
        metadata = answer["repositoryMetadata"]
        return {
            "RepositoryId": metadata["repositoryId"],
            "Arn": metadata["Arn"],
            "Name": metadata["repositoryName"],
            "CloneUrlHttp": metadata["cloneUrlHttp"],
            "CloneUrlSsh": metadata["cloneUrlSsh"],
        }

    async def update(self, step: Step, before: Properties) -> None:
        """Rename the repository, describe it anew, change its tags."""
        _refuse(step.properties)
        old, new = await self._name(step), step.properties["RepositoryName"]
        if old != new:
            await step.call("codecommit", "update_repository_name", oldName=old, newName=new)
        if changed(before, step.properties, "RepositoryDescription"):
            request = {"repositoryName": new, "repositoryDescription": step.properties.get("RepositoryDescription", "")}
            await step.call("codecommit", "update_repository_description", **request)
        if changed(before, step.properties, "KmsKeyId"):
            request = {"repositoryName": new, "kmsKeyId": step.properties.get("KmsKeyId", "alias/aws/codecommit")}
            await step.call("codecommit", "update_repository_encryption_key", **request)
        put, taken = tag_changes(before, step.properties)
        arn = f"arn:aws:codecommit:{step.region}:{step.account}:{new}"
        if put:
            tags = {tag["Key"]: tag["Value"] for tag in put}
            await step.call("codecommit", "tag_resource", resourceArn=arn, tags=tags)
        if taken:
            await step.call("codecommit", "untag_resource", resourceArn=arn, tagKeys=taken)

    async def delete(self, step: Step) -> None:
        """Delete the repository with all that is in it."""
        await step.call("codecommit", "delete_repository", repositoryName=await self._name(step))

    async def _name(self, step: Step) -> str:
        """Return the name that the repository has now; raise RepositoryDoesNotExistException."""
        answer = await step.call("codecommit", "list_repositories")
        while True:
            for each in answer["repositories"]:
                if each["repositoryId"] == step.physical_id:
                    return str(each["repositoryName"])
            if "nextToken" not in answer:
                raise ServiceError("RepositoryDoesNotExistException", f"{step.physical_id} does not exist")
            answer = await step.call("codecommit", "list_repositories", nextToken=answer["nextToken"])


def _refuse(properties: Properties) -> None:
    for name in ("Code", "Triggers"):
        if properties.get(name):
            raise not_offered(f"cloudformation AWS::CodeCommit::Repository {name}")


HANDLERS: tuple[Handler, ...] = (Repository(),)
