"""Buffers that are used again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from modelwatch.arrays import FloatArray, IntArray


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
