"""What the data plane needs to know of an online deployment, read from its ARM resource."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from azureml_local.errors import AzureError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from azureml_local.store import Resource

__all__ = [
    "Collection",
    "DataCollection",
    "Deployment",
    "Probe",
    "RequestSettings",
    "read_deployment",
    "seconds",
]

_DURATION = re.compile(
    r"P(?:(?P<days>\d+(?:\.\d+)?)D)?"
    r"(?:T(?:(?P<hours>\d+(?:\.\d+)?)H)?(?:(?P<minutes>\d+(?:\.\d+)?)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)
_PAYLOAD_COLLECTIONS = frozenset({"request", "response"})


@dataclass(frozen=True, slots=True)
class Probe:
    """Liveness or readiness probe; the defaults are the service's."""

    initial_delay: float = 10.0
    period: float = 10.0
    timeout: float = 2.0
    success_threshold: int = 1
    failure_threshold: int = 30

    @property
    def patience(self) -> float:
        """Seconds after which a server that never answered counts as unhealthy."""
        return self.initial_delay + self.period * self.failure_threshold


@dataclass(frozen=True, slots=True)
class RequestSettings:
    """Limits on scoring requests; the defaults are the service's."""

    timeout: float = 5.0
    max_concurrent_per_instance: int = 1


@dataclass(frozen=True, slots=True)
class Collection:
    """One stream of collected data."""

    name: str
    sampling_rate: float = 1.0
    data_id: str | None = None


@dataclass(frozen=True, slots=True)
class DataCollection:
    """The collections that are switched on, and how their files roll."""

    collections: Mapping[str, Collection] = field(default_factory=dict)
    rolling_rate: str = "Hour"

    @property
    def custom(self) -> list[Collection]:
        """Collections that the scoring script fills through its ``Collector``."""
        return [each for name, each in self.collections.items() if name not in _PAYLOAD_COLLECTIONS]

    @property
    def payload(self) -> dict[str, Collection]:
        """``request`` and ``response``, which the endpoint fills by itself."""
        return {name: each for name, each in self.collections.items() if name in _PAYLOAD_COLLECTIONS}


@dataclass(frozen=True, slots=True)
class Deployment:
    """A managed online deployment."""

    id: str
    endpoint: str
    name: str
    environment_id: str
    code_id: str
    scoring_script: str
    model_id: str | None
    variables: Mapping[str, str]
    instance_count: int = 1
    liveness: Probe = field(default_factory=Probe)
    readiness: Probe = field(default_factory=Probe)
    requests: RequestSettings = field(default_factory=RequestSettings)
    data: DataCollection = field(default_factory=DataCollection)

    @property
    def max_pending(self) -> int:
        """Requests in work or waiting at one time; more are refused with 429.

        The factor of two is the service's: as many may wait as are in work.
        """
        return 2 * self.requests.max_concurrent_per_instance * self.instance_count


def seconds(duration: str) -> float:
    """Return the length of an ISO 8601 duration.

    Examples
    --------
    >>> seconds("PT1M30.5S")
    90.5
    """
    match = _DURATION.fullmatch(duration)
    if match is None or not any(match.groups()):
        raise AzureError(400, "UserError", f"'{duration}' is not an ISO 8601 duration such as 'PT10S'.")
    part = {unit: float(text or 0) for unit, text in match.groupdict().items()}
    return part["days"] * 86400 + part["hours"] * 3600 + part["minutes"] * 60 + part["seconds"]


def read_deployment(resource: Resource) -> Deployment:
    """Read a deployment from its resource.

    Raises
    ------
    AzureError
        When it asks for what the local data plane does not do.
    """
    properties = resource.body["properties"]
    code = properties.get("codeConfiguration") or {}
    if not code.get("codeId") or not code.get("scoringScript"):
        raise AzureError(
            400,
            "UserError",
            f"Deployment '{resource.name}' has no code configuration. Deployments without a scoring script "
            "(MLflow models, custom containers) do not run locally: give code_configuration with code and "
            "scoring_script.",
            target="properties.codeConfiguration",
        )
    if not properties.get("environmentId"):
        raise AzureError(
            400,
            "UserError",
            f"Deployment '{resource.name}' has no environment.",
            target="properties.environmentId",
        )
    return Deployment(
        id=resource.id,
        endpoint=resource.id.split("/")[-3],
        name=resource.name,
        environment_id=properties["environmentId"],
        code_id=code["codeId"],
        scoring_script=code["scoringScript"],
        model_id=properties.get("model"),
        variables=dict(properties.get("environmentVariables") or {}),
        instance_count=int((resource.body.get("sku") or {}).get("capacity") or 1),
        liveness=_probe(properties.get("livenessProbe")),
        readiness=_probe(properties.get("readinessProbe")),
        requests=_request_settings(properties.get("requestSettings") or {}),
        data=_data_collection(properties.get("dataCollector") or {}),
    )


def _probe(settings: Mapping[str, Any] | None) -> Probe:
    given = settings or {}
    default = Probe()
    return Probe(
        initial_delay=seconds(given["initialDelay"]) if given.get("initialDelay") else default.initial_delay,
        period=seconds(given["period"]) if given.get("period") else default.period,
        timeout=seconds(given["timeout"]) if given.get("timeout") else default.timeout,
        success_threshold=int(given.get("successThreshold") or default.success_threshold),
        failure_threshold=int(given.get("failureThreshold") or default.failure_threshold),
    )


def _request_settings(given: Mapping[str, Any]) -> RequestSettings:
    default = RequestSettings()
    timeout = given.get("requestTimeout")
    return RequestSettings(
        timeout=seconds(timeout) if timeout else default.timeout,
        max_concurrent_per_instance=int(
            given.get("maxConcurrentRequestsPerInstance") or default.max_concurrent_per_instance
        ),
    )


def _data_collection(given: Mapping[str, Any]) -> DataCollection:
    collections = {}
    for name, settings in (given.get("collections") or {}).items():
        # The SDK sends "enabled", the REST description says "Enabled".
        if str(settings.get("dataCollectionMode", "")).lower() == "enabled":
            rate = settings.get("samplingRate")
            collections[name] = Collection(name, 1.0 if rate is None else float(rate), settings.get("dataId"))
    return DataCollection(collections, str(given.get("rollingRate") or "Hour").capitalize())
