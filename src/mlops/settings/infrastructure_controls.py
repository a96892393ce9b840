"""The controls of prod's infrastructure; kept and excepted exactly like those of serving."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mlops.settings.control import Control
from mlops.settings.network import ManagedNetwork, PublicNetwork

if TYPE_CHECKING:
    from mlops.settings.model import Environment

__all__ = ["INFRASTRUCTURE_CONTROLS"]


def _outbound_is_approved(environment: Environment) -> bool:
    network = environment.network
    # With byo the hub's firewall has the list; an address of one's own reaches anything.
    return (
        network.isolation == "approved_outbound"
        if isinstance(network, ManagedNetwork)
        else not isinstance(network, PublicNetwork) and network.egress != "nat_gateway"
    )


INFRASTRUCTURE_CONTROLS: Final = (
    Control(
        "private-network",
        "network.profile",
        "managed or byo: workspace, storage, vault and registry answer inside a network alone",
        lambda environment: environment.private,
    ),
    Control(
        "approved-outbound",
        "network.isolation",
        "approved_outbound: training code reaches what is on the list and nothing else",
        _outbound_is_approved,
    ),
    Control(
        "zone-redundant-storage",
        "storage.redundancy",
        "ZRS or GZRS: one zone's failure loses no data and stops no training",
        lambda environment: environment.storage.redundancy in {"ZRS", "GZRS"},
    ),
    Control(
        "recoverable-data",
        "storage.soft_delete_days",
        "30 or more: a deletion is often noticed a month late",
        lambda environment: environment.storage.soft_delete_days >= 30,
    ),
    Control(
        "purge-protection",
        "protection.purge_protection",
        "true: nobody can make a deleted key or secret unrecoverable",
        lambda environment: environment.protection.purge_protection,
    ),
    Control(
        "delete-lock",
        "protection.lock",
        "true: deleting takes two deliberate steps",
        lambda environment: environment.protection.lock,
    ),
    Control(
        "protected-data",
        "protection.protect",
        "true: Pulumi refuses to delete or replace what holds data",
        lambda environment: environment.protection.protect,
    ),
    Control(
        "log-retention",
        "platform.log_retention_days",
        "90 or more: an incident is often older than a month when it is found",
        lambda environment: environment.platform.log_retention_days >= 90,
    ),
    Control(
        "enforced-policies",
        "governance.policies",
        "deny: Azure itself refuses what contradicts the baseline",
        lambda environment: environment.governance.policies == "deny",
    ),
    Control(
        "dedicated-machines",
        "compute",
        "priority dedicated: a machine that is taken away delays the retraining that an alert asked for",
        lambda environment: all(item.priority == "dedicated" for item in environment.compute.values()),
    ),
)
