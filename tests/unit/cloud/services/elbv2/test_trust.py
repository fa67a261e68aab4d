"""What revocation lists refuse, in Envoy's words."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID, ObjectIdentifier

from tests.authorities import Authority
from tidegate.cloud.services.elbv2.trust import refused, shown

ISSUER = r"emailAddress=ca@example.com,O=Gr\C3\B6\C3\9Fe\, \"Co\" \+ S\C3\B6hne,C=DE"


def test_serials_are_those_of_their_issuer(tmp_path: Path) -> None:
    ours = Authority("ours", tmp_path)
    ours.serial = 0xABC
    listed = ours.revocation_list(ours.client("gone")).decode()
    found = refused(ours.pem.decode(), (listed,))
    assert (found.certificates, found.issuers) == ((f"CN=ours,{ISSUER}|0abd",), ())


def test_of_an_authority_that_is_revoked_nothing_is_let_in(tmp_path: Path) -> None:
    ours = Authority("ours", tmp_path)
    path = tmp_path / "ours.pem"
    path.write_bytes(ours.pem)
    found = refused(ours.pem.decode(), (ours.revocation_list(path).decode(),))
    assert found.issuers == (f"CN=ours,{ISSUER}",)


def test_a_name_that_cannot_be_told_is_none() -> None:
    def name(oid: ObjectIdentifier) -> x509.Name:
        return x509.Name([x509.NameAttribute(oid, "x")])

    assert shown(name(NameOID.COMMON_NAME)) == "CN=x"
    assert shown(name(ObjectIdentifier("1.2.3.4.5"))) is None
