"""Whether a new deployment may take more traffic: a pure function of measured requests.

Each check has three outcomes. It is a ``breach`` when the bound is exceeded beyond doubt, ``ok`` when the
measured value keeps the bound and enough requests were measured, and ``insufficient`` in between: too few
requests, or a value above the bound that could still be chance. Only ``ok`` lets a rollout go on, so that
an idle hour can never promote a model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final, Literal

from mlops.rollout.statistics import (
    binomial_tail,
    mean_difference,
    proportion_interval,
    quantile_interval,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops.rollout.statistics import Interval

__all__ = ["Bounds", "Check", "Judgement", "Observation", "Status", "is_clearly_broken", "judge"]

Status = Literal["ok", "breach", "insufficient"]
_SEVERITY: Final[dict[Status, int]] = {"ok": 0, "insufficient": 1, "breach": 2}
# The circuit breaker looks again and again while requests come in, and each look is a chance of a false
# alarm; a bound this far out keeps a whole step's chance below a percent.
_BREAKER_ALPHA: Final = 1e-4


@dataclass(frozen=True, slots=True)
class Observation:
    """One measured request.

    Parameters
    ----------
    latency_ms
        As the caller saw it.
    problem
        Why it counts as an error; None when it does not.
    predictions
        The numbers that were predicted, one a row.
    """

    latency_ms: float
    problem: str | None = None
    predictions: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a new deployment must keep.

    Parameters
    ----------
    max_error_rate
        Share of requests without a right answer.
    max_p95_ms
        95th percentile of the latency.
    minimum_requests
        Requests that the new deployment must have answered.
    latency_factor, latency_slack_ms
        Its p95 may be this many times the present deployment's, plus the slack: a jump from 4 to 9 ms
        is no reason to stop.
    max_shift
        How far the mean prediction may move from the present deployment's, in its standard deviations.
        A better model moves some predictions; one that moves their mean this far is another model.
    expected_shift
        How far it is known to move, in the prediction's own unit: what the evaluation found on the held-out
        rows, for a model that learnt that the world has changed. The bound holds for what goes beyond.
    confidence
        Of each one-sided bound.
    """

    max_error_rate: float
    max_p95_ms: float
    minimum_requests: int
    latency_factor: float = 2.0
    latency_slack_ms: float = 50.0
    max_shift: float = 1.0
    expected_shift: float = 0.0
    confidence: float = 0.95


@dataclass(frozen=True, slots=True)
class Check:
    """One question, its measured value and the bound that it was held against."""

    name: str
    status: Status
    value: float | None
    bound: float | None
    requests: int
    detail: str

    def to_dict(self) -> dict[str, Any]:
        """Return the check as JSON-ready values."""
        return {
            "name": self.name,
            "status": self.status,
            "value": self.value,
            "bound": self.bound,
            "requests": self.requests,
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True)
class Judgement:
    """The checks of one step; as good as the worst of them, and no checks prove nothing."""

    checks: tuple[Check, ...]

    @property
    def status(self) -> Status:
        """``ok``, ``breach`` or ``insufficient``."""
        return max((check.status for check in self.checks), key=_SEVERITY.__getitem__, default="insufficient")

    def reasons(self) -> list[str]:
        """Return one line for every check that is not ok."""
        return [f"{c.name}: {c.status}, {c.detail}" for c in self.checks if c.status != "ok"]


def judge(
    candidate: Sequence[Observation], current: Sequence[Observation] | None, bounds: Bounds
) -> Judgement:
    """Judge a new deployment.

    Parameters
    ----------
    candidate
        Requests that the new deployment answered.
    current
        Requests that the present one answered, under the same load. The comparisons are left out when
        it is None (nothing serves yet) and when it answered less than half of them right.
    bounds
        What must hold.
    """
    checks = [_error_rate(candidate, bounds), _latency(candidate, bounds)]
    if current is not None and _can_be_compared_with(current):
        checks += [
            _latency_against(candidate, current, bounds),
            _shift(candidate, current, bounds),
            _variety(candidate, current, bounds),
        ]
    return Judgement(tuple(checks))


def _can_be_compared_with(current: Sequence[Observation]) -> bool:
    """Say whether the present deployment works: a broken one must not stand in the way of its repair."""
    right = sum(observation.problem is None for observation in current)
    return not current or 2 * right >= len(current)


def is_clearly_broken(observations: Sequence[Observation], bounds: Bounds) -> bool:
    """Say whether to stop now, without the rest of a step's requests.

    For use while requests come in: it asks for far stronger evidence than the judgement at the end.
    """
    errors = sum(observation.problem is not None for observation in observations)
    allowed = max(bounds.max_error_rate, 1e-3)
    return errors > 1 and binomial_tail(errors, len(observations), allowed) < _BREAKER_ALPHA


