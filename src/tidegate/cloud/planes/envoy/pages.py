"""What a balancer answers by itself: pages, and why."""

from __future__ import annotations

TITLES = {
    301: "301 Moved Permanently",
    302: "302 Found",
    502: "502 Bad Gateway",
    503: "503 Service Temporarily Unavailable",
    504: "504 Gateway Time-out",
}

# why Envoy has no response of an endpoint (its response flags) -> the status that a client is to see
# https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage#response-flags
FAILURES = (
    (("UT", "SI"), 504),
    (("UH", "NC", "UO"), 503),
    (("UF", "UC", "UPE", "UR", "LR", "URX"), 502),
)


def page(status: int) -> str:
    """Return the small HTML page for a status."""
    title = TITLES[status]
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
        "</body>\r\n</html>\r\n"
    )
