"""Reading YAML declarations, with one kind of error for all that can be wrong with the file itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelwatch.errors import ContractError

if TYPE_CHECKING:
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

    # The C parser is ten times as fast, and not everywhere.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506  (both are safe)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ContractError(f"The {what} cannot be read", where=str(path), got=str(error)) from error
