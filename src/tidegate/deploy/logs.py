"""Logs of containers and builds, read from CloudWatch Logs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tidegate.deploy.errors import UserError
from tidegate.deploy.progress import Pace
from tidegate.deploy.project import Project
from tidegate.deploy.session import Session
from tidegate.template import names


@dataclass(frozen=True, slots=True)
class LogEvent:
    """A line, when it was written, and by which task or build."""

    time: datetime
    source: str
    text: str


def last_lines(session: Session, group: str, stream: str, number: int) -> list[str]:
    """Return the last lines of a log stream, none where there is no such stream."""
    logs = session.client("logs")
    try:
        events = logs.get_log_events(logGroupName=group, logStreamName=stream, limit=number)["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [event["message"].rstrip("\n") for event in events]


def service_events(project: Project, service: str, since: datetime, *, follow: bool) -> Iterator[LogEvent]:
    """Yield what a service's containers write, from `since` on; with `follow`, for ever."""
    return _events(
        project, project.session, names.log_group(project.app, project.environment, service), since, follow=follow
    )


def build_events(project: Project, service: str, since: datetime, *, follow: bool) -> Iterator[LogEvent]:
    """Yield what a service's builds write, from `since` on; with `follow`, for ever."""
    return _events(
        project, project.home, f"/aws/codebuild/{names.build_project(project.app, service)}", since, follow=follow
    )


def _events(project: Project, session: Session, group: str, since: datetime, *, follow: bool) -> Iterator[LogEvent]:
    logs = session.client("logs")
    start, seen = int(since.timestamp() * 1000), set[str]()
    for _ in Pace().pauses() if not follow else _steady(project.pace):
        newest = start
        request: dict[str, Any] = {"logGroupName": group, "startTime": start}
        try:
            for page in logs.get_paginator("filter_log_events").paginate(**request):
                for event in page["events"]:
                    if event["eventId"] not in seen:
                        seen.add(event["eventId"])
                        newest = max(newest, event["timestamp"])
                        yield _event(event)
        except logs.exceptions.ResourceNotFoundException:
            raise UserError(f"log group {group}", "there is none", "tidegate up") from None
        if not follow:
            return
        start = newest


def _steady(pace: Pace) -> Iterator[None]:
    """Yield twice a second: a log that is followed is never left alone for long."""
    while True:
        pauses = pace.pauses()
        for _ in range(4):
            yield next(pauses)


def _event(event: Any) -> LogEvent:
    source = event["logStreamName"].rpartition("/")[2][:8]
    return LogEvent(datetime.fromtimestamp(event["timestamp"] / 1000, UTC), source, event["message"].rstrip("\n"))
