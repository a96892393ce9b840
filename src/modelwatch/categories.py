"""Mergeable counts of a column of categories, bounded however many there are.

Up to `LIMIT` categories are counted one by one. Beyond, those with the smallest hashes stay: a choice that
depends on the set of categories alone, so that merging stays exact, associative and commutative, and every
category kept has its true count. The largest hash kept then estimates how many categories there are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from modelwatch.arrays import AnyArray

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
    """Counts of one column of categories, fed block by block."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._overflow = 0
        self._horizon: int | None = None

    def add(self, array: pa.Array) -> None:
        """Count a string array, plain or dictionary-encoded; nulls are passed over."""
        import pyarrow as pa  # noqa: PLC0415

        encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
        indices, dictionary = encoded.indices, encoded.dictionary
        if indices.null_count:
            indices = indices.drop_null()
        counts = np.bincount(indices.to_numpy(zero_copy_only=False), minlength=len(dictionary))
        self.add_counts(dictionary, counts)

    def add_counts(self, names: pa.Array, counts: AnyArray) -> None:
        """Add ``counts`` (shape ``(d,)``) rows of each of ``names``; names may repeat."""
        if self._horizon is not None:
            texts = np.array([_shortened(name) for name in names.to_pylist()], dtype=object)
            near = hashes(texts) <= self._horizon if len(texts) else np.zeros(0, dtype=np.bool_)
            self._overflow += int(counts[~near].sum())
            pairs = zip(texts[near].tolist(), counts[near].tolist(), strict=True)
        else:
            pairs = zip(names.to_pylist(), counts.tolist(), strict=True)
        for raw, rows in pairs:
            if rows:
                name = raw if len(raw) <= LONGEST else _shortened(raw)
                self._counts[name] = self._counts.get(name, 0) + rows
        if len(self._counts) > 2 * LIMIT:
            self._bound()

    def result(self) -> CategoryCounts:
        """Return all that was counted."""
        return bounded(self._counts, self._overflow)

    def _bound(self) -> None:
        kept = bounded(self._counts, self._overflow)
        self._counts, self._overflow = dict(kept.counts), kept.overflow
        self._horizon = int(hashes(list(self._counts)).max())


def _shortened(name: str) -> str:
    if len(name) <= LONGEST:
        return name
    return f"{name[:_PREFIX]}…#{int(hashes([name])[0]):016x}"
