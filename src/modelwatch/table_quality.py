"""Data quality of a window as a whole: volume, freshness, repeated rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from modelwatch.column_contracts import Role
from modelwatch.column_profiles import ColumnProfile
from modelwatch.metrics import METRICS
from modelwatch.quality import measure_quality
from modelwatch.results import Measurement, Status
from modelwatch.schema import PARSE_SHARE

if TYPE_CHECKING:
    from modelwatch.inputs import Inputs
    from modelwatch.monitor import Monitor

_MICROSECONDS = 1_000_000


def table_quality(monitor: Monitor, inputs: Inputs) -> list[Measurement]:
    """Return volume against the baseline, age of the newest event, and duplicates by identifier."""
    results = [_volume(monitor, inputs), *left_out(monitor, inputs)]
    if monitor.data.event_time is not None:
        results.append(_freshness(monitor, inputs))
    for name in dict.fromkeys((*inputs.contract.with_role(Role.IDENTIFIER), monitor.data.correlation_id)):
        after = inputs.production.columns.get(name)
        if after is not None:
            # Training data seldom have the identifiers of requests; repeating them is wrong all the same.
            before = inputs.baseline.columns.get(name, ColumnProfile(name, after.type, after.kind))
            result = measure_quality(METRICS["duplicate_rate"], before, after, monitor.baseline.definition)
            if result is not None:
                results.append(replace(result, feature=name))
    return results


def left_out(monitor: Monitor, inputs: Inputs) -> list[Measurement]:
    """Return how many rows have no event time that can be read, and so no window; nothing without any."""
    rows, of = inputs.undated
    if not rows:
        return []
    return [
        Measurement(
            "schema_change",
            monitor.baseline.definition,
            rows / of,
            Status.SCHEMA_ERROR if rows > (1 - PARSE_SHARE) * of else Status.OK,
            n_production=of,
            feature=monitor.data.event_time,
            count=rows,
            note=f"{rows} of {of} rows have no event time that can be read and are left out of every window",
        )
    ]


def _volume(monitor: Monitor, inputs: Inputs) -> Measurement:
    before, after = inputs.baseline.rows, inputs.production.rows
    return Measurement(
        "volume_ratio",
        monitor.baseline.definition,
        after / before if before else None,
        Status.OK if before and after else Status.NO_DATA,
        n_baseline=before,
        n_production=after,
        count=after,
    )


def _freshness(monitor: Monitor, inputs: Inputs) -> Measurement:
    """Return the time from the newest event to the window's end; events beyond it are clocks gone wrong."""
    name = monitor.data.event_time or ""
    column = inputs.production.columns.get(name)
    definition = monitor.baseline.definition
    if column is None or column.maximum is None or inputs.window is None:
        note = "no event time" if inputs.window is not None else "no window"
        return Measurement("freshness_seconds", definition, None, Status.NO_DATA, feature=name, note=note)
    newest = datetime.fromtimestamp(float(column.maximum) / _MICROSECONDS, tz=UTC)
    age = (inputs.window.end - newest).total_seconds()
    return Measurement(
        "freshness_seconds",
        definition,
        max(age, 0.0),
        n_production=column.rows,
        feature=name,
        note="events after the window's end" if age < 0 else "",
    )
