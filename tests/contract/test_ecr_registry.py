"""The registry's own settings: its policy, account settings, pull times, replication, templates."""

from __future__ import annotations

import json
from typing import Any

from tests.contract.test_gateway import code_of
from tests.contract.test_iam import assume, policy, trust
from tests.daemon import Daemon
from tests.registry import OCI_INDEX, OCI_MANIFEST, Client
from tests.waiting import until

ACCOUNT = "000000000000"


def role(cloud: Daemon, name: str) -> Client:
    """Return a registry client of a role that may do everything in ECR."""
    keys = assume(cloud, name)
    cloud.client("iam").put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy("Allow", "ecr:*"))
    return Client.of(cloud, keys)


def test_account_settings(cloud: Daemon) -> None:
    ecr = cloud.client("ecr")
    for name, value in (("BASIC_SCAN_TYPE_VERSION", "AWS_NATIVE"), ("REGISTRY_POLICY_SCOPE", "V2")):
        assert ecr.get_account_setting(name=name)["value"] == value
        assert ecr.put_account_setting(name=name, value=value)["value"] == value
    code, message, _ = code_of(ecr.put_account_setting, name="BLOB_MOUNTING", value="MAYBE")
    assert (code, "[DISABLED, ENABLED]" in message) == ("InvalidParameterException", True)
    assert code_of(ecr.get_account_setting, name="COLOUR")[0] == "InvalidParameterException"
    ecr.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
    assert ecr.get_account_setting(name="BLOB_MOUNTING")["value"] == "ENABLED"
    assert cloud.client("ecr", region="eu-west-1").get_account_setting(name="BLOB_MOUNTING")["value"] == "DISABLED"


def test_the_pulls_of_an_excluded_principal_leave_no_time(cloud: Daemon) -> None:
    ecr = cloud.client("ecr")
    ecr.create_repository(repositoryName="app")
    Client.of(cloud).push_image("app", "v1")
    scanner = role(cloud, "scanner")
    arn = f"arn:aws:iam::{ACCOUNT}:role/scanner"
    assert ecr.register_pull_time_update_exclusion(principalArn=arn)["principalArn"] == arn
    assert code_of(ecr.register_pull_time_update_exclusion, principalArn=arn)[0] == "ExclusionAlreadyExistsException"
    assert ecr.list_pull_time_update_exclusions()["pullTimeUpdateExclusions"] == [arn]

    def pulled() -> bool:
        assert scanner("GET", "/v2/app/manifests/v1").status == 200
        return "lastRecordedPullTime" in ecr.describe_images(repositoryName="app")["imageDetails"][0]

    assert not pulled()
    ecr.deregister_pull_time_update_exclusion(principalArn=arn)
    assert code_of(ecr.deregister_pull_time_update_exclusion, principalArn=arn)[0] == "ExclusionNotFoundException"
    assert pulled()


def test_the_registrys_policy_binds_all_its_repositories(cloud: Daemon) -> None:
    ecr = cloud.client("ecr")
    for name in ("app", "kept"):
        ecr.create_repository(repositoryName=name)
    builder = role(cloud, "builder")
    builder.push_image("kept", "v1")
    assert code_of(ecr.put_registry_policy, policyText=policy("Allow", "ecr:*"))[0] == "InvalidParameterException"
    principal = {"AWS": f"arn:aws:iam::{ACCOUNT}:role/builder"}
    kept = f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/kept"
    text = policy("Deny", "ecr:PutImage", kept, Principal=principal)
    assert ecr.put_registry_policy(policyText=text)["registryId"] == ACCOUNT
    assert json.loads(ecr.get_registry_policy()["policyText"]) == json.loads(text)
    own = {"Effect": "Allow", "Action": "ecr:*", "Principal": principal}  # of the repository: a deny beats it
    ecr.set_repository_policy(
        repositoryName="kept", policyText=json.dumps({"Version": "2012-10-17", "Statement": own}), force=True
    )
    tagged = builder("GET", "/v2/kept/manifests/v1").content
    answer = builder("PUT", "/v2/kept/manifests/v2", tagged, content_type=OCI_MANIFEST)
    assert (answer.status, "resource-based policy" in answer.error[2]) == (403, True)
    builder.push_image("app", "v1")
    assert ecr.delete_registry_policy()["policyText"] == text
    assert builder("PUT", "/v2/kept/manifests/v2", tagged, content_type=OCI_MANIFEST).status == 201
    assert code_of(ecr.delete_registry_policy)[0] == "RegistryPolicyNotFoundException"


