"""S3: its operations, its blobs, lifecycles applied, EventBridge told."""

from __future__ import annotations

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.iam.policy import MalformedPolicyError
from tidegate.cloud.services.iam.policy import parse as parse_policy
from tidegate.cloud.services.s3 import api as s3
from tidegate.cloud.services.s3.blobs import Blobs
from tidegate.cloud.services.s3.coverage import COVERAGE
from tidegate.cloud.services.s3.model import S3Model
from tidegate.cloud.services.s3.reconciler import Announcer, Lifecycle, Removal
from tidegate.cloud.wiring.parts import Parts


def add_s3(parts: Parts) -> None:
    """Add the service to the local cloud."""
    model = S3Model(parts.store, parts.account)
    blobs = Blobs(parts.data_dir / "s3", parts.store, parts.clock)
    parts.dispatcher.register(
        "s3",
        s3.BucketsApi(model, parts.clock),
        s3.SettingsApi(model, parts.clock),
        s3.UnsetApi(model),
        s3.PoliciesApi(model, _check_bucket_policy),
        s3.ObjectsApi(model, blobs, parts.calls, parts.clock),
        s3.CopiesApi(model, blobs, parts.calls, parts.clock),
        s3.FacetsApi(model, parts.calls),
        s3.UploadsApi(model, blobs, parts.calls, parts.clock),
        s3.ListsApi(model),
        coverage=COVERAGE,
    )
    parts.resource_policies["s3"] = model.policy_of
    lifecycle, removal, announcer = Lifecycle(model, parts.clock), Removal(model, blobs), Announcer(model, parts.calls)
    parts.loop.add("s3.lifecycle", lifecycle.reconcile, keys=lifecycle.keys)
    parts.loop.watch("s3.bucket", "s3.lifecycle")
    parts.loop.add("s3.removal", removal.reconcile, keys=removal.keys)
    parts.loop.watch("s3.removal", "s3.removal")
    parts.loop.add("s3.notice", announcer.reconcile, keys=announcer.keys)
    parts.loop.watch("s3.notice", "s3.notice")
    parts.resets.append(blobs.reset)


def _check_bucket_policy(document: str) -> None:
    """Raise MalformedPolicy for a document that IAM could not evaluate."""
    try:
        parse_policy(document)
    except MalformedPolicyError as error:
        raise ServiceError("MalformedPolicy", str(error)) from None
