"""How a fired alert becomes a request to retrain.

By default a scheduled workflow reads fired alerts, signed in by OIDC: an action group cannot send the
header that GitHub's API wants, and a credential of GitHub in Azure would be a secret to keep.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import pulumi
from pulumi import ComponentResource, ResourceOptions
from pulumi_azure_native import eventgrid, storage

from infra.mlops_infra.components.grants import Grant, grant
from infra.mlops_infra.components.identity import principal_of

if TYPE_CHECKING:
    from infra.mlops_infra.placement import Placement

__all__ = ["QUEUE", "RetrainingTrigger", "RetrainingTriggerArgs"]

QUEUE: Final = "retraining-requests"
_EVENTS: Final = (
    "Microsoft.MachineLearningServices.DatasetDriftDetected",
    "Microsoft.MachineLearningServices.ModelRegistered",
    "Microsoft.MachineLearningServices.RunStatusChanged",
)


@dataclass(frozen=True, slots=True)
class RetrainingTriggerArgs:
    """Who reads fired alerts, and whether the workspace's events wait in a queue too."""

    place: Placement
    trigger: Literal["pull", "event_grid"]
    reader_id: pulumi.Input[str]
    workspace_id: pulumi.Input[str]
    storage_id: pulumi.Input[str]
    storage_name: pulumi.Input[str]


class RetrainingTrigger(ComponentResource):
    """Pull: read access to fired alerts. Event Grid: a queue that the same workflow empties."""

    def __init__(self, name: str, args: RetrainingTriggerArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:retraining:RetrainingTrigger", name, None, opts)
        grant(
            Grant(
                key="retraining-reads-alerts",
                role="Monitoring Reader",
                scope=args.place.resource_group_id,
                principal_id=args.reader_id,
                principal_type="ServicePrincipal",
                description="The retraining workflow reads fired alerts.",
            ),
            args.place,
            parent=self,
        )
        if args.trigger == "event_grid":
            self._events(args)
        self.register_outputs({"trigger": args.trigger})

    def _events(self, args: RetrainingTriggerArgs) -> None:
        place = args.place
        queue = storage.Queue(
            QUEUE,
            queue_name=QUEUE,
            account_name=args.storage_name,
            resource_group_name=place.resource_group,
            opts=ResourceOptions(parent=self),
        )
        # One topic per source is all that Azure allows.
        topic = eventgrid.SystemTopic(
            "workspace-events",
            system_topic_name=place.names.of("event_topic"),
            resource_group_name=place.resource_group,
            location=place.location,
            source=args.workspace_id,
            topic_type="Microsoft.MachineLearningServices.Workspaces",
            identity={"type": "SystemAssigned"},
            opts=ResourceOptions(parent=self),
        )
        roles = [
            grant(
                Grant(
                    key=key,
                    role=role,
                    scope=args.storage_id,
                    principal_id=principal,
                    principal_type="ServicePrincipal",
                    description=description,
                ),
                place,
                parent=self,
            )
            for key, role, principal, description in (
                (
                    "events-send",
                    "Storage Queue Data Message Sender",
                    principal_of(topic.identity),
                    "Workspace events reach the queue without a key.",
                ),
                (
                    "retraining-reads-queue",
                    "Storage Queue Data Contributor",
                    pulumi.Output.from_input(args.reader_id),
                    "The retraining workflow empties the queue.",
                ),
            )
        ]
        eventgrid.SystemTopicEventSubscription(
            "to-queue",
            event_subscription_name="to-retraining-queue",
            system_topic_name=topic.name,
            resource_group_name=place.resource_group,
            event_delivery_schema="CloudEventSchemaV1_0",
            filter={"included_event_types": list(_EVENTS)},
            delivery_with_resource_identity={
                "identity": {"type": "SystemAssigned"},
                "destination": {
                    "endpoint_type": "StorageQueue",
                    "resource_id": args.storage_id,
                    "queue_name": QUEUE,
                    "queue_message_time_to_live_in_seconds": 7 * 24 * 3600,
                },
            },
            retry_policy={"max_delivery_attempts": 30, "event_time_to_live_in_minutes": 1440},
            opts=ResourceOptions(parent=self, depends_on=[queue, *roles]),
        )
