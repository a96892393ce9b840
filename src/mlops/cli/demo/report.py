"""The demo's page: one self-contained file that opens without a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mlops.cli.demo.evidence import evidence
from mlops.cli.demo.replay import ROWS_A_DAY
from mlops.cli.demo.steps import RETRAINING
from mlops.cli.demo.timeline import draw
from mlops.scoring import summarize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops.cli.demo.story import Story

__all__ = ["MONITOR_PAGE", "render"]

METRICS: Final = {
    "roc_auc": ("ROC AUC", "higher is better"),
    "log_loss": ("log loss", "lower is better"),
    "brier_score": ("Brier score", "lower is better"),
    "calibration_error": ("calibration error", "lower is better"),
}
MODELS: Final = {"first": "first model", "challenger": "challenger, retrained", "worse": "worse on purpose"}
MONITOR_PAGE: Final = "monitor.html"
"""The monitor's own report, beside the demo's."""
_BARS: Final = 40


def render(story: Story) -> str:
    """Return the page of a run, also of one that failed half-way."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from mlops.reporting.rendering import TEMPLATES

    environment = Environment(
        loader=FileSystemLoader([Path(__file__).parent, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        title=story.usecase.title,
        verdict=story.verdict(),
        ok=story.ok,
        steps=_steps(story),
        models=_models(story),
        metrics=METRICS,
        gates=[(MODELS[name], trained.gate) for name, trained in story.trained.items()],
        rollouts=[(MODELS[name], result) for name, result in story.rollouts.items()],
        serving=summarize(story.exchanges) if story.exchanges else None,
        latencies=histogram([exchange.latency_ms for exchange in story.exchanges if exchange.status]),
        collected=story.rows,
        **_production(story),
        names=story.session.settings.names,
        endpoint=story.session.settings.names.endpoint(story.usecase.name),
    )


def _production(story: Story) -> dict[str, Any]:
    """Return what the replay showed; nothing of it before the first day."""
    if not story.watched or story.production is None:
        return {"timeline": None, "incidents": [], "comparison": None}
    watch = story.production.watch
    incidents = watch.incidents()
    paged = next((i for i in incidents if i.action == RETRAINING), None)
    return {
        "timeline": draw(story.production, paged, story.marks()),
        "rows_a_day": ROWS_A_DAY,
        "label_days": watch.label_days,
        "incidents": [
            {
                "severity": incident.severity.value,
                "rules": ", ".join(sorted({alert["rule"] for alert in incident.alerts})),
                "opened": incident.opened[:10],
                "resolved": incident.resolved[:10] if incident.resolved else None,
                "evidence": evidence(watch, incident),
                "action": incident.action.replace("_", " "),
                "runbook": incident.runbook,
            }
            for incident in incidents
        ],
        "comparison": _comparison(story),
        "monitor_page": MONITOR_PAGE,
    }


def _comparison(story: Story) -> dict[str, Any] | None:
    """Return the retrained model beside the champion it replaced, on the rows that the gate judged."""
    trained = story.trained.get("challenger")
    if trained is None or "champion" not in trained.evaluation["models"]:
        return None
    models = trained.evaluation["models"]
    return {
        "rows": trained.evaluation["rows"],
        "text": next(step.detail for step in story.steps.done if step.name == "retrain"),
        "models": [
            (f"champion, version {story.champion_before}", models["champion"]["metrics"]),
            ("retrained", models["challenger"]["metrics"]),
        ],
    }


def _steps(story: Story) -> list[dict[str, Any]]:
    """Return each step with where its bar starts and how long it is, in percent of the run."""
    total = sum(step.seconds for step in story.steps.done) or 1.0
    rows, start = [], 0.0
    for step in story.steps.done:
        rows.append(
            {
                **step.to_dict(),
                "start": round(100 * start / total, 2),
                "width": max(round(100 * step.seconds / total, 2), 0.4),
            }
        )
        start += step.seconds
    return rows


def _models(story: Story) -> list[dict[str, Any]]:
    """Return each trained model with its metrics on the held-out rows."""
    rows = []
    for name, trained in story.trained.items():
        version = story.versions.get(name)
        rows.append(
            {
                "name": MODELS[name],
                "model": f"{version.name}:{version.version}" if version else "not registered",
                "verdict": trained.gate["verdict"],
                "metrics": trained.evaluation["models"]["challenger"].get("metrics", {}),
            }
        )
    return rows


def histogram(values: Sequence[float]) -> dict[str, Any] | None:
    """Return bars of equal width up to the 99th percentile, and what lies beyond, for drawing.

    Parameters
    ----------
    values
        Latencies in milliseconds.
    """
    if not values:
        return None
    ordered = sorted(values)
    limit = ordered[int(0.99 * (len(ordered) - 1))] or 1.0
    counts = [0] * _BARS
    beyond = 0
    for value in ordered:
        if value > limit:
            beyond += 1
        else:
            counts[min(int(value / limit * _BARS), _BARS - 1)] += 1
    highest = max(counts)
    bars = [
        {
            "x": position,
            "height": round(100 * count / highest, 2),
            "label": f"{position * limit / _BARS:.0f} to {(position + 1) * limit / _BARS:.0f} ms: {count}",
        }
        for position, count in enumerate(counts)
    ]
    return {"bars": bars, "limit": limit, "beyond": beyond}
