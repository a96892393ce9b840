"""An endpoint with Azure's rules in memory, and a scoring address that follows its traffic.

It stands in for the control plane where a test must stop the program at each single write, which a real
one cannot be made to do; the same rollouts run against the embedded control plane in `test_rollout_e2e.py`.
"""

from __future__ import annotations

import copy
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from azure.ai.ml._restclient.arm_ml_service.models import (
    DeploymentProvisioningState as State,
)
from azure.ai.ml._restclient.arm_ml_service.models import (
    EndpointProvisioningState as EndpointState,
)
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = "mlops-classical-test"


class KilledError(BaseException):
    """Stands for a process that ends here."""


@dataclass
class Behavior:
    """How the deployments of one definition behave."""

    starts: bool = True
    answer: Callable[[int, float], tuple[int, Any]] = lambda count, x: (
        200,
        {"predictions": [{"probability": 0.3 + 0.01 * (x % 40)}]},
    )


class Poller:
    """A long operation that is over at once."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def done(self) -> bool:
        return True

    def wait(self, timeout: float) -> None:
        return

    def result(self) -> None:
        if self.error is not None:
            raise self.error


@dataclass
class Azure:
    """The endpoint and deployment operations of a client, with the service's rules."""

    behaviors: dict[str, Behavior] = field(default_factory=dict)
    endpoint: Any = None
    deployments: dict[str, Any] = field(default_factory=dict)
    uri: str = ""
    writes: list[str] = field(default_factory=list)
    kill_before: int | None = None
    kill_after: int | None = None
    settling: dict[str, int] = field(default_factory=dict)
    answered: list[tuple[str, str | None]] = field(default_factory=list)
    workspace_name: str = "ws"
    killed: type[BaseException] = KilledError

    @property
    def online_endpoints(self) -> Endpoints:
        return Endpoints(self)

    @property
    def online_deployments(self) -> Deployments:
        return Deployments(self)

    @property
    def traffic(self) -> dict[str, int]:
        return dict(self.endpoint.traffic)

    def write(self, what: str, change: Callable[[], None]) -> None:
        """Do one write, or die before or after it."""
        number = len(self.writes)
        if self.kill_before == number:
            raise KilledError
        self.writes.append(what)
        change()
        if self.kill_after == number:
            raise KilledError

    def alive(self) -> None:
        """Start a new process: nothing is killed any more."""
        self.kill_before = self.kill_after = None
        self.writes = []

    def check_routes(self, traffic: dict[str, int], mirror: dict[str, int]) -> None:
        if sum(traffic.values()) not in {0, 100}:
            raise HttpResponseError("traffic must add up to 0 or 100")
        if sum(mirror.values()) > 50 or len(mirror) > 1:
            raise HttpResponseError("mirror traffic goes to one deployment and is at most 50")
        if set(mirror) & set(traffic):
            raise HttpResponseError("a deployment with traffic cannot get mirror traffic")
        for name in {*traffic, *mirror}:
            if name not in self.deployments:
                raise HttpResponseError(f"no deployment {name}")

    def route(self, number: int, wanted: str | None) -> str | None:
        """Return who answers, by the header or by the traffic."""
        if wanted is not None:
            return wanted if wanted in self.deployments else None
        slots = [name for name, share in sorted(self.endpoint.traffic.items()) for _ in range(share)]
        return slots[number * 37 % 100] if slots else None


@dataclass
class Endpoints:
    azure: Azure

    def get(self, name: str) -> Any:
        if self.azure.endpoint is None or name != NAME:
            raise ResourceNotFoundError(name)
        found = copy.deepcopy(self.azure.endpoint)
        # As the SDK does.
        found.traffic |= {
            d: 0 for d in self.azure.deployments if d not in found.traffic | found.mirror_traffic
        }
        return found

    def list(self) -> list[Any]:
        return [] if self.azure.endpoint is None else [self.azure.endpoint]

    def get_keys(self, name: str) -> Any:
        return SimpleNamespace(primary_key="key")

    def begin_create_or_update(self, entity: Any) -> Poller:
        traffic = {name: share for name, share in (entity.traffic or {}).items() if share}
        mirror = {name: share for name, share in (entity.mirror_traffic or {}).items() if share}
        self.azure.check_routes(traffic, mirror)

        def change() -> None:
            self.azure.endpoint = SimpleNamespace(
                name=entity.name,
                traffic=traffic,
                mirror_traffic=mirror,
                tags=dict(entity.tags or {}),
                provisioning_state=EndpointState.SUCCEEDED,
                scoring_uri=self.azure.uri,
            )

        self.azure.write(f"route {traffic} {mirror}", change)
        return Poller()


@dataclass
class Deployments:
    azure: Azure

    def list(self, endpoint_name: str) -> list[Any]:
        return list(copy.deepcopy(self.azure.deployments).values())

    def get(self, *, name: str, endpoint_name: str) -> Any:
        if name not in self.azure.deployments:
            raise ResourceNotFoundError(name)
        found = copy.deepcopy(self.azure.deployments[name])
        if self.azure.settling.get(name, 0):
            self.azure.settling[name] -= 1
            found.provisioning_state = State.CREATING
        return found

    def begin_create_or_update(self, deployment: Any) -> Poller:
        starts = self.azure.behaviors.setdefault(deployment.tags["definition"], Behavior()).starts

        def change() -> None:
            created = copy.copy(deployment)
            created.provisioning_state = State.SUCCEEDED if starts else State.FAILED
            self.azure.deployments[deployment.name] = created

        self.azure.write(f"create {deployment.name}", change)
        return Poller(None if starts else HttpResponseError("(UserScriptException) init() raised ValueError"))

    def begin_delete(self, *, name: str, endpoint_name: str) -> Poller:
        if name in self.azure.endpoint.traffic or name in self.azure.endpoint.mirror_traffic:
            raise HttpResponseError(f"deployment {name} has traffic")
        if name not in self.azure.deployments:
            raise ResourceNotFoundError(name)
        self.azure.write(f"delete {name}", lambda: self.azure.deployments.pop(name, None) and None)
        return Poller()

    def get_logs(self, *, name: str, endpoint_name: str, lines: int) -> str:
        if name not in self.azure.deployments:
            raise ResourceNotFoundError(name)
        return f"the log of {name}"


@pytest.fixture
def azure() -> Iterator[Azure]:
    """Return an empty workspace whose one endpoint answers on loopback."""
    state, lock, count = Azure(), threading.Lock(), 0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # headers and body in one segment: two would wait for each other's acknowledgement

        def do_POST(self) -> None:
            nonlocal count
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                count += 1
                wanted = self.headers.get("azureml-model-deployment")
                name = state.route(count, wanted)
                status, answer = 404, None
                if name is not None:
                    state.answered.append((name, wanted))
                    behavior = state.behaviors[state.deployments[name].tags["definition"]]
                    status, answer = behavior.answer(count, body["input_data"]["data"][0][0])
            content = json.dumps(answer).encode()
            self.send_response(status)
            if name is not None:
                self.send_header("azureml-model-deployment", name)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.uri = f"http://127.0.0.1:{server.server_port}/score"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()
