"""`tidegate status`: everything at a glance."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli.context import AsJson, Env, Folder, Profile, Region, opened
from tidegate.cli.output import say, show_json

if TYPE_CHECKING:
    from tidegate.deploy.status import PipelineStatus, ServiceStatus, Status

_EVERY = 2.0  # seconds between two looks


def status(
    folder: Folder = Path(),
    environment: Env = "local",
    region: Region = None,
    profile: Profile = None,
    as_json: AsJson = False,
    watch: Annotated[bool, typer.Option("--watch", help="Again and again, until Ctrl-C.")] = False,
) -> None:
    """Show services, targets and the pipeline, and why something is not well. Example: tidegate status --watch"""
    from tidegate.deploy.status import status as gather

    with opened(folder, environment, region, profile) as project:
        project.progress.close()
        while True:
            found = gather(project)
            if as_json:
                show_json(found.document())
            else:
                _show(found)
            if not watch:
                return
            time.sleep(_EVERY)
            say()


def _show(found: Status) -> None:
    place = f" at {found.url}" if found.url else ""
    say(f"{found.app} in {found.environment} ({found.region}){place}")
    for service in found.services:
        _show_service(service)
    if found.pipeline is None:
        say("  pipeline: there is none yet")
    else:
        _show_pipeline(found.pipeline)


def _show_service(service: ServiceStatus) -> None:
    sign = "✓" if service.well else "✗"
    counts = f"{service.running}/{service.desired} running" + (
        f", {service.pending} starting" if service.pending else ""
    )
    say(f"  {sign} {service.name}: {counts if service.status == 'ACTIVE' else service.status.lower()}")
    if service.image:
        say(f"      image    {service.image.rpartition('/')[2]}")
    for target in service.targets:
        why = f" ({target.why})" if target.why and target.state != "healthy" else ""
        say(f"      target   {target.address} {target.state}{why}")
    if service.why:
        say(f"      why      {service.why}")


def _show_pipeline(pipeline: PipelineStatus) -> None:
    commit = f" {pipeline.commit} {pipeline.message}" if pipeline.commit else ""
    sign = {"Succeeded": "✓", "InProgress": "…"}.get(pipeline.status, "✗")
    say(f"  {sign} pipeline {pipeline.name}: {pipeline.status}{commit}")
    for action in pipeline.actions:
        why = f": {action.why}" if action.why else ""
        say(f"      {action.stage:<14} {action.name:<14} {action.status}{why}")
