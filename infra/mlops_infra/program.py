"""What the three programs have in common: their configuration, and the provider that they deploy with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pulumi
import pulumi_azure_native as azure_native

from mlops.settings import ROOT

if TYPE_CHECKING:
    from mlops.naming import Names

__all__ = ["ProgramConfig", "provider_for"]


@dataclass(frozen=True, slots=True)
class ProgramConfig:
    """The typed configuration of `Pulumi.yaml`; everything else is in `environments/`.

    Parameters
    ----------
    root
        The repository's folder; another one renders other settings.
    create_resource_group
        Whether this stack makes its resource group, or finds the one that bootstrap made.
    subject_prefix
        How GitHub's tokens for this repository begin, as its API says; empty before bootstrap.
    platform_stack
        The stack whose contract an environment reads.
    """

    root: Path
    create_resource_group: bool
    subject_prefix: str | None
    platform_stack: str

    @classmethod
    def read(cls) -> ProgramConfig:
        """Read the stack's configuration."""
        config = pulumi.Config()
        root = config.get("root")
        return cls(
            root=Path(root).resolve() if root else ROOT,
            create_resource_group=config.get_bool("createResourceGroup", True) is not False,
            subject_prefix=config.get("subjectPrefix") or None,
            platform_stack=config.get("platformStack")
            or f"{pulumi.get_organization()}/mlops-platform/shared",
        )


def provider_for(names: Names, *, subscription_id: str, tenant_id: str) -> pulumi.ResourceOptions:
    """Return options with a provider that is bound to one subscription.

    The default provider deploys to whatever `az login` left behind; this one cannot put prod's
    resources anywhere but where prod's settings say.
    """
    provider = azure_native.Provider(
        f"azure-{names.environment}",
        subscription_id=subscription_id,
        tenant_id=tenant_id,
        disable_pulumi_partner_id=True,
    )
    return pulumi.ResourceOptions(provider=provider)
