"""Programs run in this process under Pulumi's mocks, over settings that a test has edited.

The graphs are those of the engine, save that mocks know no transforms and no dependencies through a
subprocess: a second per variant, where the engine takes several.
"""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.runtime import mocks, settings
from pulumi.runtime.stack import run_in_stack
from pulumi.runtime.sync_await import _sync_await

from infra.engine import ResourceState
from infra.engine.azure_native import AzureNativeProvider
from infra.engine.properties import from_struct
from infra.mlops_infra.zones import zones_for
from mlops.settings import ROOT

Declare = Callable[..., dict[str, ResourceState]]
ZERO = "00000000-0000-0000-0000-000000000000"
SHARED = f"/subscriptions/{ZERO}/resourceGroups/rg-mlops-shared/providers"
PLATFORM = {
    "version": 1,
    "resourceGroup": "rg-mlops-shared",
    "logAnalyticsId": f"{SHARED}/Microsoft.OperationalInsights/workspaces/log-mlops-shared",
    "registryId": f"{SHARED}/Microsoft.MachineLearningServices/registries/mlr-mlops",
    "actionGroupIds": {
        owner: f"{SHARED}/Microsoft.Insights/actionGroups/ag-mlops-shared-{owner}"
        for owner in ("ml-platform", "data-science")
    },
    "privateLinkScopeId": f"{SHARED}/Microsoft.Insights/privateLinkScopes/pls-mlops-shared",
    "privateZoneIds": {
        zone: f"{SHARED}/Microsoft.Network/privateDnsZones/{zone}" for zone in zones_for(monitor=True)
    },
}

HUB = "/subscriptions/s/resourceGroups/hub/providers/Microsoft.Network/virtualNetworks/hub"
BYO: dict[str, Any] = {
    "network": {
        "profile": "byo",
        "address_space": "10.80.0.0/22",
        "subnets": {
            "private_endpoints": "10.80.0.0/24",
            "runners": "10.80.1.0/24",
            "training": "10.80.2.0/24",
        },
        "hub": {"virtual_network_id": HUB, "address_spaces": ["10.0.0.0/16"]},
    },
    "images": {"sku": "Premium"},
}
CUSTOMER_KEY = {"encryption": {"keys": "customer"}}
SCOPED = {"platform": {"private_link_scope": True}}


def of(graph: dict[str, ResourceState], kind: str) -> dict[str, Any]:
    return {item.name: item.inputs for key, item in graph.items() if key.startswith(f"{kind}::")}


class _Azure(mocks.Mocks):
    """Answers with the ids and outputs of the engine's stand-in for Azure."""

    def __init__(self) -> None:
        self.provider = AzureNativeProvider(ZERO, ZERO, "westeurope")

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        if args.typ == "pulumi:pulumi:StackReference":
            return args.name, {"name": args.name, "outputs": {"contract": PLATFORM}, "secretOutputNames": []}
        if not args.typ.startswith("azure-native:"):
            return args.name, dict(args.inputs)
        return self.provider.create(args.typ, args.name, args.inputs)

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        return {}, None


class _Recorder(mocks.MockMonitor):
    """Keeps what was declared, and refuses what the engine refuses: the same URN twice."""

    def __init__(self) -> None:
        super().__init__(_Azure())
        self.declared: dict[str, ResourceState] = {}

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        response = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        if request.type.startswith("azure-native:"):
            key = f"{request.type.removeprefix('azure-native:')}::{request.name}"
            assert key not in self.declared, f"declared twice: {key}"
            self.declared[key] = ResourceState(
                urn=response.urn,
                type=request.type,
                name=request.name,
                custom=True,
                id=response.id,
                inputs=from_struct(request.object),
                protect=bool(request.protect),
                ignore_changes=tuple(request.ignoreChanges),
            )
        return response


def _over(base: Mapping[str, Any], edit: Mapping[str, Any]) -> dict[str, Any]:
    both = {key for key in edit if isinstance(base.get(key), dict) and isinstance(edit[key], dict)}
    return {**base, **edit, **{key: _over(base[key], edit[key]) for key in both}}


@pytest.fixture(scope="session")
def declare(tmp_path_factory: pytest.TempPathFactory) -> Declare:
    """Return a function that runs a program over edited settings and returns what it declares.

    `edit` is laid over the environment's own file and `base` over what all share; `replace` replaces
    whole sections of the former.

    The same question is answered once: a program is run per distinct edit, not per test.
    """
    root = tmp_path_factory.mktemp("settings")
    answers: dict[str, dict[str, ResourceState]] = {}

    def run(
        stack: str,
        edit: Mapping[str, Any] | None = None,
        *,
        replace: Mapping[str, Any] | None = None,
        config: Mapping[str, str] | None = None,
        base: Mapping[str, Any] | None = None,
    ) -> dict[str, ResourceState]:
        question = repr((stack, edit, replace, config, base))
        if question in answers:
            return answers[question]
        folder = root / "environments"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for path in (ROOT / "environments").glob("*.yaml"):
            shutil.copy(path, folder)
        target = folder / f"{stack if stack in {'dev', 'staging', 'prod'} else 'base'}.yaml"
        data = _over(yaml.safe_load(target.read_text("utf-8")), edit or {}) | dict(replace or {})
        target.write_text(yaml.safe_dump(data), "utf-8")
        if base:
            shared = folder / "base.yaml"
            shared.write_text(yaml.safe_dump(_over(yaml.safe_load(shared.read_text("utf-8")), base)), "utf-8")
        first = not answers
        answers[question] = _declared(stack, root, config or {})
        if first:
            # The SDK is imported by now. A run leaves a hundred thousand objects to be collected, and
            # looking for them among what stays takes as long as the run.
            gc.collect()
            gc.freeze()
        return answers[question]

    return run


def _declared(stack: str, root: Path, config: Mapping[str, str]) -> dict[str, ResourceState]:
    if stack == "shared":
        from infra.platform.program import build

        project = "mlops-platform"
    else:
        from infra.workload.program import build

        project = "mlops-workload"
    recorder = _Recorder()
    mocks.set_mocks(_Azure(), project=project, stack=stack, monitor=recorder, organization="organization")
    settings.set_root_resource(None)  # type: ignore[arg-type]
    pulumi.runtime.set_all_config({f"{project}:root": str(root), **config})
    gc.disable()  # as in each program's __main__.py
    try:
        with pytest.MonkeyPatch.context() as patch:
            # As in the engine's host: former names are most of a run, and nothing here reads them.
            patch.setattr("pulumi.resource.collapse_alias_to_urn", lambda *_: "")
            patch.setattr("pulumi.runtime.resource.all_aliases", lambda *_: [])
            _sync_await(run_in_stack(build))
    finally:
        settings.set_root_resource(None)  # type: ignore[arg-type]
        gc.enable()
    return recorder.declared
