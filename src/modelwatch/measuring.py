"""`measure`: one metric from two arrays, exact at any size that fits in memory."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelwatch import schema
from modelwatch.attribution import attribution_drift
from modelwatch.azureml import feature_kind
from modelwatch.cells import Cells
from modelwatch.columns import (
    Kind,
    as_array,
    is_integer,
    kind_of,
    number_block,
    parsed_numbers,
    plain,
    text_of,
    texts,
    type_name,
)
from modelwatch.distributions import CategoricalDistribution, Distribution, NumericDistribution
from modelwatch.drift import measure_drift
from modelwatch.emptiness import unmeasurable
from modelwatch.errors import UsageError
from modelwatch.judging import judged
from modelwatch.metrics import (
    AZUREML,
    CATEGORICAL,
    NUMERICAL,
    ROBUST,
    Family,
    Metric,
    require_definition,
)
from modelwatch.metrics import metric as metric_of
from modelwatch.profiling import profile
from modelwatch.quality import measure_quality
from modelwatch.sides import sides_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelwatch.results import Measurement

_PERFORMANCE = (Family.CLASSIFICATION, Family.PROBABILITY, Family.REGRESSION)


def measure(
    metric: str,
    baseline: Any,
    production: Any,
    *,
    definition: str = ROBUST,
    kind: str | None = None,
    threshold: float | None = None,
    **options: Any,
) -> Measurement:
    """Measure one metric.

    Parameters
    ----------
    metric
        An id of `modelwatch.METRICS`, or its short name.
    baseline, production
        For drift and data quality the column then and now: anything one-dimensional, or for categories a
        mapping from category to count. For attribution the importances then and now. For performance the
        truth and the predictions (probabilities of the positive class, or one column a class, for metrics of
        probabilities).
    definition
        ``robust/v1`` or ``azureml/4b41f8c``.
    kind
        ``numerical`` or ``categorical``; by default numbers and times are numerical, texts and truth values
        categorical (Azure ML also makes integers with few values categorical).
    threshold
        Judge the value by it.
    **options
        For performance: those of `modelwatch.performance.performance` that fit the metric.

    Returns
    -------
    Measurement
        With a status for everything that can be wrong with the data.

    Raises
    ------
    UsageError
        For an unknown metric, definition or option, or counts that are none.
    SourceError
        If a side is no column.

    Examples
    --------
    >>> measure("jensen_shannon_distance", ["a", "b"], ["a", "b"]).value
    0.0
    """
    entry = metric_of(metric)
    require_definition(definition)
    if entry.family in _PERFORMANCE:
        from modelwatch.performance.dispatch import OPTIONS, performance  # noqa: PLC0415

        _refuse_unknown(options, OPTIONS[entry.family], entry.id)
        result = performance(entry.id, baseline, production, definition=definition, **options)
        return judged(result, threshold)
    _refuse_unknown(options, (), entry.id)
    if entry.family is Family.ATTRIBUTION:
        return judged(attribution_drift(baseline, production, definition=definition), threshold)
    if entry.family is Family.DRIFT:
        return judged(_drift(entry, baseline, production, definition, kind), threshold)
    return judged(_quality(entry, baseline, production, definition), threshold)


def _refuse_unknown(options: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    known = ("definition", "kind", "threshold", *known)
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
            raise UsageError(
                "Unknown option",
                where=where,
                got=repr(name),
                expected=(f"{near[0]!r}; " if near else "") + f"the options are {', '.join(known)}",
            )


def _drift(entry: Metric, baseline: Any, production: Any, definition: str, kind: str | None) -> Measurement:
    if isinstance(baseline, Mapping) or isinstance(production, Mapping):
        before, after = _counted(baseline), _counted(production)
        return measure_drift(entry, sides_of(before, after), definition)
    before, after = as_array(baseline), as_array(production)
    compared_as = kind or _compared_as(after if before.null_count == len(before) else before, definition)
    note = ""
    if compared_as == NUMERICAL and kind_of(before.type) is Kind.NUMBER:
        after, note = _as_numbers(after, before.type)
    sides = sides_of(*(distribution(array, compared_as) for array in (before, after)))
    return measure_drift(entry, sides, definition).noting(note)


def _as_numbers(array: pa.Array, wanted: pa.DataType) -> tuple[pa.Array, str]:
    """Return texts as the numbers they spell if enough do (see `schema.conformed`), and a note."""
    valid = len(array) - array.null_count
    if kind_of(array.type) is not Kind.TEXT or not valid:
        return array, ""
    numbers, errors = parsed_numbers(array)
    changed = f"type changed from {type_name(wanted)} to {type_name(array.type)}"
    note = f"{changed}; {1 - errors / valid:.1%} spell numbers"
    if errors > (1 - schema.PARSE_SHARE) * valid:
        return array, note
    return numbers.filter(pc.or_(numbers.is_valid(), array.is_null())), note


def _counted(counts: Any) -> CategoricalDistribution:
    if not isinstance(counts, Mapping):
        raise UsageError("Expected counts by category on both sides", got=type(counts).__name__)
    held: dict[str, int] = {}
    missing = 0
    for name, rows in counts.items():
        text, number = text_of(name), _count(rows, name)
        if text is None:
            missing += number
        elif number:
            # As in a column of mixed values, 1 and "1" are one category.
            held[text] = held.get(text, 0) + number
    return CategoricalDistribution(held, missing, 0, float(len(held)))


def _count(rows: Any, name: Any) -> int:
    try:
        number = float(rows)
    except (TypeError, ValueError):
        number = math.nan
    if not (number >= 0 and number.is_integer()):
        raise UsageError(
            "A count of rows is none",
            where=f"category {name!r}",
            got=repr(rows),
            expected="whole numbers, zero or more",
            next_step="pass how many rows each category has, not their shares",
        )
    return int(rows)


def _compared_as(array: Any, definition: str) -> str:
    kind = kind_of(array.type)
    if kind not in (Kind.NUMBER, Kind.TIME, Kind.EMPTY):
        return CATEGORICAL
    if definition == AZUREML:
        if kind is Kind.TIME:
            return CATEGORICAL
        distinct = len(array.unique())
        return feature_kind(distinct, len(array), integer=is_integer(array.type))
    return NUMERICAL


def distribution(values: Any, compared_as: str) -> Distribution | None:
    """Return the exact distribution of one column in memory, None where it holds nothing comparable."""
    array = as_array(values)
    if pa.types.is_dictionary(array.type):
        # A dictionary may repeat values, list null, and name what no row has.
        array = array.dictionary_decode()
    kind = kind_of(array.type)
    if compared_as not in (NUMERICAL, CATEGORICAL):
        raise UsageError("Unknown kind", got=repr(compared_as), expected=f"{NUMERICAL} or {CATEGORICAL}")
    if kind is Kind.EMPTY or array.null_count == len(array):
        # Nulls are of every type.
        if compared_as == NUMERICAL:
            return NumericDistribution(Cells.empty(), len(array))
        return CategoricalDistribution({}, len(array))
    if compared_as == NUMERICAL:
        return _numbers(array) if kind in (Kind.NUMBER, Kind.TIME) else None
    if kind is Kind.OPAQUE:
        return None
    counted = texts(array.drop_null()).value_counts()
    counts = dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))
    return CategoricalDistribution(counts, array.null_count, 0, float(len(counts)))


def _numbers(array: Any) -> NumericDistribution:
    block = number_block(plain(array.drop_null()))
    values = block.values.astype(np.float64, copy=False)
    finite = values[np.isfinite(values)]
    nan = int(np.count_nonzero(np.isnan(values)))
    return NumericDistribution(
        Cells.of(finite, limit=None),
        array.null_count + nan,
        values.size - finite.size - nan,
        float(finite.min()) if finite.size else None,
        float(finite.max()) if finite.size else None,
    )


def _quality(entry: Metric, baseline: Any, production: Any, definition: str) -> Measurement:
    columns = [
        profile({"value": side}).columns["value"] for side in (as_array(baseline), as_array(production))
    ]
    read = schema.conformed(columns[0], columns[1])
    empty = unmeasurable(entry, columns[0], read.column, definition)
    if empty is not None:
        return replace(empty, signal="data_quality")
    try:
        result = measure_quality(entry, columns[0], read.column, definition)
    except KeyError:
        raise UsageError("This metric needs more than two columns of values", got=entry.id) from None
    if result is None:
        raise UsageError("This metric is not defined for such a column", where=entry.id, got=columns[0].type)
    return replace(result, signal="data_quality").noting(read.note)
