"""The services that the routes of one instance share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azureml_local.blobs import BlobStore
    from azureml_local.config import InstanceConfig
    from azureml_local.endpoints import EndpointHost
    from azureml_local.faults import Faults
    from azureml_local.identity import Identity
    from azureml_local.jobs import JobService
    from azureml_local.operations import Operations
    from azureml_local.request_log import RequestLog
    from azureml_local.store import ResourceStore
    from azureml_local.tracking import Tracking


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """Everything that a route may need."""

    config: InstanceConfig
    base_url: str
    store: ResourceStore
    identity: Identity
    operations: Operations
    faults: Faults
    requests: RequestLog
    blobs: BlobStore
    tracking: Tracking
    jobs: JobService
    endpoints: EndpointHost
