"""What an ARM path names: a resource, a collection, or an action on a resource."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from azureml_local.errors import AzureError
from azureml_local.store import PROVIDER

if TYPE_CHECKING:
    from collections.abc import Iterable

REGISTRY_DATA_PLANE = "/mferp/managementfrontend"


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed path.

    ``id`` is in the casing of the published paths and has no action; ``names`` are the resource names
    from the outermost to the innermost; ``name`` is empty for a collection.
    """

    id: str
    kind: str
    subscription_id: str
    resource_group: str
    names: tuple[str, ...]
    name: str
    action: str
    data_plane: bool

    @property
    def is_collection(self) -> bool:
        """Whether the path ends with a type instead of a name."""
        return not self.name

    @property
    def parent_id(self) -> str:
        """Id of the resource that holds this one, or an empty text for a top-level one."""
        steps = 1 if self.is_collection else 2
        parent = self.id.rsplit("/", steps)[0]
        return "" if parent.lower().endswith(PROVIDER.lower()) else parent


def parse(path: str, kinds: Iterable[str], actions: Iterable[str]) -> Target:
    """Parse the path of an ARM request.

    Parameters
    ----------
    path
        Decoded path of the URL.
    kinds
        Resource types that exist, as published (``workspaces/jobs``).
    actions
        Names that may end a path, as published (``listKeys``).

    Raises
    ------
    AzureError
        404 ``InvalidResourceType`` or ``ResourceNotFound`` for what ARM does not know.
    """
    parts = path.removeprefix(REGISTRY_DATA_PLANE).strip("/").split("/")
    lower = [part.lower() for part in parts]
    if len(parts) < 7 or lower[:5:2] != ["subscriptions", "resourcegroups", "providers"]:
        raise AzureError(404, "NotFound", f"No such path: '{path}'.")
    if lower[5] != PROVIDER.lower():
        raise AzureError(404, "InvalidResourceNamespace", f"The resource namespace '{parts[5]}' is invalid.")
    below = parts[6:]
    by_lower = {kind.lower(): kind for kind in kinds}
    actions_by_lower = {action.lower(): action for action in actions}
    action = ""
    kind = "/".join(below[::2])
    if kind.lower() not in by_lower and below[-1].lower() in actions_by_lower:
        action = actions_by_lower[below[-1].lower()]
        below = below[:-1]
        kind = "/".join(below[::2])
    published = by_lower.get(kind.lower())
    if published is None:
        raise AzureError(
            404,
            "InvalidResourceType",
            f"The resource type '{kind}' could not be found in the namespace '{PROVIDER}'.",
        )
    names = tuple(below[1::2])
    types = published.split("/")
    segments = [
        segment for index, kind_part in enumerate(types) for segment in (kind_part, *names[index : index + 1])
    ]
    is_collection = len(names) < len(types)
    return Target(
        id=f"/subscriptions/{parts[1]}/resourceGroups/{parts[3]}/providers/{PROVIDER}/{'/'.join(segments)}",
        kind=published,
        subscription_id=parts[1],
        resource_group=parts[3],
        names=names,
        name="" if is_collection else names[-1],
        action=action,
        data_plane=path.startswith(REGISTRY_DATA_PLANE),
    )
