from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from mlops.gate.metrics import METRICS, Array

# Few distinct probabilities: ties are where an own ROC AUC goes wrong.
PROBABILITIES = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5000001, 0.75, 1.0])


@st.composite
def scored(draw: st.DrawFn) -> tuple[Array, Array]:
    rows = draw(st.integers(2, 60))
    labels = draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=rows, max_size=rows))
    labels[0], labels[1] = 0.0, 1.0
    probabilities = draw(st.lists(PROBABILITIES, min_size=rows, max_size=rows))
    return np.array(labels), np.array(probabilities)


@settings(max_examples=60, deadline=None)
@given(scored())
def test_values_are_those_of_scikit_learn(data: tuple[Array, Array]) -> None:
    labels, probabilities = data
    assert METRICS["roc_auc"].value(*data) == pytest.approx(roc_auc_score(labels, probabilities))
    assert METRICS["brier_score"].value(*data) == pytest.approx(brier_score_loss(labels, probabilities))
    expected = log_loss(labels, probabilities, labels=[0, 1])
    assert METRICS["log_loss"].value(*data) == pytest.approx(expected)


@settings(max_examples=30, deadline=None)
@given(scored(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(data: tuple[Array, Array], random: np.random.Generator) -> None:
    order = list(range(len(data[0])))
    random.shuffle(order)
    for metric in METRICS.values():
        assert metric.value(data[0][order], data[1][order]) == pytest.approx(metric.value(*data))


@settings(max_examples=30, deadline=None)
@given(scored(), st.data())
def test_a_weight_counts_like_a_repeated_row(data: tuple[Array, Array], draw: st.DataObject) -> None:
    labels, probabilities = data
    size = len(labels)
    weights = np.array(draw.draw(st.lists(st.integers(1, 3), min_size=size, max_size=size)))
    repeated = np.repeat(labels, weights), np.repeat(probabilities, weights)
    for name in ("roc_auc", "log_loss", "brier_score"):
        weighted = METRICS[name].weighted(labels, probabilities, weights[None, :].astype(float))[0]
        assert weighted == pytest.approx(METRICS[name].value(*repeated))


def test_calibration_error_of_a_calibrated_forecast_is_near_zero_and_grows_with_the_shift() -> None:
    generator = np.random.default_rng(0)
    probabilities = generator.uniform(0.1, 0.8, 100_000)
    labels = (generator.uniform(size=100_000) < probabilities).astype(float)
    error = METRICS["calibration_error"]
    assert error.value(labels, probabilities) < 0.01
    assert error.value(labels, probabilities + 0.1) == pytest.approx(0.1, abs=0.01)


def test_a_resample_with_one_class_has_no_ranking() -> None:
    weights = np.array([[0.0, 1.0], [1.0, 1.0]])
    values = METRICS["roc_auc"].weighted(np.array([0.0, 1.0]), np.array([0.2, 0.9]), weights)
    assert np.isnan(values[0])
    assert values[1] == 1.0


@pytest.mark.parametrize(("name", "worse"), [("roc_auc", 0.1), ("log_loss", -0.1)])
def test_degradation_is_positive_when_the_challenger_is_worse(name: str, worse: float) -> None:
    assert METRICS[name].degradation(0.6 - worse, 0.6) == pytest.approx(0.1)
