"""When GitHub is asked again: so that what creates is never sent twice.

Imported where it is used: azure-core takes a while.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from azure.core.pipeline.policies import RetryPolicy

if TYPE_CHECKING:
    from azure.core.pipeline import PipelineResponse

__all__ = ["GitHubRetries"]

_LONGEST_WAIT: Final = 60.0
_BUSY: Final = frozenset({500, 502, 503, 504})


class GitHubRetries(RetryPolicy[Any, Any]):
    """Retries of what may be sent again.

    azure-core's own policy also repeats a POST that was answered with 500, 503 or 504, which GitHub may
    give after it did what it was asked, and takes a 403 for a matter of rights, which is also how GitHub
    throttles.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"retry_status": 4, "retry_connect": 4, "retry_backoff_factor": 1.0, **options})

    def is_retry(self, settings: dict[str, Any], response: PipelineResponse[Any, Any]) -> bool:
        """Return whether an answer says that nothing was done, or that it may be done again."""
        answer = response.http_response
        limited = answer.status_code == 429 or (
            answer.status_code == 403
            and ("Retry-After" in answer.headers or answer.headers.get("X-RateLimit-Remaining") == "0")
        )
        busy = answer.status_code in _BUSY and response.http_request.method != "POST"
        return bool(settings["total"]) and (limited or busy)

    def get_retry_after(self, response: PipelineResponse[Any, Any]) -> float | None:
        """Return the seconds that GitHub asks to wait, as far as a person or a job can."""
        asked = super().get_retry_after(response)
        return None if asked is None else min(asked, _LONGEST_WAIT)

    def get_backoff_time(self, settings: dict[str, Any]) -> float:
        """Return a second, then twice as much each time; the first retry waits too."""
        waits: float = settings["backoff"] * 2 ** (len(settings["history"]) - 1)
        return min(waits, _LONGEST_WAIT)

    def _is_method_retryable(self, settings: Any, request: Any, response: Any = None) -> bool:
        """Return whether a request that got no answer may be sent again."""
        del settings, response
        return bool(request.method != "POST")
