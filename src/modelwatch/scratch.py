"""Buffers that are used again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from modelwatch.arrays import AnyArray, FloatArray, IntArray

# Rows counted at once: their positions take a quarter of a megabyte.
CACHED = 1 << 15


class Scratch:
    """Buffers that one thread reuses from block to block; fresh pages cost more than the counting."""

    def __init__(self) -> None:
        self._single = np.empty(0, dtype=np.float32)
        self._index = np.empty(0, dtype=np.int64)
        self._double = np.empty(0, dtype=np.float64)

    def single(self, size: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        """Return a float32 buffer of shape ``(size,)``."""
        if self._single.size < size:
            self._single = np.empty(size, dtype=np.float32)
        return self._single[:size]

    def code(self, size: int) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        """Return an int32 buffer of shape ``(size,)``, the memory of `single`."""
        return self.single(size).view(np.int32)

    def index(self, size: int) -> IntArray:
        """Return an int64 buffer of shape ``(size,)``."""
        if self._index.size < size:
            self._index = np.empty(size, dtype=np.int64)
        return self._index[:size]

    def tally(self, table: IntArray, codes: AnyArray) -> None:
        """Add to ``table`` how often each of its positions occurs in ``codes``, shape ``(n,)``.

        `numpy.add.at` needs int64 positions: so many are made at a time as leave the cache some room.
        """
        index = self.index(min(codes.size, CACHED))
        for begin in range(0, codes.size, CACHED):
            part = codes[begin : begin + CACHED]
            held = index[: part.size]
            held[:] = part
            np.add.at(table, held, 1)

    def double(self, size: int) -> FloatArray:
        """Return a float64 buffer of shape ``(size,)``."""
        if self._double.size < size:
            self._double = np.empty(size, dtype=np.float64)
        return self._double[:size]
