"""The name of every Azure resource, derived from the project's name in one place.

Prefixes follow the Cloud Adoption Framework's abbreviations. Each pattern below is the service's own
limit (Azure naming rules, and the REST API's patterns for Machine Learning); a name that breaks its
limit is refused when settings are loaded, before anything is created.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from mlops.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LIMITS", "Limit", "Names"]


@dataclass(frozen=True, slots=True)
class Limit:
    """What Azure accepts as the name of one kind of resource."""

    pattern: re.Pattern[str]
    description: str


def _limit(pattern: str, description: str) -> Limit:
    return Limit(re.compile(pattern), description)


LIMITS: Mapping[str, Limit] = MappingProxyType(
    {
        "resource_group": _limit(r"[\w.()-]{0,89}[\w()-]", "1-90 letters, digits, _ - . ( ), no final dot"),
        "workspace": _limit(r"[A-Za-z0-9][\w-]{2,32}", "3-33 letters, digits, - and _"),
        "registry": _limit(r"[A-Za-z0-9][\w-]{2,32}", "3-33 letters, digits, - and _"),
        "storage_account": _limit(r"[a-z0-9]{3,24}", "3-24 lower-case letters and digits"),
        "key_vault": _limit(
            r"[A-Za-z](?!.*--)[A-Za-z0-9-]{1,22}[A-Za-z0-9]", "3-24 letters, digits and single hyphens"
        ),
        "container_registry": _limit(r"[A-Za-z0-9]{5,50}", "5-50 letters and digits"),
        # The service refuses a name that ends in a hyphen and digits.
        "compute": _limit(
            r"[A-Za-z](?![A-Za-z0-9-]*-\d+$)[A-Za-z0-9-]{1,22}[A-Za-z0-9]",
            "3-24 letters, digits and hyphens, not ending in -<digits>",
        ),
        "endpoint": _limit(
            r"[A-Za-z][A-Za-z0-9-]{1,30}[A-Za-z0-9]", "3-32 letters, digits and hyphens, a letter first"
        ),
        "model": _limit(r"[A-Za-z0-9][\w.-]{0,254}", "1-255 letters, digits, - _ ."),
        "action_group_short": _limit(r"[A-Za-z0-9 _-]{1,12}", "1-12 letters, digits, spaces, - and _"),
        "application_insights": _limit(r"[\w.()-]{1,259}[\w()-]", "1-260 letters, digits, - _ . ( )"),
        "data_collection_endpoint": _limit(
            r"[A-Za-z0-9][A-Za-z0-9-]{1,42}[A-Za-z0-9]", "3-44 letters, digits, hyphens"
        ),
        "grafana": _limit(
            r"[A-Za-z][A-Za-z0-9-]{0,21}[A-Za-z0-9]", "2-23 letters, digits, hyphens, a letter first"
        ),
        "identity": _limit(r"[A-Za-z0-9][\w-]{2,127}", "3-128 letters, digits, - and _"),
        "log_analytics": _limit(r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]", "4-63 letters, digits, hyphens"),
        "network": _limit(r"[A-Za-z0-9][\w.-]{0,62}\w", "2-64 letters, digits, - _ ."),
        "network_part": _limit(r"[A-Za-z0-9][\w.-]{0,78}\w", "2-80 letters, digits, - _ ."),
        "alert": _limit(
            r"[^*#&+:<>?@%{}\\/]{1,259}[^*#&+:<>?@%{}\\/. ]", "1-260, none of * # & + : < > ? @ % { }"
        ),
        "table": _limit(r"[A-Za-z][A-Za-z0-9_]{0,59}_CL", "ends in _CL; letters, digits and _"),
    }
)

# Cloud Adoption Framework's abbreviation, and the limit that the kind's name is held to.
_KINDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "action_group": ("ag", "alert"),
        "alert": ("alert", "alert"),
        "alert_processing_rule": ("apr", "alert"),
        "application_insights": ("appi", "application_insights"),
        "budget": ("budget", "network"),
        "data_collection_endpoint": ("dce", "data_collection_endpoint"),
        "data_collection_rule": ("dcr", "network"),
        "event_topic": ("egst", "network"),
        "grafana": ("amg", "grafana"),
        "identity": ("id", "identity"),
        "log_analytics": ("log", "log_analytics"),
        "nat_gateway": ("ng", "network_part"),
        "network_security_group": ("nsg", "network_part"),
        "policy_assignment": ("pa", "network"),
        "private_endpoint": ("pep", "network_part"),
        "private_link_scope": ("pls", "network"),
        "public_ip": ("pip", "network_part"),
        "query_rule": ("sqr", "alert"),
        "route_table": ("rt", "network_part"),
        "virtual_network": ("vnet", "network"),
    }
)


@dataclass(frozen=True, slots=True)
class Names:
    """The resource names of one environment.

    Parameters
    ----------
    project
        The project's short name.
    environment
        ``local``, ``dev``, ``staging`` or ``prod``.
    unique_seed
        What makes globally unique names ours: the subscription's id. Five hexadecimal digits of its
        hash end each such name, so two teams can use the same project name, and so that a
        soft-deleted vault of another subscription does not block ours.
    """

    project: str
    environment: str
    unique_seed: str

    @property
    def unique_suffix(self) -> str:
        """Five hexadecimal digits, the same for the same project, environment and subscription."""
        text = f"{self.unique_seed}/{self.project}/{self.environment}"
        return hashlib.sha256(text.encode()).hexdigest()[:5]

    @property
    def resource_group(self) -> str:
        """Everything of one environment is in one resource group."""
        return self._checked("resource_group", f"rg-{self.project}-{self.environment}")

    @property
    def workspace(self) -> str:
        """The Azure Machine Learning workspace."""
        return self._checked("workspace", f"mlw-{self.project}-{self.environment}")

    @property
    def registry(self) -> str:
        """The Azure Machine Learning registry that all environments share."""
        return self._checked("registry", f"mlr-{self.project}")

    @property
    def storage_account(self) -> str:
        """The workspace's storage account (global name)."""
        return self._checked("storage_account", f"st{self.project}{self.environment}{self.unique_suffix}")

    @property
    def key_vault(self) -> str:
        """The key vault (global name)."""
        return self._checked("key_vault", f"kv{self.project}{self.environment}{self.unique_suffix}")

    @property
    def container_registry(self) -> str:
        """The container registry (global name)."""
        return self._checked("container_registry", f"cr{self.project}{self.environment}{self.unique_suffix}")

    @property
    def lake_account(self) -> str:
        """The lake: an account of its own, since a hierarchical one cannot be a workspace's default."""
        return self._checked("storage_account", f"dl{self.project}{self.environment}{self.unique_suffix}")

    @property
    def state_account(self) -> str:
        """The storage account that holds Pulumi's state (global name)."""
        return self._checked("storage_account", f"st{self.project}state{self.unique_suffix}")

    def of(self, kind: str, qualifier: str = "") -> str:
        """Return the name of a resource that is unique within its group, such as ``pep-mlops-prod-vault``.

        Examples
        --------
        >>> Names("mlops", "prod", "").of("private_endpoint", "vault")
        'pep-mlops-prod-vault'
        """
        abbreviation, limit = _KINDS[kind]
        parts = [abbreviation, self.project, self.environment, *([qualifier] if qualifier else [])]
        return self._checked(limit, "-".join(parts))

    def compute(self, key: str) -> str:
        """Return the name of the compute cluster that the settings call `key`."""
        return self._checked("compute", f"{key}-cluster")

    def endpoint(self, usecase: str) -> str:
        """Return the name of a use case's online endpoint (unique within a region)."""
        return self._checked("endpoint", f"{self.project}-{usecase}-{self.environment}")

    def batch_endpoint(self, usecase: str) -> str:
        """Return the name of a use case's batch endpoint (unique within a region)."""
        return self._checked("endpoint", f"{self.project}-{usecase}-b-{self.environment}")

    def model(self, usecase: str) -> str:
        """Return the name under which a use case's model is registered."""
        return self._checked("model", f"{self.project}-{usecase}")

    def to_dict(self) -> dict[str, str]:
        """Return every name that needs no argument."""
        keys = (
            "resource_group", "workspace", "registry", "storage_account", "key_vault", "container_registry",
        )  # fmt: skip
        return {key: str(getattr(self, key)) for key in keys}

    def _checked(self, kind: str, name: str) -> str:
        limit = LIMITS[kind]
        if limit.pattern.fullmatch(name):
            return name
        raise SettingsError(
            f"The {kind.replace('_', ' ')} would get a name that Azure refuses.",
            where=f"environment {self.environment}",
            got=f"{name!r} ({len(name)} characters)",
            expected=limit.description,
            next_step="shorten project.name in environments/project.yaml",
        )
