"""The router against a small server that stands where an inference server would."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from azureml_local.endpoints.credentials import EndpointCredentials
from azureml_local.endpoints.deployment import Deployment, RequestSettings
from azureml_local.endpoints.router import EndpointTable, ScoringRouter
from azureml_local.endpoints.traffic import MirrorSplit, TrafficSplit
from azureml_local.endpoints.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from tests.azureml_local.endpoints.conftest import Workspace


@dataclass
class Model:
    """A server of one deployment: it does what the body says and remembers what it got."""

    deployment: Deployment
    port: int = 0
    ready: bool = True
    in_flight: int = 0
    requests: list[web.Request] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def server(self) -> Model:
        return self

    @property
    def upstream(self) -> Upstream:
        return Upstream(self.port)

    def collect_payload(self, *_: object) -> None:
        return None

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        body = (await request.content.read()).decode()
        if body == "wait":
            await self.gate.wait()
        if body == "vanish":
            assert request.transport is not None
            request.transport.close()
        status = int(body) if body.isdecimal() else 200
        response = web.Response(status=status, text=f"{self.deployment.name}:{body}", headers={"x-own": "1"})
        response.force_close()
        return response


@dataclass
class Endpoint:
    """An endpoint with its router."""

    router: ScoringRouter
    models: dict[str, Model]
    url: str
    session: aiohttp.ClientSession
    key: str
    loads: int = 0

    async def send(
        self, body: str = "x", *, path: str = "score", **headers: str
    ) -> tuple[int, Mapping[str, str], str]:
        sent = {"Authorization": f"Bearer {self.key}"} | {
            name.replace("_", "-"): text for name, text in headers.items()
        }
        async with self.session.post(
            f"{self.url}/{path}", data=io.BytesIO(body.encode()), headers=sent
        ) as response:
            return response.status, response.headers, await response.text()


@contextlib.asynccontextmanager
async def endpoint(
    workspace: Workspace,
    traffic: dict[str, int],
    mirror: dict[str, int] | None = None,
    requests: RequestSettings = RequestSettings(5, 50),  # noqa: B008  # frozen
) -> AsyncIterator[Endpoint]:
    names = {"blue", "green"}
    models = {
        name: Model(Deployment(name, "price", name, "e", "c", "s", None, {}, requests=requests))
        for name in names
    }
    credentials = EndpointCredentials(workspace.store)
    made: list[Endpoint] = []

    def load(name: str) -> EndpointTable | None:
        if name != "price":
            return None
        made[0].loads += 1
        return EndpointTable(
            credentials.authenticator("price", "Key"),
            TrafficSplit(traffic),
            MirrorSplit(mirror or {}),
            frozenset(names),
        )

    runners = []
    for model in models.values():
        runner = web.ServerRunner(web.Server(model.answer))  # type: ignore[arg-type]
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        model.port = runner.addresses[0][1]
        runners.append(runner)
    router = ScoringRouter(load, lambda _, name: models.get(name))  # type: ignore[arg-type,return-value]
    application = web.Application()
    for path in ("score", ""):
        application.router.add_route("*", f"/endpoints/{{endpoint}}/{path}", router.handle)
    front = web.AppRunner(application)
    await front.setup()
    await web.TCPSite(front, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{front.addresses[0][1]}/endpoints/price"
    async with aiohttp.ClientSession() as session:
        made.append(Endpoint(router, models, url, session, credentials.keys("price").primary))
        yield made[0]
    await router.close()
    for each in (front, *runners):
        await each.cleanup()


def run(workspace: Workspace, scenario: Any, *arguments: Any, **options: Any) -> None:
    async def main() -> None:
        async with endpoint(workspace, *arguments, **options) as each:
            await scenario(each)

    asyncio.run(main())


def test_traffic_is_split_as_stated_and_the_answer_names_its_deployment(workspace: Workspace) -> None:
    async def scenario(price: Endpoint) -> None:
        answers = [await price.send() for _ in range(50)]
        assert Counter(headers["azureml-model-deployment"] for _, headers, _ in answers) == {
            "blue": 40,
            "green": 10,
        }
        assert all(text == f"{headers['azureml-model-deployment']}:x" for _, headers, text in answers)
        assert price.loads == 1, "traffic and keys are read once"

    run(workspace, scenario, {"blue": 80, "green": 20})


def test_a_header_selects_the_deployment_whatever_its_traffic(workspace: Workspace) -> None:
    async def scenario(price: Endpoint) -> None:
        assert (await price.send(azureml_model_deployment="green"))[2] == "green:x"
        status, headers, _ = await price.send(azureml_model_deployment="red")
        assert status == 404
        assert headers["ms-azureml-model-error-reason"] == "no_valid_deployment"

    run(workspace, scenario, {"blue": 100, "green": 0})


def test_without_traffic_or_endpoint_it_is_404(workspace: Workspace) -> None:
    async def scenario(price: Endpoint) -> None:
        assert (await price.send())[0] == 404
        price.url = price.url.replace("price", "other")
        assert (await price.send())[0] == 404

    run(workspace, scenario, {"blue": 0, "green": 0})


def test_a_wrong_key_does_not_reach_the_model(workspace: Workspace) -> None:
    async def scenario(price: Endpoint) -> None:
        price.key = "wrong"
        status, _, text = await price.send()
        assert (status, text) == (401, "key_auth_access_denied")
        async with price.session.post(f"{price.url}/score", data="x") as response:
            assert response.status == 401
        assert price.models["blue"].requests == []

    run(workspace, scenario, {"blue": 100})


def test_a_change_is_seen_at_once_after_refresh(workspace: Workspace) -> None:
    traffic = {"blue": 100, "green": 0}

    async def scenario(price: Endpoint) -> None:
        assert (await price.send())[2] == "blue:x"
        traffic.update(blue=0, green=100)
        assert (await price.send())[2] == "blue:x"
        price.router.refresh("Price")
        assert (await price.send())[2] == "green:x"

    run(workspace, scenario, traffic)


def test_the_model_gets_the_request_but_not_the_key(workspace: Workspace) -> None:
    async def scenario(price: Endpoint) -> None:
        _, headers, _ = await price.send(
            "x", path="score?verbose=1", x_ms_client_request_id="mine", x_custom="a", x_request_id="theirs"
        )
        (seen,) = price.models["blue"].requests
        assert seen.path_qs == "/score?verbose=1"
        assert seen.headers["x-custom"] == "a"
        assert "Authorization" not in seen.headers
        assert headers["x-ms-client-request-id"] == "mine"
        assert (
            headers["x-request-id"] == headers["x-ms-request-id"] == seen.headers["x-request-id"] == "theirs"
        )
        assert headers["x-own"] == "1"
        assert int(headers["ms-azureml-model-time"]) >= 0
        first, second = [(await price.send())[1]["x-request-id"] for _ in range(2)]
        assert first != second

    run(workspace, scenario, {"blue": 100})


def test_whatever_the_model_answers_but_200_is_424(workspace: Workspace) -> None:
    async def scenario(price: Endpoint) -> None:
        for status in (201, 400, 500):
            answer, headers, text = await price.send(str(status))
            assert (answer, text) == (424, f"blue:{status}")
            assert headers["ms-azureml-model-error-statuscode"] == str(status)
            assert headers["ms-azureml-model-error-reason"] == "model_error"
            assert headers["azureml-model-deployment"] == "blue"

    run(workspace, scenario, {"blue": 100})


def test_a_slow_model_is_408(workspace: Workspace) -> None:
    async def scenario(price: Endpoint) -> None:
        assert (await price.send("wait"))[0] == 408
        assert price.models["blue"].in_flight == 0
        price.models["blue"].gate.set()
        assert (await price.send())[0] == 200

    run(workspace, scenario, {"blue": 100}, requests=RequestSettings(0.1, 50))


def test_more_than_twice_the_stated_concurrency_is_429(workspace: Workspace) -> None:
    async def scenario(price: Endpoint) -> None:
        blue = price.models["blue"]
        waiting = [asyncio.create_task(price.send("wait")) for _ in range(4)]
        await workspace.eventually(lambda: len(blue.requests) == 4)
        status, headers, _ = await price.send()
        assert status == 429
        assert headers["ms-azureml-model-error-reason"] == "too_many_pending_request"
        assert headers["Retry-After"] == "1"
        blue.gate.set()
        assert [status for status, _, _ in await asyncio.gather(*waiting)] == [200] * 4
        assert (await price.send())[0] == 200

    run(workspace, scenario, {"blue": 100}, requests=RequestSettings(5, 2))


def test_a_request_of_more_than_one_and_a_half_megabytes_is_413(workspace: Workspace) -> None:
    async def scenario(price: Endpoint) -> None:
        largest = 1536 * 1024
        assert (await price.send("x" * largest))[0] == 200
        assert (await price.send("x" * (largest + 1)))[0] == 413

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b"x" * 20_000

        async with price.session.post(
            f"{price.url}/score", data=chunks(), headers={"Authorization": f"Bearer {price.key}"}
        ) as response:
            assert response.status == 413

    run(workspace, scenario, {"blue": 100})


def test_a_server_that_is_not_ready_is_503_and_one_that_vanishes_502(workspace: Workspace) -> None:
    async def scenario(price: Endpoint) -> None:
        status, headers, _ = await price.send("vanish")
        assert status == 502
        assert headers["ms-azureml-model-error-reason"] == "model_connection_lost"
        price.models["blue"].ready = False
        status, headers, _ = await price.send()
        assert (status, headers["Retry-After"]) == (503, "1")
        assert headers["ms-azureml-model-error-reason"] == "model_not_ready"
        del price.models["blue"]
        assert (await price.send())[0] == 503

    run(workspace, scenario, {"blue": 100})


def test_mirrored_copies_do_not_touch_the_answer(workspace: Workspace) -> None:
    async def scenario(price: Endpoint) -> None:
        green = price.models["green"]
        for number in range(20):
            status, headers, text = await price.send(f"n{number}")
            assert (status, headers["azureml-model-deployment"], text) == (200, "blue", f"blue:n{number}")
        await workspace.eventually(lambda: price.router.mirrored["price", "green"] == 5)
        assert len(green.requests) == 5
        assert all("Authorization" not in request.headers for request in green.requests)

    run(workspace, scenario, {"blue": 100, "green": 0}, {"green": 25})


def test_copies_to_a_stuck_deployment_are_dropped_and_counted(workspace: Workspace) -> None:
    async def scenario(price: Endpoint) -> None:
        price.models["green"].ready = False
        assert (await price.send())[0] == 200
        await workspace.eventually(lambda: price.router.dropped_copies["price", "green"] == 1)
        price.models["green"].ready = True
        price.models["blue"].gate.set()
        for _ in range(300):
            assert (await price.send("wait"))[0] == 200
        dropped = price.router.dropped_copies["price", "green"] - 1
        # Four copies are at work and 256 wait; what comes above is dropped.
        assert dropped == 300 - 4 - 256
        price.models["green"].gate.set()
        await workspace.eventually(lambda: price.router.mirrored["price", "green"] == 260)

    run(workspace, scenario, {"blue": 100, "green": 0}, {"green": 100}, requests=RequestSettings(20, 50))
