"""What rules notice: changes injected into real rows, window by window (``mlops alerts power``)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwatch.alerts.changes import CHANGES
from modelwatch.alerts.evaluation import evaluate
from modelwatch.alerts.history import History
from modelwatch.contract import Contract
from modelwatch.declared_signals import PROFILED
from modelwatch.errors import UsageError
from modelwatch.inputs import as_table, roles_of
from modelwatch.profiles import Profile
from modelwatch.profiling import profile
from modelwatch.running import run
from modelwatch.sources.base import TableSource
from modelwatch.sources.windows import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from modelwatch.alerts.changes import Change
    from modelwatch.monitor import Monitor

# Windows before the change: an alert that fires in them is none of its doing.
BEFORE = 3
_START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Detection:
    """How a rule took a change of a feature.

    Attributes
    ----------
    rule
        None where no rule fired on the feature in any repeat.
    fired
        Share of repeats in which an alert fired.
    windows
        Windows from the change to the alert, in the median: 1 is the first changed one.
    """

    change: str
    feature: str
    rule: str | None
    fired: float
    windows: float | None


@dataclass(frozen=True, slots=True)
class Power:
    """All changes of all features.

    Attributes
    ----------
    fired_before
        Share of repeats in which an alert fired before anything was changed.
    left_out
        Signals that need labels or rows and so took no part.
    """

    monitor: str
    rows: int
    windows: int
    repeats: int
    detections: tuple[Detection, ...]
    fired_before: float
    left_out: tuple[str, ...]

    @property
    def unnoticed(self) -> tuple[Detection, ...]:
        """Changes that no rule noticed in any repeat."""
        return tuple(detection for detection in self.detections if detection.rule is None)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def power(
    monitor: Monitor,
    baseline: Any,
    production: Any,
    *,
    rows: int,
    contract: Contract | None = None,
    windows: int = 5,
    repeats: int = 5,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Power:
    """Change one feature at a time in windows drawn from real rows, and see which rules fire when.

    Parameters
    ----------
    baseline, production
        Sources; ``production`` is best later data that nothing is wrong with.
    rows
        Rows a window, drawn with repetition.
    windows, repeats
        Changed windows in a stream, and streams; each begins with `BEFORE` windows as they are.
    progress
        Told what happens now.

    Notes
    -----
    Signals of profiles alone take part: labels and attributions are not changed with a feature.
    """
    watched, left_out = _profiled(monitor)
    name = monitor.data.event_time
    frozen = baseline if isinstance(baseline, Profile) else profile(baseline, contract=contract)
    contract = contract or Contract.infer(
        frozen, roles=roles_of(monitor, frozen), timezone=monitor.data.timezone
    )
    table = as_table(production)
    dropped = {name} if name is not None else set()
    table = table.drop_columns([column for column in table.column_names if column in dropped])
    frozen = _without(frozen, dropped)
    if not table.num_rows:
        raise UsageError("There are no rows to change", where=monitor.monitor, expected="production rows")
    generator = np.random.default_rng(seed)
    fired: dict[tuple[str, str], list[dict[str, int]]] = {}
    before = 0
    for repeat in range(repeats):
        if progress is not None:
            progress(f"stream {repeat + 1} of {repeats}")
        drawn = [table.take(generator.integers(0, table.num_rows, rows)) for _ in range(BEFORE + windows)]
        profiles = [profile(TableSource(window), contract=contract) for window in drawn]
        stream = _Stream(watched, contract, frozen, drawn, profiles, generator)
        before += bool(stream.rung(None, stream.quiet))
        for change in CHANGES:
            for feature in _features(contract, table, change):
                found = stream.changed(change, feature)
                if found is not None:
                    fired.setdefault((change.name, feature), []).append(found)
    detections = [row for key, streams in fired.items() for row in _detections(*key, streams)]
    return Power(
        monitor.monitor, rows, windows, repeats, tuple(detections), before / repeats, tuple(left_out)
    )


class _Stream:
    """One sequence of windows, and what it would measure if one column were otherwise."""

    def __init__(  # noqa: PLR0917
        self,
        monitor: Monitor,
        contract: Contract,
        baseline: Profile,
        tables: Sequence[pa.Table],
        profiles: Sequence[Profile],
        generator: np.random.Generator,
    ) -> None:
        self.monitor, self.contract, self.baseline = monitor, contract, baseline
        self.tables, self.profiles, self.generator = tables, profiles, generator
        self.length = parse_duration(monitor.data.window)
        self.quiet = [self._measured(place, window) for place, window in enumerate(profiles[:BEFORE])]

    def changed(self, change: Change, feature: str) -> dict[str, int] | None:
        """Return after how many changed windows each rule fired; None where the change means nothing."""
        results = list(self.quiet)
        for place in range(BEFORE, len(self.tables)):
            column = change.apply(self.tables[place].column(feature), self.generator)
            if column is None:
                return None
            table = self.tables[place].select([feature]).set_column(0, feature, column)
            one = profile(TableSource(table), contract=self.contract)
            columns = {**self.profiles[place].columns, feature: one.columns[feature]}
            results.append(self._measured(place, Profile(self.profiles[place].rows, columns)))
        return self.rung(feature, results)

    def rung(self, feature: str | None, results: Sequence[dict[str, Any]]) -> dict[str, int]:
        """Return the first window, counted from the change, in which each rule fires on the feature."""
        history = History.of(results, self.monitor.monitor)
        first: dict[str, int] = {}
        for track in evaluate(self.monitor, history).tracks:
            about = [history.series[position].feature for position in track.series]
            live = track.live[:, [feature is None or name in (feature, None) for name in about]]
            # An alert that fired before the change is not its discovery.
            new = live[:, ~live[:BEFORE].any(axis=0)] if feature is not None else live
            when = np.flatnonzero(new.any(axis=1))
            if when.size:
                first[track.rule.id] = int(when[0]) - BEFORE + 1
        return first

    def _measured(self, place: int, production: Profile) -> dict[str, Any]:
        result = run(self.monitor, self.baseline, production, contract=self.contract)
        start = _START + place * self.length
        result["window"] = {"start": start.isoformat(), "end": (start + self.length).isoformat()}
        return result


def _detections(change: str, feature: str, streams: Sequence[dict[str, int]]) -> list[Detection]:
    rules = sorted({rule for stream in streams for rule in stream})
    if not rules:
        return [Detection(change, feature, None, 0.0, None)]
    result = []
    for rule in rules:
        waits = [stream[rule] for stream in streams if rule in stream]
        result.append(Detection(change, feature, rule, len(waits) / len(streams), float(median(waits))))
    return result


def _profiled(monitor: Monitor) -> tuple[Monitor, list[str]]:
    """Return the monitor with the signals that profiles can tell, and the names of the others."""
    kept = {
        name: signal
        for name, signal in monitor.signals.items()
        if signal.type in PROFILED and signal.evidence == "closed"
    }
    left_out = [name for name in monitor.signals if name not in kept]
    rules = tuple(rule for rule in monitor.rules if rule.signal in kept)
    if not rules:
        raise UsageError(
            "No rule watches a signal that profiles can tell",
            where=monitor.monitor,
            expected=f"a rule on a signal of type {', '.join(sorted(PROFILED))}",
        )
    data = monitor.data.model_copy(update={"event_time": None})
    update = {"signals": kept, "rules": rules, "segments": (), "data": data}
    return monitor.model_copy(update=update), left_out


def _features(contract: Contract, table: pa.Table, change: Change) -> list[str]:
    return [
        column.name
        for column in contract.columns
        if column.role in change.roles and column.name in table.column_names
    ]


def _without(found: Profile, dropped: set[str]) -> Profile:
    return Profile(
        found.rows, {name: column for name, column in found.columns.items() if name not in dropped}
    )