def replicate(cloud: Daemon, *rules: dict[str, Any]) -> Any:
    """Have repositories of us-east-1 replicated to eu-west-1, and return clients of both."""
    here, there = cloud.client("ecr"), cloud.client("ecr", region="eu-west-1")
    destinations = [{"region": "eu-west-1", "registryId": ACCOUNT}]
    configuration = {"rules": [{"destinations": destinations, **rule} for rule in rules]}
    assert here.put_replication_configuration(replicationConfiguration=configuration)["replicationConfiguration"]
    assert here.describe_registry()["replicationConfiguration"] == configuration
    return here, there


def status(ecr: Any, name: str, digest: str) -> list[str]:
    answer = ecr.describe_image_replication_status(repositoryName=name, imageId={"imageDigest": digest})
    return [each["status"] for each in answer["replicationStatuses"]]


def tags(ecr: Any, name: str) -> set[str | None]:
    return {each.get("imageTag") for each in ecr.list_images(repositoryName=name)["imageIds"]}


def test_a_push_is_copied_to_another_region(cloud: Daemon) -> None:
    here, there = replicate(cloud, {"repositoryFilters": [{"filter": "team/", "filterType": "PREFIX_MATCH"}]})
    there.create_repository_creation_template(
        prefix="ROOT", appliedFor=["REPLICATION"], imageTagMutability="IMMUTABLE", description="copies"
    )
    for name in ("team/app", "other"):
        here.create_repository(repositoryName=name)
    client = Client.of(cloud)
    first = client.push_image("team/app", "v1")
    alone = client.push_image("other", "v1")
    until(lambda: status(here, "team/app", first), ["COMPLETE"])
    assert status(here, "other", alone) == []
    (copy,) = there.describe_repositories()["repositories"]
    assert (copy["repositoryName"], copy["imageTagMutability"]) == ("team/app", "IMMUTABLE")
    (image,) = there.describe_images(repositoryName="team/app")["imageDetails"]
    assert (image["imageDigest"], image["imageTags"]) == (first, ["v1"])
    blob = client("GET", f"/v2/aws--eu-west-1/team/app/manifests/{first}").document["layers"][0]["digest"]
    assert client("GET", f"/v2/aws--eu-west-1/team/app/blobs/{blob}").content == b"layer"
    second = client.push_image("team/app", "v1", b"other")  # the tag moves here, and stays where it is immutable
    until(lambda: status(here, "team/app", second), ["COMPLETE"])
    found = {
        each["imageDigest"]: each.get("imageTags")
        for each in there.describe_images(repositoryName="team/app")["imageDetails"]
    }
    assert found == {first: ["v1"], second: None}
    here.batch_delete_image(repositoryName="team/app", imageIds=[{"imageDigest": second}])
    code, *_ = code_of(
        here.describe_image_replication_status, repositoryName="team/app", imageId={"imageDigest": second}
    )
    assert code == "ImageNotFoundException"
    assert tags(there, "team/app") == {"v1", None}  # deletions are not copied unless asked for


def test_an_index_and_its_deletion_are_copied(cloud: Daemon) -> None:
    here, there = replicate(cloud, {"deleteReplication": {"enabled": True}})
    here.create_repository(repositoryName="app")
    client = Client.of(cloud)
    child = client.push_image("app", None)
    descriptor = {"mediaType": OCI_MANIFEST, "digest": child, "size": 1}
    index = client.push_manifest("app", "v1", {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor]})
    client("PUT", "/v2/app/manifests/v2", client("GET", "/v2/app/manifests/v1").content, content_type=OCI_INDEX)
    until(lambda: status(here, "app", index), ["COMPLETE"])
    assert tags(there, "app") == {"v1", "v2", None}
    here.batch_delete_image(repositoryName="app", imageIds=[{"imageTag": "v2"}])
    until(lambda: tags(there, "app"), {"v1", None})
    here.batch_delete_image(repositoryName="app", imageIds=[{"imageDigest": index}, {"imageDigest": child}])
    until(lambda: len(tags(there, "app")), 0)


