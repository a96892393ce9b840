"""Every kind of request that the pinned SDK sends in scope, against the control plane, held to a snapshot.

The snapshot is ``request_sequences.txt``: one paragraph an SDK call, one line a request with its path in
normal form, api-version and status. A request that is repeated (polls, above all) is shown once.
"""

from __future__ import annotations

import difflib
import importlib.metadata
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from azure.ai.ml import Input, Output, command, dsl, load_component
from azure.ai.ml.entities import (
    AlertNotification,
    AzureBlobDatastore,
    BatchEndpoint,
    BatchRetrySettings,
    CodeConfiguration,
    CronTrigger,
    Data,
    DataCollector,
    DataDriftMetricThreshold,
    DataDriftSignal,
    DeploymentCollection,
    Environment,
    JobSchedule,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
    ModelBatchDeployment,
    ModelBatchDeploymentSettings,
    MonitorDefinition,
    MonitoringTarget,
    MonitorSchedule,
    NumericalDriftMetrics,
    ServerlessSparkCompute,
)
from azure.ai.ml.exceptions import MlException

from azureml_local.config import InstanceConfig, Runtime
from azureml_local.testing import RunningServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SNAPSHOT = Path(__file__).with_name("request_sequences.txt")
SDK_VERSION = "1.35.2"
_TOKEN_PATHS = ("/oauth2/", "/.well-known/")


class Recorder:
    """Runs SDK calls and writes down what each one sent."""

    def __init__(self, server: RunningServer) -> None:
        self._log = server.plane.requests
        self.paragraphs: list[str] = []

    def call(self, name: str, function: Callable[[], Any]) -> Any:
        self._log.clear()
        result = function()
        lines = [str(record) for record in self._log.records()]
        # Tokens are fetched whenever none is cached: not part of an operation.
        sent = dict.fromkeys(line for line in lines if not any(part in line for part in _TOKEN_PATHS))
        self.paragraphs.append("\n".join([name, *(f"  {line}" for line in sent)]))
        return result

    def text(self) -> str:
        header = f"# Requests of azure-ai-ml {importlib.metadata.version('azure-ai-ml')}\n\n"
        return header + "\n\n".join(self.paragraphs) + "\n"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """An instance of its own: what was uploaded before would change what is sent."""
    config = InstanceConfig(
        home=tmp_path_factory.mktemp("sequences"),
        runtimes={"training": Runtime("training", Path(sys.executable))},
        # A fixed name, since it is part of the blob paths.
        account="devstore",
    )
    with RunningServer(config) as running:

        async def nothing(deployment_id: str) -> None:
            return None

        # What a deployment runs is no matter of the requests; its own tests start real servers.
        running.plane.endpoints.deploy = nothing  # type: ignore[method-assign]
        yield running


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("material")
    for name, content in {
        "model/MLmodel": "flavors: {}\n",
        "score/score.py": "def init():\n    pass\n\n\ndef run(data):\n    return data\n",
        "step/main.py": "import pathlib, sys\npathlib.Path(sys.argv[1], 'out.txt').write_text('done')\n",
        "rows.csv": "a,b\n1,2\n",
        "request.json": "[]\n",
        "component.yaml": (
            "type: command\nname: write\nversion: '1'\ncode: ./step\n"
            "command: python main.py ${{outputs.folder}}\nenvironment: azureml:training:1\n"
            "inputs:\n  rows: {type: uri_file}\noutputs:\n  folder: {type: uri_folder}\n"
        ),
    }.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder


def test_the_sdk_is_the_one_that_was_recorded() -> None:
    assert importlib.metadata.version("azure-ai-ml") == SDK_VERSION, (
        "read the release notes, then the diff below"
    )


def test_requests_are_as_recorded(
    fresh: RunningServer, connect: Callable[..., Any], material: Path, tmp_path: Path
) -> None:
    config = fresh.config
    connection = fresh.server.connection()
    client = connect(
        connection,
        config.subscription_id,
        resource_group_name=config.resource_group,
        workspace_name=config.workspace,
    )
    registry = connect(connection, config.subscription_id, registry_name=config.registry)
    recorder = Recorder(fresh)
    for section in (_workspace, _assets, _jobs, _online, _batch, _schedules):
        section(recorder, client, config, material, tmp_path)
    _registry(recorder, client, registry, config, material)
    _deletions(recorder, client)
    actual = recorder.text()
    expected = SNAPSHOT.read_text(encoding="utf-8") if SNAPSHOT.exists() else ""
    if actual != expected:
        written = tmp_path / SNAPSHOT.name
        written.write_text(actual, encoding="utf-8")
        lines = difflib.unified_diff(
            expected.splitlines(), actual.splitlines(), "recorded", "sent now", lineterm="", n=4
        )
        pytest.fail(
            "\n".join([*lines, "", f"If this is meant to be: cp {written} {SNAPSHOT}"]), pytrace=False
        )


