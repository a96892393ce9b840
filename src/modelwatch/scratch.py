"""Buffers that are used again and again."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelwatch.arrays import FloatArray, IntArray

# Rows counted at once: their positions take a quarter of a megabyte, which the cache holds.
CACHED = 1 << 15


class Scratch:
    """Buffers that one thread reuses from block to block; fresh pages cost more than the counting."""

    def __init__(self) -> None:
        self._index = np.empty(0, dtype=np.int64)
        self._double = np.empty(0, dtype=np.float64)

    def index(self, size: int) -> IntArray:
        """Return an int64 buffer of shape ``(size,)``."""
        if self._index.size < size:
            self._index = np.empty(size, dtype=np.int64)
        return self._index[:size]

    def double(self, size: int) -> FloatArray:
        """Return a float64 buffer of shape ``(size,)``."""
        if self._double.size < size:
            self._double = np.empty(size, dtype=np.float64)
        return self._double[:size]

    def blocks(self, size: int, nulls: IntArray | None) -> Iterator[tuple[slice, IntArray, IntArray | None]]:
        """Yield which rows come next, an int64 buffer as long, and which of its places are null.

        Parameters
        ----------
        size
            Rows in all.
        nulls
            Ascending positions of the nulls, or None.
        """
        starts = range(0, size, CACHED)
        index = self.index(min(size, CACHED))
        if nulls is None:
            for begin in starts:
                rows = slice(begin, min(begin + CACHED, size))
                yield rows, index[: rows.stop - begin], None
            return
        ends = [*starts, size]
        cuts = np.searchsorted(nulls, ends)
        for (begin, end), (first, last) in zip(pairwise(ends), pairwise(cuts), strict=True):
            yield slice(begin, end), index[: end - begin], nulls[first:last] - begin
