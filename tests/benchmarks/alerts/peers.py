"""Other tools' default rules, on rows that all of them see alike.

Their rules as of Azure/azureml-assets 4b41f8c with azure-ai-ml 1.35's thresholds, Evidently 0.7.23 and
NannyML 0.13.1; `libraries.py` checks these numbers against the libraries themselves. All are rules of one
window without memory, so an incident is a window with an alert.

- Azure ML: normalized Wasserstein distance above 0.1 for numbers, Jensen-Shannon distance above 0.1 for
categories,
  which whole numbers of few values are too.
- Evidently: for a reference of more than 1,000 rows Wasserstein distance in standard deviations, and
Jensen-Shannon
  distance (natural logarithm), of at least 0.1; for a smaller one tests at 5 %. "Data set drift" is half of
  the columns.
- NannyML: Jensen-Shannon distance, numbers in Doane's bins of the reference, above the mean plus three
standard
  deviations of the reference's own chunks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special, stats

from tests.modelwatch.alerts.streams import FEATURES, Categories, Counted, Whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]

BOUND = 0.1
LEVEL = 0.05
SMALL_REFERENCE = 1_000
AZURE, EVIDENTLY, NANNYML = "Azure ML", "Evidently", "NannyML"


@dataclass(frozen=True)
class Column:
    """One feature of one stream: sorted rows, or the counts of each value.

    Shapes: baseline ``(m,)`` or ``(k,)``, production ``(windows, n)`` or ``(windows, k)``; ``chunks`` are
    the counts of the baseline's own windows, ``(m // n, k)``, or its rows, ``(m // n, n)``.
    """

    counted: bool
    numeric: bool
    baseline: NDArray[np.float64]
    chunks: NDArray[np.float64]
    production: NDArray[np.float64]


def drawn(generator: np.random.Generator, name: str, rows: int, window: int, shifts: Floats) -> Column:
    """Draw a feature's baseline and windows; numbers are cut into chunks before they are sorted."""
    law, windows = FEATURES[name], len(shifts)
    chunks = rows // window
    if isinstance(law, (Whole, Categories)):
        still, *after = (np.asarray(_masses(law, shift)) for shift in (0.0, *shifts))
        own = generator.multinomial(window, still, chunks).astype(np.float64)
        left = generator.multinomial(rows - chunks * window, still)
        production = np.array([generator.multinomial(window, masses) for masses in after])
        return Column(
            True, isinstance(law, Whole), own.sum(axis=0) + left, own,
            production.astype(float),
        )  # fmt: skip
    baseline = _numbers(generator, name, rows)
    production = _numbers(generator, name, windows * window).reshape(windows, window)
    production += (shifts * law.sigma)[:, None]
    production.sort(axis=1)
    own = np.sort(baseline[: chunks * window].reshape(chunks, window), axis=1)
    return Column(False, True, np.sort(baseline), own, production)


def alerts(column: Column, rows: int, window: int) -> dict[str, NDArray[np.bool_]]:
    """Return where each tool alerts, shape ``(windows,)``."""
    values = scores(column, rows, window)
    evident = values[EVIDENTLY] <= LEVEL if rows <= SMALL_REFERENCE else values[EVIDENTLY] >= BOUND
    chunk = values["NannyML reference"]
    return {
        AZURE: values[AZURE] > BOUND,
        EVIDENTLY: evident,
        NANNYML: values[NANNYML] > chunk.mean() + 3 * chunk.std(),
    }


def scores(column: Column, rows: int, window: int) -> dict[str, Floats]:
    """Return what each tool measures, shape ``(windows,)``; for NannyML also of the reference's chunks."""
    if column.counted:
        found = _counted_scores(column, rows, window)
    else:
        wasserstein = _wasserstein(column.baseline, column.production)
        found = {
            AZURE: wasserstein / max(float(column.baseline.std(ddof=1)), 0.001),
            EVIDENTLY: wasserstein / max(float(column.baseline.std()), 0.001),
        }
        if rows <= SMALL_REFERENCE:
            found[EVIDENTLY] = np.array(
                [stats.ks_2samp(column.baseline, one).pvalue for one in column.production]
            )
        edges = np.histogram_bin_edges(column.baseline, bins="doane")
        reference = _binned(column.baseline[None], edges)[0]
        for name, side in ((NANNYML, column.production), ("NannyML reference", column.chunks)):
            found[name] = jensen_shannon(reference, _binned(side, edges))
    return found


def ours(column: Column) -> Counted:
    """Return the counts that ``robust/v1`` compares."""
    if not column.counted:
        ranks = np.rint(np.linspace(0, column.baseline.size, 11)).astype(np.int64)
        edges = column.baseline[ranks[1:-1]]
        below = np.array([np.searchsorted(one, edges) for one in column.production])
        ends = np.zeros((len(below), 1), dtype=np.int64)
        after = np.diff(np.concatenate([ends, below, ends + column.production.shape[1]], axis=1), axis=1)
        return Counted(np.diff(ranks)[None], after[:, None])
    b, p = column.baseline.astype(np.int64), column.production.astype(np.int64)
    if column.numeric:
        bins = Whole.bins(b)
        held = np.eye(int(bins.max()) + 1, dtype=np.int64)[bins]
        return Counted((b @ held)[None], (p @ held)[:, None])
    return Categories.bucketed(b[None], p[:, None])