def test_a_destination_that_is_none_is_refused(cloud: Daemon) -> None:
    ecr = cloud.client("ecr")
    for region, account, code in (
        ("us-east-1", ACCOUNT, "InvalidParameterException"),
        ("mars", ACCOUNT, "InvalidParameterException"),
        ("eu-west-1", "1" * 12, "NotImplemented"),
    ):
        rules = [{"destinations": [{"region": region, "registryId": account}]}]
        assert code_of(ecr.put_replication_configuration, replicationConfiguration={"rules": rules})[0] == code


def test_a_copy_whose_repository_may_not_be_made_failed(cloud: Daemon) -> None:
    here, there = replicate(cloud, {})
    arn = cloud.client("iam").create_role(
        RoleName="maker", AssumeRolePolicyDocument=trust(Service="ecr.amazonaws.com")
    )["Role"]["Arn"]
    there.create_repository_creation_template(prefix="ROOT", appliedFor=["REPLICATION"], customRoleArn=arn)
    here.create_repository(repositoryName="app")
    digest = Client.of(cloud).push_image("app", "v1")
    until(lambda: status(here, "app", digest), ["FAILED"])
    (answer,) = here.describe_image_replication_status(repositoryName="app", imageId={"imageTag": "v1"})[
        "replicationStatuses"
    ]
    assert (answer["region"], answer["failureCode"]) == ("eu-west-1", "AccessDenied")


