"""Certificates: request, import, describe, list, delete; their tags.

https://docs.aws.amazon.com/acm/latest/APIReference/Welcome.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.paging import page
from tidegate.cloud.services.acm.model import AcmModel, CertificateRecord, short_id
from tidegate.cloud.services.acm.pem import BadCertificateError, check_pair, described, facts
from tidegate.cloud.services.acm.plan import bare, validation_record
from tidegate.cloud.services.acm.users import Users

if TYPE_CHECKING:
    from types_boto3_acm import type_defs as t

_PAGE = 1000
_MOST_TAGS = 50
_MOST_NAMES = 100
_SAME_FOR = timedelta(hours=1)  # a request with a token is the same one
_OFFERED_KEYS = ("RSA_2048", "EC_prime256v1", "EC_secp384r1")
_LISTED_KEYS = ("RSA_1024", "RSA_2048")  # where nobody asks for others
_MAILBOXES = ("admin", "administrator", "hostmaster", "postmaster", "webmaster")
_KEY_USAGES = ("DIGITAL_SIGNATURE", "KEY_ENCIPHERMENT")
_EXTENDED_USAGES = (
    {"Name": "TLS_WEB_SERVER_AUTHENTICATION", "OID": "1.3.6.1.5.5.7.3.1"},
    {"Name": "TLS_WEB_CLIENT_AUTHENTICATION", "OID": "1.3.6.1.5.5.7.3.2"},
)
_SUMMARIZED = (
    "CertificateArn", "DomainName", "Status", "Type", "KeyAlgorithm", "RenewalEligibility", "NotBefore", "NotAfter",
    "CreatedAt", "IssuedAt", "ImportedAt", "RevokedAt",
)  # fmt: skip
_MOST_SUMMARIZED_NAMES = 100


class KeyStore(Protocol):
    """Keeps certificates with their keys where only the user can read them."""

    def keep(self, name: str, version: str, certificate: str, chain: str, key: str) -> None:
        """Keep a version of a certificate under a name."""


def _arn(api: Any, context: Context, request: Any) -> str:
    return str(request.get("CertificateArn") or request.get("ResourceArn") or "*")


def _tag_conditions(api: Any, context: Context, request: Any) -> Mapping[str, Any]:
    tags = _as_map(request.get("Tags", ()))
    keys: dict[str, Any] = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    return {**keys, "aws:TagKeys": list(tags)} if tags else {}


def _request_conditions(api: Any, context: Context, request: Any) -> Mapping[str, Any]:
    return {
        "acm:DomainNames": [request["DomainName"], *request.get("SubjectAlternativeNames", ())],
        "acm:KeyAlgorithm": request.get("KeyAlgorithm", "RSA_2048"),
        "acm:ValidationMethod": request.get("ValidationMethod", "EMAIL"),
        **_tag_conditions(api, context, request),
    }


class CertificatesApi:
    """https://docs.aws.amazon.com/acm/latest/APIReference/API_Operations.html."""

    def __init__(self, model: AcmModel, calls: Calls, clock: Clock, keys: KeyStore) -> None:
        self.model = model
        self.calls = calls
        self.clock = clock
        self._keys = keys
        self._users = Users(calls)

    @operation(
        resource=lambda api, context, request: context.arn("acm", "certificate/*"),
        conditions=_request_conditions,
        refuse=("CertificateAuthorityArn", "ManagedBy"),
    )
    async def request_certificate(
        self, context: Context, request: t.RequestCertificateRequestTypeDef
    ) -> Mapping[str, Any]:
        """Request a certificate: it is issued when each of its domains is validated."""
        domain = request["DomainName"].lower()
        names = list(dict.fromkeys([domain, *(each.lower() for each in request.get("SubjectAlternativeNames", ()))]))
        if len(names) > _MOST_NAMES:
            raise ServiceError("LimitExceededException", f"A certificate has at most {_MOST_NAMES} domain names.")
        algorithm: str = request.get("KeyAlgorithm", "RSA_2048")
        if algorithm not in _OFFERED_KEYS:
            raise ServiceError("ValidationException", f"Key algorithm {algorithm} is not supported.")
        method = request.get("ValidationMethod", "EMAIL")
        if method == "HTTP":
            raise ServiceError("ValidationException", "HTTP validation is only for certificates of CloudFront.")
        options: Any = request.get("Options", {})
        if options.get("Export", "DISABLED") == "ENABLED":
            raise not_offered("acm:RequestCertificate Options.Export ENABLED")
        given: Any = request.get("Tags", ())
        tags = _checked_tags(context, {}, given)
        token, now = request.get("IdempotencyToken"), self.clock.now()
        if token is not None:
            token = f"{token} {method} {','.join(names)}"
            present = self.model.requested(context.region, token, now - _SAME_FOR)
            if present is not None:
                return {"CertificateArn": present["certificate"]["CertificateArn"]}
        wanted: Any = request.get("DomainValidationOptions", ())
        domains = {each["DomainName"].lower(): each["ValidationDomain"].lower() for each in wanted}
        for name, validated in domains.items():
            if name not in names or not f".{bare(name)}".endswith(f".{validated}"):
                raise ServiceError(
                    "InvalidDomainValidationOptionsException",
                    f"The validation domain {validated} is no superdomain of {name}, or that is not requested.",
                )
        arn = context.arn("acm", f"certificate/{self.clock.new_id()}")
        detail: Any = {
            "CertificateArn": arn,
            "DomainName": domain,
            "SubjectAlternativeNames": names,
            "DomainValidationOptions": [
                _validation(context.account, name, method, domains.get(name, bare(name))) for name in names
            ],
            "Subject": f"CN={domain}",
            "Issuer": "Amazon",
            "CreatedAt": now,
            "Status": "PENDING_VALIDATION",
            "KeyAlgorithm": algorithm,
            "SignatureAlgorithm": "SHA256WITHRSA",
            "Type": "AMAZON_ISSUED",
            "KeyUsages": [{"Name": each} for each in _KEY_USAGES],
            "ExtendedKeyUsages": [dict(each) for each in _EXTENDED_USAGES],
            "CertificateKeyPairOrigin": "AWS_MANAGED",
            "Options": {
                "CertificateTransparencyLoggingPreference": options.get(
                    "CertificateTransparencyLoggingPreference", "ENABLED"
                ),
                "Export": "DISABLED",
            },
        }
        new: CertificateRecord = {"certificate": detail, "tags": tags}
        if token is not None:
            new["token"] = token
        self.model.certificates.put((context.region, arn), new)
        return {"CertificateArn": arn}

    @operation(resource=_arn)
    async def describe_certificate(
        self, context: Context, request: t.DescribeCertificateRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return a certificate's details: what has to be in its domains' DNS, and who uses it."""
        arn = request["CertificateArn"]
        self._find(context, arn)
        users = (await self._users.of(context.region)).get(arn, [])
        detail = self._find(context, arn)["certificate"]
        return {"Certificate": {**detail, "InUseBy": users, "RenewalEligibility": _eligibility(detail, users)}}

    @operation()
    async def list_certificates(self, context: Context, request: t.ListCertificatesRequestTypeDef) -> Mapping[str, Any]:
        """List certificates; those with keys other than RSA up to 2048 bits only where they are asked for."""
        users = await self._users.of(context.region)
        includes: Any = request.get("Includes", {})
        wanted: Any = {
            "Status": request.get("CertificateStatuses"),
            "KeyAlgorithm": includes.get("keyTypes", _LISTED_KEYS),
            "ManagedBy": [includes["managedBy"]] if "managedBy" in includes else None,
            "CertificateKeyPairOrigin": request.get("CertificateKeyPairOrigins"),
        }
        details: list[Any] = [each["certificate"] for each in self.model.certificates.values(context.region)]
        for member, values in wanted.items():
            if values:
                details = [each for each in details if each.get(member) in values]
        usages = ("keyUsage", "KeyUsages"), ("extendedKeyUsage", "ExtendedKeyUsages")
        for name, member in usages:
            if includes.get(name) and "ANY" not in includes[name]:
                details = [
                    each for each in details if set(includes[name]) <= {use["Name"] for use in each.get(member, ())}
                ]
        if includes.get("exportOption") == "ENABLED":
            details = []
        descending = request.get("SortBy") == "CREATED_AT" and request.get("SortOrder", "DESCENDING") == "DESCENDING"
        key = _by_time if "SortBy" in request else _by_arn
        chosen, token = page(
            sorted(details, key=key, reverse=descending),
            request.get("NextToken"),
            request.get("MaxItems", _PAGE),
            key=key,
            invalid="InvalidArgsException",
            descending=descending,
        )
        summaries = [_summary(each, users.get(each["CertificateArn"], [])) for each in chosen]
        return {"CertificateSummaryList": summaries, **({"NextToken": token} if token else {})}

    @operation(resource=_arn)
    async def get_certificate(self, context: Context, request: t.GetCertificateRequestTypeDef) -> Mapping[str, Any]:
        """Return a certificate and its chain, in PEM."""
        record = self._find(context, request["CertificateArn"])
        if "body" not in record:
            raise ServiceError("RequestInProgressException", "The certificate has not been issued yet.")
        chain = record.get("chain", "")
        return {"Certificate": record["body"], **({"CertificateChain": chain} if chain else {})}

    @operation(resource=_arn, conditions=_tag_conditions)
    async def import_certificate(
        self, context: Context, request: t.ImportCertificateRequestTypeDef
    ) -> Mapping[str, Any]:
        """Import a certificate with its key, or put a new one in the place of an imported one."""
        given: Any = request
        body, key = _text(given["Certificate"]), _text(given["PrivateKey"])
        chain = _text(given["CertificateChain"]) if "CertificateChain" in given else None
        now = self.clock.now()
        try:
            check_pair(body, chain, key)
            found = facts(body)
        except BadCertificateError as error:
            raise ServiceError("ValidationException", _not_valid(error)) from None
        if found.not_after <= now:
            raise ServiceError("ValidationException", "The certificate has expired.")
        if found.not_before > now:
            raise ServiceError("ValidationException", "The certificate is not valid yet.")
        if "CertificateArn" in request:
            if request.get("Tags"):
                raise ServiceError("InvalidParameterException", "Tags cannot be given to a certificate that is there.")
            record = self._find(context, request["CertificateArn"])
            if record["certificate"]["Type"] != "IMPORTED":
                raise ServiceError("ValidationException", "The certificate that is to be replaced was not imported.")
            arn, tags = request["CertificateArn"], record["tags"]
        else:
            arn, tags = (
                context.arn("acm", f"certificate/{self.clock.new_id()}"),
                _checked_tags(context, {}, given.get("Tags", ())),
            )
        detail: Any = {
            "CertificateArn": arn,
            "DomainName": found.common_name or next(iter(found.names), ""),
            "SubjectAlternativeNames": list(found.names),
            "ImportedAt": now,
            "CreatedAt": now,
            "Status": "ISSUED",
            "KeyAlgorithm": found.key,
            "Type": "IMPORTED",
            "KeyUsages": [{"Name": each} for each in _KEY_USAGES],
            "ExtendedKeyUsages": [dict(_EXTENDED_USAGES[0])],
            "CertificateKeyPairOrigin": "CUSTOMER_PROVIDED",
            "Options": {"CertificateTransparencyLoggingPreference": "DISABLED"},
            **described(found),
        }
        self._keys.keep(short_id(arn), self.clock.hex(16), body, chain or "", key)
        new: CertificateRecord = {"certificate": detail, "tags": tags, "body": body}
        if chain is not None:
            new["chain"] = chain
        self.model.certificates.put((context.region, arn), new)
        return {"CertificateArn": arn}

    @operation(resource=_arn)
    async def delete_certificate(
        self, context: Context, request: t.DeleteCertificateRequestTypeDef
    ) -> Mapping[str, Any]:
        """Delete a certificate that no listener uses."""
        arn = request["CertificateArn"]
        self._find(context, arn)
        if arn in await self._users.of(context.region):
            raise ServiceError(
                "ResourceInUseException",
                f"Certificate {arn} in account {context.account} is in use.",
            )
        self.model.certificates.delete(context.region, arn)
        return {}

    @operation(resource=_arn)
    async def resend_validation_email(
        self, context: Context, request: t.ResendValidationEmailRequestTypeDef
    ) -> Mapping[str, Any]:
        """Accept that mail is wanted again, for a domain that is validated by mail; none is ever sent from here."""
        detail: Any = self._find(context, request["CertificateArn"])["certificate"]
        options = [
            each for each in detail.get("DomainValidationOptions", ()) if each["DomainName"] == request["Domain"]
        ]
        if not options or options[0]["ValidationMethod"] != "EMAIL" or detail["Status"] != "PENDING_VALIDATION":
            raise ServiceError("InvalidStateException", f"{request['Domain']} does not wait for a validation by mail.")
        if not f".{bare(request['Domain'])}".endswith(f".{request['ValidationDomain'].lower()}"):
            raise ServiceError(
                "InvalidDomainValidationOptionsException",
                f"The validation domain {request['ValidationDomain']} is not a superdomain of {request['Domain']}.",
            )
        return {}

    @operation(resource=_arn, refuse=("Options.ValidationMethod",))
    async def update_certificate_options(
        self, context: Context, request: t.UpdateCertificateOptionsRequestTypeDef
    ) -> Mapping[str, Any]:
        """Set whether a certificate is to be logged in public; from here none ever is."""
        if request["Options"].get("Export", "DISABLED") == "ENABLED":
            raise not_offered("acm:UpdateCertificateOptions Options.Export ENABLED")
        record: Any = self._find(context, request["CertificateArn"])
        record["certificate"]["Options"].update(request["Options"])
        self._put(context, record)
        return {}

    @operation(resource=_arn, conditions=_tag_conditions)
    async def add_tags_to_certificate(
        self, context: Context, request: t.AddTagsToCertificateRequestTypeDef
    ) -> Mapping[str, Any]:
        """Put tags on a certificate, over those that it has."""
        given: Any = request["Tags"]
        return self._tag(context, request["CertificateArn"], lambda tags: _checked_tags(context, tags, given))

    @operation(resource=_arn)
    async def remove_tags_from_certificate(
        self, context: Context, request: t.RemoveTagsFromCertificateRequestTypeDef
    ) -> Mapping[str, Any]:
        """Remove tags; one that is given with a value only where it has that value."""
        given: Sequence[Any] = request["Tags"]

        def without(tags: Mapping[str, str]) -> dict[str, str]:
            gone = {each["Key"] for each in given if each.get("Value", tags.get(each["Key"])) == tags.get(each["Key"])}
            return {key: value for key, value in tags.items() if key not in gone}

        return self._tag(context, request["CertificateArn"], without)

    @operation(resource=_arn)
    async def list_tags_for_certificate(
        self, context: Context, request: t.ListTagsForCertificateRequestTypeDef
    ) -> Mapping[str, Any]:
        """List a certificate's tags."""
        tags = self._find(context, request["CertificateArn"])["tags"]
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def _tag(
        self, context: Context, arn: str, change: Callable[[Mapping[str, str]], dict[str, str]]
    ) -> Mapping[str, Any]:
        record = self._find(context, arn)
        record["tags"] = change(record["tags"])
        self._put(context, record)
        return {}

    def _find(self, context: Context, arn: str) -> CertificateRecord:
        found = self.model.certificates.get(context.region, arn)
        if found is None:
            raise ServiceError("ResourceNotFoundException", f"Could not find certificate {arn}.")
        return found

    def _put(self, context: Context, record: CertificateRecord) -> None:
        self.model.certificates.put((context.region, record["certificate"]["CertificateArn"]), record)


def _validation(account: str, name: str, method: str, validated: str) -> dict[str, Any]:
    option: dict[str, Any] = {
        "DomainName": name,
        "ValidationDomain": validated,
        "ValidationStatus": "PENDING_VALIDATION",
        "ValidationMethod": method,
    }
    if method == "DNS":
        return {**option, "ResourceRecord": validation_record(account, name)}
    return {**option, "ValidationEmails": [f"{each}@{validated}" for each in _MAILBOXES]}


def _summary(detail: Mapping[str, Any], users: Sequence[str]) -> dict[str, Any]:
    names = detail["SubjectAlternativeNames"]
    return {
        **{name: detail[name] for name in _SUMMARIZED if name in detail},
        "SubjectAlternativeNameSummaries": names[:_MOST_SUMMARIZED_NAMES],
        "HasAdditionalSubjectAlternativeNames": len(names) > _MOST_SUMMARIZED_NAMES,
        "KeyUsages": [each["Name"] for each in detail["KeyUsages"]],
        "ExtendedKeyUsages": [each["Name"] for each in detail["ExtendedKeyUsages"]],
        "InUse": bool(users),
        "Exported": False,
        "ExportOption": "DISABLED",
        "RenewalEligibility": _eligibility(detail, users),
        "CertificateKeyPairOrigin": detail["CertificateKeyPairOrigin"],
    }


def _eligibility(detail: Mapping[str, Any], users: Sequence[str]) -> str:
    return "ELIGIBLE" if users and detail["Type"] == "AMAZON_ISSUED" else "INELIGIBLE"


def _by_arn(detail: Mapping[str, Any]) -> str:
    return str(detail["CertificateArn"])


def _by_time(detail: Mapping[str, Any]) -> str:
    created: datetime = detail["CreatedAt"]
    return f"{created.isoformat()} {detail['CertificateArn']}"


def _as_map(tags: Any) -> dict[str, str]:
    return {each["Key"]: each.get("Value", "") for each in tags}


def _checked_tags(context: Context, present: Mapping[str, str], given: Any) -> dict[str, str]:
    """Return tags with given ones put over them; raise InvalidTagException, TooManyTagsException."""
    tags = {**present, **_as_map(given)}
    if any(each["Key"].lower().startswith("aws:") for each in given) and not context.for_cloudformation:
        raise ServiceError("InvalidTagException", "Tag keys must not begin with aws:")
    if len([key for key in tags if not key.startswith("aws:")]) > _MOST_TAGS:
        raise ServiceError("TooManyTagsException", f"A certificate has at most {_MOST_TAGS} tags.")
    return tags


def _text(content: bytes | str) -> str:
    return content if isinstance(content, str) else content.decode(errors="replace")


def _not_valid(error: BadCertificateError) -> str:
    what = {"certificate": "certificate body", "chain": "certificate chain", "key": "private key"}[error.part]
    return f"The {what} could not be used: {error}."
