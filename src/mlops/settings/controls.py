"""The controls that a prod environment may not lower without a reviewed, expiring exception."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mlops.errors import SettingsError, nearest
from mlops.settings.control import Control
from mlops.settings.infrastructure_controls import INFRASTRUCTURE_CONTROLS
from mlops.yaml_source import mark_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from mlops.settings.model import ControlException, Environment
    from mlops.yaml_source import Location, Mark

__all__ = ["CONTROLS", "Control", "check_controls"]


CONTROLS: Final = (
    Control(
        "entra-authentication",
        "serving.auth_mode",
        "aad_token: keys and workspace tokens are shared secrets that nobody can be asked about",
        lambda environment: environment.serving.auth_mode == "aad_token",
    ),
    Control(
        "private-endpoint",
        "serving.public_network_access",
        "disabled: the endpoint answers inside the network alone",
        lambda environment: environment.serving.public_network_access == "disabled",
    ),
    Control(
        "redundant-serving",
        "serving.instance_count",
        "3 or more: Azure spreads instances over zones, and updates them in turn",
        lambda environment: environment.serving.instance_count >= 3,
    ),
    Control(
        "canary-rollout",
        "serving.rollout.canary_percent",
        "1 to 50: a new deployment proves itself on a small share of the traffic",
        lambda environment: 1 <= environment.serving.rollout.canary_percent <= 50,
    ),
)

_ALL: Final = (*CONTROLS, *INFRASTRUCTURE_CONTROLS)


def check_controls(environment: Environment, marks: Mapping[Location, Mark], today: date) -> None:
    """Refuse a prod environment that lowers a control without a valid exception.

    Raises
    ------
    SettingsError
        A control is lowered; an exception names no control, has expired, or is not needed any more.
    """
    lowered = (
        {control.check: control for control in _ALL if not control.holds(environment)}
        if environment.profile == "prod"
        else {}
    )
    for position, exception in enumerate(environment.exceptions):
        where = str(marks[("exceptions", position)])
        _check_exception(exception, lowered, where, today)
        del lowered[exception.check]
    for control in lowered.values():
        location = tuple(control.key.split("."))
        value: object = environment
        for name in location:
            value = getattr(value, name, "not set")
        raise SettingsError(
            f"The environment {environment.name} lowers the control {control.check!r}.",
            where=f"{mark_of(location, marks)} ({control.key})",
            got=value,
            expected=control.expected,
            next_step=f"raise it, or add exceptions: [{{check: {control.check}, reason: …, expires: …}}]",
        )


def _check_exception(
    exception: ControlException, lowered: Mapping[str, Control], where: str, today: date
) -> None:
    known = [control.check for control in _ALL]
    if exception.check not in known:
        close = nearest(exception.check, known)
        raise SettingsError(
            f"There is no control {exception.check!r}.",
            where=where,
            got=exception.check,
            expected=f"one of: {', '.join(known)}",
            next_step=f"write {close!r}" if close else "remove the exception",
        )
    if exception.expires < today:
        raise SettingsError(
            f"The exception for {exception.check!r} has expired.",
            where=where,
            got=exception.expires.isoformat(),
            expected=f"{today.isoformat()} or later",
            next_step="raise the control again, or have a new date reviewed",
        )
    if exception.check not in lowered:
        raise SettingsError(
            f"The exception for {exception.check!r} is not needed: the control holds.",
            where=where,
            got=exception.check,
            expected="exceptions only for controls that are lowered, each once",
            next_step="remove the exception",
        )
