"""The command lines of Azure's container registries and of Docker, as far as images need them.

Nobody types a password: ``az`` is signed in as the job's identity, and ``az acr login`` hands Docker a token.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mlops.delivery.secrets import mask
from mlops.errors import DeploymentError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from mlops.delivery.images import Image

__all__ = ["ContainerRegistry", "Docker"]

_STANDARD_ERROR: Final = 2


@dataclass(frozen=True, slots=True)
class ContainerRegistry:
    """One container registry, asked as whoever is signed in.

    Parameters
    ----------
    name
        Its name, without the domain.
    """

    name: str

    def repositories(self) -> frozenset[str]:
        """Return the names of its repositories; a new registry has none."""
        return self._names(["repository", "list", "--name", self.name])

    def tags(self, repository: str) -> frozenset[str]:
        """Return the tags of a repository that is there."""
        return self._names(["repository", "show-tags", "--name", self.name, "--repository", repository])

    def log_in(self) -> None:
        """Let Docker push, with a token that lasts three hours.

        Raises
        ------
        DeploymentError
            The registry does not let the signed-in identity in.
        """
        self._run(["login", "--name", self.name])

    def _names(self, arguments: list[str]) -> frozenset[str]:
        # Lists, and no question about one tag: a tag that is not there and a registry that does not answer
        # would both be a command that failed.
        text = self._run([*arguments, "--output", "json"])
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if not isinstance(found, list):
            raise DeploymentError(
                "What a container registry has cannot be read.",
                where=self.name,
                got=mask(text[:200]) or "nothing",
                expected="a JSON list",
            )
        return frozenset(map(str, found))

    def _run(self, arguments: list[str]) -> str:
        done = subprocess.run(
            [_tool("az"), "acr", *arguments, "--only-show-errors"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise DeploymentError(
                f"az acr {arguments[0]} failed.",
                where=f"container registry {self.name}",
                got=mask(done.stderr.strip())[:2000] or f"exit code {done.returncode}",
                expected="an answer to whoever is signed in",
                next_step="apply the stack first, which makes the registry; a private one answers only "
                "inside its network, to a runner with the label that the variable PRIVATE_RUNNER names",
            )
        return done.stdout


@dataclass(frozen=True, slots=True)
class Docker:
    """The container engine of this machine.

    Parameters
    ----------
    root
        The repository that is built from.
    """

    root: Path

    def build(self, image: Image) -> None:
        """Build an image under both of its tags.

        Raises
        ------
        DeploymentError
            The build failed: a file is not the one that its hash names, or the network did not give it.
        """
        base = ["--build-arg", f"BASE_IMAGE={image.base}"] if image.base else []
        labels = {"lock_sha256": image.lock_sha256, "dockerfile_sha256": image.dockerfile_sha256}
        self._run(
            "build",
            # Azure ML's machines are this platform, whatever the runner's is; the base is asked for anew.
            *("--platform", "linux/amd64", "--pull"),
            *("--file", str(self.root / image.dockerfile)),
            *base,
            *(word for name, value in labels.items() for word in ("--label", f"{name}={value}")),
            *("--tag", image.reference, "--tag", image.definition_reference),
            str(self.root / image.context),
        )

    def push(self, reference: str) -> None:
        """Push one tag.

        Raises
        ------
        DeploymentError
            The registry did not take it.
        """
        self._run("push", reference)

    def _run(self, verb: str, *arguments: str) -> None:
        # Progress goes where progress belongs: standard output is the command's result.
        done = subprocess.run([_tool("docker"), verb, *arguments], stdout=_STANDARD_ERROR, check=False)
        if done.returncode:
            raise DeploymentError(
                f"docker {verb} failed.",
                where=arguments[-1],
                got=f"exit code {done.returncode}; its messages are above",
                next_step="mend what they name, then run the job again: what was pushed is not built twice",
            )


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise UsageError(
            f"{name} is not installed.",
            where="PATH",
            expected="az and docker, as GitHub's own runners have them",
            next_step="install it on the runner, then run the job again",
        )
    return found
