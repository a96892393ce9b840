"""Deleting in an order in which nothing loses what it depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.engine.properties import UNKNOWN
from infra.engine.steps import RefusedError, Step

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from infra.engine.providers import Providers
    from infra.engine.state import ResourceState

__all__ = ["deletions", "replaced_dependents"]


def deletions(doomed: Sequence[ResourceState], superseded: Collection[int]) -> list[Step]:
    """Plan the deletion of `doomed`, which stand each after what they depend on.

    Parameters
    ----------
    superseded
        The ``id()`` of those that a replacement has superseded.

    Raises
    ------
    RefusedError
        One of them is protected.
    """
    protected = [one.urn for one in doomed if one.protect and id(one) not in superseded]
    if protected:
        names = "".join(f"\n  {urn}" for urn in protected)
        raise RefusedError(
            "protected resources would be deleted; "
            f"remove the `protect` option in a deployment of its own first:{names}"
        )
    steps = []
    for one in reversed(doomed):
        if one.external:
            steps.append(Step("read-discard", one.urn))
        elif id(one) in superseded:
            steps.append(Step("delete-replaced", one.urn, retained=one.retain_on_delete))
        else:
            steps.append(Step("delete", one.urn, retained=one.retain_on_delete))
    return steps


def replaced_dependents(
    root: ResourceState, deployed: Mapping[str, ResourceState], providers: Providers
) -> list[ResourceState]:
    """Return the deployed resources that must go before `root` can, each after what it depends on.

    A dependent must go when the properties that it takes from a doomed resource would force its
    replacement once they are unknown. Components and what is read only follow.
    """
    doomed = {root.urn}
    found = []
    for one in deployed.values():
        if one.urn == root.urn or not one.custom or one.external:
            continue
        touched = {name for name, urns in one.property_dependencies.items() if doomed.intersection(urns)}
        by_provider = one.provider.rpartition("::")[0] in doomed
        if not touched and not by_provider:
            continue
        inputs = {name: UNKNOWN if name in touched else value for name, value in one.inputs.items()}
        if by_provider or providers.provider_of(one).diff(one, inputs).replace_reasons:
            doomed.add(one.urn)
            found.append(one)
    return found