def _error_rate(candidate: Sequence[Observation], bounds: Bounds) -> Check:
    name, bound, requests = "error_rate", bounds.max_error_rate, len(candidate)
    if not requests:
        return _undecided(name, bound, 0, "no request was answered")
    problems = [observation.problem for observation in candidate if observation.problem is not None]
    interval = proportion_interval(len(problems), requests, bounds.confidence)
    detail = (
        f"{len(problems)} errors in {requests} requests;"
        f" the true rate is below {interval.upper:.1%} with {bounds.confidence:.0%} confidence"
    )
    if problems:
        detail += f"; the first: {problems[0]}"
    return _check(_undecided(name, bound, requests, detail), interval, bounds)


def _latency(candidate: Sequence[Observation], bounds: Bounds) -> Check:
    name, bound, requests = "p95_ms", bounds.max_p95_ms, len(candidate)
    latencies = _latencies(candidate)
    if not latencies:
        return _undecided(name, bound, requests, "no request was answered right")
    interval = quantile_interval(latencies, 0.95, bounds.confidence)
    detail = f"p95 {interval.value:.1f} ms over {len(latencies)} right answers"
    return _check(_undecided(name, bound, requests, detail), interval, bounds)


def _latency_against(
    candidate: Sequence[Observation], current: Sequence[Observation], bounds: Bounds
) -> Check:
    name, requests = "p95_ms_against_current", min(len(candidate), len(current))
    new, old = _latencies(candidate), _latencies(current)
    if not new or not old:
        return _undecided(name, None, requests, "one of the deployments answered nothing right")
    mine = quantile_interval(new, 0.95, bounds.confidence)
    theirs = quantile_interval(old, 0.95, bounds.confidence)
    bound = theirs.value * bounds.latency_factor + bounds.latency_slack_ms
    # Beyond doubt means beyond the doubt in both measurements.
    certain = mine.lower > theirs.upper * bounds.latency_factor + bounds.latency_slack_ms
    detail = f"p95 {mine.value:.1f} ms against {theirs.value:.1f} ms of the present deployment"
    return _decide(
        replace(_undecided(name, bound, requests, detail), value=mine.value), bounds, breached=certain
    )


def _shift(candidate: Sequence[Observation], current: Sequence[Observation], bounds: Bounds) -> Check:
    name, bound, requests = "prediction_shift", bounds.max_shift, min(len(candidate), len(current))
    new, old = _predictions(candidate), _predictions(current)
    if min(len(new), len(old)) < 2:
        return _undecided(name, bound, requests, "too few numeric predictions")
    interval = mean_difference([value - bounds.expected_shift for value in new], old, bounds.confidence)
    detail = f"mean prediction {fmean(new):.4g} against {fmean(old):.4g}"
    if bounds.expected_shift:
        detail += f", where the evaluation found a shift of {bounds.expected_shift:+.4g}"
    return _check(_undecided(name, bound, requests, detail), interval, bounds)


def _variety(candidate: Sequence[Observation], current: Sequence[Observation], bounds: Bounds) -> Check:
    """Catch a model that answers every request alike: its inputs get lost on the way."""
    name, requests = "constant_predictions", min(len(candidate), len(current))
    new, old = set(_predictions(candidate)), set(_predictions(current))
    if not new or not old:
        return _undecided(name, 0.0, requests, "too few numeric predictions")
    constant = len(new) == 1 and len(old) > 1
    detail = f"{len(new)} different predictions against {len(old)}"
    return _decide(
        replace(_undecided(name, 0.0, requests, detail), value=float(constant)),
        bounds,
        breached=constant and requests >= bounds.minimum_requests,
    )


def _check(check: Check, interval: Interval, bounds: Bounds) -> Check:
    """Decide a check whose bound is a fixed number."""
    bound = math.inf if check.bound is None else check.bound
    return _decide(replace(check, value=interval.value), bounds, breached=interval.lower > bound)


def _decide(check: Check, bounds: Bounds, *, breached: bool) -> Check:
    """Turn the measured value into an outcome; `breached` says that it is over the bound beyond doubt."""
    value = check.value if check.value is not None and math.isfinite(check.value) else None
    if breached:
        return replace(check, status="breach", value=value)
    if check.requests < bounds.minimum_requests:
        needed = f"{check.detail}; {bounds.minimum_requests} requests are needed"
        return replace(check, status="insufficient", value=value, detail=needed)
    if value is not None and check.bound is not None and value <= check.bound:
        return replace(check, status="ok", value=value)
    doubt = f"{check.detail}; above the bound, but it could be chance"
    return replace(check, status="insufficient", value=value, detail=doubt)


def _undecided(name: str, bound: float | None, requests: int, detail: str) -> Check:
    return Check(name, "insufficient", None, bound, requests, detail)


def _latencies(observations: Sequence[Observation]) -> list[float]:
    """Return the latencies of right answers: errors are counted elsewhere, and often come back faster."""
    return [observation.latency_ms for observation in observations if observation.problem is None]


def _predictions(observations: Sequence[Observation]) -> list[float]:
    return [value for observation in observations for value in observation.predictions]
