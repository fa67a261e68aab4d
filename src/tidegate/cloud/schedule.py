"""When something scheduled is due: `at(…)`, `rate(…)` and `cron(…)`, in a time zone. Pure.

https://docs.aws.amazon.com/autoscaling/application/userguide/scheduled-scaling-schedule-expressions.html
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")  # 1 is Sunday
_LAST_YEAR = 2199
_FARTHEST = 366 * 8  # days that are looked at for the next time: a leap day comes within 8 years


class InvalidScheduleError(Exception):
    """An expression or a time zone that there is not; the message is the user's."""


@dataclass(frozen=True, slots=True)
class At:
    """Once."""

    moment: datetime  # without a time zone


@dataclass(frozen=True, slots=True)
class Rate:
    """Again and again, counted from the start."""

    every: timedelta


@dataclass(frozen=True, slots=True)
class Cron:
    """At all times that the fields fit. Of the two fields for days one is `?`."""

    minutes: frozenset[int]
    hours: frozenset[int]
    months: frozenset[int]
    years: frozenset[int]
    days_of_month: str
    days_of_week: str

    def fits(self, day: date) -> bool:
        """Return whether it is due at some time of a day."""
        if day.month not in self.months or day.year not in self.years:
            return False
        if self.days_of_month != "?":
            return _is_day_of_month(self.days_of_month, day)
        return _is_day_of_week(self.days_of_week, day)


Schedule = At | Rate | Cron


def parse(text: str) -> Schedule:
    """Return a schedule; raise InvalidScheduleError for what is none."""
    match = re.fullmatch(r"(at|rate|cron)\((.*)\)", text.strip())
    if match is None:
        raise InvalidScheduleError(f"The schedule expression {text} is not at(…), rate(…) or cron(…)")
    kind, inner = match.groups()
    if kind == "at":
        try:
            return At(datetime.strptime(inner, "%Y-%m-%dT%H:%M:%S"))  # noqa: DTZ007 - its zone is given beside it
        except ValueError:
            raise InvalidScheduleError(f"{text} is not at(yyyy-mm-ddThh:mm:ss)") from None
    if kind == "rate":
        rate = re.fullmatch(r"([1-9]\d{0,8})\s+(minute|hour|day)(s?)", inner.strip())
        if rate is None or (rate[1] == "1") is bool(rate[3]):
            raise InvalidScheduleError(f"{text} is not rate(value unit): minute, hour, day, or several of them")
        return Rate(_UNITS[rate[2]] * int(rate[1]))
    return _cron(text, inner.split())


