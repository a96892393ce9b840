"""Property values: between protobuf structs on the wire and Python values in the engine.

On the wire everything is JSON-like, and what is not JSON (secrets, unknowns, outputs) is a mapping
that carries a signature. Here a secret is a :class:`Secret` whose text form never shows its content,
an unknown is :data:`UNKNOWN`, and whole numbers are ``int``: protobuf only has doubles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import struct_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = [
    "MASK",
    "UNKNOWN",
    "UNKNOWN_MARK",
    "Secret",
    "Unknown",
    "contains_secret",
    "contains_unknown",
    "from_struct",
    "map_values",
    "masked",
    "revealed",
    "secret_texts",
    "to_struct",
]

# The signatures are fixed numbers of Pulumi's protocol (sdk/go/common/resource/properties.go).
SIGNATURE_KEY: Final = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a type mark
OUTPUT_SIGNATURE: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
UNKNOWN_STRING: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
# One per kind of value; programs send the first, providers and policy packs know them all.
UNKNOWN_STRINGS: Final = frozenset(
    {
        UNKNOWN_STRING,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)

MASK: Final = "[secret]"
UNKNOWN_MARK: Final = "[unknown]"


class Unknown:
    """A value that only the deployment itself will know."""

    def __repr__(self) -> str:
        return UNKNOWN_MARK


UNKNOWN: Final = Unknown()


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that is never shown; comparing two compares their content."""

    value: Any

    def __repr__(self) -> str:
        return MASK


def from_struct(struct: struct_pb2.Struct) -> dict[str, Any]:
    """Return the properties of a request. Nulls in mappings are dropped, as providers do."""
    return _read_fields(struct)


def _read_fields(struct: struct_pb2.Struct) -> dict[str, Any]:
    # A map on the wire has no order, and what it has may differ from run to run.
    fields = {key: _read(value) for key, value in sorted(struct.fields.items())}
    return {key: value for key, value in fields.items() if value is not None}


def _read(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _read_mapping(value.struct_value)
    if kind == "list_value":
        return [_read(item) for item in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "string_value":
        return UNKNOWN if value.string_value in UNKNOWN_STRINGS else value.string_value
    return value.bool_value if kind == "bool_value" else None


def _read_mapping(struct: struct_pb2.Struct) -> Any:
    signature = struct.fields[SIGNATURE_KEY].string_value if SIGNATURE_KEY in struct.fields else None
    if signature == SECRET_SIGNATURE:
        return Secret(_read(struct.fields["value"]))
    if signature == OUTPUT_SIGNATURE:
        known = _read(struct.fields["value"]) if "value" in struct.fields else UNKNOWN
        secret = "secret" in struct.fields and struct.fields["secret"].bool_value
        return Secret(known) if secret and not isinstance(known, Secret) else known
    return _read_fields(struct)  # assets, archives and references to resources pass through


def to_struct(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    """Return `properties` as the protocol carries them, secrets and unknowns marked."""
    struct = struct_pb2.Struct()
    struct.update({key: _written(value) for key, value in properties.items()})
    return struct


def _written(value: Any) -> Any:
    if isinstance(value, Secret):
        return {SIGNATURE_KEY: SECRET_SIGNATURE, "value": _written(value.value)}
    if isinstance(value, Unknown):
        return UNKNOWN_STRING
    if isinstance(value, dict):
        return {key: _written(item) for key, item in value.items()}
    return [_written(item) for item in value] if isinstance(value, list | tuple) else value


def map_values(value: Any, change: Callable[[Any], Any]) -> Any:
    """Rebuild `value` with `change` applied to what is neither a mapping nor a list."""
    if isinstance(value, dict):
        return {key: map_values(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [map_values(item, change) for item in value]
    return change(value)


def revealed(value: Any) -> Any:
    """Return the value with secrets unwrapped: for comparing and for providers, never for showing."""
    return map_values(value, lambda leaf: revealed(leaf.value) if isinstance(leaf, Secret) else leaf)


def masked(value: Any) -> Any:
    """Return the value as it may be shown: JSON, with a mark for each secret and each unknown.

    A secret object keeps its shape (transforms make a whole property secret when one value in it is),
    and so do the booleans in it.
    """
    return map_values(value, _mark)


def _mark(leaf: Any) -> Any:
    if isinstance(leaf, Secret):
        return map_values(leaf.value, lambda inner: inner if isinstance(inner, bool | None) else MASK)
    return UNKNOWN_MARK if isinstance(leaf, Unknown) else leaf


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def contains_secret(value: Any) -> bool:
    """Return whether a secret is anywhere in `value`."""
    return any(isinstance(leaf, Secret) for leaf in _leaves(value))


def contains_unknown(value: Any) -> bool:
    """Return whether anything in `value`, secrets included, is not known yet."""
    return any(isinstance(leaf, Unknown) for leaf in _leaves(revealed(value)))


def secret_texts(value: Any) -> set[str]:
    """Return the texts that are secret anywhere in `value`, for keeping them out of messages."""
    inner = (leaf.value for leaf in _leaves(value) if isinstance(leaf, Secret))
    return {leaf for secret in inner for leaf in _leaves(revealed(secret)) if isinstance(leaf, str) and leaf}
