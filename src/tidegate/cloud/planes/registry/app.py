"""The registry over HTTP: an ASGI application below `/v2/`.

https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#api
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from tidegate.cloud.planes.registry import digest as digests
from tidegate.cloud.planes.registry.blobs import Blobs
from tidegate.cloud.planes.registry.errors import RegistryError
from tidegate.cloud.planes.registry.manifest import LIMIT, OCI_INDEX, read_manifest
from tidegate.cloud.planes.registry.records import Access, Records, Step
from tidegate.cloud.planes.registry.uploads import Uploads

_NAME = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
_REPOSITORY = re.compile(_NAME)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_CONTENT_RANGE = re.compile(r"(?:bytes )?(\d+)-(\d+)(?:/\S+)?")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_READ_TIMEOUT = 60.0  # seconds to wait for the next piece of a body that was announced
_READ_SIZE = 1 << 19
_TAGS_PAGE = 1000
_VERSION = {"docker-distribution-api-version": "registry/2.0"}

access_log = logging.getLogger("tidegate.access")
log = logging.getLogger(__name__)


class _CutError(Exception):
    """The client went away, or fell silent, before the end of what it announced."""


@dataclass(frozen=True, slots=True)
class _Call:
    """One request, known: by whom, on which repository, about which blob, manifest or upload."""

    request: Request
    who: Any
    repository: str
    reference: str

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query_params


class Registry:
    """Serves one registry. What it holds is recorded by `records`, who may do what is decided by `access`."""

    def __init__(
        self,
        records: Records,
        access: Access,
        blobs: Blobs,
        uploads: Uploads,
        *,
        challenge: str,
        allowed_host: Callable[[str], bool],
    ) -> None:
        """`challenge` is the `WWW-Authenticate` of a 401; `allowed_host` says which Host headers are this server's."""
        self._records = records
        self._access = access
        self._blobs = blobs
        self._uploads = uploads
        self._challenge = challenge
        self._allowed_host = allowed_host
        self._routes: tuple[tuple[re.Pattern[str], dict[str, Callable[[_Call], Awaitable[Response]]]], ...] = (
            (re.compile("/v2/(?P<repository>)(?P<reference>)"), {"GET": self._base, "HEAD": self._base}),
            (
                re.compile("/v2/(?P<repository>.+)/blobs/uploads/(?P<reference>)"),
                {"POST": self._start_upload},
            ),
            (
                re.compile("/v2/(?P<repository>.+)/blobs/uploads/(?P<reference>[^/]+)"),
                {
                    "GET": self._upload_status,
                    "PATCH": self._write_upload,
                    "PUT": self._finish_upload,
                    "DELETE": self._cancel_upload,
                },
            ),
            (
                re.compile("/v2/(?P<repository>.+)/blobs/(?P<reference>[^/]+)"),
                {"GET": self._get_blob, "HEAD": self._check_blob, "DELETE": self._delete_blob},
            ),
            (
                re.compile("/v2/(?P<repository>.+)/manifests/(?P<reference>[^/]+)"),
                {
                    "GET": self._get_manifest,
                    "HEAD": self._get_manifest,
                    "PUT": self._put_manifest,
                    "DELETE": self._delete_manifest,
                },
            ),
            (re.compile("/v2/(?P<repository>.+)/tags/list(?P<reference>)"), {"GET": self._list_tags}),
            (re.compile("/v2/(?P<repository>.+)/referrers/(?P<reference>[^/]+)"), {"GET": self._list_referrers}),
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one HTTP request (ASGI 3)."""
        started = asyncio.get_running_loop().time()
        request = Request(scope, receive)
        response: Response
        try:
            response = await self._answer(request)
        except RegistryError as error:
            response = JSONResponse(error.document, error.status, error.headers)
        except OSError as error:
            log.error("%s %s: %s", request.method, request.url.path, error)
            full = RegistryError("UNAVAILABLE", f"the data folder: {error.strerror}; free some space, then try again")
            response = JSONResponse(full.document, full.status)
        except _CutError as cut:
            access_log.info("%s %s %s cut: %s", _client(request), request.method, request.url.path, cut)
            response = JSONResponse({"errors": []}, 408)
        except Exception:
            log.exception("%s %s failed", request.method, request.url.path)
            failure = RegistryError("UNKNOWN", "tidegate local failed on this request; the daemon's log has the reason")
            response = JSONResponse(failure.document, failure.status)
        response.headers.update(_VERSION)
        await response(scope, receive, send)
        access_log.info(
            "%s %s %s %d %.1fms",
            _client(request),
            request.method,
            request.url.path,
            response.status_code,
            (asyncio.get_running_loop().time() - started) * 1000,
        )

    async def _answer(self, request: Request) -> Response:
        if not self._allowed_host(request.headers.get("host", "")):
            raise RegistryError("DENIED", "that is not a name of this registry")
        path = request.scope["path"]
        for pattern, methods in self._routes:
            match = pattern.fullmatch(path)
            if match is None:
                continue
            who = self._authenticate(request)
            handler = methods.get(request.method)
            if handler is None:
                raise RegistryError("UNSUPPORTED", f"{request.method} {path} is nothing a registry does")
            repository = match["repository"]
            if repository and (len(repository) > 255 or not _REPOSITORY.fullmatch(repository)):
                raise RegistryError("NAME_INVALID", f"{repository!r} cannot be the name of a repository")
            return await handler(_Call(request, who, repository, match["reference"]))
        raise RegistryError("NAME_UNKNOWN", f"{path} is nothing a registry has")

    def _authenticate(self, request: Request) -> Any:
        user, password = _credentials(request)
        who = self._access.authenticate(user, password, _client(request)) if password else None
        if who is None:
            raise RegistryError(
                "UNAUTHORIZED", "authentication required", headers={"WWW-Authenticate": self._challenge}
            )
        return who

    def _may(self, call: _Call, step: Step) -> None:
        """Authorize a step, and only then say whether the repository exists."""
        self._access.authorize(call.who, step, call.repository, call.reference)
        self._records.expect(call.repository)

    async def _base(self, call: _Call) -> Response:
        return JSONResponse({})

    # Blobs

    async def _check_blob(self, call: _Call) -> Response:
        self._may(call, Step.CHECK_BLOB)
        size = self._blob(call)
        return Response(headers={**_blob_headers(call.reference), "content-length": str(size)})

    async def _get_blob(self, call: _Call) -> Response:
        self._may(call, Step.GET_BLOB)
        size = self._blob(call)
        headers = _blob_headers(call.reference)
        first, last = _range(call.request.headers.get("range"), size)
        status = 200
        if (first, last) != (0, size - 1):
            status, headers["content-range"] = 206, f"bytes {first}-{last}/{size}"
        headers["content-length"] = str(last - first + 1)
        pieces = _pieces(self._blobs.path(call.reference), first, last - first + 1)
        return StreamingResponse(pieces, status, headers)

    async def _delete_blob(self, call: _Call) -> Response:
        self._may(call, Step.DELETE)
        self._records.remove_blob(call.repository, digests.checked(call.reference))
        return Response(status_code=202)

    def _blob(self, call: _Call) -> int:
        """Return the size of the blob that a request is about, if the repository has it."""
        digest = digests.checked(call.reference)
        size = self._blobs.promise(digest) if self._records.has_blob(call.repository, digest) else None
        if size is None:
            raise RegistryError("BLOB_UNKNOWN", f"{digest} is not in {call.repository}")
        return size

    # Uploads

    async def _start_upload(self, call: _Call) -> Response:
        self._access.authorize(call.who, Step.START_UPLOAD, call.repository, call.reference)
        await self._access.prepare(call.who, call.repository)
        self._records.expect(call.repository)
        mounted = call.query.get("mount")
        if mounted is not None and self._mount(call, digests.checked(mounted), call.query.get("from")):
            return _created(call.repository, mounted)
        upload = self._uploads.start(call.repository)
        if "digest" in call.query:  # the whole blob in one request
            try:
                return await self._receive(call, upload, digests.checked(call.query["digest"]))
            except BaseException:
                self._uploads.drop(upload)  # its client does not know where to go on
                raise
        return self._under_way(call, upload, 202)

    def _mount(self, call: _Call, digest: str, source: str | None) -> bool:
        """Take over a blob of another repository where the client may read it there; else it uploads it."""
        if source is None or not _REPOSITORY.fullmatch(source) or not self._records.mounts(call.repository, source):
            return False
        try:
            self._access.authorize(call.who, Step.GET_BLOB, source, digest)
            size = self._blobs.promise(digest) if self._records.has_blob(source, digest) else None
        except RegistryError:
            return False
        if size is None:
            return False
        self._records.add_blob(call.repository, digest, size)
        return True

    async def _upload_status(self, call: _Call) -> Response:
        self._may(call, Step.START_UPLOAD)
        return self._under_way(call, call.reference, 204)

    async def _write_upload(self, call: _Call) -> Response:
        self._may(call, Step.WRITE_UPLOAD)
        await self._append(call, call.reference)
        return self._under_way(call, call.reference, 202)

    async def _finish_upload(self, call: _Call) -> Response:
        self._may(call, Step.FINISH_UPLOAD)
        digest = call.query.get("digest")
        if digest is None:
            raise RegistryError("DIGEST_INVALID", "the query parameter digest is missing")
        return await self._receive(call, call.reference, digests.checked(digest))

    async def _cancel_upload(self, call: _Call) -> Response:
        self._may(call, Step.START_UPLOAD)
        self._uploads.cancel(call.repository, call.reference)
        return Response(status_code=204)

    async def _receive(self, call: _Call, upload: str, digest: str) -> Response:
        """Take the rest of a blob and record it."""
        await self._append(call, upload)
        size = await self._uploads.finish(call.repository, upload, digest)
        # from here to the record there is no await: the collector never sees a new blob that nobody has
        self._records.add_blob(call.repository, digest, size)
        return _created(call.repository, digest)

    async def _append(self, call: _Call, upload: str) -> None:
        offset, length = _announced(call.request)
        chunks = _chunks(call.request)
        try:
            await self._uploads.append(call.repository, upload, chunks, offset=offset, length=length)
        except RegistryError as error:
            if error.code == "RANGE_INVALID":
                error.headers.update(self._where(call, upload))
            raise

    def _under_way(self, call: _Call, upload: str, status: int) -> Response:
        return Response(status_code=status, headers=self._where(call, upload))

    def _where(self, call: _Call, upload: str) -> dict[str, str]:
        size = self._uploads.size(call.repository, upload)
        return {
            "location": f"/v2/{call.repository}/blobs/uploads/{upload}",
            "range": f"0-{max(size - 1, 0)}",
            "docker-upload-uuid": upload,
        }

    # Manifests

    async def _get_manifest(self, call: _Call) -> Response:
        self._may(call, Step.GET_MANIFEST)
        pulled = call.request.method == "GET"
        puller = call.who if pulled else None
        found = self._records.manifest(call.repository, _checked_reference(call.reference), puller=puller)
        headers = {"docker-content-digest": found.digest, "content-length": str(len(found.content))}
        return Response(found.content if pulled else b"", headers=headers, media_type=found.media_type)

    async def _put_manifest(self, call: _Call) -> Response:
        self._may(call, Step.PUT_MANIFEST)
        reference = _checked_reference(call.reference)
        digest, tag = (reference, None) if ":" in reference else (None, reference)
        content = bytearray()
        async for chunk in _chunks(call.request):
            content += chunk
            if len(content) > LIMIT:
                raise RegistryError("SIZE_INVALID", f"a manifest has at most {LIMIT} bytes")
        media_type = call.request.headers.get("content-type", "").partition(";")[0].strip() or None
        manifest = read_manifest(bytes(content), media_type, digest=digest)
        self._records.put_manifest(call.repository, tag, manifest)
        headers = {
            "location": f"/v2/{call.repository}/manifests/{manifest.digest}",
            "docker-content-digest": manifest.digest,
        }
        if manifest.subject is not None:
            headers["oci-subject"] = manifest.subject
        return Response(status_code=201, headers=headers)

    async def _delete_manifest(self, call: _Call) -> Response:
        self._may(call, Step.DELETE)
        reference = _checked_reference(call.reference)
        if ":" in reference:
            self._records.remove_manifest(call.repository, reference)
        else:
            self._records.remove_tag(call.repository, reference)
        return Response(status_code=202)

    async def _list_tags(self, call: _Call) -> Response:
        self._may(call, Step.LIST_TAGS)
        wanted = call.query.get("n", str(_TAGS_PAGE))
        if not wanted.isdecimal():
            raise RegistryError("PAGINATION_NUMBER_INVALID", f"n={wanted!r} is not a number of tags")
        limit = min(int(wanted), _TAGS_PAGE)
        found = self._records.tags(call.repository, call.query.get("last", ""), limit + 1) if limit else []
        headers = {}
        if len(found) > limit:
            rest = urlencode({"n": limit, "last": found[limit - 1]})
            headers["link"] = f'</v2/{call.repository}/tags/list?{rest}>; rel="next"'
        return JSONResponse({"name": call.repository, "tags": list(found[:limit])}, headers=headers)

    async def _list_referrers(self, call: _Call) -> Response:
        self._may(call, Step.LIST_REFERRERS)
        found = self._records.referrers(call.repository, digests.checked(call.reference))
        headers = {}
        wanted = call.query.get("artifactType")
        if wanted is not None:
            found = [each for each in found if each.get("artifactType") == wanted]
            headers["oci-filters-applied"] = "artifactType"
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(found)}
        return JSONResponse(document, headers=headers, media_type=OCI_INDEX)


def _client(request: Request) -> str:
    return request.client.host if request.client is not None else ""


def _credentials(request: Request) -> tuple[str, str]:
    """Return user and password of basic authentication (RFC 7617), or an empty user and the token of the query."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return user or "-", password
    return "", request.query_params.get("token", "")


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    more = True
    while more:
        try:
            async with asyncio.timeout(_READ_TIMEOUT):
                message = await request.receive()
        except TimeoutError:
            raise _CutError(f"no byte came for {_READ_TIMEOUT:.0f} s") from None
        if message["type"] == "http.disconnect":
            raise _CutError("the client went away")
        more = message.get("more_body", False)
        if message.get("body"):
            yield message["body"]


def _announced(request: Request) -> tuple[int | None, int | None]:
    """Return where a part of an upload begins and how long it is, where the client says so."""
    stated = request.headers.get("content-length", "")
    length = int(stated) if stated.isdecimal() else None
    text = request.headers.get("content-range")
    if text is None:
        return None, length
    match = _CONTENT_RANGE.fullmatch(text.strip())
    if match is None:
        raise RegistryError("RANGE_INVALID", f"Content-Range: {text!r} is not FIRST-LAST")
    first, last = int(match[1]), int(match[2])
    if length is not None and last - first + 1 != length:
        raise RegistryError("SIZE_INVALID", f"Content-Range: {text} is not as long as Content-Length: {length}")
    return first, last - first + 1


def _range(header: str | None, size: int) -> tuple[int, int]:
    """Return the first and the last byte that a Range header asks for (RFC 9110, 14.2); one range, or everything."""
    match = _RANGE.fullmatch(header.strip()) if header is not None else None
    if match is None or match[1] == match[2] == "":
        return 0, size - 1
    if match[1] == "":
        first, last = max(size - int(match[2]), 0), size - 1
    else:
        first, last = int(match[1]), min(int(match[2] or size - 1), size - 1)
    if first > last:
        raise RegistryError(
            "RANGE_INVALID", f"Range: {header} is not in {size} bytes", headers={"content-range": f"bytes */{size}"}
        )
    return first, last


async def _pieces(path: Path, offset: int, length: int) -> AsyncIterator[bytes]:
    """Read a stretch of a file piece by piece: at once what is in memory, in a thread what the disk has to bring."""
    with path.open("rb", buffering=0) as file:
        while length:
            size = min(_READ_SIZE, length)
            piece = _cached(file.fileno(), size, offset) or await asyncio.to_thread(
                os.pread, file.fileno(), size, offset
            )
            if not piece:
                return
            offset, length = offset + len(piece), length - len(piece)
            yield piece


def _cached(descriptor: int, size: int, offset: int) -> bytes:
    """Return what the kernel has of a stretch of a file without asking the disk (preadv2(2)); nothing: it has none."""
    if not hasattr(os, "RWF_NOWAIT"):
        return b""
    buffer = bytearray(size)
    try:
        count = os.preadv(descriptor, [buffer], offset, os.RWF_NOWAIT)
    except OSError:  # EAGAIN; or a file system that cannot say
        return b""
    return bytes(memoryview(buffer)[:count])


def _blob_headers(digest: str) -> dict[str, str]:
    return {
        "docker-content-digest": digest,
        "accept-ranges": "bytes",
        "content-type": "application/octet-stream",
        "cache-control": "max-age=31536000, immutable",
        "etag": f'"{digest}"',
    }


def _created(repository: str, digest: str) -> Response:
    headers = {"location": f"/v2/{repository}/blobs/{digest}", "docker-content-digest": digest}
    return Response(status_code=201, headers=headers)


def _checked_reference(reference: str) -> str:
    """Return a digest or a tag; raise DIGEST_INVALID or TAG_INVALID."""
    if ":" in reference:
        return digests.checked(reference)
    if not _TAG.fullmatch(reference):
        raise RegistryError("TAG_INVALID", f"{reference!r} cannot be a tag")
    return reference
