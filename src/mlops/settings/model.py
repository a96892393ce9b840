"""The shape of an environment's settings: one frozen model that every part of the project reads."""

from __future__ import annotations

from datetime import date  # noqa: TC003 - pydantic reads annotations
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from mlops.naming import Names
from mlops.settings.infrastructure import (
    Budget,
    Encryption,
    Endpoint,
    Governance,
    Images,
    Monitoring,
    Platform,
    Protection,
    Retraining,
    Storage,
    Workspace,
)
from mlops.settings.network import Network  # noqa: TC001 - pydantic reads annotations
from mlops.settings.notifications import Notifications  # noqa: TC001 - pydantic reads annotations
from mlops.settings.section import Section

__all__ = [
    "Azure",
    "Compute",
    "ControlException",
    "Environment",
    "Project",
    "Promotion",
    "Rollout",
    "Serving",
    "Training",
]

Uuid = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
Percent = Annotated[int, Field(ge=0, le=100)]


class Project(Section):
    """Who owns this copy of the template, and where it runs: the only values a newcomer must change."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{1,7}$")] = Field(
        description="2-8 lower-case letters and digits, a letter first; every Azure name is derived from it"
    )
    owner: Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")] = Field(
        description="mail address of the team that answers for the resources"
    )
    location: Annotated[str, StringConstraints(pattern=r"^[a-z]+[a-z0-9]*$")] = Field(
        description="Azure region, such as westeurope"
    )


class Azure(Section):
    """The directory and the subscription that an environment lives in; neither is a secret."""

    tenant_id: Uuid
    subscription_id: Uuid


class Compute(Section):
    """One compute cluster; scales to zero when idle."""

    size: Annotated[str, StringConstraints(pattern=r"^Standard_[A-Za-z0-9_]+$")]
    min_instances: int = Field(0, ge=0)
    max_instances: int = Field(2, ge=1, le=100)
    idle_seconds: int = Field(600, ge=60)
    priority: Literal["dedicated", "low_priority"] = Field(
        "dedicated", description="low_priority costs a fifth and may be taken away at any time"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Compute:
        if self.min_instances > self.max_instances:
            raise ValueError(
                f"min_instances {self.min_instances} is above max_instances {self.max_instances}"
            )
        return self


class Training(Section):
    """How training pipelines run."""

    compute: str = Field(description="a key of `compute`")
    timeout_minutes: int = Field(60, ge=1, le=7 * 24 * 60)


class Rollout(Section):
    """How a new deployment takes over from the one that serves."""

    shadow_percent: Annotated[int, Field(ge=0, le=50)] = Field(
        description="traffic mirrored to the new deployment; Azure allows at most 50"
    )
    canary_percent: Percent
    requests_per_step: int = Field(ge=10, description="requests that judge the shadow and the canary step")
    max_error_rate: float = Field(ge=0, lt=1)
    max_p95_ms: float = Field(gt=0)
    latency_slack_ms: float = Field(
        50, ge=0, description="how far the new p95 may be above twice the present deployment's"
    )


class Serving(Section):
    """How online endpoints serve and collect."""

    instance_type: Annotated[str, StringConstraints(pattern=r"^Standard_[A-Za-z0-9_]+$")]
    instance_count: int = Field(ge=1, le=50)
    auth_mode: Literal["key", "aml_token", "aad_token"]
    public_network_access: Literal["enabled", "disabled"]
    sampling_rate: float = Field(ge=0, le=1, description="share of requests whose data is collected")
    max_concurrent_requests: int = Field(ge=1, description="per instance; Azure answers 429 above it")
    request_timeout_ms: int = Field(ge=500, le=180_000, description="Azure's limit is 180 seconds")
    rollout: Rollout


class Promotion(Section):
    """The way of a model: trained in the first environment of the chain, promoted to each of the others."""

    chain: tuple[Literal["dev", "staging", "prod"], ...] = Field(
        description="from the environment that trains to prod; an environment that is left out trains its own"
    )

    @field_validator("chain")
    @classmethod
    def _one_way(cls, chain: tuple[str, ...]) -> tuple[str, ...]:
        order = ("dev", "staging", "prod")
        if list(chain) != [name for name in order if name in chain] or chain[-1:] != order[-1:]:
            raise ValueError(f"two or three of {', '.join(order)}, in this order and prod among them")
        if len(chain) < 2:
            raise ValueError("at least one environment before prod: what prod serves was proven somewhere")
        return chain

    @property
    def trains_in(self) -> str:
        """The environment whose models are promoted."""
        return self.chain[0]

    def accepts_releases(self, environment: str) -> bool:
        """Whether an environment deploys what was promoted to it, and nothing else."""
        return environment in self.chain[1:]

    def before(self, environment: str) -> str | None:
        """Return the environment that promotes to this one; None for the first, and outside of the chain."""
        return self.chain[self.chain.index(environment) - 1] if self.accepts_releases(environment) else None

    def after(self, environment: str) -> str | None:
        """Return the environment that this one promotes to; None for prod, and outside of the chain."""
        return next((name for name in self.chain if self.before(name) == environment), None)


class ControlException(Section):
    """A reviewed permission to run prod below one of its controls, until a date."""

    check: str
    reason: Annotated[str, StringConstraints(min_length=20)]
    expires: date


class Environment(Section):
    """Everything that is decided about one environment."""

    name: Literal["local", "dev", "staging", "prod"]
    profile: Literal["dev", "staging", "prod"] = Field(
        description="which controls are mandatory: prod's may not be lowered without an exception"
    )
    control_plane: Literal["embedded", "azure"]
    project: Project
    azure: Azure
    compute: dict[str, Compute]
    training: Training
    serving: Serving
    workspace: Workspace = Workspace()
    network: Network
    storage: Storage
    protection: Protection
    encryption: Encryption = Encryption()
    images: Images
    endpoints: dict[str, Endpoint]
    monitoring: Monitoring
    notifications: Notifications
    retraining: Retraining = Retraining()
    promotion: Promotion
    budget: Budget
    governance: Governance
    platform: Platform
    exceptions: tuple[ControlException, ...] = ()

    @model_validator(mode="after")
    def _references(self) -> Environment:
        if self.training.compute not in self.compute:
            known = ", ".join(sorted(self.compute))
            raise ValueError(f"training.compute {self.training.compute!r} is not one of compute: {known}")
        return self

    @property
    def private(self) -> bool:
        """Whether the services answer inside a network alone."""
        return self.network.profile != "public"

    @property
    def accepts_releases(self) -> bool:
        """Whether models come here by promotion alone."""
        return self.promotion.accepts_releases(self.name)

    @property
    def names(self) -> Names:
        """The names of this environment's resources."""
        return Names(self.project.name, self.name, self.azure.subscription_id)
