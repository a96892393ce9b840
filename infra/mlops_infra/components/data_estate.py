"""Datastores without credentials over the lake's containers, and the containers of data assets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pulumi import ComponentResource, ResourceOptions
from pulumi_azure_native import machinelearningservices

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.mlops_infra.placement import Placement

__all__ = ["DataEstate", "DataEstateArgs"]


@dataclass(frozen=True, slots=True)
class DataEstateArgs:
    """What a workspace sees of the lake.

    Parameters
    ----------
    containers
        The lake's containers by name; each becomes a datastore of that name.
    usecases
        Each gets a data asset; its versions are the pipelines'.
    """

    place: Placement
    workspace_name: pulumi.Input[str]
    account_name: pulumi.Input[str]
    containers: Mapping[str, pulumi.Resource]
    usecases: Sequence[str]
    after: Sequence[pulumi.Resource]


class DataEstate(ComponentResource):
    """Datastores that read with the identity of whoever runs the job."""

    def __init__(self, name: str, args: DataEstateArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:data:DataEstate", name, None, opts)
        for container, resource in args.containers.items():
            machinelearningservices.Datastore(
                container,
                name=container,
                workspace_name=args.workspace_name,
                resource_group_name=args.place.resource_group,
                properties={
                    "datastore_type": "AzureDataLakeGen2",
                    "account_name": args.account_name,
                    "filesystem": container,
                    "endpoint": "core.windows.net",
                    "protocol": "https",
                    "credentials": {"credentials_type": "None"},
                    # Jobs and previews read with the workspace's identity, never with a stored key.
                    "service_data_access_auth_identity": "WorkspaceUserAssignedIdentity",
                    "subscription_id": args.place.subscription_id,
                    "resource_group": args.place.resource_group,
                    "description": f"The lake's container {container}.",
                },
                opts=ResourceOptions(parent=self, depends_on=[resource, *args.after]),
            )
        for usecase in args.usecases:
            machinelearningservices.DataContainer(
                f"data-{usecase}",
                name=usecase,
                workspace_name=args.workspace_name,
                resource_group_name=args.place.resource_group,
                properties={
                    "data_type": "uri_folder",
                    "description": f"Training data of the use case {usecase}; a version per snapshot.",
                    "is_archived": False,
                },
                opts=ResourceOptions(parent=self),
            )
        self.register_outputs({"datastores": list(args.containers)})
