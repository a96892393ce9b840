"""``mlops ci champion``: the model that a change has to compare with, made from the base's own code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from mlops.cli.context import JsonOption, UseCaseOption
from mlops.cli.delivery.surroundings import checkout
from mlops.cli.output import Output
from mlops.client import Home
from mlops.errors import PipelineError

__all__ = ["add_commands"]


def add_commands(group: typer.Typer) -> None:
    """Add the command to the group."""
    group.command("champion", epilog="Example: `mlops ci champion --base main`")(champion)


def champion(
    base: Annotated[str, typer.Option(help="Branch, tag or commit whose code makes the model.")],
    usecase: UseCaseOption = "classical",
    as_json: JsonOption = False,
) -> None:
    """Make the base's model the champion of this machine, so that the next one is compared with it."""
    from infra.diff import extract

    output, root = Output(as_json), checkout()
    home = Home.from_environment(root).path.absolute()
    with tempfile.TemporaryDirectory(prefix="mlops-base-") as name:
        folder = Path(name)
        extract(base, root, folder)
        found = None
        if (folder / "pipelines" / usecase / "usecase.yaml").is_file():
            found = _made(folder, home, usecase)
    told = f"champion: version {found['version']}, from {base}" if found else "there is no champion"
    why = "" if found else ": the base does not have the use case, or its own gate refuses its model"
    output.result({"base": base, "usecase": usecase, "champion": found}, told + why)


def _made(folder: Path, home: Path, usecase: str) -> dict[str, Any] | None:
    """Return the registered version, or None when the base's gate refuses its model."""
    trained = _mlops(folder, home, "train", "--usecase", usecase)
    if trained is None:
        return None
    version = _mlops(folder, home, "register", "--usecase", usecase, "--job", str(trained["job"]))
    deployed = _mlops(folder, home, "deploy", "--usecase", usecase)
    if version is None or deployed is None:
        raise PipelineError(
            "The base's model was trained, and does not get into service.",
            where=f"use case {usecase}",
            expected="a model that its own code can deploy",
            next_step="look at the messages above: the base is broken, and has to be mended first",
        )
    return version


def _mlops(folder: Path, home: Path, *arguments: str) -> dict[str, Any] | None:
    """Run a command of the base's code; None when its check said no.

    Raises
    ------
    PipelineError
        It failed otherwise.
    """
    # Before the editable install on the path, so that every module is the base's.
    paths = os.pathsep.join([str(folder / "src"), str(folder)])
    done = subprocess.run(
        [sys.executable, "-c", "from mlops.cli import main; main()", *arguments, "--json"],
        env={**os.environ, "PYTHONPATH": paths, "MLOPS_HOME": str(home)},
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode == 1:
        return None
    if done.returncode:
        raise PipelineError(
            f"mlops {arguments[0]} of the base failed.",
            got=f"exit code {done.returncode}; its messages are above",
            next_step="mlops local up, if the control plane is not running",
        )
    return dict(json.loads(done.stdout))
