"""``mlops ci changes`` and ``secrets``: what a change touches, and what it must not hold."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from mlops.cli.context import JsonOption
from mlops.cli.delivery.surroundings import checkout, names_from, this_run
from mlops.cli.output import Output
from mlops.cli.pipeline import usecase_names
from mlops.delivery.changes import ORDER, Touched, changed_files, touched
from mlops.delivery.secrets import scan
from mlops.errors import UsageError

__all__ = ["add_commands"]

_EVERYTHING = "all"


def add_commands(group: typer.Typer) -> None:
    """Add the commands to the group."""
    group.command("changes", epilog="Example: `mlops ci changes --base main`")(changes)
    group.command("secrets", epilog="Example: `mlops ci secrets`")(secrets)


def changes(
    base: Annotated[
        str, typer.Option(help="Branch, tag or commit to compare with; everything counts without one.")
    ] = "",
    only: Annotated[str, typer.Option(help="This stack alone, changed or not.", metavar="STACK")] = "",
    cloud: Annotated[
        str, typer.Option(help="JSON list of the stacks that have an identity in Azure.", metavar="STACKS")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Tell which stacks and use cases a change touches; in a workflow, as outputs of the step."""
    known = usecase_names()
    if only and only != _EVERYTHING:
        stack = tuple(names_from(json.dumps([only]), "--only"))
        found = Touched(0, stack, (), alert_rules=False, releases=False, images=False)
    elif only or not base:
        found = touched(None, known)
    else:
        found = _compared(base, known)
    in_cloud = [name for name in names_from(cloud, "--cloud") if name != ORDER[0]]
    signed_in = [name for name in in_cloud if name in found.stacks]
    document = {
        **found.to_dict(),
        "cloud_stacks": signed_in,
        "cloud_environments": [name for name in signed_in if name != "shared"],
        # A stack that is applied may just have made its registry, which is empty.
        "image_environments": [
            name for name in (in_cloud if found.images else signed_in) if name != "shared"
        ],
    }
    this_run().set_outputs(
        {name.replace("_", "-"): json.dumps(value) for name, value in document.items() if name != "files"}
    )
    Output(as_json).result(
        document,
        f"stacks: {', '.join(found.stacks) or 'none'}; use cases: {', '.join(found.usecases) or 'none'}; "
        f"alert rules: {'changed' if found.alert_rules else 'unchanged'}",
    )


def _compared(base: str, known: list[str]) -> Touched:
    files = changed_files(base, checkout())
    found = touched(files, known)
    if "environments/prod.yaml" not in (files or ()) or "shared" in found.stacks:
        return found
    # The shared stack is kept as strictly as prod, so a change of prod's settings may be one of its own.
    from infra.diff import diff

    if not diff("shared", base, root=checkout()).changes:
        return found
    stacks = tuple(name for name in ORDER if name in {*found.stacks, "shared"})
    return replace(found, stacks=stacks)


def secrets(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files or folders; what git would commit, by default.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Look for secrets in files. Exit code 1 when there is one; what it is stays unsaid."""
    root = checkout()
    if paths:
        base = Path("/") if any(path.is_absolute() for path in paths) else Path()
        missing = [str(path) for path in paths if not path.exists()]
        if missing:
            raise UsageError(
                "There is nothing to look into.", got=", ".join(missing), expected="files or folders"
            )
        files = [file for path in paths for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
        leaks = scan([file.absolute() if base.is_absolute() else file for file in files], base)
    else:
        files = _would_be_committed(root)
        leaks = scan(files, root)
    Output(as_json).result(
        {
            "files": len(files),
            "leaks": [{"kind": one.kind, "path": one.path, "line": one.line} for one in leaks],
        },
        "\n".join(str(one) for one in leaks) or f"no secret in {len(files)} files",
    )
    if leaks:
        raise typer.Exit(1)


def _would_be_committed(root: Path) -> list[Path]:
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UsageError(
            "The files of this repository cannot be listed.",
            where=str(root),
            got=done.stderr.strip(),
            next_step="name files or folders",
        )
    return [root / name for name in done.stdout.split("\0") if name]
