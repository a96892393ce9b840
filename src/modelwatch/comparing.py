"""Comparing a production profile with its frozen baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from modelwatch import schema
from modelwatch.azureml import integer_kind
from modelwatch.column_contracts import Role
from modelwatch.column_profiles import ColumnProfile
from modelwatch.columns import Kind
from modelwatch.drift import measure_drift
from modelwatch.emptiness import unmeasurable, valueless
from modelwatch.hints import hint
from modelwatch.judging import ALPHA, FORBIDDEN, judge_all
from modelwatch.metrics import (
    AZUREML,
    CATEGORICAL,
    METRICS,
    NUMERICAL,
    ROBUST,
    Family,
    Metric,
    metric,
    require_definition,
)
from modelwatch.profiles import Profile
from modelwatch.quality import PROFILED_QUALITY, measure_quality
from modelwatch.results import Measurement, Status
from modelwatch.sides import sides_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from modelwatch.column_contracts import ColumnContract
    from modelwatch.contract import Contract
    from modelwatch.sides import Sides

DRIFT_METRICS = tuple(name for name, entry in METRICS.items() if entry.family is Family.DRIFT)
PROFILE_METRICS = (*DRIFT_METRICS, *PROFILED_QUALITY, "schema_change")
# Columns of these roles differ between any two windows by nature.
_INCOMPARABLE = frozenset({Role.IDENTIFIER, Role.EVENT_TIME})
_ALWAYS = ("null_value_rate", "data_type_error_rate", "schema_change")


def compare(
    baseline: Profile,
    production: Profile,
    *,
    definition: str = ROBUST,
    metrics: Iterable[str] | Mapping[str, float] | None = None,
    contract: Contract | None = None,
    segment: str | None = None,
    alpha: float = ALPHA,
    correction: str = "bh",
) -> list[Measurement]:
    """Measure drift, data quality and schema changes of every column.

    Parameters
    ----------
    baseline, production
        Profiles, at best made with the same contract.
    definition
        ``robust/v1`` or ``azureml/4b41f8c``.
    metrics
        Metrics (ids or short names), or a mapping from metric to threshold; all that profiles can tell by
        default.
    contract
        Decides which columns are compared and whether as numbers or categories.
    segment
        Name of the segment that both profiles are of.
    alpha
        Largest q-value at which a value beyond its threshold is a breach.
    correction
        ``bh``, ``by`` or ``holm``, over the columns of each metric.

    Returns
    -------
    list of Measurement
        In the order of the baseline's columns. A column that cannot be compared has a status that says why
        and takes no other down.

    Raises
    ------
    UsageError
        For an unknown metric or definition.
    """
    require_definition(definition)
    baseline = _expected(baseline, production, contract)
    wanted = list(dict.fromkeys(metric(name) for name in (PROFILE_METRICS if metrics is None else metrics)))
    names = [entry.id for entry in wanted]
    given = metrics if isinstance(metrics, Mapping) else {}
    thresholds = {metric(name).id: threshold for name, threshold in given.items()}
    changes = schema.changes(baseline, production, contract)
    found = list(_changed(changes, baseline, production, definition)) if "schema_change" in names else []
    unread = {change.column for change in changes if change.breaking} - baseline.columns.keys()
    unknown = {
        name: production.columns.get(name) or ColumnProfile(name, "null", Kind.EMPTY) for name in unread
    }
    for name, column in (*baseline.columns.items(), *sorted(unknown.items())):
        declared = contract.get(name) if contract else None
        if declared is not None and declared.role is Role.IGNORED:
            continue
        compared_as = declared.compared_as if declared else _compared_as(column, definition)
        entries = [
            entry
            for entry in wanted
            if _applies(entry, compared_as, definition, explicit=metrics is not None)
        ]
        if declared is not None and declared.role in _INCOMPARABLE:
            entries = [entry for entry in entries if entry.id in _ALWAYS]
        if why := schema.absence(name, production, baseline):
            # The change itself is told once, by the schema measurements.
            rows = 0 if name in unknown else column.valid
            status = Status.NO_DATA if schema.blank(production) else Status.SCHEMA_ERROR
            found += [
                _missing(entry, name, rows, definition, status, why)
                for entry in entries
                if entry.id != "schema_change"
            ]
            continue
        found += _column(
            entries,
            column,
            production.columns[name],
            compared_as,
            definition,
            declared,
            # What was found in the baseline alone is no limit that anybody has set.
            binding=contract is not None and not contract.drafted,
        )
    if segment is not None:
        found = [replace(one, segment=segment) for one in found]
    return judge_all(found, thresholds, alpha=alpha, method=correction)


def _expected(baseline: Profile, production: Profile, contract: Contract | None) -> Profile:
    """Return the baseline without labels that production has not got yet: late is not missing."""
    late = {
        column.name
        for column in (contract.columns if contract else ())
        if column.role is Role.TARGET and column.name not in production.columns
    }
    if late.isdisjoint(baseline.columns):
        return baseline
    kept = {name: column for name, column in baseline.columns.items() if name not in late}
    return Profile(baseline.rows, kept, baseline.duplicate_names)


def _column(  # noqa: PLR0917
    entries: list[Metric],
    baseline: ColumnProfile,
    production: ColumnProfile,
    compared_as: str | None,
    definition: str,
    declared: ColumnContract | None,
    *,
    binding: bool,
) -> list[Measurement]:
    read = schema.conformed(baseline, production, declared.parse_share if declared else schema.PARSE_SHARE)
    sides = sides_of(baseline.distribution(compared_as), read.column.distribution(compared_as))
    cause = hint(sides) if read.comparable else ""
    results: list[Measurement] = []
    for entry in entries:
        if entry.family is Family.DRIFT:
            drift = _drift(entry, baseline, sides, definition, read)
            result: Measurement | None = drift.noting(read.note).noting(cause)
        elif entry.id == "schema_change":
            result = _retyped(baseline, read, definition)
        elif (empty := unmeasurable(entry, baseline, read.column, definition)) is not None:
            result = empty
        else:
            result = measure_quality(entry, baseline, read.column, definition)
            if (
                result is not None
                and result.count
                and binding
                and _forbidden(entry.id, declared, read.column)
            ):
                result = replace(result, details={**result.details, FORBIDDEN: True})
                result = result.noting("the contract allows none")
        if result is not None:
            signal = "data_drift" if entry.family is Family.DRIFT else "data_quality"
            results.append(replace(result, feature=baseline.name, signal=signal))
    return results


def _forbidden(metric_id: str, declared: ColumnContract | None, column: ColumnProfile) -> bool:
    """Tell whether what a quality metric counts is something that the column's contract rules out."""
    if declared is None:
        return False
    if metric_id == "null_value_rate":
        return not declared.nullable
    if metric_id == "data_type_error_rate":
        return True
    limited = (declared.minimum, declared.maximum, declared.allowed) != (None, None, None)
    return metric_id == "out_of_bounds_rate" and limited and column.out_of_range is not None


