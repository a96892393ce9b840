"""Runs one Pulumi program in a process of its own; the engine starts it, nobody imports it.

It takes the same steps, in the same order, as Pulumi's own launcher for Python: configuration,
connection, the program's folder first on the path, and the program below a stack. What the program
raises goes back as data, with the frames of the program's own code alone.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import runpy
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any


class _WithoutDebugLog:
    """The engine's service, without a call for each of the SDK's debug messages: four per resource."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def Log(self, request: Any) -> None:  # noqa: N802
        if request.severity:
            self._engine.Log(request)


def main() -> int:
    """Run the program that standard input describes; 0 if it ended well."""
    import pulumi.resource  # noqa: PLC0415 - configuration comes first, as in Pulumi's launcher
    import pulumi.runtime  # noqa: PLC0415

    description: dict[str, Any] = json.loads(sys.stdin.readline())
    program = Path(description["program"])
    os.chdir(description["root"])
    folder = program if program.is_dir() else program.parent
    sys.path.insert(0, str(folder))
    sys.argv = [str(program)]
    pulumi.runtime.set_all_config(description["config"], description["secret_keys"])
    settings = pulumi.runtime.Settings(**description["settings"])
    settings.engine = _WithoutDebugLog(settings.engine)
    pulumi.runtime.configure(settings)
    # The SDK works out the former URNs of each resource, a dozen per resource of Azure, which takes more
    # than half of a run; it needs them for engines that do not take aliases as they were written. This
    # one does, and works them out by itself, for children too.
    vars(pulumi.resource)["collapse_alias_to_urn"] = lambda *_: ""
    # Cancelled tasks of a failing program are not news.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.set_default_executor(ThreadPoolExecutor(max_workers=description["settings"]["parallel"]))
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(lambda: _run(program)))
    except Exception as error:  # noqa: BLE001 - whatever the program raises is the result
        Path(description["report"]).write_text(json.dumps(_described(error)), encoding="utf-8")
        return 1
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    return 0


def _run(program: Path) -> None:
    runpy.run_path(str(program), run_name="__main__")


def _described(error: BaseException) -> dict[str, Any]:
    """Return what was raised and where, as JSON.

    Frames of installed packages, of this file and of the interpreter are left out.
    """
    shown: list[traceback.FrameSummary] = []
    cause: BaseException | None = error
    seen: set[int] = set()
    # The SDK raises an error from itself, so the chain of causes can be a circle.
    while not shown and cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        shown = _own(traceback.extract_tb(cause.__traceback__))
        cause = cause.__cause__
    if isinstance(error, SyntaxError) and error.filename:
        shown = [traceback.FrameSummary(error.filename, error.lineno or 1, "<module>", line=error.text)]
    # An error that says itself where the mistake is and what to do needs no stack.
    if any(kind.__name__ == "ProjectError" for kind in type(error).__mro__):
        return {"type": "", "message": str(error), "frames": []}
    return {
        "type": type(error).__name__,
        "message": str(error),
        "frames": [[frame.filename, frame.lineno, frame.name, frame.line or ""] for frame in shown],
    }


def _own(frames: traceback.StackSummary) -> list[traceback.FrameSummary]:
    outside = ("site-packages", "<frozen", str(Path(__file__)), f"{os.sep}lib{os.sep}python")
    return [frame for frame in frames if not any(mark in frame.filename for mark in outside)]


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads that wait for an engine that is gone must not keep the process.
    os._exit(code)
