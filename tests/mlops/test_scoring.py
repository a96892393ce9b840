"""Sending rows: retries, credentials, order, nothing lost; against a real HTTP server on loopback."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from azure.core.exceptions import ResourceNotFoundError
from hypothesis import given
from hypothesis import strategies as st

from mlops.errors import DataError, DeploymentError
from mlops.scoring import (
    Batch,
    EndpointClient,
    Exchange,
    RetryPolicy,
    ScoringProgress,
    batches,
    predictions_of,
    read_rows,
    score_batches,
    send_all,
    summarize,
)
from mlops.scoring.exchange import percentile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Answer = tuple[int, dict[str, str], bytes]
_REFUSED: Answer = (401, {}, b"wrong key")


@dataclass
class Service:
    """A scoring address whose answers a test scripts."""

    answer: Callable[[Any, dict[str, str]], Answer]
    uri: str = ""
    requests: list[dict[str, str]] = field(default_factory=list)
    key: str = "key-1"

    @property
    def client(self) -> Any:
        """Return what `EndpointClient` uses of an MLClient."""
        return SimpleNamespace(workspace_name="ws", online_endpoints=self)

    def get(self, name: str) -> Any:
        if name != "classical":
            raise ResourceNotFoundError(name)
        return SimpleNamespace(scoring_uri=self.uri)

    def list(self) -> list[Any]:
        return [SimpleNamespace(name="classical")]

    def get_keys(self, name: str) -> Any:
        return SimpleNamespace(primary_key=self.key)


def doubled(body: Any, _: dict[str, str]) -> Answer:
    predictions = [2 * row[0] for row in body["input_data"]["data"]]
    return 200, {"azureml-model-deployment": "blue"}, json.dumps({"predictions": predictions}).encode()


@pytest.fixture
def service() -> Iterator[Service]:
    state = Service(doubled)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # headers and body in one segment: two would wait for each other's acknowledgement

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            state.requests.append(headers)
            if headers["authorization"] != f"Bearer {state.key}":
                status, extra, content = _REFUSED
            else:
                status, extra, content = state.answer(body, headers)
            self.send_response(status)
            for name, value in extra.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.uri = f"http://127.0.0.1:{server.server_port}/score"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def endpoint(service: Service, **options: Any) -> EndpointClient:
    return EndpointClient(service.client, "classical", **options)


def body_of(*values: float) -> dict[str, Any]:
    return {"input_data": {"columns": ["x"], "index": [0], "data": [[value] for value in values]}}


def failing(times: int, status: int, headers: dict[str, str]) -> Callable[[Any, dict[str, str]], Answer]:
    left = iter(range(times))

    def answer(body: Any, sent: dict[str, str]) -> Answer:
        return doubled(body, sent) if next(left, None) is None else (status, headers, b"busy")

    return answer


def test_a_request_carries_its_id_its_key_and_its_deployment(service: Service) -> None:
    exchange = endpoint(service).send(body_of(1), deployment="green", request_id="abc")
    assert exchange.ok
    assert exchange.body == {"predictions": [2]}
    assert exchange.deployment == "blue"
    (sent,) = service.requests
    assert sent["x-ms-client-request-id"] == "abc"
    assert sent["azureml-model-deployment"] == "green"
    assert sent["authorization"] == "Bearer key-1"


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_endpoint_is_asked_again_when_it_says(service: Service, status: int) -> None:
    waited: list[float] = []
    service.answer = failing(2, status, {"Retry-After": "3"})
    exchange = endpoint(service, sleep=waited.append).send(body_of(1))
    assert exchange.ok
    assert exchange.attempts == 3
    assert waited == [3.0, 3.0]


def test_retries_are_bounded(service: Service) -> None:
    waited: list[float] = []
    service.answer = failing(100, 429, {})
    exchange = endpoint(service, sleep=waited.append, retries=RetryPolicy(attempts=4)).send(body_of(1))
    assert exchange.status == 429
    assert exchange.problem == "429: busy"
    assert len(service.requests) == exchange.attempts == 4
    assert all(0.1 <= wait <= 1.2 for wait in waited)


def test_an_endpoint_that_asks_for_an_hour_is_not_waited_for(service: Service) -> None:
    service.answer = failing(1, 503, {"Retry-After": "3600"})
    assert endpoint(service, sleep=pytest.fail).send(body_of(1)).status == 503


@pytest.mark.parametrize("status", [400, 404, 424, 500])
def test_other_errors_are_not_retried(service: Service, status: int) -> None:
    service.answer = failing(1, status, {})
    exchange = endpoint(service).send(body_of(1))
    assert (exchange.status, exchange.attempts, exchange.ok) == (status, 1, False)


def test_a_key_that_was_replaced_is_fetched_again(service: Service) -> None:
    client = endpoint(service)
    service.key = "key-2"
    assert client.send(body_of(1)).ok
    assert [sent["authorization"] for sent in service.requests] == ["Bearer key-1", "Bearer key-2"]


def test_a_key_that_stays_wrong_is_an_error(service: Service) -> None:
    client = endpoint(service)
    service.get_keys = lambda name: SimpleNamespace(access_token="wrong")  # type: ignore[method-assign]
    service.key = "key-2"
    assert client.send(body_of(1)).status == 401
    assert len(service.requests) == 2


def test_an_answer_that_is_not_json_is_an_error(service: Service) -> None:
    service.answer = lambda body, sent: (200, {}, b"<html>")
    assert endpoint(service).send(body_of(1)).problem == "the answer is not JSON"


def test_a_server_that_is_gone_is_an_error_and_no_exception(service: Service) -> None:
    client = endpoint(service)
    client._uri = "http://127.0.0.1:9/score"
    exchange = client.send(body_of(1))
    assert exchange.status == 0
    assert exchange.problem is not None
    assert exchange.problem.startswith("no answer: ConnectionError")


def test_a_redirect_does_not_carry_the_key_elsewhere(service: Service) -> None:
    service.answer = lambda body, sent: (307, {"Location": service.uri}, b"")
    assert endpoint(service).send(body_of(1)).status == 307
    assert len(service.requests) == 1


def test_an_unknown_endpoint_names_the_known_ones(service: Service) -> None:
    with pytest.raises(DeploymentError, match=r"one of: classical \(did you mean classical\?\)"):
        EndpointClient(service.client, "clasical")


def test_an_endpoint_without_an_address_says_so(service: Service) -> None:
    service.uri = ""
    with pytest.raises(DeploymentError, match="no scoring address"):
        endpoint(service)


def test_results_come_in_the_order_of_the_rows_whatever_is_slow(service: Service) -> None:
    first = threading.Event()

    def slow_first(body: Any, sent: dict[str, str]) -> Answer:
        value = body["input_data"]["data"][0][0]
        if value == 0:
            first.wait(5)
        elif value == 3:
            first.set()
        return doubled(body, sent)

    service.answer = slow_first
    frame = pd.DataFrame({"x": range(20)})
    scored = pd.concat(score_batches(endpoint(service), batches([frame], size=1), concurrency=4))
    assert scored["row_id"].tolist() == list(range(20))
    assert scored["prediction"].tolist() == [2 * x for x in range(20)]
    assert scored["problem"].isna().all()


def test_concurrency_is_bounded_and_reached(service: Service) -> None:
    lock, running, most = threading.Lock(), 0, 0
    gate = threading.Barrier(3)

    def counted(body: Any, sent: dict[str, str]) -> Answer:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        gate.wait(5)  # passes only when three are here at a time
        with lock:
            running -= 1
        return doubled(body, sent)

    service.answer = counted
    assert all(e.ok for e in send_all(endpoint(service), (body_of(n) for n in range(9)), concurrency=3))
    assert most == 3


def test_bodies_are_read_as_they_are_needed(service: Service) -> None:
    read = 0

    def bodies() -> Iterator[Any]:
        nonlocal read
        for value in range(1000):
            read += 1
            yield body_of(value)

    exchanges = send_all(endpoint(service), bodies(), concurrency=2)
    next(exchanges)
    exchanges.close()  # type: ignore[attr-defined]
    assert read <= 5


def test_what_was_sent_before_the_source_failed_is_not_lost(service: Service) -> None:
    def bodies() -> Iterator[Any]:
        yield body_of(1)
        yield body_of(2)
        raise OSError("the file vanished")

    received: list[Any] = []
    with pytest.raises(OSError, match="vanished"):
        received.extend(exchange.body for exchange in send_all(endpoint(service), bodies()))
    assert received == [{"predictions": [2]}, {"predictions": [4]}]


def test_a_failed_batch_keeps_its_rows_with_the_reason(service: Service) -> None:
    def picky(body: Any, sent: dict[str, str]) -> Answer:
        return (400, {}, b"bad row") if body["input_data"]["data"][0][0] == 2 else doubled(body, sent)

    service.answer = picky
    frame = pd.DataFrame({"x": [0, 1, 2, 3, 4]})
    progress: list[ScoringProgress] = []
    exchanges: list[Exchange] = []
    scored = pd.concat(
        score_batches(
            endpoint(service),
            batches([frame], size=2),
            progress=progress.append,
            on_exchange=exchanges.append,
        )
    )
    assert scored["row_id"].tolist() == [0, 1, 2, 3, 4]
    assert scored["problem"].tolist() == [None, None, "400: bad row", "400: bad row", None]
    assert scored["prediction"].isna().tolist() == [False, False, True, True, False]
    assert [(p.requests, p.rows, p.errors) for p in progress] == [(1, 2, 0), (2, 4, 1), (3, 5, 1)]
    assert summarize(exchanges).to_dict()["errors_by_status"] == {"400": 1}


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b'{"predictions": [1]}', "1 predictions for 2 rows"),
        (b'{"result": [1, 2]}', "the answer holds no list of predictions"),
    ],
)
def test_an_answer_that_does_not_fit_the_rows_is_a_problem(
    service: Service, answer: bytes, problem: str
) -> None:
    service.answer = lambda body, sent: (200, {}, answer)
    (scored,) = score_batches(endpoint(service), [Batch((0, 1), body_of(1, 2))])
    assert scored["problem"].tolist() == [problem, problem]


def test_records_become_columns_beside_the_row_ids_that_were_sent(service: Service) -> None:
    answer = {"predictions": [{"row_id": 7, "probability": 0.5}, {"row_id": 8, "probability": 0.25}]}
    service.answer = lambda body, sent: (200, {}, json.dumps(answer).encode())
    (scored,) = score_batches(endpoint(service), [Batch((7, 8), body_of(1, 2))])
    assert scored[["row_id", "probability"]].to_dict("list") == {"row_id": [7, 8], "probability": [0.5, 0.25]}


@given(rows=st.integers(1, 50), size=st.integers(1, 20), cuts=st.lists(st.integers(0, 50), max_size=3))
def test_every_row_is_in_exactly_one_batch(rows: int, size: int, cuts: list[int]) -> None:
    frame = pd.DataFrame({"x": range(rows), "name": [f"n{i}" for i in range(rows)]})
    edges = sorted({0, rows, *(cut for cut in cuts if cut < rows)})
    parts = [frame.iloc[a:b] for a, b in pairwise(edges)]
    made = list(batches(parts, size=size))
    assert [i for batch in made for i in batch.row_ids] == list(range(rows))
    assert [row[0] for b in made for row in b.body["input_data"]["data"]] == list(range(rows))
    assert all(len(batch.row_ids) <= size for batch in made)


def test_missing_values_are_null_and_integers_stay_integers() -> None:
    frame = pd.DataFrame({"id": [5, 6], "x": [1.5, None], "name": ["a", None]})
    (batch,) = batches([frame], size=10, id_column="id")
    assert batch.row_ids == (5, 6)
    assert json.dumps(batch.body["input_data"]["data"]) == '[[5, 1.5, "a"], [6, null, null]]'


def test_a_missing_id_column_names_the_columns() -> None:
    with pytest.raises(DataError, match="expected: row_id"):
        list(batches([pd.DataFrame({"x": [1]})], size=1, id_column="row_id"))


def write(frame: pd.DataFrame, path: Path) -> None:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_json(path, orient="records", lines=path.suffix == ".jsonl")


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".json", ".jsonl"])
def test_each_kind_of_file_gives_the_same_rows(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"x": [1, 2, 3], "name": ["a", "b", "c"]})
    path = tmp_path / f"rows{suffix}"
    write(frame, path)
    pd.testing.assert_frame_equal(pd.concat(read_rows(path)), frame)


def test_a_request_file_gives_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    path.write_text(json.dumps(body_of(1, 2)))
    assert pd.concat(read_rows(path))["x"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.csv", "", "no rows"),
        ("rows.csv", "x,y\n", "no rows"),
        ("rows.json", "[]", "no rows"),
        ("rows.json", "{", "cannot be read"),
        ("rows.json", '{"x": 1}', "cannot be read"),
        ("rows.parquet", "not parquet", "cannot be read"),
        ("rows.jsonl", "{nonsense", "cannot be read"),
        ("rows.xlsx", "", "kind of file"),
        ("missing.csv", None, "does not exist"),
        ("missing.json", None, "does not exist"),
    ],
)
def test_a_bad_file_is_told(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        list(read_rows(tmp_path / name))


@pytest.mark.parametrize(
    ("body", "predictions"),
    [
        ([1, 2], [1, 2]),
        ({"predictions": [1]}, [1]),
        ('{"predictions": [1]}', [1]),
        ("[1]", [1]),
        ("text", None),
        ({"error": "x"}, None),
        (None, None),
        (3, None),
    ],
)
def test_predictions_are_found_in_the_known_forms(body: Any, predictions: list[Any] | None) -> None:
    assert predictions_of(body) == predictions


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200), st.floats(0.01, 1))
def test_a_percentile_is_the_smallest_value_with_that_share(values: list[float], share: float) -> None:
    ordered = sorted(values)
    found = percentile(ordered, share)
    assert found in ordered
    assert sum(v <= found for v in ordered) >= share * len(ordered) - 1e-9
    assert sum(v < found for v in ordered) < share * len(ordered)


def test_a_summary_counts_errors_retries_and_deployments() -> None:
    made = [
        Exchange("1", "blue", 200, 10.0, 1),
        Exchange("2", "green", 200, 20.0, 3),
        Exchange("3", "blue", 500, 30.0, 1, problem="500: x"),
        Exchange("4", None, 0, 9999.0, 1, problem="no answer: ReadTimeout"),
    ]
    found = summarize(iter(made)).to_dict()
    assert found == {
        "requests": 4,
        "errors": 2,
        "errors_by_status": {"500": 1, "no answer": 1},
        "by_deployment": {"blue": 2, "green": 1},
        "retries": 2,
        "p50_ms": 20.0,
        "p95_ms": 30.0,
        "p99_ms": 30.0,
    }


def test_a_summary_of_nothing_has_no_quantiles() -> None:
    assert summarize([]).p95_ms is None


def test_request_ids_are_all_different(service: Service) -> None:
    list(send_all(endpoint(service), (body_of(n) for n in range(20))))
    ids = Counter(sent["x-ms-client-request-id"] for sent in service.requests)
    assert len(ids) == 20
