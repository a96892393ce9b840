"""The second pass: exact numbers where a profile's cells leave too much open.

Cells are as fine as a column allows, but not finer where values crowd away from zero, as predicted
probabilities do at 1. Such a measurement says so by its bound; here its column alone is read again and
measured exactly.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from modelwatch.judging import ALPHA, corrected, judged
from modelwatch.measuring import measure
from modelwatch.metrics import METRICS, NUMERICAL, Family
from modelwatch.sources.opening import ColumnSource, Source, open_source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelwatch.results import Measurement

# A statistic known to half a per cent decides as the exact one would.
GAP = 0.005


def refined(
    measurements: Sequence[Measurement],
    baseline: Any,
    production: Any,
    *,
    gap: float = GAP,
    alpha: float = ALPHA,
) -> list[Measurement]:
    """Measure again, from the data, what profiles could tell within more than ``gap`` only.

    Parameters
    ----------
    measurements
        Result of `modelwatch.compare` without segments.
    baseline, production
        Sources that can be read again. One column of both is in memory at a time.
    gap
        Largest bound that is left as it is.
    alpha
        Largest q-value of a breach, as for `modelwatch.compare`.
    """
    sources = open_source(baseline), open_source(production)
    exact = list(measurements)
    columns: dict[str, tuple[pa.ChunkedArray, pa.ChunkedArray]] = {}
    for position, measurement in enumerate(measurements):
        name = measurement.feature
        drift = METRICS[measurement.metric].family is Family.DRIFT
        if name is None or not drift or measurement.bound is None or measurement.bound <= gap:
            continue
        if name not in columns:
            columns.clear()
            columns[name] = _column(sources[0], name), _column(sources[1], name)
        again = measure(measurement.metric, *columns[name], definition=measurement.definition, kind=NUMERICAL)
        exact[position] = replace(
            again,
            signal=measurement.signal,
            feature=name,
            segment=measurement.segment,
            threshold=measurement.threshold,
        ).noting("measured again from the data")
    return [judged(measurement, measurement.threshold, alpha=alpha) for measurement in corrected(exact)]


def _column(source: Source, name: str) -> pa.ChunkedArray:
    if isinstance(source, ColumnSource):
        arrays = [array for array, _ in source.chunks(name)]
    else:
        arrays = [batch.column(0) for batch in source.batches([name])]
    return pa.chunked_array(arrays, type=source.schema.field(name).type)
