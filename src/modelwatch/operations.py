"""Operational signals of an endpoint from its request log: latency, throughput, errors."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from modelwatch.columns import Kind, kind_of, parsed_numbers, plain
from modelwatch.intervals import LEVEL, wilson
from modelwatch.metrics import ROBUST
from modelwatch.results import Measurement, Status
from modelwatch.schema import PARSE_SHARE

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
        Column of milliseconds; texts that spell numbers are read as such.
    status
        Column of HTTP status codes (500 and above are errors) or of truth values (true is an error).
    window
        Its length makes the throughput; without it none is measured.
    """
    n = requests.num_rows
    results: list[Measurement] = []
    if latency in requests.column_names:
        spent, spoilt = _numbers(requests.column(latency))
        if spent is None:
            note = f"{spoilt} of {n} latencies are no numbers"
            results += [_unreadable(name, definition, latency, note) for name in QUANTILES]
        else:
            left_out = f"{spoilt} latencies are no numbers" if spoilt else ""
            results += [result.noting(left_out) for result in _latencies(np.sort(spent), definition)]
    if window is not None:
        results.append(throughput(n, window, definition))
    if status in requests.column_names and n:
        results.append(_errors(requests.column(status), definition, status))
    elif status in requests.column_names:
        results.append(Measurement("error_rate", definition, None, Status.NO_DATA, signal=SIGNAL))
    return results


def _errors(column: pa.ChunkedArray, definition: str, name: str) -> Measurement:
    n = len(column)
    if kind_of(column.type) is Kind.BOOLEAN:
        count, note = int(pc.sum(pc.cast(column, "int64")).as_py() or 0), ""
    else:
        codes, spoilt = _numbers(column)
        if codes is None:
            return _unreadable("error_rate", definition, name, f"{spoilt} of {n} are no status codes")
        count, note = int(np.count_nonzero(codes >= SERVER_ERROR)), ""
        if spoilt:
            note = f"{spoilt} are no status codes and count as no errors"
    return Measurement(
        "error_rate", definition, count / n, n_production=n, count=count, interval=wilson(count, n),
        signal=SIGNAL, note=note,
    )  # fmt: skip


def _numbers(column: pa.ChunkedArray) -> tuple[FloatArray | None, int]:
    """Return the finite numbers of a column, None where too few of its values are some, and how many not."""
    array = column.combine_chunks()
    kind, valid = kind_of(array.type), len(array) - array.null_count
    if kind is Kind.EMPTY or not valid:
        return np.empty(0), 0
    spoilt = valid
    if kind is Kind.TEXT:
        array, spoilt = parsed_numbers(array)
    elif kind is Kind.NUMBER:
        spoilt = 0
    if spoilt > (1 - PARSE_SHARE) * valid:
        return None, spoilt
    numbers = np.asarray(plain(array.drop_null()).cast("float64").to_numpy(zero_copy_only=False))
    return numbers[np.isfinite(numbers)], spoilt


def _unreadable(metric: str, definition: str, column: str, note: str) -> Measurement:
    return Measurement(
        metric, definition, None, Status.SCHEMA_ERROR, signal=SIGNAL, note=f"column {column!r}: {note}"
    )


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
