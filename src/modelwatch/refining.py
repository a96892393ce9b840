"""The second pass: exact numbers where a profile's cells leave too much open.

Cells are as fine as a column allows, but not finer where values crowd away from zero, as predicted
probabilities do at 1. Such a measurement says so by its bound; here its column alone is read again and
measured exactly.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from modelwatch.judging import ALPHA, corrected, judged
from modelwatch.measuring import measure
from modelwatch.metrics import METRICS, NUMERICAL, Family
from modelwatch.results import Measurement, Status
from modelwatch.sources.base import read_table
from modelwatch.sources.opening import open_source

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from modelwatch.sources.base import Source

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
    """Measure again, from the data, what profiles could tell within more than ``gap`` only, and judge anew.

    `modelwatch.run` does so by itself wherever it has the data of both sides.

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
    sides = open_source(baseline), open_source(production)
    exact = remeasured(measurements, *(partial(_column, side) for side in sides), gap=gap)
    return [
        judged(_unjudged(measurement), measurement.threshold, alpha=alpha) for measurement in corrected(exact)
    ]


def remeasured(
    measurements: Sequence[Measurement],
    baseline: Callable[[str], pa.ChunkedArray],
    production: Callable[[str], pa.ChunkedArray],
    *,
    gap: float = GAP,
) -> list[Measurement]:
    """Return measurements, those known within more than ``gap`` only taken anew, without judging them.

    Parameters
    ----------
    baseline, production
        Read one column into memory.
    """
    exact = list(measurements)
    columns: dict[str, tuple[pa.ChunkedArray, pa.ChunkedArray]] = {}
    for position, measurement in enumerate(measurements):
        name = measurement.feature
        if name is None or not uncertain(measurement, gap):
            continue
        if name not in columns:
            columns.clear()
            columns[name] = baseline(name), production(name)
        again = measure(measurement.metric, *columns[name], definition=measurement.definition, kind=NUMERICAL)
        if again.value is None:
            # Texts that spell numbers, say: a profile reads them by its contract, a column alone does not.
            continue
        exact[position] = replace(
            again,
            signal=measurement.signal,
            feature=name,
            segment=measurement.segment,
            threshold=measurement.threshold,
            note=measurement.note,
        ).noting("measured again from the data")
    return exact


def uncertain(measurement: Measurement, gap: float = GAP) -> bool:
    """Tell whether cells leave a drift measurement open by more than ``gap``."""
    drift = METRICS[measurement.metric].family is Family.DRIFT
    return drift and measurement.bound is not None and measurement.bound > gap


def _unjudged(measurement: Measurement) -> Measurement:
    return replace(measurement, status=Status.OK) if measurement.status is Status.BREACH else measurement


def _column(source: Source, name: str) -> pa.ChunkedArray:
    return read_table(source, [name]).column(0)
