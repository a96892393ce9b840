"""What signals read: one window of one monitor, its data opened, profiled and joined to labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwatch.azureml import typed
from modelwatch.column_contracts import ColumnContract, Role
from modelwatch.contract import Contract
from modelwatch.metrics import AZUREML
from modelwatch.performance.labels import join_labels
from modelwatch.profiles import Profile
from modelwatch.profiling import profile
from modelwatch.rows import Keeping, Rows
from modelwatch.schema import absence
from modelwatch.sources.base import BatchSource, ColumnSource, TableSource, read_table
from modelwatch.sources.collector import EVENT_TIME, CollectorSource, DeploymentSource
from modelwatch.sources.opening import open_source
from modelwatch.sources.windowed import windowed
from modelwatch.sources.windows import ALL_DATED, Window, parse_duration

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    import pyarrow as pa

    from modelwatch.columns import Kind
    from modelwatch.monitor import Monitor
    from modelwatch.performance.labels import LabelledRows
    from modelwatch.rows import Condition
    from modelwatch.sources.base import Source
    from modelwatch.sources.windows import Undated

# When a prediction was made, beside the time of its label, in rows that were joined.
PREDICTED_AT = "__predicted_at__"
_JUDGED = (Role.PREDICTION, Role.PROBABILITY, Role.TARGET, Role.SEGMENT)


@dataclass(frozen=True, slots=True)
class Inputs:
    """One window: profiles, and rows for the signals that need some.

    Attributes
    ----------
    baseline, production
        Profiles made with ``contract``.
    baseline_rows, production_rows
        Read again on demand; None where only a profile is at hand.
    labelled
        Predictions with their labels, by how much earlier than the window they were made.
    undated
        Rows that no window can hold, since their event time cannot be read.
    unlabelled
        Why there are labels and none could be joined; empty otherwise.
    """

    contract: Contract
    baseline: Profile
    production: Profile
    baseline_rows: Rows | None
    production_rows: Rows | None
    labelled: Mapping[timedelta, LabelledRows]
    window: Window | None
    extras: Mapping[str, Any]
    undated: Undated = ALL_DATED
    unlabelled: str = ""


def read_inputs(
    monitor: Monitor,
    baseline: Any,
    production: Any,
    window: Window | None,
    *,
    contract: Contract | None,
    labels: Any,
    extras: Mapping[str, Any],
) -> Inputs:
    """Open and profile both sides of a comparison, in bounded memory, and join what has labels."""
    rows_needed = needs_rows(monitor, labels)
    reference, reference_rows = _baseline(baseline, contract, monitor, rows_needed=rows_needed)
    given = contract
    if contract is None:
        roles = roles_of(monitor, reference)
        contract = Contract.infer(reference, roles=roles, timezone=monitor.data.timezone).draft()
        if monitor.baseline.definition == AZUREML:
            contract = typed(contract, reference)
    contract = _dated(contract, monitor)
    if reference_rows is not None and contract != given:
        reference = _read_again(reference, reference_rows, contract)
    if isinstance(production, Profile):
        return Inputs(contract, reference, production, reference_rows, None, {}, window, extras)
    everything = open_source(production, contract=contract)
    if isinstance(everything, BatchSource) and labels is not None:
        everything = TableSource(read_table(everything))
    source = _within(everything, monitor, window, contract)
    found, rows = _profiled(source, contract, monitor, rows_needed=rows_needed)
    undated = getattr(source, "undated", ALL_DATED)
    labelled, unlabelled = {}, ""
    if labels is not None and rows is not None:
        known, key = as_table(labels), monitor.data.correlation_id
        for lag in lags(monitor):
            predicted = rows
            if lag and window is not None:
                predicted = _earlier(everything, monitor, window, lag, contract)
            if key not in predicted:
                unlabelled = f"labels cannot be joined: {absence(key, found) or f'no column {key!r}'}"
                continue
            labelled[lag] = _labelled(predicted, known, monitor, contract)
    return Inputs(
        contract, reference, found, reference_rows, rows, labelled, window, extras, undated, unlabelled
    )


def _dated(contract: Contract, monitor: Monitor) -> Contract:
    """Return a contract that knows the monitor's event time and zone, where it has none of its own."""
    name, columns = monitor.data.event_time, contract.columns
    if name is not None and contract.get(name) is None:
        columns = (*columns, ColumnContract(name=name, type="time", role=Role.EVENT_TIME))
    return contract.changed(columns, monitor.data.timezone or contract.timezone)


def _read_again(reference: Profile, rows: Rows, contract: Contract) -> Profile:
    """Return a profile that was made without this contract, the columns anew that it reads otherwise."""
    zoned = contract.timezone not in (None, "UTC")
    names = [
        name
        for name, column in reference.columns.items()
        if (found := contract.get(name)) is not None
        and (found.value_kind is not column.kind or (zoned and found.role is Role.EVENT_TIME))
    ]
    if not names:
        return reference
    again = profile(rows.source, contract=contract, columns=names)
    return Profile(reference.rows, {**reference.columns, **again.columns}, reference.duplicate_names)


