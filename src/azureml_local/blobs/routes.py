"""The Blob REST requests that azure-storage-blob and azure-ai-ml send, over aiohttp.

Contents stream through in pieces, whatever their size; every touch of the disk runs in a thread.
"""

from __future__ import annotations

import asyncio
import uuid
from email.utils import formatdate
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

from aiohttp import hdrs, web

from azureml_local.blobs import blocks, operations, sas
from azureml_local.blobs.transfer import Call
from azureml_local.errors import AzureError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from azureml_local.blobs.store import BlobStore

    VerifyToken = Callable[[str], None]
    Operation = Callable[[Call], Awaitable[web.StreamResponse]]

# (method, comp parameter) -> what it does and the permissions of which it needs one.
_CONTAINER: Final[dict[tuple[str, str], tuple[Operation, str]]] = {
    (hdrs.METH_PUT, ""): (operations.create_container, "c"),
    (hdrs.METH_GET, ""): (operations.container_properties, "rl"),
    (hdrs.METH_HEAD, ""): (operations.container_properties, "rl"),
    (hdrs.METH_GET, "list"): (operations.list_blobs, "l"),
    (hdrs.METH_DELETE, ""): (operations.delete_container, "d"),
}
_BLOB: Final[dict[tuple[str, str], tuple[Operation, str]]] = {
    (hdrs.METH_PUT, ""): (operations.put_blob, "cw"),
    (hdrs.METH_PUT, "block"): (blocks.put_block, "cw"),
    (hdrs.METH_PUT, "blocklist"): (blocks.put_block_list, "cw"),
    (hdrs.METH_PUT, "appendblock"): (operations.append_block, "aw"),
    (hdrs.METH_PUT, "metadata"): (operations.set_metadata, "w"),
    (hdrs.METH_GET, ""): (operations.get_blob, "r"),
    (hdrs.METH_HEAD, ""): (operations.blob_properties, "r"),
    (hdrs.METH_DELETE, ""): (operations.delete_blob, "d"),
}


def add_routes(app: web.Application, blobs: BlobStore, *, verify_token: VerifyToken) -> None:
    """Serve an account below ``/<account>/``.

    Parameters
    ----------
    verify_token
        Called with a bearer token; raises :class:`AzureError` when it is not valid.
    """

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            response = await _dispatch(request, blobs, verify_token)
        except AzureError as error:
            response = _refusal(request, error)
        return response

    app.router.add_route("*", f"/{blobs.account}/{{container}}", handle)
    app.router.add_route("*", f"/{blobs.account}/{{container}}/{{blob:.*}}", handle)


def standard_headers(request: web.BaseRequest) -> dict[str, str]:
    """Return the headers that every answer of the service carries."""
    headers = {
        "x-ms-request-id": str(uuid.uuid4()),
        "x-ms-version": request.headers.get("x-ms-version", sas.VERSION),
        "Date": formatdate(usegmt=True),
    }
    echoed = request.headers.get("x-ms-client-request-id")
    return headers | ({"x-ms-client-request-id": echoed} if echoed else {})


async def _dispatch(request: web.Request, blobs: BlobStore, verify: VerifyToken) -> web.StreamResponse:
    container, blob = request.match_info["container"], request.match_info.get("blob", "")
    table = _BLOB if blob else _CONTAINER
    known = table.get((request.method, request.query.get("comp", "")))
    if known is None or (not blob and request.query.get("restype") != "container"):
        what = f"{request.method} comp='{request.query.get('comp', '')}'"
        raise AzureError(501, "NotImplemented", f"This storage service does not have {what}.")
    operation, permissions = known
    _authorize(request, blobs, verify, permissions)
    # Names are checked before anything touches the disk.
    await asyncio.to_thread(blobs.path, container, blob)
    return await operation(Call(request, blobs, container, blob, standard_headers(request)))


def _authorize(request: web.Request, blobs: BlobStore, verify: VerifyToken, permissions: str) -> None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        verify(token)
    elif "sig" in request.query:
        sas.check(
            request.query,
            account=blobs.account,
            key=blobs.key,
            container=request.match_info["container"],
            blob=request.match_info.get("blob", ""),
            permissions=permissions,
        )
    else:
        raise AzureError(
            401,
            "NoAuthenticationInformation",
            "Server failed to authenticate the request. Send a shared access signature or a bearer token.",
        )


def _refusal(request: web.Request, error: AzureError) -> web.Response:
    body = (
        f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{escape(error.code)}</Code>'
        f"<Message>{escape(error.message)}</Message></Error>"
    )
    headers = standard_headers(request) | {"x-ms-error-code": error.code}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if error.status == 304 or request.method == hdrs.METH_HEAD:
        return web.Response(status=error.status, headers=headers)
    return web.Response(status=error.status, headers=headers, text=body, content_type="application/xml")
