"""Model performance against labels, with confidence intervals."""

from __future__ import annotations

from modelwatch.performance.classes import classes_of
from modelwatch.performance.dispatch import performance
from modelwatch.performance.labels import LabelledRows, join_labels, label_coverage, label_lag

__all__ = ["LabelledRows", "classes_of", "join_labels", "label_coverage", "label_lag", "performance"]
