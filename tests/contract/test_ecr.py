"""ECR's own operations, asked with boto3 and the AWS CLI."""

from __future__ import annotations

import base64
import hashlib
import json
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.test_gateway import code_of
from tests.contract.test_iam import assume, policy
from tests.daemon import Daemon
from tests.registry import DOCKER_CONFIG, DOCKER_LIST, DOCKER_MANIFEST, Client, digest_of, password_of

ACCOUNT = "000000000000"
WHERE = f"in the registry with id '{ACCOUNT}'"


@pytest.fixture
def ecr(cloud: Daemon) -> Any:
    """A client, and the repository `app`."""
    client = cloud.client("ecr")
    client.create_repository(repositoryName="app")
    return client


def lifecycle(*rules: dict[str, Any]) -> str:
    described = [
        {"rulePriority": priority, "description": "x" * 60, "selection": rule, "action": {"type": "expire"}}
        for priority, rule in enumerate(rules, 1)
    ]
    return json.dumps({"rules": described})


def keep(number: int, **selection: Any) -> dict[str, Any]:
    return {"tagStatus": "any", **selection, "countType": "imageCountMoreThan", "countNumber": number}


def test_a_repository_reads_as_created(cloud: Daemon) -> None:
    ecr = cloud.client("ecr")
    repository = ecr.create_repository(
        repositoryName="team/web-app_1.x",
        imageTagMutability="IMMUTABLE",
        imageScanningConfiguration={"scanOnPush": True},
        encryptionConfiguration={"encryptionType": "AES256"},
        tags=[{"Key": "stage", "Value": "test"}],
    )["repository"]
    arn = f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/team/web-app_1.x"
    assert datetime.now(UTC) - repository.pop("createdAt") < timedelta(minutes=1)
    assert repository == {
        "repositoryArn": arn,
        "registryId": ACCOUNT,
        "repositoryName": "team/web-app_1.x",
        "repositoryUri": f"{cloud.registry}/team/web-app_1.x",
        "imageTagMutability": "IMMUTABLE",
        "imageScanningConfiguration": {"scanOnPush": True},
        "encryptionConfiguration": {"encryptionType": "AES256"},
    }
    (described,) = ecr.describe_repositories(repositoryNames=["team/web-app_1.x"])["repositories"]
    assert described.items() >= repository.items()
    assert ecr.list_tags_for_resource(resourceArn=arn)["tags"] == [{"Key": "stage", "Value": "test"}]
    assert cloud.aws_json("ecr", "describe-repositories")["repositories"][0]["repositoryArn"] == arn


def test_names_are_taken_once_and_known_or_not(ecr: Any) -> None:
    assert code_of(ecr.create_repository, repositoryName="app")[:2] == (
        "RepositoryAlreadyExistsException",
        f"The repository with name 'app' already exists {WHERE}",
    )
    missing = ("RepositoryNotFoundException", f"The repository with name 'absent' does not exist {WHERE}")
    for call, request in (
        (ecr.describe_repositories, {"repositoryNames": ["app", "absent"]}),
        (ecr.delete_repository, {"repositoryName": "absent"}),
        (ecr.list_images, {"repositoryName": "absent"}),
        (ecr.describe_images, {"repositoryName": "absent"}),
        (ecr.batch_get_image, {"repositoryName": "absent", "imageIds": [{"imageTag": "x"}]}),
        (ecr.batch_delete_image, {"repositoryName": "absent", "imageIds": [{"imageTag": "x"}]}),
        (ecr.put_image, {"repositoryName": "absent", "imageManifest": "{}"}),
        (ecr.initiate_layer_upload, {"repositoryName": "absent"}),
        (ecr.get_repository_policy, {"repositoryName": "absent"}),
        (ecr.put_lifecycle_policy, {"repositoryName": "absent", "lifecyclePolicyText": lifecycle(keep(1))}),
    ):
        assert code_of(call, **request)[:2] == missing
    code, message, _ = code_of(ecr.describe_images, repositoryName="app", registryId="1" * 12)
    assert (code, "'111111111111'" in message) == ("RepositoryNotFoundException", True)