def _drift(
    entry: Metric, baseline: ColumnProfile, sides: Sides, definition: str, read: schema.Conformed
) -> Measurement:
    empty = unmeasurable(entry, baseline, read.column, definition)
    if empty is not None:
        return empty
    if read.comparable:
        return measure_drift(entry, sides, definition)
    n = sides.baseline.n if sides.baseline is not None else 0
    errors, kind = read.column.type_errors, baseline.kind.value
    note = (
        f"{errors:,} of {read.column.rows:,} values of production are no {kind}"
        if errors
        else (f"{baseline.type} in the baseline, {read.column.type} in production: nothing to compare")
    )
    return Measurement(entry.id, definition, None, Status.SCHEMA_ERROR, n_baseline=n, note=note)


def _compared_as(column: ColumnProfile, definition: str) -> str | None:
    """Return how a column without a contract is compared; None where it has no value to tell by."""
    if valueless(column):
        return None
    if column.cells is None:
        return CATEGORICAL
    return (integer_kind(column) if definition == AZUREML else None) or NUMERICAL


def _applies(entry: Metric, compared_as: str | None, definition: str, *, explicit: bool) -> bool:
    if entry.family is not Family.DRIFT or compared_as is None:
        return True
    kinds = entry.azureml_kinds if definition == AZUREML else entry.kinds
    # Asked for by name, a metric answers for every column; by default only where it is defined.
    return compared_as in kinds or (explicit and not kinds)


def _missing(  # noqa: PLR0917
    entry: Metric, name: str, rows: int, definition: str, status: Status, note: str
) -> Measurement:
    return Measurement(
        entry.id,
        definition,
        None,
        status,
        feature=name,
        n_baseline=rows,
        signal="data_drift" if entry.family is Family.DRIFT else "data_quality",
        note=note,
    )


def _changed(
    changes: Iterable[schema.SchemaChange], baseline: Profile, production: Profile, definition: str
) -> Iterator[Measurement]:
    for change in changes:
        yield Measurement(
            "schema_change",
            definition,
            1.0,
            Status.SCHEMA_ERROR if change.breaking else Status.OK,
            feature=change.column,
            signal="data_quality",
            n_baseline=baseline.rows,
            n_production=production.rows,
            note=change.note,
        )


def _retyped(baseline: ColumnProfile, read: schema.Conformed, definition: str) -> Measurement | None:
    if not read.note:
        return None
    return Measurement(
        "schema_change",
        definition,
        1.0,
        Status.OK if read.comparable else Status.SCHEMA_ERROR,
        n_baseline=baseline.rows,
        n_production=read.column.rows,
        note=read.note,
    )
