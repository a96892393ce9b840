"""Mergeable counts of a column of categories, bounded however many there are.

Up to `LIMIT` categories are counted one by one. Beyond, those with the smallest hashes stay: a choice that
depends on the set of categories alone, so that merging stays exact, associative and commutative, and every
category kept has its true count. The largest hash kept then estimates how many categories there are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from modelwatch.columns import null_positions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelwatch.arrays import AnyArray, IntArray
    from modelwatch.scratch import Scratch

LIMIT = 1 << 14
# Free text is told apart by its beginning and its hash: a profile is no place for documents.
LONGEST = 200
_PREFIX = 64


@dataclass(frozen=True, slots=True)
class CategoryCounts:
    """Rows a category.

    Attributes
    ----------
    counts
        At most `LIMIT` categories with their exact counts.
    overflow
        Rows of the categories that were not kept.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    overflow: int = 0

    @property
    def total(self) -> int:
        """Rows counted."""
        return sum(self.counts.values()) + self.overflow

    @property
    def distinct(self) -> float:
        """Number of categories; with overflow, an estimate of about 1 % standard error."""
        if not self.overflow:
            return float(len(self.counts))
        share = float(hashes(list(self.counts)).max()) / 2.0**64
        return (len(self.counts) - 1) / share

    def merge(self, other: CategoryCounts) -> CategoryCounts:
        """Return the counts of both together."""
        counts = dict(self.counts)
        for name, rows in other.counts.items():
            counts[name] = counts.get(name, 0) + rows
        return bounded(counts, self.overflow + other.overflow)


def bounded(counts: Mapping[str, int], overflow: int) -> CategoryCounts:
    """Return ``counts`` reduced to the `LIMIT` categories of smallest hash, in the order of their names."""
    names = list(counts)
    if len(names) > LIMIT:
        order = np.argsort(hashes(names), kind="stable")[:LIMIT]
        kept = sorted(names[position] for position in order)
        result = {name: counts[name] for name in kept}
        return CategoryCounts(result, overflow + sum(counts.values()) - sum(result.values()))
    return CategoryCounts({name: counts[name] for name in sorted(names)}, overflow)


def hashes(names: Sequence[str] | AnyArray) -> AnyArray:
    """Return a 64-bit hash of each text, the same in every process and version."""
    from pandas.util import hash_array  # noqa: PLC0415  (only columns with many categories need it)

    texts = np.empty(len(names), dtype=object)
    texts[:] = names
    return np.asarray(hash_array(texts, categorize=False))


class CategoryCounter:
    """Counts of one column of categories, fed block by block.

    Each block has a dictionary of its own. They wait together, so that their names are matched by Arrow in
    one go rather than one by one in Python.
    """

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._counts: dict[str, int] = {}
        self._overflow = 0
        self._horizon: int | None = None
        self._waiting: list[tuple[pa.Array, IntArray]] = []
        self._waiting_names = 0

    def add(self, array: pa.Array) -> None:
        """Count a string array, plain or dictionary-encoded; nulls are passed over."""
        encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
        names = encoded.dictionary
        counts = np.zeros(len(names), dtype=np.int64)
        indices = encoded.indices
        codes = _codes(indices)
        for rows, index, holes in self._scratch.blocks(
            codes.size, null_positions(indices) if indices.null_count else None
        ):
            index[:] = codes[rows]
            if holes is not None:
                # Under a null any number may stand.
                index[holes] = 0
            np.add.at(counts, index, 1)
        if indices.null_count:
            counts[0] -= indices.null_count
        self._waiting.append((names if pa.types.is_string(names.type) else names.cast(pa.string()), counts))
        self._waiting_names += len(names)
        if self._waiting_names > 8 * LIMIT:
            self._settle()

    def result(self) -> CategoryCounts:
        """Return all that was counted."""
        self._settle()
        return bounded(self._counts, self._overflow)

    def _settle(self) -> None:
        """Add up what waits, and keep no more categories than the limit allows."""
        if not self._waiting:
            return
        # Arrow unifies dictionaries; encoding their names anew would import its compute functions first.
        chunks = pa.chunked_array(_numbered(names) for names, _ in self._waiting).unify_dictionaries()
        names = chunks.chunk(0).dictionary
        totals = np.zeros(len(names), dtype=np.int64)
        for chunk, (_, counts) in zip(chunks.chunks, self._waiting, strict=True):
            np.add.at(totals, _codes(chunk.indices), counts)
        self._waiting, self._waiting_names = [], 0
        self._add(names, totals)

    def _add(self, names: pa.Array, counts: IntArray) -> None:
        raw = names.to_pylist()
        texts = raw if max(map(len, raw), default=0) <= LONGEST else [shortened(name) for name in raw]
        if self._horizon is not None:
            near = hashes(texts) <= self._horizon
            self._overflow += int(counts[~near].sum())
            texts, counts = [texts[position] for position in np.flatnonzero(near)], counts[near]
        known = self._counts
        for name, rows in zip(texts, counts.tolist(), strict=True):
            if rows:
                known[name] = known.get(name, 0) + rows
        if len(self._counts) > 2 * LIMIT:
            kept = bounded(self._counts, self._overflow)
            self._counts, self._overflow = dict(kept.counts), kept.overflow
            self._horizon = int(hashes(list(self._counts)).max())


def _numbered(names: pa.Array) -> pa.DictionaryArray:
    """Return each name once, encoded (`pyarrow.array` would import pandas to look at a NumPy array)."""
    numbers = pa.py_buffer(np.arange(len(names), dtype=np.int32))
    return pa.DictionaryArray.from_arrays(
        pa.Array.from_buffers(pa.int32(), len(names), [None, numbers]), names
    )


def _codes(indices: pa.Array) -> AnyArray:
    """Return the buffer of a dictionary array's indices as int32."""
    if not pa.types.is_int32(indices.type):
        indices = indices.cast(pa.int32())
    return np.frombuffer(indices.buffers()[1], dtype=np.int32)[indices.offset :][: len(indices)]


def shortened(name: str) -> str:
    """Return a category by which a profile knows it: long texts by their beginning and hash."""
    if len(name) <= LONGEST:
        return name
    return f"{name[:_PREFIX]}…#{int(hashes([name])[0]):016x}"
