"""Action groups: one per owner, so that an alert reaches who can act on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pulumi import ComponentResource, ResourceOptions
from pulumi_azure_native import monitor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.mlops_infra.placement import Placement
    from mlops.settings.infrastructure import Owner

__all__ = ["Notifications", "NotificationsArgs"]


@dataclass(frozen=True, slots=True)
class NotificationsArgs:
    """Who is told, by the key that settings and monitors name."""

    place: Placement
    owners: Mapping[str, Owner]


class Notifications(ComponentResource):
    """An action group per owner, with the common alert schema: one shape of message for every alert."""

    def __init__(self, name: str, args: NotificationsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:monitoring:Notifications", name, None, opts)
        self.ids = {
            key: monitor.ActionGroup(
                key,
                action_group_name=args.place.names.of("action_group", key),
                group_short_name=owner.short_name,
                resource_group_name=args.place.resource_group,
                location="Global",
                enabled=True,
                email_receivers=[
                    {
                        "name": f"mail-{position}",
                        "email_address": address,
                        "use_common_alert_schema": True,
                    }
                    for position, address in enumerate(owner.emails)
                ],
                opts=ResourceOptions(parent=self),
            ).id
            for key, owner in args.owners.items()
        }
        self.register_outputs({"ids": self.ids})
