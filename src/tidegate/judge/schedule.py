"""How often a schedule comes round.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
"""

from __future__ import annotations

import re

_DAYS = 365 / 12  # of an average month
_A_MONTH = {"minute": _DAYS * 24 * 60, "hour": _DAYS * 24, "day": _DAYS}
_RATE = re.compile(r"^rate\((\d+) (minute|hour|day)s?\)$")
_CRON = re.compile(r"^cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)$")
_WHOLE = {"minute": 60, "hour": 24, "day": 31, "month": 12, "weekday": 7}


def runs_a_month(schedule: str) -> float:
    """Return about how many times a month a schedule comes round; 0 where it cannot be read."""
    rate = _RATE.match(schedule)
    if rate:
        return _A_MONTH[rate[2]] / int(rate[1])
    cron = _CRON.match(schedule)
    if not cron:
        return 0.0
    minute, hour, day, month, weekday = (
        _share(field, kind) for field, kind in zip(cron.groups(), _WHOLE, strict=False)
    )
    return minute * 60 * hour * 24 * day * weekday * month * _DAYS


def _share(field: str, kind: str) -> float:
    """Return which part of all minutes, hours, … a field names."""
    whole = _WHOLE[kind]
    return min(sum(_values(part, whole) for part in field.split(",")), whole) / whole


def _values(part: str, whole: int) -> float:
    if part in ("*", "?"):
        return whole
    first, _, step = part.partition("/")
    if step.isdigit():
        begin = int(first) if first.isdigit() else 0
        return max((whole - begin) / max(int(step), 1), 1)
    begin_text, _, end = part.partition("-")
    if begin_text.isdigit() and end.isdigit():
        return abs(int(end) - int(begin_text)) + 1
    return 5 if part.upper() == "MON-FRI" else 1
