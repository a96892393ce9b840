"""The comment on a trained model: the verdict, metrics with bounds beside the champion's, and slices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mlops.delivery.markdown import cell, code, folded, table
from mlops.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["to_markdown", "verdict_of"]

_SIGNS: Final = {"pass": "pass", "fail": "**fail**", "error": "**error**"}
_COUNTS: Final = ("rows", "positive_rate", "mean_probability")


def verdict_of(trained: Mapping[str, Any]) -> str:
    """Return the gate's verdict, ``pass`` or ``fail``; what is not said counts as ``fail``."""
    return "pass" if (trained.get("gate") or {}).get("verdict") == "pass" else "fail"


def to_markdown(trained: Mapping[str, Any], *, environment: str) -> str:
    """Return the comment's text.

    Parameters
    ----------
    trained
        What ``mlops train --json`` printed.

    Raises
    ------
    DataError
        It is not that.
    """
    gate, metrics = trained.get("gate"), trained.get("metrics")
    if not isinstance(gate, dict) or not isinstance(metrics, dict) or "checks" not in gate:
        raise DataError(
            "A training run's result has no gate or no metrics.",
            got=f"the keys {', '.join(sorted(trained)) or '(none)'}",
            expected="what `mlops train --json` prints",
        )
    failed = [check for check in gate["checks"] if check["status"] != "pass"]
    good = f"{len(gate['checks']) - len(failed)} of {len(gate['checks'])} checks passed"
    judged = "passes" if verdict_of(trained) == "pass" else "refuses"
    lines = [
        f"## Model: {code(gate['usecase'])} in {code(environment)}",
        "",
        f"The gate **{judged}** it: {good} on {gate['rows']:,} held-out rows.",
    ]
    if failed:
        lines += ["", *[f"- **{check['name']}**: {cell(check['detail'])}" for check in failed]]
    lines += ["", *_metrics(metrics, gate["checks"])]
    slices = list(_slices(gate["checks"]))
    if slices:
        columns = ("slice", "metric", "rows:", "degradation:", "bounds:", "allowed", "")
        lines += ["", *folded("Slices against the champion", table(columns, slices))]
    notes = gate.get("reported") or []
    if notes:
        lines += ["", *[f"- {note['name']}: {cell(note['detail'])}" for note in notes]]
    lines += ["", *folded("All checks", _checks(gate["checks"]))]
    lines += ["", f"Job {code(trained.get('job'))}, data {code(trained.get('data'))}."]
    return "\n".join(lines) + "\n"


def _metrics(metrics: Mapping[str, Any], checks: Sequence[Mapping[str, Any]]) -> list[str]:
    new, old = metrics.get("challenger") or {}, metrics.get("champion") or {}
    found = {check["name"]: check for check in checks}
    names = [name for name in new if name not in _COUNTS and isinstance(new[name], (int, float))]
    rows = [
        (
            code(name),
            _number(new.get(name)),
            _number(old.get(name)),
            *_compared(found.get(f"comparison.{name}", {})),
            _judged(name, found),
        )
        for name in names
    ]
    columns = ("metric", "this model:", "champion:", "degradation:", "its bounds:", "gate")
    return table(columns, rows)


def _judged(name: str, checks: Mapping[str, Mapping[str, Any]]) -> str:
    about = [checks[key] for key in (f"absolute.{name}", f"comparison.{name}") if key in checks]
    return (
        "; ".join(f"{_SIGNS.get(one['status'], one['status'])} {cell(one['bound'])}" for one in about) or "-"
    )


def _slices(checks: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    for check in checks:
        if not str(check["name"]).startswith("slice."):
            continue
        told = check.get("comparison") or {}
        about = (told.get("metric", "-"), told.get("rows", "-"))
        allowed = (cell(check["bound"]), _SIGNS.get(check["status"], check["status"]))
        yield code(check["name"].removeprefix("slice.")), *map(str, about), *_compared(check), *allowed


def _compared(check: Mapping[str, Any]) -> tuple[str, str]:
    """Return by how much a metric degrades, and its one-sided bounds."""
    found = check.get("comparison")
    if not found:
        return "-", "-"
    return f"{found['estimate']:+.4f}", f"{found['lower']:+.4f} to {found['upper']:+.4f}"


def _checks(checks: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [
        (_SIGNS.get(one["status"], one["status"]), code(one["name"]), cell(one["detail"])) for one in checks
    ]
    return table(("", "check", "what was found"), rows)


def _number(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, (int, float)) and not isinstance(value, bool) else "-"
