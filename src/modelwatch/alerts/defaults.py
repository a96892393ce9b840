"""The rules that ``rules: default`` stands for, tuned by simulation.

Bounds that a signal declares are what its rules fire on. Where it declares none, drift fires on a population
stability index above `DRIFT`: about what a shift of 0.23 standard deviations of a normal column comes to,
or 11 points of share that move between two even categories. `FDR` looks strict, and is what lets that bound
stand for windows of 300 rows as well as of 10,000: a drift worth hearing of is significant by far, and all
windows are compared with the same baseline, so chance repeats itself and "2 of 3" alone would not stop it.
Simulated rates of false alarms and of detection: this folder's README.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelwatch.alerts.rules import Rule
from modelwatch.metrics import METRICS, Family

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from modelwatch.declared_signals import Signal

DRIFT, CLEAR, LARGE_DRIFT = 0.05, 0.04, 0.25
FDR = 0.001
PERSISTENCE = "2 of 3"
KEEP_FIRING = 2
_DRIFT_SIGNALS = ("data_drift", "prediction_drift")
_PSI = "population_stability_index"


def default_rules(signals: Mapping[str, Signal], *, runbooks: str = "runbooks") -> tuple[Rule, ...]:
    """Return the shipped rules for these signals.

    Parameters
    ----------
    signals
        Those of the monitor; each gets the rules of its type.
    runbooks
        Folder, beside the monitor's file, that holds ``data-quality.md``, ``drift.md`` and
        ``performance.md``.

    Examples
    --------
    >>> from modelwatch.monitor import Monitor
    >>> monitor = Monitor.parse({"monitor": "m", "signals": {"inputs": {"type": "data_drift"}}})
    >>> [(rule.id, rule.when, rule.fire) for rule in default_rules(monitor.signals)]
    [('inputs-drift', 'inputs.population_stability_index', 0.05)]
    """
    broken = tuple(_id(name, "schema") for name, signal in signals.items() if signal.type == "data_quality")
    written = [
        {"for": PERSISTENCE, "keep_firing": KEEP_FIRING, "evidence": {"fdr": FDR}, **rule}
        for name, signal in signals.items()
        for rule in _of(name, signal, runbooks, broken)
    ]
    return tuple(Rule.model_validate(rule) for rule in written)


def _of(name: str, signal: Signal, runbooks: str, broken: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    if signal.type in _DRIFT_SIGNALS:
        yield from _drift(name, signal, f"{runbooks}/drift.md", broken)
    elif signal.type == "data_quality":
        # A column that is gone, or of another type, is no matter of chance: nothing to wait for.
        yield {
            "id": _id(name, "schema"), "when": f"{name}.schema_change", "for": "1 of 1", "keep_firing": 1,
            "evidence": "none", "severity": "critical", "runbook": f"{runbooks}/data-quality.md",
        }  # fmt: skip
        for metric in signal.bounds:
            yield {
                "id": _id(name, metric), "when": f"{name}.{metric}", "inhibited_by": broken,
                "runbook": f"{runbooks}/data-quality.md",
            }  # fmt: skip
    elif signal.bounds:
        performance = signal.type in ("model_performance", "estimated_performance")
        yield {
            "id": _id(name), "when": name,
            "severity": "critical" if signal.type == "model_performance" else "warning",
            "action": "request_retraining" if signal.type == "model_performance" else "issue",
            "runbook": f"{runbooks}/{'performance' if performance else 'drift'}.md",
        }  # fmt: skip


def _drift(name: str, signal: Signal, runbook: str, broken: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    # Inputs may move without harm; a model that answers differently concerns whoever uses its answers.
    mild, large = ("info", "warning") if signal.type == "data_drift" else ("warning", "critical")
    shared = {"inhibited_by": broken, "runbook": runbook, "action": "issue"}
    declared = [metric for metric in signal.bounds if METRICS[metric].family is Family.DRIFT]
    for metric in declared:
        yield {"id": _id(name, metric), "when": f"{name}.{metric}", "severity": mild, **shared}
    if not declared:
        yield {
            "id": _id(name, "drift"), "when": f"{name}.{_PSI}", "fire": DRIFT, "clear": CLEAR,
            "severity": {DRIFT: mild, LARGE_DRIFT: large}, **shared,
        }  # fmt: skip


def _id(*parts: str) -> str:
    return "-".join(parts).replace("_", "-").lower()[:63]
