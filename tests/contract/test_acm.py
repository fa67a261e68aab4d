"""Certificate Manager as clients know it, and the authority that they are to trust."""

from __future__ import annotations

import ssl
import stat
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.contract.test_ec2 import refusal
from tests.contract.test_iam import ACCOUNT
from tests.contract.test_route53 import Zone
from tests.daemon import Daemon
from tests.waiting import until
from tidegate.cloud.planes.certificates import Certificates

ONCE = {"Delay": 1, "MaxAttempts": 10}


def status_of(acm: Any, arn: str) -> str:
    return str(acm.describe_certificate(CertificateArn=arn)["Certificate"]["Status"])


def issued(cloud: Daemon, name: str = "www.example.com", **more: Any) -> str:
    """Request a certificate of a domain that is hosted elsewhere, and wait until it is there."""
    acm = cloud.client("acm")
    arn = str(acm.request_certificate(DomainName=name, ValidationMethod="DNS", **more)["CertificateArn"])
    until(lambda: status_of(acm, arn), "ISSUED")
    return arn


def own_certificate(folder: Path, name: str = "imported.test") -> tuple[bytes, bytes, bytes]:
    """Return a certificate, its key and its chain, of an authority that is nobody's."""
    certificates = Certificates(folder)
    certificates.issue("one", "1", [name], "EC_prime256v1", 10)
    files = certificates.current("one")
    assert files is not None
    leaf = files.certificate.read_text().split("-----END CERTIFICATE-----\n")[0] + "-----END CERTIFICATE-----\n"
    return leaf.encode(), files.key.read_bytes(), certificates.authority().encode()