def test_a_push_makes_its_repository_by_the_template(cloud: Daemon) -> None:
    ecr, iam = cloud.client("ecr"), cloud.client("iam")
    arn = iam.create_role(RoleName="maker", AssumeRolePolicyDocument=trust(Service="ecr.amazonaws.com"))["Role"]["Arn"]
    iam.put_role_policy(
        RoleName="maker",
        PolicyName="p",
        PolicyDocument=policy("Allow", ["ecr:CreateRepository", "ecr:TagResource"]),
    )
    client = Client.of(cloud)
    assert client("POST", "/v2/team/app/blobs/uploads/").error[:2] == (404, "NAME_UNKNOWN")
    rule = {
        "rulePriority": 1,
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 9},
        "action": {"type": "expire"},
    }
    own = policy("Allow", "ecr:BatchGetImage", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
    ecr.create_repository_creation_template(prefix="ROOT", appliedFor=["REPLICATION"])
    template = ecr.create_repository_creation_template(
        prefix="team/",
        appliedFor=["CREATE_ON_PUSH"],
        imageTagMutability="IMMUTABLE",
        resourceTags=[{"Key": "made", "Value": "by push"}],
        repositoryPolicy=own,
        lifecyclePolicy=json.dumps({"rules": [rule]}),
        customRoleArn=arn,
    )["repositoryCreationTemplate"]
    assert (template["prefix"], template["imageTagMutability"]) == ("team", "IMMUTABLE")
    keys = assume(cloud, "pusher")
    pushing = ["ecr:GetAuthorizationToken", "ecr:InitiateLayerUpload"]
    iam.put_role_policy(RoleName="pusher", PolicyName="p", PolicyDocument=policy("Allow", pushing))
    status, code, message = Client.of(cloud, keys)("POST", "/v2/team/app/blobs/uploads/").error
    assert (status, code, "ecr:CreateRepository" in message) == (403, "DENIED", True)
    client.push_image("team/app", "v1")
    (made,) = ecr.describe_repositories(repositoryNames=["team/app"])["repositories"]
    assert made["imageTagMutability"] == "IMMUTABLE"
    assert ecr.list_tags_for_resource(resourceArn=made["repositoryArn"])["tags"] == template["resourceTags"]
    assert ecr.get_repository_policy(repositoryName="team/app")["policyText"] == own
    assert json.loads(ecr.get_lifecycle_policy(repositoryName="team/app")["lifecyclePolicyText"])["rules"] == [rule]
    assert client("POST", "/v2/apart/blobs/uploads/").error[:2] == (404, "NAME_UNKNOWN")


def test_templates_read_as_written(cloud: Daemon) -> None:
    ecr = cloud.client("ecr")
    for prefix in ("a", "b"):
        ecr.create_repository_creation_template(prefix=prefix, appliedFor=["PULL_THROUGH_CACHE"])
    for request, code in (
        ({"prefix": "a/", "appliedFor": ["REPLICATION"]}, "TemplateAlreadyExistsException"),
        ({"prefix": "c", "appliedFor": []}, "InvalidParameterException"),
        ({"prefix": "c", "appliedFor": ["REPLICATION"], "lifecyclePolicy": "{}"}, "InvalidParameterException"),
        ({"prefix": "c", "appliedFor": ["REPLICATION"], "repositoryPolicy": "{}"}, "InvalidParameterException"),
        (
            {"prefix": "c", "appliedFor": ["REPLICATION"], "encryptionConfiguration": {"encryptionType": "KMS"}},
            "NotImplemented",
        ),
    ):
        assert code_of(ecr.create_repository_creation_template, **request)[0] == code
    changed = ecr.update_repository_creation_template(prefix="a", description="new", appliedFor=["REPLICATION"])
    (described,) = ecr.describe_repository_creation_templates(prefixes=["a", "z"])["repositoryCreationTemplates"]
    assert described == changed["repositoryCreationTemplate"]
    assert (described["description"], described["appliedFor"]) == ("new", ["REPLICATION"])
    pages = ecr.get_paginator("describe_repository_creation_templates").paginate(PaginationConfig={"PageSize": 1})
    assert [each["prefix"] for page in pages for each in page["repositoryCreationTemplates"]] == ["a", "b"]
    assert ecr.delete_repository_creation_template(prefix="b")["repositoryCreationTemplate"]["prefix"] == "b"
    for call in (ecr.delete_repository_creation_template, ecr.update_repository_creation_template):
        assert code_of(call, prefix="b")[0] == "TemplateNotFoundException"


def test_a_backfill_copies_what_was_there_before(own_cloud: Daemon) -> None:
    here = own_cloud.client("ecr")
    for name in ("app", "other"):
        here.create_repository(repositoryName=name)
    client = Client.of(own_cloud)
    digest = client.push_image("app", "v1")
    client.push_manifest("app", "v2", client("GET", "/v2/app/manifests/v1").document)
    client.push_image("app", None, b"untagged")
    client.push_image("other", "v1")
    destination = {"region": "eu-west-1", "registryId": ACCOUNT}
    assert code_of(here.start_replication_backfill, destination=destination)[0] == "InvalidParameterException"
    _, there = replicate(own_cloud, {"repositoryFilters": [{"filter": "app", "filterType": "PREFIX_MATCH"}]})
    started = here.start_replication_backfill(destination=destination)
    known = {"replicationBackfillId": started["replicationBackfillId"]}
    assert (started["destination"], started["status"]) == (destination, "IN_PROGRESS")
    own_cloud.kill()  # what was begun is gone on with
    own_cloud.start()
    until(lambda: here.describe_replication_backfill_results(**known)["status"], "COMPLETE")
    (listed,) = here.list_replication_backfills()["backfills"]
    described = here.describe_replication_backfill_results(**known)
    counts = {"totalReplicationCount": 3, "completedReplicationCount": 3, "failedReplicationCount": 0}
    assert listed["progress"] == described["progress"] == {**counts, "failureCodes": []}
    assert described["endedAt"] >= described["startedAt"]
    assert {each["imageId"].get("imageTag") for each in described["results"]} == {"v1", "v2", None}
    assert here.describe_replication_backfill_results(resultStatusFilter="FAILED", **known)["results"] == []
    assert status(here, "app", digest) == ["COMPLETE"]
    assert tags(there, "app") == {"v1", "v2", None}
    assert [each["repositoryName"] for each in there.describe_repositories()["repositories"]] == ["app"]
    code, *_ = code_of(here.stop_replication_backfill, **known)
    assert code == "ReplicationBackfillInvalidStatusException"
    absent = "0" * 8 + "-0000-0000-0000-" + "0" * 12
    code, *_ = code_of(here.stop_replication_backfill, replicationBackfillId=absent)
    assert code == "ReplicationBackfillNotFoundException"
