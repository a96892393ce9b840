"""A REST service through azure-core's pipeline: retries, throttling, errors that name the remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mlops.errors import ControlPlaneError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from azure.core import PipelineClient
    from azure.core.pipeline import PipelineResponse

__all__ = ["ACCESS_DENIED", "RefusedError", "Rest", "UnreachableError"]

ACCESS_DENIED: Final = frozenset({401, 403})


class RefusedError(ControlPlaneError):
    """The service answered with an error.

    Parameters
    ----------
    status
        The HTTP status; 429 when it still throttled after the last retry.
    code
        The service's own word for it, such as ``AuthorizationFailed``.
    """

    def __init__(self, status: int, code: str, message: str, *, call: str, next_step: str | None) -> None:
        self.status = status
        self.code = code
        super().__init__(
            "The service refused a request.",
            where=call,
            got=f"{status} {code}: {message}".rstrip(": "),
            next_step=next_step,
        )


class UnreachableError(ControlPlaneError):
    """No answer came: no network, no name, no trust, or nobody is logged in."""


class Rest:
    """One service: paths below its address, JSON in and out.

    Parameters
    ----------
    client
        A pipeline with the service's policies.
    name
        What people call the service.
    login
        The command that signs in to it.
    """

    def __init__(self, client: PipelineClient[Any, Any], *, name: str, login: str) -> None:
        self._client = client
        self.name = name
        self._login = login

    def get(self, path: str, **query: str) -> Any:
        """Return what is at `path`, or None when there is nothing.

        Raises
        ------
        RefusedError
            The service says no, or throttled every retry.
        UnreachableError
            No answer came.
        """
        try:
            return self.send("GET", path, query=query)
        except RefusedError as refusal:
            if refusal.status == 404:
                return None
            raise

    def send(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None
    ) -> Any:
        """Send one request and return the JSON of its answer; see :meth:`get` for the errors."""
        return self._json(self._run(method, path, query=query, body=body))

    def _run(
        self, method: str, path: str, *, query: Mapping[str, str] | None, body: Any
    ) -> PipelineResponse[Any, Any]:
        from azure.core.exceptions import AzureError, ClientAuthenticationError  # noqa: PLC0415 - heavy
        from azure.core.rest import HttpRequest  # noqa: PLC0415

        request = HttpRequest(
            method,
            self._client.format_url(path),
            params=dict(query or {}),
            json=body,
            headers=self._headers(),
        )
        call = f"{method} {request.url.partition('?')[0]}"
        try:
            answer: PipelineResponse[Any, Any] = self._client.send_request(
                request, _return_pipeline_response=True
            )
        except ClientAuthenticationError as error:
            raise self._not_signed_in(error) from error
        except AzureError as error:
            raise UnreachableError(
                f"{self.name} does not answer.",
                where=call,
                got=" ".join(str(error).split()),
                next_step="check the network and the proxy",
            ) from error
        # Redirects are not followed: a token goes where it was meant to go, and nowhere else.
        if answer.http_response.status_code >= 300:
            raise self._refusal(call, answer.http_response)
        return answer

    def _headers(self) -> dict[str, str]:
        return {"Accept": "application/json"}

    def _not_signed_in(self, error: Exception) -> UnreachableError:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return UnreachableError(f"Nobody is signed in to {self.name}.", got=first, next_step=self._login)

    def _refusal(self, call: str, response: Any) -> RefusedError:
        response.read()
        status: int = response.status_code
        code, message = _explained(response)
        return RefusedError(status, code, message, call=call, next_step=self._remedy(status, code, message))

    def _remedy(self, status: int, code: str, message: str) -> str | None:
        """Return what to do about a refusal; each service knows more about its own."""
        del code, message
        steps = {
            301: "it was renamed or moved: use its new address",
            401: self._login,
            403: "ask for the right that the message names",
            429: "wait, then run again",
        }
        return steps.get(status)

    def _json(self, answer: PipelineResponse[Any, Any]) -> Any:
        response = answer.http_response
        response.read()
        try:
            return response.json() if response.content else {}
        except ValueError:
            raise UnreachableError(
                f"Something else than {self.name} answers.",
                where=f"{response.request.method} {response.request.url.partition('?')[0]}",
                got=f"{response.status_code} {response.headers.get('Content-Type')}",
                expected="JSON",
                next_step="look at what the proxy wants: its login page, perhaps",
            ) from None


def _explained(response: Any) -> tuple[str, str]:
    try:
        body = response.json()
    except ValueError:
        return str(response.reason or ""), ""
    error = body.get("error", body) if isinstance(body, dict) else {}
    if isinstance(error, str):
        return error, str(body.get("error_description", ""))
    return str(error.get("code") or response.reason or ""), str(error.get("message") or "")
