"""Online endpoint and deployment of a use case, as azure-ai-ml entities; pure builders."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from azure.ai.ml.entities import (
    CodeConfiguration,
    DataCollector,
    DeploymentCollection,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    OnlineRequestSettings,
    ProbeSettings,
)

from mlops.errors import PipelineError
from pipelines.environments import serving_specification

if TYPE_CHECKING:
    from mlops.settings import Environment as Settings
    from mlops.usecase import UseCase

__all__ = ["deployment", "endpoint"]

ROOT: Final = Path(__file__).resolve().parents[1]
# What the scoring script collects; monitoring reads both.
COLLECTIONS: Final = ("model_inputs", "model_outputs")
_DIGEST_DIGITS: Final = 16


def endpoint(settings: Settings, usecase: UseCase) -> ManagedOnlineEndpoint:
    """Return the use case's endpoint in an environment, without deployments or traffic."""
    return ManagedOnlineEndpoint(
        name=settings.names.endpoint(usecase.name),
        description=usecase.title,
        auth_mode=settings.serving.auth_mode,
        public_network_access=settings.serving.public_network_access,
        tags={
            "project": settings.project.name,
            "environment": settings.name,
            "owner": settings.project.owner,
            "usecase": usecase.name,
        },
    )


def deployment(
    settings: Settings, usecase: UseCase, *, model: str, color: str, root: Path = ROOT
) -> ManagedOnlineDeployment:
    """Return a deployment that serves one model version.

    Two calls that differ in the colour alone have the same ``definition`` tag, by which a rollout knows
    what it has deployed already; any change of model, code, image or size changes it.

    Parameters
    ----------
    settings
        The environment to deploy to.
    usecase
        What is served.
    model
        ``azureml:<name>:<version>``, or the id of a registry's model.
    color
        Name of the deployment.
    root
        The repository's root.

    Raises
    ------
    PipelineError
        The use case's code folder or scoring script is missing.
    """
    serving = settings.serving
    image = serving_specification(root)
    code = _code(usecase, root)
    identity = {
        "usecase": usecase.name,
        "model": model.removeprefix("azureml:"),
        "environment": f"{image.name}:{image.version}",
        "code": _folder_digest(code),
    }
    sizes = {
        "scoring_script": usecase.serving.scoring_script,
        "instance_type": serving.instance_type,
        "instance_count": serving.instance_count,
        "max_concurrent_requests": serving.max_concurrent_requests,
        "request_timeout_ms": serving.request_timeout_ms,
        "sampling_rate": serving.sampling_rate,
    }
    return ManagedOnlineDeployment(
        name=color,
        endpoint_name=settings.names.endpoint(usecase.name),
        model=model,
        environment=image.reference,
        code_configuration=CodeConfiguration(code=str(code), scoring_script=usecase.serving.scoring_script),
        instance_type=serving.instance_type,
        instance_count=serving.instance_count,
        request_settings=OnlineRequestSettings(
            max_concurrent_requests_per_instance=serving.max_concurrent_requests,
            request_timeout_ms=serving.request_timeout_ms,
        ),
        # A model takes its time to load: ten minutes until the first answer, half a minute after it.
        liveness_probe=ProbeSettings(initial_delay=10, period=10, timeout=5, failure_threshold=60),
        readiness_probe=ProbeSettings(initial_delay=10, period=10, timeout=5, failure_threshold=3),
        data_collector=DataCollector(
            # Text, not a boolean: the service's schema wants the words.
            collections={name: DeploymentCollection(enabled="true") for name in COLLECTIONS},
            sampling_rate=serving.sampling_rate,
        ),
        app_insights_enabled=True,
        # Who a deployment may call is for the workspace's managed network to say. "disabled" here is the
        # older method, which a workspace with a managed network does not take.
        egress_public_network_access="enabled",
        tags={**identity, "definition": _text_digest(json.dumps({**identity, **sizes}, sort_keys=True))},
    )


def _code(usecase: UseCase, root: Path) -> Path:
    folder = root / usecase.serving.code
    script = folder / usecase.serving.scoring_script
    if not script.is_file():
        raise PipelineError(
            f"The use case {usecase.name} names a scoring script that is not there.",
            where=f"pipelines/{usecase.name}/usecase.yaml, serving",
            got=str(script),
            expected="a Python file with init() and run()",
            next_step="correct serving.code or serving.scoring_script",
        )
    return folder


def _folder_digest(folder: Path) -> str:
    """Digest the names and contents of a folder's files, without what Python caches beside them."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            name, content = path.relative_to(folder).as_posix(), path.read_bytes()
            digest.update(f"{len(name)} {name} {len(content)} ".encode() + content)
    return digest.hexdigest()[:_DIGEST_DIGITS]


def _text_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_DIGITS]
