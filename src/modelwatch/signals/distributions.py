"""Drift and quality: what columns compared one by one tell."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from modelwatch.attribution import importance_of
from modelwatch.column_contracts import Role
from modelwatch.comparing import DRIFT_METRICS, compare
from modelwatch.declared_signals import Top
from modelwatch.errors import UsageError, WatchError
from modelwatch.failures import attempted, reason
from modelwatch.metrics import metric
from modelwatch.profiles import Profile
from modelwatch.quality import PROFILED_QUALITY
from modelwatch.refining import remeasured, uncertain
from modelwatch.resampling import held_out_null, time_blocks
from modelwatch.results import Measurement, Status
from modelwatch.signals.common import not_there
from modelwatch.table_quality import table_quality

if TYPE_CHECKING:
    from collections.abc import Collection

    from modelwatch.declared_signals import Signal
    from modelwatch.inputs import Inputs
    from modelwatch.monitor import Monitor


_PREDICTIONS = (Role.PREDICTION, Role.PROBABILITY)


def data_drift(monitor: Monitor, signal: Signal, inputs: Inputs) -> list[Measurement]:
    """Compare features and segments."""
    return _drift(monitor, signal, inputs, (Role.FEATURE, Role.SEGMENT))


def prediction_drift(monitor: Monitor, signal: Signal, inputs: Inputs) -> list[Measurement]:
    """Compare predictions and probabilities."""
    return _drift(monitor, signal, inputs, _PREDICTIONS)


def data_quality(monitor: Monitor, _signal: Signal, inputs: Inputs) -> list[Measurement]:
    """Count what is wrong with values, columns and the whole window."""
    wanted = [*PROFILED_QUALITY, "schema_change"]
    results = _compared(monitor, inputs, wanted)
    whole = attempted(lambda: table_quality(monitor, inputs), ["volume_ratio"], monitor.baseline.definition)
    return [*results, *whole]


def _drift(monitor: Monitor, signal: Signal, inputs: Inputs, roles: tuple[Role, ...]) -> list[Measurement]:
    columns = [column for column in inputs.contract.columns if column.role in roles]
    results = not_there(monitor, signal, inputs, roles)
    if isinstance(signal.features, tuple):
        columns = [column for column in columns if column.name in signal.features]
    given = inputs.extras.get("importances")
    if isinstance(signal.features, Top) and given:
        weights = importance_of(given[0])
        columns.sort(key=lambda column: -abs(weights.get(column.name, 0.0)))
        columns = columns[: signal.features.top]
    for kind in ("numerical", "categorical"):
        names = [column.name for column in columns if column.compared_as == kind]
        asked = [name for name in signal.bounds if name in DRIFT_METRICS and kind in metric(name).kinds]
        wanted = list(dict.fromkeys([*signal.metrics_for(kind), *asked]))
        results += _compared(monitor, inputs, wanted, names)
    if isinstance(signal.features, Top) and not given:
        results = [result.noting("no importances were given: no feature is left out") for result in results]
    results = _enough(monitor, inputs, _refined(inputs, results))
    names = [column.name for column in columns]
    return _held_out(monitor, inputs, results, names) if signal.evidence == "held_out" else results


def _compared(
    monitor: Monitor, inputs: Inputs, metrics: list[str], names: list[str] | None = None
) -> list[Measurement]:
    """Compare columns (by default all), one by one if that fails, so that none takes another down."""
    definition = monitor.baseline.definition

    def compared(only: list[str] | None) -> list[Measurement]:
        before, after, contract = inputs.baseline, inputs.production, inputs.contract
        if only is not None:
            before, after, contract = _only(before, only), _only(after, only), contract.only(only)
        return compare(before, after, definition=definition, metrics=metrics, contract=contract)

    try:
        return compared(names)
    except WatchError:
        raise
    except Exception:  # noqa: BLE001  (which column it is, and what, is told below)
        everything = [*inputs.baseline.columns, *inputs.production.columns]
        return [
            result
            for name in (dict.fromkeys(everything) if names is None else names)
            for result in attempted(partial(compared, [name]), metrics, definition, feature=name)
        ]


def _refined(inputs: Inputs, results: list[Measurement]) -> list[Measurement]:
    """Measure from the rows what cells leave open, or say that it stays open."""
    before, after = inputs.baseline_rows, inputs.production_rows
    if before is not None and after is not None:
        try:
            return remeasured(results, before.column, after.column)
        except Exception as error:  # noqa: BLE001  (what profiles told is known, and its bound too)
            why = f"it could not be measured again: {reason(error)}"
    else:
        why = f"the rows of {'baseline' if before is None else 'production'} are not at hand"
    return [
        result.noting(f"known within {result.bound:.2g}: {why}") if uncertain(result) else result
        for result in results
    ]


def _enough(monitor: Monitor, inputs: Inputs, results: list[Measurement]) -> list[Measurement]:
    """Hold back what fewer rows than the monitor asks for would say."""
    needed = monitor.data.min_rows
    if needed == "auto" or inputs.production.rows >= needed:
        return results
    note = f"{needed} rows are needed, the window has {inputs.production.rows}"
    return [
        replace(result, status=Status.INSUFFICIENT).noting(note) if result.status is Status.OK else result
        for result in results
    ]


def _held_out(
    monitor: Monitor, inputs: Inputs, results: list[Measurement], names: list[str]
) -> list[Measurement]:
    """Replace the closed laws' p-values by those of the baseline's own blocks of the window's size."""
    event_time, rows = monitor.data.event_time, inputs.baseline_rows
    if event_time is None or rows is None or event_time not in rows:
        return [
            result.noting("held-out evidence needs the baseline's rows and event time") for result in results
        ]
    table = rows.table([event_time, *names])
    blocks = time_blocks(
        table,
        event_time,
        max(1, inputs.production.rows),
        contract=inputs.contract,
        timezone=monitor.data.timezone or inputs.contract.timezone,
    )
    wanted = list(dict.fromkeys(result.metric for result in results))
    try:
        null = held_out_null(
            blocks, metrics=wanted, definition=monitor.baseline.definition, contract=inputs.contract
        )
    except UsageError as error:
        return [result.noting(str(error)) for result in results]
    return null.applied(results)


def _only(profile: Profile, names: Collection[str]) -> Profile:
    kept = {name: profile.columns[name] for name in names if name in profile.columns}
    return Profile(profile.rows, kept, tuple(name for name in profile.duplicate_names if name in names))
