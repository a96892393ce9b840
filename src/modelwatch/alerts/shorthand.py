"""Series of rule tests in shorthand.

``0.05x6 0.3x3 nodatax2``: values, each for so many windows. A value is convincing unless it says otherwise:
``0.3!`` has no evidence, ``0.3@0.04`` a q-value, ``0.3[0.28,0.33]`` an interval. ``nodata``,
``insufficient``, ``schema_error`` and ``error`` are windows that could not be judged, ``_`` is one that did
not measure the series.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from modelwatch.errors import UsageError
from modelwatch.metrics import full_name

if TYPE_CHECKING:
    from modelwatch.monitor import Monitor

_KEY = re.compile(r"^(?P<signal>[^.{}]+)\.(?P<metric>[^.{}]+)(?:\{(?P<labels>[^{}]*)\})?$")
_TOKEN = re.compile(
    r"^(?P<value>[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)"
    r"(?P<evidence>!|@[\d.e-]+|\[[^\],]+,[^\],]+\])?(?:x(?P<times>\d+))?$"
)
_WORD = re.compile(r"^(?P<word>nodata|insufficient|schema_error|error|_)(?:x(?P<times>\d+))?$")
_STATUS = {"nodata": "no_data"}
_LONGEST = 10_000


def expanded(text: str) -> list[dict[str, Any] | None]:
    """Return one measurement's changing parts for each window of a series; None where it is absent.

    Raises
    ------
    UsageError
        If a part of the shorthand cannot be read.

    Examples
    --------
    >>> [part and part["value"] for part in expanded("0.1x2 _ 0.3!")]
    [0.1, 0.1, None, 0.3]
    """
    parts: list[dict[str, Any] | None] = []
    for token in text.split():
        number, word = _TOKEN.match(token), _WORD.match(token)
        match = number or word
        if match is None or not 1 <= int(match["times"] or 1) <= _LONGEST:
            raise UsageError(
                "A series cannot be read",
                got=token,
                expected="such as 0.05x6, 0.3!, 0.3@0.04, 0.3[0.28,0.33], nodatax2, insufficient or _",
            )
        part = _measured(float(number["value"]), number["evidence"]) if number else _unmeasured(match["word"])
        parts += [part] * int(match["times"] or 1)
    return parts


def _measured(value: float, evidence: str | None) -> dict[str, Any]:
    part: dict[str, Any] = {"value": value, "p_value": 0.0, "q_value": 0.0, "status": "ok"}
    if evidence == "!":
        return {**part, "p_value": 1.0, "q_value": 1.0}
    if evidence and evidence.startswith("@"):
        return {**part, "p_value": float(evidence[1:]), "q_value": float(evidence[1:])}
    if evidence:
        low, _, high = evidence[1:-1].partition(",")
        return {**part, "p_value": None, "q_value": None, "interval": [float(low), float(high)]}
    return part


def _unmeasured(word: str) -> dict[str, Any] | None:
    if word == "_":
        return None
    return {"value": None, "p_value": None, "q_value": None, "status": _STATUS.get(word, word)}


def series_row(key: str, monitor: Monitor) -> dict[str, Any]:
    """Return the unchanging parts of a series called ``signal.metric{feature=NAME, segment=NAME}``.

    Raises
    ------
    UsageError
        If the name cannot be read, or the monitor has no such signal or metric.
    """
    match = _KEY.match(key)
    labels = dict(_label(text) for text in (match["labels"] or "").split(",") if text) if match else {}
    if match is None or labels.keys() - {"feature", "segment"}:
        raise UsageError(
            "A series has no name", got=key, expected="signal.metric{feature=NAME, segment=NAME}"
        )
    if match["signal"] not in monitor.signals:
        raise UsageError(
            "The monitor has no such signal",
            got=match["signal"],
            expected=f"one of {', '.join(monitor.signals)}",
        )
    return {
        "signal": match["signal"],
        "metric": full_name(match["metric"]),
        "definition": monitor.baseline.definition,
        "feature": labels.get("feature"),
        "segment": labels.get("segment"),
        "n_baseline": 0,
        "n_production": 0,
        "note": "",
    }


def _label(text: str) -> tuple[str, str]:
    name, _, value = text.strip().partition("=")
    return name, value.strip().strip("\"'")
