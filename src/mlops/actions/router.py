"""From incidents to requests for action.

| what stands behind the incident | asks for |
|---|---|
| a broken schema, whatever the rule says | an issue for the data's owner: no model learns from broken data |
| ``request_retraining``, classical | retraining |
| ``request_retraining``, cv and nlp | annotation: what has changed has no labels yet |
| ``request_annotation`` | annotation |
| ``issue`` | an issue for the incident's owner |
| ``none`` | nothing |
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from mlops.actions.requests import ActionKind, ActionRequest, close, of_model, open_request, requests
from modelwatch.alerts.incidents import incidents
from modelwatch.alerts.operating import silenced, silences

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from modelwatch.alerts.incidents import Incident
    from modelwatch.alerts.store import AlertStore

__all__ = ["Archetype", "Subject", "action_for", "request_actions"]

Archetype = Literal["classical", "cv", "nlp"]
SCHEMA_BREAK: Final = "schema_break"
_ACTIONS: Final[Mapping[str, ActionKind]] = MappingProxyType(
    {"request_annotation": "annotation", "issue": "issue"}
)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a monitor watches.

    Parameters
    ----------
    model
        The use case.
    archetype
        How it gets labels.
    data_owner
        Who answers for the data it reads; the incident's owner by default.
    """

    model: str
    archetype: Archetype
    data_owner: str | None = None


def action_for(incident: Incident, archetype: Archetype) -> ActionKind | None:
    """Return what an incident asks for, by the table above."""
    if incident.cause["kind"] == SCHEMA_BREAK:
        return "issue"
    if incident.action == "request_retraining":
        return "retraining" if archetype == "classical" else "annotation"
    return _ACTIONS.get(incident.action)


def request_actions(
    store: AlertStore, monitor: str, subject: Subject, *, now: datetime, cooldown: timedelta
) -> list[ActionRequest]:
    """Ask for what the open incidents of a monitor need, and take back what needs doing no more.

    A model has one open request to retrain at a time, and after one no other for the time of `cooldown`,
    whatever came of it: a model that was retrained on the wrong data is no better the day after. An incident
    that is still open then asks again. Every other action is asked for once an incident. Silenced incidents
    ask for nothing while they are.

    Returns
    -------
    list of ActionRequest
        The new ones. To call twice is to call once.
    """
    with store.transaction():
        muted = silences(store, monitor, now=now)
        known = requests(store)
        _take_back(store, monitor, known, now)
        asked = []
        for incident in incidents(store, monitor):
            if incident.state != "open" or incident.quiet or silenced(incident.to_dict(), muted):
                continue
            request = _request(incident, subject, requests(store), now, cooldown)
            if request is not None and open_request(store, request):
                asked.append(request)
        return asked


def _request(
    incident: Incident,
    subject: Subject,
    known: Sequence[ActionRequest],
    now: datetime,
    cooldown: timedelta,
) -> ActionRequest | None:
    kind = action_for(incident, subject.archetype)
    if kind is None:
        return None
    mine = [request for request in known if request.incident == incident.id and request.kind == kind]
    if kind == "retraining":
        others = of_model(known, subject.model, kind)
        # A clock that was set back would make it last for as long as it was wrong.
        recent = any(request.requested <= now < request.requested + cooldown for request in others)
        if recent or any(request.open for request in others):
            return None
    elif mine:
        return None
    broken = incident.cause["kind"] == SCHEMA_BREAK
    return ActionRequest(
        id=f"{incident.id}-{kind}-{len(mine)}",
        kind=kind,
        monitor=incident.monitor,
        model=subject.model,
        incident=incident.id,
        owner=(subject.data_owner if broken else None) or incident.owner,
        reason=incident.cause["text"],
        requested=now,
    )


def _take_back(store: AlertStore, monitor: str, known: Sequence[ActionRequest], now: datetime) -> None:
    """Cancel what nobody has begun and no incident asks for any more."""
    retracted = {item.id for item in incidents(store, monitor) if item.state == "retracted"}
    for request in known:
        if request.open and request.incident in retracted and not request.attempts:
            note = "late data showed that there was no incident"
            close(store, request, "cancelled", note=note, actor="router", now=now)
