"""`tidegate cost`: what an environment costs a month, line by line."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli.context import AsJson, Env, Folder, Profile, Region, load_manifest
from tidegate.cli.output import note, say, show_json

if TYPE_CHECKING:
    from tidegate.deploy.session import Session
    from tidegate.judge.cost import Estimate
    from tidegate.manifest import Manifest


def cost(
    folder: Folder = Path(),
    environment: Env = "local",
    region: Region = None,
    profile: Profile = None,
    as_json: AsJson = False,
    refresh: Annotated[bool, typer.Option("--refresh", help="Read the prices from AWS first.")] = False,
) -> None:
    """Estimate what an environment and its pipeline cost a month. Example: tidegate cost --env production"""
    from tidegate.deploy.forecast import cost as reckon
    from tidegate.deploy.forecast import image_sizes
    from tidegate.deploy.price_list import ANSWERS_IN, known
    from tidegate.deploy.price_list import refresh as read_prices
    from tidegate.deploy.repository import Repository

    manifest = load_manifest(Repository.containing(folder, os.environ).root, environment)
    session = _session(manifest, environment, region, profile)
    place = region or (ANSWERS_IN if session is None else session.region)
    if refresh:
        note("Asking the AWS Price List API")
        lister = _open(environment, ANSWERS_IN, profile)
        prices = read_prices(lister, os.environ, place, f"{datetime.now(UTC):%Y-%m-%d}")
    else:
        prices = known(os.environ, place)
    found = reckon(manifest, environment, {} if session is None else image_sizes(session, manifest), prices)
    if as_json:
        show_json(found.document())
        return
    for line in told(found):
        say(line)
    if prices.region != place:
        note(f"These are the prices of {prices.region}; for those of {place}: tidegate cost --refresh")


def _session(manifest: Manifest, environment: str, region: str | None, profile: str | None) -> Session | None:
    """Return the way to AWS, None where there is none: an estimate needs it only to see how big the images are."""
    from tidegate.deploy.errors import UserError

    try:
        return _open(environment, region or manifest.environment(environment).region, profile)
    except UserError:
        return None


def _open(environment: str, region: str | None, profile: str | None) -> Session:
    from tidegate.deploy.local_cloud import default_data_dir
    from tidegate.deploy.session import open_session

    return open_session(environment, os.environ, default_data_dir(os.environ), region=region, profile=profile)


def told(found: Estimate) -> list[str]:
    """Return an estimate as lines for people."""
    from tidegate.judge.cost import advice

    lines = [f"Estimate, in dollars a month, with the prices of {found.prices.region} of {found.prices.date}", ""]
    width = max((len(line.what) for line in found.lines), default=0)
    stack = ""
    for line in found.lines:
        if line.stack != stack:
            stack = line.stack
            lines.append(f"{stack}:")
        lines.append(f"  {line.what:<{width}} {line.monthly:>9.2f}   {line.reckoned}")
    lines += ["", f"  {'together':<{width}} {found.monthly:>9.2f}"]
    if round(found.least, 2) != round(found.most, 2):
        lines.append(f"  with autoscaling between {found.least:.2f} and {found.most:.2f}")
    lines += ["", advice(found), "", "Assumed:"]
    lines += [f"  {each}" for each in found.assumptions]
    lines.append(f"  prices: {found.prices.source}")
    return lines
