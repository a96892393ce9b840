"""The two identities that continuous delivery signs in as: one that deploys, one that only looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pulumi import ComponentResource, ResourceOptions

from infra.mlops_infra.components.grants import Grant, grant
from infra.mlops_infra.components.identity import Identity, IdentityArgs
from infra.mlops_infra.conditions import shared_delegation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pulumi

    from infra.mlops_infra.access import Assignment
    from infra.mlops_infra.placement import Placement

__all__ = ["DeliveryIdentities", "DeliveryIdentitiesArgs"]


@dataclass(frozen=True, slots=True)
class DeliveryIdentitiesArgs:
    """Who delivers one stack.

    Parameters
    ----------
    place
        Where the identities are: beside the state, out of reach of what they deploy.
    target
        The stack: ``shared``, ``dev``, ``staging`` or ``prod``; also GitHub's environment.
    subject_prefix
        How GitHub's tokens begin; without it the identities exist, and nobody can become them yet.
    target_group_id, target_subscription_id, shared_group_id
        The resource group that is deployed into, where it is, and the group that environments share.
    state_id, vault_id
        Pulumi's state and the vault with the key of its secrets.
    roles
        What the row `ci_cd` of access.yaml gives to the one that deploys.
    """

    place: Placement
    target: str
    subject_prefix: str | None
    target_group_id: pulumi.Input[str]
    target_subscription_id: str
    shared_group_id: pulumi.Input[str]
    state_id: pulumi.Input[str]
    vault_id: pulumi.Input[str]
    roles: Sequence[Assignment]


class DeliveryIdentities(ComponentResource):
    """A deploy and a plan identity, each with a federated credential and no secret."""

    def __init__(self, name: str, args: DeliveryIdentitiesArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:security:DeliveryIdentities", name, None, opts)
        self.deploy = self._identity("deploy", args.target, args)
        self.plan = self._identity("plan", f"{args.target}-plan", args)
        for wanted in _deploy_rights(args):
            self._grant(wanted, "deploy", self.deploy, args)
        for wanted in _plan_rights(args):
            self._grant(wanted, "plan", self.plan, args)
        self.register_outputs({"deploy": self.deploy.client_id, "plan": self.plan.client_id})

    def _identity(self, who: str, environment: str, args: DeliveryIdentitiesArgs) -> Identity:
        subjects = None
        if args.subject_prefix:
            subjects = {"github": f"{args.subject_prefix}:environment:{environment}"}
        return Identity(
            f"{who}-{args.target}",
            IdentityArgs(args.place, f"{who}-{args.target}", subjects),
            ResourceOptions(parent=self),
        )

    def _grant(self, right: _Right, who: str, identity: Identity, args: DeliveryIdentitiesArgs) -> None:
        label = right.role.lower().replace(" ", "-")
        elsewhere = right.where in {"target", "subscription"}
        grant(
            Grant(
                key=f"{who}-{args.target}-{right.where}-{label}",
                role=right.role,
                scope=right.scope,
                principal_id=identity.principal_id,
                principal_type="ServicePrincipal",
                description=f"Continuous delivery of {args.target} ({who}) on {right.where}.",
                condition=right.condition,
                subscription_id=args.target_subscription_id if elsewhere else None,
            ),
            args.place,
            parent=self,
        )


@dataclass(frozen=True, slots=True)
class _Right:
    where: str
    scope: pulumi.Input[str]
    role: str
    condition: str | None = None


def _deploy_rights(args: DeliveryIdentitiesArgs) -> Iterator[_Right]:
    for role, condition in dict.fromkeys((item.role, item.condition) for item in args.roles):
        yield _Right("target", args.target_group_id, role, condition)
    if args.target != "shared":
        # Links of the environment's network to the shared zones, and rules over the shared logs.
        yield _Right("shared", args.shared_group_id, "Private DNS Zone Contributor")
        yield _Right("shared", args.shared_group_id, "Monitoring Contributor")
        # Private endpoints to what is there are approved as they are made.
        yield _Right("shared", args.shared_group_id, "Azure AI Enterprise Network Connection Approver")
        # The environment's identities use the ML registry; its networks' endpoints there wait for approval.
        yield _Right(
            "shared", args.shared_group_id, "Role Based Access Control Administrator", shared_delegation()
        )
        # Models are promoted through the registry.
        yield _Right("shared", args.shared_group_id, "AzureML Registry User")
        # Alerts on Defender's findings and Azure's health watch the subscription's own log.
        yield _Right("subscription", f"/subscriptions/{args.target_subscription_id}", "Reader")
    yield _Right("state", args.state_id, "Storage Blob Data Contributor")
    yield _Right("vault", args.vault_id, "Key Vault Crypto User")


def _plan_rights(args: DeliveryIdentitiesArgs) -> Iterator[_Right]:
    yield _Right("target", args.target_group_id, "Reader")
    if args.target != "shared":
        yield _Right("shared", args.shared_group_id, "Reader")
    yield _Right("state", args.state_id, "Storage Blob Data Reader")
    yield _Right("vault", args.vault_id, "Key Vault Crypto User")
