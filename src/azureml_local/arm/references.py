"""References between resources, in the forms that bodies use them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from azureml_local.errors import bad_request

if TYPE_CHECKING:
    from azureml_local.config import InstanceConfig
    from azureml_local.store import Resource, ResourceStore

_DATASTORE_URI = re.compile(
    r"azureml://(subscriptions/[^/]+/resourcegroups/[^/]+/"
    r"(providers/Microsoft.MachineLearningServices/)?workspaces/[^/]+/)?(?P<path>datastores/.+)",
    re.IGNORECASE,
)
_JOB_OUTPUT_URI = re.compile(
    r"azureml://jobs/(?P<job>[^/]+)/outputs/(artifacts/)?(?P<output>[^/]+)/?(paths/)?(?P<rest>.+)?"
)
_REGISTRY_URI = re.compile(r"azureml://registries/(?P<registry>[^/]+)/(?P<rest>.+)")


def arm_id(reference: str, config: InstanceConfig) -> str:
    """Return the ARM id that a reference means.

    Parameters
    ----------
    reference
        An ARM id, with or without the prefix ``azureml:``, or ``azureml://registries/<r>/<type>/<name>/…``.
    """
    match = _REGISTRY_URI.fullmatch(reference)
    if match:
        root = config.registry_id.rsplit("/", 1)[0]
        return f"{root}/{match['registry']}/{match['rest']}"
    return reference.removeprefix("azureml:")


def job_output_uri(store: ResourceStore, config: InstanceConfig, uri: str) -> str:
    """Return where a job wrote what ``azureml://jobs/<job>/outputs/<name>`` names; other URIs as they are.

    Raises
    ------
    AzureError
        The job or its output does not exist, or the job has not written it yet.
    """
    match = _JOB_OUTPUT_URI.fullmatch(uri)
    if match is None:
        return uri
    job = store.require(f"{config.workspace_id}/jobs/{match['job']}")
    output = (job.properties.get("outputs") or {}).get(match["output"]) or {}
    if not output.get("uri") or job.properties.get("status") != "Completed":
        status = job.properties.get("status")
        raise bad_request(f"The job '{match['job']}' ({status}) has no output '{match['output']}'.")
    rest = match["rest"] or ""
    return f"{output['uri'].rstrip('/')}/{rest}" if rest else str(output["uri"])


def long_datastore_uri(uri: str, workspace_id: str) -> str:
    """Return the form in which the service keeps a path of a workspace's datastore: from the subscription on.

    Anything else is returned as it is.
    """
    match = _DATASTORE_URI.fullmatch(uri)
    if match is None:
        return uri
    _, _, subscription, _, group, *_, workspace = workspace_id.split("/")
    return f"azureml://subscriptions/{subscription}/resourcegroups/{group}/workspaces/{workspace}/{match['path']}"


def require(store: ResourceStore, config: InstanceConfig, reference: str, target: str) -> Resource:
    """Return the resource that a body refers to.

    Raises
    ------
    AzureError
        400 when there is none: the body is wrong, not the path.
    """
    identifier = arm_id(reference, config)
    found = store.get(identifier) if identifier.startswith("/") else None
    if found is None:
        raise bad_request(
            f"The referenced resource '{reference}' was not found. Create it, or correct the reference.",
            target=target,
        )
    return found
