"""The one registry of metrics: what each is called, applies to, and which direction is bad.

Rules, evaluators and reports ask here for the direction of a metric. A list kept anywhere else is how
"accuracy 0.95 against 0.9" comes to breach and 0.5 does not.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from enum import StrEnum

from modelwatch.errors import UsageError

AZUREML = "azureml/4b41f8c"
ROBUST = "robust/v1"
DEFINITIONS = (ROBUST, AZUREML)


class Direction(StrEnum):
    """Which way is worse."""

    HIGHER_IS_WORSE = "higher_is_worse"
    LOWER_IS_WORSE = "lower_is_worse"


class Family(StrEnum):
    """What kind of data a metric reads."""

    DRIFT = "drift"
    QUALITY = "data_quality"
    ATTRIBUTION = "feature_attribution"
    CLASSIFICATION = "classification"
    PROBABILITY = "probability"
    REGRESSION = "regression"
    FAIRNESS = "fairness"
    MULTIVARIATE = "multivariate"
    SKEW = "skew"
    OPERATIONS = "operations"


NUMERICAL = "numerical"
CATEGORICAL = "categorical"


@dataclass(frozen=True, slots=True)
class Metric:
    """One entry of the registry.

    Attributes
    ----------
    kinds
        Kinds of feature the metric is defined for under ``robust/v1``.
    azureml_kinds
        Kinds for which Azure ML's components compute it; empty where they do not.
    p_valued
        The published number is a p-value.
    """

    id: str
    family: Family
    direction: Direction
    kinds: frozenset[str] = frozenset()
    azureml_kinds: frozenset[str] = frozenset()
    p_valued: bool = False

    def breaches(self, value: float, threshold: float) -> bool:
        """Tell whether ``value`` lies strictly on the bad side of ``threshold``.

        Raises
        ------
        UsageError
            If either is not finite: "not a number" is a status, not a comparison.
        """
        if not (math.isfinite(value) and math.isfinite(threshold)):
            raise UsageError(
                "Only finite numbers can be compared with a threshold",
                where=self.id,
                got=f"value {value}, threshold {threshold}",
            )
        return value > threshold if self.direction is Direction.HIGHER_IS_WORSE else value < threshold


_BOTH = frozenset({NUMERICAL, CATEGORICAL})
_NUMBERS = frozenset({NUMERICAL})
_CATEGORIES = frozenset({CATEGORICAL})
_UP, _DOWN = Direction.HIGHER_IS_WORSE, Direction.LOWER_IS_WORSE


def _entries() -> list[Metric]:
    drift = [
        Metric("jensen_shannon_distance", Family.DRIFT, _UP, _BOTH, _BOTH),
        Metric("population_stability_index", Family.DRIFT, _UP, _BOTH, _BOTH),
        Metric("normalized_wasserstein_distance", Family.DRIFT, _UP, _NUMBERS, _NUMBERS),
        Metric("two_sample_kolmogorov_smirnov_test", Family.DRIFT, _DOWN, _NUMBERS, _NUMBERS, p_valued=True),
        Metric("pearsons_chi_squared_test", Family.DRIFT, _DOWN, _BOTH, _CATEGORIES, p_valued=True),
        # Azure ML documents Chebyshev for prediction drift and has it in no component.
        Metric("chebyshev_distance", Family.DRIFT, _UP, _BOTH, _CATEGORIES),
    ]
    azure_quality = ("null_value_rate", "data_type_error_rate", "out_of_bounds_rate")
    quality = [Metric(name, Family.QUALITY, _UP, _BOTH, _BOTH) for name in azure_quality]
    quality += [
        Metric("unseen_category_rate", Family.QUALITY, _UP, _CATEGORIES),
        Metric("vanished_category_share", Family.QUALITY, _UP, _CATEGORIES),
        Metric("outlier_rate", Family.QUALITY, _UP, _NUMBERS),
        Metric("non_finite_rate", Family.QUALITY, _UP, _NUMBERS),
        Metric("duplicate_rate", Family.QUALITY, _UP, _BOTH),
        Metric("freshness_seconds", Family.QUALITY, _UP),
        Metric("volume_ratio", Family.QUALITY, _DOWN),
        Metric("schema_change", Family.QUALITY, _UP, _BOTH),
    ]
    classification = [
        Metric(name, Family.CLASSIFICATION, _DOWN) for name in ("accuracy", "precision", "recall", "f1")
    ]
    probability = [
        Metric("roc_auc", Family.PROBABILITY, _DOWN),
        Metric("log_loss", Family.PROBABILITY, _UP),
        Metric("brier_score", Family.PROBABILITY, _UP),
        Metric("calibration_error", Family.PROBABILITY, _UP),
        Metric("estimated_accuracy", Family.PROBABILITY, _DOWN),
        Metric("estimated_precision", Family.PROBABILITY, _DOWN),
        Metric("estimated_recall", Family.PROBABILITY, _DOWN),
        Metric("estimated_f1", Family.PROBABILITY, _DOWN),
        Metric("estimated_roc_auc", Family.PROBABILITY, _DOWN),
    ]
    regression = [Metric(name, Family.REGRESSION, _UP) for name in ("mae", "mse", "rmse")]
    regression.append(Metric("r2", Family.REGRESSION, _DOWN))
    rest = [
        Metric("normalized_discounted_cumulative_gain", Family.ATTRIBUTION, _DOWN, _BOTH, _BOTH),
        Metric("label_coverage", Family.QUALITY, _DOWN),
        Metric("label_lag_seconds", Family.QUALITY, _UP),
        Metric("selection_rate_gap", Family.FAIRNESS, _UP),
        Metric("true_positive_rate_gap", Family.FAIRNESS, _UP),
        Metric("false_positive_rate_gap", Family.FAIRNESS, _UP),
        Metric("domain_classifier_auc", Family.MULTIVARIATE, _UP),
        Metric("training_serving_skew_rate", Family.SKEW, _UP, _BOTH),
        Metric("latency_p50_ms", Family.OPERATIONS, _UP),
        Metric("latency_p95_ms", Family.OPERATIONS, _UP),
        Metric("latency_p99_ms", Family.OPERATIONS, _UP),
        Metric("throughput_per_second", Family.OPERATIONS, _DOWN),
        Metric("error_rate", Family.OPERATIONS, _UP),
    ]
    return [*drift, *quality, *classification, *probability, *regression, *rest]


METRICS: dict[str, Metric] = {metric.id: metric for metric in _entries()}


def metric(name: str) -> Metric:
    """Return the registry's entry for ``name``, an id or a short name.

    Raises
    ------
    UsageError
        If no metric is called so; the message names the nearest ones.
    """
    found = METRICS.get(SHORT_NAMES.get(name, name))
    if found is None:
        near = difflib.get_close_matches(name, [*METRICS, *SHORT_NAMES], n=3, cutoff=0.4)
        raise UsageError(
            "Unknown metric",
            got=repr(name),
            expected="one of " + ", ".join(near or sorted(METRICS)),
        )
    return found


def require_definition(definition: str) -> str:
    """Return ``definition`` if it is known.

    Raises
    ------
    UsageError
        If it is not.
    """
    if definition not in DEFINITIONS:
        raise UsageError("Unknown definition", got=repr(definition), expected=" or ".join(DEFINITIONS))
    return definition


# Short names that people write in `monitor.yaml`.
SHORT_NAMES = {
    "psi": "population_stability_index",
    "jsd": "jensen_shannon_distance",
    "wasserstein": "normalized_wasserstein_distance",
    "nwd": "normalized_wasserstein_distance",
    "ks": "two_sample_kolmogorov_smirnov_test",
    "chi_squared": "pearsons_chi_squared_test",
    "chebyshev": "chebyshev_distance",
    "null_rate": "null_value_rate",
    "type_error_rate": "data_type_error_rate",
    "out_of_bounds": "out_of_bounds_rate",
    "unseen_categories": "unseen_category_rate",
    "vanished_categories": "vanished_category_share",
    "outliers": "outlier_rate",
    "duplicates": "duplicate_rate",
    "ndcg": "normalized_discounted_cumulative_gain",
    "auc": "roc_auc",
    "brier": "brier_score",
}


def full_name(name: str) -> str:
    """Return the id of a metric that may be given by its short name.

    Raises
    ------
    UsageError
        If nothing is called so.
    """
    return metric(name).id
