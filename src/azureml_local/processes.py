"""Child processes that never outlive the control plane, not even when it is killed with ``-9``."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["SupervisedProcess", "spawn", "terminate"]

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_KILL_SECONDS = 5.0


class SupervisedProcess(subprocess.Popen[bytes]):
    """A command below its supervisor: ``pid`` is the supervisor's, and its process group's.

    Signals go to the whole group and ``kill`` to the whole tree. ``returncode`` is the command's:
    its exit code, or minus the signal that ended it.
    """

    def poll(self) -> int | None:
        """Return the exit code if the command has ended, else None."""
        code = super().poll()
        if code is not None:
            self._forget()
        return code

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the command's end and return its exit code."""
        code = super().wait(timeout)
        self._forget()
        return code

    def send_signal(self, sig: int) -> None:
        """Send a signal to every process of the group."""
        if self.poll() is None:
            self._signal_group(sig)

    def kill(self) -> None:
        """Kill the whole tree, by letting go of the lifeline."""
        if self.poll() is not None:
            return
        self._cut_lifeline()
        try:
            self.wait(_KILL_SECONDS)
        except subprocess.TimeoutExpired:
            # The supervisor itself is stopped or stuck.
            self._signal_group(signal.SIGKILL)

    def _signal_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def _cut_lifeline(self) -> None:
        if self.stdin is not None and not self.stdin.closed:
            self.stdin.close()

    def _forget(self) -> None:
        if self.stdin is None or self.stdin.closed:
            return
        self._cut_lifeline()
        if self.returncode == -signal.SIGKILL:
            # Perhaps only the supervisor was killed, by hand: its group must not stay behind.
            self._signal_group(signal.SIGKILL)


def spawn(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    log: Path,
    pass_fds: Sequence[int] = (),
) -> SupervisedProcess:
    """Start a command in a session of its own, bound to the life of this process.

    Parameters
    ----------
    command
        Program and arguments; the program is looked up in ``env``'s ``PATH``.
    cwd
        Working directory.
    env
        The whole environment: nothing is inherited from this process.
    log
        File that standard output and error are appended to.
    pass_fds
        Further file descriptors that the command keeps, under the same numbers.

    Notes
    -----
    Standard input of the command is ``/dev/null``. Its whole tree is killed when this process ends,
    when the returned object is collected, and when the command itself ends.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return SupervisedProcess(
            [sys.executable, "-I", "-S", str(_SUPERVISOR), *command],
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=pass_fds,
        )


def terminate(process: subprocess.Popen[bytes], *, grace: float = 5.0) -> None:
    """Ask a process tree to end (SIGTERM), and kill all of it if it has not after ``grace`` seconds."""
    process.terminate()
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(_KILL_SECONDS)