def _workspace(recorder: Recorder, client: Any, config: InstanceConfig, _material: Path, _out: Path) -> None:
    recorder.call("workspaces.get", lambda: client.workspaces.get(config.workspace))
    recorder.call("workspaces.list", lambda: list(client.workspaces.list()))
    recorder.call("datastores.list", lambda: list(client.datastores.list()))
    recorder.call("datastores.get_default", client.datastores.get_default)
    recorder.call(
        "datastores.get with secrets",
        lambda: client.datastores.get("workspaceblobstore", include_secrets=True),
    )
    recorder.call(
        "datastores.create_or_update",
        lambda: client.datastores.create_or_update(
            AzureBlobDatastore(name="extra", account_name=config.account, container_name="extra")
        ),
    )
    recorder.call("datastores.delete", lambda: client.datastores.delete("extra"))
    recorder.call("compute.get", lambda: client.compute.get("cpu-cluster"))
    recorder.call("compute.list", lambda: list(client.compute.list()))


def _assets(recorder: Recorder, client: Any, _config: InstanceConfig, material: Path, out: Path) -> None:
    recorder.call(
        "environments.create_or_update",
        lambda: client.environments.create_or_update(
            Environment(name="training", version="1", image="python:3.11")
        ),
    )
    recorder.call("environments.get", lambda: client.environments.get("training", "1"))
    recorder.call("environments.get @latest", lambda: client.environments.get("training", label="latest"))
    recorder.call("environments.list", lambda: list(client.environments.list("training")))
    rows = Data(name="rows", version="1", type="uri_file", path=material / "rows.csv")
    recorder.call("data.create_or_update", lambda: client.data.create_or_update(rows))
    recorder.call("data.get", lambda: client.data.get("rows", "1"))
    recorder.call("data.get @latest", lambda: client.data.get("rows", label="latest"))
    recorder.call("data.list", lambda: list(client.data.list("rows")))
    recorder.call("data.archive", lambda: client.data.archive("rows", version="1"))
    recorder.call("data.restore", lambda: client.data.restore("rows", version="1"))
    component = load_component(material / "component.yaml")
    recorder.call("components.create_or_update", lambda: client.components.create_or_update(component))
    recorder.call("components.get", lambda: client.components.get("write", "1"))
    recorder.call("components.list", lambda: list(client.components.list("write")))
    model = Model(name="model", path=material / "model", type="mlflow_model")
    created = recorder.call("models.create_or_update", lambda: client.models.create_or_update(model))
    created.tags = {"role": "champion"}
    recorder.call("models.create_or_update (tags)", lambda: client.models.create_or_update(created))
    recorder.call("models.get", lambda: client.models.get("model", "1"))
    recorder.call("models.get @latest", lambda: client.models.get("model", label="latest"))
    recorder.call("models.list", lambda: list(client.models.list()))
    recorder.call("models.list of one", lambda: list(client.models.list("model")))
    recorder.call("models.archive version", lambda: client.models.archive("model", version="1"))
    recorder.call("models.restore version", lambda: client.models.restore("model", version="1"))
    recorder.call("models.archive container", lambda: client.models.archive("model"))
    recorder.call("models.restore container", lambda: client.models.restore("model"))
    recorder.call("models.download", lambda: client.models.download("model", "1", download_path=out))


def _pipeline(client: Any) -> Any:
    write = client.components.get("write", "1")

    def pipeline(rows):  # type: ignore[no-untyped-def] # the SDK would read annotations as types of data
        step = write(rows=rows)
        return {"folder": step.outputs.folder}

    build = dsl.pipeline(compute="cpu-cluster")(pipeline)
    return build(rows=Input(type="uri_file", path="azureml:rows:1"))


def _jobs(recorder: Recorder, client: Any, _config: InstanceConfig, material: Path, out: Path) -> None:
    job = command(
        name="one-command",
        code=material / "step",
        command="python main.py ${{outputs.folder}}",
        environment="training@latest",
        compute="cpu-cluster",
        # By default the SDK takes the name of the folder that it runs in.
        experiment_name="sequences",
        outputs={"folder": Output(type="uri_folder")},
    )
    recorder.call("jobs.create_or_update (command)", lambda: client.jobs.create_or_update(job))
    recorder.call("jobs.stream (command)", lambda: client.jobs.stream("one-command"))
    pipeline = _pipeline(client)
    pipeline.name = "one-pipeline"
    recorder.call("jobs.create_or_update (pipeline)", lambda: client.jobs.create_or_update(pipeline))
    recorder.call("jobs.stream (pipeline)", lambda: client.jobs.stream("one-pipeline"))
    recorder.call("jobs.get", lambda: client.jobs.get("one-pipeline"))
    recorder.call("jobs.list", lambda: list(client.jobs.list()))
    recorder.call("jobs.list of a parent", lambda: list(client.jobs.list(parent_job_name="one-pipeline")))
    recorder.call("jobs.download", lambda: client.jobs.download("one-command", download_path=out, all=True))
    assert (out / "named-outputs" / "folder" / "out.txt").read_text(encoding="utf-8") == "done"
    recorder.call("jobs.archive", lambda: client.jobs.archive("one-command"))
    recorder.call("jobs.restore", lambda: client.jobs.restore("one-command"))
    waiting = command(
        name="to-cancel", command="sleep 60", environment="training@latest", compute="cpu-cluster"
    )
    client.jobs.create_or_update(waiting)
    recorder.call("jobs.begin_cancel", lambda: client.jobs.begin_cancel("to-cancel").result())


