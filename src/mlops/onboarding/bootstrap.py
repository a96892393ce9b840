"""What one environment needs before its first pipeline runs: created, or removed again."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from mlops.onboarding.converge import AzureConvergence, replaced
from mlops.onboarding.delivery import PLAN_SUFFIX, GitHubConvergence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlops.github import GitHub
    from mlops.onboarding.azure import Azure
    from mlops.onboarding.converge import Resource
    from mlops.onboarding.delivery import DeliveryEnvironment
    from mlops.onboarding.operation import Operation, Report

__all__ = ["Prerequisites", "create", "destroy"]

_LOCK: Final = "Microsoft.Authorization/locks"


@dataclass(frozen=True, slots=True)
class Prerequisites:
    """Everything that must be there before a pipeline can deploy one environment.

    Parameters
    ----------
    environment
        ``dev``, ``staging`` or ``prod``.
    resources
        In an order in which each comes after what it needs: the state store, what the stack `shared`
        needs, what the environment needs.
    namespaces
        Pairs of a subscription and a resource provider that a stack in it uses.
    delivery
        The environments at GitHub; the ids in their variables may be stand-ins.
    rulesets
        The rules of branches and tags, in GitHub's own form.
    stacks
        The stacks that are in the state store, which workflows may preview and deploy.
    """

    environment: str
    resources: tuple[Resource, ...]
    namespaces: tuple[tuple[str, str], ...]
    delivery: tuple[DeliveryEnvironment, ...]
    rulesets: tuple[Mapping[str, Any], ...] = ()
    stacks: tuple[str, ...] = ()


def create(
    wanted: Prerequisites,
    azure: Azure,
    github: GitHub,
    *,
    write: bool,
    report: Report,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Operation]:
    """Create what is missing; see :class:`~mlops.onboarding.converge.AzureConvergence`.

    Azure comes first: the ids that it gives are what GitHub is told.
    """
    cloud = AzureConvergence(azure, _locks(wanted), write, report, sleep)
    own = frozenset(one.type.partition("/")[0] for one in wanted.resources)
    operations = cloud.register(wanted.namespaces, wait_for=own)
    operations += cloud.create(wanted.resources)
    environments = [
        replace(one, variables=replaced(dict(one.variables), cloud.known)) for one in wanted.delivery
    ]
    repository = GitHubConvergence(github, write, report)
    operations += repository.create(environments, wanted.rulesets)
    return operations + repository.list_stacks(wanted.stacks)


def destroy(
    wanted: Prerequisites, azure: Azure, github: GitHub, *, write: bool, report: Report
) -> list[Operation]:
    """Remove what was made for this environment alone; what environments share stays.

    Nobody can sign in any more before anything else goes.

    Raises
    ------
    DeploymentError
        The environment's resource group still holds something; nothing was deleted.
    """
    cloud = AzureConvergence(azure, _locks(wanted), write, report)
    own = [one for one in wanted.resources if one.target == wanted.environment]
    cloud.require_empty_groups(own)
    names = (wanted.environment, f"{wanted.environment}{PLAN_SUFFIX}")
    repository = GitHubConvergence(github, write, report)
    operations = repository.list_stacks([one for one in wanted.stacks if one != wanted.environment])
    operations += repository.delete(names)
    return operations + cloud.delete(own)


def _locks(wanted: Prerequisites) -> list[Resource]:
    return [one for one in wanted.resources if one.type == _LOCK]
