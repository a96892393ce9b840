"""Checks of this machine: the tools, and whether the network lets it reach what it must."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Final
from urllib.request import getproxies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from mlops.onboarding.doctor.report import Findings

__all__ = ["Reach", "check_reach", "check_tools", "reach"]

_TIMEOUT_SECONDS: Final = 5
_HTTPS: Final = 443
# The program, how it says its version, whether nothing works without it, and where it comes from.
_TOOLS: Final = (
    ("git", "--version", True, "install git"),
    ("make", "--version", True, "install make"),
    ("az", "version", False, "https://aka.ms/azure-cli (or any other login of azure-identity)"),
    ("gh", "--version", False, "https://cli.github.com (or set GH_TOKEN)"),
    ("pulumi", "version", False, "https://www.pulumi.com/docs/install (only to deploy from this machine)"),
)

if TYPE_CHECKING:
    Reach = Callable[[str], str | None]


def check_tools(findings: Findings, root: Path, *, names: Iterable[str], path: str | None = None) -> None:
    """Check Python, the virtual environments and the programs that `names` lists."""
    findings.group = "tools"
    version = ".".join(map(str, sys.version_info[:3]))
    findings.judge("Python", sys.version_info >= (3, 11), version, "make setup PYTHON=python3.12")
    for folder in (".venv", ".venv-serving"):
        ready, lock = root / folder / ".ready", root / "environments/locks" / _LOCK_OF[folder]
        fresh = ready.exists() and ready.stat().st_mtime >= lock.stat().st_mtime
        found = "as the lock says" if fresh else "missing" if not ready.exists() else "older than its lock"
        findings.judge(folder, fresh, found, "make setup")
    for name, option, needed, source in _TOOLS:
        if name in set(names):
            program = shutil.which(name, path=path)
            found = _version(program, option) if program else "not installed"
            findings.judge(name, program is not None, found, source, warn=not needed)


_LOCK_OF: Final = {".venv": "development.txt", ".venv-serving": "serving.txt"}


def _version(program: str, option: str) -> str:
    try:
        answer = subprocess.run(
            [program, option], capture_output=True, text=True, check=False, timeout=_TIMEOUT_SECONDS * 6
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"does not answer ({type(error).__name__})"
    lines = [line.strip(' {},"') for line in answer.stdout.splitlines() if any(c.isdigit() for c in line)]
    return lines[0] if lines else program


def reach(host: str) -> str | None:
    """Return why a host cannot be reached on port 443; None when it can."""
    try:
        with socket.create_connection((host, _HTTPS), timeout=_TIMEOUT_SECONDS):
            return None
    except OSError as error:
        return str(error) or type(error).__name__


def check_reach(findings: Findings, hosts: Mapping[str, str], reachable: Reach) -> None:
    """Check that hosts answer.

    Parameters
    ----------
    hosts
        What each host is for, by its name.
    reachable
        Why a host cannot be reached; None when it can.
    """
    findings.group = "network"
    proxied = "https" in getproxies()
    for host, purpose in hosts.items():
        problem = reachable(host)
        if problem is None:
            findings.passed(purpose, host)
        elif proxied:
            findings.unknown(
                purpose, f"{host} is behind the proxy that HTTPS_PROXY names", f"curl https://{host}"
            )
        else:
            findings.failed(purpose, f"{host}: {problem}", "open port 443 to it, or set HTTPS_PROXY")
