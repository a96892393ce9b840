"""What the addresses of stored data mean: container and blob names, ``azureml://`` paths, URLs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from azureml_local.errors import AzureError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_CONTAINER: Final = re.compile(r"\$?[a-z0-9](?:-?[a-z0-9]){1,61}[a-z0-9]")
_DATASTORE: Final = re.compile(
    r"azureml://(?:.*?workspaces/(?P<workspace>[^/]+)/)?(?:.+?/)??datastores/(?P<datastore>[^/]+)"
    r"/paths/(?P<path>.*)",
    re.DOTALL | re.IGNORECASE,
)
_LONGEST_NAME: Final = 1024
STORAGE_SUFFIX: Final = "local"
"""What ends an account's host name in an address of Azure's form: no real cloud's, so nobody is asked."""


def checked_container(name: str) -> str:
    """Return the name of a container if it follows the service's rules."""
    if not _CONTAINER.fullmatch(name) or len(name) > 63:
        raise AzureError(400, "InvalidResourceName", f"The specified container name '{name}' is not valid.")
    return name


def checked_blob(name: str) -> str:
    """Return the name of a blob if it can be a path below its container's folder.

    The service has a flat namespace and allows more (empty segments, for one); what is refused
    here could climb out of the folder, or has no file of its own.
    """
    segments = name.split("/")
    if (
        not name
        or len(name) > _LONGEST_NAME
        or any(segment in {"", ".", ".."} for segment in segments)
        or any(character in name for character in "\0\\")
        or max(len(segment.encode()) for segment in segments) > 255
    ):
        raise AzureError(400, "InvalidResourceName", f"The specified blob name '{name[:200]}' is not valid.")
    return name


def locate(
    uri: str, *, storage_urls: Sequence[str], datastore_container: Callable[[str, str | None], str]
) -> tuple[str, str]:
    """Return container and path that an address means; the path of a container itself is empty.

    Parameters
    ----------
    uri
        ``azureml://…/datastores/<datastore>/paths/<path>``, or the URL of a container or blob of this
        account, with or without a signature.
    storage_urls
        The account's addresses.
    datastore_container
        Container that a datastore of a workspace stands for; of no named one, if the address names none.

    Raises
    ------
    AzureError
        400 when the address is of another kind or account.
    """
    match = _DATASTORE.fullmatch(uri)
    if match:
        return datastore_container(match["datastore"], match["workspace"]), match["path"].strip("/")
    for base in (f"{url.rstrip('/')}/" for url in storage_urls):
        if uri.startswith(base):
            container, _, path = unquote(urlsplit(uri).path.removeprefix(urlsplit(base).path)).partition("/")
            return container, path.strip("/")
    raise AzureError(
        400,
        "InvalidDataUri",
        f"'{uri}' cannot be read here: expected azureml://datastores/<name>/paths/<path> "
        f"or {storage_urls[0]}/…",
    )
