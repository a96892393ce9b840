"""What each blob request does; authentication and dispatch are in ``routes``."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web

from azureml_local.blobs import conditions, listing
from azureml_local.blobs.transfer import (
    Call,
    body,
    commit,
    identity,
    metadata,
    receive,
    require_container,
    send,
)
from azureml_local.errors import AzureError

if TYPE_CHECKING:
    from azureml_local.blobs.attributes import BlobProperties

# The service's limit for one append block (version 2022-11-02); also bounds the memory of one request.
_LARGEST_APPEND: Final = 100 << 20


async def create_container(call: Call) -> web.StreamResponse:
    """Create Container."""
    if not await asyncio.to_thread(call.blobs.create_container, call.container):
        raise AzureError(409, "ContainerAlreadyExists", "The specified container already exists.")
    return call.answer(201, ETag='"0x1"')


async def container_properties(call: Call) -> web.StreamResponse:
    """Get Container Properties."""
    require_container(call)
    return call.answer(200, ETag='"0x1"', x_ms_lease_state="available", x_ms_lease_status="unlocked")


async def delete_container(call: Call) -> web.StreamResponse:
    """Delete Container."""
    require_container(call)
    await asyncio.to_thread(call.blobs.remove_tree, call.container)
    return call.answer(202)


async def list_blobs(call: Call) -> web.StreamResponse:
    """List Blobs."""
    require_container(call)
    query = call.request.query
    page = await asyncio.to_thread(
        listing.list_page,
        call.blobs,
        call.container,
        prefix=query.get("prefix", ""),
        delimiter=query.get("delimiter", ""),
        marker=query.get("marker", ""),
        limit=int(query.get("maxresults", listing.MOST_RESULTS)),
    )
    with_metadata = "metadata" in query.get("include", "")
    body = listing.to_xml(
        page, storage_url=call.blobs.storage_url, container=call.container, with_metadata=with_metadata
    )
    return web.Response(body=body, headers=call.headers, content_type="application/xml")


async def put_blob(call: Call) -> web.StreamResponse:
    """Put Blob: a block blob with its content, or an empty append blob."""
    kind = call.request.headers.get("x-ms-blob-type", "BlockBlob")
    if kind not in {"BlockBlob", "AppendBlob"} or "x-ms-copy-source" in call.request.headers:
        raise AzureError(
            501, "NotImplemented", "Only block blobs and append blobs are stored, and none copied."
        )
    require_container(call)
    conditions.check_write(call.request.headers, await call.existing())
    with call.blobs.staged() as file:
        size, md5 = await receive(call, file)
        try:
            return await commit(call, file, paid=size, kind=kind, md5=md5)
        except BaseException:
            call.blobs.space.take(-size)
            raise


async def append_block(call: Call) -> web.StreamResponse:
    """Append Block."""
    known = await call.required()
    if known.kind != "AppendBlob":
        raise AzureError(409, "InvalidBlobType", "The blob type is invalid for this operation.")
    conditions.check_write(call.request.headers, known)
    position = call.request.headers.get("x-ms-blob-condition-appendpos")
    if position is not None and int(position) != known.size:
        raise AzureError(412, "AppendPositionConditionNotMet", f"The blob is {known.size} bytes long.")
    content = await body(call, _LARGEST_APPEND)
    offset = await asyncio.to_thread(call.blobs.append, call.container, call.blob, content)
    after = await call.required()
    return call.answer(201, **identity(after), x_ms_blob_append_offset=str(offset))


async def set_metadata(call: Call) -> web.StreamResponse:
    """Set Blob Metadata."""
    conditions.check_write(call.request.headers, await call.required())
    after = await asyncio.to_thread(call.blobs.set_metadata, call.container, call.blob, metadata(call))
    return call.answer(200, **identity(after))


async def delete_blob(call: Call) -> web.StreamResponse:
    """Delete Blob."""
    conditions.check_write(call.request.headers, await call.required())
    await asyncio.to_thread(call.blobs.delete, call.container, call.blob)
    return call.answer(202, x_ms_delete_type_permanent="true")


async def blob_properties(call: Call) -> web.StreamResponse:
    """Get Blob Properties."""
    known = await call.required()
    conditions.check_read(call.request.headers, known)
    length = {hdrs.CONTENT_LENGTH: str(known.size)}
    return web.Response(status=200, headers=call.headers | _shown(known) | length)


async def get_blob(call: Call) -> web.StreamResponse:
    """Get Blob, whole or a range."""
    known = await call.required()
    conditions.check_read(call.request.headers, known)
    stream = await asyncio.to_thread(call.blobs.path(call.container, call.blob).open, "rb")
    try:
        asked = conditions.byte_range(call.request.headers, known.size)
        start, end = asked or (0, known.size)
        headers = call.headers | _shown(known)
        if asked:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{known.size}"
            # Of the whole blob, as the service names it beside a range.
            headers["x-ms-blob-content-md5"] = headers.pop("Content-MD5", "")
        await asyncio.to_thread(stream.seek, start)
        if call.request.headers.get("x-ms-range-get-content-md5") == "true" and end - start <= 4 << 20:
            piece = await asyncio.to_thread(stream.read, end - start)
            headers["Content-MD5"] = base64.b64encode(
                hashlib.md5(piece, usedforsecurity=False).digest()
            ).decode()
            await asyncio.to_thread(stream.seek, start)
        response = web.StreamResponse(status=206 if asked else 200, headers=headers)
        response.content_length = end - start
        await response.prepare(call.request)
        await send(response, stream, end - start)
    finally:
        stream.close()
    await response.write_eof()
    return response


def _shown(blob: BlobProperties) -> dict[str, str]:
    headers = identity(blob) | {
        hdrs.CONTENT_TYPE: blob.content_type,
        "Accept-Ranges": "bytes",
        "x-ms-blob-type": blob.kind,
        "x-ms-creation-time": format_datetime(blob.modified, usegmt=True),
        "x-ms-lease-state": "available",
        "x-ms-lease-status": "unlocked",
        "x-ms-server-encrypted": "true",
    }
    if blob.content_md5:
        headers["Content-MD5"] = blob.content_md5
    return headers | {f"x-ms-meta-{name}": value for name, value in blob.metadata.items()}
