"""What Azure refuses, with Azure's status, code and shape of error; each case is one raw request."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from azureml_local.testing import Reply, RunningServer

ENDPOINT = {
    "location": "westeurope",
    "identity": {"type": "SystemAssigned"},
    "properties": {"authMode": "Key"},
}
MONITOR = {
    "computeConfiguration": {
        "computeType": "ServerlessSpark",
        "computeIdentity": {"computeIdentityType": "AmlToken"},
        "instanceType": "standard_e4s_v3",
        "runtimeVersion": "3.4",
    },
    "signals": {
        "quality": {
            "signalType": "DataQuality",
            "metricThresholds": [
                {"dataType": "Numerical", "metric": "NullValueRate", "threshold": {"value": 0.1}}
            ],
            "productionData": {
                "inputDataType": "Fixed",
                "jobInputType": "mltable",
                "uri": "azureml:in:1",
            },
            "referenceData": {"inputDataType": "Fixed", "jobInputType": "mltable", "uri": "azureml:in:1"},
        }
    },
}
CRON = {"triggerType": "Cron", "expression": "0 3 * * *"}


@pytest.fixture(scope="module")
def world(server: RunningServer) -> RunningServer:
    """An endpoint with two deployments and what they refer to; the deployments do not run."""

    async def nothing(deployment_id: str) -> None:
        return None

    server.plane.endpoints.deploy, started = nothing, server.plane.endpoints.deploy  # type: ignore[method-assign]
    put(server, "environments/refusal/versions/1", {"properties": {"image": "python:3.11"}})
    put(server, "codes/refusal/versions/1", {"properties": {"codeUri": "https://x/y"}})
    put(server, "models/refusal/versions/1", {"properties": {"modelUri": "azureml://datastores/a/paths/b"}})
    put(server, "onlineEndpoints/refusals", ENDPOINT)
    for name in ("blue", "green"):
        put(server, f"onlineEndpoints/refusals/deployments/{name}", deployment(server))
    put(server, "onlineEndpoints/refusals", with_traffic({"blue": 100}, {"green": 10}))
    server.plane.endpoints.deploy = started  # type: ignore[method-assign]
    return server


def put(server: RunningServer, path: str, body: dict[str, Any]) -> Reply:
    """PUT and wait until nothing is under way."""
    reply = server.request("PUT", path, body)
    assert reply.status in (200, 201), reply
    if "azure-asyncoperation" in reply.headers:
        address = reply.headers["azure-asyncoperation"].removeprefix(server.plane.base_url)
        for _ in range(200):
            operation = server.request("GET", address, api_version=None).body
            if operation["status"] != "InProgress":
                assert operation["status"] == "Succeeded", operation
                break
    return reply


def deployment(server: RunningServer, **changes: Any) -> dict[str, Any]:
    """Return a good deployment with changes by dotted path."""
    workspace = server.config.workspace_id
    body: dict[str, Any] = {
        "location": "westeurope",
        "sku": {"name": "Default", "capacity": 1},
        "properties": {
            "endpointComputeType": "Managed",
            "model": f"{workspace}/models/refusal/versions/1",
            "environmentId": f"{workspace}/environments/refusal/versions/1",
            "codeConfiguration": {
                "codeId": f"{workspace}/codes/refusal/versions/1",
                "scoringScript": "score.py",
            },
            "instanceType": "Standard_DS3_v2",
        },
    }
    for path, value in changes.items():
        target = body
        *parents, leaf = path.split("__")
        for parent in parents:
            target = target.setdefault(parent, {})
        target[leaf] = value
    return body


def with_traffic(traffic: Any, mirror: Any = None) -> dict[str, Any]:
    properties = {"authMode": "Key", "traffic": traffic, "mirrorTraffic": mirror or {}}
    return ENDPOINT | {"properties": properties}


def schedule(trigger: Any, monitor: Any = MONITOR) -> dict[str, Any]:
    return {
        "properties": {
            "trigger": trigger,
            "action": {"actionType": "CreateMonitor", "monitorDefinition": monitor},
        }
    }


SHAPES = [
    ("unknown field", {**ENDPOINT, "colour": "red"}, "Could not find member 'colour'"),
    (
        "unknown nested field",
        {**ENDPOINT, "properties": {"authMode": "Key", "trafic": {}}},
        "Could not find member 'trafic' on object of type 'OnlineEndpointProperties'",
    ),
    ("missing properties", {"location": "westeurope"}, "The properties field is required"),
    ("missing location", {"properties": {"authMode": "Key"}}, "The location field is required"),
    ("missing mode", {"location": "x", "properties": {}}, "The authMode field is required"),
    ("wrong enum", {"location": "x", "properties": {"authMode": "None"}}, "to type 'EndpointAuthMode'"),
    ("wrong type", {"location": "x", "properties": []}, "type array to type 'OnlineEndpointProperties'"),
    ("text for number", with_traffic({"blue": "100"}), "type string to type 'integer'"),
    ("number with fraction", with_traffic({"blue": 99.5}), "type number to type 'integer'"),
    ("null for number", with_traffic({"blue": None}), "type null to type 'integer'"),
    ("boolean for number", with_traffic({"blue": True}), "type boolean to type 'integer'"),
    ("body is a list", [], "type array"),
    ("no body", None, "type null"),
]


@pytest.mark.parametrize(("body", "message"), [case[1:] for case in SHAPES], ids=[case[0] for case in SHAPES])
def test_body_must_have_the_published_shape(world: RunningServer, body: Any, message: str) -> None:
    reply = world.request("PUT", "onlineEndpoints/refusals", body)
    assert (reply.status, reply.code) == (400, "BadRequest")
    assert message in reply.message
    assert reply.body["error"]["details"][0]["target"] is not None
    assert set(reply.body["error"]) == {"code", "message", "target", "details", "additionalInfo"}


TRAFFIC = [
    ("sum below", {"blue": 50}, {}, "sum to 50"),
    ("sum above", {"blue": 100, "green": 20}, {}, "sum to 120"),
    ("unknown deployment", {"red": 100}, {}, "'red', which does not exist. Known: blue, green"),
    ("negative", {"blue": 110, "green": -10}, {}, "expected 0 to 100"),
    ("mirror above half", {"blue": 100}, {"green": 51}, "at most 50"),
    ("mirror to unknown", {"blue": 100}, {"red": 10}, "'red', which does not exist"),
    ("mirror to one with traffic", {"blue": 100}, {"blue": 10}, "receives 100 % of the live traffic"),
    ("mirror to two", {"blue": 0}, {"blue": 10, "green": 10}, "mirrored to one deployment"),
]


@pytest.mark.parametrize(
    ("traffic", "mirror", "message"), [case[1:] for case in TRAFFIC], ids=[case[0] for case in TRAFFIC]
)
def test_impossible_traffic_is_refused_and_changes_nothing(
    world: RunningServer, traffic: Any, mirror: Any, message: str
) -> None:
    before = world.request("GET", "onlineEndpoints/refusals").body
    reply = world.request("PUT", "onlineEndpoints/refusals", with_traffic(traffic, mirror))
    assert (reply.status, reply.code) == (400, "UserError")
    assert message in reply.message
    assert world.request("GET", "onlineEndpoints/refusals").body == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sku__capacity": 0}, "'sku.capacity' is out of range"),
        ({"properties__requestSettings": {"requestTimeout": "PT5M"}}, "at most 3 minutes"),
        ({"properties__requestSettings": {"requestTimeout": "5 s"}}, "Could not convert string to duration"),
        ({"properties__requestSettings": {"maxConcurrentRequestsPerInstance": 0}}, "at least 1"),
        ({"properties__livenessProbe": {"failureThreshold": 0}}, "at least 1"),
        (
            {
                "properties__dataCollector": {
                    "collections": {"in": {"dataCollectionMode": "Enabled", "samplingRate": 50}}
                }
            },
            "'properties.dataCollector.collections.in.samplingRate' is out of range: expected 0 to 1",
        ),
        ({"properties__dataCollector": {"collections": {}, "rollingRate": "Century"}}, "RollingRateType"),
        ({"properties__dataCollector": {"rollingRate": "Hour"}}, "The collections field is required"),
        ({"properties__model": "/subscriptions/x/models/gone/versions/1"}, "was not found"),
        ({"properties__environmentId": "azureml:gone:1"}, "was not found"),
        ({"properties__codeConfiguration": {"scoringScript": "score.py", "codeId": "/x"}}, "was not found"),
        ({"properties__codeConfiguration": {"codeId": "/x"}}, "The scoringScript field is required"),
        ({"properties__endpointComputeType": "Kubernetes"}, "not supported by the embedded control plane"),
        ({"properties__endpointComputeType": "Mainframe"}, "Expected one of: "),
    ],
)
def test_bad_deployments_are_refused(world: RunningServer, changes: dict[str, Any], message: str) -> None:
    body = deployment(world, **changes)
    reply = world.request("PUT", "onlineEndpoints/refusals/deployments/red", body)
    assert reply.status == 400
    assert message in reply.message
    assert world.request("GET", "onlineEndpoints/refusals/deployments/red").status == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("onlineEndpoints/-bad", ENDPOINT),
        ("onlineEndpoints/ab", ENDPOINT),
        (f"onlineEndpoints/{'a' * 33}", ENDPOINT),
        ("onlineEndpoints/under_score", ENDPOINT),
        ("models/-m/versions/1", {"properties": {"modelUri": "azureml://datastores/a/paths/b"}}),
        ("models/m/versions/one", {"properties": {"modelUri": "azureml://datastores/a/paths/b"}}),
        ("models/m/versions/0", {"properties": {"modelUri": "azureml://datastores/a/paths/b"}}),
        ("environments/a.b/versions/1", {"properties": {"image": "x"}}),
        ("environments/ok/versions/-1", {"properties": {"image": "x"}}),
        ("schedules/a%20b", schedule(CRON)),
    ],
)
def test_bad_names_are_refused(world: RunningServer, path: str, body: dict[str, Any]) -> None:
    reply = world.request("PUT", path, body)
    assert (reply.status, reply.code) == (400, "UserError")
    assert reply.body["error"]["target"] == "name"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (schedule({"triggerType": "Cron", "expression": "0 25 * * *"}), "The hour of the cron expression"),
        (schedule({"triggerType": "Cron", "expression": "daily"}), "has 1 fields; expected 5"),
        (schedule({"triggerType": "Cron"}), "The expression field is required"),
        (schedule({"triggerType": "Cron", "expression": "0 3 * * *", "timeZone": "Mars/Base"}), "time zone"),
        (schedule({"triggerType": "Recurrence", "frequency": "Day", "interval": 0}), "at least 1"),
        (schedule({"triggerType": "Recurrence", "frequency": "Eon", "interval": 1}), "RecurrenceFrequency"),
        (schedule(CRON, MONITOR | {"signals": {}}), "at least one signal"),
        (
            schedule(
                CRON, MONITOR | {"monitoringTarget": {"taskType": "Classification", "deploymentId": "a:b"}}
            ),
            "was not found",
        ),
        (
            schedule(
                CRON,
                MONITOR
                | {"alertNotificationSettings": {"emailNotificationSettings": {"emails": ["nobody"]}}},
            ),
            "'nobody' is not an e-mail address",
        ),
        (
            schedule(CRON, MONITOR | {"signals": {"s": {"signalType": "Vibes"}}}),
            "to type 'MonitoringSignalBase'",
        ),
    ],
)
def test_bad_schedules_are_refused(world: RunningServer, body: dict[str, Any], message: str) -> None:
    reply = world.request("PUT", "schedules/refusal", body)
    assert reply.status == 400
    assert message in reply.message


def test_a_good_schedule_passes(world: RunningServer) -> None:
    put(world, "schedules/good", schedule(CRON))
    assert world.request("GET", "schedules/good").body["properties"]["isEnabled"] is True
    kept = world.request("DELETE", "schedules/good")
    assert (kept.status, kept.code) == (400, "UserError")
    put(world, "schedules/good", {"properties": schedule(CRON)["properties"] | {"isEnabled": False}})
    assert world.request("DELETE", "schedules/good").status == 202


@pytest.mark.parametrize(
    ("version", "code"),
    [
        (None, "MissingApiVersionParameter"),
        ("yesterday", "InvalidApiVersionParameter"),
        ("2019-01-01", "NoRegisteredProviderFound"),
        ("2021-10-01-dataplanepreview", "NoRegisteredProviderFound"),
    ],
)
def test_api_version_is_checked(server: RunningServer, version: str | None, code: str) -> None:
    reply = server.request("GET", "models", api_version=version)
    assert (reply.status, reply.code) == (400, code)


def test_a_version_before_the_type_existed_is_refused(server: RunningServer) -> None:
    assert server.request("GET", "", api_version="2021-01-01").status == 200
    reply = server.request("GET", "schedules", api_version="2022-05-01")
    assert reply.code == "NoRegisteredProviderFound"
    assert "for type 'workspaces/schedules'" in reply.message


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("jobs/gone", 404, "ResourceNotFound"),
        ("toasters/1", 404, "InvalidResourceType"),
        ("onlineEndpoints/gone/deployments", 404, "ParentResourceNotFound"),
        ("/subscriptions/none/resourceGroups/r/providers/Microsoft.MachineLearningServices/workspaces/w", 404,
         "SubscriptionNotFound"),
        ("/nowhere", 404, "NotFound"),
    ],
)  # fmt: skip
def test_what_is_not_there(server: RunningServer, path: str, status: int, code: str) -> None:
    reply = server.request("GET", path)
    assert (reply.status, reply.code) == (status, code)


def test_other_groups_and_workspaces_are_not_there(server: RunningServer) -> None:
    workspace = server.config.workspace_id
    group = server.request("GET", workspace.replace(server.config.resource_group, "rg-other"))
    assert (group.status, group.code) == (404, "ResourceGroupNotFound")
    other = server.request("GET", f"{workspace.rsplit('/', 1)[0]}/other/jobs")
    assert (other.status, other.code) == (404, "ResourceNotFound")
    assert "workspaces/other" in other.message


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "models/refusal/versions/1"),
        ("DELETE", "computes/cpu-cluster"),
        ("PUT", ""),
        ("GET", "jobs/x/cancel/y"),
    ],
)
def test_verbs_that_a_type_does_not_have(world: RunningServer, method: str, path: str) -> None:
    assert world.request(method, path, {}).status in (404, 405)


def test_content_that_is_not_json(server: RunningServer) -> None:
    reply = server.request("PUT", "onlineEndpoints/refusals", b"{nope")
    assert (reply.status, reply.code) == (400, "InvalidRequestContent")


def test_what_cannot_change(world: RunningServer) -> None:
    mode = copy.deepcopy(ENDPOINT) | {"properties": {"authMode": "AMLToken", "traffic": {"blue": 100}}}
    assert "cannot change" in world.request("PUT", "onlineEndpoints/refusals", mode).message
    moved = with_traffic({"blue": 100}) | {"location": "eastus"}
    reply = world.request("PUT", "onlineEndpoints/refusals", moved)
    assert (reply.status, reply.code) == (409, "InvalidResourceLocation")


def test_a_deployment_with_traffic_stays(world: RunningServer) -> None:
    for name, split in (
        ("blue", "100 % of the endpoint's traffic"),
        ("green", "10 % of the endpoint's mirror"),
    ):
        reply = world.request("DELETE", f"onlineEndpoints/refusals/deployments/{name}")
        assert reply.status == 400
        assert split in reply.message
        assert world.request("GET", f"onlineEndpoints/refusals/deployments/{name}").status == 200


def test_names_are_compared_without_case(world: RunningServer) -> None:
    reply = world.request("GET", "ONLINEENDPOINTS/Refusals")
    assert reply.status == 200
    assert reply.body["name"] == "refusals"
