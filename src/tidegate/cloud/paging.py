"""Pages of a list: an opaque token in, a page and the next token out."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

from tidegate.cloud.errors import ServiceError

T = TypeVar("T")


def page(
    items: Sequence[T],
    token: str | None,
    limit: int,
    *,
    key: Callable[[T], str],
    invalid: str = "InvalidParameterException",
    descending: bool = False,
) -> tuple[list[T], str | None]:
    """Return at most `limit` items after those that `token` says were seen, and the token for the rest.

    `items` are ordered by `key` (`descending`: the other way), which tells them apart: the token holds the last key
    seen, so that what is added or removed between two pages neither repeats nor skips another. `invalid` is the code
    for a bad token.
    """
    start = 0
    if token is not None:
        seen = _decode(token, invalid)
        rest = (n for n, item in enumerate(items) if (key(item) < seen if descending else key(item) > seen))
        start = next(rest, len(items))
    chosen = list(items[start : start + limit])
    more = start + limit < len(items)
    return chosen, _encode(key(chosen[-1])) if more and chosen else None


def _encode(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def _decode(token: str, invalid: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except (binascii.Error, ValueError):
        raise ServiceError(invalid, "The token for the next page is not one that was given out.") from None
