"""Which provider serves a resource: the one it was given, its parent's, or the package's default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from infra.engine.azure_native import AzureNativeProvider
from infra.engine.goal import Goal
from infra.engine.properties import Secret, revealed
from infra.engine.provider import PlainProvider
from infra.engine.urn import parse_urn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from infra.engine.deployment import Deployment
    from infra.engine.property_path import Path
    from infra.engine.provider import Provider
    from infra.engine.state import ResourceState

__all__ = ["NOBODY", "PROVIDER_PREFIX", "Providers", "is_default_provider"]

PROVIDER_PREFIX: Final = "pulumi:providers:"
NOBODY: Final = "00000000-0000-0000-0000-000000000000"
"""The subscription and the tenant of a program that is configured to none."""


def is_default_provider(resource: ResourceState) -> bool:
    """Return whether the engine made this provider itself, as no program asked for one."""
    return resource.type.startswith(PROVIDER_PREFIX) and resource.name.startswith("default")


class Providers:
    """The providers of one deployment.

    Parameters
    ----------
    config
        The configuration of the stack, by full key.
    replaces
        For resources of packages without a stand-in: whether a change at a path forces a replacement.
    """

    def __init__(
        self,
        config: Mapping[str, str],
        secret_keys: frozenset[str],
        replaces: Callable[[str, Path], bool] = lambda _type, _path: False,
    ) -> None:
        self._config = config
        self._secret_keys = secret_keys
        self._replaces = replaces
        self._azure: dict[str, AzureNativeProvider] = {}
        self._inputs: dict[str, Mapping[str, Any]] = {}

    def reference(self, deployment: Deployment, goal: Goal) -> str:
        """Return the provider reference (``urn::id``) of a resource; makes the default one if needed."""
        if goal.type.startswith(("pulumi:providers:", "pulumi:pulumi:")):
            return ""
        package = goal.type.partition(":")[0]
        if goal.provider:
            return goal.provider
        name = f"default_{goal.version.replace('.', '_')}" if goal.version else "default"
        urn = f"urn:pulumi:{deployment.stack}::{deployment.project}::{PROVIDER_PREFIX}{package}::{name}"
        known = deployment.get(urn)
        if known is None:
            inputs = self._configured(package) | ({"version": goal.version} if goal.version else {})
            known = deployment.register(Goal(f"{PROVIDER_PREFIX}{package}", name, custom=True, inputs=inputs))
        return f"{urn}::{known.id}"

    def _configured(self, package: str) -> dict[str, Any]:
        prefix = f"{package}:"
        return {
            key.removeprefix(prefix): Secret(value) if key in self._secret_keys else value
            for key, value in self._config.items()
            if key.startswith(prefix)
        }

    def provider_of(self, resource: ResourceState) -> Provider:
        """Return the stand-in that serves a resource."""
        if resource.type.startswith(PROVIDER_PREFIX):
            self._inputs[resource.urn] = resource.inputs
            return PlainProvider()
        if resource.type.startswith("azure-native:"):
            return self.azure(resource.provider)
        return PlainProvider(lambda path: self._replaces(resource.type, path))

    def for_invoke(self, token: str, reference: str) -> Provider:
        """Return the stand-in that answers a function."""
        return self.azure(reference) if token.startswith("azure-native:") else PlainProvider()

    def azure(self, reference: str) -> AzureNativeProvider:
        """Return the stand-in for Azure that a provider reference is configured to."""
        urn = reference.rpartition("::")[0]
        if urn not in self._azure:
            inputs = revealed(dict(self._inputs.get(urn) or self._configured("azure-native")))
            self._azure[urn] = AzureNativeProvider(
                str(inputs.get("subscriptionId", NOBODY)),
                str(inputs.get("tenantId", NOBODY)),
                inputs.get("location"),
            )
        return self._azure[urn]

    def changed(self, old: str, new: str) -> bool:
        """Return whether a resource moves to another provider; a new default one serves it as well."""
        before, after = old.rpartition("::")[0], new.rpartition("::")[0]
        if not before or not after or before == after:
            return False
        return not (
            parse_urn(before).name.startswith("default") and parse_urn(after).name.startswith("default")
        )
