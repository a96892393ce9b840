"""Data and environment assets named by their content: the same content is never uploaded twice."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from mlops.client import visible_errors
from mlops.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Environment

__all__ = ["ensure_data", "ensure_environment"]

_VERSION_DIGITS: Final = 12
_CHUNK: Final = 1 << 20


def ensure_data(client: MLClient, name: str, file: Path) -> str:
    """Register a file as a data asset whose version is its content's digest.

    Returns
    -------
    str
        ``<name>:<version>``, as a pipeline's input names it.

    Raises
    ------
    DataError
        The file does not exist or is empty.
    """
    from azure.ai.ml.entities import Data  # noqa: PLC0415 - seconds of import that most commands do not need
    from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415

    if not file.is_file() or file.stat().st_size == 0:
        raise DataError(
            "There is no data to register.",
            where=str(file),
            got="an empty file" if file.is_file() else "no such file",
            expected="a CSV or Parquet file with rows",
            next_step="name a file: --data PATH",
        )
    version = _digest(file)
    try:
        client.data.get(name, version=version)
    except ResourceNotFoundError:
        with visible_errors():
            client.data.create_or_update(Data(name=name, version=version, type="uri_file", path=str(file)))
    return f"{name}:{version}"


def ensure_environment(client: MLClient, environment: Environment) -> str:
    """Register an environment unless its version is there, and return ``<name>:<version>``."""
    from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - see ensure_data

    try:
        client.environments.get(environment.name, version=environment.version)
    except ResourceNotFoundError:
        client.environments.create_or_update(environment)
    return f"{environment.name}:{environment.version}"


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()[:_VERSION_DIGITS]
