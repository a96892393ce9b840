"""From a registered version to the champion that serves, on real or replayed requests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mlops.cli.sample import sample_of
from mlops.errors import DataError, UsageError
from mlops.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from mlops.cli.context import Session
    from mlops.cli.output import Output
    from mlops.model_version import ModelVersion
    from mlops.rollout import RolloutProgress, RolloutResult
    from mlops.rollout.measure import TrafficSource
    from mlops.scoring import Exchange
    from mlops.usecase import UseCase

__all__ = ["deploy", "replay", "rollout_progress", "to_deploy"]

REPLAY_ROWS = 1
"""Rows a request when a stream is replayed: what one user sends."""


def deploy(
    session: Session,
    usecase: UseCase,
    *,
    version: str | None = None,
    traffic: Path | TrafficSource | None = None,
    on_exchange: Callable[[Exchange], None] | None = None,
) -> tuple[ModelVersion, RolloutResult]:
    """Roll a version out, and make it champion once it serves everything.

    Parameters
    ----------
    version
        The version to deploy; the challenger, else the champion, by default. An environment that accepts
        releases deploys its release, and nothing else.
    traffic
        Rows to judge the new deployment with, or what yields the bodies of real requests; the sample's
        stream by default.

    Raises
    ------
    UsageError
        There is no version to deploy; or the environment accepts releases alone, and has none of the use
        case, or a version was named.
    RegistryError
        The files of the release are not those that were judged.
    """
    from functools import partial

    from mlops.assets import ensure_environment
    from mlops.registry import ModelRegistry
    from mlops.rollout import Expectation, RolloutPolicy
    from mlops.rollout import deploy as roll_out
    from pipelines import scoring
    from pipelines.environments import serving_environment

    name = session.settings.names.model(usecase.name)
    chosen = to_deploy(session, usecase, version)
    registry, reference = ModelRegistry(session.client), chosen.reference
    shift = chosen.expected_shift(registry.champion(name))
    ensure_environment(session.client, serving_environment(session.settings))
    source = traffic if callable(traffic) else partial(replay, traffic or sample_of(session, usecase).stream)
    result = roll_out(
        session.client,
        endpoint=scoring.endpoint(session.settings, usecase),
        deployment=lambda color: scoring.deployment(session.settings, usecase, model=reference, color=color),
        policy=RolloutPolicy.from_settings(session.settings, expected_shift=shift),
        sample=_sample_request(usecase),
        expectation=Expectation(),
        traffic=source,
        progress=rollout_progress(session.output),
        on_exchange=on_exchange,
    )
    if result.ok:
        chosen = registry.set_champion(name, chosen.version)
    return chosen, result


def to_deploy(session: Session, usecase: UseCase, version: str | None) -> ModelVersion:
    """Return the version that a deployment is about: the release's where there are releases."""
    from mlops.promotion.accepting import accept, refuse_own_models, released
    from mlops.registry import ModelRegistry

    if version is not None:
        refuse_own_models(session.settings, usecase.name)
    if session.settings.accepts_releases:
        # Before anything is asked of a control plane: the checkout alone says whether there is a release.
        release = released(session.settings, session.releases, usecase.name)
        return accept(
            session.client,
            ModelRegistry(session.client),
            session.shared,
            release,
            usecase=usecase.name,
            progress=session.output.progress,
        )
    name, registry = session.settings.names.model(usecase.name), ModelRegistry(session.client)
    chosen = registry.get(name, version) if version else registry.challenger(name) or registry.champion(name)
    if chosen is None:
        raise UsageError(
            f"There is no model of {usecase.name} to deploy.",
            where=f"model {name}",
            expected="a version that is challenger or champion",
            next_step=f"mlops train --usecase {usecase.name}",
        )
    return chosen


def rollout_progress(output: Output) -> Callable[[RolloutProgress], None]:
    """Return a listener that prints each message, and of a count every fifth part."""
    shown: dict[str, int] = {}

    def show(event: RolloutProgress) -> None:
        if not event.total:
            output.progress(f"  {event.step}: {event.message}")
            return
        part = 5 * event.done // event.total
        if shown.get(event.step) != part:
            shown[event.step] = part
            output.progress(f"  {event.step}: {event.message}, {event.done} of {event.total} requests")

    return show


def replay(file: Path) -> Iterable[dict[str, Any]]:
    """Yield a file's rows as the request bodies of single users, again and again in order."""
    from mlops.scoring import batches, read_rows

    while True:
        for batch in batches(read_rows(file), size=REPLAY_ROWS):
            yield batch.body


def _sample_request(usecase: UseCase) -> Any:
    path = ROOT / usecase.serving.sample_request
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            "The sample request cannot be read.",
            where=str(path),
            got=error,
            expected="JSON that the endpoint answers",
            next_step=f"correct serving.sample_request in pipelines/{usecase.name}/usecase.yaml",
        ) from error
