"""Batch deployments: an invocation becomes a pipeline job of one node, as on the service."""

from __future__ import annotations

import json
import shlex
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from azureml_local.arm import references
from azureml_local.errors import bad_request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from azureml_local.config import InstanceConfig
    from azureml_local.store import Resource, ResourceStore

_DRIVER: Final = Path(__file__).with_name("batch_driver.py")
NODE: Final = "batchscoring"
OUTPUT: Final = "score"


def job_body(
    store: ResourceStore,
    config: InstanceConfig,
    deployment_id: str,
    inputs: Mapping[str, Mapping[str, Any]],
    output_uri: str | None = None,
) -> dict[str, Any]:
    """Return the pipeline job that runs a batch deployment over its input.

    Parameters
    ----------
    deployment_id
        ARM id of the deployment.
    inputs
        The one input, by its name: ``{"jobInputType": "uri_folder", "uri": …}``.
    output_uri
        Where predictions go instead of the default place.

    Raises
    ------
    AzureError
        400 when there is not exactly one input of data, or the deployment lacks what it needs to run.
    """
    deployment = store.require(deployment_id)
    data = [value for value in inputs.values() if value.get("uri")]
    if len(data) != 1 or len(inputs) != 1:
        raise bad_request(
            "A batch deployment of a model takes exactly one input, of data.", target="inputData"
        )
    model_id = (deployment.properties.get("model") or {}).get("assetId")
    if not model_id:
        raise bad_request(f"The batch deployment '{deployment.name}' has no model.", target="model")
    model = references.require(store, config, model_id, "model")
    kind = data[0]["jobInputType"]
    component_id = _component(store, config, deployment, model, kind)
    output = {"jobOutputType": "uri_folder"} | ({"uri": output_uri} if output_uri else {})
    model_input = {"jobInputType": model.properties.get("modelType") or "custom_model", "uri": model.id}
    bound = {
        name: {"job_input_type": "literal", "value": f"${{{{parent.inputs.{name}}}}}"}
        for name in ("model", "data")
    }
    return {
        "properties": {
            "jobType": "Pipeline",
            "displayName": f"{deployment.id.split('/')[-3]}-{deployment.name}",
            "experimentName": deployment.id.split("/")[-3],
            "inputs": {"data": dict(data[0]), "model": model_input},
            "outputs": {OUTPUT: output},
            "jobs": {
                NODE: {
                    "type": "command",
                    "componentId": component_id,
                    "inputs": bound,
                    "outputs": {OUTPUT: {"type": "literal", "value": f"${{{{parent.outputs.{OUTPUT}}}}}"}},
                }
            },
            # An invocation is asked for its effect: equal data are scored again.
            "settings": {"force_rerun": True},
            # By these the SDK knows that predictions are the output `score` of the only child.
            "tags": {"azureml.batchrun": "true", "azureml.deploymentname": deployment.name},
            "properties": {},
            "isArchived": False,
        }
    }


def _component(
    store: ResourceStore, config: InstanceConfig, deployment: Resource, model: Resource, kind: str
) -> str:
    properties = deployment.properties
    code = properties.get("codeConfiguration") or {}
    if not code.get("codeId") and model.properties.get("modelType") != "mlflow_model":
        raise bad_request(
            f"The batch deployment '{deployment.name}' needs a scoring script: its model is not MLflow's.",
            target="codeConfiguration",
        )
    spec = {
        "type": "command",
        "name": f"batch_{deployment.name}",
        "command": _command(properties, code.get("scoringScript"), model),
        "code": code.get("codeId"),
        "environment": properties.get("environmentId") or _any_environment(store, config, deployment),
        "environment_variables": properties.get("environmentVariables") or {},
        "inputs": {
            "model": {"type": model.properties.get("modelType") or "custom_model"},
            "data": {"type": kind},
        },
        "outputs": {OUTPUT: {"type": "uri_folder"}},
    }
    version = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(spec, sort_keys=True))
    component_id = f"{config.workspace_id}/components/azureml_anonymous/versions/{version}"
    store.put(component_id, {"properties": {"componentSpec": spec, "isAnonymous": True, "isArchived": False}})
    return component_id


def _command(properties: Mapping[str, Any], script: str | None, model: Resource) -> str:
    retries = (properties.get("retrySettings") or {}).get("maxRetries")
    options = {
        "--model-name": model.properties["modelUri"].rstrip("/").rsplit("/", 1)[-1],
        "--script": script,
        "--mini-batch-size": properties.get("miniBatchSize"),
        "--error-threshold": properties.get("errorThreshold"),
        "--retries": retries,
        "--output-action": properties.get("outputAction"),
        "--output-file": properties.get("outputFileName"),
    }
    given = " ".join(
        f"{name} {shlex.quote(str(value))}" for name, value in options.items() if value is not None
    )
    return (
        f"python {shlex.quote(str(_DRIVER))} --model ${{{{inputs.model}}}} --data ${{{{inputs.data}}}} "
        f"--output ${{{{outputs.{OUTPUT}}}}} {given}"
    )


def _any_environment(store: ResourceStore, config: InstanceConfig, deployment: Resource) -> str:
    """Return the newest environment that has a runtime; the service builds one from the MLflow model."""
    for version in reversed(store.of_type("workspaces/environments/versions")):
        if version.id.split("/")[-3] in config.runtimes:
            return version.id
    raise bad_request(
        f"The batch deployment '{deployment.name}' has no environment, and none is registered to run it.",
        target="environmentId",
    )
