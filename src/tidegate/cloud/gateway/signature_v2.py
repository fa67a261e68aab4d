"""Presigned URLs of Signature Version 2, which boto3 and the AWS CLI still make for S3 in the older regions.

https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html#RESTAuthenticationQueryStringAuth
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from urllib.parse import unquote_plus

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.gateway.wire import HttpRequest

# the query parameters that are part of what is signed
_SIGNED = frozenset(
    {
        "accelerate", "acl", "analytics", "cors", "delete", "inventory", "lifecycle", "location", "logging", "metrics",
        "notification", "object-lock", "partNumber", "policy", "replication", "requestPayment",
        "response-cache-control", "response-content-disposition", "response-content-encoding",
        "response-content-language", "response-content-type", "response-expires", "restore", "select", "select-type",
        "storageClass", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
    }
)  # fmt: skip


def expiry(request: HttpRequest) -> datetime:
    """Return when the URL stops being good; raise AccessDenied where that cannot be read."""
    try:
        return datetime.fromtimestamp(int(request.parameter("Expires") or ""), UTC)
    except (ValueError, OverflowError, OSError):
        raise ServiceError("AccessDenied", "Invalid date (should be seconds since epoch)", 403) from None


def signature(request: HttpRequest, secret: str) -> str:
    """Return the signature that the request has to carry."""
    headers = {name: value for name, value in request.query if name.lower().startswith(("x-amz-", "content-"))}
    headers = {name.lower(): value for name, value in {**headers, **request.headers}.items()}
    lines = [
        request.method,
        headers.get("content-md5", ""),
        headers.get("content-type", ""),
        request.parameter("Expires") or "",
        *(f"{name}:{' '.join(headers[name].split())}" for name in sorted(headers) if name.startswith("x-amz-")),
        request.resource_path + _subresources(request.query_string),
    ]
    digest = hmac.new(secret.encode(), "\n".join(lines).encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def _subresources(query_string: str) -> str:
    parts = [part.partition("=") for part in query_string.split("&")]
    signed = sorted(f"{name}{equals}{unquote_plus(value)}" for name, equals, value in parts if name in _SIGNED)
    return f"?{'&'.join(signed)}" if signed else ""
