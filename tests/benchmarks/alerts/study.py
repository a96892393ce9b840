"""False alarms and power of the shipped rules beside other tools' defaults, on the same simulated rows.

``python -m tests.benchmarks.alerts.study [--streams N] [--windows N] [--size ROWS…]`` prints the tables of
``src/modelwatch/alerts/README.md``, which are of 500 streams; `make bench` draws 50. ``--export FOLDER``
writes what `libraries.py` compares with the libraries themselves.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import special, stats

from modelwatch import Monitor
from modelwatch.alerts.defaults import default_rules
from tests.benchmarks.alerts.peers import AZURE, EVIDENTLY, NANNYML, alerts, drawn, ours, rows_of, scores
from tests.modelwatch.alerts.streams import (
    CATEGORICAL,
    FEATURES,
    Continuous,
    Measured,
    Rows,
    benjamini_hochberg,
    measured,
    stability,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from modelwatch.alerts.rules import Rule

MONTH = 30
OURS, HALF = "modelwatch", "Evidently, data set"
TOOLS = (OURS, AZURE, EVIDENTLY, HALF, NANNYML)
DRIFTING = "normal"
# Neither heavy tails nor many categories.
TAME = (
    "normal", "normal, 5 % null", "normal, 0.5 % null", "uniform", "exponential", "two bells", "beta(.5, .5)",
    "Poisson", "even", "2 % positive", "three", "five alike", "twelve alike",
)  # fmt: skip
RULES = default_rules(Monitor.parse({"monitor": "m", "signals": {"inputs": {"type": "data_drift"}}}).signals)


def one_stream(
    seed: int, baseline: int, window: int, shifts: NDArray[np.float64], rules: tuple[Rule, ...] = RULES
) -> dict[str, NDArray[np.bool_]]:
    """Return where each tool alerts on each feature, shape (windows, features)."""
    generator = np.random.default_rng([seed, baseline, window])
    still = np.zeros(len(shifts))
    found: dict[str, list[NDArray[np.bool_]]] = {AZURE: [], EVIDENTLY: [], NANNYML: []}
    counted = []
    for name in FEATURES:
        column = drawn(generator, name, baseline, window, shifts if name == DRIFTING else still)
        for tool, rang in alerts(column, baseline, window).items():
            found[tool].append(rang)
        counted.append(stability(ours(column)))
    value, p, buckets = (np.stack(part, axis=2) for part in zip(*counted, strict=True))
    rows = Rows(1, len(shifts), baseline, window)
    measurements = Measured(rows, tuple(FEATURES), value, p, benjamini_hochberg(p), buckets)
    result = {tool: np.stack(rang, axis=1) for tool, rang in found.items()}
    half = result[EVIDENTLY].mean(axis=1, keepdims=True) >= 0.5
    return {**result, HALF: half, OURS: measurements.firing(rules)[:, 0]}


def false_alarms(streams: int, windows: int, baseline: int, window: int) -> dict[str, tuple[float, float]]:
    """Return the share of stream-months in which each tool has an incident without drift.

    Of all features, and of the `TAME` ones alone ("half of the columns" is of all).
    """
    months: dict[str, list[tuple[bool, bool]]] = {tool: [] for tool in TOOLS}
    tame = np.isin(tuple(FEATURES), TAME)
    for stream in range(streams):
        rang = one_stream(stream, baseline, window, np.zeros(windows))
        for tool, of in rang.items():
            for first in range(0, windows, MONTH):
                month = of[first : first + MONTH]
                some = month if tool == HALF else month[:, tame]
                months[tool].append((bool(month.any()), bool(some.any())))
    shares = {tool: np.mean(found, axis=0) for tool, found in months.items()}
    return {tool: (float(share[0]), float(share[1])) for tool, share in shares.items()}


def detections(streams: int, baseline: int, window: int, shift: float) -> dict[str, float]:
    """Return the share of streams in which a shift of one of 20 features is alerted within three windows."""
    found: dict[str, list[bool]] = {tool: [] for tool in TOOLS}
    place = list(FEATURES).index(DRIFTING)
    for stream in range(streams):
        rang = one_stream(10_000 + stream, baseline, window, np.full(3, shift))
        for tool in TOOLS:
            of_feature = rang[tool][:, 0] if tool == HALF else rang[tool][:, place]
            found[tool].append(bool(of_feature.any()))
    return {tool: float(np.mean(rang)) for tool, rang in found.items()}


def export(folder: Path) -> None:
    """Write a few streams with what `peers` makes of them, for `libraries.py`."""
    for baseline, window in ((900, 300), (9_000, 300), (30_000, 1_000)):
        case = folder / f"{baseline}-{window}"
        case.mkdir(parents=True, exist_ok=True)
        generator = np.random.default_rng([99, baseline])
        reference, production = {}, {}
        expected: dict[str, Any] = {"evidently": {}, "nannyml": {}, "nannyml_thresholds": {}}
        for place, name in enumerate(FEATURES):
            shifts = np.array([0.0, 0.005 if name in CATEGORICAL else 0.3])
            column = drawn(generator, name, baseline, window, shifts)
            key = f"f{place:02}"
            reference[key], production[key] = rows_of(column)
            found = scores(column, baseline, window)
            chunk = found["NannyML reference"]
            expected["evidently"][key] = found[EVIDENTLY].tolist()
            expected["nannyml"][key] = found[NANNYML].tolist()
            expected["nannyml_thresholds"][key] = float(chunk.mean() + 3 * chunk.std())
        pq.write_table(pa.table(reference), case / "reference.parquet")
        pq.write_table(pa.table(production), case / "production.parquet")
        names = {f"f{place:02}": name for place, name in enumerate(FEATURES)}
        text = json.dumps({"window": window, "features": names, **expected})
        (case / "expected.json").write_text(text, encoding="utf-8")


def shapes(windows: int = 60) -> dict[str, NDArray[np.float64]]:
    """Return kinds of drift, in baseline sigma by window from the first one that drifts."""
    day = np.arange(windows)
    return {
        "abrupt, 0.3 sigma": np.full(windows, 0.3),
        "abrupt, 0.2 sigma": np.full(windows, 0.2),
        "gradual, 0.5 sigma in 30 windows": np.minimum(day / 30, 1.0) * 0.5,
        "seasonal, 0.4 sigma over 7 windows, not in the baseline": 0.4 * np.sin(2 * np.pi * day / 7),
        "one window of 1 sigma": np.where(day == 0, 1.0, 0.0),
    }


@dataclass(frozen=True)
class Week:
    """Seven normal days with means on a wave, all together: what a baseline of whole weeks looks like."""

    height: float

    def cdf(self, x: Any) -> Any:
        days = np.arange(7)
        means = self.height * np.sin(2 * np.pi * days / 7)
        return special.ndtr(np.asarray(x)[..., None] - means).mean(axis=-1)

    def ppf(self, u: Any) -> Any:
        grid = np.linspace(-6, 6, 6001)
        return np.interp(u, self.cdf(grid), grid)


def season_in_the_baseline(height: float, streams: int) -> tuple[str, ...]:
    """Return the row of a weekly wave that the baseline has: no change, yet each day differs from it."""
    laws = {**FEATURES, DRIFTING: Continuous(Week(height), 1.0, later=stats.norm())}
    wave = height * np.sin(2 * np.pi * np.arange(30) / 7)
    rows = Rows(streams, 30, 10_000, 1_000)
    rang = measured(np.random.default_rng(6), rows, {DRIFTING: wave}, laws=laws).firing(RULES)
    fired = np.logical_or.accumulate(rang[:, :, list(FEATURES).index(DRIFTING)], axis=0)
    shares = [f"{fired[upto - 1].mean():.1%}" for upto in (3, 7, 30)]
    return (f"no drift: a weekly wave of {height:g} sigma that the baseline has", *shares, "")


def drift_table(baseline: int, window: int, streams: int = 500) -> list[tuple[str, ...]]:
    """Return rows of drift, share of streams firing within 3, 7 and 30 windows, and the median wait."""
    result: list[tuple[str, ...]] = []
    cases = [(label, DRIFTING, course) for label, course in shapes().items()]
    for name, step in zip(CATEGORICAL, (0.12, 0.05, 0.1, 0.1, 0.08, 0.1, 0.1, 0.1), strict=True):
        cases.append((f"{step:.0%} of all rows change category ({name})", name, np.full(60, step)))
    for label, name, course in cases:
        drift = {name: np.r_[np.zeros(3), course[:30]]}
        rang = measured(np.random.default_rng(5), Rows(streams, 33, baseline, window), drift).firing(RULES)
        fired = np.logical_or.accumulate(rang[3:, :, list(FEATURES).index(name)], axis=0)
        waits = np.where(fired[-1], fired.argmax(axis=0) + 1.0, np.inf)
        shares = [f"{fired[upto - 1].mean():.1%}" for upto in (3, 7, 30)]
        wait = float(np.median(waits))
        result.append((label, *shares, f"{wait:g}" if np.isfinite(wait) else "-"))
    return [*result, *(season_in_the_baseline(height, streams) for height in (0.1, 0.2, 0.4))]


def shipped_table(streams: int = 500) -> list[tuple[str, ...]]:
    """Return false alarms and power of the shipped rules by rows of baseline and window, all streams."""
    result: list[tuple[str, ...]] = []
    for window in (300, 1_000, 10_000):
        for baseline in (300, 1_000, 3_000, 10_000, 100_000):
            quiet = measured(np.random.default_rng(1), Rows(streams, 60, baseline, window)).firing(RULES)
            months = quiet.reshape(2, MONTH, streams, -1).any(axis=(1, 3)).mean()
            drift = {DRIFTING: np.r_[np.zeros(3), np.full(3, 0.3)]}
            rang = measured(np.random.default_rng(2), Rows(streams, 6, baseline, window), drift).firing(RULES)
            power = rang[3:, :, list(FEATURES).index(DRIFTING)].any(axis=0).mean()
            result.append((f"{window:,}", f"{baseline:,}", f"{months:.2%}", f"{power:.1%}"))
    return result


def main() -> None:
    """Print all tables."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--streams", type=int, default=50)
    options.add_argument("--windows", type=int, default=60)
    options.add_argument("--size", type=int, nargs="*", default=[300, 1_000, 10_000])
    options.add_argument("--baseline-windows", type=int, default=30)
    options.add_argument("--peers-only", action="store_true")
    options.add_argument("--export", type=Path)
    chosen = options.parse_args()
    if chosen.export is not None:
        export(chosen.export)
        return
    began = time.process_time()
    if not chosen.peers_only:
        _table(
            ("rows a window", "baseline rows", "months with an incident", "0.3 sigma found"),
            shipped_table(chosen.streams),
        )
        _table(("drift", "within 3", "7", "30 windows", "median"), drift_table(10_000, 1_000, chosen.streams))
    rows = []
    for window in chosen.size:
        baseline = window * chosen.baseline_windows
        quiet = false_alarms(chosen.streams, chosen.windows, baseline, window)
        power = detections(chosen.streams, baseline, window, 0.3)
        rows += [
            (
                f"{window:,}",
                f"{baseline:,}",
                tool,
                *(f"{share:.1%}" for share in (*quiet[tool], power[tool])),
            )
            for tool in TOOLS
        ]
        sys.stderr.write(f"{window} rows: {time.process_time() - began:.0f} CPU s\n")
    columns = ("months with an incident", "of 13 tame columns", "0.3 sigma found")
    _table(("rows a window", "baseline rows", "rules", *columns), rows)


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    lines = [columns, tuple("---" for _ in columns), *rows]
    sys.stdout.write("\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n\n")


if __name__ == "__main__":
    main()
