"""Deciding and doing: what each registration means against the last deployment, one step at a time.

The rules are those of Pulumi's step generator: a resource is found by its URN or a former one, its
inputs are checked by the provider, compared with what was deployed, and the difference decides
between leaving, creating, updating and replacing. What no registration asks for is deleted last.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from infra.engine.aliases import former_urns
from infra.engine.declaration import declared, first_set, named_aliases
from infra.engine.deletion import deletions, replaced_dependents
from infra.engine.properties import Secret, contains_unknown, revealed
from infra.engine.property_path import changes, matches, parse_path, restore
from infra.engine.provider import Diff
from infra.engine.secret_outputs import with_secrets
from infra.engine.state import ResourceState, Snapshot
from infra.engine.steps import RefusedError, Step
from infra.engine.urn import STACK_TYPE, make_urn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from infra.engine.goal import Goal
    from infra.engine.property_path import Path
    from infra.engine.provider import Provider
    from infra.engine.providers import Providers

__all__ = ["Deployment", "Policies"]


class Policies(Protocol):
    """Policy packs, asked before a step is taken."""

    def analyze(self, resource: ResourceState) -> ResourceState:
        """Return the resource with remediations applied.

        Raises
        ------
        RefusedError
            A mandatory policy says no.
        """
        ...


class Deployment:
    """One run against the last snapshot. Registrations come from many threads; steps are taken in turn.

    Parameters
    ----------
    preview
        Decide everything and create nothing: what only a created resource knows stays unknown.
    progress
        Called with the snapshot after each step that changed something.
    """

    def __init__(
        self,
        stack: str,
        project: str,
        last: Snapshot,
        providers: Providers,
        policies: Policies,
        *,
        preview: bool,
        progress: Callable[[Snapshot], None] = lambda _: None,
    ) -> None:
        self.stack, self.project = stack, project
        self.steps: list[Step] = []
        self.outputs: Mapping[str, Any] = last.outputs
        self._last = last
        self._providers = providers
        self._policies = policies
        self._preview = preview
        self._progress = progress
        self._lock = threading.RLock()
        # Deployed resources that no registration has claimed yet.
        self._unclaimed = {one.urn: one for one in last.resources if not one.pending_delete}
        self._superseded = [one for one in last.resources if one.pending_delete]
        self._deleted_early: dict[str, ResourceState] = {}
        self._replaced: set[str] = set()
        self._claimed_aliases: dict[str, str] = {}
        self._former: dict[str, tuple[str, ...]] = {}
        self._resources: dict[str, ResourceState] = {}

    @property
    def resources(self) -> tuple[ResourceState, ...]:
        """What this run has registered, each after what it depends on."""
        return tuple(self._resources.values())

    def get(self, urn: str) -> ResourceState | None:
        """Return a resource that this run has registered."""
        return self._resources.get(urn)

    def snapshot(self) -> Snapshot:
        """Return what exists now: what this run has reached, then what is left of the last one."""
        position = {id(one): index for index, one in enumerate(self._last.resources)}
        left = [*self._unclaimed.values(), *self._superseded]
        left.sort(key=lambda one: position.get(id(one), len(position)))
        return Snapshot((*self._resources.values(), *left), self.outputs)

    def register(self, goal: Goal) -> ResourceState:
        """Take the steps that bring one resource to what the program asks for.

        Raises
        ------
        RefusedError
            The name is taken, an input is missing, a policy or a protection forbids it.
        """
        with self._lock:
            urn = make_urn(self.stack, self.project, goal.parent, goal.type, goal.name)
            if urn in self._resources:
                raise RefusedError(f"Duplicate resource URN '{urn}'; try giving it a unique name")
            old = self._claim(goal, urn)
            wanted = self._wanted(goal, urn, old)
            resource = self._take_step(goal, wanted, old)
            self._resources[urn] = resource
            self._unclaimed.pop(old.urn if old else urn, None)
            if self.steps[-1].operation != "same":
                self._progress(self.snapshot())
            return resource

    def read(self, goal: Goal, resource_id: str, outputs: Mapping[str, Any] | None = None) -> ResourceState:
        """Record a resource that exists outside of the stack."""
        with self._lock:
            urn = make_urn(self.stack, self.project, goal.parent, goal.type, goal.name)
            if urn in self._resources:
                raise RefusedError(f"Duplicate resource URN '{urn}'; try giving it a unique name")
            self._unclaimed.pop(urn, None)
            wanted = self._state(goal, urn)
            if outputs is None:
                provider = self._providers.provider_of(wanted)
                resource_id, outputs = provider.read(goal.type, resource_id, revealed(goal.inputs))
            secret = {name: outputs[name] for name in goal.additional_secret_outputs if name in outputs}
            outputs = {**outputs, **{name: Secret(revealed(value)) for name, value in secret.items()}}
            resource = replace(wanted, id=resource_id, external=True, outputs=outputs)
            self._resources[urn] = resource
            self.steps.append(Step("read", urn))
            return resource

    def set_outputs(self, urn: str, outputs: Mapping[str, Any]) -> None:
        """Record what a component, or the stack itself, offers to others."""
        with self._lock:
            if urn not in self._resources:
                raise RefusedError(f"there is no resource {urn} whose outputs could be set")
            self._resources[urn] = replace(self._resources[urn], outputs=dict(outputs))
            if self._resources[urn].type == STACK_TYPE:
                self.outputs = dict(outputs)

    def finish(self) -> None:
        """Delete what the program no longer asks for, dependents first.

        Raises
        ------
        RefusedError
            One of them is protected; then none is deleted.
        """
        with self._lock:
            left = self.snapshot().resources[len(self._resources) :]
            self.steps += deletions(left, {id(one) for one in self._superseded})
            self._unclaimed.clear()
            self._superseded.clear()

    def destroy(self) -> None:
        """Delete everything, dependents first."""
        self.finish()
        self.outputs = {}

    def _claim(self, goal: Goal, urn: str) -> ResourceState | None:
        former = former_urns(goal, urn, self._former.get(goal.parent, ()))
        self._former[urn] = former
        for name in (urn, *former):
            taken = self._claimed_aliases.get(name)
            if name in self._unclaimed:
                self._claimed_aliases[name] = urn
                return self._unclaimed[name]
            if taken and name != urn and name in named_aliases(goal):
                raise RefusedError(f"Duplicate resource alias '{name}' applied to '{urn}' and '{taken}'")
        return None

    def _state(self, goal: Goal, urn: str) -> ResourceState:
        provider = self._providers.reference(self, goal) if goal.custom else ""
        return declared(goal, urn, self._resources.get(goal.parent), provider, self._former.get(urn, ()))

    def _wanted(self, goal: Goal, urn: str, old: ResourceState | None) -> ResourceState:
        wanted = self._state(goal, urn)
        if old:
            inputs = dict(wanted.inputs)
            for text in goal.ignore_changes:
                inputs = restore(inputs, old.inputs, parse_path(text))
            wanted = replace(wanted, inputs=inputs)
        wanted = self._checked(wanted, old)
        return self._policies.analyze(wanted)

    def _checked(
        self, wanted: ResourceState, old: ResourceState | None, *, replacing: bool = False
    ) -> ResourceState:
        if not wanted.custom:
            return wanted
        provider = self._providers.provider_of(wanted)
        checked = provider.check(wanted.urn, wanted.type, dict(wanted.inputs), old, replacing=replacing)
        if checked.failures:
            raise RefusedError(f"{wanted.urn}: {'; '.join(checked.failures)}")
        return replace(wanted, inputs=checked.inputs)

    def _take_step(self, goal: Goal, wanted: ResourceState, old: ResourceState | None) -> ResourceState:
        if old is None or old.external:
            return self._create(goal, wanted)
        diff = self._diff(goal, wanted, old)
        if diff.replace_reasons:
            return self._replace(goal, wanted, old, diff)
        if not diff.changes:
            self.steps.append(Step("same", wanted.urn))
            return replace(wanted, id=old.id, outputs=with_secrets(wanted, old.outputs))
        self.steps.append(Step("update", wanted.urn, diff.changes))
        if not wanted.custom:
            return replace(wanted, outputs=wanted.inputs)
        created = self._created(wanted, stable=old)
        return replace(created, id=old.id)

    def _create(self, goal: Goal, wanted: ResourceState) -> ResourceState:
        if wanted.urn in self._deleted_early:
            # It went together with what it depends on; now it comes back.
            self.steps += [Step("replace", wanted.urn), Step("create-replacement", wanted.urn)]
            return self._created(wanted)
        self.steps.append(Step("import" if goal.import_id else "create", wanted.urn))
        created = self._created(wanted)
        return replace(created, id=goal.import_id) if goal.import_id else created

    def _diff(self, goal: Goal, wanted: ResourceState, old: ResourceState) -> Diff:
        if not wanted.custom:
            return Diff(changes(old.inputs, wanted.inputs))
        diff = self._providers.provider_of(wanted).diff(old, wanted.inputs)
        reasons: dict[Path, str] = dict(diff.replace_reasons)
        for text in goal.replace_on_changes:
            pattern = parse_path(text)
            reasons |= {
                change.path: "the program asks for it (replaceOnChanges)"
                for change in diff.changes
                if matches(pattern, change.path) and change.path not in reasons
            }
        if old.replacement_trigger is not None and old.replacement_trigger != goal.replacement_trigger:
            reasons[("replacementTrigger",)] = "its trigger has changed"
        if self._replaced & set(goal.replace_with):
            reasons[("replaceWith",)] = "a resource that it is replaced with is replaced"
        if self._providers.changed(old.provider, wanted.provider):
            reasons[("provider",)] = "it moves to another provider"
        before = first_set(goal.delete_before_replace, diff.delete_before_replace)
        return Diff(diff.changes, reasons, before)

    def _replace(self, goal: Goal, wanted: ResourceState, old: ResourceState, diff: Diff) -> ResourceState:
        _refuse_protected(old)
        wanted = self._checked(replace(wanted, inputs=self._named_anew(goal, wanted)), old, replacing=True)
        self._replaced.add(wanted.urn)
        replaced = Step("replace", wanted.urn, diff.changes, diff.replace_reasons)
        if diff.delete_before_replace:
            dependents = replaced_dependents(old, self._unclaimed, self._providers)
            for dependent in dependents:
                _refuse_protected(dependent)
            for dependent in (*reversed(dependents), old):
                self._unclaimed.pop(dependent.urn, None)
                self._deleted_early[dependent.urn] = dependent
                self.steps.append(Step("delete-replaced", dependent.urn, retained=dependent.retain_on_delete))
            self.steps += [replaced, Step("create-replacement", wanted.urn)]
            return self._created(wanted)
        self.steps += [Step("create-replacement", wanted.urn), replaced]
        self._unclaimed.pop(old.urn, None)
        self._superseded.append(replace(old, pending_delete=True))
        return self._created(wanted)

    def _named_anew(self, goal: Goal, wanted: ResourceState) -> dict[str, Any]:
        """Return the inputs without a name that was only carried over from the old resource."""
        carried = {name for name in wanted.inputs if name not in goal.inputs}
        return {name: value for name, value in wanted.inputs.items() if name not in carried}

    def _created(self, wanted: ResourceState, *, stable: ResourceState | None = None) -> ResourceState:
        """Return the resource with ID and outputs; a preview only knows what does not depend on Azure."""
        if not wanted.custom:
            return replace(wanted, outputs=wanted.inputs)
        provider: Provider = self._providers.provider_of(wanted)
        if self._preview and not wanted.type.startswith("pulumi:providers:"):
            known = provider.stable_outputs() if stable else frozenset()
            kept = {
                name: value for name, value in (stable.outputs if stable else {}).items() if name in known
            }
            planned = provider.planned_outputs(revealed(wanted.inputs))
            return replace(wanted, outputs=with_secrets(wanted, {**planned, **kept}))
        if contains_unknown(wanted.inputs):
            raise RefusedError(f"{wanted.urn}: an input is not known although the deployment is real")
        resource_id, outputs = provider.create(wanted.type, wanted.name, revealed(wanted.inputs))
        return replace(wanted, id=resource_id, outputs=with_secrets(wanted, outputs))


def _refuse_protected(resource: ResourceState) -> None:
    if resource.protect:
        raise RefusedError(
            f'unable to replace resource "{resource.urn}" as it is marked for protection; '
            "remove the `protect` option in a deployment of its own first"
        )
