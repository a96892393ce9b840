"""The one place that knows which control plane an environment talks to.

Everything else receives an :class:`azure.ai.ml.MLClient` and cannot tell a laptop from a subscription.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mlops.errors import ControlPlaneError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azure.ai.ml import MLClient
    from azure.core.credentials import TokenCredential

    from mlops.settings import Environment

__all__ = [
    "UNSET_ID",
    "Connection",
    "Home",
    "azure_credential",
    "connect",
    "connect_registry",
    "visible_errors",
]

# Terminal control sequences (ECMA-48), such as the SDK's colours.
_CONTROL: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

UNSET_ID: Final = "00000000-0000-0000-0000-000000000000"
CONNECTION_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Home:
    """The folder that holds what a run leaves behind: `.mlops/` unless ``MLOPS_HOME`` says otherwise."""

    path: Path

    @classmethod
    def from_environment(cls, root: Path) -> Home:
        """Return ``$MLOPS_HOME``, or `.mlops` below `root`."""
        return cls(Path(os.environ.get("MLOPS_HOME") or root / ".mlops").absolute())

    @property
    def control_plane(self) -> Path:
        """The embedded control plane's own folder."""
        return self.path / "local"


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach a running embedded control plane: the file it writes when it is ready."""

    base_url: str
    ca_bundle: str
    tenant_id: str
    client_id: str
    client_secret: str

    @classmethod
    def read(cls, home: Home) -> Connection:
        """Read the connection file below `home`.

        Raises
        ------
        ControlPlaneError
            There is no such file (nothing is running), or another version of this code wrote it.
        """
        path = home.control_plane / "connection.json"
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ControlPlaneError(
                "The embedded control plane is not running.",
                where=str(path),
                got="no connection file",
                expected="the file that a running control plane writes",
                next_step="mlops local up",
            ) from None
        if content.get("version") != CONNECTION_VERSION:
            raise ControlPlaneError(
                "The running control plane was started by another version of this code.",
                where=str(path),
                got=f"version {content.get('version')}",
                expected=f"version {CONNECTION_VERSION}",
                next_step="mlops local down && mlops local up",
            )
        return cls(**{name: content[name] for name in cls.__dataclass_fields__})


def connect(settings: Environment, home: Home) -> MLClient:
    """Return a client for the workspace of an environment.

    Raises
    ------
    ControlPlaneError
        The embedded control plane is not running.
    SettingsError
        An Azure environment has no subscription yet.
    """
    names = settings.names
    return _client(
        settings,
        home,
        resource_group_name=names.resource_group,
        workspace_name=names.workspace,
    )


def connect_registry(settings: Environment, home: Home) -> MLClient:
    """Return a client for the registry that all environments share."""
    return _client(settings, home, registry_name=settings.names.registry)


@contextlib.contextmanager
def visible_errors() -> Iterator[None]:
    """Pass on what the SDK prints to standard error, without colour codes and the empty lines around them.

    It prints both at every upload, also when it is told to show no progress.
    """
    with contextlib.redirect_stderr(io.StringIO()) as printed:
        try:
            yield
        finally:
            lines = _CONTROL.sub("", printed.getvalue()).splitlines()
    for line in filter(str.strip, lines):
        sys.stderr.write(f"{line}\n")


def _client(settings: Environment, home: Home, **scope: str) -> MLClient:
    from azure.ai.ml import MLClient  # noqa: PLC0415 - a second of import that most commands do not need

    # The SDK logs each download to standard error from its import on; warnings stay.
    logging.getLogger("azure.ai.ml").setLevel(logging.WARNING)
    if settings.control_plane == "embedded":
        connection = Connection.read(home)
        credential, options = _embedded(connection)
    else:
        credential, options = azure_credential(settings), {}
    return MLClient(
        credential,
        settings.azure.subscription_id,
        enable_telemetry=False,
        show_progress=False,
        **scope,
        **options,
    )


def azure_credential(settings: Environment) -> TokenCredential:
    """Return whoever is signed in to Azure, for an environment that lives there.

    Raises
    ------
    SettingsError
        The environment has no subscription yet.
    """
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - see _client

    if settings.azure.subscription_id == UNSET_ID:
        raise SettingsError(
            f"The environment {settings.name} has no subscription yet.",
            where=f"environments/base.yaml or environments/{settings.name}.yaml, azure.subscription_id",
            got=UNSET_ID,
            expected="the id of the subscription that the environment lives in",
            next_step="mlops init --subscription ID",
        )
    return DefaultAzureCredential(additionally_allowed_tenants=[settings.azure.tenant_id])


def _embedded(connection: Connection) -> tuple[TokenCredential, dict[str, Any]]:
    """Point the unchanged SDK at a loopback server.

    The SDK's HTTP stack takes the authority to trust from the environment alone, and composes the address
    of a storage account as ``https://<account>.blob.<suffix>``, which resolves to no loopback address:
    that one template is replaced. Nothing else of the SDK is touched.
    """
    from azure.ai.ml.constants import _common  # noqa: PLC0415 - see _client
    from azure.identity import ClientSecretCredential  # noqa: PLC0415

    os.environ["REQUESTS_CA_BUNDLE"] = connection.ca_bundle
    os.environ.pop("CURL_CA_BUNDLE", None)
    base = connection.base_url
    _common.STORAGE_ACCOUNT_URLS["AzureBlob"] = f"{base}/{{}}"
    credential = ClientSecretCredential(
        connection.tenant_id,
        connection.client_id,
        connection.client_secret,
        authority=base,
        disable_instance_discovery=True,
    )
    metadata = {
        "azure_portal": base,
        "resource_manager": base,
        "active_directory": base,
        "aml_resource_id": base,
        "storage_endpoint": "local",
        "registry_discovery_endpoint": f"{base}/",
    }
    # The SDK keeps one table of clouds per process: a name per address lets two instances live side by side.
    return credential, {"cloud": f"Embedded-{base.rsplit(':', 1)[-1]}", "cloud_metadata": metadata}