def as_table(source: Any) -> pa.Table:
    """Read a source into memory."""
    return read_table(open_source(source))


def needs_rows(monitor: Monitor, labels: Any) -> bool:
    """Tell whether profiles are not enough for this monitor."""
    beyond = any(signal.needs_rows for signal in monitor.signals.values())
    return beyond or bool(monitor.segments) or labels is not None


def lags(monitor: Monitor) -> set[timedelta]:
    """Return how late labels may come, over the signals that need some; none of them means at once."""
    declared = (
        signal for signal in monitor.signals.values() if signal.type in ("model_performance", "fairness")
    )
    return {parse_duration(signal.label_lag) for signal in declared}


def _baseline(
    baseline: Any, contract: Contract | None, monitor: Monitor, *, rows_needed: bool
) -> tuple[Profile, Rows | None]:
    if isinstance(baseline, Profile):
        return baseline, None
    if isinstance(baseline, (str, Path)) and Path(baseline).suffix == ".profile":
        return Profile.load(baseline), None
    return _profiled(open_source(baseline, contract=contract), contract, monitor, rows_needed=rows_needed)


def _profiled(
    source: Source, contract: Contract | None, monitor: Monitor, *, rows_needed: bool
) -> tuple[Profile, Rows | None]:
    """Profile a source; where rows are needed and columns cannot be read alone, keep the usual ones."""
    if isinstance(source, BatchSource):
        if not rows_needed:
            return profile(source, contract=contract), None
        source = TableSource(read_table(source), source.duplicate_names)
    if isinstance(source, ColumnSource) or not rows_needed or contract is None:
        found = profile(source, contract=contract)
        return found, Rows(source, _names(found, source))
    keeping = Keeping(source, _usual(monitor, contract))
    found = profile(keeping, contract=contract)
    kept = keeping.kept()
    return found, Rows(source, _names(found, source), kept)


def _names(found: Profile, source: Source) -> tuple[str, ...]:
    """Return the columns of a source, those included that came late or that its contract ignores."""
    names = dict.fromkeys([*source.schema.names, *found.columns])
    return tuple(name for name in names if name not in source.duplicate_names)


def _usual(monitor: Monitor, contract: Contract) -> tuple[str, ...]:
    """Return the few columns that judging predictions takes."""
    names = [name for role in _JUDGED for name in contract.with_role(role)]
    names += [segmentation.by for segmentation in monitor.segments]
    names += [name for signal in monitor.signals.values() for name in signal.by]
    names += [monitor.data.correlation_id, monitor.data.event_time or ""]
    return tuple(dict.fromkeys(name for name in names if name))


def _within(source: Source, monitor: Monitor, window: Window | None, contract: Contract) -> Source:
    name = monitor.data.event_time
    if name is None and isinstance(source, (CollectorSource, DeploymentSource)):
        name = EVENT_TIME
    if window is None or name is None:
        return source
    return windowed(source, window, name, timezone=monitor.data.timezone or contract.timezone)


def _earlier(source: Source, monitor: Monitor, window: Window, lag: timedelta, contract: Contract) -> Rows:
    """Return the predictions whose labels are due in ``window``."""
    shifted = _within(source, monitor, Window(window.start - lag, window.end - lag), contract)
    return Rows(shifted, tuple(shifted.schema.names))


def _labelled(rows: Rows, labels: pa.Table, monitor: Monitor, contract: Contract) -> LabelledRows:
    predictions = rows.table(_usual(monitor, contract))
    event_time = monitor.data.event_time
    if event_time in labels.column_names and event_time in predictions.column_names:
        predictions = predictions.append_column(PREDICTED_AT, predictions.column(event_time))
    return join_labels(predictions, labels, monitor.data.correlation_id)


def roles_of(monitor: Monitor, baseline: Profile) -> dict[str, Role]:
    """Return the roles of columns that the monitor itself names."""
    named = {segmentation.by: Role.SEGMENT for segmentation in monitor.segments}
    named[monitor.data.correlation_id] = Role.IDENTIFIER
    if monitor.data.event_time is not None:
        named[monitor.data.event_time] = Role.EVENT_TIME
    return {name: role for name, role in named.items() if name in baseline.columns}


def reading_of(inputs: Inputs, column: str) -> Kind | None:
    """Return the kind as which both sides' values of a column are named: the contract's or the baseline's."""
    declared, before = inputs.contract.get(column), inputs.baseline.columns.get(column)
    if declared is not None:
        return declared.value_kind
    return None if before is None else before.kind


def of_segment(inputs: Inputs, condition: Condition, baseline: Profile | None, production: Profile) -> Inputs:
    """Return the inputs of one segment; without a baseline of its own it keeps the whole one's profile."""
    before, after = inputs.baseline_rows, inputs.production_rows
    return replace(
        inputs,
        baseline=inputs.baseline if baseline is None else baseline,
        production=production,
        baseline_rows=None if before is None else before.where(condition),
        production_rows=None if after is None else after.where(condition),
        labelled={lag: labelled.where(condition) for lag, labelled in inputs.labelled.items()},
    )
