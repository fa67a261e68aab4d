"""One place where the services run: its region and account, its network, its load balancer, its domain."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from tidegate.manifest.part import Name, Part

REGION = r"^[a-z]{2}(-[a-z]+)+-\d$"
ACCOUNT = r"^\d{12}$"
_SUBNET = re.compile(r"^subnet-[0-9a-f]{8,17}$")


def _subnets(value: tuple[str, ...]) -> tuple[str, ...]:
    for each in value:
        if not _SUBNET.match(each):
            raise ValueError(f"{each!r} is no subnet: it reads subnet-0123456789abcdef0")
    if len(value) == 1:
        raise ValueError("two subnets in different zones are the fewest")
    return value


Subnets = Annotated[tuple[str, ...], AfterValidator(_subnets)]


class Network(Part):
    """Where tasks and the load balancer live: a network that is made, or one that is there: `{vpc: …, subnets: …}`."""

    mode: Literal["public", "nat", "endpoints", "imported"] = "public"
    """public: tasks have public addresses, but only the load balancer reaches them; costs nothing by itself. nat: tasks
    are in private subnets and reach out through a NAT gateway, which costs about 33 $ a month. endpoints: tasks are in
    private subnets and reach nothing but the AWS services that they need, through endpoints that cost about 7 $ a month
    each and zone. imported: `vpc` and `subnets` say where."""
    vpc: str | None = Field(None, pattern=r"^vpc-[0-9a-f]{8,17}$")
    """imported: the VPC."""
    subnets: Subnets = ()
    """imported: the subnets of the tasks, in different zones. They must have a way to the image registry."""
    balancer_subnets: Subnets = ()
    """imported: the public subnets of the load balancer. When left out, it stands in those of the tasks, which are then
    public, and the tasks get public addresses."""

    @model_validator(mode="before")
    @classmethod
    def _is_imported(cls, value: Any) -> Any:
        if isinstance(value, dict) and "vpc" in value and "mode" not in value:
            return {**value, "mode": "imported"}
        return value

    @model_validator(mode="after")
    def _whole(self) -> Network:
        named = [key for key in ("vpc", "subnets", "balancer_subnets") if getattr(self, key)]
        if self.mode != "imported" and named:
            raise ValueError(f"{named[0]} is for a network that is there already; mode {self.mode} makes one")
        if self.mode == "imported" and not (self.vpc and self.subnets):
            raise ValueError("an imported network is {vpc: vpc-…, subnets: [subnet-…, subnet-…]}")
        return self

    @property
    def private(self) -> bool:
        """Whether tasks have no public address."""
        return self.mode in ("nat", "endpoints") or bool(self.balancer_subnets)


class ImportedBalancer(Part):
    """An application load balancer that is there already; its owner has its listener and its certificate."""

    listener: str = Field(
        pattern=r"^arn:[\w-]+:elasticloadbalancing:[\w-]+:\d{12}:listener/app/[\w-]+/[0-9a-f]+/[0-9a-f]+$"
    )
    """The ARN of the listener that gets the services' rules."""
    security_group: str = Field(pattern=r"^sg-[0-9a-f]{8,17}$")
    """Its security group: from there alone are the tasks reached."""
    url: str | None = Field(None, pattern=r"^https?://[^/]+$")
    """The address under which it answers, to be shown."""


class Domain(Part):
    """A name of one's own: a certificate, HTTPS, and a redirect from HTTP."""

    name: str = Field(pattern=r"^(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$", max_length=64)
    """The name, such as www.example.com."""
    zone: str = Field(pattern=r"^Z[A-Z0-9]{1,31}$")
    """The Route 53 hosted zone that the name is in, by its id. It gets the name's records and those that prove to the
    certificate authority that it is yours."""


class Environment(Part):
    """One place where the services run."""

    region: str | None = Field(None, pattern=REGION)
    """The AWS region; that of the credentials in use when left out."""
    account: str | None = Field(None, pattern=ACCOUNT)
    """The AWS account, where it is another than the pipeline's (then `pipeline.account` says which that is)."""
    network: Network = Network.model_construct()
    """Where tasks and the load balancer live."""
    load_balancer: ImportedBalancer | None = None
    """An application load balancer that is there already, in an imported network; one is made when left out."""
    domain: Domain | None = None
    """A name of one's own: a certificate, HTTPS, and a redirect from HTTP."""
    services: dict[Name, dict[str, Any] | None] = Field({})
    """What differs here from the services above, by service. null takes a key back to what it is when left out."""
    jobs: dict[Name, dict[str, Any] | None] = Field({})
    """What differs here from the jobs above, by job. null in the place of a job: it does not run here."""
