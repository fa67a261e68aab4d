"""Who writes load balancers' logs into buckets, and whether a bucket's policy lets them.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
"""

from __future__ import annotations

from tidegate.cloud.call import Caller, Calls, Principal
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.elbv2.access_log import folder

_SERVICE = "logdelivery.elasticloadbalancing.amazonaws.com"
# the accounts that wrote logs before there was that service, and still do where a policy names them
_ACCOUNTS = {
    "us-east-1": "127311923021",
    "us-east-2": "033677994240",
    "us-west-1": "027434742980",
    "us-west-2": "797873946194",
    "af-south-1": "098369216593",
    "ap-east-1": "754344448648",
    "ap-northeast-1": "582318560864",
    "ap-northeast-2": "600734575887",
    "ap-northeast-3": "383597477331",
    "ap-south-1": "718504428378",
    "ap-southeast-1": "114774131450",
    "ap-southeast-2": "783225319266",
    "ap-southeast-3": "589379963580",
    "ca-central-1": "985666609251",
    "eu-central-1": "054676820928",
    "eu-north-1": "897822967062",
    "eu-south-1": "635631232127",
    "eu-west-1": "156460612806",
    "eu-west-2": "652711504416",
    "eu-west-3": "009996457667",
    "me-south-1": "076674570225",
    "sa-east-1": "507241528517",
}
_DENIED = ("AccessDenied", "NoSuchBucket", "PermanentRedirect", "InvalidBucketName")
_TEST_FILES = {"access_logs": "ELBAccessLogTestFile", "connection_logs": "ELBConnectionLogTestFile"}


class DeniedError(Exception):
    """A bucket that is not there, not in the region, or whose policy does not let logs in."""


class Delivery:
    """Puts files into buckets as the log delivery of a load balancer's region."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def check(self, kind: str, arn: str, bucket: str, prefix: str) -> None:
        """Leave AWS's test file in a bucket; raise InvalidConfigurationRequest where that is not allowed."""
        key = f"{folder(prefix, arn.split(':')[4])}/{_TEST_FILES[kind]}"
        try:
            await self.put(
                arn, bucket, key, b"Enable logs for an ELB: this file shows that the bucket can be written to\n"
            )
        except DeniedError:
            raise ServiceError(
                "InvalidConfigurationRequest", f"Access Denied for bucket: {bucket}. Please check S3bucket permission"
            ) from None

    async def put(self, arn: str, bucket: str, key: str, body: bytes) -> None:
        """Write an object for a load balancer; raise DeniedError."""
        region = arn.split(":")[3]
        service = self._calls.as_service(_SERVICE, region, source=arn)
        if not await _put(service, bucket, key, body):
            account = _ACCOUNTS.get(region)
            if account is None or not await _put(self._account(account, region), bucket, key, body):
                raise DeniedError(bucket)

    def _account(self, account: str, region: str) -> Caller:
        return self._calls.as_principal(Principal(f"arn:aws:iam::{account}:root", account, account), region)


async def _put(caller: Caller, bucket: str, key: str, body: bytes) -> bool:
    """Write an object; return whether that was allowed."""
    try:
        await caller("s3", "put_object", Bucket=bucket, Key=key, Body=body)
    except ServiceError as error:
        if error.code not in _DENIED:
            raise
        return False
    return True
