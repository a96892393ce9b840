"""``mlops promote``: what serves in one environment becomes the release of the next, by pull request."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from typing import Annotated

import typer

from mlops.cli.context import JsonOption, Session, UseCaseOption
from mlops.settings import ROOT

__all__ = ["add_commands"]


def add_commands(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command("promote", epilog="Example: `mlops promote --usecase classical --from dev --to staging`")(
        promote
    )


def promote(
    source: Annotated[
        str, typer.Option("--from", help="The environment whose model it is.", metavar="ENV")
    ] = "dev",
    target: Annotated[
        str | None,
        typer.Option("--to", help="The environment that follows in the chain, which it is by default."),
    ] = None,
    usecase: UseCaseOption = "classical",
    version: Annotated[str | None, typer.Option(help="Model version; the champion by default.")] = None,
    request: Annotated[
        int, typer.Option(min=0, help="The issue that asked for a new model; 0 if none did.", metavar="ISSUE")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Share a model into the ML registry and write the next environment's release: one digest, checked.

    Nothing is deployed: the changed file goes into a pull request, and is deployed when that is merged.
    Promoting the same model twice changes nothing.
    """
    from mlops.promotion.promoting import promote as carry_out
    from mlops.promotion.promoting import require_next

    session = Session.open(source, as_json=as_json)
    target = target or session.settings.promotion.after(source) or source
    require_next(session.settings.promotion, source, target)
    name = session.usecase(usecase).name
    done = carry_out(
        session.settings,
        session.client,
        session.shared,
        session.releases,
        usecase=name,
        target=target,
        version=version or None,  # a form of GitHub's sends an empty field as an empty text
        by=_who(),
        at=datetime.now(UTC).replace(microsecond=0),
        request=request,
        progress=session.output.progress,
    )
    document = {"usecase": name, "from": source, "to": target, **done.to_dict()}
    session.output.result(document, done.difference or f"{done.path} says so already")
    if done.difference:
        branch = f"promote-{name}-{target}-{done.release.version}"
        session.output.progress(
            f"next: git switch --create {branch}; git commit --all --message 'Promote {name} to {target}'; "
            "gh pr create --fill"
        )
        return
    session.output.progress(f"nothing changed; next: mlops deploy --usecase {name} --env {target}")


def _who() -> str:
    """Return who promotes: the actor of a workflow's run, else whom git knows here."""
    if os.environ.get("GITHUB_ACTOR"):
        return os.environ["GITHUB_ACTOR"]
    command = ["git", "-C", str(ROOT), "config", "user.email"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
