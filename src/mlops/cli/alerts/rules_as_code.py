"""``mlops alerts test``, ``mutate`` and ``diff``: rules held to what they should do, and did."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlops.cli.context import JsonOption
from mlops.cli.monitoring.errors import explained
from mlops.cli.output import Output, table
from mlops.errors import UsageError
from mlops.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelwatch import Monitor
    from modelwatch.alerts.history import History

__all__ = ["add_commands", "diff", "mutate", "run_tests"]

TestFiles = Annotated[list[Path], typer.Argument(metavar="FILE…", help="Rule tests, monitor_test.yaml.")]


def add_commands(group: typer.Typer) -> None:
    """Add the commands to the group."""
    group.command("test", epilog="Example: `mlops alerts test pipelines/classical/monitor_test.yaml`")(
        run_tests
    )
    group.command("mutate", epilog="Example: `mlops alerts mutate pipelines/classical/monitor_test.yaml`")(
        mutate
    )
    group.command("diff", epilog="Example: `mlops alerts diff --base main --format markdown`")(diff)


def run_tests(files: TestFiles, as_json: JsonOption = False) -> None:
    """Run rule tests. Exit code 1 when an alert is not as expected."""
    from modelwatch.alerts.testing import Suite, run_suite

    outcomes = []
    for file in files:
        with explained():
            suite, monitor = Suite.load(file)
            outcomes += [(file, outcome) for outcome in run_suite(suite, monitor)]
    failed = [outcome for _, outcome in outcomes if not outcome.passed]
    lines = []
    for file, outcome in outcomes:
        lines.append(f"{'passed' if outcome.passed else 'FAILED'}  {file}: {outcome.name}")
        lines += [f"          {problem}" for problem in outcome.problems]
    lines.append(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed")
    Output(as_json).result(
        [{"file": str(file), **outcome.to_dict()} for file, outcome in outcomes], "\n".join(lines)
    )
    if failed:
        raise typer.Exit(1)


def mutate(files: TestFiles, as_json: JsonOption = False) -> None:
    """Change each direction, bound and count of the rules once. Exit code 1 when no rule test notices one."""
    from modelwatch.alerts.mutation import mutate as mutate_rules
    from modelwatch.alerts.testing import Suite

    mutants = []
    for file in files:
        with explained():
            mutants += mutate_rules(*Suite.load(file))
    alive = [mutant for mutant in mutants if mutant.killed_by is None]
    output = Output(as_json)
    rows = [(mutant.rule, mutant.change, mutant.killed_by or "NOBODY") for mutant in mutants]
    output.result([mutant.to_dict() for mutant in mutants], table(("rule", "change", "noticed by"), rows))
    output.progress(f"{len(mutants) - len(alive)} of {len(mutants)} changes are noticed by a rule test")
    if alive:
        raise typer.Exit(1)


def diff(
    base: Annotated[str, typer.Option(help="The branch, tag or commit to compare with.", metavar="GITREF")],
    monitors: Annotated[
        list[Path] | None, typer.Option("--monitor", help="Declarations; all of pipelines/ by default.")
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="A history of measurements; the rule tests' series by default.")
    ] = None,
    output_format: Annotated[str, typer.Option("--format", help="text, markdown or json.")] = "text",
    as_json: JsonOption = False,
) -> None:
    """Say what a change of rules would have changed in the past."""
    from modelwatch.alerts.differences import differences, markdown

    if output_format not in {"text", "markdown", "json"}:
        raise UsageError("Unknown format.", got=output_format, expected="text, markdown or json")
    documents, pages = {}, []
    for path in monitors or sorted((ROOT / "pipelines").glob("*/monitor.yaml")):
        name = _relative(path)
        with explained():
            before, after = _at(base, path), _declared(path)
            if before is None:
                pages.append(f"#### {name}\n\nNew: nothing to compare with.")
                continue
            comparison = differences(before, after, _histories(path, after, store))
        documents[name] = comparison.to_dict()
        pages.append(markdown(comparison, title=name))
    if as_json or output_format == "json":
        Output(as_json=True).result(documents)
    else:
        sys.stdout.write("\n\n".join(pages or ["There is no monitor to compare."]) + "\n")


def _declared(path: Path) -> Monitor:
    from modelwatch import Monitor

    return Monitor.load(path)


def _at(base: str, path: Path) -> Monitor | None:
    """Return a monitor as it was at a revision, or None if it was not there.

    Raises
    ------
    UsageError
        There is no such revision.
    """
    from modelwatch import Monitor
    from modelwatch.yaml_files import parsed_yaml

    command = ["git", "-C", str(path.resolve().parent)]
    known = subprocess.run(
        [*command, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{base}^{{commit}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if known.returncode:
        raise UsageError("There is no such revision.", got=base, expected="a branch, tag or commit")
    shown = subprocess.run(
        [*command, "show", f"{known.stdout.strip()}:./{path.name}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if shown.returncode:
        return None
    return Monitor.parse(parsed_yaml(shown.stdout), where=f"{base}:{_relative(path)}")


def _histories(path: Path, monitor: Monitor, store: Path | None) -> Sequence[tuple[str, History]]:
    from modelwatch.alerts.history import History
    from modelwatch.alerts.store import AlertStore
    from modelwatch.alerts.testing import Suite, results_of

    if store is not None:
        if not store.is_file():
            raise UsageError(
                "There is no such store.", where=str(store), next_step="mlops monitor run … --store"
            )
        with AlertStore(store) as opened:
            return [(store.name, opened.history(monitor.monitor))]
    tests = path.with_name(f"{path.stem}_test.yaml")
    if not tests.is_file():
        return []
    suite, _ = Suite.load(tests)
    return [
        (f"test: {case.name}", History.of(results_of(case, monitor), monitor.monitor)) for case in suite.tests
    ]


def _relative(path: Path) -> str:
    return str(path.resolve().relative_to(ROOT)) if path.resolve().is_relative_to(ROOT) else str(path)