def test_what_the_model_forbids_is_refused_with_the_operations_code(cloud: Daemon) -> None:
    code, message, status = code_of(cloud.client("ecr").create_repository, repositoryName="App")
    assert (code, status) == ("InvalidParameterException", 400)
    assert "Value 'App' at 'repositoryName' failed to satisfy constraint" in message


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        ({"repositoryName": "x1", "encryptionConfiguration": {"encryptionType": "KMS"}}, "encryptionType KMS"),
        ({"repositoryName": "x1", "registryId": "1" * 12}, "another account"),
        ({"repositoryName": "aws--eu-west-1/x"}, "aws--eu-west-1/x"),
    ],
)
def test_what_is_not_offered_is_refused_by_name(cloud: Daemon, request_: dict[str, Any], named: str) -> None:
    code, message, status = code_of(cloud.client("ecr").create_repository, **request_)
    assert (code, status, named in message) == ("NotImplemented", 501, True)


def test_operations_that_are_not_offered(ecr: Any) -> None:
    for call, request in (
        (ecr.describe_image_scan_findings, {"repositoryName": "app", "imageId": {"imageTag": "v1"}}),
        (ecr.start_image_scan, {"repositoryName": "app", "imageId": {"imageTag": "v1"}}),
        (ecr.create_pull_through_cache_rule, {"ecrRepositoryPrefix": "hub", "upstreamRegistryUrl": "x"}),
    ):
        assert code_of(call, **request)[::2] == ("NotImplemented", 501)


def test_a_repository_with_images_is_deleted_only_by_force(cloud: Daemon, ecr: Any) -> None:
    registry = Client.of(cloud)
    registry.push_image("app", "v1")
    assert code_of(ecr.delete_repository, repositoryName="app")[:2] == (
        "RepositoryNotEmptyException",
        (
            f"The repository with name 'app' in registry with id '{ACCOUNT}' cannot be deleted because it still "
            "contains images"
        ),
    )
    assert ecr.delete_repository(repositoryName="app", force=True)["repository"]["repositoryName"] == "app"
    ecr.create_repository(repositoryName="app")
    assert ecr.list_images(repositoryName="app")["imageIds"] == []
    assert registry("GET", "/v2/app/manifests/v1").status == 404
    layers = ecr.batch_check_layer_availability(repositoryName="app", layerDigests=[digest_of(b"layer")])["layers"]
    assert layers[0]["layerAvailability"] == "UNAVAILABLE"
    ecr.delete_repository(repositoryName="app")


def test_repositories_have_pages_and_regions(cloud: Daemon) -> None:
    ecr = cloud.client("ecr")
    names = [f"r{number}" for number in range(5)]
    for name in names:
        ecr.create_repository(repositoryName=name)
    pages = list(ecr.get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(page["repositories"]) for page in pages] == [2, 2, 1]
    assert [each["repositoryName"] for page in pages for each in page["repositories"]] == names
    assert cloud.client("ecr", region="eu-west-1").describe_repositories()["repositories"] == []
    with pytest.raises(ClientError, match="InvalidParameterException"):
        ecr.describe_repositories(repositoryNames=["r1"], maxResults=1)


