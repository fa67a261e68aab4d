"""Certificates, chains and keys in PEM: read, and held against each other. Pure.

https://docs.aws.amazon.com/acm/latest/userguide/import-certificate-prerequisites.html
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography import x509

_CURVES = {"SECP256R1": "prime256v1"}  # two names of one curve


class BadCertificateError(Exception):
    """A certificate, a chain or a key cannot be used; `part` says which of them, the message why."""

    def __init__(self, part: str, why: str) -> None:
        super().__init__(why)
        self.part = part


@dataclass(frozen=True, slots=True)
class Facts:
    """What a certificate says. `key` is `RSA_2048`, `EC_prime256v1`, …; `names` are those it is for."""

    serial: str
    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    key: str
    signature: str
    common_name: str
    names: tuple[str, ...]


def facts(certificate: str) -> Facts:
    """Return what a certificate (PEM) says; raise BadCertificateError."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    try:
        found = x509.load_pem_x509_certificate(certificate.encode())
        public = found.public_key()
        hashed = found.signature_hash_algorithm
    except ValueError:
        raise BadCertificateError("certificate", "it is no X.509 certificate in PEM") from None
    if isinstance(public, rsa.RSAPublicKey):
        key = f"RSA_{public.key_size}"
    elif isinstance(public, ec.EllipticCurvePublicKey):
        key = f"EC_{_CURVES.get(public.curve.name.upper(), public.curve.name)}"
    else:
        raise BadCertificateError("certificate", "its key is neither RSA nor of an elliptic curve")
    common = found.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    common_name = str(common[0].value) if common else ""
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        listed = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    except x509.ExtensionNotFound:
        listed = [common_name] if common_name else []
    digits = f"{found.serial_number:x}"
    digits = digits.zfill(len(digits) + len(digits) % 2)
    how = "RSA" if "RSA" in str(getattr(found.signature_algorithm_oid, "_name", "")).upper() else "ECDSA"
    return Facts(
        serial=":".join(digits[each : each + 2] for each in range(0, len(digits), 2)),
        subject=_written(found.subject),
        issuer=_written(found.issuer),
        not_before=found.not_valid_before_utc,
        not_after=found.not_valid_after_utc,
        key=key,
        signature=f"{hashed.name.upper() if hashed else 'SHA256'}{'WITHRSA' if how == 'RSA' else 'WITHECDSA'}",
        common_name=common_name,
        names=tuple(dict.fromkeys(listed)),
    )


def check_pair(certificate: str, chain: str | None, key: str) -> None:
    """Raise BadCertificateError where a key is not a certificate's, or a chain does not lead away from it."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import serialization

    try:
        leaves = x509.load_pem_x509_certificates(certificate.encode())
    except ValueError:
        raise BadCertificateError("certificate", "it is no X.509 certificate in PEM") from None
    if len(leaves) > 1:
        raise BadCertificateError("certificate", "it is more than one; the others belong into the chain")
    try:
        private = serialization.load_pem_private_key(key.encode(), None)
    except TypeError:
        raise BadCertificateError("key", "it is encrypted") from None
    except ValueError:
        raise BadCertificateError("key", "it is no private key in PEM") from None
    spki = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*spki) != leaves[0].public_key().public_bytes(*spki):
        raise BadCertificateError("key", "it is not the certificate's")
    if chain is None:
        return
    try:
        above = x509.load_pem_x509_certificates(chain.encode())
    except ValueError:
        raise BadCertificateError("chain", "it is no X.509 certificate in PEM") from None
    for lower, upper in zip([leaves[0], *above], above, strict=False):
        try:
            lower.verify_directly_issued_by(upper)
        except (ValueError, TypeError, InvalidSignature):
            raise BadCertificateError("chain", "it does not lead from the certificate to its issuer") from None


def described(found: Facts) -> dict[str, Any]:
    """Return what a certificate says of itself, as AWS describes it."""
    return {
        "Serial": found.serial,
        "Subject": found.subject,
        "Issuer": found.issuer,
        "NotBefore": found.not_before,
        "NotAfter": found.not_after,
        "SignatureAlgorithm": found.signature,
    }


def _written(name: x509.Name) -> str:
    return ",".join(each.rfc4514_string() for each in name)
