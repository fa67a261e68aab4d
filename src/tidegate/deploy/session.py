"""Which AWS answers: an account, or the local cloud. Nothing outside this module and `cli/local.py` ever knows."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from tidegate.deploy.errors import UserError
from tidegate.deploy.local_cloud import require

LOCAL = "local"

_CONFIG = Config(retries={"mode": "adaptive", "total_max_attempts": 8}, connect_timeout=5, read_timeout=60)


class Session:
    """Clients for one environment's account and region. They are made once and may be used by several threads."""

    def __init__(self, session: boto3.session.Session, endpoint: str | None) -> None:
        self._session = session
        self._endpoint = endpoint
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    @property
    def region(self) -> str:
        """Return the region."""
        return str(self._session.region_name)

    def client(self, service: str) -> Any:
        """Return the client of a service (boto3's name)."""
        with self._lock:  # boto3 makes clients from shared data that is no thread's own
            if service not in self._clients:
                self._clients[service] = self._session.client(  # type: ignore[call-overload]
                    service, endpoint_url=self._endpoint, config=_CONFIG
                )
            return self._clients[service]

    def credentials(self) -> Any:
        """Return the credentials in use, frozen (access_key, secret_key, token)."""
        credentials = self._session.get_credentials()
        if credentials is None:
            raise no_credentials()
        return credentials.get_frozen_credentials()

    def account(self) -> str:
        """Return the account's number: the first call, which shows whether the credentials are any good."""
        try:
            return str(self.client("sts").get_caller_identity()["Account"])
        except NoCredentialsError:
            raise no_credentials() from None
        except ClientError as error:
            raise UserError("AWS credentials", error.response["Error"]["Message"], "aws configure") from error
        except BotoCoreError as error:
            raise UserError("AWS", str(error), "tidegate local status, or check the network") from error


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
    if environment == LOCAL and "AWS_ENDPOINT_URL" not in environ:
        cloud = require(data_dir)
        session = boto3.session.Session(
            aws_access_key_id=cloud.access_key,
            aws_secret_access_key=cloud.secret,
            region_name=region or cloud.region,
        )
        return Session(session, cloud.endpoint)
    session = boto3.session.Session(profile_name=profile, region_name=region)
    if session.region_name is None:
        raise UserError("AWS region", str(NoRegionError()), "add --region, or set AWS_DEFAULT_REGION")
    return Session(session, None)


def no_credentials() -> UserError:
    """Say that there are no credentials, and how to get some."""
    return UserError("AWS credentials", "there are none", "aws configure, or export AWS_PROFILE")
