"""The certificates of HTTPS and TLS listeners, and what else they are told of encryption.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/https-listener-certificates.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.elbv2 import policies, trust
from tidegate.cloud.services.elbv2.api.shared import ElbApi, arn_in, find_listener, paged
from tidegate.cloud.services.elbv2.model import SERVICE, ListenerRecord
from tidegate.cloud.services.elbv2.protocols import SECURE

if TYPE_CHECKING:
    from types_boto3_elbv2 import type_defs as t

MEMBERS = ("AlpnPolicy", "Certificates", "MutualAuthentication", "SslPolicy")
_MOST = 25  # of a load balancer, without the default ones
_TOO_SMALL = ("RSA_1024",)


class CertificatesApi(ElbApi):
    """See API_AddListenerCertificates.html and siblings in the API reference of Elastic Load Balancing."""

    @operation(resource=arn_in("ListenerArn"))
    async def add_listener_certificates(
        self, context: Context, request: t.AddListenerCertificatesInputTypeDef
    ) -> Mapping[str, Any]:
        """Add certificates for further names; those that the listener has are not added again."""
        region, arn = context.region, request["ListenerArn"]
        wanted = [_arn_of(each) for each in request["Certificates"]]
        self._secure(region, arn)
        for each in wanted:
            await check_certificate(self.calls, region, each)
        record = self._secure(region, arn)
        default = record["listener"]["Certificates"][0]["CertificateArn"]
        certificates = list(
            dict.fromkeys([*record.get("certificates", ()), *(each for each in wanted if each != default)])
        )
        if len(certificates) > _MOST:
            raise ServiceError("TooManyCertificates", f"A load balancer has at most {_MOST} certificates")
        record["certificates"] = certificates
        self.model.listeners.put((region, arn), record)
        return {"Certificates": [{"CertificateArn": each, "IsDefault": each == default} for each in wanted]}

    @operation(resource=arn_in("ListenerArn"))
    async def remove_listener_certificates(
        self, context: Context, request: t.RemoveListenerCertificatesInputTypeDef
    ) -> Mapping[str, Any]:
        """Remove certificates; the default one can only be replaced."""
        record = self._secure(context.region, request["ListenerArn"])
        gone = [_arn_of(each) for each in request["Certificates"]]
        if record["listener"]["Certificates"][0]["CertificateArn"] in gone:
            raise ServiceError("OperationNotPermitted", "The default certificate cannot be removed, only replaced")
        record["certificates"] = [each for each in record.get("certificates", ()) if each not in gone]
        self.model.listeners.put((context.region, request["ListenerArn"]), record)
        return {}

    @operation()
    async def describe_listener_certificates(
        self, context: Context, request: t.DescribeListenerCertificatesInputTypeDef
    ) -> Mapping[str, Any]:
        """List a listener's certificates, the default one among them; one without TLS has none."""
        record = find_listener(self.model, context.region, request["ListenerArn"])
        default = [each["CertificateArn"] for each in record["listener"].get("Certificates", ())]
        others = [each for each in record.get("certificates", ()) if each not in default]
        listed = [{"CertificateArn": each, "IsDefault": each in default} for each in [*default, *others]]
        return paged(request, listed, lambda each: f"{not each['IsDefault']} {each['CertificateArn']}", "Certificates")

    def _secure(self, region: str, arn: str) -> ListenerRecord:
        record = find_listener(self.model, region, arn)
        if record["listener"]["Protocol"] not in SECURE:
            raise ServiceError(
                "InvalidConfigurationRequest",
                f"Certificates are only for HTTPS and TLS listeners, and '{arn}' is none",
            )
        return record


async def secured(
    calls: Calls, region: str, protocol: str, request: Mapping[str, Any], present: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a listener is told of encryption: what it has, with a request's put over it; raise what is wrong."""
    if protocol not in SECURE:
        given = [name for name in MEMBERS if request.get(name)]
        if given:
            raise ServiceError("ValidationError", f"'{given[0]}' cannot be specified for {protocol} listeners")
        return {}
    certificates = request.get("Certificates", present.get("Certificates", ()))
    if not certificates:
        raise ServiceError("ValidationError", f"A certificate must be specified for {protocol} listeners")
    if len(certificates) > 1:
        raise ServiceError(
            "ValidationError",
            "Only one certificate can be specified: the default one; others are added with AddListenerCertificates",
        )
    arn = _arn_of(certificates[0])
    if "Certificates" in request:
        await check_certificate(calls, region, arn)
    policy = request.get("SslPolicy", present.get("SslPolicy", policies.DEFAULT))
    policies.check(policy)
    result: dict[str, Any] = {"Certificates": [{"CertificateArn": arn}], "SslPolicy": policy}
    authentication = trust.checked(request, protocol, present)
    if authentication:
        result["MutualAuthentication"] = authentication
    if protocol == "HTTPS":
        if request.get("AlpnPolicy"):
            raise ServiceError("ValidationError", "'AlpnPolicy' cannot be specified for HTTPS listeners")
    elif "AlpnPolicy" in request or "AlpnPolicy" in present:
        result["AlpnPolicy"] = _alpn(request.get("AlpnPolicy", present.get("AlpnPolicy")))
    return result


async def check_certificate(calls: Calls, region: str, arn: str) -> None:
    """Raise CertificateNotFound or UnsupportedCertificate for what a listener cannot present."""
    if arn.startswith("arn:aws:iam:"):
        raise not_offered("elbv2: server certificates of IAM; import them into ACM")
    try:
        found = (await calls.as_service(SERVICE, region)("acm", "describe_certificate", CertificateArn=arn))[
            "Certificate"
        ]
    except ServiceError as error:
        if error.code not in ("ResourceNotFoundException", "InvalidArnException", "ValidationException"):
            raise
        raise ServiceError("CertificateNotFound", f"Certificate '{arn}' not found") from None
    if found["Status"] != "ISSUED" or found["KeyAlgorithm"] in _TOO_SMALL:
        raise ServiceError(
            "UnsupportedCertificate",
            f"The certificate '{arn}' must have a fully-qualified domain name, a supported signature, and a supported "
            "key size.",
        )


def _arn_of(certificate: Mapping[str, Any]) -> str:
    if "IsDefault" in certificate:
        raise ServiceError("ValidationError", "'IsDefault' cannot be specified")
    if "CertificateArn" not in certificate:
        raise ServiceError("ValidationError", "A certificate ARN must be specified")
    return str(certificate["CertificateArn"])


def _alpn(given: Any) -> list[str]:
    known = ("HTTP1Only", "HTTP2Only", "HTTP2Optional", "HTTP2Preferred", "None")
    if not given or len(given) != 1 or given[0] not in known:
        raise ServiceError("ALPNPolicyNotSupported", f"The ALPN policy must be one of '{', '.join(known)}'")
    return list(given)
