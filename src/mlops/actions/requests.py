"""Requests for action, as the alert store's journal has them: who asked for what, and what came of it.

A request is an event, and so is its end. It waits in the journal until somebody takes it: this machine, which
acts itself, or a workflow that reads `mlops alerts list --json`; so nothing in Azure needs a right in the
repository.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from mlops.errors import UsageError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelwatch.alerts.store import AlertStore

__all__ = [
    "ActionKind",
    "ActionRequest",
    "Outcome",
    "close",
    "fail",
    "find",
    "open_request",
    "requests",
    "start",
]

ActionKind = Literal["retraining", "annotation", "issue"]
Outcome = Literal["done", "failed", "cancelled"]
OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)

REQUESTED: Final = "action_requested"
STARTED: Final = "action_started"
FAILED: Final = "action_failed"
CLOSED: Final = "action_closed"


@dataclass(frozen=True, slots=True)
class ActionRequest:
    """One thing that an incident asks for.

    Parameters
    ----------
    id
        Names the request for ever; whoever acts may be asked to do it again under the same id.
    model
        The use case whose model it is about.
    owner
        Who is asked: the incident's owner, or the data's.
    reason
        Why, as one sentence.
    attempts
        How often somebody began.
    outcome
        None while it is open.
    note
        What came of it, or why the last attempt failed.
    """

    id: str
    kind: ActionKind
    monitor: str
    model: str
    incident: str
    owner: str
    reason: str
    requested: datetime
    attempts: int = 0
    outcome: Outcome | None = None
    note: str | None = None
    closed: datetime | None = None

    @property
    def open(self) -> bool:
        """Whether it still waits."""
        return self.outcome is None

    def to_dict(self) -> dict[str, Any]:
        """Return the same, JSON-ready."""
        return {
            "id": self.id,
            "kind": self.kind,
            "monitor": self.monitor,
            "model": self.model,
            "incident": self.incident,
            "owner": self.owner,
            "reason": self.reason,
            "requested": self.requested.isoformat(),
            "attempts": self.attempts,
            "outcome": self.outcome,
            "note": self.note,
            "closed": self.closed.isoformat() if self.closed else None,
        }


def requests(store: AlertStore, monitor: str | None = None) -> list[ActionRequest]:
    """Return every request, oldest first."""
    found: dict[str, ActionRequest] = {}
    for event in store.events(monitor, (REQUESTED, STARTED, FAILED, CLOSED)):
        payload = event.payload
        if event.kind == REQUESTED:
            asked = payload["request"]
            at = datetime.fromisoformat(asked["requested"])
            found[asked["id"]] = ActionRequest(**{**asked, "monitor": event.monitor, "requested": at})
            continue
        request = found[payload["id"]]
        if event.kind == STARTED:
            found[request.id] = replace(request, attempts=payload["attempt"])
        elif event.kind == FAILED:
            found[request.id] = replace(request, note=payload["reason"])
        else:
            closed = datetime.fromisoformat(payload["clock"])
            found[request.id] = replace(
                request, outcome=payload["outcome"], note=payload["note"], closed=closed
            )
    return list(found.values())


def find(store: AlertStore, identifier: str) -> ActionRequest:
    """Return one request.

    Raises
    ------
    UsageError
        There is none of that id.
    """
    known = {request.id: request for request in requests(store)}
    if identifier not in known:
        close_by = nearest(identifier, known)
        raise UsageError(
            "There is no such request for action.",
            where=str(store.path),
            got=identifier,
            expected=f"one of {len(known)} requests",
            next_step=f"write {close_by!r}" if close_by else "mlops alerts list",
        )
    return known[identifier]


def open_request(store: AlertStore, request: ActionRequest) -> bool:
    """Write a request down; False when it is there."""
    asked = {
        name: value
        for name, value in request.to_dict().items()
        if name in {"id", "kind", "model", "incident", "owner", "reason", "requested"}
    }
    return store.append(
        REQUESTED,
        f"{REQUESTED}/{request.id}",
        monitor=request.monitor,
        payload={"request": asked},
        now=request.requested,
        actor="router",
    )


def start(store: AlertStore, request: ActionRequest, *, actor: str, now: datetime) -> ActionRequest:
    """Write down that somebody begins; return the request with one more attempt."""
    attempt = request.attempts + 1
    store.append(
        STARTED,
        f"{STARTED}/{request.id}/{attempt}",
        monitor=request.monitor,
        payload={"id": request.id, "attempt": attempt},
        now=now,
        actor=actor,
    )
    return replace(request, attempts=attempt)


def fail(store: AlertStore, request: ActionRequest, reason: str, *, actor: str, now: datetime) -> None:
    """Write down why an attempt failed; the request stays open."""
    store.append(
        FAILED,
        f"{FAILED}/{request.id}/{request.attempts}",
        monitor=request.monitor,
        payload={"id": request.id, "reason": reason},
        now=now,
        actor=actor,
    )


def close(
    store: AlertStore, request: ActionRequest, outcome: Outcome, *, note: str, actor: str, now: datetime
) -> bool:
    """Write down what came of a request; False when somebody did already: the first word counts."""
    return store.append(
        CLOSED,
        f"{CLOSED}/{request.id}",
        monitor=request.monitor,
        payload={"id": request.id, "outcome": outcome, "note": note, "clock": now.isoformat()},
        now=now,
        actor=actor,
    )


def of_model(all_requests: Sequence[ActionRequest], model: str, kind: ActionKind) -> list[ActionRequest]:
    """Return a model's requests of one kind, oldest first."""
    return [request for request in all_requests if request.model == model and request.kind == kind]
