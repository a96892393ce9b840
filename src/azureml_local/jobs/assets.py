"""Finding what a job refers to: components, code, environments, and the data behind an input."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from azureml_local.arm import references
from azureml_local.errors import AzureError, bad_request
from azureml_local.jobs import components

if TYPE_CHECKING:
    from pathlib import Path

    from azureml_local.blobs import BlobStore
    from azureml_local.config import InstanceConfig
    from azureml_local.jobs.components import Component
    from azureml_local.store import Resource, ResourceStore

_JOB_OUTPUT: Final = re.compile(
    r"azureml://(?:.+?/)??jobs/(?P<job>[^/]+)/outputs/(?P<output>[^/]+)(?:/paths/(?P<path>.*)|/)?"
)
_ENVIRONMENT: Final = re.compile(
    r".*/environments/(?P<name>[^/]+)/versions/(?P<version>[^/]+)", re.IGNORECASE
)
# The name by which a job's default artifacts are addressed like an output.
_ARTIFACTS: Final = "artifacts"


class Assets:
    """Everything that a job may refer to, in the forms in which bodies do."""

    def __init__(self, store: ResourceStore, blobs: BlobStore, config: InstanceConfig) -> None:
        self._store = store
        self._blobs = blobs
        self._config = config

    def component(self, component_id: str, where: str) -> Component:
        """Return a component."""
        resource = self._require(component_id, where)
        return components.from_spec(resource.properties["componentSpec"], where)

    def check(self, component: Component, where: str) -> None:
        """Refuse code or an environment that does not exist."""
        self.environment(component.environment_id, where)
        if component.code_id:
            self._require(component.code_id, where)

    def environment(self, environment_id: str, where: str) -> tuple[str, str]:
        """Return name and version of an environment that exists."""
        match = _ENVIRONMENT.fullmatch(self._require(environment_id, where).id)
        if match is None:
            raise bad_request(f"{where}: '{environment_id}' is no version of an environment.")
        return match["name"], match["version"]

    def code(self, code_id: str) -> Path:
        """Return the file or folder of a code asset."""
        return self._stored(self._require(code_id, "code").properties["codeUri"])

    def data(self, uri: str, kind: str, where: str) -> Path:
        """Return the file or folder that an input's address means.

        Raises
        ------
        AzureError
            400 when it is of another type than `kind`, or nothing is stored there.
        """
        path = self._blobs.path(*self.locate(uri, kind, where))
        if not path.exists():
            raise bad_request(f"{where}: nothing is stored at '{uri}'.", code="NotFound", target=where)
        if path.is_dir() == (kind == components.FILE_TYPE):
            found = "folder" if path.is_dir() else "file"
            # A model may be a single file; every other folder type is a folder.
            if not (path.is_file() and kind in {"custom_model", "triton_model"}):
                raise bad_request(
                    f"{where}: '{uri}' is a {found}, which is not of type '{kind}'.", target=where
                )
        return path

    def locate(self, uri: str, kind: str, where: str) -> tuple[str, str]:
        """Return container and path of an address, of any of the forms that an input may have."""
        if uri.startswith(("azureml://datastores/", "https://", "http://")) or "/datastores/" in uri:
            return self._blobs.locate(uri)
        if match := _JOB_OUTPUT.fullmatch(uri):
            return self._job_output(match["job"], match["output"], match["path"] or "", where)
        resource = self._require(uri, where)
        properties = resource.properties
        produced = properties.get("dataType") or properties.get("modelType")
        port = components.InputPort(where, kind)
        if produced and not port.accepts(produced):
            raise bad_request(
                f"{where}: expected '{kind}', but '{uri}' is of type '{produced}'.", target=where
            )
        address = properties.get("dataUri") or properties.get("modelUri")
        if not address:
            raise bad_request(f"{where}: '{uri}' is neither data nor a model.", target=where)
        return self.locate(address, kind, where)

    def _job_output(self, job: str, output: str, path: str, where: str) -> tuple[str, str]:
        if output == _ARTIFACTS:
            container, prefix = self._blobs.locate(artifacts_uri(job))
        else:
            resource = self._require(f"{self._config.workspace_id}/jobs/{job}", where)
            uri = ((resource.properties.get("outputs") or {}).get(output) or {}).get("uri")
            if not uri:
                raise bad_request(f"{where}: the job '{job}' has no output '{output}'.", target=where)
            container, prefix = self._blobs.locate(uri)
        return container, "/".join(part for part in (prefix, path.strip("/")) if part)

    def _stored(self, uri: str) -> Path:
        path = self._blobs.resolve(uri)
        if not path.exists():
            raise AzureError(400, "NotFound", f"Nothing is stored at '{uri}'.")
        return path

    def _require(self, reference: str, where: str) -> Resource:
        return references.require(self._store, self._config, reference, where)


def artifacts_uri(run_id: str) -> str:
    """Return where the logs of a run are kept when it has ended."""
    return f"azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.{run_id}"
