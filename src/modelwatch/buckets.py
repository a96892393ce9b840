"""Buckets of ``robust/v1``: the baseline's quantile bins, or its categories, with one for nulls."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from modelwatch.bins import quantile_bins

if TYPE_CHECKING:
    from modelwatch.arrays import FloatArray, IntArray
    from modelwatch.cells import AlignedCells
    from modelwatch.distributions import CategoricalDistribution

TOP_CATEGORIES = 100
NULL, OTHER, NEW = "__null__", "__other__", "__new__"


class Bucketed(NamedTuple):
    """Both sides counted in the same buckets, shape ``(k,)`` each; without buckets empty on both sides."""

    labels: tuple[str, ...]
    baseline: IntArray
    production: IntArray


def number_buckets(pair: AlignedCells, missing_baseline: int, missing_production: int) -> Bucketed:
    """Count both sides in the baseline's quantile bins and a bucket for nulls."""
    bins = quantile_bins(pair)
    index = bins.bin_of(pair.keys)
    size = bins.starts.size + 1
    sides = [
        np.append(np.bincount(index, weights=side, minlength=size).astype(np.int64), missing)
        for side, missing in ((pair.baseline, missing_baseline), (pair.production, missing_production))
    ]
    edges = ["-inf", *(f"{edge:.6g}" for edge in bins.edges), "inf"]
    labels = [f"[{low}, {high})" for low, high in pairwise(edges)]
    return _without_empty([*labels, NULL], *sides)


def category_buckets(
    baseline: CategoricalDistribution, production: CategoricalDistribution, top: int = TOP_CATEGORIES
) -> Bucketed:
    """Count both sides in the baseline's ``top`` categories, the rest of them, the new ones and nulls."""
    ranked = sorted(baseline.counts, key=lambda name: (-baseline.counts[name], name))
    kept = ranked[:top]
    b = [baseline.counts[name] for name in kept]
    p = [production.counts.get(name, 0) for name in kept]
    new = sum(rows for name, rows in production.counts.items() if name not in baseline.counts)
    b.append(sum(baseline.counts.values()) - sum(b))
    p.append(sum(production.counts.values()) - sum(p) - new)
    return _without_empty(
        [*kept, OTHER, NEW, NULL],
        np.array([*b, 0, baseline.missing], dtype=np.int64),
        np.array([*p, new, production.missing], dtype=np.int64),
    )


def category_table(baseline: CategoricalDistribution, production: CategoricalDistribution) -> IntArray:
    """Return all categories of either side and nulls, shape ``(2, c)``, before the baseline chose buckets."""
    names = sorted(baseline.counts.keys() | production.counts.keys())
    rows = [[side.missing, *(side.counts.get(name, 0) for name in names)] for side in (baseline, production)]
    table = np.array(rows, dtype=np.int64)
    return table[:, table.any(axis=0)]


def _without_empty(
    labels: list[str], baseline: FloatArray | IntArray, production: FloatArray | IntArray
) -> Bucketed:
    held = np.flatnonzero(baseline + production)
    kept = tuple(labels[position] for position in held)
    return Bucketed(kept, baseline[held].astype(np.int64), production[held].astype(np.int64))
