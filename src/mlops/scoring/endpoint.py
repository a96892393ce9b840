"""Calling one online endpoint: its address and credentials, bounded retries, one exchange a call."""

from __future__ import annotations

import json
import random
import threading
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

import requests

from mlops.errors import DeploymentError, nearest
from mlops.scoring.exchange import Exchange

if TYPE_CHECKING:
    from collections.abc import Callable

    from azure.ai.ml import MLClient

__all__ = ["EndpointClient", "RetryPolicy"]

# What Azure's router answers while an instance is at its limit (429) or has no healthy instance (503).
_RETRIED: Final = frozenset({429, 503})
_DEPLOYMENT_HEADER: Final = "azureml-model-deployment"
_MESSAGE_CHARACTERS: Final = 300


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently a refused request is sent again.

    Parameters
    ----------
    attempts
        Upper limit, the first one included.
    base_seconds
        First pause when the answer names none; doubles each time, with jitter.
    longest_seconds
        A ``Retry-After`` above it is not waited for: the request counts as failed.
    """

    attempts: int = 5
    base_seconds: float = 0.2
    longest_seconds: float = 30.0

    def pause(self, attempt: int, retry_after: str | None) -> float | None:
        """Return the seconds to wait after the given attempt (from 1), or None to give up."""
        if attempt >= self.attempts:
            return None
        asked = _seconds(retry_after)
        if asked is not None:
            return asked if asked <= self.longest_seconds else None
        backoff = self.base_seconds * float(2 ** (attempt - 1))
        # Jitter keeps many clients from coming back at once; nothing here needs to be unpredictable.
        return min(backoff * (0.5 + random.random()), self.longest_seconds)  # noqa: S311


class EndpointClient:
    """Sends requests to one endpoint; may be used from many threads.

    Parameters
    ----------
    client
        Client of the workspace that the endpoint belongs to.
    name
        The endpoint's name.
    timeout_seconds
        Limit for connecting and for each read.
    retries
        What happens on 429 and 503.
    sleep
        How to wait; a test passes its own.

    Raises
    ------
    DeploymentError
        The endpoint does not exist or has no scoring address yet.
    """

    def __init__(
        self,
        client: MLClient,
        name: str,
        *,
        timeout_seconds: float = 60.0,
        retries: RetryPolicy | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self._client = client
        self._timeout = timeout_seconds
        self._retries = retries or RetryPolicy()
        self._sleep = sleep
        self._uri = _scoring_uri(client, name)
        self._local = threading.local()
        self._lock = threading.Lock()
        self._token = self._fetch_token()

    def send(self, body: Any, *, deployment: str | None = None, request_id: str | None = None) -> Exchange:
        """Send one JSON body and return the exchange, whatever came of it.

        Parameters
        ----------
        body
            JSON-ready value.
        deployment
            Send past the traffic rules to this deployment.
        request_id
            Id of the request; a new one without it.
        """
        content = json.dumps(body, allow_nan=False).encode()
        request_id = request_id or uuid.uuid4().hex
        renewed = False
        attempt = 0
        while True:
            attempt += 1
            token = self._token
            started = time.perf_counter()
            try:
                response = self._post(content, token, deployment, request_id)
            except requests.RequestException as error:
                return Exchange(
                    request_id=request_id,
                    deployment=None,
                    status=0,
                    latency_ms=(time.perf_counter() - started) * 1e3,
                    attempts=attempt,
                    problem=f"no answer: {type(error).__name__}",
                )
            latency_ms = (time.perf_counter() - started) * 1e3
            if response.status_code == 401 and not renewed:
                renewed = True  # tokens expire in the middle of a long run; a wrong one stays wrong
                self._renew(token)
                continue
            if response.status_code in _RETRIED:
                pause = self._retries.pause(attempt, response.headers.get("Retry-After"))
                if pause is not None:
                    self._sleep(pause)
                    continue
            return _exchange(response, request_id, latency_ms, attempt)

    def _post(self, content: bytes, token: str, deployment: str | None, request_id: str) -> requests.Response:
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "x-ms-client-request-id": request_id,
        }
        if deployment is not None:
            headers[_DEPLOYMENT_HEADER] = deployment
        return self._session().post(
            self._uri, data=content, headers=headers, timeout=self._timeout, allow_redirects=False
        )

    def _session(self) -> requests.Session:
        """Return this thread's session: requests does not promise that one can be shared."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
        return session

    def _fetch_token(self) -> str:
        """Return the endpoint's key or a token, as its authentication mode wants it."""
        credentials = self._client.online_endpoints.get_keys(self.name)
        return str(getattr(credentials, "primary_key", None) or credentials.access_token)

    def _renew(self, refused: str) -> None:
        with self._lock:
            if self._token == refused:  # else another thread has done it
                self._token = self._fetch_token()


def _scoring_uri(client: MLClient, name: str) -> str:
    from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - of no use before a first call

    try:
        uri = client.online_endpoints.get(name).scoring_uri
    except ResourceNotFoundError:
        known = [str(endpoint.name) for endpoint in client.online_endpoints.list()]
        close = nearest(name, known)
        raise DeploymentError(
            f"There is no online endpoint {name}.",
            where=f"workspace {client.workspace_name}",
            got=name,
            expected=f"one of: {', '.join(sorted(known)) or 'none yet'}"
            + (f" (did you mean {close}?)" if close else ""),
            next_step="deploy a model first: mlops deploy",
        ) from None
    if not uri:
        raise DeploymentError(
            f"The endpoint {name} has no scoring address yet.",
            where=f"endpoint {name}",
            next_step="wait until it has been provisioned, or deploy a model: mlops deploy",
        )
    return str(uri)


def _exchange(response: requests.Response, request_id: str, latency_ms: float, attempts: int) -> Exchange:
    problem, body = None, None
    if response.ok:
        try:
            body = response.json()
        except requests.JSONDecodeError:
            problem = "the answer is not JSON"
    else:
        text = " ".join(response.text.split())[:_MESSAGE_CHARACTERS]
        problem = f"{response.status_code}: {text or response.reason}"
    return Exchange(
        request_id=request_id,
        deployment=response.headers.get(_DEPLOYMENT_HEADER),
        status=response.status_code,
        latency_ms=latency_ms,
        attempts=attempts,
        body=body,
        problem=problem,
    )


def _seconds(retry_after: str | None) -> float | None:
    """Read a ``Retry-After`` header: seconds, or a date (RFC 9110, section 10.2.3)."""
    if not retry_after:
        return None
    try:
        return max(float(retry_after), 0.0)
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)
