"""What each metric means, in one sentence, and the unit that its numbers have.

A number without a unit and a definition is an opinion: pages link each metric to its entry here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mlops.reporting.units import Unit

__all__ = ["DEFINITIONS", "METRIC_TEXTS", "MetricText", "text_of"]


@dataclass(frozen=True, slots=True)
class MetricText:
    """How pages speak of a metric.

    Attributes
    ----------
    name
        The field's standard term.
    short
        What fits into a table.
    meaning
        One sentence, true for every definition.
    scale
        Range of the values, and where the good end is.
    """

    name: str
    short: str
    unit: Unit
    meaning: str
    scale: str


DEFINITIONS: Final = {
    "robust/v1": "Quantile bins of the baseline with repeated values as bins of their own, open ends and a "
    "bucket for nulls; categories by name with buckets for new ones. Every distance has a p-value, corrected "
    "over the features (Benjamini-Hochberg) to the q-value. A breach is effect and evidence: beyond the "
    "threshold, and q below alpha.",
    "azureml/4b41f8c": "What Azure Machine Learning's own monitoring components compute (azureml-assets at "
    "4b41f8c), to the digit. A breach is a value beyond the threshold, whatever the number of rows.",
}

_INDEX, _SHARE, _P, _SCORE = Unit.INDEX, Unit.SHARE, Unit.P_VALUE, Unit.SCORE
_DISTANCE_SCALE = "0 (the same) to 1 (nothing in common)"
_SHARE_SCALE = "0 % to 100 %; lower is better"
_BETTER_HIGH, _BETTER_LOW = "0 to 1; higher is better", "0 and above; lower is better"
_P_SCALE = "0 to 1; small: such a difference hardly comes about by chance"
_GAP_SCALE = "0 to 1; 0: all groups alike"
_NO_LABELS = "Expected from the calibrated probabilities alone, before labels arrive"

METRIC_TEXTS: Final[dict[str, MetricText]] = {
    "population_stability_index": MetricText(
        "population stability index",
        "PSI",
        _INDEX,
        "Sum over buckets of (share now - share then) x ln(share now / share then).",
        "0 (the same) and above; 0.1 is often called moderate, 0.2 large",
    ),
    "jensen_shannon_distance": MetricText(
        "Jensen-Shannon distance",
        "JS distance",
        _INDEX,
        "Square root of the Jensen-Shannon divergence to base 2 between the shares then and now.",
        _DISTANCE_SCALE,
    ),
    "normalized_wasserstein_distance": MetricText(
        "normalised Wasserstein distance",
        "Wasserstein",
        _INDEX,
        "How far values moved on average, in units of the baseline's spread.",
        "0 (the same) and above; 1: moved by one spread",
    ),
    "two_sample_kolmogorov_smirnov_test": MetricText(
        "Kolmogorov-Smirnov test",
        "KS p-value",
        _P,
        "P-value of the largest difference between the two cumulative distributions.",
        _P_SCALE,
    ),
    "pearsons_chi_squared_test": MetricText(
        "Pearson's chi-squared test",
        "chi-squared p-value",
        _P,
        "P-value of the difference between the counts by bucket then and now.",
        _P_SCALE,
    ),
    "chebyshev_distance": MetricText(
        "Chebyshev distance",
        "Chebyshev",
        _INDEX,
        "Largest difference of a single bucket's share.",
        _DISTANCE_SCALE,
    ),
    "null_value_rate": MetricText(
        "nulls", "nulls", _SHARE, "Rows without a value, NaN included.", _SHARE_SCALE
    ),
    "data_type_error_rate": MetricText(
        "type errors", "type errors", _SHARE, "Rows whose value is not of the column's type.", _SHARE_SCALE
    ),
    "out_of_bounds_rate": MetricText(
        "out of bounds",
        "out of bounds",
        _SHARE,
        "Rows outside the contract's range or list, or else outside what the baseline held.",
        _SHARE_SCALE,
    ),
    "unseen_category_rate": MetricText(
        "new categories",
        "new categories",
        _SHARE,
        "Rows in a category that the baseline never had.",
        _SHARE_SCALE,
    ),
    "vanished_category_share": MetricText(
        "vanished categories",
        "vanished",
        _SHARE,
        "Share that categories without a single row now had in the baseline.",
        _SHARE_SCALE,
    ),
    "outlier_rate": MetricText(
        "outliers",
        "outliers",
        _SHARE,
        "Rows more than 3 interquartile ranges outside the baseline's quartiles.",
        _SHARE_SCALE,
    ),
    "non_finite_rate": MetricText(
        "infinities", "infinities", _SHARE, "Rows with plus or minus infinity.", _SHARE_SCALE
    ),
    "duplicate_rate": MetricText(
        "duplicates", "duplicates", _SHARE, "Rows that repeat another row.", _SHARE_SCALE
    ),
    "freshness_seconds": MetricText(
        "freshness",
        "freshness",
        Unit.SECONDS,
        "Time from the newest event to the end of the window.",
        "0 and above; lower is better",
    ),
    "volume_ratio": MetricText(
        "volume",
        "volume",
        Unit.RATIO,
        "Rows of the window for each row of the baseline.",
        "0 and above; compare it with other windows",
    ),
    "schema_change": MetricText(
        "schema change",
        "schema",
        Unit.FLAG,
        "A column that is missing, new, doubled or of another type.",
        "found or not",
    ),
    "accuracy": MetricText(
        "accuracy", "accuracy", _SCORE, "Share of labelled rows predicted right.", _BETTER_HIGH
    ),
    "precision": MetricText(
        "precision",
        "precision",
        _SCORE,
        "Share of the rows predicted as a class that are of it.",
        _BETTER_HIGH,
    ),
    "recall": MetricText("recall", "recall", _SCORE, "Share of a class's rows that are found.", _BETTER_HIGH),
    "f1": MetricText("F1 score", "F1", _SCORE, "Harmonic mean of precision and recall.", _BETTER_HIGH),
    "roc_auc": MetricText(
        "area under the ROC curve",
        "ROC AUC",
        _SCORE,
        "Chance that a positive row is scored above a negative one.",
        "0.5 (guessing) to 1; higher is better",
    ),
    "log_loss": MetricText(
        "log loss",
        "log loss",
        _SCORE,
        "Mean negative log-probability of the true class, in nats.",
        _BETTER_LOW,
    ),
    "brier_score": MetricText(
        "Brier score",
        "Brier",
        _SCORE,
        "Mean squared error of the predicted probability.",
        "0 to 1; lower is better",
    ),
    "calibration_error": MetricText(
        "calibration error",
        "calibration",
        _SCORE,
        "Mean distance between predicted probability and observed frequency.",
        "0 to 1; lower is better",
    ),
    "estimated_accuracy": MetricText(
        "estimated accuracy", "est. accuracy", _SCORE, f"{_NO_LABELS}.", _BETTER_HIGH
    ),
    "estimated_precision": MetricText(
        "estimated precision", "est. precision", _SCORE, f"{_NO_LABELS}.", _BETTER_HIGH
    ),
    "estimated_recall": MetricText("estimated recall", "est. recall", _SCORE, f"{_NO_LABELS}.", _BETTER_HIGH),
    "estimated_f1": MetricText("estimated F1 score", "est. F1", _SCORE, f"{_NO_LABELS}.", _BETTER_HIGH),
    "estimated_roc_auc": MetricText(
        "estimated area under the ROC curve", "est. ROC AUC", _SCORE, f"{_NO_LABELS}.", _BETTER_HIGH
    ),
    "mae": MetricText(
        "mean absolute error", "MAE", Unit.TARGET, "Mean absolute error of the prediction.", _BETTER_LOW
    ),
    "mse": MetricText(
        "mean squared error", "MSE", Unit.TARGET, "Mean squared error of the prediction.", _BETTER_LOW
    ),
    "rmse": MetricText(
        "root mean squared error", "RMSE", Unit.TARGET, "Square root of the mean squared error.", _BETTER_LOW
    ),
    "r2": MetricText(
        "coefficient of determination",
        "R2",
        _SCORE,
        "Share of the target's variance that is explained.",
        "up to 1; higher is better",
    ),
    "normalized_discounted_cumulative_gain": MetricText(
        "ranking of importances (NDCG)",
        "NDCG",
        _SCORE,
        "How well production's ranking of feature importances keeps the baseline's.",
        _BETTER_HIGH,
    ),
    "label_coverage": MetricText(
        "label coverage",
        "label coverage",
        _SHARE,
        "Share of predictions whose label has arrived.",
        "0 % to 100 %; higher is better",
    ),
    "label_lag_seconds": MetricText(
        "label lag", "label lag", Unit.SECONDS, "Median time from prediction to label.", _BETTER_LOW
    ),
    "selection_rate_gap": MetricText(
        "selection rate gap",
        "selection gap",
        _SCORE,
        "Largest difference between groups in the share predicted positive.",
        _GAP_SCALE,
    ),
    "true_positive_rate_gap": MetricText(
        "true positive rate gap",
        "TPR gap",
        _SCORE,
        "Largest difference between groups in recall.",
        _GAP_SCALE,
    ),
    "false_positive_rate_gap": MetricText(
        "false positive rate gap",
        "FPR gap",
        _SCORE,
        "Largest difference between groups in the share of negatives predicted positive.",
        _GAP_SCALE,
    ),
    "domain_classifier_auc": MetricText(
        "domain classifier AUC",
        "domain AUC",
        _SCORE,
        "How well a classifier tells production rows from baseline rows, all features together.",
        "0.5 (not at all) to 1; lower is better",
    ),
    "training_serving_skew_rate": MetricText(
        "training-serving skew",
        "skew",
        _SHARE,
        "Rows whose feature differs between training and serving code.",
        _SHARE_SCALE,
    ),
    "latency_p50_ms": MetricText(
        "latency, median", "latency p50", Unit.MILLISECONDS, "Time of a request.", _BETTER_LOW
    ),
    "latency_p95_ms": MetricText(
        "latency, 95th percentile", "latency p95", Unit.MILLISECONDS, "Time of a request.", _BETTER_LOW
    ),
    "latency_p99_ms": MetricText(
        "latency, 99th percentile", "latency p99", Unit.MILLISECONDS, "Time of a request.", _BETTER_LOW
    ),
    "throughput_per_second": MetricText(
        "throughput", "throughput", Unit.PER_SECOND, "Requests answered.", "0 and above; higher is better"
    ),
    "error_rate": MetricText(
        "failed requests", "failed", _SHARE, "Requests that were not answered.", _SHARE_SCALE
    ),
}


def text_of(metric: str) -> MetricText:
    """Return how pages speak of a metric; one that nobody described keeps its id."""
    known = METRIC_TEXTS.get(metric)
    return known or MetricText(metric.replace("_", " "), metric, Unit.INDEX, "", "")
