"""What an instance is told when it starts."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Storage account names: 3-24 lower-case letters and digits.
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_FURTHER = re.compile(r"[\w.()-]+/[A-Za-z0-9][\w-]{2,32}")


class ConfigError(ValueError):
    """The configuration of an instance is not usable."""


@dataclass(frozen=True, slots=True)
class Compute:
    """A compute cluster that exists in the workspace from the start."""

    size: str = "Standard_DS3_v2"
    max_instances: int = 1


@dataclass(frozen=True, slots=True)
class Runtime:
    """The interpreter that stands in for the image of an environment asset.

    Parameters
    ----------
    name
        Name of the environment asset.
    python
        Interpreter of the virtual environment that holds what the image would hold.
    lock
        Requirements that the virtual environment was made from. When given, the version of
        the environment asset must be the digest of this file.
    """

    name: str
    python: Path
    lock: Path | None = None

    def digest(self) -> str | None:
        """Return the version that an environment asset must have, or None when any will do."""
        if self.lock is None:
            return None
        return hashlib.sha256(self.lock.read_bytes()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class InstanceConfig:
    """Everything that a control plane needs to know; all of it is written beside its state."""

    home: Path
    tenant_id: str = "00000000-0000-0000-0000-0000000000aa"
    subscription_id: str = "00000000-0000-0000-0000-000000000001"
    resource_group: str = "rg-local"
    workspace: str = "mlw-local"
    registry: str = "mlr-local"
    location: str = "westeurope"
    account: str = ""
    computes: Mapping[str, Compute] = field(default_factory=lambda: {"cpu-cluster": Compute()})
    runtimes: Mapping[str, Runtime] = field(default_factory=dict)
    port: int = 0
    blob_quota_bytes: int | None = None
    job_slots: int = 2
    faults: Sequence[Mapping[str, Any]] = ()  # rules of azureml_local.faults that hold from the start
    # More workspaces, `<resource group>/<workspace>`: for assets and online endpoints, not for jobs.
    further_workspaces: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not self.account:
            # From the folder's path, so that two instances differ and a restart keeps it.
            digest = hashlib.sha256(str(self.home.resolve()).encode()).hexdigest()
            object.__setattr__(self, "account", f"devstore{digest[:12]}")
        if not _ACCOUNT.fullmatch(self.account):
            raise ConfigError(
                f"account: got {self.account!r}, expected 3 to 24 lower-case letters and digits"
            )
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port: got {self.port}, expected 0 (any free port) to 65535")
        for name in self.further_workspaces:
            if not _FURTHER.fullmatch(name):
                raise ConfigError(
                    f"further_workspaces: got {name!r}, expected '<resource group>/<workspace>'"
                )
        if self.job_slots < 1:
            raise ConfigError(f"job_slots: got {self.job_slots}, expected at least 1")

    @property
    def workspace_id(self) -> str:
        """ARM id of the workspace."""
        return self._workspace_id(self.resource_group, self.workspace)

    @property
    def workspace_ids(self) -> tuple[str, ...]:
        """ARM ids of all workspaces, the one that runs jobs first."""
        further = (name.split("/") for name in self.further_workspaces)
        return (self.workspace_id, *(self._workspace_id(group, name) for group, name in further))

    @property
    def registry_id(self) -> str:
        """ARM id of the registry."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/registries/{self.registry}"
        )

    def _workspace_id(self, group: str, name: str) -> str:
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{name}"
        )

    def to_json(self) -> str:
        """Return the configuration as the text that :meth:`from_json` reads."""
        return json.dumps(asdict(self), indent=2, default=str)

    @classmethod
    def from_json(cls, text: str, *, home: Path) -> InstanceConfig:
        """Read a configuration; unknown keys are refused.

        Parameters
        ----------
        text
            A JSON object with the field names of this class.
        home
            Folder of the instance; it wins over the one in the text.
        """
        try:
            raw: dict[str, Any] = json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigError(f"configuration is not JSON: {error}") from error
        unknown = sorted(set(raw) - set(cls.__dataclass_fields__))
        if unknown:
            known = ", ".join(cls.__dataclass_fields__)
            raise ConfigError(f"unknown keys {', '.join(unknown)}; known are {known}")
        raw["home"] = home
        for key in ("faults", "further_workspaces"):
            raw[key] = tuple(raw.get(key, ()))
        try:
            if "computes" in raw:
                raw["computes"] = {name: Compute(**value) for name, value in raw["computes"].items()}
            if "runtimes" in raw:
                raw["runtimes"] = {name: _runtime(value) for name, value in raw["runtimes"].items()}
        except (TypeError, KeyError, AttributeError) as error:
            raise ConfigError(f"computes or runtimes are not as expected: {error}") from error
        return cls(**raw)


def _runtime(value: dict[str, Any]) -> Runtime:
    lock = value.get("lock")
    return Runtime(value["name"], Path(value["python"]), Path(lock) if lock else None)
