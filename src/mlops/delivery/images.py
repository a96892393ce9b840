"""Which images an environment runs in, which of them its registry lacks, and how those get there.

A tag is written once: it is the lock's digest, so the same tag always installs the same packages. What else
an image is made of, its Dockerfile and its base, has a digest in a second tag, so that a registry tells
without a pull whether an image comes from the files as they are now.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from mlops.delivery.markdown import code, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mlops.delivery.container_tools import ContainerRegistry, Docker

__all__ = ["Image", "State", "look", "push", "to_markdown"]

State = Literal["there", "missing", "there, from another definition"]

_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class Image:
    """One image of one environment.

    Parameters
    ----------
    name
        Of the environment asset, of the lock, and of the repository in the registry.
    reference
        What jobs and deployments name: registry, repository, and the lock's digest as the tag.
    dockerfile, context
        From the repository's root.
    base
        What the image is built upon; None for the short name in the Dockerfile.
    """

    name: str
    reference: str
    dockerfile: str
    context: str
    lock_sha256: str
    dockerfile_sha256: str
    base: str | None

    @property
    def tag(self) -> str:
        """The lock's digest, shortened."""
        return self.reference.rpartition(":")[2]

    @property
    def definition_tag(self) -> str:
        """The tag that also names the Dockerfile and the base."""
        definition = f"{self.dockerfile_sha256}\n{self.base or ''}"
        return f"{self.tag}-{hashlib.sha256(definition.encode()).hexdigest()[:_DIGITS]}"

    @property
    def definition_reference(self) -> str:
        """The same image under the tag of its whole definition."""
        return f"{self.reference.rpartition(':')[0]}:{self.definition_tag}"

    def to_dict(self) -> dict[str, Any]:
        """Return what a command prints as JSON."""
        return {
            "name": self.name,
            "reference": self.reference,
            "definition_reference": self.definition_reference,
            "dockerfile": self.dockerfile,
            "context": self.context,
            "base": self.base,
            "lock_sha256": self.lock_sha256,
            "dockerfile_sha256": self.dockerfile_sha256,
        }


def look(images: Iterable[Image], registry: ContainerRegistry) -> dict[str, State]:
    """Return what a registry has of each image, by name.

    Raises
    ------
    DeploymentError
        The registry does not say. That is never taken for an image that is missing.
    """
    repositories = registry.repositories()
    states: dict[str, State] = {}
    for image in images:
        tags = registry.tags(image.name) if image.name in repositories else frozenset()
        if image.tag not in tags:
            states[image.name] = "missing"
        else:
            states[image.name] = "there" if image.definition_tag in tags else "there, from another definition"
    return states


def push(images: Sequence[Image], registry: ContainerRegistry, docker: Docker) -> tuple[str, ...]:
    """Build and push what a registry lacks; what it has is never written again.

    Returns
    -------
    tuple of str
        The names of what was pushed.

    Raises
    ------
    DeploymentError
        The registry does not say what it has, or a build or a push failed.
    """
    states = look(images, registry)
    missing = [image for image in images if states[image.name] == "missing"]
    if missing:
        registry.log_in()
    for image in missing:
        docker.build(image)
        # The lock's tag comes last: it is what counts as being there, also after a push that was cut off.
        docker.push(image.definition_reference)
        docker.push(image.reference)
    return tuple(image.name for image in missing)


def to_markdown(environment: str, images: Iterable[Image], states: Mapping[str, str]) -> str:
    """Return the page of a run: each image, what defines it, and what became of it."""
    rows = [
        (
            code(image.reference),
            code(image.dockerfile),
            code(image.base or "as the Dockerfile says"),
            states.get(image.name, ""),
        )
        for image in images
    ]
    lines = [f"### Images of `{environment}`", "", *table(("image", "Dockerfile", "base", ""), rows)]
    if "there, from another definition" in states.values():
        lines += [
            "",
            "> [!WARNING]",
            "> A Dockerfile or the base changed, and the lock did not. The image stays as it was built: its",
            "> version is the lock's digest. The change comes with the next lock (pipelines/environments).",
        ]
    return "\n".join(lines)
