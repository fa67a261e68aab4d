"""Which service, which protocol and which operation a request is for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from botocore import xform_name
from botocore.model import OperationModel

from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.gateway.models import Models
from tidegate.cloud.gateway.protocols import WireProtocol
from tidegate.cloud.gateway.protocols.aws_json import JsonProtocol
from tidegate.cloud.gateway.protocols.aws_query import Ec2Protocol, QueryProtocol, form
from tidegate.cloud.gateway.protocols.rest_xml import RestRouter, RestXmlProtocol
from tidegate.cloud.gateway.protocols.rpc_v2_cbor import CborProtocol
from tidegate.cloud.gateway.wire import HttpRequest

_CBOR_PATH = re.compile(r"^/service/(?P<service>[\w.-]+)/operation/(?P<operation>\w+)$")

# X-Amz-Target prefix -> botocore's name; a test holds it against the models
TARGETS = {
    "AWSEvents": "events",
    "AmazonEC2ContainerRegistry_V20150921": "ecr",
    "AmazonEC2ContainerServiceV20141113": "ecs",
    "AmazonSSM": "ssm",
    "AnyScaleFrontendService": "application-autoscaling",
    "CertificateManager": "acm",
    "CodeBuild_20161006": "codebuild",
    "CodeCommit_20150413": "codecommit",
    "CodePipeline_20150709": "codepipeline",
    "GraniteServiceVersion20100801": "cloudwatch",
    "Logs_20140328": "logs",
    "Route53AutoNaming_v20170314": "servicediscovery",
    "TrentService": "kms",
    "com.amazonaws.codeconnections.CodeConnections_20231201": "codeconnections",
    "com.amazonaws.codestar.connections.CodeStar_connections_20191201": "codestar-connections",
    "secretsmanager": "secretsmanager",
}
# those that are asked by path
_RESTS = frozenset({"route53", "s3"})
# those that are asked by form (Action, Version)
_FORMS = frozenset({"cloudformation", "ec2", "elbv2", "iam", "sns", "sts"})

# credential scope -> botocore's names, where one signing name stands for other names
_SIGNED_AS = {
    "elasticloadbalancing": ("elbv2",),
    "monitoring": ("cloudwatch",),
}


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes. `name` is the operation in snake case."""

    service: str
    operation: OperationModel
    protocol: WireProtocol

    @property
    def name(self) -> str:
        """Return the operation's name as handlers are named."""
        return str(xform_name(self.operation.name))


class Router:
    """Finds the route of a request among the services of the local cloud (botocore names)."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._rest: dict[str, RestRouter] = {}

    def protocol_of(self, request: HttpRequest, signed_for: str | None) -> WireProtocol:
        """Return the protocol to answer in when nothing but the bare request is known (for errors)."""
        if request.headers.get("smithy-protocol") == "rpc-v2-cbor":
            return CborProtocol()
        if "x-amz-target" in request.headers:
            return JsonProtocol(_json_version(request))
        if signed_for == "ec2":
            return Ec2Protocol()
        if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return QueryProtocol()
        return RestXmlProtocol(signed_for if signed_for in _RESTS else "s3")

    def find(self, request: HttpRequest, signed_for: str) -> Route:
        """Return the route; raise `ServiceError` for what the local cloud does not know or does not offer."""
        cbor = _CBOR_PATH.match(request.path)
        if cbor is not None:
            service = self._by_target(cbor["service"], signed_for)
            compatible = "awsQueryCompatible" in self._models.service(service).metadata
            return self._route(service, cbor["operation"], CborProtocol(query_compatible=compatible))
        target = request.headers.get("x-amz-target")
        if target is not None:
            prefix, _, operation = target.rpartition(".")
            service = self._by_target(prefix, signed_for)
            compatible = "awsQueryCompatible" in self._models.service(service).metadata
            protocol = JsonProtocol(_json_version(request), query_compatible=compatible)
            return self._route(service, operation, protocol)
        if signed_for in _RESTS:
            return self.find_rest(request, signed_for)
        parameters = form(request)
        if "Action" in parameters:
            service = self._by_version(signed_for, parameters.get("Version", ""))
            query = Ec2Protocol() if service == "ec2" else QueryProtocol()
            return self._route(service, parameters["Action"], query)
        if signed_for not in (*_FORMS, *TARGETS.values(), *_SIGNED_AS):
            raise not_offered(f"the service {signed_for!r}")
        raise ServiceError("MissingAction", "the request names no operation: neither Action nor X-Amz-Target")

    def _route(self, service: str, operation: str, protocol: WireProtocol) -> Route:
        model = self._models.service(service)
        if operation not in model.operation_names:
            code = "InvalidAction" if isinstance(protocol, QueryProtocol) else "UnknownOperationException"
            raise ServiceError(code, f"{service} has no operation {operation}")
        return Route(service, model.operation_model(operation), protocol)

    def find_rest(self, request: HttpRequest, service: str = "s3") -> Route:
        """Return the route of a request by its path: its body is not looked at, for S3's may be a stream."""
        if service not in self._rest:
            model = self._models.service(service)
            self._rest[service] = RestRouter([model.operation_model(name) for name in model.operation_names])
        operation = self._rest[service].find(request)
        if operation is None:
            raise ServiceError("MethodNotAllowed", "The specified method is not allowed against this resource.", 405)
        return Route(service, operation, RestXmlProtocol(service))

    def _by_target(self, target: str, signed_for: str) -> str:
        service = TARGETS.get(target)
        if service is None:
            raise not_offered(f"the service {signed_for!r} ({target})")
        return service

    def _by_version(self, signed_for: str, version: str) -> str:
        names = _SIGNED_AS.get(signed_for, (signed_for,))
        for name in names:
            if name in _FORMS | {"cloudwatch"} and version in ("", self._models.service(name).metadata["apiVersion"]):
                return name
        if signed_for == "elasticloadbalancing":
            raise ServiceError(
                "NotImplemented",
                "tidegate local does not offer Classic Load Balancers: they cannot serve Fargate tasks; "
                "use an Application Load Balancer (elbv2)",
                501,
            )
        raise not_offered(f"the service {signed_for!r}, version {version!r}")


def _json_version(request: HttpRequest) -> str:
    return "1.0" if request.headers.get("content-type", "").endswith("1.0") else "1.1"