def test_a_certificate_waits_for_its_record(cloud: Daemon) -> None:
    acm, zone = cloud.client("acm"), Zone(cloud)
    request = {"DomainName": "example.com", "SubjectAlternativeNames": ["*.example.com", "shop.example.com"]}
    arn = acm.request_certificate(**request, ValidationMethod="DNS", IdempotencyToken="t1")["CertificateArn"]
    assert arn.startswith(f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/")
    assert acm.request_certificate(**request, ValidationMethod="DNS", IdempotencyToken="t1")["CertificateArn"] == arn
    found = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    assert (found["Status"], found["Type"], found["InUseBy"]) == ("PENDING_VALIDATION", "AMAZON_ISSUED", [])
    options = {each["DomainName"]: each["ResourceRecord"] for each in found["DomainValidationOptions"]}
    assert options["example.com"] == options["*.example.com"]
    assert options["shop.example.com"]["Name"].endswith(".shop.example.com.")
    assert refusal(acm.get_certificate, CertificateArn=arn)[0] == "RequestInProgressException"
    zone.change("CREATE", options["example.com"]["Name"], "CNAME", options["example.com"]["Value"])

    def statuses() -> set[tuple[str, str]]:
        detail = acm.describe_certificate(CertificateArn=arn)["Certificate"]
        return {(each["DomainName"], each["ValidationStatus"]) for each in detail["DomainValidationOptions"]}

    until(lambda: ("*.example.com", "SUCCESS") in statuses(), wanted=True)
    assert status_of(acm, arn) == "PENDING_VALIDATION"
    shop = options["shop.example.com"]
    zone.change("CREATE", shop["Name"], "CNAME", "_wrong.acm-validations.aws.")
    zone.change("UPSERT", shop["Name"], "CNAME", shop["Value"])
    acm.get_waiter("certificate_validated").wait(CertificateArn=arn, WaiterConfig=ONCE)
    found = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    assert (found["NotAfter"] - found["NotBefore"]).days == 198
    assert found["KeyAlgorithm"] == "RSA_2048"
    answer = acm.get_certificate(CertificateArn=arn)
    assert answer["Certificate"].startswith("-----BEGIN CERTIFICATE-----")
    assert answer["CertificateChain"] == Path(cloud.document["ca"]).read_text()


def test_a_domain_of_elsewhere_is_taken_at_its_word(cloud: Daemon) -> None:
    """ADR 14: nobody could put a record there for a certificate that only this machine trusts."""
    acm = cloud.client("acm")
    arn = issued(cloud, KeyAlgorithm="EC_prime256v1", Tags=[{"Key": "a", "Value": "1"}])
    assert acm.list_certificates()["CertificateSummaryList"] == []
    listed = acm.list_certificates(Includes={"keyTypes": ["EC_prime256v1"]})["CertificateSummaryList"]
    assert [(each["CertificateArn"], each["InUse"]) for each in listed] == [(arn, False)]
    mailed = acm.request_certificate(DomainName="mail.example.com")["CertificateArn"]
    until(lambda: status_of(acm, mailed), "ISSUED")
    options = acm.describe_certificate(CertificateArn=mailed)["Certificate"]["DomainValidationOptions"]
    assert "admin@mail.example.com" in options[0]["ValidationEmails"]
    acm.add_tags_to_certificate(CertificateArn=arn, Tags=[{"Key": "b", "Value": "2"}])
    acm.remove_tags_from_certificate(CertificateArn=arn, Tags=[{"Key": "a"}])
    assert acm.list_tags_for_certificate(CertificateArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    acm.delete_certificate(CertificateArn=arn)
    assert refusal(acm.describe_certificate, CertificateArn=arn) == (
        "ResourceNotFoundException",
        f"Could not find certificate {arn}.",
    )
    until(lambda: (cloud.data_dir / "certificates" / arn.rpartition("/")[2]).exists(), wanted=False)


def test_imported_certificates(cloud: Daemon, tmp_path: Path) -> None:
    acm = cloud.client("acm")
    body, key, chain = own_certificate(tmp_path)
    arn = acm.import_certificate(Certificate=body, PrivateKey=key, CertificateChain=chain)["CertificateArn"]
    found = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    assert (found["Type"], found["Status"], found["DomainName"]) == ("IMPORTED", "ISSUED", "imported.test")
    (folder,) = (cloud.data_dir / "certificates").iterdir()
    (kept,) = folder.glob("*.key")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    other, other_key, _ = own_certificate(tmp_path / "other", "again.test")
    assert acm.import_certificate(CertificateArn=arn, Certificate=other, PrivateKey=other_key)["CertificateArn"] == arn
    assert acm.describe_certificate(CertificateArn=arn)["Certificate"]["DomainName"] == "again.test"

    def refused(**request: Any) -> str:
        code, message = refusal(acm.import_certificate, **request)
        assert code == "ValidationException"
        return message

    assert "it is not the certificate's" in refused(Certificate=body, PrivateKey=other_key)
    assert "no X.509 certificate" in refused(Certificate=b"x", PrivateKey=key)
    wrong = {"CertificateChain": own_certificate(tmp_path / "third")[2]}
    assert "does not lead" in refused(Certificate=body, PrivateKey=key, **wrong)


def test_what_is_refused(cloud: Daemon) -> None:
    acm = cloud.client("acm")
    arn = issued(cloud, KeyAlgorithm="EC_prime256v1")
    assert refusal(acm.export_certificate, CertificateArn=arn, Passphrase=b"secret") == (
        "NotImplemented",
        "tidegate local does not offer acm:ExportCertificate yet",
    )
    authority = f"arn:aws:acm-pca:us-east-1:{ACCOUNT}:certificate-authority/1"
    assert (
        refusal(acm.request_certificate, DomainName="a.test", CertificateAuthorityArn=authority)[0] == "NotImplemented"
    )
    assert refusal(acm.request_certificate, DomainName="a.test", KeyAlgorithm="RSA_4096")[0] == "ValidationException"
    assert refusal(acm.request_certificate, DomainName="a.test", Tags=[{"Key": "aws:x", "Value": ""}])[0] == (
        "InvalidTagException"
    )


def test_the_authority_is_there_for_everybody(cloud: Daemon) -> None:
    url = f"{cloud.endpoint}/_tidegate/ca.pem"
    with urllib.request.urlopen(url, timeout=10) as answer:
        certificate = answer.read().decode()
    path = Path(cloud.document["ca"])
    assert certificate == path.read_text()
    ssl.create_default_context(cadata=certificate)
    assert stat.S_IMODE(path.with_name("ca.key").stat().st_mode) == 0o600
    cloud.reset()
    assert path.read_text() == certificate
    with pytest.raises(urllib.error.HTTPError, match="421"):
        urllib.request.urlopen(urllib.request.Request(url, headers={"Host": "evil.example"}), timeout=10)


def test_a_killed_daemon_issues_what_was_requested(own_cloud: Daemon) -> None:
    acm = own_cloud.client("acm")
    request = {"DomainName": "a.example.com", "ValidationMethod": "DNS"}
    arn = acm.request_certificate(**request)["CertificateArn"]
    own_cloud.kill()
    own_cloud.start()
    acm = own_cloud.client("acm")
    until(lambda: status_of(acm, arn), "ISSUED")


def test_mails_and_options_of_what_is_issued(cloud: Daemon) -> None:
    acm = cloud.client("acm")
    mailed = acm.request_certificate(DomainName="mail.example.com", ValidationMethod="EMAIL")["CertificateArn"]
    acm.get_waiter("certificate_validated").wait(CertificateArn=mailed, WaiterConfig=ONCE)
    Zone(cloud)
    waiting = acm.request_certificate(DomainName="example.com", ValidationMethod="DNS")["CertificateArn"]
    for arn, domain in ((mailed, "mail.example.com"), (waiting, "example.com")):
        again = {"CertificateArn": arn, "Domain": domain, "ValidationDomain": "example.com"}
        assert refusal(acm.resend_validation_email, **again)[0] == "InvalidStateException"
    logged = {"CertificateTransparencyLoggingPreference": "DISABLED"}
    acm.update_certificate_options(CertificateArn=mailed, Options=logged)
    options = acm.describe_certificate(CertificateArn=mailed)["Certificate"]["Options"]
    assert options["CertificateTransparencyLoggingPreference"] == "DISABLED"
    for changed in ({"Export": "ENABLED"}, {"ValidationMethod": "DNS"}):
        code, message = refusal(acm.update_certificate_options, CertificateArn=mailed, Options=changed)
        assert (code, next(iter(changed)) in message) == ("NotImplemented", True)
    missing = refusal(acm.update_certificate_options, CertificateArn=f"{mailed[:-12]}{0:012}", Options=logged)
    assert missing[0] == "ResourceNotFoundException"
