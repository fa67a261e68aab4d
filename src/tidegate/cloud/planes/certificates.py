"""Certificates and keys as files, and the authority of this machine that signs them.

The authority (`ca.pem`) is made once for a data folder and outlives everything else in it, so that a client that was
told to trust it need not be told again. Keys are readable by the user alone. What belongs to one version of a
certificate never changes: a new version has new files, and `current` says which they are.

https://datatracker.ietf.org/doc/html/rfc5280
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

AUTHORITY_FILE = "ca.pem"
_AUTHORITY_KEY = "ca.key"
_FOLDER = "certificates"
_CURRENT = "current"  # beside the versions of a certificate: the newest one's name
_AUTHORITY_DAYS = 3650
_LONGEST_COMMON_NAME = 64
_SKEW = timedelta(minutes=5)  # of the clock of who looks at a certificate that was signed just now


@dataclass(frozen=True, slots=True)
class Files:
    """Where a certificate with its chain is, and its key."""

    certificate: Path
    key: Path


class Certificates:
    """The certificates of one data folder. Nothing is kept in memory: several objects of one folder are the same."""

    def __init__(self, data_dir: Path) -> None:
        self.authority_file = data_dir / AUTHORITY_FILE
        self._authority_key = data_dir / _AUTHORITY_KEY
        self._folder = data_dir / _FOLDER

    def ensure_authority(self) -> None:
        """Make the authority, if the folder has none yet."""
        if not self.authority_file.exists():
            self._make_authority()

    def authority(self) -> str:
        """Return the authority's certificate (PEM)."""
        self.ensure_authority()
        return self.authority_file.read_text()

    def issue(self, name: str, version: str, names: Sequence[str], key: str, days: int) -> str:
        """Make a key (`RSA_2048`, `EC_prime256v1`, …), have the authority sign it for names, keep both; return PEM."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.x509.oid import ExtendedKeyUsageOID

        issuer = x509.load_pem_x509_certificate(self.authority().encode())
        private, signer = _new_key(key), _load_key(self._authority_key.read_bytes())
        now = datetime.now(UTC)
        subject = names[0] if len(names[0]) <= _LONGEST_COMMON_NAME else None
        certificate = (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(issuer.subject)
            .public_key(private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _SKEW)
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName([_general_name(each) for each in names]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(encipher=key.startswith("RSA")), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()),  # type: ignore[arg-type]
                critical=False,
            )
            .sign(signer, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
        self.keep(name, version, pem, self.authority(), _private_pem(private))
        return pem

    def keep(self, name: str, version: str, certificate: str, chain: str, key: str) -> None:
        """Keep a version of a certificate under a name."""
        files = self._files(name, version)
        files.key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(files.key, key, 0o600)
        _write(files.certificate, f"{certificate.strip()}\n{chain}", 0o644)
        _write(files.key.with_name(_CURRENT), version, 0o600)

    def current(self, name: str) -> Files | None:
        """Return where the newest version of a certificate is, or None where there is none."""
        try:
            return self._files(name, (self._folder / name / _CURRENT).read_text())
        except OSError:
            return None

    def remove(self, name: str) -> None:
        """Remove all versions of a certificate."""
        shutil.rmtree(self._folder / name, ignore_errors=True)

    def remove_all(self) -> None:
        """Remove all certificates; the authority stays."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _files(self, name: str, version: str) -> Files:
        folder = self._folder / name
        return Files(folder / f"{version}.pem", folder / f"{version}.key")

    def _make_authority(self) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization

        key, now = _new_key("EC_prime256v1"), datetime.now(UTC)
        serial = x509.random_serial_number()
        name = _name(f"Tidegate local authority {serial % 0xFFFFFFFF:08x}")
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(serial)
            .not_valid_before(now - _SKEW)
            .not_valid_after(now + timedelta(days=_AUTHORITY_DAYS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(encipher=False, sign_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        self._authority_key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(self._authority_key, _private_pem(key), 0o600)
        _write(self.authority_file, certificate.public_bytes(serialization.Encoding.PEM).decode(), 0o644)


def _new_key(algorithm: str) -> Key:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    family, _, size = algorithm.partition("_")
    if family == "RSA":
        return rsa.generate_private_key(65537, int(size))
    curves: dict[str, type[ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1]] = {
        "prime256v1": ec.SECP256R1,
        "secp384r1": ec.SECP384R1,
        "secp521r1": ec.SECP521R1,
    }
    return ec.generate_private_key(curves[size]())


def _load_key(pem: bytes) -> Key:
    from cryptography.hazmat.primitives import serialization

    return serialization.load_pem_private_key(pem, None)  # type: ignore[return-value]


def _private_pem(key: Key) -> str:
    from cryptography.hazmat.primitives import serialization

    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode()


def _name(common_name: str | None) -> x509.Name:
    from cryptography import x509

    parts = [(x509.NameOID.ORGANIZATION_NAME, "Tidegate local cloud")] if common_name is None else []
    if common_name is not None:
        parts.append((x509.NameOID.COMMON_NAME, common_name))
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts])


def _general_name(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, encipher: bool, sign_certificates: bool = False) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        content_commitment=False,
        key_encipherment=encipher,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _write(path: Path, text: str, mode: int) -> None:
    """Put a file in its place whole, readable from its first byte on by those alone who may read it."""
    temporary = path.with_suffix(f"{path.suffix}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)
