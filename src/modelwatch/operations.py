"""Operational signals of an endpoint from its request log: latency, throughput, errors."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from modelwatch.columns import Kind, kind_of
from modelwatch.intervals import LEVEL, wilson
from modelwatch.metrics import ROBUST
from modelwatch.results import Measurement, Status

if TYPE_CHECKING:
    import pyarrow as pa

    from modelwatch.arrays import FloatArray
    from modelwatch.sources.windows import Window

SIGNAL = "operations"
QUANTILES = {"latency_p50_ms": 0.5, "latency_p95_ms": 0.95, "latency_p99_ms": 0.99}
SERVER_ERROR = 500


def operational_signals(
    requests: pa.Table,
    *,
    latency: str = "latency_ms",
    status: str = "status",
    window: Window | None = None,
    definition: str = ROBUST,
) -> list[Measurement]:
    """Measure latency quantiles, throughput and the error rate of one window.

    Parameters
    ----------
    requests
        One row a request.
    latency
        Column of milliseconds.
    status
        Column of HTTP status codes (500 and above are errors) or of truth values (true is an error).
    window
        Its length makes the throughput; without it none is measured.
    """
    n = requests.num_rows
    results: list[Measurement] = []
    if latency in requests.column_names:
        held = requests.column(latency).drop_null()
        results += _latencies(np.sort(np.asarray(held.to_numpy(), dtype=np.float64)), definition)
    if window is not None:
        results.append(throughput(n, window, definition))
    if status in requests.column_names and n:
        column = requests.column(status)
        truth = kind_of(column.type) is Kind.BOOLEAN
        failed = column if truth else pc.greater_equal(column, SERVER_ERROR)
        count = int(pc.sum(pc.cast(failed, "int64")).as_py() or 0)
        results.append(
            Measurement(
                "error_rate",
                definition,
                count / n,
                n_production=n,
                count=count,
                interval=wilson(count, n),
                signal=SIGNAL,
            )
        )
    elif status in requests.column_names:
        results.append(Measurement("error_rate", definition, None, Status.NO_DATA, signal=SIGNAL))
    return results


def throughput(requests: int, window: Window, definition: str = ROBUST) -> Measurement:
    """Return requests per second over a window."""
    rate = requests / window.length.total_seconds()
    return Measurement(
        "throughput_per_second", definition, rate, n_production=requests, count=requests, signal=SIGNAL
    )


def _latencies(ordered: FloatArray, definition: str) -> list[Measurement]:
    """Return quantiles with distribution-free intervals: ranks between which the quantile lies with 95 %."""
    n = ordered.size
    if not n:
        return [
            Measurement(name, definition, None, Status.NO_DATA, signal=SIGNAL, note="no requests")
            for name in QUANTILES
        ]
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    results = []
    for name, share in QUANTILES.items():
        half = z * math.sqrt(n * share * (1 - share))
        low = max(0, math.floor(n * share - half))
        high = min(n - 1, math.ceil(n * share + half))
        results.append(
            Measurement(
                name,
                definition,
                float(np.quantile(ordered, share)),
                n_production=n,
                interval=(float(ordered[low]), float(ordered[high])),
                signal=SIGNAL,
            )
        )
    return results
