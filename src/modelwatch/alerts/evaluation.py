"""All rules of a monitor over its whole history: the state of each alert, and the episodes people hear of."""

from __future__ import annotations

import hashlib
import json
import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwatch.alerts.machine import LIVE, NONE, STATES, State, fold
from modelwatch.alerts.observations import applied_policies, observe, severities, watched
from modelwatch.alerts.rules import SEVERITIES
from modelwatch.metrics import METRICS, Direction
from modelwatch.results import finite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from modelwatch.alerts.history import History, SeriesKey
    from modelwatch.alerts.rules import Rule, Severity
    from modelwatch.monitor import Monitor

_INACTIVE = STATES.index(State.INACTIVE)
_ACTIVE = tuple(STATES.index(state) for state in (State.PENDING, State.FIRING, State.RECOVERING))


def fingerprint(monitor: str, rule: str, key: SeriesKey) -> str:
    """Return the identity of an alert: the same in every run, on every machine."""
    text = json.dumps([monitor, rule, *key], ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Track:
    """One rule's alerts over all windows.

    Attributes
    ----------
    series
        Positions of the watched series in the history; the columns of the arrays below.
    states, severity
        After each window: codes of `STATES`, and ranks of `SEVERITIES` or -1.
    inhibited
        Where another rule's alert explains this one.
    live
        Where the alert belongs to an incident: it fires, and was not inhibited when it began to.
    """

    rule: Rule
    series: NDArray[np.intp]
    states: NDArray[np.uint8]
    severity: NDArray[np.int8]
    inhibited: NDArray[np.bool_]
    live: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Episode:
    """A stretch of windows in which alerts of one group fired without a gap.

    Attributes
    ----------
    group
        The values that its alerts share, by `group_by`.
    first, last
        Positions of its windows; ``last`` is None while it goes on.
    severity
        The highest so far.
    alerts
        Rows of the alerts that took part, as they stood in the last window in which each was live.
    """

    group: dict[str, str | None]
    owner: str
    route: str | None
    first: int
    last: int | None
    severity: Severity
    alerts: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a monitor's rules say about a history."""

    monitor: Monitor
    history: History
    tracks: tuple[Track, ...]

    def alerts(self, window: int = -1) -> list[dict[str, Any]]:
        """Return one row for each alert that is not inactive after a window, the most urgent first."""
        if not self.history.windows:
            return []
        at = range(len(self.history.windows))[window]
        rows = [
            self.row(track, column, at)
            for track in self.tracks
            for column in _positions(track.states[at] != _INACTIVE)
        ]
        order = [State.FIRING, State.RECOVERING, State.PENDING, *STATES]
        ranks = {severity.value: severity.rank for severity in SEVERITIES}
        return sorted(
            rows,
            key=lambda row: (
                order.index(row["state"]),
                -ranks.get(row["severity"], NONE),
                row["rule"],
                str(row["feature"]),
                str(row["segment"]),
            ),
        )

    def row(self, track: Track, column: int, at: int) -> dict[str, Any]:
        """Return what is to be said of one alert after one window."""
        position = int(track.series[column])
        key, rule, history = self.history.series[position], track.rule, self.history
        state, rank = STATES[track.states[at, column]], int(track.severity[at, column])
        bound = rule.fire if rule.fire is not None else finite(history.threshold[at, position])
        return {
            "fingerprint": fingerprint(self.monitor.monitor, rule.id, key),
            "monitor": self.monitor.monitor,
            "rule": rule.id,
            **key._asdict(),
            "state": state.value,
            "severity": None if rank == NONE else SEVERITIES[rank].value,
            "value": finite(history.value[at, position]),
            "threshold": bound,
            "p_value": finite(history.p_value[at, position]),
            "q_value": finite(history.q_value[at, position]),
            "since": history.windows[_since(track.states[:, column], at)].to_dict()["start"],
            "owner": rule.owner or self.monitor.owner,
            "route": rule.route,
            "runbook": rule.runbook,
            "action": rule.action,
            "inhibited": bool(track.inhibited[at, column]),
        }

    def _worst(self, track: Track, column: int, windows: Sequence[int]) -> dict[str, Any]:
        """Return the most alarming value among windows, with its evidence: why people were told."""
        position = int(track.series[column])
        sign = (
            1 if METRICS[self.history.series[position].metric].direction is Direction.HIGHER_IS_WORSE else -1
        )
        values = [finite(self.history.value[at, position]) for at in windows]
        _, at = max(
            (-math.inf if value is None else sign * value, -at)
            for value, at in zip(values, windows, strict=True)
        )
        row = self.row(track, column, -at)
        interval = [finite(ends[-at, position]) for ends in (self.history.low, self.history.high)]
        return {
            "window": self.history.windows[-at].to_dict()["start"],
            **{name: row[name] for name in ("value", "threshold", "p_value", "q_value")},
            "interval": None if None in interval else interval,
        }

    def episodes(self) -> tuple[Episode, ...]:
        """Return what becomes incidents, in the order in which they began."""
        members: dict[str, list[tuple[Track, int]]] = defaultdict(list)
        for track in self.tracks:
            for column in _positions(track.live.any(axis=0)):
                members[self._group(track, column)].append((track, column))
        found = [
            episode
            for group, alerts in members.items()
            for episode in self._episodes(json.loads(group), alerts)
        ]
        return tuple(sorted(found, key=lambda episode: (episode.first, json.dumps(episode.group))))

    def _group(self, track: Track, column: int) -> str:
        key, rule = self.history.series[int(track.series[column])], track.rule
        values = {"monitor": self.monitor.monitor, "rule": rule.id, **key._asdict()}
        group = {name: values[name] for name in ("monitor", *rule.group_by)}
        # Alerts of two owners never share an incident: each owner hears of its own.
        return json.dumps([group, rule.owner or self.monitor.owner or "", rule.route])

    def _episodes(self, group: Sequence[Any], alerts: Sequence[tuple[Track, int]]) -> list[Episode]:
        live = np.stack([track.live[:, column] for track, column in alerts], axis=1)
        ranks = np.stack([track.severity[:, column] for track, column in alerts], axis=1)
        result = []
        for first, last in _stretches(np.any(live, axis=1)):
            inside = slice(first, last + 1)
            rows = []
            for place, (track, column) in enumerate(alerts):
                when = _positions(live[inside, place])
                if when:
                    row = self.row(track, column, first + when[-1])
                    rows.append({**row, "worst": self._worst(track, column, [first + at for at in when])})
            highest = int(np.where(live[inside], ranks[inside], NONE).max())
            result.append(
                Episode(
                    group[0], group[1], group[2], first,
                    None if last == len(self.history.windows) - 1 else last,
                    SEVERITIES[max(highest, 0)], tuple(rows),
                )
            )  # fmt: skip
        return result


def evaluate(monitor: Monitor, history: History) -> Evaluation:
    """Fold every rule over the history.

    Parameters
    ----------
    monitor
        Its rules and signals; ``history`` need not know all of them.

    Notes
    -----
    A pure function: who was told what is the journal's matter.
    """
    folded = []
    for rule in monitor.rules:
        series = watched(rule, history)
        seen = applied_policies(rule, observe(rule, monitor, history, series))
        path = fold(
            seen,
            severities(rule, history, series),
            needed=rule.needed,
            out_of=rule.out_of,
            keep_firing=rule.keep_firing,
        )
        folded.append((rule, series, path))
    active = {rule.id: (series, np.isin(path.states, _ACTIVE)) for rule, series, path in folded}
    tracks = []
    for rule, series, path in folded:
        inhibited = _inhibited(rule, series, history, active)
        live = _live(np.isin(path.states, LIVE), inhibited)
        tracks.append(Track(rule, series, path.states, path.severity, inhibited, live))
    return Evaluation(monitor, history, tuple(tracks))


def _inhibited(
    rule: Rule,
    series: NDArray[np.intp],
    history: History,
    active: dict[str, tuple[NDArray[np.intp], NDArray[np.bool_]]],
) -> NDArray[np.bool_]:
    """Tell where an alert of an inhibiting rule is active on the same feature and segment, or on all."""
    result = np.zeros((len(history.windows), len(series)), dtype=bool)
    causes: dict[tuple[str | None, str | None], NDArray[np.bool_]] = {}
    for name in rule.inhibited_by:
        others, states = active.get(name, (np.array([], dtype=np.intp), result))
        for column, position in enumerate(others):
            key = history.series[position]
            about = key.feature, key.segment
            causes[about] = causes.get(about, False) | states[:, column]
    if not causes:
        return result
    for column, position in enumerate(series):
        key = history.series[position]
        for about in {(f, s) for f in (key.feature, None) for s in (key.segment, None)} & causes.keys():
            result[:, column] |= causes[about]
    return result


def _live(firing: NDArray[np.bool_], inhibited: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell where alerts count: what people were told of goes on counting when it is inhibited later."""
    result = np.zeros_like(firing)
    before = np.zeros(firing.shape[1], dtype=bool)
    for window in range(len(firing)):
        before = result[window] = firing[window] & (before | ~inhibited[window])
    return result


def _positions(flags: Any) -> list[int]:
    return [int(position) for position in np.flatnonzero(flags)]


def _stretches(flags: Any) -> list[tuple[int, int]]:
    """Return first and last position of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False]))))
    return [(int(start), int(end) - 1) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _since(states: NDArray[np.uint8], at: int) -> int:
    """Return the window since which an alert has been in its state, firing and recovering taken as one."""
    alike = LIVE if states[at] in LIVE else (states[at],)
    different = np.flatnonzero(~np.isin(states[: at + 1], alike))
    return int(different[-1]) + 1 if different.size else 0
