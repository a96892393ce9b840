"""The questions that the gate asks; each function answers some of them from the evidence alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from mlops.gate.bootstrap import paired_degradations
from mlops.gate.metrics import METRICS
from mlops.gate.report import Check, GateReport, Note
from mlops.usecase import Condition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pandas as pd

    from mlops.gate.bootstrap import Interval, Mask
    from mlops.gate.evidence import Evidence
    from mlops.gate.metrics import Array
    from mlops.usecase import Comparison, SliceRule, UseCase

__all__ = ["decide"]

# MLflow's column types that hold each of the contract's types.
_MLFLOW_TYPES = {"integer": {"integer", "long"}, "number": {"float", "double"}, "string": {"string"}}


def decide(evidence: Evidence, usecase: UseCase) -> GateReport:
    """Ask every question of the use case's gate.

    Fail-closed: a question that raises is answered with ``error``, which counts like ``fail``.

    Parameters
    ----------
    evidence
        Held-out rows with probabilities, and the new model's facts.
    usecase
        Its gate, slices and contract give the bounds.
    """
    questions: dict[str, Callable[[Evidence, UseCase], Iterator[Check | Note]]] = {
        "schema": _schema,
        "absolute": _absolute,
        "comparison": _comparison,
        "latency": _latency,
    }
    answers: list[Check | Note] = []
    for name, question in questions.items():
        try:
            answers += question(evidence, usecase)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            answers.append(Check(name, "error", None, None, f"{type(error).__name__}: {error}"))
    return GateReport(
        usecase=usecase.name,
        rows=len(evidence.labels),
        checks=tuple(answer for answer in answers if isinstance(answer, Check)),
        notes=tuple(answer for answer in answers if isinstance(answer, Note)),
    )


def _schema(evidence: Evidence, usecase: UseCase) -> Iterator[Check | Note]:
    """Ask whether the model takes exactly the contract's features, and says what it returns."""
    expected = {column.name: column.type for column in usecase.contract.features}
    bound = f"{len(expected)} features of the contract"
    if evidence.signature is None:
        detail = "the model has no signature, so nothing could check its requests"
        yield Check("schema.inputs", "fail", None, bound, detail)
    else:
        problems = _differences(evidence.signature, expected)
        detail = "; ".join(problems) or "the signature is the contract's features, in order"
        yield Check(
            "schema.inputs", "fail" if problems else "pass", float(len(evidence.signature)), bound, detail
        )
    present = evidence.has_output_signature
    detail = "the signature says what the model returns" if present else "the signature has no outputs"
    yield Check("schema.outputs", "pass" if present else "fail", None, "declared", detail)
    if evidence.champion_signature is not None and evidence.champion_signature != evidence.signature:
        detail = "callers must change with this model: its inputs are not the champion's"
        yield Note("schema.champion", "changed", detail)


def _differences(signature: Mapping[str, str], expected: Mapping[str, str]) -> list[str]:
    problems = [f"{name} is missing" for name in expected if name not in signature]
    problems += [f"{name} is not in the contract" for name in signature if name not in expected]
    problems += [
        f"{name} is {kind}, the contract says {expected[name]}"
        for name, kind in signature.items()
        if name in expected and kind not in _MLFLOW_TYPES[expected[name]]
    ]
    if not problems and list(signature) != list(expected):
        problems.append("the features are in another order than in the contract")
    return problems


def _absolute(evidence: Evidence, usecase: UseCase) -> Iterator[Check]:
    """Ask whether the model is good enough by itself."""
    for rule in usecase.gate.absolute:
        metric = METRICS[rule.metric]
        value = metric.value(evidence.labels, evidence.challenger)
        if rule.better_than is not None:
            rate = float(evidence.labels.mean())
            constant = metric.value(evidence.labels, np.full_like(evidence.challenger, rate))
            good = metric.degradation(value, constant) < 0
            sign = ">" if metric.higher_is_better else "<"
            bound = f"{sign} {constant:.4f}, which the base rate of {rate:.1%} scores"
        elif rule.minimum is not None:
            good, bound = value >= rule.minimum, f">= {rule.minimum:g}"
        else:
            maximum = rule.maximum if rule.maximum is not None else -np.inf
            good, bound = value <= maximum, f"<= {maximum:g}"
        # NaN compares as false, and so fails.
        detail = f"{value:.4f}, must be {bound}: {rule.reason}"
        yield Check(f"absolute.{rule.metric}", "pass" if good else "fail", value, bound, detail)


