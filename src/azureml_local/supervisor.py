"""Runs one command and never lets it, or anything it started, outlive the control plane.

Not imported by the package: `azureml_local.processes` starts this file with a bare interpreter
(``python -I -S``, about 10 ms), so it uses the few modules that such a start has loaded anyway.

Standard input is the lifeline: a pipe whose other end only the control plane holds. The kernel
closes that end however the control plane dies, ``kill -9`` included, and its closing is the order
to kill. The supervisor leads a session of its own; whatever it finds in that session or below
itself is part of the tree. On Linux it is also a subreaper, so that even a daemon that forked
twice into a new session stays below it.

When the command ends, what it left behind is killed, as with a container whose main process ends,
and the supervisor ends in the same way: same exit code, or same signal.
"""

from __future__ import annotations

import os
import select
import signal
import sys

_PASSED_ON = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_CANNOT_EXECUTE = 127
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415  # half of the start-up time, and only Linux has the call

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _processes_by_proc() -> list[tuple[int, int, int]]:
    found = []
    for entry in os.listdir("/proc"):  # noqa: PTH208  # pathlib would double the start-up time
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as stat:  # noqa: PTH123
                # The command's name may hold spaces and brackets; the last bracket ends it.
                state, parent, group = stat.read().rpartition(b")")[2].split()[:3]
        except OSError:
            continue  # it ended while we looked
        if state not in (b"Z", b"X"):
            found.append((int(entry), int(parent), int(group)))
    return found


def _processes_by_ps() -> list[tuple[int, int, int]]:
    import subprocess  # noqa: PLC0415  # slow to import, and only systems without /proc need it

    with subprocess.Popen(["/bin/ps", "-A", "-o", "pid=,ppid=,pgid=,stat="], stdout=subprocess.PIPE) as ps:
        rows = [line.split() for line in ps.communicate()[0].decode().splitlines()]
    found = [(int(pid), int(parent), int(group)) for pid, parent, group, state in rows if "Z" not in state]
    return [row for row in found if row[0] != ps.pid]


def _processes() -> list[tuple[int, int, int]]:
    """Every live process as (pid, parent, group)."""
    return _processes_by_proc() if sys.platform == "linux" else _processes_by_ps()


def _rest_of_tree() -> list[int]:
    me, processes = os.getpid(), _processes()
    tree = {me}
    while True:
        grown = tree | {pid for pid, parent, group in processes if parent in tree or group == me}
        if grown == tree:
            return sorted(tree - {me})
        tree = grown


def _kill_rest_of_tree() -> None:
    # Again until a look finds nobody: a process may fork between the look and the kill.
    while victims := _rest_of_tree():
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        _reap()
        select.select([], [], [], 0.002)


def _reap() -> dict[int, int]:
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = status


def _start(command: list[str]) -> int:
    """Fork and execute with the stop signals held back, so that none falls between two handlers."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
    child = os.fork()
    if child == 0:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        try:
            os.execvp(command[0], command)  # noqa: S606  # a list, never a shell string
        except OSError as error:
            os.write(2, f"cannot execute {command[0]}: {error.strerror}\n".encode())
            os._exit(_CANNOT_EXECUTE)
    for number in _PASSED_ON:
        # The whole group got the signal; the supervisor stays to see how the command takes it.
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    return child


def _end_like(status: int) -> None:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def main() -> None:
    """Run ``sys.argv[1:]`` until it ends or the lifeline closes."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    awake, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    child = _start(sys.argv[1:])
    while True:
        ready, _, _ = select.select([0, awake], [], [])
        if awake in ready:
            os.read(awake, 512)
            ended = _reap()
            if child in ended:
                _kill_rest_of_tree()
                _end_like(ended[child])
        if 0 in ready and not os.read(0, 512):
            _kill_rest_of_tree()
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
