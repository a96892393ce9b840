"""The tree of commands, and what happens to an error that reaches its root."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final

import typer

from mlops.cli.output import Output
from mlops.errors import ControlPlaneError, ProjectError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from azure.core.exceptions import HttpResponseError

__all__ = ["application", "run"]

_FREE_SPACE: Final = "free space on the disk, then run the same command again"
_NEXT_STEPS: Final = {
    "InsufficientStorage": _FREE_SPACE,
    "StorageAccountCapacityExceeded": _FREE_SPACE,
    "QuotaExceeded": "ask for more quota, or choose another size in environments/<env>.yaml",
    "AuthorizationFailed": "ask for the role that the message names",
    "ExpiredAuthenticationToken": "az login",
}


def application() -> typer.Typer:
    """Return the whole command line."""
    from mlops.cli import (
        alerts,
        bootstrap,
        delivery,
        demo,
        doctor,
        infra,
        init,
        local,
        model,
        monitoring,
        pipeline,
        promoting,
        serving,
        settings_command,
    )

    app = typer.Typer(
        name="mlops",
        help="Machine learning on Azure, and the same loop on this machine.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for module in (bootstrap, demo, doctor, init, model, promoting, serving):
        module.add_commands(app)
    for name, module in (
        ("alerts", alerts),
        ("ci", delivery),
        ("infra", infra),
        ("local", local),
        ("monitor", monitoring),
        ("pipeline", pipeline),
        ("settings", settings_command),
    ):
        app.add_typer(module.commands(), name=name)
    return app


def run(arguments: Sequence[str]) -> int:
    """Run one command.

    Returns
    -------
    int
        The exit code.
    """
    _quiet_sdk()
    output = Output(as_json="--json" in arguments)
    try:
        application()(args=list(arguments), prog_name="mlops")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 2
    except Exception as error:
        known = error if isinstance(error, ProjectError) else _from_sdk(error)
        if known is None:
            raise
        output.error(known)
        code = known.exit_code
    return code


def _quiet_sdk() -> None:
    """Keep libraries from sending usage data, printing notices, and passing their state on."""
    logging.getLogger("azure.ai.ml._utils._experimental").setLevel(logging.ERROR)
    # The SDK leaves the name of its last cloud to child processes, whose import fails over one of ours.
    if os.environ.get("AZUREML_CURRENT_CLOUD", "").startswith("Embedded-"):
        del os.environ["AZUREML_CURRENT_CLOUD"]
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("AZURE_CORE_COLLECT_TELEMETRY", "0")


def _from_sdk(error: Exception) -> ProjectError | None:
    """Say what the SDK or the network reported in this project's words; None when it is neither."""
    module = type(error).__module__.partition(".")[0]
    if module not in {"azure", "requests", "msal"}:
        return None
    from azure.ai.ml.exceptions import MlException
    from azure.core.exceptions import (
        AzureError,
        ClientAuthenticationError,
        HttpResponseError,
        ServiceRequestError,
    )

    message = " ".join(str(error).split())
    if isinstance(error, ClientAuthenticationError):
        return ControlPlaneError("Azure did not accept the login.", got=message, next_step="az login")
    if isinstance(error, ServiceRequestError):
        return ControlPlaneError(
            "The control plane does not answer.",
            got=message,
            next_step="mlops local status, or check the network",
        )
    if isinstance(error, HttpResponseError):
        code = error.error.code if error.error else None
        return ControlPlaneError(
            "The control plane refused a request.",
            where=_address(error),
            got=f"{error.status_code} {code or error.reason}: {message}",
            next_step=_NEXT_STEPS.get(str(code or getattr(error, "error_code", None))),
        )
    if isinstance(error, (AzureError, MlException, OSError)):
        return ControlPlaneError("The control plane could not do what was asked.", got=message)
    return None


def _address(error: HttpResponseError) -> str | None:
    """Return which resource a request was for, without the query, which may carry a signature."""
    request = getattr(error.response, "request", None)
    return str(request.url).partition("?")[0] if request is not None else None
