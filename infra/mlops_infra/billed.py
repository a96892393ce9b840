"""How many of the things that are billed by the piece an environment has; tests hold it against the graph."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from mlops.settings.network import ManagedNetwork

if TYPE_CHECKING:
    from mlops.settings import Environment

__all__ = ["alert_counts", "private_endpoint_count"]

# Of the workspace, its storage (four services), the lake (two), the vault and the registry.
_OWN_ENDPOINTS = 9
# Azure adds the workspace's storage (blob, file), vault and registry to a managed network by itself.
_DEFAULT_RULES = 4
_SEVERITIES = 3


def private_endpoint_count(environment: Environment) -> int:
    """Return the private endpoints that are billed, those inside a managed network too."""
    if not environment.private:
        return 0
    network = environment.network
    platform = environment.platform
    scope = int(platform.private_link_scope)
    own = _OWN_ENDPOINTS + scope + int(platform.registry_public_network_access == "disabled")
    if not isinstance(network, ManagedNetwork):
        return own
    rules = 3 if network.isolation == "approved_outbound" else 2
    return own + _DEFAULT_RULES + rules + scope


def alert_counts(environment: Environment) -> tuple[int, Counter[str]]:
    """Return the number of metric alerts, and of log alerts by how often they look."""
    endpoints = environment.endpoints.values()
    metrics = 3 + sum(2 + (endpoint.slo.silent_minutes is not None) for endpoint in endpoints)
    logs = Counter({"PT1H": _SEVERITIES * len(environment.platform.owners) + 1, "PT5M": 3 * len(endpoints)})
    if environment.profile == "dev":
        logs["PT6H"] = 1 + len(endpoints)
    return metrics, logs
