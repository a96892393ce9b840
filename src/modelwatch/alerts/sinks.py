"""What is told, and the shape of who tells it."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from modelwatch.alerts.incidents import ESCALATED, OPENED, REOPENED, RESOLVED, RETRACTED
from modelwatch.errors import WatchError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from modelwatch.alerts.journal import Event

__all__ = ["Kind", "Notification", "Sink", "SinkError"]

Kind = Literal["opened", "escalated", "resolved", "reopened", "retracted"]
_KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        OPENED: "opened",
        ESCALATED: "escalated",
        RESOLVED: "resolved",
        REOPENED: "reopened",
        RETRACTED: "retracted",
    }
)


@dataclass(frozen=True, slots=True)
class Notification:
    """One change of one incident that somebody must hear of.

    Parameters
    ----------
    key
        Names the change for ever: whatever is sent twice by accident carries the same key.
    kind
        What happened. ``retracted``: late data showed that there was no incident.
    monitor, route
        Whose incident, and which way it goes: the rule's route, or the owner's name.
    incident
        The incident as it was then, JSON-ready.
    at
        When it happened, by the clock of the run that saw it.
    """

    key: str
    kind: Kind
    monitor: str
    route: str
    incident: Mapping[str, Any]
    at: datetime

    @classmethod
    def of(cls, event: Event) -> Notification:
        """Read an event of one of the kinds that change what people know."""
        incident = event.payload["incident"]
        return cls(
            key=event.key,
            kind=_KINDS[event.kind],
            monitor=event.monitor,
            route=incident["route"] or incident["owner"],
            incident=incident,
            at=event.at,
        )

    @property
    def over(self) -> bool:
        """Whether nobody needs to act any more."""
        return self.kind in {"resolved", "retracted"}

    @property
    def incident_id(self) -> str:
        """The incident's id."""
        return str(self.incident["id"])


class SinkError(WatchError):
    """A sink could not take a notification.

    Parameters
    ----------
    retry_after
        Seconds that the receiver asked to be left alone.
    refused
        The receiver is there and does not want this one; others may pass. Otherwise the sink counts as
        down, and nothing else is sent to it before the next attempt.
    """

    def __init__(
        self,
        what: str,
        *,
        retry_after: float | None = None,
        refused: bool = False,
        where: str | None = None,
        got: object = None,
        expected: object = None,
        next_step: str | None = None,
    ) -> None:
        super().__init__(what, where=where, got=got, expected=expected, next_step=next_step)
        self.retry_after = retry_after
        self.refused = refused


class Sink(Protocol):
    """Somewhere to tell people or programs."""

    @property
    def name(self) -> str:
        """The name that settings give it; the journal remembers deliveries by it."""
        ...

    def deliver(self, notification: Notification) -> str | None:
        """Send, and return what is worth remembering: an address, a receipt.

        The notification's key goes along, so that a receiver can tell a repetition.

        Raises
        ------
        SinkError
            It did not arrive, or may not have.
        """
        ...

    def delivered(self, notification: Notification) -> bool | None:
        """Return whether it has arrived; None when the receiver cannot be asked."""
        ...
