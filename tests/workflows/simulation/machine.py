"""A runner: a checkout, stand-ins for the tools that need the network, and real shells."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.workflows.simulation.command_server import CLIENT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Machine", "assignments", "files_of_step"]

_TOOL = """#!/bin/bash
# Writes down how it was called, and answers what the scenario says.
name=$(basename "$0")
echo "$name $*" >> "$SIMULATION/commands.log"
[ ! -f "$SIMULATION/$name.out" ] || cat "$SIMULATION/$name.out"
exit "$(cat "$SIMULATION/$name.exit" 2>/dev/null || echo 0)"
"""
_PULUMI = """#!/bin/bash
# Previews what the scenario says; only an identity that may deploy can bring it about.
echo "pulumi $*" >> "$SIMULATION/commands.log"
stack=$(sed -n 's/.*--stack \\([a-z]*\\).*/\\1/p' <<< "$*")
file="$SIMULATION/pulumi/$stack.json"
case "$1" in
  preview)
    if [ ! -f "$file" ]; then
      echo '{"diagnostics": [{"severity": "error", "message": "the program fails"}]}'
      exit 255
    fi
    cat "$file" ;;
  up)
    if [ "$SIMULATED_IDENTITY" != "deploy-$stack" ]; then
      echo "error: AuthorizationFailed for $SIMULATED_IDENTITY"
      exit 255
    fi
    after="$SIMULATION/pulumi/$stack.after.json"
    if [ -f "$after" ]; then cp "$after" "$file"; else echo '{"steps": []}' > "$file"; fi ;;
  *) exit 64 ;;
esac
"""
_AZ = """#!/bin/bash
# Registries are folders, repositories too, tags are files; each lets in its own environment's identities.
echo "az $*" >> "$SIMULATION/commands.log"
name=$(sed -n 's/.*--name \\([a-z0-9]*\\).*/\\1/p' <<< "$*")
repository=$(sed -n 's/.*--repository \\([a-z]*\\).*/\\1/p' <<< "$*")
registry="$SIMULATION/registries/$name"
listed() { echo "[$(ls "$1" | sed 's/.*/"&"/' | paste -sd, -)]"; }
if [ ! -d "$registry" ]; then
  echo "ERROR: The resource with name '$name' could not be found in subscription" >&2
  exit 3
fi
if [ -z "$SIMULATED_IDENTITY" ] || [[ "$name" != cr*"${SIMULATED_IDENTITY#*-}"* ]]; then
  echo "ERROR: CONNECTIVITY_REFRESH_TOKEN_ERROR: unauthorized: '$SIMULATED_IDENTITY'" >&2
  exit 1
fi
case "$2 $3" in
  "repository list") listed "$registry" ;;
  "repository show-tags") listed "$registry/${repository:?}" ;;
  "login --name") echo "$SIMULATED_IDENTITY" > "$SIMULATION/docker-login" ;;
  *) exit 64 ;;
esac
"""
_DOCKER = """#!/bin/bash
# Builds what is there to build, and pushes as whoever logged in.
echo "docker $*" >> "$SIMULATION/commands.log"
case "$1" in
  build)
    [ ! -f "$SIMULATION/docker.exit" ] || exit "$(cat "$SIMULATION/docker.exit")"
    file=$(sed -n 's/.*--file \\([^ ]*\\).*/\\1/p' <<< "$*")
    copied=$(sed -n 's/^COPY \\([^ ]*\\).*/\\1/p' "$file")
    cat "${!#}/$copied" > /dev/null || exit 1
    grep -o -e '--tag [^ ]*' <<< "$*" | cut -d' ' -f2 >> "$SIMULATION/docker-images" ;;
  push)
    grep -qxF "$2" "$SIMULATION/docker-images" || exit 1
    registry="${2%%.*}" path="${2#*/}"
    identity=$(cat "$SIMULATION/docker-login")
    [[ "$identity" == deploy-* && "$registry" == cr*"${identity#*-}"* ]] || exit 1
    mkdir -p "$SIMULATION/registries/$registry/${path%%:*}"
    touch "$SIMULATION/registries/$registry/${path%%:*}/${path#*:}" ;;
  *) exit 64 ;;
