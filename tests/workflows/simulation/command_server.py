"""`mlops` for many steps at the price of one import: a process that forks for each command.

usage: python -m tests.workflows.simulation.command_server SOCKET

A command that the scenario answers itself (training in Azure, say) is still parsed by the real command
line, so that a workflow with an option that does not exist fails.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

import requests  # noqa: F401 - imported once here, instead of in each command
import typer

import mlops.cli.delivery.stack_reports
import mlops.delivery.pulumi  # noqa: F401
from mlops.cli import application

CLIENT = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect(os.environ["SIMULATION_SOCKET"])
    socket.send_fds(server, [b"x"], [1, 2])
    server.sendall(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode())
    server.shutdown(socket.SHUT_WR)
    sys.exit(int(server.recv(16) or b"70"))
"""


def serve(path: str) -> None:
    """Fork for each connection until the parent goes away."""
    tree: Any = typer.main.get_command(application.application())
    # Built once: it is the same for every command.
    application.application = lambda: tree
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(16)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            connection, _ = server.accept()
            if os.fork() == 0:
                server.close()
                _command(connection, tree)
            connection.close()
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass


def _command(connection: socket.socket, tree: Any) -> None:
    code = 70
    try:
        _, descriptors, _, _ = socket.recv_fds(connection, 1, 2)
        arguments, variables, folder = json.loads(b"".join(iter(lambda: connection.recv(65_536), b"")))
        os.dup2(descriptors[0], 1)
        os.dup2(descriptors[1], 2)
        os.environ.clear()
        os.environ.update(variables)
        os.chdir(folder)
        code = _run(arguments, tree)
    except BaseException:  # noqa: BLE001 - whatever it is, the step has to see it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        connection.sendall(str(code).encode())
        os._exit(0)


def _run(arguments: list[str], tree: Any) -> int:
    folder = Path(os.environ["SIMULATION"])
    with (folder / "commands.log").open("a", encoding="utf-8") as stream:
        stream.write(f"mlops {' '.join(arguments)}\n")
    answers: list[dict[str, Any]] = json.loads((folder / "answers.json").read_text(encoding="utf-8"))
    for answer in answers:
        wanted = answer["arguments"]
        if arguments[: len(wanted)] == wanted:
            refused = _parsed(arguments, tree)
            if refused:
                sys.stderr.write(refused)
                return 2
            for name, text in answer.get("files", {}).items():
                Path(name).parent.mkdir(parents=True, exist_ok=True)
                Path(name).write_text(text, encoding="utf-8")
            sys.stdout.write(answer.get("stdout", ""))
            return int(answer.get("exit", 0))
    return application.run(arguments)


def _parsed(arguments: list[str], command: Any) -> str:
    """Return why the real command line would refuse the arguments; nothing when it would not."""
    rest = list(arguments)
    while hasattr(command, "commands") and rest:
        name, *rest = rest
        if name not in command.commands:
            return f"No such command {name!r}.\n"
        command = command.commands[name]
    try:
        command.make_context("mlops", rest).close()
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        return f"{error.format_message()}\n"
    return ""


if __name__ == "__main__":
    serve(sys.argv[1])
