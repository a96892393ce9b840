"""YAML declarations, with one kind of error for all that can be wrong with a file itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelwatch.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def read_yaml(path: Path, what: str) -> Any:
    """Return the content of a YAML file.

    Parameters
    ----------
    what
        Name of what the file should hold, for the error.

    Raises
    ------
    ContractError
        If the file cannot be opened or is no YAML; the message has its line.
    """
    import yaml  # noqa: PLC0415

    try:
        return parsed_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ContractError(f"The {what} cannot be read", where=str(path), got=str(error)) from error


def parsed_yaml(text: str) -> Any:
    """Return what a YAML text says."""
    import yaml  # noqa: PLC0415

    return yaml.load(text, Loader=_loader())  # noqa: S506  (both are safe)


def line_of(path: Path, location: Sequence[str | int]) -> int | None:
    """Return the line, counted from 1, on which the deepest part of ``location`` that the file has begins.

    Read anew, since only an error needs it. None if the file is gone by now.
    """
    import yaml  # noqa: PLC0415

    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=_loader())
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None
    line = 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _loader() -> Any:
    """Return a safe loader for which ``+0.02`` is text: a bound above the baseline, not the number 0.02."""
    import yaml  # noqa: PLC0415

    # The C parser is ten times as fast, and not everywhere.
    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    resolvers = {first: found for first, found in base.yaml_implicit_resolvers.items() if first != "+"}
    return type("Loader", (base,), {"yaml_implicit_resolvers": resolvers})


def write_yaml(document: Any) -> str:
    """Return plain values as YAML, in their order."""
    import yaml  # noqa: PLC0415

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(document, Dumper=dumper, sort_keys=False, allow_unicode=True, width=110)
    return text
