"""Patterns of terms: what a message contains."""

from __future__ import annotations

import re

from tidegate.cloud.services.logs.patterns.scan import InvalidPatternError, Matches, Scanner, expression, quoted

_BARE = re.compile(r'[^\s"%]+')


def terms(text: str) -> Matches:
    """Return what matches messages that contain all terms and none of the excluded, case and all.

    Where all terms are optional (`?`), one of them will do; beside other terms an optional one says nothing.
    """
    scanner = Scanner(text)
    included: list[Matches] = []
    excluded: list[Matches] = []
    optional: list[Matches] = []
    while not scanner.at_end:
        mark = scanner.take("-", "?")
        {"-": excluded, "?": optional, None: included}[mark].append(_term(scanner))
    if included or excluded:
        return lambda message: all(each(message) for each in included) and not any(each(message) for each in excluded)
    return lambda message: any(each(message) for each in optional)


def _term(scanner: Scanner) -> Matches:
    regex = expression(scanner)
    if regex is not None:
        return lambda message: regex.search(message) is not None
    text = quoted(scanner)
    if text is None:
        found = scanner.match(_BARE)
        if found is None:
            raise InvalidPatternError("a quotation mark or a percent sign has no partner")
        text = found[0]
        if not re.fullmatch(r"[\w*.-]+", text):
            raise InvalidPatternError(f"{text!r}: a term of other characters than letters and digits goes in quotes")
    wanted = text
    return lambda message: wanted in message
