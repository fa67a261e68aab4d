"""Service deployments and revisions: listed, described, continued, stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.paging import page
from tidegate.cloud.services.ecs.api.shared import find_service, in_cluster, missing, service_arn
from tidegate.cloud.services.ecs.history import described, described_revision
from tidegate.cloud.services.ecs.hooks import AWAITING_ACTION, FAILED, SUCCEEDED, tell
from tidegate.cloud.services.ecs.model import (
    HISTORY,
    IN_PROGRESS,
    ONGOING,
    PENDING,
    ROLLBACK_REQUESTED,
    STOP_REQUESTED,
    EcsModel,
    ServiceDeploymentRecord,
    cluster_name,
    resource_id,
)
from tidegate.cloud.store import Key

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t

_MOST_DESCRIBED, _MOST_LISTED = 20, 100
_BRIEF = (
    "serviceDeploymentArn",
    "serviceArn",
    "clusterArn",
    "startedAt",
    "createdAt",
    "finishedAt",
    "status",
    "statusReason",
)


class ServiceDeploymentsApi:
    """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServiceDeployments.html and siblings."""

    def __init__(self, model: EcsModel, clock: Clock) -> None:
        self.model = model
        self._clock = clock

    @operation(resource=service_arn, conditions=in_cluster)
    async def list_service_deployments(
        self, context: Context, request: t.ListServiceDeploymentsRequestTypeDef
    ) -> Mapping[str, Any]:
        """List a service's deployments of the last 90 days, the newest first."""
        cluster = cluster_name(request.get("cluster"))
        find_service(self.model, context, cluster, request["service"])
        key = (context.region, cluster, resource_id(request["service"]))
        created: Any = request.get("createdAt", {})
        after = max(each for each in (created.get("after"), self._clock.now() - HISTORY) if each is not None)
        found = [
            each
            for _, each in self.model.service_deployments.items(*key)
            if each["deployment"]["createdAt"] > after
            and each["deployment"]["createdAt"] < created.get("before", datetime.max.replace(tzinfo=after.tzinfo))
            and each["deployment"]["status"] in request.get("status", [each["deployment"]["status"]])
        ]
        chosen, token = page(
            sorted(found, key=_age, reverse=True),
            request.get("nextToken"),
            request.get("maxResults", _MOST_LISTED),
            key=_age,
            descending=True,
        )
        return {"serviceDeployments": [_brief(each) for each in chosen], "nextToken": token}

    @operation(resource=lambda api, context, request: list(request["serviceDeploymentArns"]))
    async def describe_service_deployments(
        self, context: Context, request: t.DescribeServiceDeploymentsRequestTypeDef
    ) -> Mapping[str, Any]:
        """Describe up to twenty service deployments."""
        arns = request["serviceDeploymentArns"]
        _check_number("serviceDeploymentArns", arns)
        deployments, failures = [], []
        for arn in arns:
            key = _key(arn, "service-deployment")
            record = None if key is None else self.model.service_deployments.get(*key)
            if key is None or record is None:
                failures.append(missing(arn))
            else:
                deployments.append(described(self.model, key[:3], record))
        return {"serviceDeployments": deployments, "failures": failures}

    @operation(resource=lambda api, context, request: list(request["serviceRevisionArns"]))
    async def describe_service_revisions(
        self, context: Context, request: t.DescribeServiceRevisionsRequestTypeDef
    ) -> Mapping[str, Any]:
        """Describe up to twenty service revisions."""
        arns = request["serviceRevisionArns"]
        _check_number("serviceRevisionArns", arns)
        revisions, failures = [], []
        for arn in arns:
            key = _key(arn, "service-revision")
            record = None if key is None else self.model.service_revisions.get(*key)
            if key is None or record is None:
                failures.append(missing(arn))
            else:
                revisions.append(described_revision(self.model, key[:3], record))
        return {"serviceRevisions": revisions, "failures": failures}

    @operation(resource=lambda api, context, request: request["serviceDeploymentArn"])
    async def stop_service_deployment(
        self, context: Context, request: t.StopServiceDeploymentRequestTypeDef
    ) -> Mapping[str, Any]:
        """Have a deployment end: taken back, or (ABORT) left as it is. One that is being ended goes on being so.

        https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stop-service-deployment.html
        """
        arn = request["serviceDeploymentArn"]
        key = _key(arn, "service-deployment")
        record = None if key is None else self.model.service_deployments.get(*key)
        if key is None or record is None:
            raise ServiceError("ServiceDeploymentNotFoundException", "The service deployment does not exist.")
        if record["deployment"]["status"] not in ONGOING:
            raise ServiceError(
                "ConflictException",
                "Stopping a service deployment is not allowed for service deployment in terminal states.",
            )
        abort, now = request.get("stopType", "ROLLBACK") == "ABORT", self._clock.now()

        def ask(record: ServiceDeploymentRecord) -> None:
            if record["deployment"]["status"] in (PENDING, IN_PROGRESS):
                record["deployment"]["status"] = STOP_REQUESTED if abort else ROLLBACK_REQUESTED
                record["deployment"]["updatedAt"] = now

        self.model.service_deployments.update(key, ask)
        return {"serviceDeploymentArn": arn}

    @operation(resource=lambda api, context, request: request["serviceDeploymentArn"])
    async def continue_service_deployment(
        self, context: Context, request: t.ContinueServiceDeploymentRequestTypeDef
    ) -> Mapping[str, Any]:
        """Have a paused deployment go on, or back.

        https://docs.aws.amazon.com/AmazonECS/latest/developerguide/continue-service-deployment.html
        """
        arn, hook_id = request["serviceDeploymentArn"], request["hookId"]
        key = _key(arn, "service-deployment")
        record = None if key is None else self.model.service_deployments.get(*key)
        if key is None or record is None:
            raise ServiceError("ServiceDeploymentNotFoundException", "The service deployment does not exist.")
        hook = next((each for each in record.get("hooks", []) if each["detail"]["hookId"] == hook_id), None)
        if hook is None:
            raise ServiceError("InvalidParameterException", f"The service deployment has no lifecycle hook {hook_id}.")
        if record["deployment"]["status"] != IN_PROGRESS or hook["detail"]["status"] != AWAITING_ACTION:
            raise ServiceError(
                "InvalidParameterException",
                f"The lifecycle hook {hook_id} awaits no action: its status is {hook['detail']['status']}, and the "
                f"service deployment's is {record['deployment']['status']}.",
            )
        hook["detail"]["status"] = FAILED if request.get("action") == "ROLLBACK" else SUCCEEDED
        record["deployment"]["updatedAt"] = self._clock.now()
        with self.model.store.transaction():
            self.model.service_deployments.put(key, record)
            tell(self.model, self._clock, key[:3], record, hook)
        return {"serviceDeploymentArn": arn}


def _brief(record: ServiceDeploymentRecord) -> dict[str, Any]:
    values: Mapping[str, Any] = record["deployment"]
    revisions = values["serviceArn"].replace(":service/", ":service-revision/")
    brief = {name: values[name] for name in _BRIEF if name in values}
    return {**brief, "targetServiceRevisionArn": f"{revisions}/{record['target'].rpartition('/')[2]}"}


def _age(record: ServiceDeploymentRecord) -> str:
    deployment = record["deployment"]
    return f"{deployment['createdAt'].timestamp():020.3f} {deployment['serviceDeploymentArn']}"


def _key(arn: str, kind: str) -> Key | None:
    """Return the key of the record that an ARN names; None where it is no ARN of this kind."""
    parts = arn.split(":", 5)
    path = parts[-1].split("/")
    if len(parts) != 6 or len(path) != 4 or path[0] != kind:
        return None
    return (parts[3], *path[1:])


def _check_number(name: str, arns: Sequence[str]) -> None:
    if not arns:
        raise ServiceError("InvalidParameterException", f"{name} cannot be empty.")
    if len(arns) > _MOST_DESCRIBED:
        raise ServiceError("InvalidParameterException", f"{name} can have at most {_MOST_DESCRIBED} items.")
