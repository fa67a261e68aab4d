"""Schedules: what is due when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.cloud.schedule import InvalidScheduleError, next_after, parse, zone

NOW = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)  # a Thursday


def following(text: str, timezone: str | None = None, moment: datetime = NOW) -> str:
    found = next_after(parse(text), moment, timezone)
    return "" if found is None else f"{found:%Y-%m-%d %H:%M:%S}"


@pytest.mark.parametrize(
    ("text", "timezone", "due"),
    [
        ("at(2026-01-01T12:00:31)", None, "2026-01-01 12:00:31"),
        ("at(2026-01-01T12:00:30)", None, ""),
        ("at(2026-07-01T08:00:00)", "Europe/Vienna", "2026-07-01 06:00:00"),
        ("cron(0 8 * * ? *)", None, "2026-01-02 08:00:00"),
        ("cron(0 8 * * ? *)", "America/New_York", "2026-01-01 13:00:00"),
        ("cron(*/15 * * * ? *)", None, "2026-01-01 12:15:00"),
        ("cron(5,1 * * * ? *)", None, "2026-01-01 12:01:00"),
        ("cron(30 6 ? * MON *)", None, "2026-01-05 06:30:00"),
        ("cron(0 10 ? * MON-FRI *)", None, "2026-01-02 10:00:00"),
        ("cron(0 10 ? * SAT-MON *)", None, "2026-01-03 10:00:00"),
        ("cron(0 9 L * ? *)", None, "2026-01-31 09:00:00"),
        ("cron(0 9 L-1 * ? *)", None, "2026-01-30 09:00:00"),
        ("cron(0 9 ? * 6L *)", None, "2026-01-30 09:00:00"),
        ("cron(0 9 ? * TUE#2 *)", None, "2026-01-13 09:00:00"),
        ("cron(0 9 ? * L *)", None, "2026-01-03 09:00:00"),
        ("cron(0 9 3W * ? *)", None, "2026-01-02 09:00:00"),
        ("cron(0 9 LW FEB ? *)", None, "2026-02-27 09:00:00"),
        ("cron(0 0 29 2 ? *)", None, "2028-02-29 00:00:00"),
        ("cron(0 0 1 1 ? 2026)", None, ""),
        ("cron(0 0 1 1 ? 2030-2032)", None, "2030-01-01 00:00:00"),
    ],
)
def test_what_is_next(text: str, timezone: str | None, due: str) -> None:
    assert following(text, timezone) == due


def test_a_rate_is_counted_from_its_start() -> None:
    start = NOW + timedelta(hours=1)
    hourly = parse("rate(1 hour)")
    assert next_after(hourly, NOW, created=NOW) == start
    assert next_after(hourly, NOW, start=start) == start
    assert next_after(hourly, start, start=start) == start + timedelta(hours=1)
    assert next_after(hourly, NOW, start=start, end=start - timedelta(seconds=1)) is None
    assert next_after(parse("rate(5 minutes)"), NOW + timedelta(minutes=7), created=NOW) == NOW + timedelta(minutes=10)


def test_times_that_a_change_of_the_clock_skips_or_repeats() -> None:
    daily = parse("cron(30 2 * * ? *)")
    spring = next_after(daily, datetime(2026, 3, 28, 12, tzinfo=UTC), "Europe/Vienna")
    assert spring == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    autumn = next_after(daily, datetime(2026, 10, 24, 12, tzinfo=UTC), "Europe/Vienna")
    assert autumn == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert autumn is not None
    assert next_after(daily, autumn, "Europe/Vienna") == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


moments = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
crons = st.builds(
    lambda minute, hour, days: f"cron({minute} {hour} {days} *)",
    st.sampled_from(["*", "0", "0/7", "3,9"]),
    st.sampled_from(["*", "4", "20-22"]),
    st.sampled_from(["* * ?", "L * ?", "? * MON-FRI", "? * 2#1", "15W 3,6 ?"]),
)


@given(crons, moments, st.sampled_from([None, "Europe/Vienna", "Asia/Kolkata", "Pacific/Tahiti"]))
def test_the_next_time_is_later_and_fits_and_none_is_between(text: str, moment: datetime, name: str | None) -> None:
    schedule = parse(text)
    due = next_after(schedule, moment, name)
    assert due is not None
    assert due > moment
    assert schedule.fits(due.astimezone(zone(name)).date())  # type: ignore[union-attr]
    middle = moment + (due - moment) / 2
    assert next_after(schedule, middle, name) == due
    assert next_after(schedule, due - timedelta(microseconds=1), name) == due


@pytest.mark.parametrize(
    "text",
    [
        "", "every day", "at(tomorrow)", "rate(1 hours)", "rate(2 hour)", "rate(0 minutes)", "cron(0 8 * * *)",
        "cron(0 8 * * * *)", "cron(0 8 ? * ? *)", "cron(60 8 * * ? *)", "cron(0 8 ? * XXX *)", "cron(0 8 40 * ? *)",
        "cron(0/0 8 * * ? *)",
    ],
)  # fmt: skip
def test_what_is_no_schedule(text: str) -> None:
    with pytest.raises(InvalidScheduleError):
        parse(text)


def test_a_zone_that_is_none() -> None:
    with pytest.raises(InvalidScheduleError):
        zone("Mars/Olympus")
