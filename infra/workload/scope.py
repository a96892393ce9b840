"""What every part of an environment's program is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops.settings.network import PublicNetwork

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pulumi

    from infra.mlops_infra.access import Assignment
    from infra.mlops_infra.contract import PlatformContract
    from infra.mlops_infra.placement import Placement
    from mlops.settings import Environment

__all__ = ["Scope"]


@dataclass(frozen=True, slots=True)
class Scope:
    """One environment's settings, where it goes, and what it shares with the others."""

    environment: Environment
    place: Placement
    platform: PlatformContract
    access: Sequence[Assignment]
    subject_prefix: str | None
    shared_subscription_id: str
    opts: pulumi.ResourceOptions

    @property
    def allowed_ip_ranges(self) -> tuple[str, ...]:
        """The addresses that a public environment answers; none means any."""
        network = self.environment.network
        return tuple(map(str, network.allowed_ip_ranges)) if isinstance(network, PublicNetwork) else ()

    @property
    def in_private_link_scope(self) -> bool:
        """Whether telemetry and measurements are sent from inside the network alone."""
        return self.environment.private and self.environment.platform.private_link_scope

    @property
    def default_owner(self) -> str:
        """Who hears of what no endpoint and no monitor owns: the first owner in the settings."""
        return next(iter(self.environment.platform.owners))
