"""What every command that talks to a control plane needs: settings, a client, and where to print."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Annotated

import typer

from mlops.cli.output import Output
from mlops.client import Home, connect, connect_registry
from mlops.promotion.files import Releases
from mlops.settings import ROOT, Environment, load

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

    from mlops.promotion.shared import SharedModels
    from mlops.usecase import UseCase

__all__ = ["EnvironmentOption", "JsonOption", "Session", "UseCaseOption"]

EnvironmentOption = Annotated[
    str, typer.Option("--env", "-e", help="local, dev, staging or prod.", metavar="ENV")
]
UseCaseOption = Annotated[
    str, typer.Option("--usecase", "-u", help="A folder of pipelines/ that has a usecase.yaml.", metavar="U")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@dataclass(frozen=True)
class Session:
    """One command's view of one environment; the client is made when it is first needed."""

    settings: Environment
    home: Home
    output: Output
    releases: Releases = field(default_factory=lambda: Releases(ROOT))

    @classmethod
    def open(cls, environment: str, *, as_json: bool = False) -> Session:
        """Load the settings of `environment`."""
        return cls(load(environment), Home.from_environment(ROOT), Output(as_json))

    @cached_property
    def client(self) -> MLClient:
        """The client of the environment's workspace."""
        return connect(self.settings, self.home)

    @cached_property
    def shared(self) -> SharedModels:
        """The models of the registry that all environments share."""
        from mlops.promotion.shared import SharedModels

        return SharedModels(self.settings.names.registry, partial(connect_registry, self.settings, self.home))

    def usecase(self, name: str) -> UseCase:
        """Load a use case by the name of its folder."""
        from mlops.usecase import load_usecase

        return load_usecase(name, ROOT)
