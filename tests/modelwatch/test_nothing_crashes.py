"""One bad column, option or file costs its own measurement, with a status that says why, and no other."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest

from modelwatch import Contract, comparing, profile, run
from modelwatch.results import Measurement
from modelwatch.signals import distributions, evaluating

N = 300


def frame(seed: int, **columns: Any) -> pd.DataFrame:
    """Rows of a scored classifier, some of whose columns are replaced."""
    random = np.random.default_rng(seed)
    score = random.beta(2, 2, N)
    usual = {
        "correlationid": [f"{seed}-{row}" for row in range(N)],
        "x": random.normal(size=N),
        "g": random.choice(["m", "f"], N),
        "score": score,
        "pred": (score > 0.5).astype(int),
        "y": (random.random(N) < score).astype(int),
    }
    return pd.DataFrame(usual | columns)


BASELINE = frame(1)
ROLES = {
    "correlationid": "identifier", "g": "segment", "score": "probability", "pred": "prediction", "y": "target"
}  # fmt: skip
CONTRACT = Contract.infer(profile(BASELINE), roles=ROLES)
SIGNALS: dict[str, Any] = {
    "drift": {"type": "data_drift", "features": ["x"], "psi": 0.5},
    "perf": {"type": "model_performance", "accuracy": {"min": 0.4}, "brier": 0.5},
    "estimated": {"type": "estimated_performance", "estimated_accuracy": {"min": 0.4}},
    "fair": {"type": "fairness", "selection_rate_gap": 0.5},
    "all": {"type": "multivariate_drift", "domain_classifier_auc": 0.9},
    "work": {"type": "operations"},
    "why": {"type": "feature_attribution_drift", "ndcg": {"min": 0.1}},
}


def found(
    production: pd.DataFrame, *, baseline: pd.DataFrame = BASELINE, only: str | None = None, **more: Any
) -> dict[tuple[str, str], dict[str, Any]]:
    """Run all signals; measurements by signal and metric."""
    declared = more.pop("signals", SIGNALS)
    monitor = {"monitor": "m", "signals": declared, "segments": more.pop("segments", [])}
    rows = run(monitor, baseline, production, contract=CONTRACT, **more)["measurements"]
    return {(row["signal"], row["metric"]): row for row in rows if only is None or row["signal"] == only}


@pytest.mark.parametrize("values", [["text"] * N, [[1.0]] * N, pd.date_range("2026", periods=N, tz="UTC")])
def test_no_comparable_feature_is_a_schema_error_of_that_signal(values: Any) -> None:
    rows = found(frame(2, x=values))
    auc = rows["all", "domain_classifier_auc"]
    assert (auc["status"], "x" in auc["note"]) == ("schema_error", True)
    assert rows["perf", "accuracy"]["status"] == "ok"


@pytest.mark.parametrize("spoil", ["missing", "twice"])
def test_a_group_or_segment_that_is_not_there_is_named(spoil: str) -> None:
    production = frame(2)
    production = (
        production.drop(columns="g")
        if spoil == "missing"
        else pd.concat([production, production["g"]], axis=1)
    )
    rows = found(production, segments=[{"by": "g", "min_rows": 50}])
    for key in (("fair", "selection_rate_gap"), ("segments", "volume_ratio")):
        assert (rows[key]["status"], rows[key]["feature"]) == ("schema_error", "g")
        assert ("'g' is missing" if spoil == "missing" else "'g' occurs more than once") in rows[key]["note"]
    assert rows["perf", "accuracy"]["status"] == "ok"
    unknown = {"fair": {"type": "fairness", "by": ["nope", "pred"]}, "drift": SIGNALS["drift"]}
    rows = found(frame(2), signals=unknown)
    assert rows["drift", "population_stability_index"]["status"] == "ok"
    by = run({"monitor": "m", "signals": unknown}, BASELINE, frame(2), contract=CONTRACT)["measurements"]
    assert [row["feature"] for row in by if row["status"] == "schema_error"] == ["nope"]


def test_a_prediction_that_is_not_there_is_named() -> None:
    rows = found(frame(2).drop(columns=["pred", "score"]))
    for key, name in (
        (("perf", "accuracy"), "pred"),
        (("perf", "brier_score"), "score"),
        (("fair", "selection_rate_gap"), "pred"),
        (("estimated", "estimated_accuracy"), "score"),
    ):
        assert (rows[key]["status"], rows[key]["feature"]) == ("schema_error", name)


def test_a_segment_column_that_holds_no_categories_says_so() -> None:
    segments = [{"by": "x", "min_rows": 50}]
    bare: dict[str, Any] = {"signals": {"drift": SIGNALS["drift"]}, "segments": segments, "only": "segments"}
    lists = found(frame(2, x=[[1.0]] * N), **bare)["segments", "volume_ratio"]
    assert (lists["status"], lists["feature"]) == ("schema_error", "x")
    empty = found(frame(2, x=[None] * N), **bare)["segments", "volume_ratio"]
    assert (empty["status"], empty["feature"]) == ("no_data", "x")


@pytest.mark.parametrize("labelled", [0, 1, 29])
def test_too_few_labels_to_calibrate_by_are_insufficient(labelled: int) -> None:
    labels = [float(label) if row < labelled else None for row, label in enumerate(BASELINE["y"])]
    rows = found(frame(2), baseline=BASELINE.assign(y=pd.Series(labels)), only="estimated")
    assert rows["estimated", "estimated_accuracy"]["status"] == "insufficient"
    assert f"it has {labelled}" in rows["estimated", "estimated_accuracy"]["note"]
    rows = found(frame(2), baseline=BASELINE.drop(columns="y"), only="estimated")
    assert "taken as calibrated" in rows["estimated", "estimated_accuracy"]["note"]


@pytest.mark.parametrize(
    ("importances", "words"),
    [
        (({"x": "high"}, {"x": 1.0}), "'high'"),
        (({"x": [1]}, {"x": 1.0}), "[1]"),
        ((3, 4), "3"),
        ((pd.DataFrame({"x": [1.0]}),) * 2, "'x'"),
    ],
)
def test_importances_that_are_none_are_said(importances: Any, words: str) -> None:
    row = found(frame(2), importances=importances)["why", "normalized_discounted_cumulative_gain"]
    assert row["status"] == "error"
    assert words in row["note"]
    assert "unforeseen" not in row["note"]


def test_the_most_important_features_need_names() -> None:
    top = {"drift": {"type": "data_drift", "features": {"top": 1}}}
    row = found(frame(2), signals=top, importances=([1, 2], [1, 2]))["drift", "population_stability_index"]
    assert row["status"] == "error"
    assert "names" in row["note"]
    assert "no importances" in found(frame(2), signals=top)["drift", "population_stability_index"]["note"]
    missing = found(frame(2), signals={"why": SIGNALS["why"]}, importances=({"x": None, "g": 2}, {"g": 1.0}))
    assert missing["why", "normalized_discounted_cumulative_gain"]["status"] == "ok"


def test_a_request_log_of_texts() -> None:
    log = pd.DataFrame({"latency_ms": ["10", "20.5", None], "status": ["200", "503", "200"]})
    rows = found(frame(2), requests=log, only="work")
    assert rows["work", "latency_p50_ms"]["value"] == 15.25
    assert rows["work", "error_rate"]["count"] == 1
    rows = found(frame(2), requests=log.assign(latency_ms="slow", status="fine"), only="work")
    assert {row["status"] for row in rows.values()} == {"schema_error"}
    assert "latency_ms" in rows["work", "latency_p50_ms"]["note"]


def test_one_metric_that_fails_leaves_the_others_of_its_signal() -> None:
    rows = found(frame(2, score=np.linspace(-1, 2, N)), only="perf")
    assert (rows["perf", "accuracy"]["status"], rows["perf", "brier_score"]["status"]) == (
        "ok",
        "schema_error",
    )
    assert "[0, 1]" in rows["perf", "brier_score"]["note"]


def test_what_nobody_foresaw_is_an_error_of_its_signal_and_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> list[Measurement]:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setitem(evaluating.SIGNALS, "fairness", broken)
    with caplog.at_level(logging.ERROR, logger="modelwatch"):
        rows = found(frame(2))
    row = rows["fair", "selection_rate_gap"]
    assert (row["status"], row["threshold"]) == ("error", 0.5)
    assert "ZeroDivisionError: by nothing" in row["note"]
    assert rows["perf", "accuracy"]["status"] == "ok"
    assert "Traceback" in caplog.text


def test_one_column_that_fails_leaves_the_others_of_its_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = comparing.compare

    def spoilt(baseline: Any, production: Any, **options: Any) -> list[Measurement]:
        if "x" in baseline.columns:
            raise ZeroDivisionError("by nothing")
        return usual(baseline, production, **options)

    monkeypatch.setattr(distributions, "compare", spoilt)
    monitor = {"monitor": "m", "signals": {"quality": {"type": "data_quality", "null_rate": 0.1}}}
    rows = run(monitor, BASELINE, frame(2), contract=CONTRACT)["measurements"]
    assert {row["feature"] for row in rows if row["status"] == "error"} == {"x"}
    assert {row["feature"] for row in rows if row["metric"] == "null_value_rate"} == set(BASELINE.columns)
