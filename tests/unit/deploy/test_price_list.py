"""Prices of AWS's Price List API: read once, remembered, and where nobody gives them, said so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tidegate.deploy.errors import UserError
from tidegate.deploy.price_list import known, refresh
from tidegate.judge.prices import shipped


class Pricing:
    """A session whose only service is the Price List API: Fargate's vCPU costs a dollar everywhere."""

    region = "us-east-1"

    def __init__(self, refusal: str | None = None) -> None:
        self.refusal = refusal
        self.asked: list[tuple[str, list[dict[str, str]]]] = []

    def client(self, service: str) -> Any:
        assert service == "pricing"
        return self

    def get_paginator(self, operation: str) -> Any:
        assert operation == "get_products"
        return self

    def paginate(self, **request: Any) -> Iterator[Any]:
        if self.refusal is not None:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": self.refusal}}, "GetProducts")
        self.asked.append((request["ServiceCode"], request["Filters"]))
        dimension = {"beginRange": "0", "pricePerUnit": {"USD": "1"}}
        product = {
            "product": {"attributes": {"usagetype": "EUW1-Fargate-vCPU-Hours:perCPU"}},
            "terms": {"OnDemand": {"a": {"priceDimensions": {"b": dimension}}}},
        }
        yield {"PriceList": [json.dumps(product)] if request["ServiceCode"] == "AmazonECS" else []}


def test_what_is_read_is_remembered(tmp_path: Path) -> None:
    environ, pricing = {"XDG_CACHE_HOME": str(tmp_path)}, Pricing()
    assert known(environ, "eu-west-1") == shipped()
    found = refresh(pricing, environ, "eu-west-1", "2026-12-01")  # type: ignore[arg-type]
    assert found.prices["fargate.x86_64.vcpu"].price == 1
    assert found.prices["nat"] == shipped().prices["nat"]
    assert known(environ, "eu-west-1") == found
    assert known(environ, "us-east-1") == shipped()
    services = [service for service, _ in pricing.asked]
    assert len(services) == len(set(services))  # one question a service, not one a price
    assert {"Type": "TERM_MATCH", "Field": "regionCode", "Value": "eu-west-1"} in pricing.asked[0][1]


def test_who_may_not_ask_is_told_and_keeps_what_there_is(tmp_path: Path) -> None:
    environ = {"XDG_CACHE_HOME": str(tmp_path)}
    with pytest.raises(UserError, match="it gives no prices here: not for you"):
        refresh(Pricing("not for you"), environ, "eu-west-1", "2026-12-01")  # type: ignore[arg-type]
    assert known(environ, "eu-west-1") == shipped()


def test_a_table_that_cannot_be_read_counts_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "tidegate").mkdir()
    (tmp_path / "tidegate" / "prices-eu-west-1.json").write_text("{")
    assert known({"XDG_CACHE_HOME": str(tmp_path)}, "eu-west-1") == shipped()
