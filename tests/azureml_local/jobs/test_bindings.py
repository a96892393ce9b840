"""Commands as the shell reads them once inputs and outputs are in place."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azureml_local.errors import AzureError
from azureml_local.jobs.bindings import (
    Literal,
    NodeOutput,
    ParentInput,
    Template,
    parse_input,
    parse_output,
    render,
)

PATHS = st.text(st.characters(exclude_characters="\0\n", exclude_categories=["Cs"]), min_size=1).map(
    "/{}".format
)


@settings(max_examples=15)
@given(st.lists(PATHS, min_size=1, max_size=20))
@pytest.mark.parametrize("template", ["{} end", '"{}" end', "'{}' end", '\\"x {} end', 'a="b"{}'])
def test_path_is_one_word_however_the_command_quotes_it(template: str, paths: list[str]) -> None:
    """The judge is the shell itself."""
    script = "\n".join(
        "printf '%s\\0' " + render(template.format("${{inputs.p}}"), literals={}, paths={"inputs.p": path})
        for path in paths
    )
    seen = subprocess.run(["/bin/bash", "-c", script], capture_output=True, check=True).stdout.split(b"\0")
    words = shlex.split(template.format("PATH"))
    assert seen[:-1] == [word.replace("PATH", path).encode() for path in paths for word in words]


def test_literals_go_in_as_they_are() -> None:
    """As the service does it: the command's author decides what is quoted."""
    command = 'run --name "${{inputs.name}}" ${{ inputs.flags }}'
    literals = {"inputs.name": "a b", "inputs.flags": "--x 1"}
    assert shlex.split(render(command, literals=literals, paths={})) == ["run", "--name", "a b", "--x", "1"]


def test_quotation_opened_by_a_literal_is_seen() -> None:
    command = render(
        'run ${{inputs.open}}${{inputs.p}}"', literals={"inputs.open": '"'}, paths={"inputs.p": "/a b"}
    )
    assert shlex.split(command) == ["run", "/a b"]


@pytest.mark.parametrize(
    ("given_inputs", "expected"),
    [
        ({}, "run "),
        ({"inputs.a": "1"}, "run --a 1 "),
        ({"inputs.a": "1", "inputs.b": "2"}, "run --a 1 --ab 1 2"),
    ],
)
def test_optional_part_needs_all_of_its_inputs(given_inputs: dict[str, str], expected: str) -> None:
    command = "run $[[--a ${{inputs.a}} ]]$[[--ab ${{inputs.a}} ${{inputs.b}}]]"
    assert render(command, literals=given_inputs, paths={}) == expected


def test_command_that_needs_what_is_missing_is_refused() -> None:
    with pytest.raises(AzureError, match=r"inputs\.a"):
        render("run ${{inputs.a}}", literals={}, paths={})


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("plain", Literal("plain")),
        ("${{parent.inputs.x}}", ParentInput("x")),
        ("${{ parent.inputs.group.x }}", ParentInput("group.x")),
        ("${{parent.jobs.a.outputs.b}}", NodeOutput("a", "b")),
        ("x${{parent.inputs.y}}", Template("x${{parent.inputs.y}}", ("y",))),
        (
            "${{parent.inputs.y}}${{parent.inputs.z}}",
            Template("${{parent.inputs.y}}${{parent.inputs.z}}", ("y", "z")),
        ),
    ],
)
def test_meaning_of_an_inputs_value(text: str, meaning: object) -> None:
    assert parse_input(text) == meaning


def test_template_is_filled_once() -> None:
    """A value that looks like a reference is a value."""
    template = Template("${{parent.inputs.a}}-b", ("a",))
    assert template.fill({"a": "${{parent.inputs.a}}"}) == "${{parent.inputs.a}}-b"


@pytest.mark.parametrize("text", ["x", "${{parent.inputs.x}}", "${{parent.outputs.x}}/sub"])
def test_output_is_bound_to_a_pipeline_output_alone(text: str) -> None:
    with pytest.raises(AzureError, match="cannot be bound to an output"):
        parse_output(text)
    assert parse_output("${{parent.outputs.x}}") == "x"
