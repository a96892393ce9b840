"""Starting a program, and turning how it ended into diagnostics."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from infra.engine.goal import Location
from infra.engine.steps import Diagnostic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.engine.project import Project

__all__ = ["HOST", "Ended", "child_environment", "run_host", "run_program"]

HOST: Final = Path(__file__).with_name("program_host.py")
"""What runs inside the process of a program."""

_PARALLEL: Final = 16
# What would make the same settings give another graph, or send a program to a real cloud; and what
# keeps Python from caching compiled modules: compiling the SDK of Azure anew takes most of a run.
_LEFT_OUT: Final = ("PULUMI_", "ARM_", "AZURE_", "PYTHONDONTWRITEBYTECODE")


def child_environment(added: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a child: this process's own without what it must not inherit, and `added`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_LEFT_OUT)}
    return {**kept, **(added or {})}


def run_program(
    project: Project,
    address: str,
    *,
    organization: str,
    preview: bool,
    timeout: float,
    python_path: Sequence[Path] = (),
) -> list[Diagnostic]:
    """Run a program against the engine at `address` and return what it printed and how it failed.

    Parameters
    ----------
    timeout
        Seconds after which the program is stopped: outputs that wait for each other wait for ever.
    python_path
        Folders that the program imports from before what is installed.
    """
    with tempfile.TemporaryDirectory(prefix="mlops-program-") as folder:
        report = Path(folder) / "report.json"
        description = {
            "program": str(project.program),
            "root": str(project.root),
            "config": dict(project.config),
            "secret_keys": sorted(project.secret_keys),
            "report": str(report),
            "settings": {
                "monitor": address,
                "engine": address,
                "project": project.name,
                "stack": project.stack,
                "parallel": _PARALLEL,
                "dry_run": preview,
                "organization": organization,
                "root_directory": str(project.root),
            },
        }
        environment = child_environment({"PYTHONPATH": os.pathsep.join(map(str, python_path))})
        ended = run_host(json.dumps(description), environment, timeout)
        said = _said(ended.printed, ended.complained)
        if ended.code is None:
            late = f"the program did not end within {timeout:g} seconds; do its outputs wait for each other?"
            return [*said, Diagnostic("error", late)]
        if report.exists():
            return [*said, _raised(json.loads(report.read_text(encoding="utf-8")))]
        if ended.code:
            return [*said, Diagnostic("error", f"the program ended with exit code {ended.code}")]
        return said


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended; without a code when it was stopped for being late."""

    printed: str
    complained: str
    code: int | None


def run_host(description: str, environment: Mapping[str, str], timeout: float) -> Ended:
    """Run the host on one program, in a process group of its own that goes when this process has to."""
    # -P keeps the folder of the host off the path, so that the program finds its own modules alone.
    command = [sys.executable, "-P", "-u", str(HOST)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(environment),
        start_new_session=True,
    ) as process:
        try:
            printed, complained = process.communicate(description + "\n", timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return Ended(*process.communicate(), None)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return Ended(printed, complained, process.returncode)


def _said(printed: str, complained: str) -> list[Diagnostic]:
    lines = [Diagnostic("info", line) for line in printed.splitlines() if line.strip()]
    # One diagnostic: the lines of a warning or a stack belong together.
    return [*lines, *([Diagnostic("info", complained.strip())] if complained.strip() else [])]


def _raised(report: Mapping[str, Any]) -> Diagnostic:
    frames = [(Location(file, line), name, text) for file, line, name, text in report["frames"]]
    trail = "".join(f"\n  {place} in {name}\n    {text}" for place, name, text in frames)
    kind = f"{report['type']}: " if report["type"] else ""
    message = f"{kind}{report['message']}{trail}"
    return Diagnostic("error", message, location=frames[-1][0] if frames else None)
