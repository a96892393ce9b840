"""Acting on requests, where this machine may: each action is a function that is handed in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mlops.actions.requests import ActionKind, ActionRequest, close, fail, requests, start
from mlops.errors import ProjectError
from modelwatch.alerts.exclusive import exclusive

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from modelwatch.alerts.clock import Clock
    from modelwatch.alerts.store import AlertStore

__all__ = ["MOST_ATTEMPTS", "perform"]

MOST_ATTEMPTS: Final = 3
"""After so many attempts that failed, a person has to look."""


def perform(
    store: AlertStore,
    actions: Mapping[ActionKind, Callable[[ActionRequest], str]],
    *,
    clock: Clock,
    actor: str,
    wait: float = 0.0,
) -> list[ActionRequest]:
    """Carry out the open requests that there is an action for.

    One process acts at a time. A process that dies while it acts leaves the request open, so an action may be
    called again with the same id, and has to be safe to repeat.

    Parameters
    ----------
    store
        Where the requests are.
    actions
        By kind: takes a request, and returns what came of it in one line. Requests of other kinds wait for
        whoever can act on them.
    clock, actor
        When, and who.
    wait
        Seconds to wait for another process that acts.

    Returns
    -------
    list of ActionRequest
        What was attempted, with its outcome; empty while another process acts.

    Notes
    -----
    A `ProjectError` of an action goes to the journal; that of the last attempt closes the request.
    """
    with exclusive(store.path.with_name(f"{store.path.name}.actions"), wait=wait) as held:
        if not held:
            return []
        attempted = [request.id for request in requests(store) if request.open and request.kind in actions]
        for identifier in attempted:
            request = next(item for item in requests(store) if item.id == identifier)
            _attempt(store, request, actions[request.kind], clock, actor)
        return [request for request in requests(store) if request.id in attempted]


def _attempt(
    store: AlertStore,
    request: ActionRequest,
    action: Callable[[ActionRequest], str],
    clock: Clock,
    actor: str,
) -> None:
    begun = start(store, request, actor=actor, now=clock.now())
    try:
        note = action(begun)
    except ProjectError as error:
        fail(store, begun, error.what, actor=actor, now=clock.now())
        if begun.attempts >= MOST_ATTEMPTS:
            close(store, begun, "failed", note=error.what, actor=actor, now=clock.now())
    else:
        close(store, begun, "done", note=note, actor=actor, now=clock.now())
