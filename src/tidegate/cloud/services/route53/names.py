"""Domain names as Route 53 writes them, and in which order. Pure.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DomainNameFormat.html
"""

from __future__ import annotations

import re

from tidegate.cloud.errors import ServiceError

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
_ESCAPE = re.compile(r"\\([0-7]{3})")
_LONGEST, _LONGEST_LABEL = 255, 63


def canonical(name: str, *, invalid: str = "InvalidInput") -> str:
    """Return a name in lower case, ended by a dot, with everything unusual as `\\ooo`; raise `invalid`.

    >>> canonical("*.Example.com")
    '\\\\052.example.com.'
    """
    labels = name.removesuffix(".").split(".")
    written = [_label(each) for each in labels]
    if not all(labels) or len(name) > _LONGEST or any(_size(each) > _LONGEST_LABEL for each in labels):
        raise ServiceError(
            invalid, f"FATAL problem: DomainLabelEmpty (Domain label is empty) encountered with '{name}'"
        )
    return ".".join(written) + "."


def reversed_name(name: str) -> str:
    """Return a canonical name with its labels turned round: the order in which record sets are listed."""
    return ".".join(reversed(name.removesuffix(".").split(".")))


def is_in(name: str, zone: str) -> bool:
    """Return whether a canonical name is a zone's own, or below it."""
    return name == zone or name.endswith(f".{zone}")


def _label(label: str) -> str:
    plain = _ESCAPE.sub(lambda found: chr(int(found[1], 8)), label).lower()
    return "".join(each if each in _PLAIN else f"\\{ord(each):03o}" for each in plain)


def _size(label: str) -> int:
    return len(_ESCAPE.sub("x", label))