def zone(name: str | None) -> ZoneInfo:
    """Return a time zone by its IANA name; UTC for None."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidScheduleError(f"{name} is not the name of a time zone") from None


def next_after(
    schedule: Schedule,
    moment: datetime,
    timezone: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    created: datetime | None = None,
) -> datetime | None:
    """Return the first time later than `moment` that it is due, not before `start` and not after `end`.

    A rate is counted from `start`, or from when it was `created`. Times that a change of the clock skips are
    not missed (they come an hour later), and times that it repeats come once. None where there is no such time.
    """
    earliest = moment if start is None or start <= moment else start - timedelta(microseconds=1)
    if isinstance(schedule, At):
        due: datetime | None = schedule.moment.replace(tzinfo=zone(timezone)).astimezone(UTC)
        found = due if due is not None and due > earliest else None
    elif isinstance(schedule, Rate):
        begin = start or created or moment
        times = (earliest - begin) // schedule.every + 1
        found = begin + schedule.every * max(times, 0 if start is not None else 1)
    else:
        found = _next_cron(schedule, earliest, zone(timezone))
    return None if found is None or (end is not None and found > end) else found


def _next_cron(cron: Cron, earliest: datetime, timezone: ZoneInfo) -> datetime | None:
    today = earliest.astimezone(timezone).date()
    for number in range(-1, _FARTHEST):
        day = today + timedelta(days=number)
        if day.year > _LAST_YEAR or not cron.fits(day):
            continue
        times = (
            datetime(day.year, day.month, day.day, hour, minute, tzinfo=timezone).astimezone(UTC)
            for hour in cron.hours
            for minute in cron.minutes
        )
        found = min((time for time in times if time > earliest), default=None)
        if found is not None:
            return found
    return None


def _cron(text: str, fields: list[str]) -> Cron:
    if len(fields) != 6:
        raise InvalidScheduleError(
            f"{text} does not have six fields: minutes hours day-of-month month day-of-week year"
        )
    minutes, hours, days_of_month, months, days_of_week, years = (field.upper() for field in fields)
    if (days_of_month == "?") is (days_of_week == "?"):
        raise InvalidScheduleError(f"{text} must have ? as its day of the month or as its day of the week, not as both")
    cron = Cron(
        frozenset(_values(text, minutes, 0, 59)),
        frozenset(_values(text, hours, 0, 23)),
        frozenset(_values(text, months, 1, 12, _MONTHS)),
        frozenset(_values(text, years, 1970, _LAST_YEAR)),
        days_of_month,
        days_of_week,
    )
    if days_of_month != "?" and not re.fullmatch(r"L(-\d{1,2})?|\d{1,2}W|LW", days_of_month):
        list(_values(text, days_of_month, 1, 31))
    if days_of_week != "?" and not re.fullmatch(r"L|([1-7]|[A-Z]{3})(L|#[1-5])", days_of_week):
        list(_values(text, days_of_week, 1, 7, _DAYS))
    return cron


def _values(text: str, field: str, first: int, last: int, names: tuple[str, ...] = ()) -> Iterator[int]:
    """Yield the numbers that a field fits: `*`, `5`, `1-5`, `MON-FRI`, `0/15`, and lists of them."""
    for part in field.split(","):
        match = re.fullmatch(r"(\*|\w+)(?:-(\w+))?(?:/(\d+))?", part)
        if match is None:
            raise InvalidScheduleError(f"{field} in {text} is not valid")
        low, high, step = match.groups()
        begin = first if low == "*" else _number(text, low, names)
        end = _number(text, high, names) if high else last if low == "*" or step else begin
        if not (first <= begin <= last and first <= end <= last) or step == "0":
            raise InvalidScheduleError(f"{field} in {text} is not between {first} and {last}")
        if end < begin:  # FRI-MON
            yield from range(begin, last + 1, int(step or 1))
            begin = first
        yield from range(begin, end + 1, int(step or 1))


def _number(text: str, word: str, names: tuple[str, ...]) -> int:
    if word in names:
        return names.index(word) + 1
    if not word.isdecimal():
        raise InvalidScheduleError(f"{word} in {text} is not valid")
    return int(word)


def _is_day_of_month(field: str, day: date) -> bool:
    last = calendar.monthrange(day.year, day.month)[1]
    if field.startswith("L") and field != "LW":
        return day.day == last - int(field[2:] or 0)
    if field.endswith("W"):
        return day.day == _weekday_near(day, last if field == "LW" else min(int(field[:-1]), last), last)
    return day.day in _values(field, field, 1, 31)


def _weekday_near(day: date, wanted: int, last: int) -> int:
    """Return the weekday nearest to a day of the month, in the same month."""
    weekday = day.replace(day=wanted).weekday()
    if weekday == 5:
        return wanted - 1 if wanted > 1 else wanted + 2
    if weekday == 6:
        return wanted + 1 if wanted < last else wanted - 2
    return wanted


def _is_day_of_week(field: str, day: date) -> bool:
    number = (day.weekday() + 1) % 7 + 1
    if field == "L":
        return number == 7
    match = re.fullmatch(r"(\w+?)(L|#(\d))", field)
    if match is None or field in _DAYS:
        return number in _values(field, field, 1, 7, _DAYS)
    if number != _number(field, match[1], _DAYS):
        return False
    if match[2] == "L":
        return day.day + 7 > calendar.monthrange(day.year, day.month)[1]
    return (day.day - 1) // 7 + 1 == int(match[3])
