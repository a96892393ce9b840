"""Telling people and asking for action, at the end of a run and from a clock of its own."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from mlops.actions.requests import ActionKind
    from mlops.cli.output import Output
    from mlops.client import Home
    from mlops.settings import Environment
    from modelwatch.alerts.clock import Clock
    from modelwatch.alerts.operating import Silence
    from modelwatch.alerts.outbox import Delivery
    from modelwatch.alerts.store import AlertStore

__all__ = ["conclude", "deliver", "publish"]


def conclude(
    store: AlertStore,
    environment: Environment,
    home: Home,
    output: Output,
    *,
    declaration: Path,
    monitor: str,
    data: str,
) -> list[Silence]:
    """Do what follows a monitor's run: ask for action, act where this machine may, and tell people.

    What cannot be told now is said, stays in the journal, and is told next time: a run has measured what it
    should whether or not a mail server is up.

    Parameters
    ----------
    declaration
        The monitor's file; a ``usecase.yaml`` beside it says whose model it watches.
    data
        Where the window's data are: what annotators are to look at.

    Returns
    -------
    list of Silence
        Those in force.
    """
    from mlops.actions import Subject, request_actions
    from mlops.usecase import read_usecase
    from modelwatch.alerts.operating import silences

    now = datetime.now(UTC)
    beside = declaration.with_name("usecase.yaml")
    if beside.is_file():
        usecase = read_usecase(beside)
        subject = Subject(usecase.name, usecase.archetype)
        cooldown = timedelta(days=environment.retraining.cooldown_days)
        for request in request_actions(store, monitor, subject, now=now, cooldown=cooldown):
            output.progress(f"asked for: {request.kind} of {request.model} ({request.id})")
    if environment.name == "local":
        _act(store, environment, home, output, data)
    deliver(store, environment, home, output)
    return silences(store, monitor, now=now)


def _act(store: AlertStore, environment: Environment, home: Home, output: Output, data: str) -> None:
    """Queue data for annotation and tell data's owners; elsewhere workflows do, and retraining is a verb."""
    from mlops.actions import ActionRequest, perform
    from mlops.actions.annotation import AnnotationQueue
    from mlops.actions.issue import IssueToOwner
    from mlops.notifications import sinks_by_route
    from modelwatch.alerts.clock import SystemClock

    def annotate(request: ActionRequest) -> str:
        path = home.path / "annotations" / f"{request.model}.jsonl"
        return AnnotationQueue(path, lambda _request: [data])(request)

    issue = IssueToOwner(store, sinks_by_route(environment, home.path, os.environ))
    actions: dict[ActionKind, Callable[[ActionRequest], str]] = {"annotation": annotate, "issue": issue}
    for request in perform(store, actions, clock=SystemClock(), actor="monitor"):
        output.progress(f"{request.kind} of {request.model}: {request.note}")


def publish(
    environment: Environment,
    output: Output,
    results: Mapping[str, Any],
    *,
    began: datetime,
    muted: Sequence[Silence] = (),
) -> None:
    """Write a run into the log workspace's tables, where the environment has them."""
    from mlops.notifications import log_tables
    from modelwatch.alerts.outbox import SinkError

    tables = log_tables(environment, os.environ)
    if tables is None:
        return
    now = datetime.now(UTC)
    seconds = (now - began).total_seconds()
    try:
        tables.publish(results, now=now, run=f"{began:%Y%m%dT%H%M%SZ}", seconds=seconds, muted=muted)
    except SinkError as error:
        output.progress(f"not written: {error}")


def deliver(
    store: AlertStore,
    environment: Environment,
    home: Home,
    output: Output,
    *,
    patience: timedelta = timedelta(0),
    clock: Clock | None = None,
) -> Delivery:
    """Tell each sink of the environment what it has not heard, and say what could not be told."""
    from mlops.notifications import sinks_by_route
    from modelwatch.alerts.outbox import deliver_pending

    sinks = sinks_by_route(environment, home.path, os.environ)
    delivery = deliver_pending(store, sinks, patience=patience, clock=clock)
    for failure in delivery.failures:
        output.progress(f"not told: {failure.sink}: {failure.reason}")
    for item in delivery.unroutable:
        output.progress(
            f"not told: incident {item.incident_id} has the route {item.route!r}; "
            f"environments/{environment.name}.yaml, notifications.routes, has {', '.join(sinks)}"
        )
    if delivery.busy:
        output.progress("another process is telling people; what it leaves is told next time")
    return delivery
