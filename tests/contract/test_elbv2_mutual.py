"""Listeners that ask clients for certificates, and the trust stores by which they know them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.authorities import Authority
from tests.contract.test_ec2 import refusal
from tests.contract.test_elbv2 import FIXED, certificate, to
from tests.contract.test_elbv2_tls import SecureFront, front
from tests.contract.test_elbv2_traffic import QUICK, started, target
from tests.http_endpoint import until

__all__ = ["front"]

BUCKET = "trust"


class Trusting:
    """A load balancer, a bucket, and what is in it."""

    def __init__(self, front: SecureFront) -> None:
        self.front, self.elb, self.s3 = front, front.network.elb, front.cloud.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)

    def put(self, key: str, content: bytes) -> dict[str, str]:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=content)
        return {"S3Bucket": BUCKET, "S3Key": key}

    def store(self, name: str, bundle: bytes) -> Any:
        self.put("bundle.pem", bundle)
        bundle_at = {"CaCertificatesBundleS3Bucket": BUCKET, "CaCertificatesBundleS3Key": "bundle.pem"}
        return self.elb.create_trust_store(Name=name, **bundle_at)["TrustStores"][0]

    async def ask(self, client: Path | None) -> str:
        """Return what a client gets: an answer, or nothing where it is refused."""
        try:
            return await self.front.curl("/", *(() if client is None else ("--cert", str(client))))
        except subprocess.CalledProcessError:
            return ""


async def test_only_those_who_are_trusted_get_in(front: SecureFront, tmp_path: Path) -> None:
    trusting = await asyncio.to_thread(Trusting, front)
    ours, theirs, others = (Authority(name, tmp_path) for name in ("ours", "theirs", "others"))
    good, bad, old = ours.client("good"), ours.client("bad"), ours.client("old", expired=True)
    twin = [theirs.client(name) for name in ("first", "second")][1]  # has the serial number of `bad`
    stranger = others.client("stranger")
    store = await asyncio.to_thread(trusting.store, "clients", ours.pem + theirs.pem)
    arn = store["TrustStoreArn"]
    assert (store["Status"], store["NumberOfCaCertificates"], store["TotalRevokedEntries"]) == ("ACTIVE", 2, 0)
    group = front.network.group(**QUICK)
    async with started("one") as (one,):
        await front.call("register_targets", TargetGroupArn=group, Targets=[target(one)])
        verify = {"Mode": "verify", "TrustStoreArn": arn}
        await front.listen_securely(to(group), certificate(front.network), MutualAuthentication=verify)
        await front.until_states(group, "healthy")
        told = json.loads(await front.curl("/", "--cert", str(good), "-H", "X-Amzn-Mtls-Clientcert-Subject: forged"))
        headers = dict(each.split(": ", 1) for each in told["headers"])
        prefix = "x-amzn-mtls-clientcert-"
        assert headers[f"{prefix}serial-number"] == "02"
        assert headers[f"{prefix}subject"] == "CN=good"
        assert headers[f"{prefix}issuer"].startswith("CN=ours,")
        assert headers[f"{prefix}validity"].startswith("NotBefore=20")
        assert unquote(headers[f"{prefix}leaf"]) in good.read_text()
        for refused in (None, stranger, old):
            assert not await trusting.ask(refused)
        assert await trusting.ask(bad)
        revoked = await asyncio.to_thread(trusting.put, "revoked.pem", ours.revocation_list(bad))
        (added,) = (await front.call("add_trust_store_revocations", TrustStoreArn=arn, RevocationContents=[revoked]))[
            "TrustStoreRevocations"
        ]
        assert (added["RevocationId"], added["NumberOfRevokedEntries"], added["RevocationType"]) == (1, 1, "CRL")

        async def is_revoked() -> bool:
            return not await trusting.ask(bad)

        await until(is_revoked)
        assert await trusting.ask(good)
        assert await trusting.ask(twin), "a serial number is one authority's"
        lax = {**verify, "IgnoreClientCertificateExpiry": True}
        await front.call("modify_listener", ListenerArn=front.listener, MutualAuthentication=lax)

        async def time_does_not_matter() -> bool:
            return bool(await trusting.ask(old))

        await until(time_does_not_matter)
        assert not await trusting.ask(bad)
        await front.call("remove_trust_store_revocations", TrustStoreArn=arn, RevocationIds=[1])

        async def is_let_in_again() -> bool:
            return bool(await trusting.ask(bad))

        await until(is_let_in_again)
        await asyncio.to_thread(trusting.put, "bundle.pem", others.pem)
        bundle_at = {"CaCertificatesBundleS3Bucket": BUCKET, "CaCertificatesBundleS3Key": "bundle.pem"}
        await front.call("modify_trust_store", TrustStoreArn=arn, **bundle_at)

        async def only_others() -> bool:
            return bool(await trusting.ask(stranger)) and not await trusting.ask(good)

        await until(only_others)


async def test_certificates_are_passed_through(front: SecureFront, tmp_path: Path) -> None:
    client = Authority("nobody", tmp_path).client("somebody")
    group = front.network.group(**QUICK)
    async with started("one") as (one,):
        await front.call("register_targets", TargetGroupArn=group, Targets=[target(one)])
        await front.listen_securely(to(group), certificate(front.network), MutualAuthentication={"Mode": "passthrough"})
        await front.until_states(group, "healthy")
        name = "routing.http.request.x_amzn_mtls_clientcert.header_name"
        renamed = [{"Key": name, "Value": "X-Client"}]
        assert (
            renamed[0]
            in (await front.call("modify_listener_attributes", ListenerArn=front.listener, Attributes=renamed))[
                "Attributes"
            ]
        )

        async def passes() -> bool:
            told = json.loads(await front.curl("/", "--cert", str(client)))["headers"]
            shown = [each.removeprefix("x-client: ") for each in told if each.startswith("x-client: ")]
            return bool(shown) and unquote(shown[0]) in client.read_text()

        await until(passes)
        told = json.loads(await front.curl("/", "-H", "X-Client: forged"))["headers"]
        assert not [each for each in told if "client" in each.lower()], "who shows none is let in, and told of nothing"


def test_what_trust_stores_are_told(front: SecureFront, tmp_path: Path) -> None:
    trusting = Trusting(front)
    elb, ours = trusting.elb, Authority("ours", tmp_path)
    at = {"CaCertificatesBundleS3Bucket": BUCKET, "CaCertificatesBundleS3Key": "none.pem"}
    assert refusal(elb.create_trust_store, Name="a", **at)[0] == "CaCertificatesBundleNotFound"
    at["CaCertificatesBundleS3Key"] = "bad.pem"
    for wrong in (b"nothing", ours.client("leaf").read_bytes(), ours.pem * 26):
        trusting.put("bad.pem", wrong)
        assert refusal(elb.create_trust_store, Name="a", **at)[0] == "InvalidCaCertificatesBundle"
    arn = trusting.store("a", ours.pem)["TrustStoreArn"]
    trusting.put("bad.pem", ours.pem)
    assert refusal(elb.create_trust_store, Name="a", **at)[0] == "DuplicateTrustStoreName"
    assert [each["Name"] for each in elb.describe_trust_stores(Names=["a"])["TrustStores"]] == ["a"]
    assert refusal(elb.describe_trust_stores, Names=["b"])[0] == "TrustStoreNotFound"
    elb.add_tags(ResourceArns=[arn], Tags=[{"Key": "team", "Value": "x"}])
    assert elb.describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"] == [{"Key": "team", "Value": "x"}]

    def add(content: bytes) -> Any:
        return {"TrustStoreArn": arn, "RevocationContents": [trusting.put("list.pem", content)]}

    assert refusal(elb.add_trust_store_revocations, **add(b"none"))[0] == "InvalidRevocationContent"
    foreign = Authority("ours", tmp_path).revocation_list()  # the name is the same, the key is not
    assert refusal(elb.add_trust_store_revocations, **add(foreign))[0] == "InvalidRevocationContent"
    content = ours.revocation_list(ours.client("gone"))
    elb.add_trust_store_revocations(**add(content))
    (listed,) = elb.describe_trust_store_revocations(TrustStoreArn=arn)["TrustStoreRevocations"]
    assert listed["RevocationId"] == 1
    assert refusal(elb.remove_trust_store_revocations, TrustStoreArn=arn, RevocationIds=[7])[0] == (
        "RevocationIdNotFound"
    )
    bundle_at = elb.get_trust_store_ca_certificates_bundle(TrustStoreArn=arn)["Location"]
    list_at = elb.get_trust_store_revocation_content(TrustStoreArn=arn, RevocationId=1)["Location"]
    for address, wanted in ((bundle_at, ours.pem), (list_at, content)):
        with urllib.request.urlopen(address, timeout=10) as answer:
            assert answer.read() == wanted
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(bundle_at.partition("?")[0] + "x", timeout=10)

    def create(**authentication: Any) -> Any:
        base = {"LoadBalancerArn": front.arn, "Protocol": "HTTPS", "Port": 443, "DefaultActions": FIXED}
        certificates = [{"CertificateArn": secure}]
        return {**base, "Certificates": certificates, "MutualAuthentication": authentication}

    secure = certificate(front.network)
    assert refusal(elb.create_listener, **create(Mode="verify"))[0] == "ValidationError"
    assert refusal(elb.create_listener, **create(Mode="verify", TrustStoreArn=f"{arn[:-1]}x"))[0] == (
        "TrustStoreNotFound"
    )
    assert refusal(elb.create_listener, **create(Mode="passthrough", TrustStoreArn=arn))[0] == "ValidationError"
    made = elb.create_listener(**create(Mode="verify", TrustStoreArn=arn))["Listeners"][0]
    assert made["MutualAuthentication"] == {
        "Mode": "verify",
        "TrustStoreArn": arn,
        "IgnoreClientCertificateExpiry": False,
        "AdvertiseTrustStoreCaNames": "off",
    }
    associated = elb.describe_trust_store_associations(TrustStoreArn=arn)["TrustStoreAssociations"]
    assert associated == [{"ResourceArn": front.arn}]
    assert refusal(elb.delete_trust_store, TrustStoreArn=arn)[0] == "TrustStoreInUse"
    shared = {"TrustStoreArn": arn, "ResourceArn": front.arn}
    assert refusal(elb.delete_shared_trust_store_association, **shared)[0] == "NotImplemented"
    elb.delete_listener(ListenerArn=made["ListenerArn"])
    elb.delete_trust_store(TrustStoreArn=arn)
    assert elb.describe_trust_stores()["TrustStores"] == []
