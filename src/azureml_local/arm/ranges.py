"""Bounds that the published REST shapes leave out, each with where it is documented."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from azureml_local import shapes
from azureml_local.shapes import DURATION, Problem

Rule = tuple[str, Callable[[Any], bool], str]

# Azure ML, managed online deployment YAML schema and online endpoint limits.
_DEPLOYMENT: tuple[Rule, ...] = (
    ("sku.capacity", lambda value: 1 <= value <= 50, "1 to 50 instances"),
    (
        "properties.requestSettings.maxConcurrentRequestsPerInstance",
        lambda value: value >= 1,
        "at least 1",
    ),
    # The service cuts a scoring request off after three minutes.
    (
        "properties.requestSettings.requestTimeout",
        lambda value: 0 < seconds(value) <= 180,
        "more than 0 and at most 3 minutes",
    ),
    ("properties.requestSettings.maxQueueWait", lambda value: seconds(value) >= 0, "a duration"),
    ("properties.livenessProbe.failureThreshold", lambda value: value >= 1, "at least 1"),
    ("properties.livenessProbe.successThreshold", lambda value: value >= 1, "at least 1"),
    ("properties.livenessProbe.timeout", lambda value: seconds(value) >= 1, "at least 1 second"),
    ("properties.livenessProbe.period", lambda value: seconds(value) >= 1, "at least 1 second"),
    ("properties.readinessProbe.failureThreshold", lambda value: value >= 1, "at least 1"),
    ("properties.readinessProbe.successThreshold", lambda value: value >= 1, "at least 1"),
    ("properties.readinessProbe.timeout", lambda value: seconds(value) >= 1, "at least 1 second"),
    ("properties.readinessProbe.period", lambda value: seconds(value) >= 1, "at least 1 second"),
    # A share, not a percentage (data collector YAML schema).
    ("properties.dataCollector.collections.*.samplingRate", lambda value: 0 <= value <= 1, "0 to 1"),
    ("properties.codeConfiguration.scoringScript", lambda value: bool(value.strip()), "the name of a file"),
)
_BATCH_DEPLOYMENT: tuple[Rule, ...] = (
    ("properties.miniBatchSize", lambda value: value >= 1, "at least 1"),
    ("properties.maxConcurrencyPerInstance", lambda value: value >= 1, "at least 1"),
    # -1 lets every failure pass.
    ("properties.errorThreshold", lambda value: value >= -1, "-1 or more"),
    ("properties.retrySettings.maxRetries", lambda value: value >= 0, "0 or more"),
    ("properties.retrySettings.timeout", lambda value: seconds(value) > 0, "more than 0"),
    ("properties.resources.instanceCount", lambda value: value >= 1, "at least 1"),
)
_JOB: tuple[Rule, ...] = (
    ("properties.resources.instanceCount", lambda value: value >= 1, "at least 1"),
    ("properties.limits.timeout", lambda value: seconds(value) > 0, "more than 0"),
)


def check_deployment(body: dict[str, Any]) -> None:
    """Refuse an online deployment with a value out of range."""
    _check(body, _DEPLOYMENT)


def check_batch_deployment(body: dict[str, Any]) -> None:
    """Refuse a batch deployment with a value out of range."""
    _check(body, _BATCH_DEPLOYMENT)


def check_job(body: dict[str, Any]) -> None:
    """Refuse a job with a value out of range."""
    _check(body, _JOB)


def seconds(duration: str) -> float:
    """Return the length of an ISO 8601 duration, months and years as .NET counts them.

    Examples
    --------
    >>> seconds("PT1M30S")
    90.0
    """
    match = DURATION.fullmatch(duration)
    if match is None:
        return -1.0
    years, months, days, _, hours, minutes, rest, _ = match.groups()
    units = (
        (years, 365 * 86400),
        (months, 30 * 86400),
        (days, 86400),
        (hours, 3600),
        (minutes, 60),
        (rest, 1),
    )
    return float(sum(float(text[:-1]) * unit for text, unit in units if text))


def _check(body: dict[str, Any], rules: tuple[Rule, ...]) -> None:
    problems: list[Problem] = []
    for path, holds, expected in rules:
        for where, value in _values(body, path.split("."), ""):
            if not holds(value):
                message = f"The value '{value}' of '{where}' is out of range: expected {expected}."
                problems.append(shapes.problem("OutOfRange", message, where))
    if problems:
        raise shapes.invalid(problems)


def _values(body: Any, steps: list[str], where: str) -> list[tuple[str, Any]]:
    if body is None:
        return []
    if not steps:
        return [(where, body)]
    if not isinstance(body, dict):
        return []
    keys = list(body) if steps[0] == "*" else [steps[0]]
    return [
        found
        for key in keys
        for found in _values(body.get(key), steps[1:], f"{where}.{key}" if where else key)
    ]
