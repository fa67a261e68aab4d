"""Authorization tokens: passwords for docker that stand for a principal, and keys to a single layer.

https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from tidegate.cloud.call import Principal
from tidegate.cloud.clock import Clock
from tidegate.cloud.services.ecr.model import EcrModel, TokenRecord

USER = "AWS"
_LOGIN_LIFE = timedelta(hours=12)
_LAYER_LIFE = timedelta(hours=1)
_REMEMBERED = timedelta(days=7)  # how long a token is still known to be over, so that a client is told so


class Tokens:
    """Issues tokens and knows them again, also after a restart. Only their hashes are kept."""

    def __init__(self, model: EcrModel, clock: Clock) -> None:
        self._model = model
        self._clock = clock

    def for_login(self, principal: Principal) -> tuple[str, datetime]:
        """Return a password for this principal and when it expires."""
        return self._issue(principal, _LOGIN_LIFE, None)

    def for_layer(self, principal: Principal, address: str, digest: str) -> str:
        """Return a token with which this principal may download one layer."""
        return self._issue(principal, _LAYER_LIFE, (address, digest))[0]

    def find(self, password: str) -> TokenRecord | None:
        """Return what a token stands for, also if it is over, or None where it was never issued."""
        return self._model.tokens.get(_hash(password))

    def purge(self) -> None:
        """Forget the tokens that have long been over."""
        limit = self._clock.now() - _REMEMBERED
        for key, token in self._model.tokens.items():
            if token["expires"] <= limit:
                self._model.tokens.delete(*key)

    def _issue(self, principal: Principal, life: timedelta, layer: tuple[str, str] | None) -> tuple[str, datetime]:
        password = self._clock.secret(48)
        expires = (self._clock.now() + life).replace(microsecond=0)
        self._model.tokens.put(
            (_hash(password),),
            {
                "expires": expires,
                "arn": principal.arn,
                "id": principal.id,
                "role_arn": principal.role_arn,
                "policies": list(principal.policies),
                "service": principal.service,
                "layer": layer,
            },
        )
        return password, expires


def principal_of(token: TokenRecord, account: str) -> Principal:
    """Return the principal that a token stands for."""
    return Principal(token["arn"], token["id"], account, token["role_arn"], tuple(token["policies"]), token["service"])


def _hash(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()
