"""Address ranges: which a VPC and a subnet may have, which overlap, which address comes next. Pure.

https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html and …/subnet-sizing.html
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Network, NetmaskValueError

LARGEST, SMALLEST = 16, 28  # the prefix lengths that a VPC and a subnet may have
RESERVED = 5  # addresses of a subnet that nobody gets: the first four and the last


def parse(text: str) -> IPv4Network | None:
    """Return a range written `10.0.0.0/16`, its host bits cleared as EC2 does; None for what is no range."""
    try:
        if "/" not in text:
            return None
        return IPv4Network(text, strict=False)
    except (AddressValueError, NetmaskValueError, ValueError):
        return None


def parse_v6(text: str) -> IPv6Network | None:
    """Return an IPv6 range, or None for what is none."""
    try:
        return IPv6Network(text, strict=False) if "/" in text else None
    except (AddressValueError, NetmaskValueError, ValueError):
        return None


def fits_size(network: IPv4Network) -> bool:
    """Return whether a VPC or a subnet may be of this size."""
    return LARGEST <= network.prefixlen <= SMALLEST


def inside(network: IPv4Network, ranges: Iterable[str]) -> bool:
    """Return whether a range lies in one of others."""
    return any(network.subnet_of(IPv4Network(each)) for each in ranges)


def overlaps(network: IPv4Network, ranges: Iterable[str]) -> bool:
    """Return whether a range has an address in common with one of others."""
    return any(network.overlaps(IPv4Network(each)) for each in ranges)


def available(cidr: str, used: int) -> int:
    """Return how many addresses of a subnet are free."""
    return IPv4Network(cidr).num_addresses - RESERVED - used


def assignable(cidr: str, address: str) -> bool:
    """Return whether an address is one that a subnet can give out."""
    network = IPv4Network(cidr)
    try:
        given = IPv4Address(address)
    except AddressValueError:
        return False
    return network[4] <= given <= network[-2]


def next_address(cidr: str, is_taken: Callable[[str], bool], last: str | None) -> str | None:
    """Return the free address that follows `last`, from the start again after the end; None when all are taken.

    An address that was just given back is the last to be given out again, for somebody may still talk to it.
    """
    network = IPv4Network(cidr)
    first, count = int(network[4]), network.num_addresses - RESERVED
    start = 0 if last is None or not assignable(cidr, last) else int(IPv4Address(last)) - first + 1
    candidates = (str(IPv4Address(first + (start + step) % count)) for step in range(count))
    return next((each for each in candidates if not is_taken(each)), None)


def next_in_pool(pool: str, taken: Collection[str]) -> str | None:
    """Return the first free host address of a pool."""
    return next((str(each) for each in IPv4Network(pool).hosts() if str(each) not in taken), None)