def _finished(begin: Callable[[], Any]) -> Any:
    return begin().result()


def _online(recorder: Recorder, client: Any, _config: InstanceConfig, material: Path, _out: Path) -> None:
    endpoints, deployments = client.online_endpoints, client.online_deployments
    endpoint = ManagedOnlineEndpoint(name="online-one", auth_mode="key")
    recorder.call(
        "online_endpoints.begin_create_or_update",
        lambda: endpoints.begin_create_or_update(endpoint).result(),
    )
    for name in ("blue", "green"):
        deployment = ManagedOnlineDeployment(
            name=name,
            endpoint_name="online-one",
            model="azureml:model:1",
            environment="azureml:training:1",
            code_configuration=CodeConfiguration(code=str(material / "score"), scoring_script="score.py"),
            instance_type="Standard_DS3_v2",
            instance_count=1,
            data_collector=DataCollector(
                collections={
                    name: DeploymentCollection(enabled="true") for name in ("model_inputs", "model_outputs")
                },
                sampling_rate=1.0,
            ),
        )
        create = partial(deployments.begin_create_or_update, deployment)
        recorder.call(f"online_deployments.begin_create_or_update ({name})", partial(_finished, create))
    recorder.call("online_deployments.get", lambda: deployments.get("blue", "online-one"))
    recorder.call("online_deployments.list", lambda: list(deployments.list("online-one")))
    recorder.call("online_deployments.get_logs", lambda: deployments.get_logs("blue", "online-one", 50))
    known = recorder.call("online_endpoints.get", lambda: endpoints.get("online-one"))
    known.traffic, known.mirror_traffic = {"blue": 100}, {"green": 10}
    recorder.call(
        "online_endpoints.begin_create_or_update (traffic, mirror)",
        lambda: endpoints.begin_create_or_update(known).result(),
    )
    recorder.call("online_endpoints.list", lambda: list(endpoints.list()))
    recorder.call("online_endpoints.get_keys", lambda: endpoints.get_keys("online-one"))
    recorder.call(
        "online_endpoints.begin_regenerate_keys",
        lambda: endpoints.begin_regenerate_keys("online-one", key_type="secondary").result(),
    )

    def invoke() -> None:
        with pytest.raises(MlException):  # no server runs behind it here
            endpoints.invoke("online-one", deployment_name="blue", request_file=material / "request.json")

    recorder.call("online_endpoints.invoke", invoke)


def _batch(recorder: Recorder, client: Any, _config: InstanceConfig, material: Path, _out: Path) -> None:
    endpoint = BatchEndpoint(name="batch-one")
    recorder.call(
        "batch_endpoints.begin_create_or_update",
        lambda: client.batch_endpoints.begin_create_or_update(endpoint).result(),
    )
    deployment = ModelBatchDeployment(
        name="nightly",
        endpoint_name="batch-one",
        model="azureml:model:1",
        environment="azureml:training:1",
        code_configuration=CodeConfiguration(code=str(material / "score"), scoring_script="score.py"),
        compute="cpu-cluster",
        settings=ModelBatchDeploymentSettings(
            instance_count=1,
            mini_batch_size=10,
            max_concurrency_per_instance=1,
            output_action="append_row",
            output_file_name="predictions.csv",
            retry_settings=BatchRetrySettings(max_retries=1, timeout=60),
        ),
    )
    recorder.call(
        "batch_deployments.begin_create_or_update",
        lambda: client.batch_deployments.begin_create_or_update(deployment).result(),
    )
    recorder.call("batch_deployments.get", lambda: client.batch_deployments.get("nightly", "batch-one"))
    recorder.call("batch_deployments.list", lambda: list(client.batch_deployments.list("batch-one")))
    known = recorder.call("batch_endpoints.get", lambda: client.batch_endpoints.get("batch-one"))
    known.defaults.deployment_name = "nightly"
    recorder.call(
        "batch_endpoints.begin_create_or_update (default)",
        lambda: client.batch_endpoints.begin_create_or_update(known).result(),
    )
    job = recorder.call(
        "batch_endpoints.invoke",
        lambda: client.batch_endpoints.invoke(
            endpoint_name="batch-one",
            # Named, since this release sends the deployment of the last online invocation otherwise.
            deployment_name="nightly",
            input=Input(type="uri_folder", path="azureml://datastores/workspaceblobstore/paths/batch-in"),
        ),
    )
    listed = recorder.call(
        "batch_endpoints.list_jobs", lambda: list(client.batch_endpoints.list_jobs("batch-one"))
    )
    assert [each.name for each in listed] == [job.name]
    recorder.call("batch_endpoints.list", lambda: list(client.batch_endpoints.list()))


