"""Large uploads: blocks arrive one by one, and a list makes a blob of them."""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
from typing import TYPE_CHECKING, Final

from azureml_local.blobs import conditions
from azureml_local.blobs.transfer import Call, body, commit, receive, require_container
from azureml_local.errors import AzureError

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

_LARGEST_BLOCK_LIST: Final = 8 << 20
_BLOCK: Final = re.compile(r"<(?:Latest|Committed|Uncommitted)>([^<]*)</(?:Latest|Committed|Uncommitted)>")


async def put_block(call: Call) -> web.StreamResponse:
    """Put Block: keep a piece until the list that names it arrives."""
    require_container(call)
    block = _block_file(call, call.request.query.get("blockid", ""))
    with call.blobs.staged() as file:
        try:
            size, _ = await receive(call, file)
        except AzureError:
            # The upload cannot be finished any more: its other blocks would only take up room.
            await asyncio.to_thread(_drop_blocks, call, 0)
            raise
        block.parent.mkdir(parents=True, exist_ok=True)
        if block.exists():
            call.blobs.space.take(-block.stat().st_size)
        await asyncio.to_thread(file.replace, block)
    return call.answer(201, x_ms_request_server_encrypted="true", x_ms_block_length=str(size))


async def put_block_list(call: Call) -> web.StreamResponse:
    """Put Block List: make a blob of blocks that arrived before."""
    require_container(call)
    conditions.check_write(call.request.headers, await call.existing())
    text = (await body(call, _LARGEST_BLOCK_LIST)).decode()
    blocks = [_block_file(call, name) for name in _BLOCK.findall(text)]
    if missing := [block for block in blocks if not block.is_file()]:
        raise AzureError(400, "InvalidBlockList", f"{len(missing)} blocks of the list were never put.")
    with call.blobs.staged() as file:
        paid = await asyncio.to_thread(_join, blocks, file)
        response = await commit(call, file, paid=paid, kind="BlockBlob", md5=None)
    await asyncio.to_thread(_drop_blocks, call, paid)
    return response


def _block_file(call: Call, block_id: str) -> Path:
    """Return where a block waits: in a folder of the blob, named by digests since ids are free text."""
    blob = hashlib.sha256(f"{call.container}/{call.blob}".encode()).hexdigest()
    return call.blobs.staging / f"{blob}.blocks" / hashlib.sha256(block_id.encode()).hexdigest()


def _join(blocks: list[Path], file: Path) -> int:
    """Write the blocks one after the other; return the bytes of them that were counted when they arrived."""
    with file.open("wb") as target:
        for block in blocks:
            with block.open("rb") as source:
                shutil.copyfileobj(source, target)
    return sum(block.stat().st_size for block in set(blocks))


def _drop_blocks(call: Call, used: int) -> None:
    """Drop all blocks of the blob: those of the list became the blob, the service discards the others."""
    folder = _block_file(call, "").parent
    for block in folder.glob("*"):
        call.blobs.space.take(-block.stat().st_size)
        block.unlink()
    call.blobs.space.take(used)
    if folder.is_dir():
        folder.rmdir()
