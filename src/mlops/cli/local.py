"""``mlops local``: the control plane that is embedded in this repository."""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from mlops.cli.context import JsonOption
from mlops.cli.output import Output
from mlops.client import Connection, Home
from mlops.errors import ControlPlaneError, UsageError
from mlops.settings import ROOT, load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azureml_local.config import InstanceConfig
    from azureml_local.instance import Instance
    from mlops.settings import Environment

__all__ = ["commands", "instance_at", "instance_config"]


def commands() -> typer.Typer:
    """Return the commands below ``mlops local``."""
    group = typer.Typer(help="Start, look at and stop the embedded control plane.", no_args_is_help=True)
    group.command("up", epilog="Example: `mlops local up`")(up)
    group.command("status", epilog="Example: `mlops local status --json`")(status)
    group.command("down", epilog="Example: `mlops local down`")(down)
    group.command("reset", epilog="Example: `mlops local reset --yes`")(reset)
    group.command("env", epilog='Example: `eval "$(mlops local env)"`')(env)
    return group


def instance_at(home: Home) -> Instance:
    """Return the instance that keeps its state below `home`."""
    from azureml_local.instance import Instance

    return Instance(home.control_plane)


def instance_config(settings: Environment, home: Home, *, port: int = 0) -> InstanceConfig:
    """Describe the workspace that the settings of the local environment ask for.

    Raises
    ------
    UsageError
        A virtual environment that stands in for an image is missing.
    """
    from azureml_local.config import Compute, InstanceConfig, Runtime

    names = settings.names
    runtimes = {}
    for name, folder in (("training", ".venv"), ("serving", ".venv-serving")):
        python = ROOT / folder / "bin" / "python"
        if not python.exists():
            raise UsageError(
                f"The virtual environment of the {name} image is missing.",
                where=str(python.parent.parent),
                next_step="make setup",
            )
        runtimes[name] = Runtime(name, python, ROOT / "environments" / "locks" / f"{name}.txt")
    return InstanceConfig(
        home=home.control_plane,
        tenant_id=settings.azure.tenant_id,
        subscription_id=settings.azure.subscription_id,
        resource_group=names.resource_group,
        workspace=names.workspace,
        registry=names.registry,
        location=settings.project.location,
        computes={
            names.compute(key): Compute(compute.size, compute.max_instances)
            for key, compute in settings.compute.items()
        },
        runtimes=runtimes,
        port=port,
    )


def up(
    port: Annotated[int, typer.Option(help="A fixed port; 0 takes the last one, or any free one.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Start the control plane, or say that it runs already. What it held before is there again."""
    home, output = Home.from_environment(ROOT), Output(as_json)
    instance = instance_at(home)
    state = instance.status()
    if not state.ready:
        output.progress("starting the embedded control plane …")
        with _explained():
            state = instance.up(instance_config(load("local"), home, port=port))
    output.result(
        asdict(state), f"up: {state.base_url} (process {state.pid})\nnext: mlops train --usecase classical"
    )


def status(as_json: JsonOption = False) -> None:
    """Say whether it runs, and where. Exit code 1 when it does not."""
    home = Home.from_environment(ROOT)
    state = instance_at(home).status()
    text = f"up: {state.base_url} (process {state.pid})" if state.ready else "down\nnext: mlops local up"
    Output(as_json).result({**asdict(state), "home": str(home.control_plane)}, text)
    if not state.ready:
        raise typer.Exit(1)


def down(as_json: JsonOption = False) -> None:
    """Stop it with every process that it started; its state stays for the next ``up``."""
    with _explained():
        stopped = instance_at(Home.from_environment(ROOT)).down()
    Output(as_json).result({"stopped": stopped}, "down" if stopped else "it was not running")


def reset(
    yes: Annotated[bool, typer.Option("--yes", help="Delete all models, jobs, endpoints and data.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Stop it and delete everything that it holds."""
    home = Home.from_environment(ROOT)
    if not yes:
        raise UsageError(
            "This deletes every job, model, endpoint and collected row of the embedded control plane.",
            where=str(home.control_plane),
            next_step="mlops local reset --yes",
        )
    with _explained():
        instance_at(home).reset()
    Output(as_json).result({"reset": str(home.control_plane)}, f"deleted {home.control_plane}")


def env(as_json: JsonOption = False) -> None:
    """Print the variables with which any program's azure-ai-ml client reaches it."""
    home = Home.from_environment(ROOT)
    connection = Connection.read(home)
    if not instance_at(home).status().running:
        raise ControlPlaneError("The embedded control plane is not running.", next_step="mlops local up")
    base = connection.base_url
    variables = {
        "ARM_CLOUD_METADATA_URL": f"{base}/metadata/endpoints?api-version=2019-05-01",
        "REGISTRY_DISCOVERY_ENDPOINT_URL": f"{base}/",
        "REQUESTS_CA_BUNDLE": connection.ca_bundle,
        "AZURE_AUTHORITY_HOST": base,
        "AZURE_TENANT_ID": connection.tenant_id,
        "AZURE_CLIENT_ID": connection.client_id,
        "AZURE_CLIENT_SECRET": connection.client_secret,
    }
    lines = (f"export {name}={shlex.quote(value)}" for name, value in variables.items())
    Output(as_json).result(variables, "\n".join(lines))


@contextmanager
def _explained() -> Iterator[None]:
    """Say what an instance reported as one of this project's errors."""
    from azureml_local.instance import InstanceError

    try:
        yield
    except InstanceError as error:
        raise ControlPlaneError(
            "The embedded control plane did not do what it should.", got=error, next_step="mlops local status"
        ) from error
