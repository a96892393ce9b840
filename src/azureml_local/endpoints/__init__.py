"""The data plane of managed online endpoints."""

from __future__ import annotations

from azureml_local.endpoints.host import EndpointHost

__all__ = ["EndpointHost"]