esac
"""
_TOOLS = ("gh", "make")
_ENVIRONMENT_TOOLS = ("hatchling", "pip-audit", "pytest", "zizmor")
_ASSIGNMENT = re.compile(r"^([\w-]+)<<(\S+)\n(.*?)\n\2$|^([\w-]+)=([^\n]*)$", re.MULTILINE | re.DOTALL)


@dataclass(slots=True)
class Machine:
    """One runner with its checkout in `workspace` and what the scenario says in `folder`.

    Parameters
    ----------
    answers
        Commands of `mlops` that are not carried out: ``{"arguments": [...], "stdout": ..., "exit": ...}``.
    home
        Of the embedded control plane; one that is not there by default.
    """

    workspace: Path
    folder: Path
    socket: Path
    api_url: str
    answers: Sequence[Mapping[str, Any]] = ()
    home: Path | None = None
    artifacts: dict[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        tools, scripts = self.folder / "tools", self.workspace / ".venv" / "bin"
        for where in (tools, scripts, self.folder / "pulumi", self.folder / "home"):
            where.mkdir(parents=True, exist_ok=True)
        for where, names in ((tools, _TOOLS), (scripts, _ENVIRONMENT_TOOLS)):
            for name in names:
                _script(where / name, _TOOL)
        for name, text in (("pulumi", _PULUMI), ("az", _AZ), ("docker", _DOCKER)):
            _script(tools / name, text)
        _script(scripts / "mlops", CLIENT.format(python=Path(sys.executable).resolve()))
        (self.folder / "answers.json").write_text(json.dumps(list(self.answers)))
        (self.folder / "commands.log").touch()

    def preview(self, stack: str, document: Mapping[str, Any], *, after: bool = False) -> None:
        """Say what Pulumi previews for a stack, or what is left after a deployment."""
        name = f"{stack}{'.after' if after else ''}.json"
        (self.folder / "pulumi" / name).write_text(json.dumps(document))

    def commands(self) -> list[str]:
        """Return every command that a stand-in or `mlops` got, in order."""
        return (self.folder / "commands.log").read_text(encoding="utf-8").splitlines()

    def run(
        self, script: str, shell: str | None, variables: Mapping[str, str], identity: str | None
    ) -> tuple[int, str]:
        """Run a step's script as GitHub's runner does, and return its exit code and everything it said."""
        file = self.folder / "step.sh"
        file.write_text(script, encoding="utf-8")
        # Without a shell of its own a step has no `pipefail`.
        options = ["--noprofile", "--norc", "-eo", "pipefail"] if shell == "bash" else ["-e"]
        environment = {
            "PATH": f"{self.folder / 'tools'}:{os.defpath}:/usr/local/bin",
            "HOME": str(self.folder / "home"),
            "LANG": "C.UTF-8",
            "CI": "true",
            "MLOPS_HOME": str(self.home or self.folder / "mlops-home"),
            "SIMULATION": str(self.folder),
            "SIMULATION_SOCKET": str(self.socket),
            "SIMULATED_IDENTITY": identity or "",
            **variables,
        }
        done = subprocess.run(
            ["bash", *options, str(file)],
            cwd=self.workspace,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=280,
        )
        return done.returncode, done.stdout


def files_of_step(folder: Path, number: int) -> dict[str, Path]:
    """Return the files that a step writes outputs, variables, paths and its summary to."""
    found = {name: folder / f"{number}.{name}" for name in ("OUTPUT", "ENV", "PATH", "STEP_SUMMARY")}
    for path in found.values():
        path.write_text("")
    return found


def assignments(path: Path) -> dict[str, str]:
    """Read what a step wrote in GitHub's format."""
    found = {}
    for match in _ASSIGNMENT.finditer(path.read_text(encoding="utf-8")):
        name, _, block, short, value = match.groups()
        found[name or short] = block if name else value
    return found


def _script(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
