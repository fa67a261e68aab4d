"""Filter patterns: which messages one matches.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html

    ERROR "exact phrase" -DEBUG      terms: all of them, and none of the excluded
    ?ERROR ?WARN                     any of them
    %regular expression%
    { $.level = "error" && $.latency > 100 }
    [ip, user, ..., status = 4*, bytes]
"""

from __future__ import annotations

from functools import lru_cache

from tidegate.cloud.services.logs.patterns.fields import fields
from tidegate.cloud.services.logs.patterns.properties import properties
from tidegate.cloud.services.logs.patterns.scan import InvalidPatternError, Matches
from tidegate.cloud.services.logs.patterns.terms import terms

__all__ = ["InvalidPatternError", "Matches", "compiled"]


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Matches:
    """Return what tells whether a message matches; raise `InvalidPatternError`."""
    text = pattern.strip()
    if not text:
        return lambda message: True
    if text.startswith("{"):
        return properties(text)
    if text.startswith("["):
        return fields(text)
    return terms(text)
