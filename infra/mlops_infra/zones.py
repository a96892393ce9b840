"""The private DNS zones of Azure's services, by the group id (sub-resource) of their endpoints."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ZONES", "zones_for"]

ZONES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "amlregistry": ("privatelink.api.azureml.ms",),
        "amlworkspace": ("privatelink.api.azureml.ms", "privatelink.notebooks.azure.net"),
        "blob": ("privatelink.blob.core.windows.net",),
        "dfs": ("privatelink.dfs.core.windows.net",),
        "file": ("privatelink.file.core.windows.net",),
        "queue": ("privatelink.queue.core.windows.net",),
        "registry": ("privatelink.azurecr.io",),
        "table": ("privatelink.table.core.windows.net",),
        "vault": ("privatelink.vaultcore.azure.net",),
        "azuremonitor": (
            "privatelink.monitor.azure.com",
            "privatelink.oms.opinsights.azure.com",
            "privatelink.ods.opinsights.azure.com",
            "privatelink.agentsvc.azure-automation.net",
            "privatelink.blob.core.windows.net",
        ),
    }
)
"""What each group id needs."""


def zones_for(*, monitor: bool) -> tuple[str, ...]:
    """Return the names of all zones; Azure Monitor's are there with a private link scope alone."""
    groups = ZONES.items() if monitor else [item for item in ZONES.items() if item[0] != "azuremonitor"]
    return tuple(sorted({zone for _, zones in groups for zone in zones}))
