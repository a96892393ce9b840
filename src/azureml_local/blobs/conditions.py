"""Conditional headers and byte ranges of blob requests."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from azureml_local.errors import AzureError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from azureml_local.blobs.attributes import BlobProperties

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


def check_write(headers: Mapping[str, str], existing: BlobProperties | None) -> None:
    """Refuse a write whose conditions do not hold.

    Raises
    ------
    AzureError
        409 ``BlobAlreadyExists`` for ``If-None-Match: *``, 412 ``ConditionNotMet`` otherwise.
    """
    if existing and headers.get("If-None-Match") == "*":
        raise AzureError(409, "BlobAlreadyExists", "The specified blob already exists.")
    wanted = headers.get("If-Match")
    if (wanted and (existing is None or wanted not in {"*", existing.etag})) or (
        existing and not _unchanged(headers, existing)
    ):
        raise _not_met(412)


def check_read(headers: Mapping[str, str], blob: BlobProperties) -> None:
    """Refuse a read whose conditions do not hold: 412, or 304 when the reader has the content already."""
    if headers.get("If-Match") not in {None, "*", blob.etag} or not _unchanged(headers, blob):
        raise _not_met(412)
    since = headers.get("If-Modified-Since")
    if headers.get("If-None-Match") in {"*", blob.etag} or (
        since and blob.modified <= parsedate_to_datetime(since)
    ):
        raise _not_met(304)


def byte_range(headers: Mapping[str, str], size: int) -> tuple[int, int] | None:
    """Return the first byte and the one after the last that a request asks for; None for all.

    Raises
    ------
    AzureError
        416 ``InvalidRange`` when the range begins after the end; every range of an empty blob does.
    """
    text = headers.get("x-ms-range") or headers.get("Range")
    match = _RANGE.fullmatch(text) if text else None
    if match is None:
        return None
    start = int(match[1])
    if start >= size:
        raise AzureError(
            416, "InvalidRange", "The range specified is invalid for the current size of the resource."
        )
    return start, min(int(match[2]) + 1, size) if match[2] else size


def _unchanged(headers: Mapping[str, str], blob: BlobProperties) -> bool:
    since = headers.get("If-Unmodified-Since")
    return not since or blob.modified <= parsedate_to_datetime(since)


def _not_met(status: int) -> AzureError:
    message = "The condition specified using HTTP conditional header(s) is not met."
    return AzureError(status, "ConditionNotMet", message)
