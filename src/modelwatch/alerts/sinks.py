"""What is told, and the shape of who tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from modelwatch.errors import WatchError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

__all__ = ["Kind", "Notification", "Sink", "SinkError"]

Kind = Literal["opened", "escalated", "resolved", "retracted"]


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
        Whose incident, and which way it goes.
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
