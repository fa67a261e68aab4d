"""Access logs and connection logs, as they are found in a bucket."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import shlex
from pathlib import Path
from typing import Any

from tests.authorities import Authority
from tests.contract.test_ec2 import refusal
from tests.contract.test_elbv2 import FIXED, Network, certificate, to
from tests.contract.test_elbv2_mutual import Trusting
from tests.contract.test_elbv2_tls import NAME, SecureFront, front
from tests.contract.test_elbv2_traffic import QUICK, Front, started, target
from tests.contract.test_iam import ACCOUNT
from tests.daemon import Daemon
from tests.http_endpoint import until

__all__ = ["front"]

BUCKET = "logs"
DELIVERY = {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"}
FIELDS = 33


class Logged:
    """A bucket that a load balancer logs into."""

    def __init__(self, front: Front, principal: Any = DELIVERY, path: str = "my/AWSLogs") -> None:
        self.front, self.s3 = front, front.cloud.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)
        if principal is not None:
            self.allow(principal, path)

    def allow(self, principal: Any, path: str = "my/AWSLogs", **more: Any) -> None:
        statement = {"Effect": "Allow", "Principal": principal, "Action": "s3:PutObject", **more,
                     "Resource": f"arn:aws:s3:::{BUCKET}/{path}/{ACCOUNT}/*"}  # fmt: skip
        self.s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))

    def attributes(self, kind: str = "access_logs", enabled: str = "true", prefix: str = "my") -> dict[str, Any]:
        values = {"enabled": enabled, "bucket": BUCKET, "prefix": prefix}
        listed = [{"Key": f"{kind}.s3.{name}", "Value": value} for name, value in values.items()]
        return {"LoadBalancerArn": self.front.arn, "Attributes": listed}

    def lines(self) -> dict[str, list[str]]:
        """Return what was delivered, by the keys of the files."""
        keys = [each["Key"] for each in self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", ())]
        found = {}
        for key in keys:
            if key.endswith(".gz"):
                body = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
                found[key] = gzip.decompress(body).decode().splitlines()
        return found


async def test_every_request_is_in_the_bucket(front: SecureFront, tmp_path: Path) -> None:
    """Requests and connections of one load balancer, delivered because it is deleted."""
    logged = await asyncio.to_thread(Logged, front)
    trusting = await asyncio.to_thread(Trusting, front)
    ours, others = Authority("ours", tmp_path), Authority("others", tmp_path)
    good, stranger = ours.client("good"), others.client("stranger")
    store = await asyncio.to_thread(trusting.store, "clients", ours.pem)
    for kind in ("access_logs", "connection_logs"):
        await front.call("modify_load_balancer_attributes", **logged.attributes(kind))
    tests = {each["Key"] for each in logged.s3.list_objects_v2(Bucket=BUCKET)["Contents"]}
    assert tests == {f"my/AWSLogs/{ACCOUNT}/ELB{kind}LogTestFile" for kind in ("Access", "Connection")}
    group, shown = front.network.group(**QUICK), certificate(front.network)
    async with started("one") as (one,):
        await front.call("register_targets", TargetGroupArn=group, Targets=[target(one)])
        verify = {"Mode": "verify", "TrustStoreArn": store["TrustStoreArn"]}
        await front.listen_securely(to(group), shown, MutualAuthentication=verify)
        await front.until_states(group, "healthy")
        fixed = {"ListenerArn": front.listener, "Priority": 7, "Actions": FIXED}
        await front.call("create_rule", **fixed, Conditions=[{"Field": "path-pattern", "Values": ["/fixed"]}])

        async def is_fixed() -> bool:
            return await front.curl("/fixed", "--cert", str(good)) == "fixed"

        await until(is_fixed)
        await front.curl("/hello?a=b", "--cert", str(good), "-H", 'User-Agent: a "quoted" one')
        assert not await trusting.ask(stranger)
    await front.call("delete_load_balancer", LoadBalancerArn=front.arn)

    async def delivered() -> bool:
        return len(await asyncio.to_thread(logged.lines)) >= 2

    await until(delivered, within=30)
    files = logged.lines()
    balancer = front.arn.partition(":loadbalancer/")[2]
    begin = rf"my/AWSLogs/{ACCOUNT}/elasticloadbalancing/us-east-1/\d{{4}}/\d\d/\d\d"
    name = (
        rf"{ACCOUNT}_elasticloadbalancing_us-east-1_{balancer.replace('/', '.')}_\d{{8}}T\d{{4}}Z_[\d.]+_\w+\.log\.gz"
    )
    requests = [line for key, lines in files.items() if re.fullmatch(f"{begin}/{name}", key) for line in lines]
    connections = [
        line for key, lines in files.items() if re.fullmatch(f"{begin}/conn_log.{name}", key) for line in lines
    ]
    found = [shlex.split(line.replace("\\", "\\\\")) for line in requests]
    assert {len(each) for each in found} == {FIELDS}
    (hello,) = (each for each in found if "/hello" in each[12])
    (answer, *_) = (each for each in found if "/fixed" in each[12] and each[22] == "fixed-response")
    address = f"{one.host}:{one.port}"
    assert (hello[0], hello[2], hello[4], hello[8:10]) == ("h2", balancer, address, ["200", "200"])
    assert all(float(each) >= 0 for each in hello[5:8])
    assert int(hello[10]) > 0 < int(hello[11])
    assert hello[12] == f"GET https://{NAME}:443/hello?a=b HTTP/2"
    assert hello[13] == "a \\x22quoted\\x22 one"
    assert (hello[15], hello[16]) == ("TLSv1.2", group)
    assert hello[17].startswith("Root=1-")
    assert hello[18:21] == [NAME, shown, "0"]
    assert hello[22:24] == ["forward", "-"]
    assert (answer[4], answer[5:8], answer[9], answer[20], answer[22]) == ("-", ["-1"] * 3, "-", "7", "fixed-response")
    told = [shlex.split(line) for line in connections]
    assert any("Failed:ClientCertUntrusted" in each for each in told)
    (same,) = (each for each in told if each[-1] == hello[29])
    assert (same[3:5], same[7], same[10]) == (["443", "TLSv1.2"], "CN=good", "Success")


async def test_a_killed_daemon_loses_no_line(own_cloud: Daemon) -> None:
    front = Front(own_cloud)
    logged = await asyncio.to_thread(Logged, front)
    await front.call("modify_load_balancer_attributes", **logged.attributes())
    await front.listen(FIXED)
    log = own_cloud.data_dir / "envoy" / "logs" / f"access_logs-{front.arn.rpartition('/')[2]}.log"

    async def asked(path: str) -> bool:
        await front.ask("/" + path)
        return path in await asyncio.to_thread(log.read_text)

    await until(lambda: asked("before"))
    own_cloud.kill()
    await asyncio.to_thread(own_cloud.start)
    front.network = Network(own_cloud)
    logged.s3 = own_cloud.client("s3")

    async def delivered() -> bool:
        lines = [line for found in (await asyncio.to_thread(logged.lines)).values() for line in found]
        return any("/before" in each for each in lines)

    await until(delivered, within=30)
    await until(lambda: asked("after"))


def test_a_bucket_has_to_let_logs_in(front: SecureFront) -> None:
    logged = Logged(front, None)
    modify = front.network.elb.modify_load_balancer_attributes
    denied = ("InvalidConfigurationRequest", f"Access Denied for bucket: {BUCKET}. Please check S3bucket permission")
    assert refusal(modify, **logged.attributes()) == denied
    logged.allow(DELIVERY, Condition={"StringEquals": {"aws:SourceAccount": "999999999999"}})
    assert refusal(modify, **logged.attributes()) == denied
    logged.allow(DELIVERY, Condition={"ArnLike": {"aws:SourceArn": f"arn:aws:elasticloadbalancing:*:{ACCOUNT}:*"}})
    modify(**logged.attributes())
    modify(**logged.attributes(enabled="false"))
    logged.allow({"AWS": "arn:aws:iam::127311923021:root"})
    modify(**logged.attributes())
    assert refusal(modify, **logged.attributes(prefix="other")) == denied
    assert refusal(modify, **logged.attributes(prefix="AWSLogs/x"))[0] == "ValidationError"
    nowhere = logged.attributes()
    nowhere["Attributes"][1]["Value"] = "nowhere"
    assert refusal(modify, **nowhere)[0] == "InvalidConfigurationRequest"
    nowhere["Attributes"][1]["Value"] = ""
    assert refusal(modify, **nowhere)[0] == "InvalidConfigurationRequest"
