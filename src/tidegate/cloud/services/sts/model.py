"""STS's records: the temporary credentials that were issued and have not expired."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypedDict

from tidegate.cloud.call import Credential, Principal
from tidegate.cloud.store import Collection, Store

_PURGE = timedelta(minutes=1)


class SessionRecord(TypedDict):
    """One session: its keys, and the principal that they stand for."""

    secret: str
    token: str
    expires: datetime
    arn: str
    id: str
    role_arn: str | None
    policies: list[str]


class StsModel:
    """Sessions by their access key id."""

    def __init__(self, store: Store, account: str) -> None:
        self.account = account
        self.sessions = Collection[SessionRecord](store, "sts.session")
        self._next_purge: datetime | None = None

    def credential(self, access_key: str) -> Credential | None:
        """Return what proves a session's access key, or None."""
        session = self.sessions.get(access_key)
        if session is None:
            return None
        principal = Principal(
            session["arn"],
            session["id"],
            self.account,
            session["role_arn"],
            tuple(session["policies"]),
            temporary=True,
        )
        return Credential(session["secret"], principal, session["token"], session["expires"])

    def purge(self, now: datetime) -> None:
        """Forget the sessions that are over: once a minute, for all of them are looked at."""
        if self._next_purge is not None and now < self._next_purge:
            return
        self._next_purge = now + _PURGE
        for key, session in self.sessions.items():
            if session["expires"] <= now:
                self.sessions.delete(*key)
