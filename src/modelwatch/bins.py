"""Bins for comparing two number columns: Azure ML's equal widths, and baseline quantiles with atoms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from modelwatch.cells import edges_of

if TYPE_CHECKING:
    from modelwatch.arrays import FloatArray, IntArray
    from modelwatch.cells import AlignedCells, Cells

# Deciles are the field's habit; ten baseline rows a bin keep small baselines from inventing structure.
QUANTILE_BINS = 10
ROWS_PER_BIN = 10


def equal_width_edges(low: float, high: float, smaller_side: int) -> FloatArray:
    """Return Azure ML's edges: ceil(log2(min(n, m)) + 1) bins from ``low`` to ``high`` of both samples.

    A single value v gets one bin of half-width 0.005 |v|, or 0.005 around 0.
    """
    if low == high:
        half = 0.005 * abs(low) or 0.005
        return np.array([low - half, low + half])
    bins = math.ceil(math.log2(smaller_side) + 1)
    # Scaling before subtracting keeps a range wider than the largest float finite.
    edges = low + np.arange(bins + 1) * ((high / bins) - (low / bins))
    edges[-1] = high
    return np.asarray(edges, dtype=np.float64)


class BinnedCounts(NamedTuple):
    """Counts per bin, shape ``(k,)``, and the rows each might be off by because cells straddle an edge."""

    counts: FloatArray
    uncertain: FloatArray


def count_between(cells: Cells, edges: FloatArray) -> BinnedCounts:
    """Count rows in bins closed on the left, the last one on both sides; every row lies within the edges.

    Cells of several values are spread evenly, and what they might add to or take from a bin is reported.
    """
    lower, upper = cells.edges()
    inner = edges[1:-1]
    below = np.concatenate([[0], np.cumsum(cells.counts)]).astype(np.float64)
    position = np.searchsorted(lower, inner, side="left")
    at_edge = below[position]
    doubt = np.zeros(inner.size)
    if cells.shift:
        # The cell before `position` starts below the edge; it straddles where it also ends above.
        previous = np.maximum(position - 1, 0)
        width = upper[previous] - lower[previous]
        straddles = (position > 0) & (upper[previous] > inner)
        fraction = np.where(straddles, (inner - lower[previous]) / np.where(width > 0, width, 1.0), 1.0)
        mass = cells.counts[previous]
        at_edge = at_edge - np.where(straddles, (1 - fraction) * mass, 0.0)
        doubt = np.where(straddles, np.maximum(fraction, 1 - fraction) * mass, 0.0)
    cumulative = np.concatenate([[0.0], at_edge, [below[-1]]])
    doubts = np.concatenate([[0.0], doubt, [0.0]])
    return BinnedCounts(np.diff(cumulative), doubts[1:] + doubts[:-1])


class QuantileBins(NamedTuple):
    """Bins made of whole cells: bin j holds the cells from ``starts[j - 1]`` up to ``starts[j]``.

    ``starts`` (shape ``(k - 1,)``) holds signed cell keys at ``shift``; the first and last bin reach to
    infinity. ``edges`` are the numbers at which those cells begin.
    """

    shift: int
    starts: IntArray
    edges: FloatArray

    def bin_of(self, keys: IntArray) -> IntArray:
        """Return the bin of each cell."""
        return np.searchsorted(self.starts, keys, side="right").astype(np.int64)


def quantile_bins(pair: AlignedCells, bins: int = QUANTILE_BINS) -> QuantileBins:
    """Return bins of about equal mass of the baseline, frozen with it.

    A value (cell) with more mass than one bin is an atom - a spike at zero, a default, a cap - and becomes a
    bin of its own; what lies between atoms is cut at its quantiles, at the cell boundary nearest to each.
    """
    held = pair.baseline > 0
    keys, counts = pair.keys[held], pair.baseline[held]
    total = int(counts.sum())
    bins = max(2, min(bins, total // ROWS_PER_BIN))
    target = total / bins
    atoms = np.flatnonzero((counts > target) & (counts > 1))
    starts: list[int] = []
    begin = 0
    for atom in [*atoms.tolist(), keys.size]:
        starts += _cuts(keys[begin:atom], counts[begin:atom], target)
        if atom < keys.size:
            starts += [int(keys[atom]), int(keys[atom]) + 1]
        begin = atom + 1
    unique = np.array(sorted(set(starts)), dtype=np.int64)
    return QuantileBins(pair.shift, unique, edges_of(unique, pair.shift)[0])


def _cuts(keys: IntArray, counts: IntArray, target: float) -> list[int]:
    """Return the cells that begin the second and later bins of one stretch without atoms."""
    parts = round(counts.sum() / target) if keys.size else 0
    if parts < 2:
        return []
    cumulative = np.cumsum(counts)
    wanted = cumulative[-1] * np.arange(1, parts) / parts
    after = np.searchsorted(cumulative, wanted, side="left")
    previous = np.where(after > 0, cumulative[np.maximum(after - 1, 0)], 0)
    nearer_after = np.abs(cumulative[after] - wanted) <= np.abs(wanted - previous)
    last = np.where(nearer_after, after, after - 1)
    begins = sorted({position + 1 for position in last.tolist() if 0 <= position < keys.size - 1})
    return [int(keys[position]) for position in begins]
