"""``mlops infra``: what the Pulumi programs declare, without an account."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from mlops.cli.context import JsonOption
from mlops.cli.output import Output

__all__ = ["commands"]

_STACK_HELP = "bootstrap, shared, dev, staging or prod."


class RenderFormat(StrEnum):
    """How a graph is printed."""

    tree = "tree"
    json = "json"
    arm = "arm"


class DiffFormat(StrEnum):
    """How differences are printed."""

    text = "text"
    markdown = "markdown"
    json = "json"


StackArgument = Annotated[str, typer.Argument(metavar="STACK", help=_STACK_HELP)]


def commands() -> typer.Typer:
    """Return the commands below ``mlops infra``."""
    group = typer.Typer(help="See what a stack declares and what a change does to it.", no_args_is_help=True)
    group.command("render", epilog="Example: `mlops infra render prod --format tree`")(render)
    group.command("diff", epilog="Example: `mlops infra diff prod --base main --format markdown`")(diff)
    group.command("check", epilog="Example: `mlops infra check prod`")(check)
    return group


def render(
    stack: StackArgument,
    output_format: Annotated[
        RenderFormat, typer.Option("--format", help="A tree for people, JSON, or an ARM template.")
    ] = RenderFormat.tree,
    as_json: JsonOption = False,
) -> None:
    """Print every resource of a stack as its program declares it; offline, secrets masked."""
    from infra.render import render as render_stack
    from infra.render import to_documents, to_tree

    result = render_stack(stack)
    if output_format is RenderFormat.arm:
        from infra.arm import to_template

        Output(as_json=True).result(to_template(result.resources))
    elif as_json or output_format is RenderFormat.json:
        Output(as_json=True).result(to_documents(result.resources))
    else:
        sys.stdout.write(to_tree(result) + "\n")


def diff(
    stack: StackArgument,
    base: Annotated[str, typer.Option(help="The branch, tag or commit to compare with.", metavar="GITREF")],
    output_format: Annotated[
        DiffFormat, typer.Option("--format", help="Text, JSON, or Markdown that fits into a comment.")
    ] = DiffFormat.text,
    as_json: JsonOption = False,
) -> None:
    """Compare a stack at a revision with the working tree, resource by resource; offline."""
    from infra.diff import diff as diff_stack
    from infra.diff_report import to_document, to_markdown, to_text

    found = diff_stack(stack, base)
    if as_json or output_format is DiffFormat.json:
        Output(as_json=True).result(to_document(found))
    else:
        write = to_markdown if output_format is DiffFormat.markdown else to_text
        sys.stdout.write(write(found).rstrip("\n") + "\n")


def check(stack: StackArgument, as_json: JsonOption = False) -> None:
    """Hold a stack against the SDK's types and the policy pack. Exit code 1 when either says no."""
    from infra.checks import check as check_stack

    report = check_stack(stack)
    Output(as_json).result(report.to_document(), report.to_text())
    if not report.passed:
        raise typer.Exit(1)
