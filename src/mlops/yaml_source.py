"""YAML that remembers where each value was written, so that an error can name file and line.

Settings and use-case declarations go through here: :func:`load_yaml` reads, pydantic checks, and
:func:`describe` turns what pydantic found into a :class:`~mlops.errors.SettingsError` that names the
file, the line and the nearest valid key. Marks of several files can be merged like the data they
belong to (``{**base_marks, **overlay_marks}``), so a value keeps its origin through an overlay.
"""

from __future__ import annotations

import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml
from pydantic import BaseModel

from mlops.errors import SettingsError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

__all__ = ["Location", "Mark", "describe", "load_yaml", "mark_of"]

Location = tuple[str | int, ...]
"""Where a value sits in a document: mapping keys and sequence positions from the top."""


# In C where there is one: settings are ten files, and each command reads them.
_LOADER: Final[type[yaml.SafeLoader]] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Mark:
    """The file and line (counted from 1) that a value was written on."""

    path: Path
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


def load_yaml(path: Path) -> tuple[dict[str, Any], dict[Location, Mark]]:
    """Read a YAML mapping and the line of every key and item in it.

    Parameters
    ----------
    path
        A file whose top level is a mapping; an empty one reads as an empty mapping.

    Returns
    -------
    data, marks
        The values, and for each location the mark of its key (or of a sequence's item).

    Raises
    ------
    SettingsError
        The file is missing, is not YAML, repeats a key, or is not a mapping of text keys.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        folder = path.parent
        present = sorted(p.name for p in folder.glob("*.yaml")) if folder.is_dir() else []
        raise SettingsError(
            "The file does not exist.",
            where=str(path),
            expected=f"one of {', '.join(present)}" if present else f"a file in {folder}",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError("The file cannot be read as UTF-8 text.", where=str(path), got=error) from error

    loader = _LOADER(text)
    try:
        node = loader.get_single_node()
        marks: dict[Location, Mark] = {(): Mark(path, 1)}
        data = {} if node is None else _construct(loader, node, (), marks, frozenset())
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, path) from error
    except yaml.YAMLError as error:
        raise SettingsError("The file is not YAML.", where=str(path), got=error) from error
    finally:
        loader.dispose()
    if not isinstance(data, dict):
        raise SettingsError(
            "The top level must be a mapping.",
            where=f"{path}:1",
            got=type(data).__name__,
            expected="key: value",
        )
    return data, marks


def mark_of(location: Location, marks: Mapping[Location, Mark]) -> Mark:
    """Return the mark of the deepest part of `location` that is written in the file.

    pydantic's locations also hold union tags and keys that are missing; both are passed over, so a
    missing key is reported on the line of the mapping that lacks it.
    """
    found: Location = ()
    for token in location:
        if (*found, token) in marks:
            found = (*found, token)
    return marks[found]


def describe(error: ValidationError, marks: Mapping[Location, Mark], model: type[BaseModel]) -> SettingsError:
    """Turn pydantic's findings into one error that names file, line, key and remedy.

    Parameters
    ----------
    error
        What ``model.model_validate(data)`` raised.
    marks
        The marks that belong to the data.
    model
        The model that refused it; its fields supply the nearest valid key.
    """
    # A misspelt key is two findings, unknown and missing; the unknown one says what to do.
    findings = sorted(error.errors(include_url=False), key=lambda finding: finding["type"] == "missing")
    first, *others = findings
    location = tuple(first["loc"])
    key = ".".join(str(token) for token in location)
    what, got, expected, next_step = _explain(first, model)
    if others:
        also = "; ".join(f"{mark_of(tuple(o['loc']), marks)} {_short(o)}" for o in others)
        what = f"{what} ({len(findings)} problems; also {also})"
    where = str(mark_of(location, marks))
    return SettingsError(
        what, where=f"{where} ({key})" if key else where, got=got, expected=expected, next_step=next_step
    )


def _construct(
    loader: yaml.SafeLoader,
    node: yaml.Node,
    location: Location,
    marks: dict[Location, Mark],
    parents: frozenset[int],
) -> Any:
    """Build the value of `node`, marking each location on the way."""
    if id(node) in parents:
        raise yaml.MarkedYAMLError(
            problem="an alias points to what contains it", problem_mark=node.start_mark
        )
    parents = parents | {id(node)}
    path = marks[()].path
    if isinstance(node, yaml.SequenceNode):
        values = []
        for position, item in enumerate(node.value):
            marks[*location, position] = Mark(path, item.start_mark.line + 1)
            values.append(_construct(loader, item, (*location, position), marks, parents))
        return values
    if not isinstance(node, yaml.MappingNode):
        return loader.construct_object(node, deep=True)
    mapping: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            # YAML 1.1 reads on, off, yes and no as truth values: an easy slip in a key.
            raise yaml.MarkedYAMLError(
                problem=f"the key {key!r} is not text; put it in quotes", problem_mark=key_node.start_mark
            )
        if key in mapping:
            raise yaml.MarkedYAMLError(
                problem=f"the key {key!r} is repeated", problem_mark=key_node.start_mark
            )
        marks[*location, key] = Mark(path, key_node.start_mark.line + 1)
        mapping[key] = _construct(loader, value_node, (*location, key), marks, parents)
    return mapping


def _syntax_error(error: yaml.MarkedYAMLError, path: Path) -> SettingsError:
    mark = error.problem_mark or error.context_mark
    line = 1 if mark is None else mark.line + 1
    return SettingsError(
        f"The file is not valid YAML: {error.problem or error.context}.",
        where=f"{path}:{line}",
        next_step="fix the line",
    )


def _explain(finding: ErrorDetails, model: type[BaseModel]) -> tuple[str, object, object, str | None]:
    """Answer what, got, expected and the next step for one of pydantic's findings."""
    location = tuple(finding["loc"])
    name = str(location[-1]) if location else "the document"
    if finding["type"] == "extra_forbidden":
        valid = sorted(set(_keys_at(model, location[:-1])))
        close = nearest(name, valid)
        # In a union the key may belong to another member: it is right elsewhere, and wrong here.
        step = f"write {close!r} instead of {name!r}" if close not in {None, name} else f"remove {name!r}"
        return f"Unknown key {name!r}.", name, f"one of: {', '.join(valid)}", step
    if finding["type"] == "missing":
        return f"The key {name!r} is missing.", "nothing", f"a value for {name!r}", f"add {name!r}"
    message = finding["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    value = finding["input"]
    shown = value if isinstance(value, (str, int, float, bool)) or value is None else type(value).__name__
    return f"The value of {name!r} is not valid.", repr(shown), message, None


def _short(finding: ErrorDetails) -> str:
    key = ".".join(str(token) for token in finding["loc"])
    wording = {"extra_forbidden": "unknown key", "missing": "missing"}.get(finding["type"], finding["msg"])
    return f"{key}: {wording}"


def _keys_at(model: type[BaseModel], location: Location) -> list[str]:
    """Return the keys that the model accepts at `location`."""
    annotation: Any = model
    for token in location:
        for candidate in _models_in(annotation):
            names = {field.alias or key: field.annotation for key, field in candidate.model_fields.items()}
            if token in names:
                annotation = names[str(token)]
                break
        # Otherwise the token is a position, a mapping's key or a union's tag: it stays where it is,
        # since _models_in already looks through containers and unions.
    candidates = list(_models_in(annotation))
    # Behind a union's tag the keys of one member are right, and not those of the others.
    tagged = [candidate for candidate in candidates if location and _has_tag(candidate, location[-1])]
    return [
        field.alias or key
        for candidate in tagged or candidates
        for key, field in candidate.model_fields.items()
    ]


def _has_tag(model: type[BaseModel], tag: str | int) -> bool:
    return any(tag in typing.get_args(field.annotation) for field in model.model_fields.values())


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models that an annotation mentions, through unions, containers and ``Annotated``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for argument in typing.get_args(annotation):
        yield from _models_in(argument)
