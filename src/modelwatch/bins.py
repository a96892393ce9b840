"""Bins for comparing two number columns: Azure ML's equal widths, and baseline quantiles with atoms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from modelwatch.cells import edges_of, keys_of

if TYPE_CHECKING:
    from modelwatch.arrays import BoolArray, FloatArray, IntArray
    from modelwatch.cells import AlignedCells, Cells

# Deciles are the field's habit; ten baseline rows a bin keep small baselines from inventing structure.
QUANTILE_BINS = 10
ROWS_PER_BIN = 10


# Spark takes bins whose widths differ by less than this for equally wide.
_EVEN = 1e-10


def equal_width_edges(low: float, high: float, smaller_side: int) -> FloatArray:
    """Return Azure ML's edges: ceil(log2(min(n, m)) + 1) bins from ``low`` to ``high`` of both samples.

    A single value v gets one bin of half-width 0.005 |v|, or 0.005 around 0. Rounding may leave the last edge
    a little below ``high``: that is Azure ML's own, and `count_between` drops what lies beyond it as it does.

    References
    ----------
    ``shared_utilities/histogram_utils.py`` of Azure ML's components.
    """
    if low == high:
        half = 0.005 * abs(low) or 0.005
        return np.array([low - half, low + half])
    bins = math.ceil(math.log2(smaller_side) + 1)
    place = np.arange(bins + 1)
    if not math.isfinite(high - low):
        # Where Azure ML's own arithmetic overflows it has no answer; this is what it would be without.
        share = place / bins
        return np.asarray(low * (1 - share) + high * share, dtype=np.float64)
    return np.asarray(low + place * ((high - low) / bins), dtype=np.float64)


def _beginnings(edges: FloatArray) -> FloatArray:
    """Return the least number that Spark counts in each bin but the first, shape ``(k - 1,)``.

    `RDD.histogram` looks up bins of unequal width. In equal ones it finds the place of a number by division,
    which rounds to either side of the edge: a number on an edge may be counted below it.
    """
    inner, low = edges[1:-1], float(edges[0])
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.diff(edges)
        width = (float(edges[-1]) - low) / (edges.size - 1)
        even = math.isfinite(width) and float(steps.max()) - float(steps.min()) < _EVEN
    if not inner.size or not even or width <= 0:
        return inner
    place = np.arange(1, edges.size - 1)

    def reached(values: FloatArray) -> BoolArray:
        return np.asarray((values - low) / width >= place)

    found = inner.copy()
    off = ~reached(inner) | reached(np.nextafter(inner, -np.inf))
    if off.any():
        # Division is monotone, and its error is one of the last digits of the largest edge.
        reach = 16 * np.spacing(max(abs(low), abs(float(edges[-1]))))
        below, above = keys_of(inner - reach, 0), keys_of(inner + reach, 0)
        while np.any(above - below > 1):
            middle = below + (above - below) // 2
            enough = reached(edges_of(middle, 0)[0])
            above, below = np.where(enough, middle, above), np.where(enough, below, middle)
        found[off] = edges_of(above, 0)[0][off]
    return found


class BinnedCounts(NamedTuple):
    """Counts per bin, shape ``(k,)``, and the rows each might be off by because cells straddle an edge."""

    counts: FloatArray
    uncertain: FloatArray


def count_between(cells: Cells, edges: FloatArray, high: float) -> BinnedCounts:
    """Count rows in bins closed on the left, the last one on both sides, as Spark's `RDD.histogram` does.

    Cells of several values are spread evenly, and what they might add to or take from a bin is reported.

    Parameters
    ----------
    edges
        Ascending, shape ``(k + 1,)``; no row lies below the first.
    high
        The largest number of either side. Rows beyond the last edge are not counted.
    """
    lower, upper = cells.edges()
    inner = _beginnings(edges)
    below = np.concatenate([[0], np.cumsum(cells.counts)]).astype(np.float64)
    position = np.searchsorted(lower, inner, side="left")
    at_edge = below[position]
    doubt = np.zeros(inner.size)
    end, end_doubt = float(below[-1]), 0.0
    if cells.shift:
        # The cell before `position` starts below the edge; it straddles where it also ends above.
        previous = np.maximum(position - 1, 0)
        width = upper[previous] - lower[previous]
        straddles = (position > 0) & (upper[previous] > inner)
        fraction = np.where(straddles, (inner - lower[previous]) / np.where(width > 0, width, 1.0), 1.0)
        mass = cells.counts[previous]
        at_edge = at_edge - np.where(straddles, (1 - fraction) * mass, 0.0)
        doubt = np.where(straddles, np.maximum(fraction, 1 - fraction) * mass, 0.0)
        if edges[-1] < high <= upper[-1]:
            end_doubt = float(cells.counts[-1])
    else:
        end = float(below[np.searchsorted(lower, edges[-1], side="right")])
    cumulative = np.concatenate([[0.0], at_edge, [end]])
    doubts = np.concatenate([[0.0], doubt, [end_doubt]])
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
