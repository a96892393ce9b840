"""Where production data are: a path, or a deployment's folder in a blob container; and where results go."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from mlops.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelwatch.sources.collector import DeploymentSource


def production_at(address: str) -> Path | DeploymentSource:
    """Return a path as it is, and an ``https://…/container/folder`` as what a data collector left there.

    A signature in the address is used; without one the identity of whoever runs this is.
    """
    if "://" not in address:
        return Path(address)
    parts = urlsplit(address)
    container, _, folder = unquote(parts.path).lstrip("/").partition("/")
    if parts.scheme != "https" or not container or not folder:
        raise UsageError(
            "Production is no blob folder.",
            got=address.partition("?")[0],
            expected="https://ACCOUNT.blob.core.windows.net/CONTAINER/FOLDER (model_inputs lies in it)",
        )
    from azure.storage.blob import ContainerClient

    from modelwatch.sources.collector import Collection, DeploymentSource

    credential = None
    if not parts.query:
        from azure.identity import DefaultAzureCredential

        credential = DefaultAzureCredential()
    query = f"?{parts.query}" if parts.query else ""
    client = ContainerClient.from_container_url(
        f"https://{parts.netloc}/{container}{query}", credential=credential
    )
    return DeploymentSource(Collection(client, folder))


def require_dated(production: Any, monitor: Path) -> None:
    """Refuse a window of data of which nothing tells which rows lie in it."""
    from modelwatch.sources.collector import CollectorSource, DeploymentSource
    from modelwatch.sources.opening import open_source

    source = open_source(production)
    if isinstance(source, (CollectorSource, DeploymentSource)):
        # The collector writes down when it saw each row.
        return
    raise UsageError(
        "A window needs to know which column has the time of a row.",
        where=f"{monitor}: data.event_time",
        got="--start and --end, and a monitor that names no event time",
        expected=f"one of {', '.join(source.schema.names)}",
        next_step="write `data: {event_time: COLUMN}` into the monitor, or leave --start and --end out",
    )


@contextmanager
def written_to(folder: Path) -> Iterator[None]:
    """Make the folder that results go to, and say so if they cannot."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        yield
    except OSError as error:
        if error.filename is None or folder not in (Path(error.filename), *Path(error.filename).parents):
            raise
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: OSError) -> UsageError:
    return UsageError(
        "Results cannot be written.",
        where=str(folder),
        got=error.strerror,
        expected="--out FOLDER, which exists or can be made, and can be written to",
    )
