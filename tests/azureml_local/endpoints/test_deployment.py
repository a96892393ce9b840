from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from azureml_local.endpoints.deployment import Collection, Probe, read_deployment, seconds
from azureml_local.errors import AzureError

if TYPE_CHECKING:
    from tests.azureml_local.endpoints.conftest import Workspace


def read(workspace: Workspace, **properties: Any) -> Any:
    deployment_id = workspace.add_deployment("blue", "/codes/c/versions/1", **properties)
    return read_deployment(workspace.store.require(deployment_id))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("PT10S", 10), ("PT0.5S", 0.5), ("PT1M30S", 90), ("PT2H", 7200), ("P1D", 86400), ("P1DT1S", 86401)],
)
def test_durations(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "P", "PT", "10", "10s", "PT5X", "P5S"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(AzureError, match="ISO 8601"):
        seconds(text)


def test_defaults_are_the_services(workspace: Workspace) -> None:
    deployment = read(workspace, requestSettings=None)
    assert deployment.liveness == deployment.readiness == Probe(10, 10, 2, 1, 30)
    assert deployment.readiness.patience == 310
    assert deployment.requests.timeout == 5
    assert deployment.max_pending == 2
    assert deployment.data.collections == {}


def test_given_settings_are_read(workspace: Workspace) -> None:
    deployment = read(
        workspace,
        readinessProbe={"initialDelay": "PT1S", "period": "PT2S", "timeout": "PT3S", "failureThreshold": 4},
        requestSettings={"requestTimeout": "PT0.2S", "maxConcurrentRequestsPerInstance": 3},
    )
    assert deployment.readiness == Probe(1, 2, 3, 1, 4)
    assert deployment.liveness == Probe()
    assert deployment.requests.timeout == 0.2
    assert deployment.max_pending == 6
    assert (deployment.endpoint, deployment.name) == ("price", "blue")


def test_instances_count_for_pending_requests(workspace: Workspace) -> None:
    deployment_id = workspace.add_deployment("blue", "c")
    workspace.store.update(deployment_id, lambda body: body.update(sku={"name": "Default", "capacity": 3}))
    assert read_deployment(workspace.store.require(deployment_id)).max_pending == 300


def test_only_enabled_collections_count(workspace: Workspace) -> None:
    data = read(
        workspace,
        collect={
            "rollingRate": "day",
            "collections": {
                "model_inputs": {"dataCollectionMode": "enabled", "samplingRate": 0.25, "dataId": "d"},
                "model_outputs": {"dataCollectionMode": "Disabled"},
                "request": {"dataCollectionMode": "Enabled", "samplingRate": None},
            },
        },
    ).data
    assert data.rolling_rate == "Day"
    assert data.custom == [Collection("model_inputs", 0.25, "d")]
    assert data.payload == {"request": Collection("request", 1.0, None)}


def test_a_deployment_without_scoring_script_is_refused(workspace: Workspace) -> None:
    with pytest.raises(AzureError, match="no code configuration") as refused:
        read(workspace, codeConfiguration=None)
    assert refused.value.target == "properties.codeConfiguration"


def test_a_deployment_without_environment_is_refused(workspace: Workspace) -> None:
    with pytest.raises(AzureError, match="no environment"):
        read(workspace, environmentId=None)
