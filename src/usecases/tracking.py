"""Metrics to MLflow, where a tracking server is configured; in any case to the log."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["log_metrics"]


def log_metrics(metrics: Mapping[str, float]) -> None:
    """Print metrics, and log them to the run that the job's environment names.

    A job finds ``MLFLOW_TRACKING_URI`` and ``MLFLOW_RUN_ID`` set. Without the first, a step is being run by
    hand and importing MLflow would only cost seconds.
    """
    for name, value in metrics.items():
        print(f"{name}: {value:.6g}")  # noqa: T201 - a step's log is its console
    if os.environ.get("MLFLOW_TRACKING_URI"):
        import mlflow  # noqa: PLC0415 - see above

        mlflow.log_metrics(dict(metrics))
