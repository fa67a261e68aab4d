"""The Envoy plane: one Envoy process for every balancer of a daemon, configured through files.

https://www.envoyproxy.io/docs/envoy/latest/
"""

from tidegate.cloud.planes.envoy.config import (
    Action,
    Algorithm,
    Answer,
    Choice,
    Cluster,
    Config,
    Endpoint,
    Forward,
    Listener,
    Match,
    Redirect,
    Route,
    Session,
    State,
    Stick,
)
from tidegate.cloud.planes.envoy.plane import Activity, EnvoyError, EnvoyPlane, RejectedError

__all__ = [
    "Action",
    "Activity",
    "Algorithm",
    "Answer",
    "Choice",
    "Cluster",
    "Config",
    "Endpoint",
    "EnvoyError",
    "EnvoyPlane",
    "Forward",
    "Listener",
    "Match",
    "Redirect",
    "RejectedError",
    "Route",
    "Session",
    "State",
    "Stick",
]
