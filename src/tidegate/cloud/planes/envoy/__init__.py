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
    Fail,
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
from tidegate.cloud.planes.envoy.process import end_envoy

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
    "Fail",
    "Forward",
    "Listener",
    "Match",
    "Redirect",
    "RejectedError",
    "Route",
    "Session",
    "State",
    "Stick",
    "end_envoy",
]
