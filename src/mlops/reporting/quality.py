"""Data quality of the latest window: one row a column that has something to say."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mlops.reporting.figures import ALPHA
from mlops.reporting.formats import count, number
from mlops.reporting.levels import Level
from modelwatch.metrics import Family

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops.reporting.timeline import Series, Timeline

__all__ = ["QualityTable", "quality_of"]

# One column of the table each, in this order, where anything was measured.
_RATES: Final = (
    "null_value_rate",
    "data_type_error_rate",
    "out_of_bounds_rate",
    "unseen_category_rate",
    "vanished_category_share",
    "outlier_rate",
    "non_finite_rate",
    "duplicate_rate",
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One rate of one column, now and in the baseline."""

    level: Level
    now: str
    then: str
    detail: str


@dataclass(frozen=True, slots=True)
class QualityTable:
    """Rates by column, and findings about the schema.

    Attributes
    ----------
    headings
        Metric ids, one a column of the table.
    rows
        Column name and its cells, None where a metric means nothing for it.
    clean
        Columns without a finding.
    findings
        Changes of the schema: level, column, note.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]
    clean: tuple[str, ...]
    findings: tuple[tuple[Level, str, str], ...]

    @property
    def measured(self) -> bool:
        """Whether quality was measured at all."""
        return bool(self.rows or self.clean or self.findings)


def quality_of(timeline: Timeline) -> QualityTable:
    """Return the data quality of the latest window; a column without any finding gets no row."""
    by_column: dict[str, dict[str, Series]] = defaultdict(dict)
    findings = []
    for series in timeline.overall():
        if series.family is not Family.QUALITY or series.feature is None or series.status[-1] is None:
            continue
        if series.metric == "schema_change":
            findings.append((series.level(), series.feature, series.note))
        elif series.metric in _RATES:
            by_column[series.feature][series.metric] = series
    told = {name: found for name, found in by_column.items() if any(map(_telling, found.values()))}
    headings = tuple(metric for metric in _RATES if any(metric in found for found in told.values()))
    ordered = sorted(told, key=lambda name: -max(_weight(series) for series in told[name].values()))
    rows = tuple((name, _cells(told[name], headings)) for name in ordered)
    return QualityTable(
        headings, rows, tuple(name for name in by_column if name not in told), tuple(findings)
    )


def _telling(series: Series) -> bool:
    """Tell whether the rate is a finding, or differs from the baseline's by more than chance."""
    if series.level() not in (Level.CALM, Level.NEAR, Level.ABSENT):
        return True
    evidence = series.evidence[-1]
    differs = evidence is None or evidence < ALPHA
    return differs and series.value[-1] != series.details.get("baseline_rate", 0.0)


def _weight(series: Series) -> float:
    return 2.0 * series.level().alarming + (series.value[-1] or 0.0)


def _cells(found: Mapping[str, Series], headings: tuple[str, ...]) -> tuple[Cell | None, ...]:
    return tuple(_cell(found[metric]) if metric in found else None for metric in headings)


def _cell(series: Series) -> Cell:
    unit = series.text.unit
    before = series.details.get("baseline_rate")
    rows = series.latest.get("count")
    detail = f"{count(int(rows))} of {count(series.rows[-1])} rows" if rows is not None else ""
    return Cell(
        series.level(),
        number(series.value[-1], unit),
        number(before, unit) if before is not None else "",
        "; ".join(part for part in (detail, series.note) if part),
    )
