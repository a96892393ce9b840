"""Drift of all features together: how well a classifier tells production from the baseline."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from modelwatch.boosting import BINS, fit_predict
from modelwatch.columns import Kind, kind_of, plain, texts
from modelwatch.intervals import normal
from modelwatch.metrics import ROBUST
from modelwatch.results import Measurement, Status
from modelwatch.sources.base import read_table
from modelwatch.sources.opening import open_source

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

    from modelwatch.arrays import FloatArray, IntArray

METRIC = "domain_classifier_auc"
FOLDS = 3
ROWS_PER_SIDE = 3_000
FEWEST_ROWS = 60
# So many equal rows are copies of one; more are a value that rows often have.
MOST_COPIES = 10
_SEED = 20_240_229


def domain_classifier_auc(
    baseline: Any, production: Any, *, features: Iterable[str] | None = None, definition: str = ROBUST
) -> Measurement:
    """Return the cross-validated AUC of telling production rows from baseline rows; 0.5 means no drift.

    Trees see interactions that no comparison of single columns can. Each side is sampled down to
    `ROWS_PER_SIDE` rows, evenly over its order. Every row is scored by trees that have seen neither it nor a
    copy of it, and ranked among the rows scored by the same trees. An area below one half is chance, and
    published as 0.5.

    Parameters
    ----------
    baseline, production
        Anything `modelwatch.profile` reads.
    features
        Columns to use; those on both sides by default.

    Returns
    -------
    Measurement
        With DeLong's interval and the one-sided p-value that the AUC is 0.5.

    Notes
    -----
    Two folds that are alike by chance each make the other look predictable. Without drift the area of a fold
    is a mean over such likenesses, of which K folds have K (K - 1) / 2 and each counts twice: the variance of
    their mean is 2 / K of one fold's instead of 1 / K. The standard error is taken so everywhere.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson (1988), Comparing the areas under two or more correlated receiver
    operating characteristic curves; Nadeau and Bengio (2003), Inference for the generalization error, on the
    correlation of folds.
    """
    sides = [read_table(open_source(side)) for side in (baseline, production)]
    shared = [name for name in sides[0].column_names if name in sides[1].column_names]
    names = shared if features is None else [name for name in features if name in shared]
    sampled = [_spread(side.select(names)) for side in sides]
    n = [side.num_rows for side in sampled]
    if min(n) < FEWEST_ROWS or not names:
        status = Status.NO_DATA if not min(n) or not names else Status.INSUFFICIENT
        note = f"{FEWEST_ROWS} rows a side are needed" if names else "no shared columns"
        return _unknown(definition, n, status, note)
    read = [_read(sampled[0].column(name), sampled[1].column(name)) for name in names]
    unlike = [name for name, column in zip(names, read, strict=True) if column is None]
    left_out = f"not of one comparable kind on both sides: {', '.join(unlike)}" if unlike else ""
    columns = [column for column in read if column is not None]
    if not columns:
        return _unknown(definition, n, Status.SCHEMA_ERROR, left_out)
    target = np.repeat([0, 1], n)
    fold = _folds(np.column_stack([values for values, _ in columns]), target)
    rows = np.column_stack([bins for _, bins in columns])
    score = np.empty(target.size)
    for held in range(FOLDS):
        out = fold == held
        score[out] = fit_predict(rows[~out], target[~out].astype(np.float64), rows[out])
    area, error = _area(score, target, fold)
    interval = normal(area, error)
    return Measurement(
        METRIC,
        definition,
        max(area, 0.5),
        p_value=NormalDist().cdf((0.5 - area) / error) if error > 0 else float(area <= 0.5),
        n_baseline=n[0],
        n_production=n[1],
        interval=(max(0.0, interval[0]), min(1.0, max(0.5, interval[1]))),
        signal="multivariate",
        note=left_out,
    )


def _unknown(definition: str, n: list[int], status: Status, note: str) -> Measurement:
    return Measurement(
        METRIC, definition, None, status, n_baseline=n[0], n_production=n[1], signal="multivariate", note=note
    )


def _folds(values: IntArray, target: IntArray) -> IntArray:
    """Deal rows to folds: both samples evenly, and rows that are copies of each other to the same fold.

    A copy that carries the other label teaches the opposite of what is true of the row it is a copy of.
    Values of many rows are no copies but all there is to learn from, and are dealt row by row.

    Parameters
    ----------
    values
        A number for each distinct value of each column, shape ``(n, f)``.
    """
    generator = np.random.default_rng(_SEED)
    _, same = np.unique(values, axis=0, return_inverse=True)
    same = same.ravel()
    often = np.bincount(same)[same] > MOST_COPIES
    same[often] = same.max() + 1 + np.arange(int(often.sum()))
    _, unit = np.unique(same, return_inverse=True)
    ones = np.bincount(unit, weights=target)
    size = np.bincount(unit)
    # Units of one make-up stand together, in random order, and are dealt in turn.
    order = np.lexsort((generator.random(size.size), ones, size))
    dealt = np.empty(size.size, dtype=np.int64)
    dealt[order] = np.arange(size.size) % FOLDS
    return dealt[unit]


def _area(score: FloatArray, target: IntArray, fold: IntArray) -> tuple[float, float]:
    """Return the area and its standard error, rows being ranked within their fold."""
    placed: list[list[FloatArray]] = [[], []]
    for held in range(FOLDS):
        before, after = (np.sort(score[(fold == held) & (target == side)]) for side in (0, 1))
        if not before.size or not after.size:
            continue
        for side, (mine, others) in enumerate(((before, after), (after, before))):
            low, high = (np.searchsorted(others, mine, where) for where in ("left", "right"))
            share = (low + high) / (2 * others.size)
            placed[side].append(share if side else 1 - share)
    if not placed[0]:
        return 0.5, 0.0
    before, after = (np.concatenate(part) for part in placed)
    variance = before.var() / before.size + after.var() / after.size
    return float(after.mean()), math.sqrt(2 * variance)


def _spread(table: pa.Table) -> pa.Table:
    if table.num_rows <= ROWS_PER_SIDE:
        return table
    return table.take(np.linspace(0, table.num_rows - 1, ROWS_PER_SIDE).astype(np.int64))


def _read(baseline: pa.ChunkedArray, production: pa.ChunkedArray) -> tuple[IntArray, IntArray] | None:
    """Return a number for each row's value and its bin below `BINS`, 0 for null, shape ``(n + m,)`` each.

    None for columns that are not to be compared.
    """
    import pyarrow as pa  # noqa: PLC0415

    kinds = [kind_of(column.type) for column in (baseline, production)]
    known = [kind for kind in kinds if kind is not Kind.EMPTY]
    if not known or len(set(known)) > 1 or known[0] is Kind.OPAQUE:
        return None
    if known[0] in (Kind.NUMBER, Kind.TIME):
        values = np.concatenate([_floats(column) for column in (baseline, production)])
        return np.unique(values, return_inverse=True)[1], _quantile_codes(values)
    parts = [pc.cast(texts(column.combine_chunks()), pa.string()) for column in (baseline, production)]
    encoded = pa.chunked_array(parts).combine_chunks().dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    order = np.argsort(-np.bincount(codes[codes >= 0], minlength=1), kind="stable")
    rank = np.empty(order.size, dtype=np.int64)
    rank[order] = np.arange(order.size)
    return codes, np.where(codes < 0, 0, np.minimum(rank[np.maximum(codes, 0)] + 1, BINS - 1))


def _floats(column: pa.ChunkedArray) -> FloatArray:
    array = column.combine_chunks()
    if kind_of(array.type) is Kind.EMPTY:
        return np.full(len(array), np.nan)
    return np.asarray(plain(array).cast("float64").fill_null(np.nan).to_numpy(zero_copy_only=False))


def _quantile_codes(values: FloatArray) -> IntArray:
    held = values[~np.isnan(values)]
    if not held.size:
        return np.zeros(values.size, dtype=np.int64)
    edges = np.unique(np.quantile(held, np.arange(1, BINS - 1) / (BINS - 1), method="nearest"))
    codes = np.searchsorted(edges, values, side="left") + 1
    return np.where(np.isnan(values), 0, np.minimum(codes, BINS - 1)).astype(np.int64)
