"""How much may be stored: the quota of the account, and the disk's own end."""

from __future__ import annotations

import errno
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from azureml_local.errors import AzureError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Space:
    """Counts the bytes that are stored, and refuses those that do not fit."""

    def __init__(self, quota_bytes: int | None, used: int = 0) -> None:
        self._quota = quota_bytes
        self._used = used
        self._lock = threading.Lock()

    @property
    def used(self) -> int:
        """Bytes that are stored, staged blocks included."""
        return self._used

    def take(self, size: int) -> None:
        """Count `size` more bytes, or fewer when negative.

        Raises
        ------
        AzureError
            413 when they do not fit. Not a 5xx, which clients of the service retry for a minute, and not
            a 409, which they take for "exists already".
        """
        with self._lock:
            if size > 0 and self._quota is not None and self._used + size > self._quota:
                raise _full(
                    f"The account holds {self._used} of {self._quota} bytes; {size} more do not fit. "
                    "Nothing was changed: delete blobs, or raise the quota, and repeat the request."
                )
            self._used = max(0, self._used + size)

    @contextmanager
    def disk(self) -> Iterator[None]:
        """Turn the operating system's "no space left" into the error that the quota gives."""
        try:
            yield
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise _full(
                    "The disk below the account is full. Nothing was changed: free space and repeat."
                ) from error
            raise


def _full(detail: str) -> AzureError:
    return AzureError(413, "StorageAccountCapacityExceeded", f"The storage account is full. {detail}")
