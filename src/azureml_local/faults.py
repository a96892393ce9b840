"""Faults on demand: what a cloud does on a bad day, so that tests can see what the callers make of it."""

from __future__ import annotations

import asyncio
import re
import threading
import uuid
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from azureml_local.errors import AzureError
from azureml_local.identity import expired_token

if TYPE_CHECKING:
    from collections.abc import Callable

Kind = Literal["latency", "throttle", "server_error", "provisioning", "quota", "expired_token"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule.

    Parameters
    ----------
    kind
        ``latency`` waits ``seconds`` and goes on; ``throttle`` is a 429 with ``Retry-After: seconds``;
        ``server_error`` answers ``status``; ``quota`` is the refusal of a deployment for want of cores;
        ``expired_token`` is a 401; ``provisioning`` lets the request pass and fails the long-running
        operation that it starts.
    method, path
        Regular expressions; the method's must match whole, the path's anywhere in it.
    times
        How often it strikes; None is for ever.
    """

    kind: Kind
    method: str = ".*"
    path: str = ".*"
    times: int | None = 1
    seconds: float = 1.0
    status: int = 503
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def __post_init__(self) -> None:
        if self.kind not in _REFUSALS and self.kind not in ("latency", "provisioning"):
            known = ", ".join(["latency", "provisioning", *_REFUSALS])
            raise ValueError(f"fault kind: got {self.kind!r}, expected one of {known}")
        re.compile(self.method)
        re.compile(self.path)

    def matches(self, method: str, path: str) -> bool:
        """Say whether a request is meant."""
        return bool(
            re.fullmatch(self.method, method, re.IGNORECASE) and re.search(self.path, path, re.IGNORECASE)
        )


def quota_exceeded() -> AzureError:
    """Return the refusal that a deployment gets when the subscription has too few cores left."""
    reason = (
        "Not enough quota available for the instance type in the subscription. Current usage/limit: 6/6. "
        "Additional needed: 8."
    )
    return AzureError(
        400,
        "BadRequest",
        "The request is invalid.",
        details=[
            {
                "code": "InferencingClientCreateDeploymentFailed",
                "message": f"InferencingClient HttpRequest error, error detail: OutOfQuota: {reason}",
                "target": "VmSize",
            }
        ],
    )


def provisioning_failed() -> AzureError:
    """Return the error that a failed operation carries."""
    return AzureError(
        400,
        "ResourceDeploymentFailure",
        "The resource operation completed with terminal provisioning state 'Failed': a fault was asked for.",
    )


_REFUSALS: dict[str, Callable[[Fault], AzureError]] = {
    "throttle": lambda fault: AzureError(
        429, "TooManyRequests", "The request rate is too high. Retry later.", retry_after=fault.seconds
    ),
    "server_error": lambda fault: AzureError(
        fault.status, "InternalServerError", "An internal server error occurred. Retry the request."
    ),
    "quota": lambda _: quota_exceeded(),
    "expired_token": lambda _: expired_token(),
}


class Faults:
    """The rules of an instance, with how often each may still strike."""

    def __init__(self) -> None:
        self._rules: dict[str, tuple[Fault, int | None]] = {}
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> str:
        """Add a rule and return its id."""
        with self._lock:
            self._rules[fault.id] = (fault, fault.times)
        return fault.id

    def add_from(self, body: dict[str, Any]) -> str:
        """Add the rule that a request's body describes."""
        try:
            return self.add(Fault(**body))
        except (TypeError, ValueError, re.error) as error:
            raise AzureError(400, "InvalidFault", str(error)) from error

    def clear(self) -> None:
        """Remove all rules."""
        with self._lock:
            self._rules.clear()

    def remaining(self) -> list[dict[str, Any]]:
        """Return the rules that may still strike."""
        with self._lock:
            return [asdict(fault) | {"times": left} for fault, left in self._rules.values()]

    async def strike(self, method: str, path: str) -> None:
        """Wait for, or raise, what the rules say about a request."""
        for fault in self._take(method, path, lambda fault: fault.kind != "provisioning"):
            if fault.kind == "latency":
                await asyncio.sleep(fault.seconds)
            else:
                raise _REFUSALS[fault.kind](fault)

    def fail_provisioning(self, method: str, resource_id: str) -> None:
        """Raise when an operation on a resource is to fail."""
        if self._take(method, resource_id, lambda fault: fault.kind == "provisioning"):
            raise provisioning_failed()

    def _take(self, method: str, path: str, wanted: Callable[[Fault], bool]) -> list[Fault]:
        taken = []
        with self._lock:
            for identifier, (fault, left) in list(self._rules.items()):
                if not wanted(fault) or not fault.matches(method, path):
                    continue
                taken.append(fault)
                if left == 1:
                    del self._rules[identifier]
                elif left is not None:
                    self._rules[identifier] = (fault, left - 1)
                if fault.kind != "latency":
                    break
        return taken
