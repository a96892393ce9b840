"""Listing the blobs of a container: prefix, delimiter and pages, in the service's order."""

from __future__ import annotations

import os
from dataclasses import dataclass
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azureml_local.blobs.attributes import BlobProperties
    from azureml_local.blobs.store import BlobStore

# What the service returns at most in one page.
MOST_RESULTS: Final = 5000


@dataclass(frozen=True, slots=True)
class BlobPage:
    """One page: blobs, common prefixes (with a delimiter), and where the next page begins, if anywhere."""

    blobs: tuple[BlobProperties, ...]
    prefixes: tuple[str, ...]
    next_marker: str


def list_page(
    blobs: BlobStore,
    container: str,
    *,
    prefix: str = "",
    delimiter: str = "",
    marker: str = "",
    limit: int = MOST_RESULTS,
) -> BlobPage:
    """Return one page of a container's blobs, ordered by name as the service orders them."""
    root = blobs.path(container)
    entries = _collapse(sorted(_names(root, prefix)), prefix, delimiter)
    remaining = [name for name in entries if name >= marker]
    page = remaining[: max(1, min(limit, MOST_RESULTS))]
    names = [name for name in page if not (delimiter and name.endswith(delimiter))]
    return BlobPage(
        tuple(blobs.attributes.describe(container, {name: root / name for name in names})),
        tuple(name for name in page if delimiter and name.endswith(delimiter)),
        remaining[len(page)] if len(remaining) > len(page) else "",
    )


def _names(root: Path, prefix: str) -> Iterator[str]:
    # Only the folder that the prefix names can hold what begins with it.
    folder = root / prefix.rpartition("/")[0]
    if ".." in prefix.split("/"):
        return
    for parent, _, files in os.walk(folder):
        for file in files:
            name = Path(parent, file).relative_to(root).as_posix()
            if name.startswith(prefix):
                yield name


def _collapse(names: list[str], prefix: str, delimiter: str) -> list[str]:
    if not delimiter:
        return names
    collapsed: dict[str, None] = {}
    for name in names:
        head, found, _ = name[len(prefix) :].partition(delimiter)
        collapsed[prefix + head + found] = None
    return list(collapsed)


def to_xml(page: BlobPage, *, storage_url: str, container: str, with_metadata: bool) -> bytes:
    """Return a page as the service sends it."""
    blobs = "".join(_blob(blob, with_metadata=with_metadata) for blob in page.blobs)
    prefixes = "".join(f"<BlobPrefix><Name>{escape(name)}</Name></BlobPrefix>" for name in page.prefixes)
    attributes = f'ServiceEndpoint="{escape(storage_url)}/" ContainerName="{escape(container)}"'
    return (
        f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults {attributes}>'
        f"<Blobs>{blobs}{prefixes}</Blobs><NextMarker>{escape(page.next_marker)}</NextMarker></EnumerationResults>"
    ).encode()


def _blob(blob: BlobProperties, *, with_metadata: bool) -> str:
    modified = format_datetime(blob.modified, usegmt=True)
    properties = {
        "Creation-Time": modified,
        "Last-Modified": modified,
        "Etag": blob.etag.strip('"'),
        "Content-Length": str(blob.size),
        "Content-Type": blob.content_type,
        "Content-MD5": blob.content_md5 or "",
        "BlobType": blob.kind,
        "AccessTier": "Hot",
        "LeaseStatus": "unlocked",
        "LeaseState": "available",
        "ServerEncrypted": "true",
    }
    listed = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in properties.items())
    metadata = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in blob.metadata.items())
    shown = f"<Metadata>{metadata}</Metadata>" if with_metadata else ""
    return f"<Blob><Name>{escape(blob.name)}</Name><Properties>{listed}</Properties>{shown}</Blob>"
