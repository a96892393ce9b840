"""Graphs: what is refused before anything runs, and the order of what is accepted."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azureml_local.errors import AzureError
from azureml_local.jobs.bindings import NodeOutput
from azureml_local.jobs.components import Component, duration
from azureml_local.jobs.graph import Node, in_order

if TYPE_CHECKING:
    from tests.azureml_local.jobs.conftest import Bench

FOLDER, FILE = "uri_folder", "uri_file"
EMPTY = Component("c", "1", "true", "e")


def node(name: str, upstream: set[str]) -> Node:
    return Node(name, EMPTY, {f"from_{other}": NodeOutput(other, "o") for other in sorted(upstream)})


@st.composite
def acyclic(draw: st.DrawFn) -> list[Node]:
    """Draw nodes that read from others which come before them, then shuffle them."""
    size = draw(st.integers(1, 12))
    nodes = []
    for index in range(size):
        upstream = draw(st.sets(st.integers(0, index - 1), max_size=index)) if index else set()
        nodes.append(node(f"n{index}", {f"n{other}" for other in upstream}))
    return draw(st.permutations(nodes))


@given(acyclic())
def test_every_node_comes_after_those_it_reads_from(nodes: list[Node]) -> None:
    seen: set[str] = set()
    for ordered in in_order(nodes):
        assert ordered.upstream <= seen
        seen.add(ordered.name)
    assert seen == {node.name for node in nodes}


@given(acyclic(), st.data())
def test_every_cycle_is_refused_and_named(nodes: list[Node], data: st.DataObject) -> None:
    """Close a loop from the end of some path back to its beginning."""
    by_name = {node.name: node for node in nodes}
    path = [data.draw(st.sampled_from(sorted(by_name)))]
    while following := sorted(by_name[path[-1]].upstream):
        if data.draw(st.booleans()):
            break
        path.append(data.draw(st.sampled_from(following)))
    end = by_name[path[-1]]
    closed = node(end.name, {*end.upstream, path[0]})
    with pytest.raises(AzureError, match="cycle") as caught:
        in_order([closed if other is end else other for other in nodes])
    chain = caught.value.message.removeprefix("The pipeline has a cycle: ").removesuffix(".").split(" -> ")
    named = by_name | {end.name: closed}
    assert chain[0] == chain[-1]
    assert all(later in named[earlier].upstream for earlier, later in itertools.pairwise(chain))


@pytest.mark.parametrize(("text", "seconds"), [("PT1M", 60), ("PT0.5S", 0.5), ("P1DT2H", 93600), ("90", 90)])
def test_durations(text: str, seconds: float) -> None:
    assert duration(text, "here") == seconds


def test_wrong_duration_is_refused() -> None:
    with pytest.raises(AzureError, match="not a duration"):
        duration("soon", "here")


def one_node(bench: Bench, ports: dict[str, Any], bind: dict[str, str], **properties: Any) -> dict[str, Any]:
    """Return a pipeline of a producer `p` and a node `n` with these ports and bindings."""
    producer = bench.node("p", "true", outputs={"file": FILE, "folder": FOLDER, "model": "mlflow_model"})
    return bench.pipeline(producer, bench.node("n", "true", inputs=ports, bind=bind), **properties)


INTEGER = {"type": "integer", "min": "1", "max": "5"}
REFUSED: dict[str, tuple[dict[str, Any], dict[str, str], str]] = {
    "unbound": ({"i": FILE}, {}, "jobs.n.inputs.i: the required input is not bound"),
    "no such pipeline input": ({"i": "string"}, {"i": "${{parent.inputs.x}}"}, "not bound"),
    "no such node": ({"i": FILE}, {"i": "${{parent.jobs.x.outputs.o}}"}, "'x', which is not in the pipeline"),
    "no such output": ({"i": FILE}, {"i": "${{parent.jobs.p.outputs.o}}"}, "'p' has no output 'o'"),
    "itself": ({"i": FILE}, {"i": "${{parent.jobs.n.outputs.o}}"}, "cycle: n -> n"),
    "file for a model": (
        {"i": "mlflow_model"},
        {"i": "${{parent.jobs.p.outputs.file}}"},
        "expected data of type 'mlflow_model', got 'uri_file'",
    ),
    "folder for a file": ({"i": FILE}, {"i": "${{parent.jobs.p.outputs.folder}}"}, "got 'uri_folder'"),
    "data for a literal": ({"i": "number"}, {"i": "${{parent.jobs.p.outputs.file}}"}, "got 'uri_file'"),
    "literal for data": ({"i": FILE}, {"i": "hello"}, "got the literal 'hello'"),
    "no integer": ({"i": INTEGER}, {"i": "2.5"}, "'2.5' is not of type 'integer'"),
    "too large": ({"i": INTEGER}, {"i": "6"}, "6 is not between 1 and 5"),
    "no number": ({"i": "number"}, {"i": "many"}, "not of type 'number'"),
    "no boolean": ({"i": "boolean"}, {"i": "maybe"}, "not of type 'boolean'"),
    "no choice": ({"i": {"type": "string", "enum": ["a", "b"]}}, {"i": "c"}, "not one of a, b"),
    "odd reference": ({"i": "string"}, {"i": "${{inputs.x}}"}, "cannot be bound to an input"),
    "data inside a text": ({"i": "string"}, {"i": "x ${{parent.jobs.p.outputs.file}}"}, "cannot be bound"),
    "wrong literal of the job": ({"i": INTEGER}, {"i": "${{parent.inputs.k}}"}, "'four' is not of type"),
}


@pytest.mark.parametrize(("ports", "bind", "message"), REFUSED.values(), ids=REFUSED)
def test_pipeline_that_cannot_run_is_refused(
    bench: Bench, ports: dict[str, Any], bind: dict[str, str], message: str
) -> None:
    job = one_node(bench, ports, bind, inputs={"k": {"jobInputType": "literal", "value": "four"}})
    with pytest.raises(AzureError) as caught:
        bench.submit(job)
    assert caught.value.status == 400
    assert message in caught.value.message
    assert bench.store.of_type("workspaces/jobs") == []


def test_model_is_a_folder_and_optional_inputs_may_be_missing(bench: Bench) -> None:
    ports = {"i": FOLDER, "maybe": {"type": FILE, "optional": True}}
    job = one_node(bench, ports, {"i": "${{parent.jobs.p.outputs.model}}", "maybe": "${{parent.inputs.x}}"})
    bench.service.check("job", job)


def test_references_to_what_does_not_exist_are_refused(bench: Bench) -> None:
    workspace = bench.config.workspace_id
    bodies = {
        "environments/none": bench.command("true")
        | {
            "properties": bench.command("true")["properties"]
            | {"environmentId": f"{workspace}/environments/none/versions/1"}
        },
        "codes/none": bench.command("true", codeId=f"{workspace}/codes/none/versions/1"),
        "data/none": bench.command(
            "true", inputs={"i": {"jobInputType": FILE, "uri": f"{workspace}/data/none/versions/1"}}
        ),
        "components/none": bench.pipeline(
            {"name": "n", "type": "command", "componentId": f"{workspace}/components/none/versions/1"}
        ),
    }
    for missing, body in bodies.items():
        with pytest.raises(AzureError, match="was not found") as caught:
            bench.submit(body)
        assert missing in caught.value.message


def test_asset_of_another_type_is_refused(bench: Bench) -> None:
    job = bench.command("true", inputs={"i": bench.data("f", "x") | {"jobInputType": FOLDER}})
    with pytest.raises(AzureError, match=r"expected 'uri_folder'.*'uri_file'"):
        bench.submit(job)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"command": "echo ${{inputs.none}}"}, "names inputs.none"),
        (
            {"command": "x ${{inputs.o}}", "inputs": {"o": {"type": "string", "optional": True}}},
            r"outside of \$\[\[",
        ),
        ({"command": "true", "type": "spark"}, "'spark' do not run"),
        ({"command": "true", "distribution": {"type": "mpi"}}, "distributed"),
        ({"command": "true", "inputs": {"i": "picture"}}, "'picture', which does not exist"),
    ],
)
def test_component_that_cannot_run_is_refused(bench: Bench, spec: dict[str, Any], message: str) -> None:
    with pytest.raises(AzureError, match=message):
        bench.submit(bench.pipeline(bench.node("n", spec.pop("command"), **spec)))


def test_pipeline_output_needs_exactly_one_writer(bench: Bench) -> None:
    nodes = [
        bench.node(name, "true", outputs={"o": FILE}, bind={"o": "${{parent.outputs.result}}"})
        for name in "ab"
    ]
    declared = {"result": {"jobOutputType": FILE}}
    with pytest.raises(AzureError, match="bound to the same"):
        bench.submit(bench.pipeline(*nodes, outputs=declared))
    with pytest.raises(AzureError, match="no output 'result'"):
        bench.submit(bench.pipeline(nodes[0]))
    with pytest.raises(AzureError, match="no node writes"):
        bench.submit(bench.pipeline(nodes[0], outputs=declared | {"more": {"jobOutputType": FILE}}))


def test_output_that_would_become_an_asset_is_refused(bench: Bench) -> None:
    """Rather than leaving out silently what the service would register."""
    named = {"o": {"jobOutputType": FOLDER, "assetName": "mine"}}
    with pytest.raises(AzureError, match="asset 'mine' is not supported"):
        bench.submit(bench.command("true", outputs=named))


@pytest.mark.parametrize("kind", ["sweep", "pipeline", "if_else"])
def test_other_kinds_of_nodes_are_refused(bench: Bench, kind: str) -> None:
    with pytest.raises(AzureError, match=f"'{kind}' do not run"):
        bench.submit(bench.pipeline({"name": "n", "type": kind}))
