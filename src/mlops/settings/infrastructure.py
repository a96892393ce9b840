"""The sections of an environment's settings that only infrastructure reads."""

from __future__ import annotations

from datetime import date  # noqa: TC003 - pydantic reads annotations
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from mlops.settings.network import ResourceId  # noqa: TC001 - pydantic reads annotations
from mlops.settings.section import Section

__all__ = [
    "Autoscale",
    "Budget",
    "Encryption",
    "Endpoint",
    "Governance",
    "Images",
    "Lifecycle",
    "MaintenanceWindow",
    "Monitoring",
    "Owner",
    "Platform",
    "Protection",
    "Retraining",
    "ServiceLevel",
    "Storage",
    "Workspace",
]

Percent = Annotated[int, Field(ge=1, le=1000)]
Uuid = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
Mail = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
Key = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
ClockTime = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d:00$")]
PinnedImage = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._/:-]{0,254}@sha256:[0-9a-f]{64}$")]
Day = Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


class Workspace(Section):
    """Which kind of Azure Machine Learning workspace an environment has."""

    kind: Literal["default", "feature_store", "hub", "project"] = "default"
    hub_id: ResourceId | None = Field(default=None, description="the hub that a project belongs to")
    spark_version: Annotated[str, StringConstraints(pattern=r"^3\.\d$")] | None = Field(
        default=None, description="Spark of a feature store's materialization jobs"
    )


class Lifecycle(Section):
    """When the lake's blobs move to cheaper tiers, and when collected data is deleted."""

    cool_after_days: int = Field(ge=1, le=3650)
    archive_after_days: int | None = Field(None, ge=1, le=3650)
    delete_collected_after_days: int = Field(ge=7, le=3650, description="inference data holds people's data")


class Storage(Section):
    """The data estate: the workspace's account and the lake."""

    redundancy: Literal["LRS", "ZRS", "GRS", "GZRS"]
    soft_delete_days: int = Field(ge=1, le=365)
    lifecycle: Lifecycle


class Protection(Section):
    """What stands between a mistake and data."""

    lock: bool = Field(description="CanNotDelete on what holds data; on the group it would stop rollouts too")
    protect: bool = Field(description="Pulumi refuses to delete or replace what holds data")
    purge_protection: bool = Field(
        description="irreversible: a deleted vault keeps its name for the retention"
    )
    vault_soft_delete_days: int = Field(ge=7, le=90)


class Encryption(Section):
    """Whose key data is encrypted with at rest, beside Azure's own encryption of the disks below."""

    keys: Literal["platform", "customer"] = Field(
        default="platform",
        description="customer: a key in this environment's vault, for storage and workspace; for good",
    )


class Images(Section):
    """The container registry of an environment, and what the images in it are built upon."""

    sku: Literal["Basic", "Standard", "Premium"]
    untagged_days: int = Field(7, ge=0, le=365, description="Premium: how long untagged manifests stay")
    base: PinnedImage | None = Field(
        default=None,
        description="what both images are built upon, NAME@sha256:…; the Dockerfiles' short name by default",
    )


class ServiceLevel(Section):
    """What an endpoint promises; each line becomes an alert."""

    p95_ms: int = Field(ge=1, le=180_000)
    error_percent: float = Field(gt=0, lt=100)
    throttled_percent: float = Field(1.0, gt=0, lt=100, description="share of answers that are 429")
    silent_minutes: int | None = Field(
        None, ge=15, le=1440, description="alert when no request comes for so long; none means never"
    )


class Autoscale(Section):
    """How many instances serve; the rules watch each deployment slot that CD fills."""

    slots: tuple[Key, ...] = Field(min_length=1, description="deployment names that CD keeps reusing")
    max_instances: int = Field(ge=1, le=50)
    scale_out_percent: int = Field(70, ge=1, le=99, description="CPU")
    scale_in_percent: int = Field(30, ge=1, le=99, description="CPU")


class Endpoint(Section):
    """The shells of one use case's endpoints; deployments are CD's."""

    owner: Key = Field(description="a key of platform.owners")
    slo: ServiceLevel
    batch: bool = True
    autoscale: Autoscale | None = None


class MaintenanceWindow(Section):
    """When alerts are kept but nobody is called."""

    days: tuple[Day, ...] = Field(min_length=1)
    starts: ClockTime
    ends: ClockTime
    time_zone: str = Field("UTC", description="a Windows time zone name, as Azure Monitor wants")


class Monitoring(Section):
    """The cloud side of drift monitoring."""

    heartbeat_hours: int = Field(ge=1, le=47, description="a log alert looks back two days at most")
    sampling_percent: float = Field(100.0, gt=0, le=100, description="Application Insights")
    service_requests_per_day: int = Field(
        500, ge=1, description="a dev endpoint that answers so many is a service in disguise"
    )
    maintenance: dict[Key, MaintenanceWindow] = Field(default_factory=dict)


class Retraining(Section):
    """How a fired alert becomes a request to retrain."""

    trigger: Literal["pull", "event_grid"] = Field(
        default="pull",
        description="pull: a scheduled workflow reads fired alerts; event_grid: events wait in a queue",
    )
    cooldown_days: int = Field(
        default=7,
        ge=0,
        le=90,
        description="after a request for a model, no other one for so long: labels come late",
    )


class Budget(Section):
    """Monthly spending and the shares of it that send a mail."""

    monthly_amount: int = Field(ge=1)
    start: date = Field(description="the first of a month; Azure never lets it change")
    actual_percent: tuple[Percent, ...] = (50, 80, 100)
    forecast_percent: tuple[Percent, ...] = (100, 120)


class Governance(Section):
    """Azure Policy on the resource group, and how many cores the region gives this environment."""

    policies: Literal["audit", "deny"]
    quota_cores: int = Field(ge=1, description="vCPUs that computes and serving may use together")


class Owner(Section):
    """Who is told: becomes one action group."""

    short_name: str = Field(description="at most 12 characters: it signs the text messages")
    emails: tuple[Mail, ...] = Field(min_length=1)


class Platform(Section):
    """What all environments share: the stack `shared`."""

    subscription_id: Uuid | None = Field(
        default=None, description="where the stack `shared` lives; prod's subscription by default"
    )
    log_retention_days: int = Field(ge=30, le=730)
    daily_log_gb: float = Field(gt=0, description="ingestion stops for the day above it: a cap on surprise")
    owners: dict[Key, Owner] = Field(min_length=1)
    grafana: bool = False
    registry_public_network_access: Literal["enabled", "disabled"] = "enabled"
    private_dns_zones: bool = Field(True, description="off when a landing zone already has them")
    private_link_scope: bool = Field(
        False,
        description="logs and telemetry of private environments are taken inside their networks alone; one "
        "per DNS, so off when a landing zone has its own",
    )