def _schedules(recorder: Recorder, client: Any, _config: InstanceConfig, _material: Path, _out: Path) -> None:
    trigger = CronTrigger(expression="0 3 * * *")
    retrain = JobSchedule(name="retrain", trigger=trigger, create_job=_pipeline(client))
    recorder.call(
        "schedules.begin_create_or_update (job)",
        lambda: client.schedules.begin_create_or_update(retrain).result(),
    )
    monitor = MonitorSchedule(
        name="drift",
        trigger=trigger,
        create_monitor=MonitorDefinition(
            compute=ServerlessSparkCompute(instance_type="standard_e4s_v3", runtime_version="3.4"),
            monitoring_target=MonitoringTarget(
                ml_task="classification", endpoint_deployment_id="azureml:online-one:blue"
            ),
            monitoring_signals={
                "drift": DataDriftSignal(
                    metric_thresholds=DataDriftMetricThreshold(
                        numerical=NumericalDriftMetrics(jensen_shannon_distance=0.01)
                    )
                )
            },
            alert_notification=AlertNotification(emails=["ml@example.org"]),
        ),
    )
    recorder.call(
        "schedules.begin_create_or_update (monitor)",
        lambda: client.schedules.begin_create_or_update(monitor).result(),
    )
    recorder.call("schedules.get", lambda: client.schedules.get("retrain"))
    recorder.call("schedules.list", lambda: list(client.schedules.list()))
    recorder.call("schedules.trigger", lambda: client.schedules.trigger("retrain"))
    recorder.call("schedules.begin_disable", lambda: client.schedules.begin_disable("retrain").result())
    recorder.call("schedules.begin_enable", lambda: client.schedules.begin_enable("retrain").result())
    client.schedules.begin_disable("retrain").result()
    recorder.call("schedules.begin_delete", lambda: client.schedules.begin_delete("retrain").result())


def _registry(recorder: Recorder, client: Any, registry: Any, config: InstanceConfig, material: Path) -> None:
    recorder.call("registries.get", lambda: client.registries.get(config.registry))
    recorder.call("registries.list", lambda: list(client.registries.list()))
    recorder.call(
        "models.share",
        lambda: client.models.share(
            "model", "1", share_with_name="model", share_with_version="1", registry_name=config.registry
        ),
    )
    recorder.call("registry models.get", lambda: registry.models.get("model", "1"))
    recorder.call("registry models.get @latest", lambda: registry.models.get("model", label="latest"))
    recorder.call("registry models.list", lambda: list(registry.models.list("model")))
    model = Model(name="direct", version="1", path=material / "model", type="mlflow_model")
    recorder.call("registry models.create_or_update", lambda: registry.models.create_or_update(model))
    environment = Environment(name="training", version="1", image="python:3.11")
    recorder.call(
        "registry environments.create_or_update",
        lambda: registry.environments.create_or_update(environment),
    )
    rows = Data(name="rows", version="1", type="uri_file", path=material / "rows.csv")
    recorder.call("registry data.create_or_update", lambda: registry.data.create_or_update(rows))
    component = load_component(material / "component.yaml")
    component.environment = f"azureml://registries/{config.registry}/environments/training/versions/1"
    recorder.call(
        "registry components.create_or_update",
        lambda: registry.components.create_or_update(component, version="1"),
    )


def _deletions(recorder: Recorder, client: Any) -> None:
    endpoint = client.online_endpoints.get("online-one")
    endpoint.traffic, endpoint.mirror_traffic = {"blue": 0}, {}
    client.online_endpoints.begin_create_or_update(endpoint).result()
    recorder.call(
        "online_deployments.begin_delete",
        lambda: client.online_deployments.begin_delete("green", "online-one").result(),
    )
    recorder.call(
        "online_endpoints.begin_delete", lambda: client.online_endpoints.begin_delete("online-one").result()
    )
    recorder.call(
        "batch_endpoints.begin_delete", lambda: client.batch_endpoints.begin_delete("batch-one").result()
    )
