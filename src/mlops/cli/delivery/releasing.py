"""``mlops ci bill-of-materials``: what an image is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlops.cli.context import JsonOption
from mlops.cli.output import Output
from mlops.errors import UsageError
from mlops.files import write_text

__all__ = ["add_commands"]


def add_commands(group: typer.Typer) -> None:
    """Add the command to the group."""
    example = "Example: `mlops ci bill-of-materials environments/locks/serving.txt --out serving.cdx.json`"
    group.command("bill-of-materials", epilog=example)(bill_of_materials)


def bill_of_materials(
    lock: Annotated[Path, typer.Argument(help="A hash-pinned file, as `make lock` writes it.")],
    out: Annotated[Path, typer.Option(help="File for the bill, CycloneDX as JSON.")],
    as_json: JsonOption = False,
) -> None:
    """Write which packages a hash-pinned file installs, with their hashes."""
    from mlops.delivery import materials
    from mlops.delivery.preview import now

    if not lock.is_file():
        raise UsageError("There is no such file.", where=str(lock), expected="a file of environments/locks/")
    text = materials.bill_of_materials(lock, at=now())
    write_text(out, text)
    number = len(materials.read_lock(lock))
    Output(as_json).result({"bill": str(out), "packages": number}, f"{number} packages in {out}")
