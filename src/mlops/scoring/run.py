"""Many requests at a time, in bounded memory, with results in the order of the rows."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from mlops.scoring.exchange import Exchange, predictions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from mlops.scoring.endpoint import EndpointClient
    from mlops.scoring.rows import Batch

__all__ = ["ScoringProgress", "score_batches", "send_all", "send_routed"]


@dataclass(frozen=True, slots=True)
class ScoringProgress:
    """How far a run is."""

    requests: int
    rows: int
    errors: int


def send_all(
    endpoint: EndpointClient,
    bodies: Iterable[Any],
    *,
    concurrency: int = 4,
    deployment: str | None = None,
) -> Iterator[Exchange]:
    """Send bodies and yield the exchanges in the same order.

    At most twice `concurrency` bodies are in memory. When `bodies` raises, what was sent before is
    yielded first; when the caller stops early, requests that have not started are dropped.

    Parameters
    ----------
    endpoint
        Where to send.
    bodies
        JSON-ready request bodies; read as they are needed.
    concurrency
        Requests at a time.
    deployment
        Send past the traffic rules to this deployment.
    """
    for _, exchange in send_routed(
        endpoint, ((body, deployment) for body in bodies), concurrency=concurrency
    ):
        yield exchange


def send_routed(
    endpoint: EndpointClient, requests: Iterable[tuple[Any, str | None]], *, concurrency: int = 4
) -> Generator[tuple[Any, Exchange], None, None]:
    """Send pairs of a body and its deployment (None: by traffic); yield each body with its exchange.

    Otherwise as :func:`send_all`.
    """
    work = ((body, body, deployment) for body, deployment in requests)
    yield from _exchanges(endpoint, work, concurrency)


def score_batches(
    endpoint: EndpointClient,
    batches: Iterable[Batch],
    *,
    concurrency: int = 4,
    deployment: str | None = None,
    on_exchange: Callable[[Exchange], None] | None = None,
    progress: Callable[[ScoringProgress], None] | None = None,
) -> Iterator[pd.DataFrame]:
    """Score batches and yield one frame each, in order: a row for every row that was sent.

    A row whose request failed is there too, with its ``problem``, so that nothing is lost silently.

    Parameters
    ----------
    endpoint
        Where to send.
    batches
        The rows; read as they are needed.
    concurrency
        Requests at a time.
    deployment
        Send past the traffic rules to this deployment.
    on_exchange
        Receives every exchange, for a summary.
    progress
        Receives the running counts after each request.

    Yields
    ------
    pandas.DataFrame
        ``row_id``, the prediction (its own columns when it is a record, else ``prediction``), and
        ``request_id``, ``deployment``, ``problem``.
    """
    requests = rows = errors = 0
    work = ((batch, batch.body, deployment) for batch in batches)
    for batch, exchange in _exchanges(endpoint, work, concurrency):
        checked, predictions = _aligned(exchange, len(batch.row_ids))
        requests, rows = requests + 1, rows + len(batch.row_ids)
        errors += not checked.ok
        if on_exchange:
            on_exchange(checked)
        if progress:
            progress(ScoringProgress(requests, rows, errors))
        yield _frame(batch, checked, predictions)


def _exchanges(
    endpoint: EndpointClient, work: Iterable[tuple[Any, Any, str | None]], concurrency: int
) -> Iterator[tuple[Any, Exchange]]:
    """Send the body of each (key, body, deployment); yield its key with the exchange, in order."""
    pending: deque[tuple[Any, Future[Exchange]]] = deque()
    pool = ThreadPoolExecutor(max_workers=concurrency, thread_name_prefix="score")
    try:
        try:
            for key, body, deployment in work:
                pending.append((key, pool.submit(endpoint.send, body, deployment=deployment)))
                if len(pending) >= 2 * concurrency:
                    first, future = pending.popleft()
                    yield first, future.result()
        except GeneratorExit:
            pending.clear()  # the caller wants no more
            raise
        finally:
            while pending:
                first, future = pending.popleft()
                yield first, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _aligned(exchange: Exchange, rows: int) -> tuple[Exchange, list[Any] | None]:
    """Return the predictions, one a row; an answer that has another number of them is a problem."""
    if not exchange.ok:
        return exchange, None
    predictions = predictions_of(exchange.body)
    if predictions is None:
        return replace(exchange, problem="the answer holds no list of predictions"), None
    if len(predictions) != rows:
        return replace(exchange, problem=f"{len(predictions)} predictions for {rows} rows"), None
    return exchange, predictions


def _frame(batch: Batch, exchange: Exchange, predictions: list[Any] | None) -> pd.DataFrame:
    if predictions is None:
        frame = pd.DataFrame(index=range(len(batch.row_ids)))
    elif all(isinstance(prediction, dict) for prediction in predictions):
        frame = pd.DataFrame.from_records(predictions).drop(columns="row_id", errors="ignore")
    else:
        frame = pd.DataFrame({"prediction": predictions})
    frame.insert(0, "row_id", list(batch.row_ids))
    return frame.assign(
        request_id=exchange.request_id, deployment=exchange.deployment, problem=exchange.problem
    )
