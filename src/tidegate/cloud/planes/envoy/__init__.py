"""The Envoy plane: one Envoy process for every balancer of a daemon, configured through files.

https://www.envoyproxy.io/docs/envoy/latest/
"""

from tidegate.cloud.planes.envoy.config import (
    Action,
    Algorithm,
    Answer,
    Certificate,
    Choice,
    Clients,
    Cluster,
    Config,
    Endpoint,
    Fail,
    Forward,
    Listener,
    Log,
    Match,
    Redirect,
    Rewrite,
    Route,
    Session,
    State,
    Stick,
    TcpListener,
    Tls,
    TlsVersion,
)
from tidegate.cloud.planes.envoy.plane import Activity, EnvoyError, EnvoyPlane, Measured, RejectedError
from tidegate.cloud.planes.envoy.process import end_envoy

__all__ = [
    "Action",
    "Activity",
    "Algorithm",
    "Answer",
    "Certificate",
    "Choice",
    "Clients",
    "Cluster",
    "Config",
    "Endpoint",
    "EnvoyError",
    "EnvoyPlane",
    "Fail",
    "Forward",
    "Listener",
    "Log",
    "Match",
    "Measured",
    "Redirect",
    "RejectedError",
    "Rewrite",
    "Route",
    "Session",
    "State",
    "Stick",
    "TcpListener",
    "Tls",
    "TlsVersion",
    "end_envoy",
]
