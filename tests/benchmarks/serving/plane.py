"""A control plane in a process of its own with one model deployed twice: with collection and without.

``python -m tests.benchmarks.serving.plane HOME MODEL`` deploys, prints where to send requests as
one JSON line, and serves until its standard input closes.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from azureml_local.config import InstanceConfig, Runtime
from azureml_local.server import Server

if TYPE_CHECKING:
    from azureml_local.store import ResourceStore

ROOT = Path(__file__).parents[3]
WORKERS = 2


def add_deployment(store: ResourceStore, workspace: str, name: str, *, collect: bool) -> str:
    """Put a deployment into the store as the ARM routes would."""
    collections = {each: {"dataCollectionMode": "Enabled"} for each in ("model_inputs", "model_outputs")}
    deployment_id = f"{workspace}/onlineEndpoints/bench/deployments/{name}"
    properties = {
        "environmentId": f"{workspace}/environments/serving/versions/1",
        "codeConfiguration": {"codeId": f"{workspace}/codes/score/versions/1", "scoringScript": "score.py"},
        "model": f"{workspace}/models/model/versions/1",
        "requestSettings": {"maxConcurrentRequestsPerInstance": 100, "requestTimeout": "PT30S"},
        "environmentVariables": {"WORKER_COUNT": str(WORKERS), "COLLECT": "yes" if collect else "no"},
        "dataCollector": {"collections": collections} if collect else None,
    }
    store.put(deployment_id, {"properties": properties})
    return deployment_id


async def serve(home: Path, model: Path) -> None:
    """Deploy both, say so, and serve until standard input closes."""
    config = InstanceConfig(
        home=home,
        runtimes={"serving": Runtime("serving", ROOT / ".venv-serving" / "bin" / "python")},
    )
    server = Server(config)
    await server.start()
    store, blobs, host = server.plane.store, server.plane.blobs, server.plane.endpoints
    shutil.copytree(Path(__file__).parent / "model", blobs.path("score-code", "score"))
    shutil.copytree(model, blobs.path("score-model", "model"))
    workspace = config.workspace_id
    store.put(
        f"{workspace}/codes/score/versions/1", {"properties": {"codeUri": blobs.url("score-code", "score")}}
    )
    store.put(
        f"{workspace}/models/model/versions/1",
        {"properties": {"modelUri": blobs.url("score-model", "model")}},
    )
    endpoint = f"{workspace}/onlineEndpoints/bench"
    store.put(endpoint, {"properties": {"authMode": "Key", "traffic": {"collected": 100}}})
    deployments = {
        name: add_deployment(store, workspace, name, collect=name == "collected")
        for name in ("bare", "collected")
    }
    for deployment_id in deployments.values():
        await host.deploy(deployment_id)
    said = {
        "router": host.scoring_uri("bench"),
        "ca": str(server.connection()["ca_bundle"]),
        "key": host.credentials.keys(endpoint).primary,
        "bare": f"http://127.0.0.1:{host.port_of(deployments['bare'])}/score",
        "collected": f"http://127.0.0.1:{host.port_of(deployments['collected'])}/score",
    }
    print(json.dumps(said), flush=True)  # noqa: T201  # what the caller reads
    await asyncio.to_thread(sys.stdin.read)
    await server.close()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2])))
