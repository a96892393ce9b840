"""Moving contents between a request and the disk in pieces, with bounded memory."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from dataclasses import dataclass
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from azureml_local.errors import AzureError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from azureml_local.blobs.attributes import BlobProperties
    from azureml_local.blobs.store import BlobStore

_PIECE: Final = 1 << 20
_METADATA: Final = "x-ms-meta-"


@dataclass(frozen=True, slots=True)
class Call:
    """One request, with what it is about; `headers` are those that every answer carries."""

    request: web.Request
    blobs: BlobStore
    container: str
    blob: str
    headers: dict[str, str]

    def answer(self, status: int, **headers: str) -> web.Response:
        """Return an empty answer; underscores in header names become dashes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, headers=self.headers | named)

    async def existing(self) -> BlobProperties | None:
        """Return what is known about the blob, or None."""
        return await asyncio.to_thread(self.blobs.get, self.container, self.blob)

    async def required(self) -> BlobProperties:
        """Return what is known about the blob, or raise the service's 404."""
        return await asyncio.to_thread(self.blobs.require, self.container, self.blob)


def require_container(call: Call) -> None:
    """Raise the service's 404 unless the container exists."""
    if not call.blobs.has_container(call.container):
        raise AzureError(404, "ContainerNotFound", "The specified container does not exist.")


async def receive(call: Call, file: Path) -> tuple[int, str]:
    """Write the request's body to a file; return its size, which is counted, and its MD5."""
    size, digest, done = 0, hashlib.md5(usedforsecurity=False), False
    stream = await asyncio.to_thread(file.open, "wb")
    try:
        async for piece in call.request.content.iter_chunked(_PIECE):
            call.blobs.space.take(len(piece))
            size += len(piece)
            digest.update(piece)
            await asyncio.to_thread(stream.write, piece)
        md5 = base64.b64encode(digest.digest()).decode()
        expected = call.request.headers.get("Content-MD5")
        if expected and expected != md5:
            raise AzureError(
                400, "Md5Mismatch", "The MD5 value specified in the request did not match the content."
            )
        await asyncio.to_thread(stream.close)
        done = True
    finally:
        stream.close()
        if not done:
            call.blobs.space.take(-size)
    return size, md5


async def body(call: Call, most: int) -> bytes:
    """Read a small body; the server's own limit for request bodies is not the service's."""
    content = bytearray()
    async for piece in call.request.content.iter_chunked(_PIECE):
        content += piece
        if len(content) > most:
            raise AzureError(413, "RequestBodyTooLarge", f"The request body is larger than {most} bytes.")
    return bytes(content)


async def send(response: web.StreamResponse, stream: BinaryIO, remaining: int) -> None:
    """Send so many bytes of an open file."""
    while remaining:
        piece = await asyncio.to_thread(stream.read, min(_PIECE, remaining))
        if not piece:
            break
        await response.write(piece)
        remaining -= len(piece)


async def commit(call: Call, file: Path, *, paid: int, kind: str, md5: str | None) -> web.Response:
    """Make a received file the blob, with the attributes that the request's headers give."""
    headers = call.request.headers
    attributes: dict[str, Any] = {
        "kind": kind,
        "content_type": headers.get("x-ms-blob-content-type") or "application/octet-stream",
        "content_md5": headers.get("x-ms-blob-content-md5") or md5,
        "metadata": metadata(call),
    }
    after = await asyncio.to_thread(
        call.blobs.commit, call.container, call.blob, file, paid=paid, **attributes
    )
    return call.answer(201, **identity(after), x_ms_request_server_encrypted="true")


def metadata(call: Call) -> dict[str, str]:
    """Return the metadata that the request's headers carry."""
    headers = call.request.headers
    return {
        name[len(_METADATA) :]: value for name, value in headers.items() if name.lower().startswith(_METADATA)
    }


def identity(blob: BlobProperties) -> dict[str, str]:
    """Return the headers that name a state of the blob."""
    return {"ETag": blob.etag, "Last-Modified": format_datetime(blob.modified, usegmt=True)}
