"""Bindings: what ``${{…}}`` and ``$[[…]]`` mean in a node's inputs and in its command. Pure functions."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from azureml_local.errors import bad_request

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLACEHOLDER: Final = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
_OPTIONAL: Final = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)
_PARENT_INPUT: Final = re.compile(r"parent\.inputs\.([\w.]+)")
_PARENT_OUTPUT: Final = re.compile(r"parent\.outputs\.(\w+)")
_NODE_OUTPUT: Final = re.compile(r"parent\.jobs\.(\w+)\.outputs\.(\w+)")


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that is its own text; booleans as the SDK writes them, ``True`` and ``False``."""

    text: str


@dataclass(frozen=True, slots=True)
class ParentInput:
    """The pipeline input of this name."""

    name: str


@dataclass(frozen=True, slots=True)
class NodeOutput:
    """An output of another node of the same pipeline."""

    node: str
    output: str


@dataclass(frozen=True, slots=True)
class Template:
    """A text with literal pipeline inputs in it."""

    text: str
    inputs: tuple[str, ...]

    def fill(self, values: Mapping[str, str]) -> str:
        """Return the text with the values of the pipeline inputs in their places."""
        return _PLACEHOLDER.sub(lambda match: values[match[1].removeprefix("parent.inputs.")], self.text)


Binding = Literal | ParentInput | NodeOutput | Template


def parse_input(text: str) -> Binding:
    """Return what the value of a node's input means.

    Raises
    ------
    AzureError
        400 for a reference to something that inputs cannot be bound to.

    Examples
    --------
    >>> parse_input("${{parent.jobs.train.outputs.model}}")
    NodeOutput(node='train', output='model')
    """
    references = _PLACEHOLDER.findall(text)
    if not references:
        return Literal(text)
    alone = _PLACEHOLDER.fullmatch(text.strip())
    if alone and len(references) == 1:
        if match := _PARENT_INPUT.fullmatch(alone[1]):
            return ParentInput(match[1])
        if match := _NODE_OUTPUT.fullmatch(alone[1]):
            return NodeOutput(match[1], match[2])
    names = []
    for reference in references:
        match = _PARENT_INPUT.fullmatch(reference)
        if match is None:
            raise bad_request(
                f"'${{{{{reference}}}}}' cannot be bound to an input: expected "
                "${{parent.inputs.<name>}} or, alone, ${{parent.jobs.<node>.outputs.<output>}}."
            )
        names.append(match[1])
    return Template(text, tuple(names))


def parse_output(text: str) -> str:
    """Return the pipeline output that a node's output is bound to."""
    alone = _PLACEHOLDER.fullmatch(text.strip())
    match = _PARENT_OUTPUT.fullmatch(alone[1]) if alone else None
    if match is None:
        raise bad_request(f"'{text}' cannot be bound to an output: expected ${{{{parent.outputs.<name>}}}}.")
    return match[1]


def references(command: str) -> tuple[set[str], set[str]]:
    """Return the ports that a command names (``inputs.x``, ``outputs.y``): all, and those always needed."""
    everything = set(_PLACEHOLDER.findall(command))
    return everything, set(_PLACEHOLDER.findall(_OPTIONAL.sub("", command)))


def render(command: str, *, literals: Mapping[str, str], paths: Mapping[str, str]) -> str:
    """Return a command with its inputs and outputs in place.

    Parameters
    ----------
    command
        Command of a component.
    literals
        Texts by ``inputs.<name>``; they go in as they are, as the service does, so that a command
        quotes here what it has to quote there.
    paths
        Local paths by ``inputs.<name>`` and ``outputs.<name>``. The service's never need quoting; on
        this machine they may, so they are quoted to fit where they stand.

    Examples
    --------
    >>> render("run ${{inputs.a}} $[[--b ${{inputs.b}}]]", literals={"inputs.a": "1"}, paths={})
    'run 1 '
    """
    known = {*literals, *paths}

    def kept(match: re.Match[str]) -> str:
        return match[1] if set(_PLACEHOLDER.findall(match[1])) <= known else ""

    rendered, quote, position = [], "", 0
    text = _OPTIONAL.sub(kept, command)
    for match in _PLACEHOLDER.finditer(text):
        between, port = text[position : match.start()], match[1]
        quote = _quote_after(between, quote)
        if port not in known:
            raise bad_request(f"The command needs '{match[0]}', which has no value.")
        value = literals[port] if port in literals else _quoted(paths[port], quote)
        rendered += [between, value]
        # What is put in may open or close a quotation, too.
        quote = _quote_after(value, quote) if port in literals else quote
        position = match.end()
    return "".join([*rendered, text[position:]])


def _quote_after(text: str, quote: str) -> str:
    """Return the shell quotation that is open after a text which began in `quote`."""
    escaped = False
    for character in text:
        if escaped:
            escaped = False
        elif character == "\\" and quote != "'":
            escaped = True
        elif character == quote:
            quote = ""
        elif character in "\"'" and not quote:
            quote = character
    return quote


def _quoted(path: str, quote: str) -> str:
    if quote == '"':
        return re.sub(r'([\\"$`])', r"\\\1", path)
    return path.replace("'", "'\\''") if quote else shlex.quote(path)
