"""The likely cause of an incident, and the order of its alerts."""

from __future__ import annotations

from typing import Any

import pytest

from modelwatch.alerts.causes import likely_cause, ranked
from tests.modelwatch.alerts.declarations import measured


def alert(feature: str | None = "age", **changes: Any) -> dict[str, Any]:
    return {
        "rule": "drift", "metric": "population_stability_index", "feature": feature, "segment": None,
        "value": 0.4, "threshold": 0.2, **changes,
    }  # fmt: skip


BREACH: dict[str, Any] = {"status": "breach", "threshold": 0.02}


@pytest.mark.parametrize(
    ("alerts", "rows", "kind"),
    [
        (
            [alert()],
            [measured(0.4, note="likely cause: unit change, larger by x1000 (milli or kilo)")],
            "unit_change",
        ),
        ([alert()], [measured(0.4, note="likely cause: sign flip")], "sign_flip"),
        ([alert()], [measured(None, status="schema_error", note="column 'age' is missing")], "schema_break"),
        ([alert()], [measured(0.3, metric="unseen_category_rate", **BREACH)], "new_category"),
        ([alert()], [measured(0.3, metric="null_value_rate", **BREACH)], "missing_values"),
        ([alert(segment="plan=a")], [measured(0.4, segment="plan=a")], "segment"),
        ([alert()], [measured(0.4), measured(0.4, "income", note="likely cause: sign flip")], "unknown"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_measurements_say_of_the_cause(
    alerts: list[dict[str, Any]], rows: list[dict[str, Any]], kind: str
) -> None:
    assert likely_cause(alerts, rows).kind == kind


def test_drift_that_was_there_before_is_no_cause() -> None:
    worse = [alert(None, metric="brier_score")]
    now = [measured(0.4, "age", status="breach"), measured(0.4, "income", status="breach")]
    assert likely_cause(worse, now).text == "Features began to drift with it: age, income."
    before = [measured(0.4, "age", status="breach"), measured(0.1, "income")]
    assert likely_cause(worse, now, before).text == "Features began to drift with it: income."
    assert likely_cause(worse, now[:1], before).kind == "concept"


def test_alerts_are_ranked_by_importance_times_effect() -> None:
    small, large = alert("small", value=0.9), alert("large", value=0.4)
    order = [row["feature"] for row in ranked([small, large], {"small": 0.01, "large": 0.99})]
    assert order == ["large", "small"]
    assert [row["feature"] for row in ranked([small, large])] == ["small", "large"]


def test_what_is_worse_below_has_its_effect_the_other_way_round() -> None:
    (row,) = ranked([alert(None, metric="recall", value=0.4, threshold=0.8)])
    assert row["effect"] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("value", "threshold", "effect"), [(0.0, 0.0, 1.0), (0.1, 0.0, 1000.0), (None, 0.2, 1.0)]
)
def test_no_effect_is_infinite(value: float | None, threshold: float, effect: float) -> None:
    (row,) = ranked([alert(value=value, threshold=threshold)])
    assert row["effect"] == effect
