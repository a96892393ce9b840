"""The calls that a rollout makes through the azure-ai-ml client, each one safe to repeat."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Any, Final, TextIO

from mlops.client import visible_errors
from mlops.errors import DeploymentError
from mlops.rollout.state import SUCCEEDED, EndpointState, endpoint_state, provisioning_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import OnlineDeployment, OnlineEndpoint

__all__ = ["EndpointOperations"]

_TRANSITIONAL: Final = frozenset({"Creating", "Updating", "Deleting", "Scaling"})
_LOG_LINES: Final = 100
_REPORT_SECONDS: Final = 10.0
# Azure takes 10 to 20 minutes for a deployment; past this it will not become ready.
_SETTLE_SECONDS: Final = 45 * 60.0


class EndpointOperations:
    """One endpoint and its deployments.

    Parameters
    ----------
    client
        Client of the workspace.
    name
        The endpoint's name.
    report
        Receives a line while something long goes on.
    sleep
        How to wait between two looks.
    """

    def __init__(
        self,
        client: MLClient,
        name: str,
        *,
        report: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self._endpoints = client.online_endpoints
        self._deployments = client.online_deployments
        self._report = report
        self._sleep = sleep

    def ensure_endpoint(self, wanted: OnlineEndpoint) -> None:
        """Create the endpoint unless it is there; one whose creation failed is created again."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - a second of import

        try:
            found = self._settled(lambda: self._endpoints.get(self.name), f"endpoint {self.name}")
        except ResourceNotFoundError:
            found = None
        if found is not None and provisioning_state(found) == SUCCEEDED:
            return
        self._wait(lambda: self._endpoints.begin_create_or_update(wanted), f"creating endpoint {self.name}")

    def state(self) -> EndpointState:
        """Read the endpoint and its deployments, once none of them is in transition.

        Raises
        ------
        azure.core.exceptions.ResourceNotFoundError
            There is no such endpoint.
        """
        entity = self._settled(lambda: self._endpoints.get(self.name), f"endpoint {self.name}")
        deployments = []
        for listed in list(self._deployments.list(self.name)):
            settled = self._settled_deployment(str(listed.name))
            deployments += [] if settled is None else [settled]
        return endpoint_state(entity, deployments)

    def route(
        self, *, traffic: Mapping[str, int], mirror: Mapping[str, int], tags: Mapping[str, str | None]
    ) -> None:
        """Set traffic, mirror traffic and tags in one request; without a change there is none.

        Parameters
        ----------
        traffic, mirror
            Shares in percent; what is not named gets none.
        tags
            Tags to set, or with None to remove; others stay.
        """
        entity = self._endpoints.get(self.name)
        before = endpoint_state(entity, ())
        merged = {**before.tags, **tags}
        after = {name: value for name, value in merged.items() if value is not None}
        if (before.traffic, before.mirror, before.tags) == (dict(traffic), dict(mirror), after):
            return
        entity.traffic, entity.mirror_traffic, entity.tags = dict(traffic), dict(mirror), after
        self._wait(
            lambda: self._endpoints.begin_create_or_update(entity), f"traffic {_shares(traffic, mirror)}"
        )

    def create_deployment(self, deployment: OnlineDeployment) -> None:
        """Create a deployment and wait until it is ready.

        Raises
        ------
        azure.core.exceptions.HttpResponseError
            It was refused or did not become ready.
        """
        self._wait(
            lambda: self._deployments.begin_create_or_update(deployment),
            f"starting deployment {deployment.name}",
        )

    def delete_deployment(self, name: str) -> None:
        """Delete a deployment; one that is not there is fine."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - a second of import

        with contextlib.suppress(ResourceNotFoundError):
            self._wait(
                lambda: self._deployments.begin_delete(name=name, endpoint_name=self.name),
                f"removing deployment {name}",
            )

    def logs(self, name: str) -> str | None:
        """Return the last lines of a deployment's log; None when there is none to be had."""
        from azure.core.exceptions import HttpResponseError  # noqa: PLC0415 - a second of import

        try:
            return str(self._deployments.get_logs(name=name, endpoint_name=self.name, lines=_LOG_LINES))
        except HttpResponseError:
            return None

    def _settled_deployment(self, name: str) -> Any:
        """Return a deployment once it is in no transition; None when it is gone by then."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - a second of import

        try:
            return self._settled(
                lambda: self._deployments.get(name=name, endpoint_name=self.name), f"deployment {name}"
            )
        except ResourceNotFoundError:
            return None

    def _settled(self, get: Callable[[], Any], what: str) -> Any:
        """Wait for an operation that an interrupted run has started, and return the entity after it."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        pause = 0.5
        while True:
            entity = get()
            state = provisioning_state(entity)
            if state not in _TRANSITIONAL:
                return entity
            if time.monotonic() > deadline:
                raise DeploymentError(
                    f"The {what} does not come to rest.",
                    got=state,
                    expected="Succeeded or Failed",
                    next_step="look at it in the studio, delete it, and run the same command again",
                )
            self._report(f"{what} is {state.lower()}, waiting")
            self._sleep(pause)
            pause = min(pause * 2, _REPORT_SECONDS)

    def _wait(self, begin: Callable[[], Any], what: str) -> None:
        """Start a long operation and report until it ends."""
        with _without_dots():
            self._report(what)
            with visible_errors():
                poller, started = begin(), time.monotonic()
            while not poller.done():
                poller.wait(timeout=_REPORT_SECONDS)
                if not poller.done():
                    self._report(f"{what}: {time.monotonic() - started:.0f} s")
            poller.result()


class _DotFilter:
    """A text stream that drops writes of a single dot."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return len(text) if text == "." else self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def _without_dots() -> Iterator[None]:
    """Keep the SDK from printing a dot each time it polls: standard output belongs to the command line.

    ``AzureMLPolling.update_status`` prints unconditionally (azure-ai-ml 1.35).
    """
    with contextlib.redirect_stdout(_DotFilter(sys.stdout)):
        yield


def _shares(traffic: Mapping[str, int], mirror: Mapping[str, int]) -> str:
    live = ", ".join(f"{name} {share} %" for name, share in traffic.items()) or "none"
    mirrored = ", ".join(f"{name} {share} %" for name, share in mirror.items())
    return f"{live} (mirrored: {mirrored})" if mirrored else live
