"""From fired alerts to requests to retrain: one open request a model, and a pause after each.

A request is an issue that this repository's automation wrote, so that what was asked for, why, and what
became of it can be read where people look; nothing else keeps state.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field, ValidationError, field_validator

from mlops.delivery.markdown import cell, code, table
from mlops.delivery.sticky import find_issues, issue
from mlops.errors import DataError, UsageError, nearest
from mlops.settings.section import Section

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mlops.github import GitHub

__all__ = ["LABEL", "Decision", "Request", "ask", "close", "fulfil", "read_request", "wanting"]

LABEL: Final = "retraining-request"
_LARGEST_PAYLOAD: Final = 10_000
_WHAT_NEXT: Final = (
    "The retraining workflow reports here; this is closed when a new model serves in this environment. "
    "While this is open, nothing else is asked for."
)

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,40}$")]


class Request(Section):
    """What somebody, or an alert, asks for.

    Parameters
    ----------
    reason
        One line for people.
    issue
        The issue to report to; 0 when there is none.
    """

    usecase: Name
    environment: Literal["dev", "staging", "prod"]
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    issue: Annotated[int, Field(ge=0)] = 0

    @field_validator("reason")
    @classmethod
    def _one_line(cls, value: str) -> str:
        return " ".join(value.split())

    @field_validator("issue", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        # A form of GitHub's sends numbers as text, and an empty field as an empty one.
        return int(value) if isinstance(value, str) and value.isdecimal() else value or 0


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a model's alerts.

    Parameters
    ----------
    outcome
        ``requested`` now; ``open`` when a request waits already; ``pausing`` after the last one.
    until
        The end of the pause.
    """

    usecase: str
    environment: str
    outcome: Literal["requested", "open", "pausing"]
    issue: int = 0
    until: datetime | None = None
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return what a command prints as JSON."""
        return {
            "usecase": self.usecase,
            "environment": self.environment,
            "outcome": self.outcome,
            "issue": self.issue,
            "until": self.until.isoformat(timespec="seconds") if self.until else None,
            "reason": self.reason,
        }


def read_request(text: str, usecases: Iterable[str]) -> Request:
    """Read a request that came from outside: a form, another workflow, or an event.

    Raises
    ------
    UsageError
        It is no JSON, has other fields than a request's, or names a use case that is not there.
    """
    expected = '{"usecase": …, "environment": "dev|staging|prod", "reason": …, "issue": number}'
    try:
        content = json.loads(text) if len(text) <= _LARGEST_PAYLOAD else None
        found = Request.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the request"
        raise UsageError(
            "A request to retrain is not valid.", where=where, got=first["msg"], expected=expected
        ) from None
    except ValueError as error:
        raise UsageError("A request to retrain is no JSON.", got=error, expected=expected) from None
    known = sorted(usecases)
    if found.usecase not in known:
        raise UsageError(
            f"There is no use case {found.usecase!r}.",
            where="usecase",
            got=found.usecase,
            expected=f"one of {', '.join(known)}",
            next_step=f"ask for {nearest(found.usecase, known) or known[0]}",
        )
    return found


def wanting(
    alerts: Iterable[Mapping[str, Any]], monitors: Mapping[str, str]
) -> dict[str, list[dict[str, Any]]]:
    """Return the alerts that ask for retraining now, by use case.

    Parameters
    ----------
    alerts
        What ``mlops ci alerts`` wrote.
    monitors
        The use case of each monitor.

    Raises
    ------
    DataError
        An alert lacks a field, or its monitor belongs to no use case.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for alert in alerts:
        lacking = [
            name for name in ("fingerprint", "monitor", "rule", "state", "action") if name not in alert
        ]
        if lacking:
            raise DataError(
                "An alert lacks fields.",
                got=f"no {', '.join(lacking)}",
                expected="what `mlops ci alerts` writes",
            )
        if alert["action"] != "request_retraining" or alert["state"] != "firing":
            continue
        usecase = monitors.get(str(alert["monitor"]))
        if usecase is None:
            raise DataError(
                "An alert comes from a monitor that belongs to no use case.",
                got=alert["monitor"],
                expected=f"one of {', '.join(sorted(monitors)) or 'none: no pipelines/*/monitor.yaml'}",
            )
        found.setdefault(usecase, []).append(dict(alert))
    return dict(sorted(found.items()))


def ask(
    github: GitHub,
    usecase: str,
    environment: str,
    alerts: Sequence[Mapping[str, Any]],
    *,
    at: datetime,
    pause: timedelta,
    run: int = 0,
) -> Decision:
    """Open a request for a model, unless one is open or the pause after the last one is not over.

    Parameters
    ----------
    at
        The present, in UTC.
    pause
        Counted from when the last request was opened, since a model that was just retrained is judged on
        windows that it did not serve.
    """
    key = _key(environment, usecase)
    reason = _reason(alerts)
    opened = find_issues(github, key, LABEL)
    if not opened:
        latest = max(
            (
                datetime.fromisoformat(one["created_at"])
                for one in find_issues(github, key, LABEL, state="closed")
            ),
            default=None,
        )
        if latest is not None and at < latest + pause:
            return Decision(usecase, environment, "pausing", until=latest + pause, reason=reason)
    title = f"Retrain {usecase} in {environment}"
    posted = issue(github, key, title, _text(usecase, environment, alerts), labels=[LABEL], run=run)
    outcome: Literal["requested", "open"] = "open" if opened else "requested"
    return Decision(usecase, environment, outcome, issue=posted.number, reason=reason)


def fulfil(github: GitHub, usecase: str, environment: str, number: int) -> bool:
    """Close a request if it is open and asked for a model of this environment; say whether it was."""
    asked = find_issues(github, _key(environment, usecase), LABEL)
    if number not in {one["number"] for one in asked}:
        return False
    close(github, number)
    return True


def close(github: GitHub, number: int) -> None:
    """Close a request that was fulfilled."""
    body = {"state": "closed", "state_reason": "completed"}
    github.send("PATCH", github.path("issues", number), body=body)


def _key(environment: str, usecase: str) -> str:
    return f"retrain:{environment}:{usecase}"


def _reason(alerts: Sequence[Mapping[str, Any]]) -> str:
    rules = sorted({f"{alert['monitor']}/{alert['rule']}" for alert in alerts})
    return f"{len(alerts)} alert{'' if len(alerts) == 1 else 's'} fire: {', '.join(rules)}"[:500]


def _text(usecase: str, environment: str, alerts: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        tuple(
            cell(alert.get(name) if alert.get(name) is not None else "-")
            for name in ("severity", "monitor", "rule", "feature", "segment", "since", "owner")
        )
        for alert in sorted(alerts, key=lambda alert: str(alert["fingerprint"]))
    ]
    return "\n".join(
        [
            f"Alerts on {code(usecase)} in {code(environment)} ask for a new model.",
            "",
            *table(("severity", "monitor", "rule", "feature", "segment", "since", "owner"), rows),
            "",
            _WHAT_NEXT,
        ]
    )
