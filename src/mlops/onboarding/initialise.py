"""From five answers to the changes of files that make the repository a team's own."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import yaml

from mlops.errors import SettingsError, UsageError, nearest
from mlops.onboarding.changes import FileChange, scratch_copy
from mlops.settings import ENVIRONMENTS, load
from mlops.settings.together import STACKS, load_together
from mlops.yaml_edit import remove_key, set_values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mlops.onboarding.answers import Answers
    from mlops.settings import Environment

__all__ = ["MACHINERY", "archetypes", "checked_names", "current_values", "plan_init"]

MACHINERY: Final = "classical"
"""The archetype that the demo and the tests of the machinery run on."""


def archetypes(root: Path) -> tuple[str, ...]:
    """Return the use cases that the repository has."""
    return tuple(sorted(path.parent.name for path in (root / "pipelines").glob("*/usecase.yaml")))


def current_values(root: Path) -> dict[str, Any]:
    """Return what the five values are today: the answers of whoever only presses return."""
    settings = {name: load(name, root) for name in STACKS}
    project = settings["dev"].project
    subscriptions = {name: item.azure.subscription_id for name, item in settings.items()}
    return {
        **project.model_dump(),
        "subscription": subscriptions,
        "usecases": list(archetypes(root)),
    }


def plan_init(root: Path, answers: Answers, *, tenant_id: str | None = None) -> tuple[FileChange, ...]:
    """Return what must change in the repository for `answers` to hold; nothing when they do already.

    Parameters
    ----------
    tenant_id
        The directory of the subscriptions; None leaves what is written.

    Raises
    ------
    UsageError
        A use case does not exist, or cannot be removed.
    SettingsError
        With these answers an environment would be wrong, or a name would break Azure's limits.
    """
    removed = _to_remove(root, answers.usecases)
    texts = {
        name: (root / "environments" / name).read_text(encoding="utf-8")
        # The former owner is read from project.yaml, which is therefore written last.
        for name in ("base.yaml", *(f"{name}.yaml" for name in ENVIRONMENTS), "project.yaml")
    }
    edited = dict(texts)
    _place_owner(edited, answers.owner)
    _set(
        edited,
        "project.yaml",
        {
            ("project", "name"): answers.name,
            ("project", "owner"): answers.owner,
            ("project", "location"): answers.location,
        },
    )
    _place_ids(edited, answers.subscription, tenant_id)
    for usecase in removed:
        edited = {
            name: remove_key(text, ("endpoints", usecase), where=f"environments/{name}")
            for name, text in edited.items()
        }
    changes = _code_owners(root, answers.owner)
    changes += [
        FileChange(f"environments/{name}", text, edited[name])
        for name, text in texts.items()
        if edited[name] != text
    ]
    changes += [FileChange(path, "", None) for usecase in removed for path in _folders(root, usecase)]
    with scratch_copy(root, changes) as scratch:
        try:
            checked_names(scratch)
        except SettingsError as error:
            raise _as_if_written(error, scratch, root) from error
    return tuple(changes)


def _as_if_written(error: SettingsError, scratch: Path, root: Path) -> SettingsError:
    """Name the repository's file instead of the copy that was checked."""
    where = error.where.replace(str(scratch), str(root)) if error.where else None
    return SettingsError(
        f"With these answers: {error.what}",
        where=where,
        got=error.got,
        expected=error.expected,
        next_step=error.next_step,
    )


def checked_names(root: Path) -> dict[str, dict[str, str]]:
    """Derive every name of every environment; the first one that Azure would refuse is an error.

    Returns
    -------
    dict
        For each environment, its names by what they are of.
    """
    environments = {name: load(name, root) for name in ENVIRONMENTS if name not in STACKS}
    environments |= {name: item.environment for name, item in load_together(root).items()}
    names = {name: _names_of(item, archetypes(root)) for name, item in environments.items()}
    shared: Counter[str] = Counter()
    for name in STACKS:
        shared.update({names[name][key] for key in ("storage_account", "lake_account", "key_vault")})
    twice = [name for name, number in shared.items() if number > 1]
    if twice:
        raise SettingsError("Two environments would share a global name.", got=", ".join(twice))
    return names


