"""Where production data are: a path, or a deployment's folder in a blob container."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from mlops.errors import UsageError

if TYPE_CHECKING:
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
