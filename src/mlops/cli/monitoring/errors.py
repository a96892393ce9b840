"""What modelwatch refuses, said in this project's words."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlops.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["explained"]


@contextmanager
def explained() -> Iterator[None]:
    """Turn modelwatch's errors into the project's, with all that they say."""
    from modelwatch.errors import UsageError as WatchUsageError
    from modelwatch.errors import WatchError

    try:
        yield
    except WatchError as error:
        kind = UsageError if isinstance(error, WatchUsageError) else DataError
        raise kind(
            f"{error.what}.",
            where=error.where,
            got=error.got,
            expected=error.expected,
            next_step=error.next_step,
        ) from error
