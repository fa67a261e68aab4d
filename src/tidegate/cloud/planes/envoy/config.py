"""What Envoy is told, as plain values: listeners with routes, clusters with endpoints.

Expressions are RE2 (https://github.com/google/re2/wiki/Syntax) and have to fit the whole text. Times are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Algorithm = Literal["round_robin", "least_request", "random"]
State = Literal["healthy", "unhealthy", "draining"]
Protocol = Literal["http1", "http2", "tcp"]
TlsVersion = Literal["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where requests go. A draining endpoint keeps the requests that it has and gets no new one.

    `label` is how logs call it.
    """

    address: str
    port: int
    state: State = "healthy"
    label: str = ""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Endpoints that take each other's place. An endpoint that is new gets its share within `slow_start`.

    `protocol` is what is spoken with the endpoints, `tls` whether that is encrypted (no certificate is looked at).
    For a cluster of `tcp`, `proxy_protocol` has every connection begin with the client's address (version 2), and
    `by_source` has one client's connections go to one endpoint. `label` is how logs call it.
    """

    name: str
    endpoints: tuple[Endpoint, ...] = ()
    algorithm: Algorithm = "round_robin"
    slow_start: float = 0.0
    protocol: Protocol = "http1"
    tls: bool = False
    proxy_protocol: bool = False
    by_source: bool = False
    label: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """What a request has to be like; everything that is given has to fit, an empty one fits all.

    `path` is held against the path without its query, `host` against the Host header without its port. Each of
    `headers` is a name and an expression. `queries` are expressions, each held against every `key=value` of the
    query. `sources` are lists of ranges (`10.0.0.0/8`), of each of which one has to hold the client's address.
    """

    path: str | None = None
    host: str | None = None
    methods: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    queries: tuple[str, ...] = ()
    sources: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Session:
    """A cookie that leads a client to the endpoint that it had before, as long as that one is healthy.

    It is sent with every answer and lasts for `seconds` from the last one on; once more under `twin`, for requests
    of other sites. With `follows` it is sent only with answers in which an endpoint sets the cookie of that name,
    and counts only beside it.
    """

    cookie: str
    seconds: int
    twin: str | None = None
    follows: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """A cluster and its share of the requests."""

    cluster: str
    weight: int = 1
    session: Session | None = None


@dataclass(frozen=True, slots=True)
class Stick:
    """A cookie that leads a client to the choice that was made for it before; `twin` as for a session."""

    cookie: str
    seconds: int
    twin: str | None = None


@dataclass(frozen=True, slots=True)
class Forward:
    """Hand the request to one of the choices; without a weight anywhere there is nobody to hand it to."""

    choices: tuple[Choice, ...]
    stick: Stick | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer at once."""

    status: int
    body: str = ""
    content_type: str = "text/plain"


@dataclass(frozen=True, slots=True)
class Fail:
    """Answer with the balancer's own page for a failure: 502, 503 or 504."""

    status: int


@dataclass(frozen=True, slots=True)
class Redirect:
    """Send the client elsewhere.

    In `host`, `port`, `path` and `query` the request's own parts stand as `#{protocol}`, `#{host}`, `#{port}`,
    `#{path}` (without the slash it begins with) and `#{query}`.
    """

    status: int
    protocol: str = "#{protocol}"
    host: str = "#{host}"
    port: str = "#{port}"
    path: str = "/#{path}"
    query: str = "#{query}"


Action = Forward | Answer | Fail | Redirect


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Where an expression fits, the replacement stands instead; in it `\\1` is what the first group held."""

    expression: str
    replacement: str


@dataclass(frozen=True, slots=True)
class Route:
    """What is done with the requests that fit; of several routes the first that fits counts.

    A request that is forwarded has its Host header rewritten by `host`, and its path with the query by `url`. `name`
    is how logs call the route.
    """

    match: Match
    action: Action
    host: Rewrite | None = None
    url: Rewrite | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Where a certificate with its chain is, and its key. Files never change: what is new has another path."""

    chain: str
    key: str


@dataclass(frozen=True, slots=True)
class Clients:
    """How clients are asked for certificates: of one of `authorities` (PEM); where these are not given, any will do.

    `revoked` are those that are refused all the same: `issuer|serial`, the issuer as RFC 2253 writes it and the serial
    in hexadecimal, or `|serial` whoever issued it; `untrusted` are issuers of which none is let in. With `expired` the
    time of a certificate does not matter. Envoy names the authorities to clients in any case.
    """

    authorities: str | None = None
    revoked: tuple[str, ...] = ()
    untrusted: tuple[str, ...] = ()
    expired: bool = False


@dataclass(frozen=True, slots=True)
class Tls:
    """How connections are encrypted: of the certificates the first one fitting the name that a client asks for.

    Where none fits, it is the first of all. `protocols` are those offered by ALPN, the most wanted first; `ciphers`
    are those of TLS up to 1.2 (1.3 has its own), `curves` those of the key exchange where not the usual ones are meant.
    """

    certificates: tuple[Certificate, ...]
    oldest: TlsVersion
    newest: TlsVersion
    ciphers: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ()
    curves: tuple[str, ...] = ()
    clients: Clients | None = None


@dataclass(frozen=True, slots=True)
class Log:
    """A file of JSON lines that several listeners may write to. `fields` stand in each of its lines."""

    name: str
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TcpListener:
    """An address and a port, and who gets the connections that come in there. `idle` is how long nothing may be sent.

    With `tls` what goes on is plain, or encrypted anew where the cluster says so.
    """

    name: str
    address: str
    port: int
    choices: tuple[Choice, ...] = ()
    idle: float = 350.0
    tls: Tls | None = None
    by_source: bool = False


@dataclass(frozen=True, slots=True)
class Listener:
    """An address and a port, and what is done with the requests that come in there.

    `idle` is how long nothing may be heard of a request or a connection, `lifetime` how long a connection is used.
    `forwarded_for` says what becomes of the header X-Forwarded-For; `client_port` has the port beside the address
    in it. The Host header goes on with the listener's port where that is no standard one and without a port where it
    is, or with `keep_host` as it came. `response_headers` are put over those of every response. `version_header` and
    `cipher_header` tell endpoints how a connection is encrypted, `client_headers` who the client is: pairs of `chain`,
    `leaf`, `serial`, `issuer`, `subject` or `validity` and the header with it.
    """

    name: str
    address: str
    port: int
    routes: tuple[Route, ...] = ()
    idle: float = 60.0
    lifetime: float = 3600.0
    http2: bool = True
    drop_invalid_headers: bool = False
    forwarded_for: Literal["append", "preserve", "remove"] = "append"
    client_port: bool = False
    keep_host: bool = False
    show_server: bool = True
    response_headers: tuple[tuple[str, str], ...] = ()
    tls: Tls | None = None
    version_header: str | None = None
    cipher_header: str | None = None
    client_headers: tuple[tuple[str, str], ...] = ()
    request_log: Log | None = None
    connection_log: Log | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """All of it. `server` is how Envoy calls itself in the answers that it makes itself."""

    listeners: tuple[Listener | TcpListener, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    server: str = "tidegate"
    trace_header: str | None = field(default=None)
