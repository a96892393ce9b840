"""Instances as a person meets them: up, status, down, reset."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from azureml_local.identity import write_private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from azureml_local.config import InstanceConfig

LOCK_FILE = "lock"
CONFIG_FILE = "config.json"
LOG_FILE = "server.log"
_CONNECTION_FILE = "connection.json"
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_STEP_SECONDS = 0.05
_LOG_LINES = 15
_SERVE = (sys.executable, "-m", "azureml_local", "serve")


class InstanceError(Exception):
    """An instance did not do what it was asked to."""


class AlreadyRunningError(InstanceError):
    """Another process serves this folder."""


@dataclass(frozen=True, slots=True)
class Status:
    """Whether an instance runs, and where."""

    running: bool
    ready: bool
    pid: int | None = None
    base_url: str | None = None


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Hold the single-instance lock of a folder; the kernel drops it however the process ends."""
    home.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(home / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunningError(
                f"an instance already runs in {home} (process {_holder(home)})."
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


class Instance:
    """One control plane with its folder.

    Parameters
    ----------
    home
        Folder that holds all its state.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._lifeline: IO[bytes] | None = None

    def up(self, config: InstanceConfig, *, with_parent: bool = False) -> Status:
        """Start the instance as a process of its own and wait until it is ready.

        Parameters
        ----------
        config
            What it serves.
        with_parent
            Let it end when this process does, however that happens; otherwise it stays until `down`.

        Raises
        ------
        AlreadyRunningError
            It runs already.
        InstanceError
            It ended before it was ready (such as for a port in use); the message has its last words.
        """
        if self.status().running:
            raise AlreadyRunningError(
                f"an instance already runs in {self.home} (process {_holder(self.home)})."
            )
        self.home.mkdir(parents=True, exist_ok=True)
        # A connection file that a killed process left behind must not pass for a new one.
        (self.home / _CONNECTION_FILE).unlink(missing_ok=True)
        write_private(self.home / CONFIG_FILE, config.to_json().encode())
        with (self.home / LOG_FILE).open("ab") as log:
            process = subprocess.Popen(
                [*_SERVE, "--home", str(self.home), "--config", str(self.home / CONFIG_FILE)]
                + (["--exit-with-parent"] if with_parent else []),
                stdin=subprocess.PIPE if with_parent else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        # Kept open: the server ends when this process, and with it the pipe, does.
        self._lifeline = process.stdin
        return self._wait_until_ready(process)

    def status(self) -> Status:
        """Say whether the instance runs."""
        if not _is_locked(self.home):
            return Status(running=False, ready=False)
        connection = self.connection()
        pid = _holder(self.home)
        if connection is None or connection["pid"] != pid:
            return Status(running=True, ready=False, pid=pid)
        return Status(running=True, ready=True, pid=pid, base_url=connection["base_url"])

    def connection(self) -> dict[str, Any] | None:
        """Return the content of the connection file, or None."""
        try:
            content: dict[str, Any] = json.loads((self.home / _CONNECTION_FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return content

    def down(self) -> bool:
        """Stop the instance with everything it started; say whether it ran.

        Raises
        ------
        InstanceError
            It survives even a kill.
        """
        pid = _holder(self.home)
        if self._lifeline is not None:
            self._lifeline.close()
        if not _is_locked(self.home) or pid is None:
            (self.home / _CONNECTION_FILE).unlink(missing_ok=True)
            return False
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            if _wait(lambda: not _is_locked(self.home) and not _is_alive(pid), _STOP_SECONDS):
                (self.home / _CONNECTION_FILE).unlink(missing_ok=True)
                return True
        raise InstanceError(f"process {pid} of the instance in {self.home} does not end.")

    def reset(self) -> None:
        """Stop the instance and delete its folder.

        Raises
        ------
        InstanceError
            The folder is no instance's: nothing is deleted.
        """
        if not self.home.exists():
            return
        if not (self.home / LOCK_FILE).is_file():
            raise InstanceError(f"{self.home} is not the folder of an instance: nothing was deleted.")
        self.down()
        shutil.rmtree(self.home)

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> Status:
        def settled() -> bool:
            return process.poll() is not None or self.status().ready

        _wait(settled, _START_SECONDS)
        status = self.status()
        if process.poll() is None and status.ready:
            # It lives on by itself: without a return code the object would warn that nobody waits for it.
            process.returncode = 0
            return status
        if process.poll() is None:
            process.kill()
            process.wait()
            raise InstanceError(f"the instance was not ready after {_START_SECONDS:g} s.{self._last_words()}")
        raise InstanceError(f"the instance ended with exit code {process.returncode}.{self._last_words()}")

    def _last_words(self) -> str:
        lines = (self.home / LOG_FILE).read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join([f" Its log, {self.home / LOG_FILE}, ends with:", *lines[-_LOG_LINES:]])


def _is_locked(home: Path) -> bool:
    try:
        descriptor = os.open(home / LOCK_FILE, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _holder(home: Path) -> int | None:
    try:
        return int((home / LOCK_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _is_alive(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError, OSError):
        # Ours to reap when this very process started it.
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _wait(condition: Any, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(_STEP_SECONDS)
    return bool(condition())
