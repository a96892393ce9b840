"""Runs the engine's host in processes that begin with Pulumi and Azure's SDK imported already.

A program that the tests run twenty times imports them twenty times otherwise, which takes longer than
the program. Each run is still a process of its own that starts from the same point: this one imports,
connects to nothing, and forks. Reads a request per line; see ``conftest.py``.
"""

from __future__ import annotations

import gc
import importlib.util
import io
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any


def main(host: str, modules: list[str]) -> None:
    import pulumi.runtime  # noqa: F401
    import pulumi_azure_native

    for name in modules:
        # Modules are placeholders until something of them is asked for.
        vars(getattr(pulumi_azure_native, name).outputs)
    gc.freeze()
    sys.stdout.write("ready\n")
    # Who waits for a program ends by itself.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        if os.fork() == 0:
            _supervise(host, json.loads(line))


def _supervise(host: str, request: dict[str, Any]) -> None:
    """Run one program and write how it ended: its exit code, or nothing when it was late."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        _run(host, request)

    def stop(*_: object) -> None:
        os.killpg(child, signal.SIGKILL)

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, request["timeout"])
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    Path(request["ended"]).write_text("" if code == -signal.SIGKILL else str(code))
    os._exit(0)


def _run(host: str, request: dict[str, Any]) -> None:
    os.setsid()
    for descriptor in (1, 2):
        os.dup2(os.open(request["output"][descriptor - 1], os.O_WRONLY | os.O_CREAT), descriptor)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[:0] = [folder for folder in request["environment"]["PYTHONPATH"].split(os.pathsep) if folder]
    sys.stdin = io.StringIO(request["description"] + "\n")
    spec = importlib.util.spec_from_file_location("program_host", host)
    assert spec
    assert spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    code = 1
    try:
        code = loaded.main()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
