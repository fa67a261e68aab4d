"""What Envoy writes of requests and connections: files of JSON lines, cut off and handed over piece by piece.

https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage

A log is the file that Envoy appends to. Its pieces are what was cut off of it: renamed, then left by Envoy when it is
told to open its logs again. A piece never changes, and stays until who asked for it removes it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tidegate.cloud.planes.envoy.config import Log

Document = dict[str, Any]

FOLDER = "logs"
REQUEST = {
    "start": "%START_TIME(%s.%6f)%",  # seconds since 1970
    "duration": "%DURATION%",  # milliseconds
    "client": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%",
    "connection": "%CONNECTION_ID%",
    "endpoint": "%METADATA(UPSTREAM_HOST:tidegate:label)%",
    "cluster": "%METADATA(CLUSTER:tidegate:label)%",
    "to_endpoint": "%COMMON_DURATION(DS_RX_BEG:US_TX_BEG:us)%",  # microseconds
    "at_endpoint": "%COMMON_DURATION(US_TX_BEG:US_RX_BEG:us)%",
    "to_client": "%COMMON_DURATION(US_RX_BEG:DS_TX_BEG:us)%",
    "status": "%RESPONSE_CODE%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "flags": "%RESPONSE_FLAGS%",
    "received": "%DOWNSTREAM_WIRE_BYTES_RECEIVED%",
    "sent": "%DOWNSTREAM_WIRE_BYTES_SENT%",
    "method": "%REQ(:METHOD)%",
    "protocol": "%PROTOCOL%",
    # as they came, where a script has changed them
    "host": "%DYNAMIC_METADATA(tidegate:host)%",
    "url": "%DYNAMIC_METADATA(tidegate:url)%",
    "last_host": "%REQ(:AUTHORITY)%",
    "last_url": "%REQ(:PATH)%",
    "host_rewritten": "%DYNAMIC_METADATA(tidegate.rewrite:host)%",
    "url_rewritten": "%DYNAMIC_METADATA(tidegate.rewrite:url)%",
    "agent": "%REQ(USER-AGENT)%",
    "upgrade": "%REQ(UPGRADE)%",
    "content_type": "%REQ(CONTENT-TYPE)%",
    "trace": "%REQ(X-AMZN-TRACE-ID)%",
    "route": "%ROUTE_NAME%",
    "location": "%RESP(LOCATION)%",
    "cipher": "%DOWNSTREAM_TLS_CIPHER%",
    "tls": "%DOWNSTREAM_TLS_VERSION%",
    "server_name": "%REQUESTED_SERVER_NAME%",
    "names": "%DOWNSTREAM_LOCAL_DNS_SAN%",  # those in the certificate that was shown
}
_CONNECTION = {
    "start": "%START_TIME(%s.%6f)%",
    "client": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%",
    "connection": "%CONNECTION_ID%",
    "handshake": "%DOWNSTREAM_HANDSHAKE_DURATION%",
    "cipher": "%DOWNSTREAM_TLS_CIPHER%",
    "tls": "%DOWNSTREAM_TLS_VERSION%",
    "failure": "%DOWNSTREAM_TRANSPORT_FAILURE_REASON%",
    "termination": "%CONNECTION_TERMINATION_DETAILS%",
    "subject": "%DOWNSTREAM_PEER_SUBJECT%",
    "serial": "%DOWNSTREAM_PEER_SERIAL%",
    "valid_from": "%DOWNSTREAM_PEER_CERT_V_START(%Y-%m-%dT%H:%M:%SZ)%",
    "valid_until": "%DOWNSTREAM_PEER_CERT_V_END(%Y-%m-%dT%H:%M:%SZ)%",
}


def of_requests(log: Log, directory: Path) -> Document:
    """Return Envoy's log of a listener's requests; `log.fields` stand in every line as they are."""
    return _file(log, directory, REQUEST)


def of_connections(log: Log, directory: Path) -> Document:
    """Return Envoy's log of a listener's connections, those among them that were not agreed on."""
    return _file(log, directory, _CONNECTION)


class Pieces:
    """The log files of one directory."""

    def __init__(self, directory: Path) -> None:
        self._folder = directory / FOLDER

    def cut(self, name: str, mark: str) -> Path:
        """Give what is in a log now, if anything, a name with `mark` in it; return where the log is.

        As long as it is not there again, Envoy may write to the piece.
        """
        log = self._folder / f"{name}.log"
        if log.exists() and log.stat().st_size:
            log.rename(self._folder / f"{name}.{mark}.piece")
        return log

    def of(self, name: str) -> list[tuple[str, Path]]:
        """Return the pieces of a log with their marks, the oldest first."""
        found = sorted(self._folder.glob(f"{name}.*.piece"))
        return [(path.name.removeprefix(f"{name}.").removesuffix(".piece"), path) for path in found]

    def make_room(self) -> None:
        """Have a folder for logs."""
        self._folder.mkdir(parents=True, exist_ok=True)

    def remove(self, name: str) -> None:
        """Remove a log with all its pieces."""
        for path in [self._folder / f"{name}.log", *(path for _, path in self.of(name))]:
            path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove all logs."""
        for path in self._folder.glob("*"):
            path.unlink(missing_ok=True)


def _file(log: Log, directory: Path, words: dict[str, str]) -> Document:
    fixed = {name: value.replace("%", "%%") for name, value in log.fields}
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": str(directory / FOLDER / f"{log.name}.log"),
            "log_format": {"json_format": {**fixed, **words}},
        },
    }
