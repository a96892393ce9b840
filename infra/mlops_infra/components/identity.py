"""User-assigned identities: they exist before what they may reach, so roles can come first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pulumi import ComponentResource, Output, ResourceOptions
from pulumi_azure_native import managedidentity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pulumi

    from infra.mlops_infra.placement import Placement

__all__ = ["GITHUB_ISSUER", "Identity", "IdentityArgs", "principal_of", "user_assigned"]

GITHUB_ISSUER: Final = "https://token.actions.githubusercontent.com"
_AUDIENCE: Final = "api://AzureADTokenExchange"


@dataclass(frozen=True, slots=True)
class IdentityArgs:
    """One identity.

    Parameters
    ----------
    role
        What it is for; ends its name.
    github_subjects
        The subjects of GitHub's tokens that may become this identity, by credential name. Read from
        GitHub, never composed: repositories of 2026 have numbers in them.
    """

    place: Placement
    role: str
    github_subjects: Mapping[str, pulumi.Input[str]] | None = None


class Identity(ComponentResource):
    """An identity without any stored credential."""

    def __init__(self, name: str, args: IdentityArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:security:Identity", name, None, opts)
        self.identity = managedidentity.UserAssignedIdentity(
            name,
            resource_name_=args.place.names.of("identity", args.role),
            resource_group_name=args.place.resource_group,
            location=args.place.location,
            opts=ResourceOptions(parent=self),
        )
        self.id = self.identity.id
        self.principal_id = self.identity.principal_id
        self.client_id = self.identity.client_id
        previous: pulumi.Resource | None = None
        for key, subject in (args.github_subjects or {}).items():
            # Azure refuses two federated credentials of one identity at the same time.
            previous = managedidentity.FederatedIdentityCredential(
                f"{name}-{key}",
                federated_identity_credential_resource_name=key,
                resource_name_=self.identity.name,
                resource_group_name=args.place.resource_group,
                issuer=GITHUB_ISSUER,
                subject=subject,
                audiences=[_AUDIENCE],
                opts=ResourceOptions(parent=self, depends_on=[previous] if previous else None),
            )
        self.register_outputs({"id": self.id, "clientId": self.client_id})


def user_assigned(*identity_ids: pulumi.Input[str]) -> Output[dict[str, str | Sequence[str]]]:
    """Return the `identity` of a resource that acts as these identities.

    One output as a whole: Azure takes a list of identities and answers a map, and in a preview, where
    inputs stand in for answers, the SDK refuses a list with an unknown id in it as a map.
    """
    return Output.all(*identity_ids).apply(
        lambda known: {"type": "UserAssigned", "user_assigned_identities": list(known)}
    )


def principal_of(identity: Output[Any]) -> Output[str]:
    """Return the principal of a resource's system-assigned identity, known once Azure has made it."""
    return identity.apply(lambda known: str(known.principal_id))