def _names_of(environment: Environment, usecases: Sequence[str]) -> dict[str, str]:
    names = environment.names
    found = names.to_dict()
    found |= {"lake_account": names.lake_account, "state_account": names.state_account}
    found |= {f"compute.{key}": names.compute(key) for key in environment.compute}
    for usecase in usecases:
        found[f"endpoint.{usecase}"] = names.endpoint(usecase)
        found[f"batch_endpoint.{usecase}"] = names.batch_endpoint(usecase)
        found[f"model.{usecase}"] = names.model(usecase)
    return found


def _set(texts: dict[str, str], name: str, values: Mapping[tuple[str, ...], Any]) -> None:
    texts[name] = set_values(texts[name], values, where=f"environments/{name}")


def _place_ids(texts: dict[str, str], subscriptions: Mapping[str, str], tenant_id: str | None) -> None:
    """Write what most environments share into base.yaml, and what differs into their own files."""
    shared = Counter(subscriptions.values()).most_common(1)[0][0]
    base: dict[tuple[str, ...], str] = {("azure", "subscription_id"): shared}
    if tenant_id:
        base["azure", "tenant_id"] = tenant_id
    _set(texts, "base.yaml", base)
    for environment, subscription in subscriptions.items():
        name = f"{environment}.yaml"
        if subscription == shared:
            texts[name] = remove_key(texts[name], ("azure", "subscription_id"), where=f"environments/{name}")
        else:
            _set(texts, name, {("azure", "subscription_id"): subscription})


def _place_owner(texts: dict[str, str], owner: str) -> None:
    """Send every notification that goes to an example's address, or to the owner before, to the owner."""
    before = yaml.safe_load(texts["project.yaml"])["project"]["owner"]
    if owner == before:
        return
    owners = yaml.safe_load(texts["base.yaml"])["platform"]["owners"]
    _set(
        texts,
        "base.yaml",
        {
            ("platform", "owners", key, "emails"): [owner]
            for key, one in owners.items()
            if all(mail == before or str(mail).endswith("@example.com") for mail in one["emails"])
        },
    )


def _code_owners(root: Path, owner: str) -> list[FileChange]:
    """Make the new owner the one whom GitHub asks for reviews, where the old one was."""
    path = ".github/CODEOWNERS"
    if not (root / path).exists():
        return []
    before = load("dev", root).project.owner
    text = (root / path).read_text(encoding="utf-8")
    after = re.sub(rf"(?<=\s){re.escape(before)}(?=\s|$)", owner, text)
    return [FileChange(path, text, after)] if after != text else []


def _to_remove(root: Path, wanted: Sequence[str]) -> list[str]:
    present = archetypes(root)
    for name in wanted:
        if name not in present:
            close = nearest(name, present)
            raise UsageError(
                f"There is no use case {name!r}.",
                where=str(root / "pipelines"),
                got=name,
                expected=f"one or more of: {', '.join(present)}",
                next_step=f"write {close!r}" if close else "git checkout -- pipelines src/usecases",
            )
    if MACHINERY not in wanted:
        raise UsageError(
            f"The use case {MACHINERY!r} cannot be removed.",
            got=", ".join(wanted),
            expected=f"{MACHINERY} among them: the demo and the tests of the machinery run on it",
            next_step=f"--usecases {','.join([MACHINERY, *wanted])}",
        )
    return [name for name in present if name not in wanted]


def _folders(root: Path, usecase: str) -> list[str]:
    """Return the folders that belong to one use case alone; the one that it is known by goes last."""
    candidates = [f"tests/usecases/{usecase}", f"src/usecases/{usecase}", f"pipelines/{usecase}"]
    return [path for path in candidates if (root / path).exists()]
