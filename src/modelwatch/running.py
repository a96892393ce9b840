"""`run`: one window of one monitor, from data to the content of ``results.json``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from modelwatch import signals
from modelwatch.contract import Contract, Role
from modelwatch.errors import SourceError
from modelwatch.monitor import PROFILED, Monitor
from modelwatch.performance.labels import join_labels
from modelwatch.profiles import Profile
from modelwatch.profiling import profile
from modelwatch.results import Measurement, Status
from modelwatch.sources.collector import INPUTS, is_collector, read_collector, read_deployment
from modelwatch.sources.opening import TableSource, open_source
from modelwatch.sources.windows import Window, within

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from modelwatch.performance.labels import LabelledRows


@dataclass(frozen=True, slots=True)
class Inputs:
    """What signals read: profiles always, rows where a signal or segment needs them.

    Attributes
    ----------
    baseline, production
        Profiles made with ``contract``.
    baseline_rows, production_rows
        Tables, None where nothing needs rows (or, of the baseline, where only its profile is kept).
    joined
        Production rows with their labels.
    """

    contract: Contract
    baseline: Profile
    production: Profile
    baseline_rows: pa.Table | None
    production_rows: pa.Table | None
    joined: LabelledRows | None
    window: Window | None
    extras: Mapping[str, Any]


def run(
    monitor: Monitor | Mapping[str, Any] | str | Path,
    baseline: Any,
    production: Any,
    window: Window | None = None,
    *,
    contract: Contract | None = None,
    labels: Any = None,
    importances: tuple[Any, Any] | None = None,
    training_rows: Any = None,
    requests: Any = None,
) -> dict[str, Any]:
    """Evaluate a monitor on one window.

    Parameters
    ----------
    monitor
        The declaration, or a path to it.
    baseline
        A `Profile`, the path of one, or any source `profile` reads. A profile is enough for drift and
        quality.
    production
        Any source; rows outside ``window`` are left out by the event time that the monitor names.
    window
        Half-open, UTC; None takes all rows.
    contract
        Inferred from the baseline by default.
    labels
        Source of labels with the correlation id, however late they came.
    importances
        Feature importances of the baseline and of production.
    training_rows
        Features as the training pipeline computes them for the same row ids, for training-serving skew.
    requests
        Request log, for operational signals.

    Returns
    -------
    dict
        ``{"monitor", "window", "measurements", "alerts"}``; plain Python values, no NaN. One signal that
        fails is a measurement with status ``error`` and takes no other down.

    Raises
    ------
    ContractError, SourceError
        If the declaration or the data cannot be read at all.
    """
    declared = _monitor(monitor)
    contract = contract or _declared_contract(declared, monitor)
    extras = {"importances": importances, "training_rows": training_rows, "requests": requests}
    inputs = _read(declared, baseline, production, window, contract, labels, extras)
    measurements = list(_measurements(declared, inputs))
    return {
        "monitor": declared.monitor,
        "window": window.to_dict() if window else {"start": None, "end": None},
        "measurements": [measurement.to_dict() for measurement in measurements],
        "alerts": [],
    }


def _measurements(monitor: Monitor, inputs: Inputs) -> Iterator[Measurement]:
    overlapping = _overlap(monitor, inputs)
    for name, signal in monitor.signals.items():
        if overlapping and signal.type in PROFILED:
            yield Measurement(
                "schema_change",
                monitor.baseline.definition,
                None,
                Status.ERROR,
                signal=name,
                note=overlapping,
            )
            continue
        yield from signals.evaluate(monitor, name, signal, inputs)
    for segmentation in monitor.segments:
        for value, part in _segments(monitor, inputs, segmentation.by):
            label = f"{segmentation.by}={value}"
            if part.production.rows < segmentation.min_rows:
                yield _small(monitor, label, part.production.rows, segmentation.min_rows)
                continue
            for name, signal in monitor.signals.items():
                if signal.type in signals.SEGMENTED:
                    for measurement in signals.evaluate(monitor, name, signal, part, segment=label):
                        yield replace(measurement, segment=label)


def _small(monitor: Monitor, segment: str, rows: int, needed: int) -> Measurement:
    return Measurement(
        "volume_ratio",
        monitor.baseline.definition,
        None,
        Status.INSUFFICIENT,
        n_production=rows,
        signal="segments",
        segment=segment,
        note=f"{needed} rows are needed",
    )


def _monitor(monitor: Monitor | Mapping[str, Any] | str | Path) -> Monitor:
    if isinstance(monitor, Monitor):
        return monitor
    return Monitor.load(monitor) if isinstance(monitor, (str, Path)) else Monitor.parse(monitor)


def _declared_contract(monitor: Monitor, where: object) -> Contract | None:
    if monitor.contract is None:
        return None
    folder = Path(where).parent if isinstance(where, (str, Path)) else Path()
    return Contract.load(folder / monitor.contract)


def _read(  # noqa: PLR0917
    monitor: Monitor,
    baseline: Any,
    production: Any,
    window: Window | None,
    contract: Contract | None,
    labels: Any,
    extras: Mapping[str, Any],
) -> Inputs:
    reference, reference_rows = _baseline(baseline, contract, rows=_needs_rows(monitor, labels))
    contract = contract or Contract.infer(
        reference, roles=_roles(monitor, reference), timezone=monitor.data.timezone
    )
    checked = reference
    if reference_rows is not None:
        checked = profile(reference_rows, contract=contract)
    windowed = window is not None and monitor.data.event_time is not None
    if windowed or labels is not None or _needs_rows(monitor, labels):
        rows: pa.Table | None = _rows(production, monitor, window, contract)
        found = profile(TableSource(rows), contract=contract)
    else:
        rows, found = None, profile(production, contract=contract)
    joined = None
    if labels is not None and rows is not None:
        joined = join_labels(rows, as_table(labels), monitor.data.correlation_id)
    return Inputs(contract, checked, found, reference_rows, rows, joined, window, extras)


def _roles(monitor: Monitor, baseline: Profile) -> dict[str, Role]:
    """Return the roles of columns that the monitor itself names."""
    named = {segmentation.by: Role.SEGMENT for segmentation in monitor.segments}
    named[monitor.data.correlation_id] = Role.IDENTIFIER
    if monitor.data.event_time is not None:
        named[monitor.data.event_time] = Role.EVENT_TIME
    return {name: role for name, role in named.items() if name in baseline.columns}


def _needs_rows(monitor: Monitor, labels: Any) -> bool:
    beyond = any(
        signal.type not in PROFILED or signal.evidence == "held_out" for signal in monitor.signals.values()
    )
    return beyond or bool(monitor.segments) or labels is not None


def _baseline(baseline: Any, contract: Contract | None, *, rows: bool) -> tuple[Profile, pa.Table | None]:
    if isinstance(baseline, Profile):
        return baseline, None
    if isinstance(baseline, (str, Path)) and Path(baseline).suffix == ".profile":
        return Profile.load(baseline), None
    if rows:
        table = as_table(baseline)
        return profile(TableSource(table), contract=contract), table
    return profile(baseline, contract=contract), None


def as_table(source: Any) -> pa.Table:
    """Read a source into memory."""
    opened = open_source(source)
    if isinstance(opened, TableSource):
        return opened.table
    return pa.Table.from_batches(opened.batches(list(opened.schema.names)), schema=None)


def _rows(production: Any, monitor: Monitor, window: Window | None, contract: Contract) -> pa.Table:
    folder = Path(production) if isinstance(production, (str, Path)) else None
    if folder is not None and folder.is_dir():
        if (folder / INPUTS).is_dir():
            return read_deployment(folder, window)
        if is_collector(folder):
            return read_collector(folder, window)
    table = as_table(production)
    if window is None or monitor.data.event_time is None:
        return table
    zone = monitor.data.timezone or contract.timezone
    return within(table, window, monitor.data.event_time, timezone=zone)


def _overlap(monitor: Monitor, inputs: Inputs) -> str:
    """Return a note if baseline and production share time: drift against oneself is no drift."""
    name = monitor.data.event_time
    if name is None or name not in inputs.baseline.columns or name not in inputs.production.columns:
        return ""
    sides = inputs.baseline.columns[name], inputs.production.columns[name]
    lows = [side.minimum for side in sides if side.minimum is not None]
    highs = [side.maximum for side in sides if side.maximum is not None]
    if len(lows) < 2 or max(lows) > min(highs):
        return ""
    ticks = (pa.scalar(int(tick), pa.timestamp("us", tz="UTC")) for tick in (max(lows), min(highs)))
    start, end = (tick.as_py().isoformat() for tick in ticks)
    return f"baseline overlaps production from {start} to {end}"


def _segments(monitor: Monitor, inputs: Inputs, by: str) -> Iterator[tuple[str, Inputs]]:
    """Yield each segment's inputs; a segment that the baseline lacks has an empty baseline."""
    production = inputs.production_rows
    if production is None or by not in production.column_names:
        raise SourceError("The segment column is missing", where=monitor.monitor, expected=by)
    values = [v for v in pc.unique(production.column(by)).to_pylist() if v is not None]
    for value in sorted(values, key=str):
        part = _where(production, by, value)
        before = None if inputs.baseline_rows is None else _where(inputs.baseline_rows, by, value)
        joined = inputs.joined
        if joined is not None:
            labelled = _where(joined.table, by, value)
            joined = joined._replace(table=labelled, predictions=part.num_rows)
        yield (
            str(value),
            Inputs(
                inputs.contract,
                inputs.baseline if before is None else profile(TableSource(before), contract=inputs.contract),
                profile(TableSource(part), contract=inputs.contract),
                before,
                part,
                joined,
                inputs.window,
                inputs.extras,
            ),
        )


def _where(table: pa.Table, column: str, value: Any) -> pa.Table:
    return table.filter(pc.equal(table.column(column), pa.scalar(value)))
