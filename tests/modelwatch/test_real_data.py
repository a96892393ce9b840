"""Real data: RAND's health insurance experiment in file order, and breast-cancer splits that stay quiet.

In the RAND stream covariates drift long before anything goes wrong, predictions never drift, and from row
14,133 on the outcome itself changes: only labels can tell. A monitor that cannot tell these three apart is of
no use.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier

from modelwatch import Contract, Role, profile, run

WINDOWS = 6
HARMED_FROM = 3
MONITOR = {
    "monitor": "randhie",
    "signals": {
        "inputs": {"type": "data_drift", "psi": 0.2},
        "predictions": {"type": "prediction_drift", "numeric": "psi", "categorical": "psi", "psi": 0.2},
        "together": {"type": "multivariate_drift", "domain_classifier_auc": 0.65},
        "estimated": {"type": "estimated_performance", "estimated_accuracy": {"min": 0.7}},
        "outcome": {
            "type": "model_performance",
            "brier": {"max": 0.21},
            "calibration_error": {"max": 0.1},
            "accuracy": {"min": 0.7},
        },
    },
}


@pytest.fixture(scope="module")
def windows() -> list[dict[str, Any]]:
    data = sm.datasets.randhie.load_pandas().data
    features, visit = data.drop(columns="mdvis"), (data["mdvis"] > 0).astype(int)
    known = int(0.4 * len(data))
    # Rows of one person follow each other, so the model is tested on random known rows, the stream in order.
    order = np.random.default_rng(0).permutation(known)
    train, test = order[: int(0.8 * known)], np.sort(order[int(0.8 * known) :])
    model = HistGradientBoostingClassifier(max_iter=40, learning_rate=0.1, random_state=0)
    model.fit(features.iloc[train], visit.iloc[train])
    probability = model.predict_proba(features)[:, 1]
    rows = features.assign(visit=visit, probability=probability, prediction=(probability >= 0.5).astype(int))
    contract = Contract.infer(
        profile(rows.iloc[:known]),
        roles={"visit": Role.TARGET, "probability": Role.PROBABILITY, "prediction": Role.PREDICTION},
    )
    return [
        run(MONITOR, rows.iloc[test], rows.iloc[part], contract=contract)
        for part in np.array_split(np.arange(known, len(rows)), WINDOWS)
    ]


def statuses(window: dict[str, Any], signal: str) -> dict[tuple[str | None, str], str]:
    return {(m["feature"], m["metric"]): m["status"] for m in window["measurements"] if m["signal"] == signal}


def test_covariate_drift_shows_from_the_first_window(windows: list[dict[str, Any]]) -> None:
    for window in windows:
        assert statuses(window, "inputs")["disea", "population_stability_index"] == "breach"
        assert statuses(window, "together") == {(None, "domain_classifier_auc"): "breach"}


def test_prediction_drift_stays_quiet(windows: list[dict[str, Any]]) -> None:
    for window in windows:
        assert "breach" not in statuses(window, "predictions").values()


def test_performance_breaks_where_the_outcome_changes_and_not_before(windows: list[dict[str, Any]]) -> None:
    for position, window in enumerate(windows):
        expected = "breach" if position >= HARMED_FROM else "ok"
        assert set(statuses(window, "outcome").values()) == {expected}


def test_no_estimate_without_labels_sees_a_changed_outcome(windows: list[dict[str, Any]]) -> None:
    for window in windows:
        assert statuses(window, "estimated")[None, "estimated_accuracy"] == "ok"


@pytest.mark.parametrize("seed", range(3))
def test_a_random_split_stays_quiet(seed: int) -> None:
    frame = load_breast_cancer(as_frame=True).frame.rename(columns={"target": "malignant"})
    order = np.random.default_rng(seed).permutation(len(frame))
    monitor = {
        "monitor": "breast-cancer",
        "signals": {
            "inputs": {
                "type": "data_drift",
                "numeric": ["psi", "ks", "nwd"],
                "psi": 0.1,
                "ks": 0.001,
                "nwd": 0.3,
            },
            "together": {"type": "multivariate_drift", "domain_classifier_auc": 0.6},
            "quality": {
                "type": "data_quality",
                "null_rate": 0.0,
                "out_of_bounds": 0.02,
                "unseen_categories": 0.0,
            },
        },
    }
    contract = Contract.infer(profile(frame), roles={"malignant": Role.TARGET})
    result = run(monitor, frame.iloc[order[:300]], frame.iloc[order[300:]], contract=contract)
    breaches = [m for m in result["measurements"] if m["status"] == "breach"]
    assert breaches == []
    assert not any(isinstance(m["value"], float) and np.isnan(m["value"]) for m in result["measurements"])
