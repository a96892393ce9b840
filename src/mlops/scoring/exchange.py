"""One request and its answer, and what many of them say together."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Exchange", "LatencySummary", "percentile", "predictions_of", "summarize"]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what came back.

    Parameters
    ----------
    request_id
        The id that was sent as ``x-ms-client-request-id``; the collected data carries it too.
    deployment
        The deployment that answered, from the response's header; None when nothing answered.
    status
        The HTTP status; 0 when no answer came (connection refused, timeout).
    latency_ms
        From sending the last attempt to its last byte; waiting before a retry does not count.
    attempts
        How often it was sent.
    body
        The answer's JSON; None when there was none.
    problem
        Why it counts as an error, in one line; None when it does not.
    """

    request_id: str
    deployment: str | None
    status: int
    latency_ms: float
    attempts: int
    body: Any = field(default=None, repr=False)
    problem: str | None = None

    @property
    def ok(self) -> bool:
        """Whether a 2xx answer came and held JSON."""
        return self.problem is None


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """How an endpoint answered: counts, errors and quantiles of the latency in milliseconds.

    Quantiles are over answered requests, successful or not; None when none was answered.
    """

    requests: int
    errors: int
    errors_by_status: Mapping[str, int]
    by_deployment: Mapping[str, int]
    retries: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as JSON-ready values."""
        return {
            "requests": self.requests,
            "errors": self.errors,
            "errors_by_status": dict(self.errors_by_status),
            "by_deployment": dict(self.by_deployment),
            "retries": self.retries,
            "p50_ms": self.p50_ms,
            "p95_ms": self.p95_ms,
            "p99_ms": self.p99_ms,
        }


def summarize(exchanges: Iterable[Exchange]) -> LatencySummary:
    """Count exchanges and compute the quantiles of their latency."""
    latencies: list[float] = []
    failures: Counter[str] = Counter()
    deployments: Counter[str] = Counter()
    requests = retries = 0
    for exchange in exchanges:
        requests += 1
        retries += exchange.attempts - 1
        if exchange.status:
            latencies.append(exchange.latency_ms)
        if exchange.deployment:
            deployments[exchange.deployment] += 1
        if not exchange.ok:
            failures[str(exchange.status) if exchange.status else "no answer"] += 1
    latencies.sort()
    return LatencySummary(
        requests=requests,
        errors=failures.total(),
        errors_by_status=dict(sorted(failures.items())),
        by_deployment=dict(sorted(deployments.items())),
        retries=retries,
        p50_ms=percentile(latencies, 0.50),
        p95_ms=percentile(latencies, 0.95),
        p99_ms=percentile(latencies, 0.99),
    )


def percentile(ascending: Sequence[float], share: float) -> float | None:
    """Return the smallest observed value that at least `share` of the values do not exceed.

    Parameters
    ----------
    ascending
        Values in ascending order.
    share
        Between 0 and 1.

    Examples
    --------
    >>> percentile([1.0, 2.0, 3.0, 4.0], 0.5)
    2.0
    """
    if not ascending:
        return None
    rank = math.ceil(share * len(ascending))
    return ascending[min(max(rank, 1), len(ascending)) - 1]


def predictions_of(body: Any) -> list[Any] | None:
    """Return the predictions in an answer, one a row; None when its form is none of the known ones.

    Known are a bare list, and an object whose ``predictions`` is a list: what MLflow's server and Azure's
    no-code deployments answer, and what a scoring script of this project answers. An answer that is JSON
    text of JSON is unwrapped once, since the inference server encodes a returned string again.
    """
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except json.JSONDecodeError:
            return None
    if isinstance(body, dict):
        body = body.get("predictions")
    return body if isinstance(body, list) else None