def test_tags_of_repositories(ecr: Any) -> None:
    arn = f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/app"
    ecr.tag_resource(resourceArn=arn, tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    ecr.tag_resource(resourceArn=arn, tags=[{"Key": "a", "Value": "3"}])
    ecr.untag_resource(resourceArn=arn, tagKeys=["b"])
    assert ecr.list_tags_for_resource(resourceArn=arn)["tags"] == [{"Key": "a", "Value": "3"}]
    assert code_of(ecr.list_tags_for_resource, resourceArn="arn:x")[0] == "InvalidParameterException"
    assert code_of(ecr.list_tags_for_resource, resourceArn=f"{arn}x")[0] == "RepositoryNotFoundException"
    for tag in ({"Key": "k" * 129, "Value": ""}, {"Key": "aws:x", "Value": ""}):
        assert code_of(ecr.tag_resource, resourceArn=arn, tags=[tag])[0] == "InvalidTagParameterException"
    many = [{"Key": str(number), "Value": ""} for number in range(50)]
    assert code_of(ecr.tag_resource, resourceArn=arn, tags=many)[0] == "TooManyTagsException"


def test_tags_decide_who_may(cloud: Daemon, ecr: Any) -> None:
    keys = assume(cloud, "team")
    own = {"StringEquals": {"aws:ResourceTag/team": "a"}}
    cloud.client("iam").put_role_policy(
        RoleName="team", PolicyName="p", PolicyDocument=policy("Allow", "ecr:*", Condition=own)
    )
    team = cloud.client("ecr", keys=keys)
    with pytest.raises(ClientError, match="AccessDenied"):
        team.list_images(repositoryName="app")
    ecr.tag_resource(
        resourceArn=f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/app", tags=[{"Key": "team", "Value": "a"}]
    )
    assert team.list_images(repositoryName="app")["imageIds"] == []


def test_images_are_listed_and_described(cloud: Daemon, ecr: Any) -> None:
    registry = Client.of(cloud)
    first = registry.push_image("app", "v1", docker=True)
    registry.push_image("app", "v2", docker=True)
    second = registry.push_image("app", "v3", b"other")
    moved = registry.push_image("app", "v3", b"third")
    ids = ecr.list_images(repositoryName="app")["imageIds"]
    assert sorted((each["imageDigest"], each.get("imageTag", "")) for each in ids) == sorted(
        [(first, "v1"), (first, "v2"), (second, ""), (moved, "v3")]
    )
    for status, wanted in (("TAGGED", {first, moved}), ("UNTAGGED", {second}), ("ANY", {first, second, moved})):
        found = ecr.list_images(repositoryName="app", filter={"tagStatus": status})["imageIds"]
        assert {each["imageDigest"] for each in found} == wanted
        details = ecr.describe_images(repositoryName="app", filter={"tagStatus": status})["imageDetails"]
        assert {each["imageDigest"] for each in details} == wanted
    (detail,) = ecr.describe_images(repositoryName="app", imageIds=[{"imageTag": "v2"}])["imageDetails"]
    manifest = registry("GET", "/v2/app/manifests/v2").document
    assert datetime.now(UTC) - detail.pop("imagePushedAt") < timedelta(minutes=1)
    assert detail.pop("imageSizeInBytes") == manifest["config"]["size"] + 5
    assert "lastRecordedPullTime" not in detail
    assert detail == {
        "registryId": ACCOUNT,
        "repositoryName": "app",
        "imageDigest": first,
        "imageTags": ["v1", "v2"],
        "imageManifestMediaType": DOCKER_MANIFEST,
        "artifactMediaType": DOCKER_CONFIG,
        "imageStatus": "ACTIVE",
    }
    pages = list(ecr.get_paginator("describe_images").paginate(repositoryName="app", PaginationConfig={"PageSize": 2}))
    assert [len(page["imageDetails"]) for page in pages] == [2, 1]
    pages = list(ecr.get_paginator("list_images").paginate(repositoryName="app", PaginationConfig={"PageSize": 3}))
    assert [len(page["imageIds"]) for page in pages] == [3, 1]
    assert ecr.list_images(repositoryName="app", filter={"imageStatus": "ARCHIVED"})["imageIds"] == []


def test_an_image_that_is_not_there(ecr: Any) -> None:
    assert code_of(ecr.describe_images, repositoryName="app", imageIds=[{"imageTag": "v1"}])[:2] == (
        "ImageNotFoundException",
        (
            "The image with imageId {imageDigest:'null', imageTag:'v1'} does not exist within the repository with name "
            f"'app' {WHERE}"
        ),
    )
    digest = f"sha256:{'0' * 64}"
    asked: list[dict[str, str]] = [{"imageDigest": digest}, {}, {"imageDigest": "no digest"}]
    failures = ecr.batch_get_image(repositoryName="app", imageIds=asked)["failures"]
    assert [each["failureCode"] for each in failures] == ["ImageNotFound", "MissingDigestAndTag", "InvalidImageDigest"]
    assert failures[0] == {
        "imageId": {"imageDigest": digest},
        "failureCode": "ImageNotFound",
        "failureReason": "Requested image not found",
    }


def test_an_image_is_given_another_tag(cloud: Daemon, ecr: Any) -> None:
    digest = Client.of(cloud).push_image("app", "v1", docker=True)
    (image,) = ecr.batch_get_image(
        repositoryName="app", imageIds=[{"imageTag": "v1"}], acceptedMediaTypes=[DOCKER_MANIFEST]
    )["images"]
    assert (image["imageId"], image["imageManifestMediaType"]) == (
        {"imageDigest": digest, "imageTag": "v1"},
        DOCKER_MANIFEST,
    )
    request = {"repositoryName": "app", "imageManifest": image["imageManifest"], "imageTag": "stable"}
    assert ecr.put_image(**request)["image"]["imageId"] == {"imageDigest": digest, "imageTag": "stable"}
    assert code_of(ecr.put_image, **request)[:2] == (
        "ImageAlreadyExistsException",
        (
            f"Image with digest '{digest}' and tag 'stable' already exists in the repository with name 'app' in "
            f"registry with id '{ACCOUNT}'"
        ),
    )
    wrong = {**request, "imageDigest": f"sha256:{'0' * 64}", "imageTag": "x"}
    assert code_of(ecr.put_image, **wrong)[0] == "ImageDigestDoesNotMatchException"
    assert code_of(ecr.put_image, repositoryName="app", imageManifest="{}")[0] == "InvalidParameterException"
    other = ecr.batch_get_image(repositoryName="app", imageIds=[{"imageTag": "v1"}], acceptedMediaTypes=[DOCKER_LIST])
    assert [each["failureCode"] for each in other["failures"]] == ["ImageNotFound"]


def test_a_manifest_needs_its_parts(cloud: Daemon, ecr: Any) -> None:
    registry = Client.of(cloud)
    registry.push_image("app", "v1", docker=True)
    manifest = registry("GET", "/v2/app/manifests/v1").content.decode()
    ecr.create_repository(repositoryName="other")
    code, message, _ = code_of(ecr.put_image, repositoryName="other", imageManifest=manifest, imageTag="v1")
    assert (code, digest_of(b"layer") in message) == ("LayersNotFoundException", True)
    index = {"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": [{"digest": digest_of(b"x"), "size": 1}]}
    code, message, _ = code_of(ecr.put_image, repositoryName="app", imageManifest=json.dumps(index))
    assert (code, digest_of(b"x") in message) == ("ReferencedImagesNotFoundException", True)


def test_immutable_tags(cloud: Daemon, ecr: Any) -> None:
    registry = Client.of(cloud)
    registry.push_image("app", "v1", docker=True)
    other = registry.push_image("app", "latest", b"other", docker=True)
    manifest = registry("GET", "/v2/app/manifests/latest").content.decode()

    def put(tag: str) -> str:
        try:
            ecr.put_image(repositoryName="app", imageManifest=manifest, imageTag=tag)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "moved"

    answer = ecr.put_image_tag_mutability(repositoryName="app", imageTagMutability="IMMUTABLE")
    assert (answer["repositoryName"], answer["imageTagMutability"]) == ("app", "IMMUTABLE")
    assert put("v1") == "ImageTagAlreadyExistsException"
    assert put("new") == "moved"
    except_v = [{"filterType": "WILDCARD", "filter": "v*"}]
    for setting, filters, outcomes in (
        ("IMMUTABLE_WITH_EXCLUSION", except_v, {"v1": "moved", "new": "ImageTagAlreadyExistsException"}),
        ("MUTABLE_WITH_EXCLUSION", except_v, {"v1": "ImageTagAlreadyExistsException"}),
    ):
        ecr.put_image_tag_mutability(
            repositoryName="app", imageTagMutability=setting, imageTagMutabilityExclusionFilters=filters
        )
        (repository,) = ecr.describe_repositories(repositoryNames=["app"])["repositories"]
        assert repository["imageTagMutabilityExclusionFilters"] == filters
        assert {tag: put(tag) for tag in outcomes} == outcomes
    (detail,) = ecr.describe_images(repositoryName="app", imageIds=[{"imageTag": "v1"}])["imageDetails"]
    assert detail["imageDigest"] == other
    for setting, filters in (("IMMUTABLE", except_v), ("MUTABLE_WITH_EXCLUSION", [])):
        request = {"imageTagMutabilityExclusionFilters": filters} if filters else {}
        code, *_ = code_of(ecr.put_image_tag_mutability, repositoryName="app", imageTagMutability=setting, **request)
        assert code == "InvalidParameterException"


def test_images_are_deleted_by_tag_and_by_digest(cloud: Daemon, ecr: Any) -> None:
    registry = Client.of(cloud)
    digest = registry.push_image("app", "v1", docker=True)
    registry.push_image("app", "v2", docker=True)
    manifests = [{"digest": digest, "size": 1, "mediaType": DOCKER_MANIFEST}]
    index = registry.push_manifest("app", "all", {"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": manifests})

    def delete(*ids: dict[str, str]) -> tuple[list[dict[str, str]], list[str]]:
        answer = ecr.batch_delete_image(repositoryName="app", imageIds=ids)
        return answer["imageIds"], [each["failureCode"] for each in answer["failures"]]

    assert delete({"imageTag": "v1"}) == ([{"imageDigest": digest, "imageTag": "v1"}], [])
    assert delete({"imageDigest": digest}) == ([], ["ImageReferencedByManifestList"])
    assert delete({"imageTag": "all", "imageDigest": digest}) == ([], ["ImageTagDoesNotMatchDigest"])
    # the list's image loses its last tag and stays
    assert delete({"imageTag": "v2"}) == ([{"imageDigest": digest, "imageTag": "v2"}], [])
    assert len(ecr.describe_images(repositoryName="app")["imageDetails"]) == 2
    assert delete({"imageTag": "all"}, {"imageDigest": digest}) == (
        [{"imageDigest": index, "imageTag": "all"}, {"imageDigest": digest}],
        [],
    )
    assert ecr.describe_images(repositoryName="app")["imageDetails"] == []
    assert delete({"imageTag": "all"}, {}) == ([], ["ImageNotFound", "MissingDigestAndTag"])


def test_an_index_weighs_what_its_heaviest_image_does(cloud: Daemon, ecr: Any) -> None:
    registry = Client.of(cloud)
    children = [registry.push_image("app", None, b"x" * size) for size in (10, 1000)]
    index = {
        "schemaVersion": 2,
        "mediaType": DOCKER_LIST,
        "manifests": [{"digest": each, "size": 1} for each in children],
    }
    registry.push_manifest("app", "all", index)
    details = ecr.describe_images(repositoryName="app")["imageDetails"]
    sizes = {each["imageDigest"]: each["imageSizeInBytes"] for each in details}
    (detail,) = ecr.describe_images(repositoryName="app", imageIds=[{"imageTag": "all"}])["imageDetails"]
    assert detail["imageSizeInBytes"] == max(sizes[each] for each in children)
    assert "artifactMediaType" not in detail


def test_layers_go_through_the_api(cloud: Daemon, ecr: Any) -> None:
    content = b"0123456789" * 1000
    digest = digest_of(content)
    begun = ecr.initiate_layer_upload(repositoryName="app")
    upload = {"repositoryName": "app", "uploadId": begun["uploadId"]}
    part = {**upload, "partFirstByte": 0, "partLastByte": 5999, "layerPartBlob": content[:6000]}
    assert ecr.upload_layer_part(**part)["lastByteReceived"] == 5999
    with pytest.raises(ClientError) as caught:
        ecr.upload_layer_part(**part)
    assert caught.value.response["Error"]["Code"] == "InvalidLayerPartException"
    assert dict(caught.value.response)["lastValidByteReceived"] == 5999
    ecr.upload_layer_part(**{**part, "partFirstByte": 6000, "partLastByte": 9999, "layerPartBlob": content[6000:]})
    assert ecr.complete_layer_upload(**upload, layerDigests=[digest])["layerDigest"] == digest
    answer = ecr.batch_check_layer_availability(repositoryName="app", layerDigests=[digest, digest_of(b"no"), "bad"])
    assert answer["layers"] == [
        {"layerDigest": digest, "layerAvailability": "AVAILABLE", "layerSize": 10_000},
        {"layerDigest": digest_of(b"no"), "layerAvailability": "UNAVAILABLE"},
    ]
    assert [each["failureCode"] for each in answer["failures"]] == ["InvalidLayerDigest"]
    url = ecr.get_download_url_for_layer(repositoryName="app", layerDigest=digest)["downloadUrl"]
    assert urllib.request.urlopen(url, timeout=10).read() == content
    other = Client.of(cloud).push_blob("app", b"other")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(url.replace(digest, other), timeout=10)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(url[:-3], timeout=10)
    key = url.rpartition("=")[2]
    assert Client(cloud.port, f"Basic {base64.b64encode(f'AWS:{key}'.encode()).decode()}")("GET", "/v2/").status == 401


def test_an_upload_that_goes_wrong(ecr: Any) -> None:
    digest = digest_of(b"right")
    upload = {"repositoryName": "app", "uploadId": ecr.initiate_layer_upload(repositoryName="app")["uploadId"]}
    assert code_of(ecr.complete_layer_upload, **upload, layerDigests=[digest])[0] == "EmptyUploadException"
    ecr.upload_layer_part(**upload, partFirstByte=0, partLastByte=4, layerPartBlob=b"wrong")
    assert code_of(ecr.complete_layer_upload, **upload, layerDigests=[digest])[0] == "InvalidLayerException"
    assert code_of(ecr.complete_layer_upload, **upload, layerDigests=[digest])[0] == "UploadNotFoundException"
    code, message, _ = code_of(ecr.get_download_url_for_layer, repositoryName="app", layerDigest=digest)
    assert (code, digest in message) == ("LayersNotFoundException", True)


def test_the_policy_of_a_repository(ecr: Any) -> None:
    code, message, _ = code_of(ecr.get_repository_policy, repositoryName="app")
    assert (code, message) == (
        "RepositoryPolicyNotFoundException",
        f"Repository policy does not exist for the repository with name 'app' {WHERE}",
    )
    allow = {"Sid": "pull", "Effect": "Allow", "Principal": "*", "Action": ["ecr:BatchGetImage"]}
    text = json.dumps({"Version": "2008-10-17", "Statement": [allow]})
    assert ecr.set_repository_policy(repositoryName="app", policyText=text)["policyText"] == text
    assert ecr.get_repository_policy(repositoryName="app")["policyText"] == text
    assert ecr.delete_repository_policy(repositoryName="app")["policyText"] == text
    for wrong in ("{", '{"Statement": {"Effect": "Allow", "Action": "ecr:*"}}'):
        assert code_of(ecr.set_repository_policy, repositoryName="app", policyText=wrong)[:2] == (
            "InvalidParameterException",
            "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided'",
        )


def test_nobody_locks_himself_out_unless_forced(ecr: Any) -> None:
    deny = {"Effect": "Deny", "Principal": "*", "Action": "ecr:SetRepositoryPolicy"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    code, message, _ = code_of(ecr.set_repository_policy, repositoryName="app", policyText=text)
    assert (code, "force" in message) == ("InvalidParameterException", True)
    assert code_of(ecr.get_repository_policy, repositoryName="app")[0] == "RepositoryPolicyNotFoundException"
    ecr.set_repository_policy(repositoryName="app", policyText=text, force=True)
    assert code_of(ecr.set_repository_policy, repositoryName="app", policyText=text)[0] == "AccessDeniedException"


def wait_for_tags(ecr: Any, wanted: set[str]) -> None:
    deadline = time.monotonic() + 10
    while True:
        ids = ecr.list_images(repositoryName="app")["imageIds"]
        if {each.get("imageTag", "") for each in ids} == wanted:
            return
        assert time.monotonic() < deadline, ids
        time.sleep(0.02)


def test_a_lifecycle_policy_expires_images(cloud: Daemon, ecr: Any) -> None:
    registry = Client.of(cloud)
    for name in ("prod-1", "prod-2", "dev-1", "dev-2", "dev-3"):
        registry.push_image("app", name, name.encode())
    text = lifecycle(keep(2, tagStatus="tagged", tagPatternList=["dev*"]), keep(5))
    assert ecr.put_lifecycle_policy(repositoryName="app", lifecyclePolicyText=text)["lifecyclePolicyText"] == text
    wait_for_tags(ecr, {"prod-1", "prod-2", "dev-2", "dev-3"})
    registry.push_image("app", "dev-4", b"dev-4")
    wait_for_tags(ecr, {"prod-1", "prod-2", "dev-3", "dev-4"})
    assert "lastEvaluatedAt" in ecr.get_lifecycle_policy(repositoryName="app")
    ecr.delete_lifecycle_policy(repositoryName="app")
    assert code_of(ecr.get_lifecycle_policy, repositoryName="app")[:2] == (
        "LifecyclePolicyNotFoundException",
        f"Lifecycle policy does not exist for the repository with name 'app' {WHERE}",
    )
    registry.push_image("app", "dev-5", b"dev-5")
    wait_for_tags(ecr, {"prod-1", "prod-2", "dev-3", "dev-4", "dev-5"})


def test_a_lifecycle_policy_is_applied_after_a_restart(own_cloud: Daemon) -> None:
    ecr = own_cloud.client("ecr")
    ecr.create_repository(repositoryName="app")
    text = lifecycle(keep(1))
    ecr.put_lifecycle_policy(repositoryName="app", lifecyclePolicyText=text)
    registry = Client.of(own_cloud)
    registry.push_image("app", "v1", b"1")
    registry.push_image("app", "v2", b"2")
    own_cloud.kill()
    own_cloud.start()
    wait_for_tags(ecr, {"v2"})


def test_a_dry_run_of_a_lifecycle_policy(cloud: Daemon, ecr: Any) -> None:
    registry = Client.of(cloud)
    digests = [registry.push_image("app", f"v{number}", b"%d" % number) for number in range(3)]
    missing = code_of(ecr.get_lifecycle_policy_preview, repositoryName="app")[0]
    assert missing == "LifecyclePolicyPreviewNotFoundException"
    text = lifecycle(keep(1))
    begun = ecr.start_lifecycle_policy_preview(repositoryName="app", lifecyclePolicyText=text)
    assert begun["status"] == "IN_PROGRESS"
    ecr.get_waiter("lifecycle_policy_preview_complete").wait(
        repositoryName="app", WaiterConfig={"Delay": 1, "MaxAttempts": 10}
    )
    preview = ecr.get_lifecycle_policy_preview(repositoryName="app")
    assert (preview["status"], preview["summary"]["expiringImageTotalCount"]) == ("COMPLETE", 2)
    assert {each["imageDigest"] for each in preview["previewResults"]} == set(digests[:2])
    assert preview["previewResults"][0]["action"] == {"type": "EXPIRE"}
    assert preview["previewResults"][0]["appliedRulePriority"] == 1
    paginator = ecr.get_paginator("get_lifecycle_policy_preview")
    assert len(list(paginator.paginate(repositoryName="app", PaginationConfig={"PageSize": 1}))) == 2
    one = ecr.get_lifecycle_policy_preview(repositoryName="app", imageIds=[{"imageTag": "v0"}])["previewResults"]
    assert [each["imageTags"] for each in one] == [["v0"]]
    nothing = ecr.get_lifecycle_policy_preview(repositoryName="app", filter={"tagStatus": "UNTAGGED"})
    assert nothing["previewResults"] == []
    assert len(ecr.list_images(repositoryName="app")["imageIds"]) == 3
    assert code_of(ecr.start_lifecycle_policy_preview, repositoryName="app")[0] == "LifecyclePolicyNotFoundException"


def test_a_malformed_lifecycle_policy_is_refused(ecr: Any) -> None:
    for text in ("{" * 100, lifecycle({**keep(0), "countType": "sinceForever"}), lifecycle(keep(0), keep(1))):
        code, message, _ = code_of(ecr.put_lifecycle_policy, repositoryName="app", lifecyclePolicyText=text)
        assert (code, "Lifecycle policy validation failure" in message) == ("InvalidParameterException", True)
    archive = json.loads(lifecycle(keep(1)))
    archive["rules"][0]["action"] = {"type": "transition", "targetStorageClass": "archive"}
    code, message, _ = code_of(ecr.put_lifecycle_policy, repositoryName="app", lifecyclePolicyText=json.dumps(archive))
    assert (code, "transition" in message) == ("NotImplemented", True)


def test_referrers_are_listed(cloud: Daemon, ecr: Any) -> None:
    registry = Client.of(cloud)
    subject = registry.push_image("app", "v1")
    about = {"digest": subject, "size": 1}
    signature = registry.push_image("app", None, b"s", subject=about, artifactType="application/x.signature")
    registry.push_image("app", None, b"p", subject=about)
    request = {"repositoryName": "app", "subjectId": {"imageDigest": subject}}
    assert len(ecr.list_image_referrers(**request)["referrers"]) == 2
    (found,) = ecr.list_image_referrers(**request, filter={"artifactTypes": ["application/x.signature"]})["referrers"]
    assert (found["digest"], found["artifactStatus"]) == (signature, "ACTIVE")
    (detail,) = ecr.describe_images(repositoryName="app", imageIds=[{"imageDigest": signature}])["imageDetails"]
    assert (detail["subjectManifestDigest"], detail["artifactMediaType"]) == (subject, "application/x.signature")


def test_a_token_stands_for_its_principal_for_twelve_hours(cloud: Daemon, ecr: Any) -> None:
    (data,) = ecr.get_authorization_token(registryIds=[ACCOUNT])["authorizationData"]
    assert data["proxyEndpoint"] == cloud.endpoint
    life = data["expiresAt"] - datetime.now(UTC)
    assert timedelta(hours=11, minutes=59) < life <= timedelta(hours=12)
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    assert user == "AWS"
    assert len(password) > 40
    code, message, _ = code_of(ecr.get_authorization_token, registryIds=["1" * 12])
    assert (code, "another account" in message) == ("NotImplemented", True)


def test_passwords_are_not_kept(own_cloud: Daemon) -> None:
    own_cloud.client("ecr").create_repository(repositoryName="app")
    client = Client.of(own_cloud)
    client.push_image("app", "v1")
    own_cloud.kill()
    password = password_of(client).encode()
    kept = b"".join(path.read_bytes() for path in own_cloud.data_dir.rglob("*") if path.is_file())
    assert hashlib.sha256(password).hexdigest().encode() in kept
    assert password not in kept


def test_the_registry_itself(ecr: Any) -> None:
    registry = ecr.describe_registry()
    assert (registry["registryId"], registry["replicationConfiguration"]) == (ACCOUNT, {"rules": []})
    assert code_of(ecr.get_registry_policy)[0] == "RegistryPolicyNotFoundException"
    assert ecr.get_registry_scanning_configuration()["scanningConfiguration"] == {"scanType": "BASIC", "rules": []}
    ecr.put_image_scanning_configuration(repositoryName="app", imageScanningConfiguration={"scanOnPush": True})
    answer = ecr.batch_get_repository_scanning_configuration(repositoryNames=["app", "absent"])
    assert [each["scanFrequency"] for each in answer["scanningConfigurations"]] == ["SCAN_ON_PUSH"]
    assert [each["failureCode"] for each in answer["failures"]] == ["REPOSITORY_NOT_FOUND"]
