"""Prices of a region: those that came with the program, or those that the AWS Price List API gave last.

https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tidegate.deploy.errors import UserError
from tidegate.deploy.session import Session
from tidegate.judge.prices import Prices, matched, parse, shipped

ANSWERS_IN = "us-east-1"  # one of the few regions where the API answers, for all regions
_NEXT = "tidegate cost, with the prices that came with Tidegate"


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder for what can be had again (XDG base directories)."""
    base = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME", "~")).expanduser() / ".cache"
    return Path(base).absolute() / "tidegate"


def known(environ: Mapping[str, str], region: str) -> Prices:
    """Return the prices of a region as they were read last, or those that came with the program."""
    try:
        return parse(_file(environ, region).read_text())
    except (OSError, ValueError):
        return shipped()


def refresh(session: Session, environ: Mapping[str, str], region: str, date: str) -> Prices:
    """Read the prices of a region and remember them; raise `UserError` where nobody gives them.

    `session` is one of the region `ANSWERS_IN`.
    """
    prices = shipped()
    products = {
        service: _products(session, service, families, region) for service, families in _services(prices).items()
    }
    found = matched(prices, products, region, date)
    file = _file(environ, region)
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".new")
    unfinished.write_text(found.text())
    unfinished.replace(file)
    return found


def _services(prices: Prices) -> dict[str, set[str | None]]:
    """Return the services to ask for, each with the product families of which something is wanted."""
    found: dict[str, set[str | None]] = {}
    for each in prices.prices.values():
        found.setdefault(each.service, set()).add(each.family)
    return found


def _products(session: Session, service: str, families: set[str | None], region: str) -> list[Mapping[str, Any]]:
    from botocore.exceptions import BotoCoreError, ClientError

    filters = [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": region}]
    if len(families) == 1 and None not in families:
        filters.append({"Type": "TERM_MATCH", "Field": "productFamily", "Value": str(next(iter(families)))})
    pages = session.client("pricing").get_paginator("get_products")
    try:
        return [
            json.loads(product)
            for page in pages.paginate(ServiceCode=service, Filters=filters)
            for product in page["PriceList"]
        ]
    except ClientError as error:
        why = error.response["Error"]["Message"]
        raise UserError("AWS Price List API", f"it gives no prices here: {why}", _NEXT) from error
    except BotoCoreError as error:
        raise UserError("AWS Price List API", f"it does not answer: {error}", _NEXT) from error


def _file(environ: Mapping[str, str], region: str) -> Path:
    return cache_folder(environ) / f"prices-{region}.json"