def rows_of(column: Column) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return baseline and production as rows, window by window."""
    if not column.counted:
        return column.chunks.ravel(), column.production.ravel()
    values = np.arange(column.baseline.size)
    names = values if column.numeric else np.array([f"c{value:03}" for value in values])
    reference, production = (
        np.concatenate([np.repeat(names, counts.astype(np.int64)) for counts in windows])
        for windows in (column.chunks, column.production)
    )
    return reference, production


def jensen_shannon(reference: Floats, windows: Floats, base: float = 2.0) -> Floats:
    """Return the distance of each window, shape ``(windows, k)``, to the reference, shape ``(k,)``."""
    p = reference / reference.sum()
    q = windows / windows.sum(axis=1, keepdims=True)
    middle = (p + q) / 2
    held = np.where(middle > 0, middle, 1.0)
    divergence = (special.xlogy(p, p / held) + special.xlogy(q, q / held)).sum(axis=1) / 2
    return np.asarray(np.sqrt(np.maximum(divergence, 0) / np.log(base)))


def _counted_scores(column: Column, rows: int, window: int) -> dict[str, Floats]:
    b, p = column.baseline, column.production
    distance = jensen_shannon(b, p)
    found = {AZURE: distance, NANNYML: distance, "NannyML reference": jensen_shannon(b, column.chunks)}
    if column.numeric:
        values = np.arange(b.size, dtype=float)
        mean = float(values @ b) / rows
        deviation = float(np.sqrt(((values - mean) ** 2) @ b / rows))
        gaps = np.cumsum(b) / rows - np.cumsum(p, axis=1) / window
        found[EVIDENTLY] = np.abs(gaps).sum(axis=1) / deviation
        expanded = np.repeat(values, b.astype(np.int64))
        edges = np.histogram_bin_edges(expanded, bins="doane")
        # The last of NumPy's bins is closed, and what lies beyond them all is a bin of its own.
        place = np.searchsorted(edges, values, side="right") - 1
        place[values == edges[-1]] = edges.size - 2
        place[(values < edges[0]) | (values > edges[-1])] = edges.size - 1
        held = np.eye(edges.size)[place]
        found[NANNYML] = jensen_shannon(b @ held, p @ held)
        found["NannyML reference"] = jensen_shannon(b @ held, column.chunks @ held)
    else:
        found[EVIDENTLY] = jensen_shannon(b, p, base=np.e)
    if rows <= SMALL_REFERENCE:
        found[EVIDENTLY] = _small_reference(column, rows, window)
    return found


def _small_reference(column: Column, rows: int, window: int) -> Floats:
    """Return Evidently's p-values for references of up to 1,000 rows."""
    b, result = column.baseline, []
    for one in column.production:
        held = b + one > 0
        if column.numeric and held.sum() > 5:
            values = np.arange(b.size)
            sides = (np.repeat(values, side.astype(np.int64)) for side in (b, one))
            result.append(stats.ks_2samp(*sides).pvalue)
        elif held.sum() > 2:
            with np.errstate(divide="ignore", invalid="ignore"):
                statistic = ((one - b * window / rows) ** 2 / (b * window / rows))[held].sum()
            result.append(float(special.chdtrc(held.sum() - 1, statistic)) if np.isfinite(statistic) else 0.0)
        else:
            first, second = 1 - b[0] / rows, 1 - one[0] / window
            pooled = (first * rows + second * window) / (rows + window)
            z = (first - second) / np.sqrt(pooled * (1 - pooled) * (1 / rows + 1 / window))
            result.append(2 * float(special.ndtr(-abs(z))))
    return np.array(result)


def _wasserstein(baseline: Floats, windows: Floats) -> Floats:
    """Return the distance of each window to the baseline, sorted, its rows a multiple of the window's."""
    parts = baseline.reshape(windows.shape[1], -1)
    return np.array([np.abs(parts - one[:, None]).mean() for one in windows])


def _binned(windows: Floats, edges: Floats) -> Floats:
    """Count sorted rows between edges as `numpy.histogram` does, and those beyond in one bin more."""
    ends = np.array([np.searchsorted(one, edges[:-1], side="left") for one in windows])
    last = np.array([np.searchsorted(one, edges[-1], side="right") for one in windows])
    inside = np.diff(np.column_stack([ends, last]), axis=1)
    return np.column_stack([inside, windows.shape[1] - inside.sum(axis=1)]).astype(float)


def _masses(law: Whole | Categories, shift: float) -> Floats:
    if isinstance(law, Whole):
        return np.asarray(law.law(law.mean + shift * law.sigma))
    masses = np.array(law.masses)
    masses[0] -= shift
    masses[-1] += shift
    return masses


def _numbers(generator: np.random.Generator, name: str, size: int) -> Floats:
    draws: dict[str, Callable[[int], Any]] = {
        "uniform": generator.random,
        "exponential": generator.standard_exponential,
        "lognormal": lambda rows: generator.lognormal(0, 1.5, rows),
        "Student's t, 2 degrees": lambda rows: generator.standard_t(2, rows),
        "Cauchy": generator.standard_cauchy,
        "two bells": lambda rows: (
            generator.standard_normal(rows) + 2 * generator.choice([-2.0, 2.0], rows) / 2
        ),
        "beta(.5, .5)": lambda rows: np.sin(generator.random(rows) * np.pi / 2) ** 2,
    }
    return np.asarray(draws.get(name, generator.standard_normal)(size))
