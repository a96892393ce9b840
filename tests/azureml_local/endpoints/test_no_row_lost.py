"""Ten thousand requests through the router: every row that was scored is collected."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.azureml_local.endpoints.conftest import Workspace

FIXTURES = Path(__file__).with_name("fixtures")
CLIENT = FIXTURES / "numbered_requests.py"
REQUESTS = 10_000


@pytest.mark.e2e
def test_ten_thousand_requests_lose_no_collected_row(workspace: Workspace) -> None:
    endpoint = workspace.add_endpoint(traffic={"blue": 100})
    blue = workspace.add_deployment(
        "blue",
        workspace.add_code("linear", FIXTURES / "linear"),
        model=workspace.add_model(),
        environmentVariables={"WORKER_COUNT": "2", "AZUREML_LOG_LEVEL": "WARNING"},
        collect={
            "collections": {
                each: {"dataCollectionMode": "Enabled"} for each in ("model_inputs", "model_outputs")
            }
        },
    )

    async def main() -> str:
        async with workspace.serve() as (host, client):
            await host.deploy(blue)
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(CLIENT),
                f"{client.base_url}/endpoints/price/score",
                host.credentials.keys(endpoint).primary,
                str(REQUESTS),
                stdout=asyncio.subprocess.PIPE,
            )
            output, _ = await process.communicate()
            log = host.logs(blue, 100_000)
        assert "not collected" not in log
        return output.decode()

    statuses = json.loads(asyncio.run(main()))
    assert statuses == {"200": REQUESTS}
    expected = {f"request-{number}_0": float(2 * number + 1) for number in range(REQUESTS)}
    inputs = [row for line in workspace.lines("model_inputs") for row in line["data"]]
    outputs = [row for line in workspace.lines("model_outputs") for row in line["data"]]
    assert len(inputs) == len(outputs) == REQUESTS
    assert {row["correlationid"]: 2.0 * row["x"] + row["y"] for row in inputs} == expected
    assert {row["correlationid"]: row["prediction"] for row in outputs} == expected
