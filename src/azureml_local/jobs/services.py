"""What running nodes share, and the environment that their processes see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from azureml_local.tls import CA_BUNDLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from azureml_local.blobs import BlobStore
    from azureml_local.config import InstanceConfig, Runtime
    from azureml_local.jobs.assets import Assets
    from azureml_local.jobs.cache import NodeCache
    from azureml_local.jobs.files import ContentHashes
    from azureml_local.jobs.node import Task
    from azureml_local.jobs.records import Records
    from azureml_local.jobs.runtimes import Runtimes
    from azureml_local.tracking import Tracking

_SYSTEM_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
# Below the tracking prefix and the workspace's ARM id, as on Azure.
_TRACKING: Final = "/mlflow/v1.0"


@dataclass(frozen=True, slots=True)
class Services:
    """The parts that a node needs."""

    config: InstanceConfig
    base_url: str
    token: Callable[[], str]
    blobs: BlobStore
    tracking: Tracking
    records: Records
    assets: Assets
    runtimes: Runtimes
    cache: NodeCache
    hashes: ContentHashes

    @property
    def work(self) -> Path:
        """Folder of what runs now."""
        return self.config.home / "jobs" / "work"

    @property
    def logs(self) -> Path:
        """Folder of logs, one below it for each run."""
        return self.config.home / "jobs" / "logs"

    def environ(self, task: Task, runtime: Runtime, folder: Path, experiment_id: str) -> dict[str, str]:
        """Return the whole environment of a node's process; nothing of this process's own is in it."""
        config, component = self.config, task.node.component
        prefix = runtime.python.parent
        environ = {
            "PATH": f"{prefix}:{_SYSTEM_PATH}",
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"),
            "LANG": "C.UTF-8",
            # Lines reach the log, and who streams it, when they are written.
            "PYTHONUNBUFFERED": "1",
            "PYTHONNOUSERSITE": "1",
            "AZUREML_RUN_ID": task.run,
            "AZUREML_ROOT_RUN_ID": task.root,
            "AZUREML_EXPERIMENT_NAME": task.experiment,
            "AZUREML_EXPERIMENT_ID": experiment_id,
            "AZUREML_ARM_SUBSCRIPTION": config.subscription_id,
            "AZUREML_ARM_RESOURCEGROUP": config.resource_group,
            "AZUREML_ARM_WORKSPACE_NAME": config.workspace,
            "AZUREML_ARM_PROJECT_NAME": task.experiment,
            "MLFLOW_TRACKING_URI": f"{self.base_url}{_TRACKING}{config.workspace_id}",
            "MLFLOW_TRACKING_TOKEN": self.token(),
            "MLFLOW_RUN_ID": task.run,
            "MLFLOW_EXPERIMENT_ID": experiment_id,
            "MLFLOW_EXPERIMENT_NAME": task.experiment,
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        if (config.home / CA_BUNDLE).is_file():
            environ["MLFLOW_TRACKING_SERVER_CERT_PATH"] = str((config.home / CA_BUNDLE).resolve())
        if (prefix.parent / "pyvenv.cfg").is_file():
            environ["VIRTUAL_ENV"] = str(prefix.parent)
        return environ | dict(component.environment_variables) | dict(task.node.environment_variables)