def _comparison(evidence: Evidence, usecase: UseCase) -> Iterator[Check | Note]:
    """Ask whether the model is surely not worse than the champion by more than the margins.

    First for all rows, then for every group of the contract.
    """
    if evidence.champion is None:
        detail = "this is the first model: there is no champion to compare with"
        yield Note("comparison", "not_applicable", detail)
        return
    gate = usecase.gate
    questions: dict[str, tuple[Comparison | SliceRule, Mask | None]] = {
        f"comparison.{rule.metric}": (rule, None) for rule in gate.comparison
    }
    for name, group in _groups(evidence.features, usecase):
        found = _too_small(name, evidence.labels[group], gate.slices)
        if found is None:
            questions[name] = (gate.slices, group)
        else:
            yield found
    intervals = paired_degradations(
        evidence.labels,
        evidence.challenger,
        evidence.champion,
        [(METRICS[rule.metric], mask) for rule, mask in questions.values()],
        confidence=gate.confidence,
        block_length=gate.block_length,
        resamples=gate.resamples,
        seed=gate.seed,
    )
    for (name, (rule, mask)), interval in zip(questions.items(), intervals, strict=True):
        rows = len(evidence.labels) if mask is None else int(mask.sum())
        yield _judged(name, rule, interval, rows, gate.confidence)


def _judged(
    name: str, rule: Comparison | SliceRule, interval: Interval, rows: int, confidence: float
) -> Check:
    bound = f"<= {rule.margin:g} at {confidence:.0%} confidence"
    if interval.undefined:
        detail = f"{rule.metric} has no value in {interval.undefined} resamples of {rows} rows"
        return Check(name, "error", None, bound, detail)
    detail = (
        f"{rule.metric} degrades by {interval.estimate:+.4f} "
        f"(one-sided bounds {interval.lower:+.4f} and {interval.upper:+.4f}) on {rows} rows; "
        f"the upper bound must be {bound}"
    )
    comparison = {
        "metric": rule.metric,
        "estimate": interval.estimate,
        "lower": interval.lower,
        "upper": interval.upper,
        "rows": rows,
    }
    status: Literal["pass", "fail"] = "pass" if interval.upper <= rule.margin else "fail"
    return Check(name, status, interval.upper, bound, detail, comparison)


def _groups(features: pd.DataFrame, usecase: UseCase) -> Iterator[tuple[str, Mask]]:
    for part in usecase.slices:
        for group, conditions in part.groups.items():
            yield f"slice.{part.name}.{group}", _mask(features, conditions)


def _too_small(name: str, labels: Array, rule: SliceRule) -> Check | Note | None:
    """Return what to say of a group that no interval can judge; None when it is large enough."""
    smaller = min(int(labels.sum()), len(labels) - int(labels.sum()))
    if len(labels) >= rule.minimum_rows and smaller >= rule.minimum_per_class:
        return None
    detail = (
        f"{len(labels)} rows, {smaller} in the smaller class; a comparison needs "
        f"{rule.minimum_rows} and {rule.minimum_per_class}"
    )
    if rule.too_small == "fail":
        return Check(name, "fail", float(len(labels)), f">= {rule.minimum_rows} rows", detail)
    return Note(name, "insufficient", detail)


def _mask(features: pd.DataFrame, conditions: Mapping[str, int | float | str | Condition]) -> Mask:
    mask = np.ones(len(features), dtype=bool)
    for column, condition in conditions.items():
        values = features[column]
        if not isinstance(condition, Condition):
            mask &= (values == condition).to_numpy()
            continue
        if condition.minimum is not None:
            mask &= (values >= condition.minimum).to_numpy()
        if condition.maximum is not None:
            mask &= (values <= condition.maximum).to_numpy()
    return mask


def _latency(evidence: Evidence, usecase: UseCase) -> Iterator[Check]:
    """Ask whether one row is answered in time."""
    rule = usecase.gate.latency
    bound = f"<= {rule.p95_ms:g} ms"
    samples = evidence.latency_ms
    if len(samples) < rule.requests or not np.isfinite(samples).all():
        detail = f"{len(samples)} single-row predictions were timed; {rule.requests} are needed"
        yield Check("latency.p95_ms", "error", None, bound, detail)
        return
    p95 = float(np.quantile(samples, 0.95, method="higher"))
    detail = f"95 % of {len(samples)} single-row predictions took at most {p95:.1f} ms; must be {bound}"
    yield Check("latency.p95_ms", "pass" if p95 <= rule.p95_ms else "fail", p95, bound, detail)
