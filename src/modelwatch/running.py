"""`run`: one window of one monitor, from data to the content of ``results.json``."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from modelwatch import signals
from modelwatch.contract import Contract
from modelwatch.declared_signals import PROFILED
from modelwatch.errors import SourceError
from modelwatch.failures import reason
from modelwatch.inputs import Inputs, of_segment, read_inputs, reading_of
from modelwatch.monitor import Monitor, Segmentation
from modelwatch.results import Measurement, Status
from modelwatch.rows import Condition
from modelwatch.schema import absence, blank
from modelwatch.segments import Segment, counted_values, profile_segments, too_many
from modelwatch.table_quality import left_out
from modelwatch.value_names import profiled_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from modelwatch.sources.windows import Window


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
        Any source; rows outside ``window`` are left out by the event time that the monitor names. A `Profile`
        (of Spark) is enough for drift and quality, and is taken as the window's.
    window
        Half-open, UTC; None takes all rows. Where the monitor names no event time, and the data collector
        wrote none, all rows of ``production`` are taken as the window's.
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
    contract = contract or declared_contract(declared, monitor)
    extras = {"importances": importances, "training_rows": training_rows, "requests": requests}
    inputs = read_inputs(
        declared, baseline, production, window, contract=contract, labels=labels, extras=extras
    )
    return results_of(declared, inputs)


def results_of(monitor: Monitor, inputs: Inputs) -> dict[str, Any]:
    """Evaluate a monitor on inputs that were read already, for callers that have another use for them too."""
    measurements = list(_measurements(monitor, inputs))
    return {
        "monitor": monitor.monitor,
        "window": inputs.window.to_dict() if inputs.window else {"start": None, "end": None},
        "measurements": [measurement.to_dict() for measurement in measurements],
        "alerts": [],
    }


def _measurements(monitor: Monitor, inputs: Inputs) -> Iterator[Measurement]:
    if not any(signal.type == "data_quality" for signal in monitor.signals.values()):
        # Where quality is measured, it belongs there.
        yield from (replace(found, signal="window") for found in left_out(monitor, inputs))
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
        try:
            yield from _segmented(
                monitor, inputs, segmentation, quiet=PROFILED if overlapping else frozenset()
            )
        except Exception as error:  # noqa: BLE001  (one segmentation takes no other down)
            yield _unsegmented(monitor, segmentation.by, Status.ERROR, reason(error))


def _segmented(
    monitor: Monitor, inputs: Inputs, segmentation: Segmentation, *, quiet: frozenset[str]
) -> Iterator[Measurement]:
    """Measure each segment by all signals that have some, but for types in ``quiet``."""
    if lacking := absence(segmentation.by, inputs.production):
        status = Status.NO_DATA if blank(inputs.production) else Status.SCHEMA_ERROR
        yield _unsegmented(monitor, segmentation.by, status, lacking)
        return
    by = segmentation.by
    if inputs.production_rows is None:
        raise SourceError("Segments need the rows of production, not its profile", where=monitor.monitor)
    now = counted_values(inputs.production_rows.source, by, reading_of(inputs, by))
    before = _before(inputs, by)
    if not now and too_many(len(before)):
        # That production holds nothing to tell apart matters more than what vanished.
        before = {}
    for side, counts in (("production", now), ("baseline", before)):
        if note := too_many(len(counts)):
            yield _unsegmented(monitor, by, Status.SCHEMA_ERROR, f"column {by!r} has in {side} {note}")
            return
    segments = list(_segments(inputs, by, segmentation.min_rows, now, before))
    if not segments:
        column = inputs.production.columns[by]
        held = column.rows > column.missing
        status = Status.SCHEMA_ERROR if held else Status.NO_DATA
        what = "is no column of categories" if held else "has no values in production"
        yield _unsegmented(monitor, by, status, f"column {by!r} {what}")
    for found, part in segments:
        label = f"{segmentation.by}={found.value}"
        if part is None:
            yield _small(monitor, label, found.rows, segmentation.min_rows)
            continue
        for name, signal in monitor.signals.items():
            if signal.type not in signals.UNSEGMENTED | quiet:
                for measurement in signals.evaluate(monitor, name, signal, part, segment=label):
                    yield replace(measurement, segment=label)


def _unsegmented(monitor: Monitor, by: str, status: Status, note: str) -> Measurement:
    """Return the one measurement of a segmentation that cannot be made."""
    return Measurement(
        "volume_ratio", monitor.baseline.definition, None, status, signal="segments", feature=by, segment=by,
        note=note,
    )  # fmt: skip


def _small(monitor: Monitor, segment: str, rows: int, needed: int) -> Measurement:
    return Measurement(
        "volume_ratio",
        monitor.baseline.definition,
        None,
        Status.INSUFFICIENT if rows else Status.NO_DATA,
        n_production=rows,
        signal="segments",
        segment=segment,
        note=f"{needed} rows are needed" if rows else "no rows in production",
    )


def _monitor(monitor: Monitor | Mapping[str, Any] | str | Path) -> Monitor:
    if isinstance(monitor, Monitor):
        return monitor
    return Monitor.load(monitor) if isinstance(monitor, (str, Path)) else Monitor.parse(monitor)


def declared_contract(monitor: Monitor, where: object) -> Contract | None:
    """Return the contract that a monitor names, which lies beside the monitor's file."""
    if monitor.contract is None:
        return None
    folder = Path(where).parent if isinstance(where, (str, Path)) else Path()
    return Contract.load(folder / monitor.contract)


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


def _before(inputs: Inputs, by: str) -> dict[str, int]:
    """Return how many rows of the baseline each value of a column has."""
    if inputs.baseline_rows is not None and by in inputs.baseline_rows:
        return counted_values(inputs.baseline_rows.source, by, reading_of(inputs, by))
    column = inputs.baseline.columns.get(by)
    return {} if column is None else profiled_names(column)


def _segments(
    inputs: Inputs, by: str, fewest: int, now: Mapping[str, int], before: Mapping[str, int]
) -> Iterator[tuple[Segment, Inputs | None]]:
    """Yield each segment's inputs, None where it has too few rows; the baseline may lack a segment."""
    found = [Segment(value, rows) for value, rows in now.items()]
    found += [Segment(value, 0) for value, rows in before.items() if value not in now and rows >= fewest]
    large = [segment.value for segment in found if segment.rows >= fewest]
    profiled = partial(
        profile_segments, column=by, values=large, contract=inputs.contract, reading=reading_of(inputs, by)
    )
    after = {} if inputs.production_rows is None else profiled(inputs.production_rows.source)
    baselines = {}
    if inputs.baseline_rows is not None and by in inputs.baseline_rows:
        baselines = profiled(inputs.baseline_rows.source)
    for segment in found:
        if segment.value not in after:
            yield segment, None
            continue
        condition = Condition(by, segment.value, reading_of(inputs, by))
        part = of_segment(inputs, condition, baselines.get(segment.value), after[segment.value])
        yield segment, part
