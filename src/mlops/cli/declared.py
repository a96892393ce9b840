"""From rendered programs to what `bootstrap` and `doctor` look for: one declaration, `infra/`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mlops.client import UNSET_ID
from mlops.errors import UsageError
from mlops.onboarding.bootstrap import Prerequisites
from mlops.onboarding.converge import Resource
from mlops.onboarding.delivery import PLAN_SUFFIX, DeliveryEnvironment, read_rulesets
from mlops.onboarding.stack_files import initialised
from mlops.settings.together import STACKS, load_together

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from infra.engine import ResourceState, Result

__all__ = ["Declaration", "declare"]

_SHARED: Final = "shared"
_STATE: Final = "bootstrap"
_FROM_AZURE: Final = ("principalId", "clientId")
_BESIDE_BODY: Final = ("type", "apiVersion", "name", "scope")


@dataclass(frozen=True, slots=True)
class Declaration:
    """One environment, as the programs declare it.

    Parameters
    ----------
    prerequisites
        What the stack `bootstrap` declares for it.
    stack
        What the environment's own stack declares.
    contract
        The output of the stack `bootstrap`.
    """

    prerequisites: Prerequisites
    stack: tuple[Resource, ...]
    contract: Mapping[str, Any]


def declare(
    root: Path,
    environment: str,
    *,
    subject_prefix: str,
    branch: str = "main",
    reviewers: Sequence[tuple[str, int]] = (),
) -> Declaration:
    """Render the programs and take what concerns one environment.

    Raises
    ------
    UsageError
        The environment is not one of Azure's, or has no subscription yet.
    """
    from concurrent.futures import ThreadPoolExecutor

    from infra.render import render

    _require_ids(root, environment)
    with ThreadPoolExecutor(max_workers=2) as pool:
        stack = pool.submit(render, environment, root=root)
        shared = pool.submit(render, _SHARED, root=root)
        bootstrap = render(_STATE, root=root, config={"subjectPrefix": subject_prefix})
        own, platform = _resources(stack.result()), _resources(shared.result())
    contract = bootstrap.outputs["contract"]
    needed = tuple(one for one in _resources(bootstrap) if one.target in {_STATE, _SHARED, environment})
    return Declaration(
        Prerequisites(
            environment=environment,
            resources=needed,
            namespaces=_namespaces(needed, platform, own),
            delivery=_delivery(root, environment, contract, branch, tuple(reviewers)),
            stacks=initialised(root),
            rulesets=tuple(read_rulesets(root / ".github" / "rulesets")),
        ),
        own,
        contract,
    )


def _require_ids(root: Path, environment: str) -> None:
    if environment not in STACKS:
        raise UsageError(
            f"The environment {environment!r} is not in Azure.",
            got=environment,
            expected=f"one of: {', '.join(STACKS)}",
            next_step=None if environment == "local" else f"mlops bootstrap {STACKS[0]}",
        )
    for name, settings in load_together(root).items():
        azure = settings.environment.azure
        # The state and the shared stack live in prod's subscription.
        if name in {environment, "prod"} and UNSET_ID in {azure.subscription_id, azure.tenant_id}:
            raise UsageError(
                f"The environment {name} has no subscription or no directory yet.",
                where="environments/base.yaml, azure",
                got=UNSET_ID,
                next_step="mlops init --subscription ID",
            )


def _resources(result: Result) -> tuple[Resource, ...]:
    from infra.arm import to_body

    by_urn = {one.urn: one for one in result.resources}
    found = []
    for one in result.resources:
        if not one.type.startswith("azure-native:") or one.external:
            continue
        body = to_body(one)
        found.append(
            Resource(
                id=one.id,
                name=one.name,
                type=body["type"],
                api_version=body["apiVersion"],
                body={key: value for key, value in body.items() if key not in _BESIDE_BODY},
                target=_target(one, by_urn) if result.stack == _STATE else result.stack,
                stand_ins=_stand_ins(one),
            )
        )
    return tuple(found)


def _target(resource: ResourceState, by_urn: Mapping[str, ResourceState]) -> str:
    """Return the stack that a resource of `bootstrap` is made for: its own name or a parent's says it."""
    at: ResourceState | None = resource
    while at is not None:
        match = re.fullmatch(r"(?:delivery|group)-(\w+)", at.name)
        if match:
            return match[1]
        at = by_urn.get(at.parent)
    return _STATE


def _stand_ins(resource: ResourceState) -> dict[str, str]:
    if not resource.type.endswith(":UserAssignedIdentity"):
        return {}
    return {name: str(resource.outputs[name]) for name in _FROM_AZURE}


def _namespaces(*stacks: Sequence[Resource]) -> tuple[tuple[str, str], ...]:
    pairs = {
        (one.id.split("/")[2], one.type.partition("/")[0])
        for resources in stacks
        for one in resources
        if one.id.startswith("/subscriptions/")
    }
    return tuple(sorted(pairs))


def _delivery(
    root: Path,
    environment: str,
    contract: Mapping[str, Any],
    branch: str,
    reviewers: tuple[tuple[str, int], ...],
) -> tuple[DeliveryEnvironment, ...]:
    """Return GitHub's environments: the one that deploys is a branch's alone, the one that plans is not."""
    loaded = load_together(root)
    found = []
    for target in (_SHARED, environment):
        azure = loaded["prod" if target == _SHARED else target].environment.azure
        platform = loaded["prod"].environment.platform.subscription_id if target == _SHARED else None
        for who, suffix in (("deploy", ""), ("plan", PLAN_SUFFIX)):
            found.append(
                DeliveryEnvironment(
                    name=f"{target}{suffix}",
                    variables={
                        "AZURE_CLIENT_ID": contract["clientIds"][target][who],
                        "AZURE_SUBSCRIPTION_ID": platform or azure.subscription_id,
                        "AZURE_TENANT_ID": azure.tenant_id,
                        "PULUMI_BACKEND_URL": contract["backendUrl"],
                    },
                    branch=branch if who == "deploy" else None,
                    reviewers=reviewers if who == "deploy" and target == environment else (),
                )
            )
    return tuple(found)
