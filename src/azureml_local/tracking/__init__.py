"""MLflow tracking: the REST subset that the real mlflow client needs, kept in the state database."""

from __future__ import annotations

from azureml_local.tracking.routes import Tracking

__all__ = ["Tracking"]
