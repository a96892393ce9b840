"""``mlops ci infra-report``, ``plan``, ``apply`` and ``drift-issues``: from a change to a deployed stack."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlops.cli.context import JsonOption
from mlops.cli.delivery.surroundings import checkout, github, names_from, read_json, this_run
from mlops.cli.output import Output
from mlops.delivery import infra_report, preview
from mlops.delivery.markdown import fit
from mlops.errors import DataError, UsageError
from mlops.files import write_json, write_text

if TYPE_CHECKING:
    from mlops.delivery.pulumi import PulumiStack

__all__ = ["add_commands"]

StackArgument = Annotated[str, typer.Argument(metavar="STACK", help="shared, dev, staging or prod.")]
_DRIFT_LABEL = "infrastructure-drift"


def add_commands(group: typer.Typer) -> None:
    """Add the commands to the group."""
    group.command("infra-report", epilog="Example: `mlops ci infra-report --base main --stacks '[\"dev\"]'`")(
        report
    )
    group.command("plan", epilog="Example: `mlops ci plan dev --out plans`")(plan)
    group.command("apply", epilog="Example: `mlops ci apply dev --approved DIGEST --planned-at TIME`")(apply)
    group.command("drift-issues", epilog="Example: `mlops ci drift-issues plans --stacks '[\"dev\"]'`")(
        drift_issues
    )


def report(
    base: Annotated[str, typer.Option(help="The branch, tag or commit to compare with.", metavar="GITREF")],
    stacks: Annotated[str, typer.Option(help="JSON list of stacks.")],
    out: Annotated[Path, typer.Option(help="File for the report.")] = Path("infrastructure.md"),
    as_json: JsonOption = False,
) -> None:
    """Write what a change does to stacks and costs; offline. Exit code 1 when data would be lost."""
    from infra.mlops_infra.prices import load_prices
    from mlops.cli.delivery.stack_reports import stack_reports

    run = this_run()
    found = stack_reports(names_from(stacks, "--stacks"), base, checkout())
    text = infra_report.to_markdown(
        found, base=base, currency=load_prices(checkout()).currency, labels=run.labels
    )
    write_text(out, fit(text))
    run.add_summary(fit(text))
    # In a merge queue there are no labels; the pull request was judged before it came there.
    at_risk = [] if run.event == "merge_group" else infra_report.data_at_risk(found, run.labels)
    failed = [one.stack for one in found if one.failed]
    Output(as_json).result(
        {
            "report": str(out),
            "stacks": {one.stack: one.counts for one in found},
            "data_at_risk": at_risk,
            "failed": failed,
        },
        "\n".join([f"report: {out}", *[f"would lose data: {one}" for one in at_risk]]),
    )
    if at_risk or failed:
        raise typer.Exit(1)


def plan(
    stack: StackArgument,
    out: Annotated[Path, typer.Option(help="Folder for preview.json and preview.md.")] = Path("plan"),
    refresh: Annotated[
        bool, typer.Option("--refresh/--no-refresh", help="Ask the cloud what is there.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Preview a stack with Pulumi, and write what a reviewer has to see."""
    run = this_run()
    made = _previewed(_stack(stack), refresh=refresh)
    text = fit(preview.to_markdown(made, title="Drift" if refresh else "Preview"))
    write_json(out / "preview.json", made.to_dict())
    write_text(out / "preview.md", text)
    run.add_summary(text)
    run.set_outputs(
        {
            "digest": made.digest,
            "planned-at": made.at.isoformat(timespec="seconds"),
            "changed": "true" if made.operations else "false",
        }
    )
    Output(as_json).result(
        made.to_dict(), f"{stack}: {len(made.operations)} operations, digest {made.digest[:12]}"
    )


