"""What AWS asks for a unit of each thing: a table in data, with its date, its region and where it is from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from typing import Any

HOURS = 730  # of an average month, as AWS's own calculator takes it


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars for a unit, how many units a month are free, and how the AWS Price List API calls it.

    `usage` ends the usage type (a region's begins it), `family` is the product family where the usage is ambiguous.
    """

    price: float
    unit: str
    service: str
    usage: str
    family: str | None = None
    free: float = 0.0


@dataclass(frozen=True, slots=True)
class Prices:
    """The prices of one region at one date."""

    region: str
    date: str
    source: str
    spot: float
    """What a Fargate Spot task costs of an ordinary one's price."""
    prices: Mapping[str, Price]

    def of(self, name: str, units: float) -> float:
        """Return what a month of so many units costs; those that are free cost nothing."""
        found = self.prices[name]
        return max(units - found.free, 0.0) * found.price

    def text(self) -> str:
        """Return the table as the text that `parse` reads."""
        rows = {
            name: {key: value for key, value in asdict(each).items() if value not in (None, 0.0) or key == "price"}
            for name, each in self.prices.items()
        }
        head = {"region": self.region, "date": self.date, "currency": "USD", "source": self.source, "spot": self.spot}
        return json.dumps({**head, "prices": rows}, indent=1) + "\n"


def parse(text: str) -> Prices:
    """Return a table of prices; raise `ValueError` where the text is none."""
    try:
        document: Any = json.loads(text)
        prices = {name: Price(**each) for name, each in document["prices"].items()}
        return Prices(document["region"], document["date"], document["source"], float(document["spot"]), prices)
    except (KeyError, TypeError) as error:
        raise ValueError(f"no table of prices: {error}") from None


def shipped() -> Prices:
    """Return the prices that came with the program."""
    return parse(files("tidegate.judge").joinpath("prices.json").read_text())


def matched(prices: Prices, products: Mapping[str, list[Mapping[str, Any]]], region: str, date: str) -> Prices:
    """Return the table with what the Price List API says: its products (parsed JSON), by service code.

    What is not found there keeps its price; https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/price-changes.html
    """
    listed = {name: _listed(each, products.get(each.service, [])) for name, each in prices.prices.items()}
    found = {
        name: each if (price := listed[name]) is None else replace(each, price=price)
        for name, each in prices.prices.items()
    }
    missing = ", ".join(name for name, price in listed.items() if price is None)
    source = "AWS Price List API" + (f"; not found there, so as shipped: {missing}" if missing else "")
    return Prices(region, date, source, prices.spot, found)


def _listed(price: Price, products: list[Mapping[str, Any]]) -> float | None:
    """Return what most units of a thing cost: the price of the first tier that is not free."""
    for each in products:
        product = each.get("product", {})
        usage = str(product.get("attributes", {}).get("usagetype", ""))
        if not (usage == price.usage or usage.endswith(f"-{price.usage}")):
            continue
        if price.family is not None and product.get("productFamily") != price.family:
            continue
        tiers = [
            (float(tier.get("beginRange", 0)), float(tier["pricePerUnit"]["USD"]))
            for term in each.get("terms", {}).get("OnDemand", {}).values()
            for tier in term["priceDimensions"].values()
            if "USD" in tier.get("pricePerUnit", {})
        ]
        paid = [amount for _, amount in sorted(tiers) if amount > 0]
        if paid:
            return paid[0]
    return None
