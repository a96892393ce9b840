"""The graph of each stack as readable text: what a change of settings or code changes shows in a review.

Write the files anew with ``pytest tests/infra/stacks/test_snapshots.py --update-graphs``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.infra.stacks.conftest import Graph

SNAPSHOTS = Path(__file__).with_name("graphs")


def as_text(graph: Graph) -> str:
    """Return a line per resource: components indent their members, marks say what is kept."""
    lines: list[str] = []
    names = {item["urn"]: item["name"] for item in graph.documents}
    for item in graph.documents:
        if item["type"] == "pulumi:pulumi:Stack":
            continue
        marks = [flag for flag in ("protect", "retainOnDelete") if item[flag]]
        marks += [f"ignores {key}" for key in item["ignoreChanges"]]
        parent = names.get(item["parent"], "")
        inside = parent and not parent.endswith(f"-{graph.stack}")
        kind = item["type"].removeprefix("azure-native:")
        line = f"{parent} / " if inside else ""
        line += f"{item['name']}  ({kind})" + (f"  [{', '.join(marks)}]" if marks else "")
        lines.append(line)
    return "\n".join(sorted(lines)) + "\n"


@pytest.mark.parametrize("stack", ["bootstrap", "shared", "dev", "staging", "prod"])
def test_the_graph_is_the_one_that_was_reviewed(
    graphs: dict[str, Graph], stack: str, pytestconfig: pytest.Config
) -> None:
    path = SNAPSHOTS / f"{stack}.txt"
    text = as_text(graphs[stack])
    if pytestconfig.getoption("--update-graphs", default=False):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, "review the change, then run with --update-graphs"
