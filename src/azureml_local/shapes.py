"""Holds request bodies to the published REST shapes: fields, required ones, JSON types, enumerations.

Reading is as lenient as the service's own reader: a field that only the server fills is dropped, null
means absent, an enumeration's case does not matter and is put right. Everything else is refused.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from azureml_local import earlier_shapes
from azureml_local.errors import AzureError

SHAPES_FILE = Path(__file__).with_name("shapes.json")
# ISO 8601 durations as .NET's XmlConvert.ToTimeSpan reads them; no bare "P" or trailing "T".
DURATION = re.compile(r"P(?=[\dT])(\d+Y)?(\d+M)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?")
_DATETIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?")
_SCALARS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "datetime": (str,),
    "duration": (str,),
}
_PATTERNS = {"datetime": _DATETIME, "duration": DURATION}

Problem = dict[str, Any]


@cache
def published() -> dict[str, Any]:
    """Return the content of ``shapes.json`` with what the SDK adds to it."""
    content: dict[str, Any] = json.loads(SHAPES_FILE.read_text(encoding="utf-8"))
    earlier_shapes.add_to(content)
    return content


def problem(code: str, message: str, path: str) -> Problem:
    """Return one entry for the ``details`` of an error."""
    return {"code": code, "message": message, "target": path}


def invalid(problems: list[Problem]) -> AzureError:
    """Return the 400 with which Azure ML answers a malformed body."""
    return AzureError(400, "BadRequest", "The request is invalid.", details=problems)


def read(shape: str, body: Any) -> dict[str, Any]:
    """Return the body as the service reads it.

    Raises
    ------
    AzureError
        400 ``BadRequest`` whose details name every field that is wrong.
    """
    problems: list[Problem] = []
    result = _read_model(shape, body, "", problems)
    if problems:
        raise invalid(problems)
    return dict(result)


def present(shape: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return a stored body as it goes out: with the published properties alone.

    Other parts of the control plane keep notes of their own there, and what goes out comes back in a PUT.
    """
    content = published()["shapes"]
    properties = content[content[shape]["fields"]["properties"].lstrip("!")]
    while "variants" in properties:
        chosen = str(body["properties"].get(properties["discriminator"]))
        properties = content[properties["variants"][chosen]]
    fields = properties["fields"]
    return body | {"properties": {key: value for key, value in body["properties"].items() if key in fields}}


def _read_model(name: str, value: Any, path: str, problems: list[Problem]) -> Any:
    if not isinstance(value, dict):
        problems.append(_wrong_type(value, name, path))
        return value
    shape = published()["shapes"][name]
    if "variants" in shape:
        found = _variant(name, shape, value, path, problems)
        if found is None:
            return value
        name, value, shape = found
    fields: dict[str, str] = shape["fields"]
    # Newtonsoft, the service's reader, matches member names without regard to case.
    by_lower = {field.lower(): field for field in fields}
    result: dict[str, Any] = {}
    for given, item in value.items():
        field = by_lower.get(given.lower())
        where = f"{path}.{given}" if path else given
        if field is None:
            message = f"Could not find member '{given}' on object of type '{name}'. Path '{where}'."
            problems.append(problem("UnknownMember", message, where))
        elif item is not None and not fields[field].startswith("^"):
            result[field] = _read_value(fields[field].lstrip("!"), item, where, problems)
    for field, notation in fields.items():
        if notation.startswith("!") and result.get(field) is None:
            where = f"{path}.{field}" if path else field
            problems.append(problem("RequiredMember", f"The {field} field is required.", where))
    return result


def _variant(
    name: str, shape: dict[str, Any], value: dict[str, Any], path: str, problems: list[Problem]
) -> tuple[str, dict[str, Any], dict[str, Any]] | None:
    """Return the variant's name, the body with the discriminator put right, and the variant's shape."""
    discriminator = shape["discriminator"]
    where = f"{path}.{discriminator}" if path else discriminator
    given = next((item for key, item in value.items() if key.lower() == discriminator.lower()), None)
    if given is None:
        problems.append(problem("RequiredMember", f"The {discriminator} field is required.", where))
        return None
    for key, variant in shape["variants"].items():
        if str(given).lower() == key.lower():
            chosen = published()["shapes"][variant]
            if "variants" in chosen:  # a second level, such as the tasks of AutoML
                return _variant(variant, chosen, value, path, problems)
            kept = {field: item for field, item in value.items() if field.lower() != discriminator.lower()}
            return variant, kept | {discriminator: key}, chosen
    expected = ", ".join(shape["variants"])
    message = (
        f"Error converting value '{given}' to type '{name}'. Path '{where}'. Expected one of: {expected}."
    )
    problems.append(problem("InvalidEnumValue", message, where))
    return None


def _read_value(notation: str, value: Any, path: str, problems: list[Problem]) -> Any:
    if notation[0] in _READERS:
        return _READERS[notation[0]](notation, value, path, problems)
    content = published()
    if notation in content["shapes"]:
        return _read_model(notation, value, path, problems)
    if notation in content["enums"]:
        return _read_enum(notation, value, path, problems)
    return _read_scalar(notation, value, path, problems)


def _read_map(notation: str, value: Any, path: str, problems: list[Problem]) -> Any:
    if not isinstance(value, dict):
        problems.append(_wrong_type(value, "object", path))
        return value
    inner = notation[1:-1]
    return {
        key: item
        if item is None and inner != "integer"
        else _read_value(inner, _map_value(inner, item), f"{path}.{key}", problems)
        for key, item in value.items()
    }


def _read_list(notation: str, value: Any, path: str, problems: list[Problem]) -> Any:
    if not isinstance(value, list):
        problems.append(_wrong_type(value, "array", path))
        return value
    return [_read_value(notation[1:-1], item, f"{path}[{i}]", problems) for i, item in enumerate(value)]


def _map_value(notation: str, value: Any) -> Any:
    # The SDK writes numbers into maps of strings (hash_version), and the service's reader takes them.
    return str(value) if notation == "string" and type(value) in (int, float) else value


def _read_enum(name: str, value: Any, path: str, problems: list[Problem]) -> Any:
    members: list[str] = published()["enums"][name]
    for member in members:
        if isinstance(value, str) and value.lower() == member.lower():
            return member
    expected = ", ".join(members)
    message = (
        f"Error converting value '{value}' to type '{name}'. Path '{path}'. Expected one of: {expected}."
    )
    problems.append(problem("InvalidEnumValue", message, path))
    return value


def _read_scalar(notation: str, value: Any, path: str, problems: list[Problem]) -> Any:
    if notation == "any":
        return value
    kinds = _SCALARS[notation]
    # bool is an int in Python and is not a number in JSON.
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        problems.append(_wrong_type(value, notation, path))
        return value
    pattern = _PATTERNS.get(notation)
    if pattern is not None and not pattern.fullmatch(str(value)):
        problems.append(
            problem("InvalidValue", f"Could not convert string to {notation}: {value}. Path '{path}'.", path)
        )
    return value


def _wrong_type(value: Any, expected: str, path: str) -> Problem:
    kinds = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    got = kinds.get(type(value), "number")
    message = f"Error converting value of type {got} to type '{expected}'. Path '{path}'."
    return problem("InvalidType", message, path)


_READERS = {"{": _read_map, "[": _read_list}
