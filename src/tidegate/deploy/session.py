"""Which AWS answers: an account, or the local cloud. Nothing outside this module and `cli/local.py` ever knows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from tidegate.deploy.errors import UserError
from tidegate.deploy.local_cloud import require

if TYPE_CHECKING:  # slow to import: every `git push` asks here for keys, and the local cloud's need no botocore
    import botocore.session

LOCAL = "local"
_TOO_MANY = 429

# how AWS's services ask for fewer calls: botocore.retries.standard.ThrottledRetryableChecker
_THROTTLED = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottledException",
        "RequestThrottled",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "SlowDown",
        "PriorRequestNotComplete",
        "EC2ThrottledException",
    }
)
_ACCOUNT_RETRIES = {"mode": "adaptive", "total_max_attempts": 8}
_LOCAL_RETRIES = {"mode": "standard", "total_max_attempts": 2}  # what does not answer at once has ended


class Keys(NamedTuple):
    """The keys to sign with, and for which region."""

    access_key: str
    secret_key: str
    token: str | None
    region: str


class Session:
    """Clients for one environment's account and region. They are made once and may be used by several threads."""

    def __init__(self, session: botocore.session.Session, region: str, endpoint: str | None) -> None:
        self._session = session
        self.region = region
        self._endpoint = endpoint
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()
        self.throttled: Callable[[str], None] | None = None  # is told which operation AWS asks to be called less often

    def at(self, region: str | None) -> Session:
        """Return the session of the same credentials in a region; None: in this one."""
        if region in (None, self.region):
            return self
        other = Session(self._session, str(region), self._endpoint)
        other._clients, other._lock, other.throttled = self._clients, self._lock, self.throttled
        return other

    def copy_of(self, url: str) -> str | None:
        """Return where the code of somebody else's repository is pushed to instead, None where it is just there.

        The local cloud cannot be told of pushes to GitHub, GitLab or Bitbucket: it keeps copies of its own.
        """
        if self._endpoint is None or urlsplit(url).hostname == urlsplit(self._endpoint).hostname:
            return None
        parts = urlsplit(url)
        return f"{self._endpoint}/mirrors/{parts.hostname}{parts.path}"

    def client(self, service: str) -> Any:
        """Return the client of a service (boto3's name): what `boto3.client` gives, without the rest of boto3."""
        from botocore.config import Config

        with self._lock:  # clients are made from shared data that is no thread's own
            key = (self.region, service)
            if key not in self._clients:
                retries = _ACCOUNT_RETRIES if self._endpoint is None else _LOCAL_RETRIES
                config = Config(retries=retries, connect_timeout=5, read_timeout=60)  # type: ignore[arg-type]
                self._clients[key] = self._session.create_client(
                    service, self.region, endpoint_url=self._endpoint, config=config
                )
                self._clients[key].meta.events.register("needs-retry", self._note_throttling)
            return self._clients[key]

    def _note_throttling(self, response: Any, operation: Any, **_: Any) -> None:
        """Tell of an answer that asks for fewer calls; it is retried after an ever longer pause, by botocore."""
        if response is None or self.throttled is None:
            return
        http, parsed = response
        if http.status_code == _TOO_MANY or parsed.get("Error", {}).get("Code") in _THROTTLED:
            self.throttled(f"{operation.service_model.service_name}:{operation.name}")

    def keys(self) -> Keys:
        """Return the keys in use at this moment."""
        credentials = self._session.get_credentials()
        if credentials is None:
            raise no_credentials()
        frozen: Any = credentials.get_frozen_credentials()
        return Keys(frozen.access_key, frozen.secret_key, frozen.token, self.region)

    def account(self) -> str:
        """Return the account's number: the first call, which shows whether the credentials are any good."""
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        try:
            return str(self.client("sts").get_caller_identity()["Account"])
        except NoCredentialsError:
            raise no_credentials() from None
        except ClientError as error:
            raise UserError("AWS credentials", error.response["Error"]["Message"], "aws configure") from error
        except BotoCoreError as error:
            raise UserError("AWS", str(error), "tidegate local status, or check the network") from error

    def unreachable(self, error: Exception) -> UserError | None:
        """Say of an error that a request got no answer, and what to do; None where it is about something else."""
        from botocore.exceptions import ConnectionError as NoConnectionError
        from botocore.exceptions import HTTPClientError

        if not isinstance(error, HTTPClientError | NoConnectionError):
            return None
        return self.no_answer(str(error.kwargs.get("endpoint_url", "")))

    def no_answer(self, url: str) -> UserError:
        """Say that nobody answers at an address of this session's AWS, and what to do."""
        address = urlsplit(url).netloc
        if self._endpoint is None:
            return UserError("AWS", f"{address} does not answer", "check the network, then the same command again")
        next_step = "tidegate local start --detach, then the same command again"
        return UserError("local cloud", f"it does not answer at {self._endpoint} any more", next_step)


def open_session(
    environment: str,
    environ: Mapping[str, str],
    data_dir: Path,
    *,
    region: str | None = None,
    profile: str | None = None,
) -> Session:
    """Return the session of an environment; raise `UserError` where its AWS cannot be told or reached.

    `local` is the local cloud of this machine, unless AWS_ENDPOINT_URL already points somewhere.
    """
    import botocore.session
    from botocore.exceptions import NoRegionError, ProfileNotFound

    if environment == LOCAL and "AWS_ENDPOINT_URL" not in environ:
        cloud = require(data_dir)
        session = botocore.session.Session()
        session.set_credentials(cloud.access_key, cloud.secret)
        return Session(session, region or cloud.region, cloud.endpoint)
    session = botocore.session.Session(profile=profile)
    try:
        region = region or session.get_config_variable("region")
    except ProfileNotFound:
        known = ", ".join(session.available_profiles) or "none"
        raise UserError(f"profile {profile}", f"there is no such profile; there are {known}", "aws configure") from None
    if region is None:
        raise UserError("AWS region", str(NoRegionError()), "add --region, or set AWS_DEFAULT_REGION")
    return Session(session, region, None)


def find_keys(
    environment: str, environ: Mapping[str, str], data_dir: Path, *, region: str | None, profile: str | None
) -> Keys:
    """Return the keys that `open_session` would use, without its clients; raise `UserError` where there are none."""
    if environment == LOCAL and "AWS_ENDPOINT_URL" not in environ:
        cloud = require(data_dir)
        return Keys(cloud.access_key, cloud.secret, None, region or cloud.region)
    return open_session(environment, environ, data_dir, region=region, profile=profile).keys()


def no_credentials() -> UserError:
    """Say that there are no credentials, and how to get some."""
    return UserError("AWS credentials", "there are none", "aws configure, or export AWS_PROFILE")
