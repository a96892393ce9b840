"""Statistics against SciPy, scikit-learn, published numbers and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics

from modelwatch import Status, measure
from modelwatch.attribution import linear_shap, ndcg, permutation_importance
from modelwatch.bins import quantile_bins
from modelwatch.cells import Cells, align
from modelwatch.distances import (
    chebyshev_distance,
    hellinger_distance,
    jensen_shannon_distance,
    population_stability_index,
    wasserstein_distance,
)
from modelwatch.errors import UsageError
from modelwatch.evidence import (
    adjusted_p_values,
    goodness_of_fit,
    homogeneity,
    jensen_shannon_null_scale,
    jensen_shannon_null_threshold,
    psi_null_threshold,
    rows_needed,
)
from modelwatch.intervals import newcombe, wilson
from modelwatch.special import chi_squared_survival, kolmogorov_survival

GENERATOR = np.random.default_rng(6)


def test_survival_functions_agree_with_scipy() -> None:
    for degrees in (1, 2, 9, 100, 5_000):
        for x in (1e-9, 0.3, 2, 9, 50, 400, 3_000, 5_200):
            assert chi_squared_survival(x, degrees) == pytest.approx(stats.chi2.sf(x, degrees), abs=1e-12)
    for t in np.linspace(0.01, 5, 80):
        assert kolmogorov_survival(t) == pytest.approx(stats.kstwobign.sf(t), abs=1e-11)


def test_distances_agree_with_published_numbers() -> None:
    assert jensen_shannon_distance(np.array([1, 0, 0]), np.array([0, 1, 0])) == pytest.approx(1)
    half = jensen_shannon_distance(np.array([1, 0]), np.array([0.5, 0.5]), base=math.e)
    assert half == pytest.approx(0.464501404)
    positions = np.array([0.0, 1, 3, 5, 6, 8])
    u, v = np.array([1, 1, 1, 0, 0, 0]), np.array([0, 0, 0, 1, 1, 1])
    assert wasserstein_distance(positions, u, v) == pytest.approx(5)
    assert wasserstein_distance(np.array([0.0, 1]), np.array([3, 1]), np.array([2, 2])) == pytest.approx(0.25)
    before, after = np.array([16, 18, 16, 14, 12, 12]), np.array([16, 16, 16, 16, 16, 8])
    assert hellinger_distance(before, after) == pytest.approx(0.06812774371)
    assert population_stability_index(before, after, prior=0) == pytest.approx(0.03721838158)
    assert chebyshev_distance(np.array([2, 2, 2, 0]), np.array([2, 2, 2, 1])) == pytest.approx(0.1428571429)
    assert goodness_of_fit(before, np.full(6, 88 / 6)).p_value == pytest.approx(0.8491450361)
    assert goodness_of_fit(before, after).statistic == pytest.approx(3.5)
    assert goodness_of_fit(before, after).p_value == pytest.approx(0.6233876277)


def test_homogeneity_agrees_with_scipy() -> None:
    a, b = np.array([90, 60, 50]), np.array([70, 80, 60])
    expected = stats.chi2_contingency([a, b], correction=False)
    assert homogeneity(a, b).p_value == pytest.approx(expected.pvalue)
    small = np.array([1, 9]), np.array([4, 3])
    assert homogeneity(*small).p_value == pytest.approx(stats.fisher_exact(np.array(small)).pvalue)
    pooled = homogeneity(np.array([50, 50, 1, 0, 1]), np.array([50, 50, 0, 1, 1]))
    assert pooled.degrees == 2


def test_corrections_agree_with_published_numbers() -> None:
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.324, 0.4262, 0.5719,
         0.6528, 0.759, 1.0]  # fmt: skip
    assert adjusted_p_values(p) == pytest.approx(stats.false_discovery_control(p))
    assert adjusted_p_values(p, "by") == pytest.approx(stats.false_discovery_control(p, method="by"))
    assert int((adjusted_p_values(p) < 0.05).sum()) == 4
    holm = [0.0015, 0.0056, 0.0247, 0.114, 0.2211, 0.278, 0.278, 0.278, 0.3213, 1, 1, 1, 1, 1, 1]
    assert adjusted_p_values(p, "holm") == pytest.approx(holm)
    shuffled = GENERATOR.permutation(len(p))
    assert adjusted_p_values(np.array(p)[shuffled]) == pytest.approx(adjusted_p_values(p)[shuffled])
    for bad in ([math.nan], [1.1]):
        with pytest.raises(UsageError):
            adjusted_p_values(bad)
    with pytest.raises(UsageError, match="correction"):
        adjusted_p_values(p, "none")


def test_null_laws() -> None:
    assert psi_null_threshold(10_000, 300, 10, 0.01) == pytest.approx(0.07438658054)
    assert jensen_shannon_null_scale(10_000, 300, 10) == pytest.approx(0.07464857397)
    assert jensen_shannon_null_threshold(10_000, 300, 10, 0.01) == pytest.approx(0.1158216036)
    needed = rows_needed("jensen_shannon_distance", 0.01, n_baseline=10**9, bins=10, alpha=0.01)
    assert needed == pytest.approx(39_000, rel=0.01)
    assert rows_needed("jensen_shannon_distance", 0.01, n_baseline=1_000, bins=10, alpha=0.01) is None


@pytest.mark.parametrize("metric", ["population_stability_index", "jensen_shannon_distance"])
def test_p_values_are_honest_without_drift(metric: str) -> None:
    p_values = []
    for _ in range(300):
        result = measure(metric, GENERATOR.standard_normal(2_000), GENERATOR.standard_normal(500))
        p_values.append(result.p_value or 0.0)
    assert 0.005 <= np.mean(np.array(p_values) < 0.05) <= 0.09


def test_the_exact_test_agrees_with_scipy() -> None:
    a, b = GENERATOR.standard_normal(80), GENERATOR.standard_normal(60) + 0.3
    result = measure("two_sample_kolmogorov_smirnov_test", a, b)
    expected = stats.ks_2samp(a, b)
    assert (result.statistic, result.value) == pytest.approx((expected.statistic, expected.pvalue))
    assert result.bound == 0


def test_deciles_hold_a_tenth_each() -> None:
    cells = Cells.of(GENERATOR.standard_normal(5_000), limit=None)
    pair = align(cells, cells)
    bins = quantile_bins(pair)
    counts = np.bincount(bins.bin_of(pair.keys), weights=pair.baseline)
    assert counts.tolist() == [500] * 10


def test_intervals_cover_what_they_promise() -> None:
    for rate in (0.02, 0.3, 0.9):
        hits = GENERATOR.binomial(80, rate, 600)
        covered = [low <= rate <= high for low, high in (wilson(int(h), 80) for h in hits)]
        assert 0.92 <= np.mean(covered) <= 0.99
    pairs = GENERATOR.binomial(100, [0.3, 0.5], (600, 2))
    gaps = [newcombe(int(a), 100, int(b), 100) for a, b in pairs]
    assert 0.92 <= np.mean([low <= -0.2 <= high for low, high in gaps]) <= 0.99
    assert wilson(0, 10)[0] == 0
    assert wilson(0, 0) == (0.0, 1.0)


def test_performance_agrees_with_scikit_learn() -> None:
    truth = GENERATOR.integers(0, 3, 400)
    predicted = np.where(GENERATOR.random(400) < 0.7, truth, GENERATOR.integers(0, 3, 400))
    assert measure("accuracy", truth, predicted).value == pytest.approx(
        sklearn_metrics.accuracy_score(truth, predicted)
    )
    for metric in ("precision", "recall", "f1"):
        score = getattr(sklearn_metrics, f"{metric}_score")
        result = measure(metric, truth.astype(str), predicted.astype(str))
        assert result.value == pytest.approx(score(truth, predicted, average="macro"))
        assert result.interval is not None
        assert result.interval[0] < (result.value or 0) < result.interval[1]
        one = measure(metric, truth == 2, predicted == 2, average="binary", positive=True)
        assert one.value == pytest.approx(score(truth == 2, predicted == 2))


def test_probabilities_agree_with_scikit_learn() -> None:
    probability = np.round(GENERATOR.beta(2, 2, 600), 2)
    truth = GENERATOR.random(600) < probability
    for metric, score in (
        ("roc_auc", sklearn_metrics.roc_auc_score),
        ("log_loss", sklearn_metrics.log_loss),
        ("brier_score", sklearn_metrics.brier_score_loss),
    ):
        assert measure(metric, truth, probability).value == pytest.approx(score(truth, probability))
        assert measure(
            metric, np.where(truth, "yes", "no"), probability, positive="yes"
        ).value == pytest.approx(score(truth, probability))
    calibrated = measure("calibration_error", truth, probability)
    spoiled = measure("calibration_error", truth, probability**3)
    assert (calibrated.value or 1) < 0.08 < (spoiled.value or 0)
    for unfit, said in (
        (measure("brier_score", truth, probability * 2), "[0, 1]"),
        (measure("roc_auc", ["a", "b", "c"], [0.1, 0.2, 0.3]), "positive"),
    ):
        assert unfit.status is Status.SCHEMA_ERROR
        assert said in unfit.note


def test_errors_agree_with_scikit_learn() -> None:
    truth = GENERATOR.standard_normal(300)
    predicted = truth + 0.3 * GENERATOR.standard_normal(300)
    for metric, score in (
        ("mae", sklearn_metrics.mean_absolute_error),
        ("mse", sklearn_metrics.mean_squared_error),
        ("rmse", sklearn_metrics.root_mean_squared_error),
        ("r2", sklearn_metrics.r2_score),
    ):
        result = measure(metric, truth, predicted)
        assert result.value == pytest.approx(score(truth, predicted))
        assert result.interval is not None
        assert result.interval[0] < (result.value or 0) < result.interval[1]


def test_attribution_agrees_with_scikit_learn() -> None:
    for _ in range(20):
        before, after = GENERATOR.random(7), GENERATOR.integers(0, 4, 7).astype(float)
        assert ndcg(before, after) == pytest.approx(sklearn_metrics.ndcg_score([before], [after]))


def test_importances_find_the_feature_that_matters() -> None:
    import pandas as pd

    frame = pd.DataFrame(GENERATOR.standard_normal((300, 3)), columns=list("abc"))
    target = frame["b"] * 2
    found = permutation_importance(
        lambda part: (part["b"] * 2).to_numpy(),
        frame,
        lambda predicted: float(((predicted - target) ** 2).mean()),
    )
    assert max(found, key=found.__getitem__) == "b"
    assert found["a"] == 0
    values = linear_shap(np.array([0.0, 2.0, 1.0]), frame.to_numpy(), frame.to_numpy())
    assert values[0] == 0
    assert values[1] > values[2] > 0