def apply(
    stack: StackArgument,
    approved: Annotated[str, typer.Option(help="The digest that was approved.", metavar="DIGEST")],
    planned_at: Annotated[str, typer.Option(help="When that was previewed, as ISO 8601.", metavar="TIME")],
    oldest_hours: Annotated[int, typer.Option(min=1, help="An older approval counts no more.")] = 72,
    refresh: Annotated[
        bool, typer.Option("--refresh/--no-refresh", help="Put back what was changed in the cloud.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Deploy exactly what was approved. Exit code 1 when it is not that any more, or does not settle."""
    run, output, seen_at, target = this_run(), Output(as_json), _time(planned_at), _stack(stack)
    fresh = _previewed(target, refresh=refresh)
    why = preview.refusal(approved, seen_at, fresh, oldest=timedelta(hours=oldest_hours))
    if why is not None:
        run.add_summary(f"### Not deployed: `{stack}`\n\n{why}.\n\n{preview.to_markdown(fresh, title='Now')}")
        output.result({"stack": stack, "deployed": False, "reason": why}, f"not deployed: {why}")
        output.progress("next: run the workflow again, and approve what it previews then")
        raise typer.Exit(1)
    target.up(refresh=refresh)
    after = _previewed(target, refresh=refresh)
    if after.operations:
        why = f"{len(after.operations)} operations are still planned after the deployment: it does not settle"
        run.add_summary(
            f"### Deployed, and not settled: `{stack}`\n\n{preview.to_markdown(after, title='After')}"
        )
        output.result({"stack": stack, "deployed": True, "reason": why, **after.to_dict()}, why)
        raise typer.Exit(1)
    run.add_summary(f"### Deployed: `{stack}`\n\n{len(fresh.operations)} operations; nothing is left to do.")
    output.result(
        {"stack": stack, "deployed": True, "reason": None, "operations": len(fresh.operations)},
        f"{stack}: {len(fresh.operations)} operations carried out, nothing is left to do",
    )


def drift_issues(
    folder: Annotated[Path, typer.Argument(help="Where `mlops ci plan --refresh` wrote, a folder a stack.")],
    stacks: Annotated[str, typer.Option(help="JSON list of the stacks that were previewed.")],
    as_json: JsonOption = False,
) -> None:
    """Open, update or close one issue a stack. Exit code 1 when a stack could not be previewed."""
    from mlops.delivery.sticky import issue

    run, client = this_run(), github()
    found: dict[str, Any] = {}
    missing = []
    previews = _previews(folder)
    for stack in names_from(stacks, "--stacks"):
        if stack not in previews:
            # What could not be looked at may have drifted: its issue stays as it is.
            missing.append(stack)
            continue
        file, content = previews[stack]
        told = (file.parent / "preview.md").read_text(encoding="utf-8")
        text = f"{told}\nSeen by [this run]({run.url}). " + _WHAT_NOW if content["operations"] else None
        title = f"Infrastructure of {stack} is not what the program says"
        found[stack] = issue(
            client, f"drift:{stack}", title, text, labels=[_DRIFT_LABEL], run=run.number
        ).to_dict()
    Output(as_json).result(
        {"issues": found, "missing": missing},
        "\n".join(
            [f"{stack}: issue {one['outcome']}" for stack, one in found.items()]
            + [f"{stack}: there is no preview" for stack in missing]
        ),
    )
    if missing:
        raise typer.Exit(1)


_WHAT_NOW = (
    "Somebody changed it outside of the program, or the program is not deployed. Run `infra-deploy` "
    "with `repair` to put back what the program says, or take the change into the program by a pull request."
)


def _previews(folder: Path) -> dict[str, tuple[Path, dict[str, Any]]]:
    """Return each stack's preview below a folder, and the file that it is in."""
    found = {}
    for file in sorted(folder.rglob("preview.json")):
        content = read_json(file)
        if not isinstance(content, dict) or not {"stack", "operations"} <= set(content):
            raise DataError("This is no preview.", where=str(file), expected="what `mlops ci plan` writes")
        found[str(content["stack"])] = (file, content)
    return found


def _stack(name: str) -> PulumiStack:
    from infra.render import program_of
    from mlops.delivery.pulumi import PulumiStack

    root = checkout()
    return PulumiStack(name, root / program_of(name).folder, root / "infra" / "policy")


def _previewed(target: PulumiStack, *, refresh: bool) -> preview.Preview:
    run = this_run()
    document = target.preview(refresh=refresh)
    return preview.read_preview(document, stack=target.stack, commit=run.commit, at=preview.now())


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise UsageError(
            "This is no time with a zone.",
            where="--planned-at",
            got=text,
            expected="2026-11-26T09:00:00+00:00",
        )
    return found
