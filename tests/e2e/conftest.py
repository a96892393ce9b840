"""The command line as a person runs it: a process a command, in a home of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest


@dataclass(frozen=True)
class CommandLine:
    """Runs ``mlops`` with its state below `home`."""

    home: Path

    def __call__(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a command and check its exit code."""
        finished = subprocess.run(
            self._command(arguments),
            check=False,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert finished.returncode == code, f"{arguments}\n{finished.stdout}\n{finished.stderr}"
        assert "Traceback" not in finished.stderr
        return finished

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command and return at once."""
        return subprocess.Popen(
            self._command(arguments),
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def processes(self) -> list[psutil.Process]:
        """Return every process that has the home's path among its arguments or in its environment."""
        found = []
        for process in psutil.process_iter(["pid", "cmdline", "environ", "status"]):
            environment = process.info["environ"] or {}
            words = [*(process.info["cmdline"] or []), *environment.values()]
            ours = process.info["pid"] == os.getpid() or process.info["status"] == psutil.STATUS_ZOMBIE
            if not ours and any(str(self.home) in word for word in words):
                found.append(process)
        return found

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        return [str(Path(sys.executable).parent / "mlops"), *arguments]

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "MLOPS_HOME": str(self.home)}


@pytest.fixture(scope="module")
def mlops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """A command line of its own for each module; whatever it started is stopped."""
    command_line = CommandLine(tmp_path_factory.mktemp("home"))
    yield command_line
    command_line("local", "down")
    assert command_line.processes() == []
