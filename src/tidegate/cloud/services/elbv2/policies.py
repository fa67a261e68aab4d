"""The security policies that HTTPS and TLS listeners know: protocol versions and ciphers. Pure.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tidegate.cloud.errors import ServiceError, not_offered

Version = Literal["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]

DEFAULT = "ELBSecurityPolicy-2016-08"

_TLS13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
_GCM = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
)
_CBC = (
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA384",
)
_OLD = ("ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA", "ECDHE-ECDSA-AES256-SHA")
_RSA = ("AES128-GCM-SHA256", "AES128-SHA256", "AES128-SHA", "AES256-GCM-SHA384", "AES256-SHA256", "AES256-SHA")
_RSA_SHA2 = ("AES128-GCM-SHA256", "AES128-SHA256", "AES256-GCM-SHA384", "AES256-SHA256")

# the ciphers of BoringSSL, which Envoy is built with, have not all of those names: what it does not know is left out
_UNKNOWN_TO_ENVOY = frozenset(
    {
        "AES128-SHA256",
        "AES256-SHA256",
        "ECDHE-ECDSA-AES128-SHA256",
        "ECDHE-ECDSA-AES256-SHA384",
        "ECDHE-RSA-AES256-SHA384",
    }
)
_POST_QUANTUM = ("X25519MLKEM768", "X25519", "P-256", "P-384")


@dataclass(frozen=True, slots=True)
class Policy:
    """What a listener speaks: versions from the oldest on, ciphers from the most wanted on."""

    versions: tuple[Version, ...]
    ciphers: tuple[str, ...]
    post_quantum: bool = False

    @property
    def offered_ciphers(self) -> tuple[str, ...]:
        """Those of the ciphers of TLS up to 1.2 that are offered here."""
        return tuple(each for each in self.ciphers if each not in _UNKNOWN_TO_ENVOY and each not in _TLS13)

    @property
    def curves(self) -> tuple[str, ...]:
        """The curves of the key exchange, where they are not the usual ones."""
        return _POST_QUANTUM if self.post_quantum else ()


_ALL: tuple[Version, ...] = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_ANY = (*_GCM, *_CBC, *_OLD, *_RSA)
_FORWARD = (*_GCM, *_CBC, *_OLD)
POLICIES = {
    "ELBSecurityPolicy-2016-08": Policy(_ALL[:3], _ANY),
    "ELBSecurityPolicy-TLS13-1-3-2021-06": Policy(_ALL[3:], _TLS13),
    "ELBSecurityPolicy-TLS13-1-3-PQ-2025-09": Policy(_ALL[3:], _TLS13, post_quantum=True),
    "ELBSecurityPolicy-TLS13-1-2-2021-06": Policy(_ALL[2:], (*_TLS13, *_GCM, *_CBC)),
    "ELBSecurityPolicy-TLS13-1-2-PQ-2025-09": Policy(_ALL[2:], (*_TLS13, *_GCM, *_CBC), post_quantum=True),
    "ELBSecurityPolicy-TLS13-1-2-Res-2021-06": Policy(_ALL[2:], (*_TLS13, *_GCM)),
    "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09": Policy(_ALL[2:], (*_TLS13, *_GCM), post_quantum=True),
    "ELBSecurityPolicy-TLS13-1-2-Ext1-2021-06": Policy(_ALL[2:], (*_TLS13, *_GCM, *_CBC, *_RSA_SHA2)),
    "ELBSecurityPolicy-TLS13-1-2-Ext1-PQ-2025-09": Policy(
        _ALL[2:], (*_TLS13, *_GCM, *_CBC, *_RSA_SHA2), post_quantum=True
    ),
    "ELBSecurityPolicy-TLS13-1-2-Ext2-2021-06": Policy(_ALL[2:], (*_TLS13, *_ANY)),
    "ELBSecurityPolicy-TLS13-1-2-Ext2-PQ-2025-09": Policy(_ALL[2:], (*_TLS13, *_ANY), post_quantum=True),
    "ELBSecurityPolicy-TLS13-1-1-2021-06": Policy(_ALL[1:], (*_TLS13, *_ANY)),
    "ELBSecurityPolicy-TLS13-1-0-2021-06": Policy(_ALL, (*_TLS13, *_ANY)),
    "ELBSecurityPolicy-TLS13-1-0-PQ-2025-09": Policy(_ALL, (*_TLS13, *_ANY), post_quantum=True),
    "ELBSecurityPolicy-TLS-1-2-2017-01": Policy(_ALL[2:3], (*_GCM, *_CBC, *_RSA_SHA2)),
    "ELBSecurityPolicy-TLS-1-2-Ext-2018-06": Policy(_ALL[2:3], _ANY),
    "ELBSecurityPolicy-TLS-1-1-2017-01": Policy(_ALL[1:3], _ANY),
    "ELBSecurityPolicy-FS-1-2-Res-2020-10": Policy(_ALL[2:3], _GCM),
    "ELBSecurityPolicy-FS-1-2-Res-2019-08": Policy(_ALL[2:3], (*_GCM, *_CBC)),
    "ELBSecurityPolicy-FS-1-2-2019-08": Policy(_ALL[2:3], _FORWARD),
    "ELBSecurityPolicy-FS-1-1-2019-08": Policy(_ALL[1:3], _FORWARD),
    "ELBSecurityPolicy-FS-2018-06": Policy(_ALL[:3], _FORWARD),
}


def check(name: str) -> None:
    """Raise SSLPolicyNotFound for what is no policy; refuse by name what needs a validated module."""
    if name in POLICIES:
        return
    if name.startswith("ELBSecurityPolicy-") and ("FIPS" in name or "RFC9151" in name):
        raise not_offered(f"elbv2: the security policy {name}")
    raise ServiceError("SSLPolicyNotFound", f"SSL policies '[{name}]' not found")
