"""Asking an owner to look: the incident, sent to the sinks of that owner's route.

The incident's own owner has been told by the outbox; this is for the owner of the data, who was not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlops.errors import ControlPlaneError, SettingsError
from modelwatch.alerts.operating import find
from modelwatch.alerts.outbox import Notification, SinkError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops.actions.requests import ActionRequest
    from modelwatch.alerts.outbox import Sink
    from modelwatch.alerts.store import AlertStore

__all__ = ["IssueToOwner"]


@dataclass(frozen=True, slots=True)
class IssueToOwner:
    """Tells the owner of a request; sinks that can tell a repetition by its key get it once."""

    store: AlertStore
    sinks_by_route: Mapping[str, Sequence[Sink]]

    def __call__(self, request: ActionRequest) -> str:
        """Send it, and say where it went.

        Raises
        ------
        SettingsError
            The owner has no route.
        ControlPlaneError
            A sink did not take it.
        """
        incident = find(self.store, request.incident)
        if incident.owner == request.owner:
            return f"{request.owner} is told by the incident's own notification"
        sinks = self.sinks_by_route.get(request.owner)
        if not sinks:
            raise SettingsError(
                "An owner has no route.",
                where="notifications.routes",
                got=request.owner,
                expected=f"one of: {', '.join(self.sinks_by_route)}",
                next_step=f"add notifications.routes.{request.owner}",
            )
        notification = Notification(
            key=request.id,
            kind="opened",
            monitor=request.monitor,
            route=request.owner,
            incident=replace(incident, owner=request.owner).to_dict(),
            at=request.requested,
        )
        for sink in sinks:
            try:
                if not sink.delivered(notification):
                    sink.deliver(notification)
            except SinkError as error:
                raise ControlPlaneError(
                    f"{error.what}.", where=error.where, got=error.got, next_step=error.next_step
                ) from error
        return f"{request.owner} told through {', '.join(sink.name for sink in sinks)}"
