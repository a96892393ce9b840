from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azureml_local.blobs import BlobStore
from azureml_local.endpoints.append_log import AppendLog, repair
from azureml_local.errors import AzureError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.azureml_local.endpoints.conftest import Workspace


def small_blobs(workspace: Workspace, quota: int) -> BlobStore:
    return BlobStore(
        workspace.home / "small",
        workspace.store,
        account="a",
        key="a2V5",
        base_url="http://x",
        quota_bytes=quota,
    )


def test_lines_are_written_soon_and_in_order(workspace: Workspace) -> None:
    async def main() -> None:
        log = AppendLog(workspace.blobs)
        log.start()
        for number in range(100):
            log.add("data", f"f{number % 2}.jsonl", b"%d\n" % number)
            await asyncio.sleep(0.003)
        path = workspace.blobs.path("data", "f0.jsonl")
        await workspace.eventually(lambda: path.exists() and path.read_bytes().endswith(b"98\n"))
        assert path.read_bytes() == b"".join(b"%d\n" % number for number in range(0, 100, 2))
        await log.close()

    asyncio.run(main())


def test_a_stop_writes_what_is_pending(workspace: Workspace) -> None:
    async def main() -> None:
        log = AppendLog(workspace.blobs)
        log.start()
        log.add("data", "f.jsonl", b"1\n")
        await log.close()

    asyncio.run(main())
    assert workspace.blobs.path("data", "f.jsonl").read_bytes() == b"1\n"


def test_when_the_quota_is_full_lines_wait_and_none_is_lost(workspace: Workspace) -> None:
    blobs = small_blobs(workspace, quota=10)

    async def main() -> None:
        log = AppendLog(blobs)
        log.add("data", "a.jsonl", b"12345\n")
        await log.flush()
        log.add("data", "a.jsonl", b"abcdef\n")
        with pytest.raises(AzureError):
            await log.flush()
        log.add("data", "a.jsonl", b"gh\n")
        blobs.space.take(-6)
        await log.flush()

    asyncio.run(main())
    assert blobs.path("data", "a.jsonl").read_bytes() == b"12345\nabcdef\ngh\n"


def test_a_full_disk_leaves_no_torn_line(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    whole_write = os.write
    broken = True

    def write(descriptor: int, content: bytes) -> int:
        if not broken:
            return whole_write(descriptor, content)
        if len(content) > 3:
            return whole_write(descriptor, bytes(content)[:3])
        raise OSError(errno.ENOSPC, "No space left on device")

    async def main() -> None:
        nonlocal broken
        log = AppendLog(workspace.blobs)
        log.add("data", "a.jsonl", b"12345\n")
        monkeypatch.setattr(os, "write", write)
        with pytest.raises(AzureError, match="full"):
            await log.flush()
        assert workspace.blobs.path("data", "a.jsonl").read_bytes() == b""
        broken = False
        await log.flush()

    asyncio.run(main())
    assert workspace.blobs.path("data", "a.jsonl").read_bytes() == b"12345\n"


def test_too_much_that_waits_is_not_taken(workspace: Workspace) -> None:
    async def main() -> None:
        log = AppendLog(workspace.blobs)
        log.add("data", "a", b"x" * 65 * 1024 * 1024)
        assert log.full
        await log.close()
        assert not log.full

    asyncio.run(main())


@given(
    st.lists(st.binary(max_size=40).map(lambda text: text.replace(b"\n", b"")), max_size=5),
    st.integers(0, 300),
)
def test_repair_keeps_exactly_the_whole_lines(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], kept: int
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    content = b"".join(line + b"\n" for line in lines)[:kept]
    (folder / "f.jsonl").write_bytes(content)
    torn = repair(folder)
    whole = content[: content.rfind(b"\n") + 1]
    assert (folder / "f.jsonl").read_bytes() == whole
    assert torn == (content != whole)


def test_repair_looks_into_every_period_and_at_long_lines(tmp_path: Path) -> None:
    for hour in ("01", "02"):
        (tmp_path / hour).mkdir()
        (tmp_path / hour / "f.jsonl").write_bytes(b"whole\n" + b"x" * 200_000)
    (tmp_path / "01" / "payload").write_bytes(b"no line")
    assert repair(tmp_path) == 2
    assert (tmp_path / "02" / "f.jsonl").read_bytes() == b"whole\n"
    assert (tmp_path / "01" / "payload").read_bytes() == b"no line"
    assert repair(tmp_path / "nothing here") == 0
