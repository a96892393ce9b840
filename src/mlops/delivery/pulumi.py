"""The Pulumi command line, as the workflows use it: preview and up.

``preview --refresh`` compares with the cloud without writing what it sees into the state, which
``pulumi refresh`` would do.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops.delivery.secrets import mask
from mlops.errors import DeploymentError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["PulumiStack"]


def _to_standard_error(line: str) -> None:
    sys.stderr.write(line)
    sys.stderr.flush()


@dataclass(frozen=True, slots=True)
class PulumiStack:
    """One stack, and the program that declares it.

    Parameters
    ----------
    stack
        Its name.
    folder
        The folder with ``Pulumi.yaml``.
    policies
        The policy pack that has to agree.
    show
        Takes each line of progress, secrets masked.
    """

    stack: str
    folder: Path
    policies: Path
    show: Callable[[str], None] = _to_standard_error

    def preview(self, *, refresh: bool = False) -> dict[str, Any]:
        """Return what Pulumi would do, as its JSON.

        Parameters
        ----------
        refresh
            Ask the cloud what is there, instead of trusting the state.

        Raises
        ------
        DeploymentError
            The program failed, or a mandatory policy said no.
        UsageError
            Pulumi is not installed.
        """
        text = self._run("preview", ["--json", *_refresh(refresh)])
        start = text.find("{")
        try:
            found = json.loads(text[start:]) if start >= 0 else None
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise DeploymentError(
                "What Pulumi previewed cannot be read.",
                where=f"stack {self.stack}",
                got=mask(text[:200]) or "nothing",
                expected="the JSON of `pulumi preview --json`",
            )
        return found

    def up(self, *, refresh: bool = False) -> None:
        """Carry out what the program says.

        Parameters
        ----------
        refresh
            Ask the cloud what is there first, so that what somebody changed there is put back.

        Raises
        ------
        DeploymentError
            Pulumi stopped; what it did so far is in the state, and running it again goes on from there.
        """
        self._run("up", ["--yes", "--skip-preview", *_refresh(refresh)], show_output=True)

    def _run(self, verb: str, options: Sequence[str], *, show_output: bool = False) -> str:
        tool = shutil.which("pulumi")
        if tool is None:
            raise UsageError(
                "The Pulumi command line is not installed.",
                where="PATH",
                expected="pulumi, of the release that pyproject.toml pins",
                next_step="install it, then run the same command again",
            )
        common = ["--non-interactive", "--color", "never", "--cwd", str(self.folder), "--stack", self.stack]
        command = [tool, verb, *common, "--policy-pack", str(self.policies), *options]
        lines: list[str] = []
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if show_output else None,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as process:
            assert process.stdout is not None  # noqa: S101 - for the type checker
            for line in process.stdout:
                lines.append(line)
                if show_output:
                    self.show(mask(line))
        text = "".join(lines)
        if process.returncode:
            raise DeploymentError(
                f"pulumi {verb} failed.",
                where=f"stack {self.stack}",
                got=_messages(text) or f"exit code {process.returncode}; its messages are above",
                next_step="mend what it names, then run the job again: what was done is not done twice",
            )
        return text


def _refresh(wanted: bool) -> list[str]:
    return ["--refresh"] if wanted else []


def _messages(text: str) -> str:
    """Return the errors that a failed run told, masked; of JSON, its diagnostics."""
    start = text.find("{")
    try:
        document = json.loads(text[start:]) if start >= 0 else {}
    except ValueError:
        document = {}
    told = [str(one.get("message", "")).strip() for one in document.get("diagnostics") or ()]
    return mask("; ".join(line for line in told if line))[:2000]
