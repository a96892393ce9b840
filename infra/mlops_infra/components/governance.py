"""Azure Policy on an environment's resource group: what holds even for who never saw this repository."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pulumi import ComponentResource, ResourceOptions
from pulumi_azure_native import authorization

if TYPE_CHECKING:
    from infra.mlops_infra.placement import Placement
    from mlops.settings.infrastructure import Governance

__all__ = ["BASELINE", "BuiltIn", "Guardrails", "GuardrailsArgs"]


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """One built-in policy, or a set of them.

    Parameters
    ----------
    enforceable
        It has an effect ``Deny``; otherwise it audits.
    private
        It holds in private environments alone.
    """

    key: str
    title: str
    definition: str
    enforceable: bool = True
    private: bool = False
    initiative: bool = False


BASELINE: Final = (
    BuiltIn("ml-identity", "Workspaces use a user-assigned identity", "5f0c7d88-c7de-45b8-ac49-db49e72eaa78"),
    BuiltIn("ml-local-auth", "Computes have no local accounts", "e96a9a5f-07ca-471b-9bc5-6a0f33cbd68f"),
    BuiltIn(
        "ml-private", "Workspaces answer privately", "438c38d2-3772-465a-a9cc-7a6666a275ce", private=True
    ),
    BuiltIn("storage-keys", "Storage accounts have no shared keys", "8c6a50c6-9ffd-4ae7-986f-5fa6111f9a54"),
    BuiltIn(
        "storage-private", "Storage answers privately", "b2982f36-99f2-4db5-8eff-283140c09693", private=True
    ),
    BuiltIn("vault-roles", "Vaults use roles", "12d4fa5e-1f9f-4c21-97a9-b99b3c6611b5"),
    BuiltIn("vault-private", "Vaults answer privately", "405c5871-3e91-4644-8a63-58e19d68ff5b", private=True),
    BuiltIn("registry-admin", "Registries have no admin user", "dc921057-6b28-4fbe-9b83-f7bec05db6c2"),
    BuiltIn(
        "registry-private",
        "Registries answer privately",
        "0fdf0491-d080-4575-b627-ad0e843cba0f",
        private=True,
    ),
    BuiltIn(
        "custom-roles",
        "Custom roles are audited",
        "a451c1ef-c6ca-483d-87ed-f49761e3ffb5",
        enforceable=False,
    ),
    BuiltIn(
        "benchmark",
        "Microsoft cloud security benchmark",
        "1f3afdf9-d0c9-4c3d-847f-89da613e70a8",
        enforceable=False,
        initiative=True,
    ),
)


@dataclass(frozen=True, slots=True)
class GuardrailsArgs:
    """Which policies hold, and whether they refuse or report."""

    place: Placement
    governance: Governance
    private: bool


class Guardrails(ComponentResource):
    """Assignments of built-in policies to one resource group."""

    def __init__(self, name: str, args: GuardrailsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:governance:Guardrails", name, None, opts)
        for policy in BASELINE:
            if args.private or not policy.private:
                self._assign(policy, args)
        self.register_outputs({})

    def _assign(self, policy: BuiltIn, args: GuardrailsArgs) -> None:
        kind = "policySetDefinitions" if policy.initiative else "policyDefinitions"
        effect = "Deny" if args.governance.policies == "deny" else "Audit"
        parameters: dict[str, Any] = {"effect": {"value": effect}} if policy.enforceable else {}
        authorization.PolicyAssignment(
            policy.key,
            policy_assignment_name=args.place.names.of("policy_assignment", policy.key),
            scope=args.place.resource_group_id,
            display_name=policy.title,
            description=f"{policy.title} ({args.place.names.environment}).",
            policy_definition_id=f"/providers/Microsoft.Authorization/{kind}/{policy.definition}",
            enforcement_mode="Default",
            parameters=parameters,
            non_compliance_messages=[
                {"message": f"{policy.title}: infra/README.md says why, and how an exception is made."}
            ],
            opts=ResourceOptions(parent=self),
        )
