"""Jobs: command and pipeline jobs as subprocesses, from the request body that the service gets."""

from __future__ import annotations

from azureml_local.jobs.service import JobService

__all__ = ["JobService"]
