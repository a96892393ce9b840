"""Drift of all features together: how well a classifier tells production from the baseline."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from modelwatch.boosting import BINS, fit_predict
from modelwatch.columns import Kind, kind_of, plain, texts
from modelwatch.metrics import ROBUST
from modelwatch.performance.probability import roc_auc
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
_SEED = 20_240_229


def domain_classifier_auc(
    baseline: Any, production: Any, *, features: Iterable[str] | None = None, definition: str = ROBUST
) -> Measurement:
    """Return the cross-validated AUC of telling production rows from baseline rows; 0.5 means no drift.

    Trees see interactions that no comparison of single columns can. Each side is sampled down to
    `ROWS_PER_SIDE` rows, evenly over its order, and every row is scored by trees that have not seen it.

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
    """
    sides = [read_table(open_source(side)) for side in (baseline, production)]
    shared = [name for name in sides[0].column_names if name in sides[1].column_names]
    names = shared if features is None else [name for name in features if name in shared]
    sampled = [_spread(side.select(names)) for side in sides]
    n = [side.num_rows for side in sampled]
    if min(n) < FEWEST_ROWS or not names:
        status = Status.NO_DATA if not min(n) or not names else Status.INSUFFICIENT
        note = f"{FEWEST_ROWS} rows a side are needed" if names else "no shared columns"
        return Measurement(
            METRIC,
            definition,
            None,
            status,
            n_baseline=n[0],
            n_production=n[1],
            signal="multivariate",
            note=note,
        )
    columns = [_binned(sampled[0].column(name), sampled[1].column(name)) for name in names]
    unlike = [name for name, column in zip(names, columns, strict=True) if column is None]
    left_out = f"not of one comparable kind on both sides: {', '.join(unlike)}" if unlike else ""
    if len(unlike) == len(names):
        return Measurement(
            METRIC,
            definition,
            None,
            Status.SCHEMA_ERROR,
            n_baseline=n[0],
            n_production=n[1],
            signal="multivariate",
            note=left_out,
        )
    rows = np.column_stack([column for column in columns if column is not None])
    target = np.repeat([0.0, 1.0], n)
    generator = np.random.default_rng(_SEED)
    fold = generator.permutation(target.size) % FOLDS
    score = np.empty(target.size)
    for held in range(FOLDS):
        out = fold == held
        score[out] = fit_predict(rows[~out], target[~out], rows[out])
    area, interval = roc_auc(target, score) or (0.5, (0.0, 1.0))
    error = (interval[1] - interval[0]) / (2 * NormalDist().inv_cdf(0.975))
    p_value = NormalDist().cdf((0.5 - area) / error) if error > 0 else float(area <= 0.5)
    return Measurement(
        METRIC,
        definition,
        area,
        p_value=p_value,
        n_baseline=n[0],
        n_production=n[1],
        interval=interval,
        signal="multivariate",
        note=left_out,
    )


def _spread(table: pa.Table) -> pa.Table:
    if table.num_rows <= ROWS_PER_SIDE:
        return table
    return table.take(np.linspace(0, table.num_rows - 1, ROWS_PER_SIDE).astype(np.int64))


def _binned(baseline: pa.ChunkedArray, production: pa.ChunkedArray) -> IntArray | None:
    """Return both columns' rows as bins below `BINS`, 0 for null; None for columns not to be compared."""
    import pyarrow as pa  # noqa: PLC0415

    kinds = [kind_of(column.type) for column in (baseline, production)]
    known = [kind for kind in kinds if kind is not Kind.EMPTY]
    if not known or len(set(known)) > 1 or known[0] is Kind.OPAQUE:
        return None
    if known[0] in (Kind.NUMBER, Kind.TIME):
        values = np.concatenate([_floats(column) for column in (baseline, production)])
        return _quantile_codes(values)
    parts = [pc.cast(texts(column.combine_chunks()), pa.string()) for column in (baseline, production)]
    encoded = pa.chunked_array(parts).combine_chunks().dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    order = np.argsort(-np.bincount(codes[codes >= 0], minlength=1), kind="stable")
    rank = np.empty(order.size, dtype=np.int64)
    rank[order] = np.arange(order.size)
    return np.where(codes < 0, 0, np.minimum(rank[np.maximum(codes, 0)] + 1, BINS - 1))


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
