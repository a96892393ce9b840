"""Which api-version each resource type accepts, and ARM's three ways to refuse one."""

from __future__ import annotations

import re

from azureml_local.errors import AzureError

_WELL_FORMED = re.compile(r"\d{4}-\d{2}-\d{2}(-[a-z]+)?")
# Published versions of Microsoft.MachineLearningServices, oldest first (Azure/azure-rest-api-specs).
PUBLISHED = (
    "2020-03-01",
    "2020-08-01",
    "2021-01-01",
    "2021-03-01-preview",
    "2021-04-01",
    "2021-07-01",
    "2022-01-01-preview",
    "2022-02-01-preview",
    "2022-05-01",
    "2022-06-01-preview",
    "2022-10-01",
    "2022-10-01-preview",
    "2022-12-01-preview",
    "2023-02-01-preview",
    "2023-04-01",
    "2023-04-01-preview",
    "2023-06-01-preview",
    "2023-08-01-preview",
    "2023-10-01",
    "2024-01-01-preview",
    "2024-04-01",
    "2024-04-01-preview",
    "2024-07-01-preview",
    "2024-10-01",
    "2024-10-01-preview",
    "2025-01-01-preview",
    "2025-04-01",
    "2025-04-01-preview",
    "2025-06-01",
    "2025-07-01-preview",
    "2025-09-01",
    "2025-10-01-preview",
    "2025-12-01",
    "2026-01-15-preview",
)
# What the services behind ARM take at their own address: registries, and the jobs of batch endpoints.
DATA_PLANES = ("2021-10-01-dataplanepreview", "2020-09-01-dataplanepreview")
# The first version in which a type appeared in its present shape.
_SINCE = {
    "workspaces": "2020-03-01",
    "workspaces/computes": "2020-03-01",
    "workspaces/schedules": "2022-06-01-preview",
    "registries": "2022-10-01-preview",
}
_SINCE_DEFAULT = "2022-02-01-preview"
_REGISTRY_ASSETS_SINCE = "2022-10-01-preview"


def accepted(kind: str) -> tuple[str, ...]:
    """Return the versions that a resource type accepts, oldest first."""
    registry_asset = kind.startswith("registries/")
    since = _SINCE.get(kind, _REGISTRY_ASSETS_SINCE if registry_asset else _SINCE_DEFAULT)
    return PUBLISHED[PUBLISHED.index(since) :]


def check(version: str | None, kind: str, *, location: str, data_plane: bool = False) -> None:
    """Refuse a missing, malformed or unsupported api-version in ARM's words.

    Parameters
    ----------
    version
        Value of the query parameter ``api-version``.
    kind
        Resource type relative to the provider.
    location
        Azure region that ARM's message names.
    data_plane
        Whether the request came through the service's own address, which takes versions of its own.
    """
    if not version:
        raise AzureError(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    supported = accepted(kind)
    if version in supported or (data_plane and version in DATA_PLANES):
        return
    listed = ", ".join(reversed(supported))
    if not _WELL_FORMED.fullmatch(version):
        raise AzureError(
            400,
            "InvalidApiVersionParameter",
            f"The api-version '{version}' is invalid. The supported versions are '{listed}'.",
        )
    raise AzureError(
        400,
        "NoRegisteredProviderFound",
        f"No registered resource provider found for location '{location}' and API version '{version}' for "
        f"type '{kind}'. The supported api-versions are '{listed}'. "
        f"The supported locations are '{location}'.",
    )
