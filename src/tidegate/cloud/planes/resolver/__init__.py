"""The resolvers of networks: names that only the containers of a network know, and everybody's.

A process of its own for each network that has such names, on the network's gateway. It outlives the daemon.
"""

from tidegate.cloud.planes.resolver.resolvers import Resolvers, end_resolvers
from tidegate.cloud.planes.resolver.view import RecordSet, View, Zone

__all__ = ["RecordSet", "Resolvers", "View", "Zone", "end_resolvers"]
