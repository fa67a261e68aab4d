"""What is in trust stores: authorities' certificates and revocation lists, read and checked. Pure.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/mutual-authentication.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tidegate.cloud.errors import ServiceError

if TYPE_CHECKING:
    from cryptography import x509

MOST_AUTHORITIES = 25
MOST_REVOKED = 500_000
_BEGIN = b"-----BEGIN "
# how OpenSSL, and Envoy with it, calls the parts of a name; what is not here it writes otherwise
_SHORT = {
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "street",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.42": "GN",
    "0.9.2342.19200300.100.1.25": "DC",
    "0.9.2342.19200300.100.1.1": "UID",
    "1.2.840.113549.1.9.1": "emailAddress",
}


@dataclass(frozen=True, slots=True)
class Refused:
    """Certificates that are refused (`issuer|serial`, or `|serial` whoever issued it), and whole issuers."""

    certificates: tuple[str, ...] = ()
    issuers: tuple[str, ...] = ()


def authorities(bundle: bytes) -> list[x509.Certificate]:
    """Return the certificates of a bundle (PEM); raise InvalidCaCertificatesBundle."""
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificates(bundle)
        usable = [_is_authority(each) for each in found]
    except ValueError as error:
        raise _invalid_bundle(f"it is not a list of certificates in PEM format: {error}") from None
    if len(found) > MOST_AUTHORITIES:
        raise _invalid_bundle(f"it has {len(found)} certificates, and at most {MOST_AUTHORITIES} are possible")
    if not all(usable):
        raise _invalid_bundle("it has a certificate that is none of a certificate authority")
    return found


def revocations(content: bytes) -> list[x509.CertificateRevocationList]:
    """Return the revocation lists of a file (PEM); raise InvalidRevocationContent."""
    from cryptography import x509

    parts = [_BEGIN + each for each in content.split(_BEGIN)[1:]]
    try:
        lists = [x509.load_pem_x509_crl(each) for each in parts]
    except ValueError as error:
        raise _invalid_list(f"it is not a revocation list in PEM format: {error}") from None
    if not lists:
        raise _invalid_list("it is not a revocation list in PEM format")
    return lists


def check_signed(lists: Iterable[x509.CertificateRevocationList], bundle: Iterable[x509.Certificate]) -> None:
    """Raise InvalidRevocationContent for a list that no authority of the trust store has signed."""
    known = list(bundle)
    for each in lists:
        signers = [authority for authority in known if authority.subject == each.issuer]
        if not any(each.is_signature_valid(signer.public_key()) for signer in signers):  # type: ignore[arg-type]
            raise _invalid_list("it is not signed by a certificate authority of the trust store")


@lru_cache(maxsize=64)
def refused(bundle: str, lists: tuple[str, ...]) -> Refused:
    """Return what revocation lists (PEM) refuse.

    Of an authority in the bundle that is itself revoked, nothing is let in.
    """
    known = authorities(bundle.encode())
    certificates: dict[str, None] = {}
    issuers: dict[str, None] = {}
    for content in lists:
        for each in revocations(content.encode()):
            issuer = shown(each.issuer)
            for entry in each:
                number = entry.serial_number
                serial = f"|{number.to_bytes(max(1, (number.bit_length() + 7) // 8)).hex()}"
                certificates[serial if issuer is None else f"{issuer}{serial}"] = None
                for authority in known:
                    if (authority.issuer, authority.serial_number) == (each.issuer, entry.serial_number):
                        name = shown(authority.subject)
                        if name is not None:
                            issuers[name] = None
    return Refused(tuple(certificates), tuple(issuers))


def shown(name: x509.Name) -> str | None:
    """Return a name as Envoy writes it (RFC 2253), the last part first; None where it cannot be told.

    https://datatracker.ietf.org/doc/html/rfc2253
    """
    parts = []
    for relative in reversed(name.rdns):
        words = []
        for attribute in relative:
            short = _SHORT.get(attribute.oid.dotted_string)
            if short is None or not isinstance(attribute.value, str):
                return None
            words.append(f"{short}={_escaped(attribute.value)}")
        parts.append("+".join(words))
    return ",".join(parts)


def count(lists: Iterable[x509.CertificateRevocationList]) -> int:
    """Return how many certificates lists revoke."""
    return sum(len(each) for each in lists)


def _escaped(value: str) -> str:
    text = ""
    for position, character in enumerate(value):
        outside = position in (0, len(value) - 1)
        if character in ',+"\\<>;' or (character == " " and outside) or (character == "#" and position == 0):
            text += f"\\{character}"
        elif character.isascii() and character.isprintable():
            text += character
        else:
            text += "".join(f"\\{byte:02X}" for byte in character.encode())
    return text


def _is_authority(certificate: x509.Certificate) -> bool:
    from cryptography import x509

    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def checked(request: Mapping[str, Any], protocol: str, present: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a listener asks clients for certificates, as AWS shows it; raise ValidationError.

    The names of a trust store's authorities are told to clients also where `AdvertiseTrustStoreCaNames` is `off`:
    Envoy knows no other way to verify.
    """
    if protocol != "HTTPS":
        if request.get("MutualAuthentication"):
            raise ServiceError(
                "ValidationError", f"'MutualAuthentication' cannot be specified for {protocol} listeners"
            )
        return {}
    given = request.get("MutualAuthentication", present.get("MutualAuthentication", {}))
    mode = given.get("Mode", "off")
    if mode not in ("off", "passthrough", "verify"):
        raise ServiceError(
            "ValidationError", f"Mutual authentication mode '{mode}' must be one of 'off', 'passthrough', 'verify'"
        )
    if mode == "verify":
        if not given.get("TrustStoreArn"):
            raise ServiceError("ValidationError", "A trust store ARN must be specified for the mode 'verify'")
        return {
            "Mode": mode,
            "TrustStoreArn": given["TrustStoreArn"],
            "IgnoreClientCertificateExpiry": given.get("IgnoreClientCertificateExpiry", False),
            "AdvertiseTrustStoreCaNames": given.get("AdvertiseTrustStoreCaNames", "off"),
        }
    for name in ("TrustStoreArn", "IgnoreClientCertificateExpiry"):
        if given.get(name):
            raise ServiceError("ValidationError", f"'{name}' can only be specified for the mode 'verify'")
    if given.get("AdvertiseTrustStoreCaNames") == "on":
        raise ServiceError(
            "ValidationError", "'AdvertiseTrustStoreCaNames' can only be specified for the mode 'verify'"
        )
    return {"Mode": mode}


def _invalid_bundle(why: str) -> ServiceError:
    return ServiceError("InvalidCaCertificatesBundle", f"The CA certificates bundle is not valid: {why}")


def _invalid_list(why: str) -> ServiceError:
    return ServiceError("InvalidRevocationContent", f"The revocation content is not valid: {why}")
