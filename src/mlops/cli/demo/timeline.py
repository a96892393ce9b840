"""The replay as a picture: what was measured each day, what people heard, and who answered."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlops.cli.demo.production import Production
    from modelwatch.alerts.incidents import Incident

__all__ = ["Panel", "Timeline", "draw"]

# Units of the drawing; the page scales it.
LEFT: Final = 96.0
DAY: Final = 38.0
HEIGHT: Final = 150.0
ROW: Final = 15.0
_STEPS: Final = 4
_DRIFT_LEVELS: Final = (0.1, 0.25, 1.0)


@dataclass(frozen=True, slots=True)
class Panel:
    """One measure of the outcome: a point a day with its interval, and the bound as a line of steps."""

    title: str
    ticks: tuple[tuple[float, str], ...]
    points: tuple[dict[str, Any], ...]
    bound: str
    bound_label: tuple[float, float, str]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Everything that the page draws of the replay.

    Parameters
    ----------
    days
        Position and date of each day.
    panels
        The outcome's measures.
    drift
        Per feature, a cell a day: its level and what it says.
    shares
        Per day, where each deployment's bar begins and how long it is.
    marks
        What happened when: position and text.
    alert
        First and last position of the incident that paged, or None.
    """

    width: float
    days: tuple[dict[str, Any], ...]
    panels: tuple[Panel, ...]
    drift: tuple[dict[str, Any], ...]
    shares: tuple[dict[str, Any], ...]
    marks: tuple[dict[str, Any], ...]
    alert: tuple[float, float] | None


def draw(production: Production, paged: Incident | None, marks: Sequence[tuple[int, str]]) -> Timeline | None:
    """Return the drawing, or None before the first day has ended.

    Parameters
    ----------
    paged
        The incident to mark.
    marks
        Days and what happened on them.
    """
    watch, replay = production.watch, production.replay
    if not watch.days:
        return None
    last = max(production.ended, *watch.days)
    alert = None
    if paged is not None:
        ends = {watched.window.to_dict()["start"]: day for day, watched in watch.days.items()}
        end = last if paged.resolved is None else ends[paged.resolved]
        alert = (_x(ends[paged.opened]), _x(end + 1) - _x(ends[paged.opened]))
    return Timeline(
        width=_x(last) + 8,
        days=tuple(
            {
                "x": _middle(day),
                "date": f"{replay.window(day).start:%d}",
                "title": f"{replay.window(day).start:%Y-%m-%d}",
            }
            for day in range(last)
        ),
        panels=tuple(
            _panel(production, metric, title)
            for metric, title in (("brier_score", "Brier score"), ("calibration_error", "calibration error"))
        ),
        drift=tuple(_drift(production)),
        shares=tuple(_shares(production)),
        marks=tuple(
            {"x": _x(day), "text": text, "row": row} for row, (day, text) in enumerate(sorted(marks))
        ),
        alert=alert,
    )


def _panel(production: Production, metric: str, title: str) -> Panel:
    watch = production.watch
    found = {day: row for day in sorted(watch.days) if (row := watch.performance(day, metric)) is not None}
    highest = max([0.1, *(float(row["interval"][1]) for row in found.values())])
    top = math.ceil(10 * highest) / 10

    def y(value: float) -> float:
        return round(HEIGHT - HEIGHT * min(max(value, 0.0), top) / top, 1)

    points = []
    steps: list[tuple[float, float, float]] = []
    for day, row in found.items():
        low, high = row["interval"]
        model = watch.days[day].model
        points.append(
            {
                "x": _middle(day),
                "y": y(row["value"]),
                "low": y(low),
                "high": y(high),
                "status": row["status"],
                "model": model,
                "day": day,
                "value": row["value"],
                "interval": (low, high),
                "threshold": row["threshold"],
                "title": f"{production.replay.window(day).start:%Y-%m-%d}, version {model}: {title} "
                f"{row['value']:.3f} ({low:.3f} to {high:.3f}), {row['status']}",
            }
        )
        if row["threshold"] is not None:
            steps.append((_x(day), _x(day + 1), row["threshold"]))
    bound = " ".join(f"M{start:g} {y(value):g}H{end:g}" for start, end, value in steps)
    label = (steps[-1][1], y(steps[-1][2]), "bound") if steps else (0.0, 0.0, "")
    ticks = tuple((y(top * step / _STEPS), f"{top * step / _STEPS:.2f}") for step in range(_STEPS + 1))
    return Panel(title, ticks, tuple(points), bound, label)


def _drift(production: Production) -> Iterator[dict[str, Any]]:
    """Yield each feature's stability index, day by day, in the order of the contract."""
    watch = production.watch
    cells: dict[str, list[dict[str, Any]]] = {}
    for day in sorted(watch.days):
        for row in watch.measurements(day):
            if row["signal"] != "inputs" or row["value"] is None:
                continue
            level = sum(row["value"] > bound for bound in _DRIFT_LEVELS)
            date = f"{watch.days[day].window.start:%Y-%m-%d}"
            cells.setdefault(str(row["feature"]), []).append(
                {"x": _x(day), "level": level, "title": f"{date}, {row['feature']}: {row['value']:.2f}"}
            )
    for position, (feature, row_cells) in enumerate(cells.items()):
        yield {"feature": feature, "y": position * ROW, "cells": row_cells}


def _shares(production: Production) -> Iterator[dict[str, Any]]:
    for day, watched in sorted(production.watch.days.items()):
        total, start = sum(watched.deployments.values()), _x(day) + 1
        for name, count in sorted(watched.deployments.items()):
            width = (DAY - 2) * count / total
            yield {"x": start, "width": width, "deployment": name, "title": f"{count} rows by {name}"}
            start += width


def _x(day: int) -> float:
    return LEFT + day * DAY


def _middle(day: int) -> float:
    return _x(day) + DAY / 2
