"""``mlops ci releases``, ``release-request`` and ``fulfilled``: from a promotion to a release that serves."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import BaseModel, ValidationError

from mlops.cli.context import JsonOption, UseCaseOption
from mlops.cli.delivery.surroundings import checkout, github, read_json, this_run
from mlops.cli.output import Output
from mlops.delivery import releases as comparing
from mlops.delivery.markdown import fit
from mlops.errors import DataError
from mlops.files import write_text
from mlops.promotion.files import Releases
from mlops.promotion.release import Release
from mlops.settings.together import STACKS, load_together

if TYPE_CHECKING:
    from mlops.delivery.releases import ReleaseChange

__all__ = ["add_commands"]


class _Promotion(BaseModel):
    """What is read of a promotion's result."""

    to: str
    usecase: str
    release: Release


def add_commands(group: typer.Typer) -> None:
    """Add the commands to the group."""
    group.command("releases", epilog="Example: `mlops ci releases --base main`")(releases)
    group.command("release-request", epilog="Example: `mlops ci release-request promotion.json`")(request)
    group.command("fulfilled", epilog="Example: `mlops ci fulfilled --usecase classical --env staging`")(
        fulfilled
    )


def releases(
    base: Annotated[
        str, typer.Option(help="Branch, tag or commit to compare with; everything counts without one.")
    ] = "",
    out: Annotated[Path | None, typer.Option(help="File for the report.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell which releases a change brings, and check all of them. Exit code 1 when one is refused."""
    run, root = this_run(), checkout()
    settings = {name: one.environment for name, one in load_together(root).items()}
    now = Releases(root)
    with tempfile.TemporaryDirectory(prefix="mlops-base-") as folder:
        before = comparing.at_revision(base, root, Path(folder), STACKS) if base.strip("0") else None
        changed = comparing.changes(now, before, settings["dev"].promotion.chain[1:])
        found = list(comparing.problems(settings, now, before, changed))
    text = fit(comparing.to_markdown(changed, found))
    run.add_summary(text)
    if out is not None:
        write_text(out, text)
    to_deploy = [{"usecase": one.usecase, "environment": one.environment} for one in changed if one.after]
    run.set_outputs({"releases": json.dumps(to_deploy)})
    Output(as_json).result(
        {
            "releases": to_deploy,
            "changes": [one.to_dict() for one in changed],
            "problems": [error.to_dict() for error in found],
        },
        "\n".join([*map(_line, changed), *map(str, found)]) or "no release changes",
    )
    if found:
        raise typer.Exit(1)


def request(
    promotion: Annotated[Path, typer.Argument(help="What `mlops promote --json` printed.")],
    branch: Annotated[str, typer.Option(help="The branch that releases are decided on.")] = "main",
    as_json: JsonOption = False,
) -> None:
    """Open the pull request of a promotion, or update the one that is open."""
    from mlops.delivery.release_request import request_release

    try:
        promoted = _Promotion.model_validate(read_json(promotion))
    except ValidationError as error:
        raise DataError(
            "This is no result of a promotion.",
            where=str(promotion),
            got=error,
            expected="what `mlops promote --json` prints",
        ) from None
    done = request_release(github(), promoted.to, promoted.usecase, promoted.release, branch=branch)
    told = f"### Promotion of {promoted.usecase} to {promoted.to}: {done.outcome}\n\n{done.url}"
    this_run().add_summary(told)
    Output(as_json).result(done.to_dict(), f"pull request {done.number or ''}: {done.outcome} {done.url}")


def fulfilled(
    environment: Annotated[str, typer.Option("--env", "-e", help="Where it serves now.", metavar="ENV")],
    usecase: UseCaseOption = "classical",
    as_json: JsonOption = False,
) -> None:
    """Close the request to retrain that asked for what an environment's release brought, if one did."""
    from mlops.delivery import retraining

    release = Releases(checkout()).get(environment, usecase)
    asked = release.promoted.request if release else 0
    closed = retraining.fulfil(github(), usecase, environment, asked) if asked else False
    told = f"closed {asked}" if closed else "no request of this environment is answered by this"
    Output(as_json).result({"closed": asked if closed else None}, told)


def _line(change: ReleaseChange) -> str:
    before, after = (one.version if one else "nothing" for one in (change.before, change.after))
    return f"{change.usecase} in {change.environment}: {before} -> {after}"
