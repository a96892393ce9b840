"""The one exception that every part of the control plane raises, and its shape on the wire."""

from __future__ import annotations

from typing import Any


class AzureError(Exception):
    """A refusal that the client sees as Azure words it.

    Parameters
    ----------
    status
        HTTP status of the response.
    code
        Azure's error code, such as ``ResourceNotFound``.
    message
        Sentence for the reader.
    target
        Part of the request that is wrong, such as ``properties.traffic``.
    details
        Further errors, each ``{"code", "message", "target"}``.
    retry_after
        Seconds that the client is asked to wait (header ``Retry-After``).
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        target: str | None = None,
        details: list[dict[str, Any]] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.target = target
        self.details = list(details or [])
        self.retry_after = retry_after

    def __str__(self) -> str:
        where = f" ({self.target})" if self.target else ""
        return f"{self.code}{where}: {self.message}"

    def body(self) -> dict[str, Any]:
        """Return the error as ARM sends it (Azure Resource Manager RPC, error response content)."""
        return {"error": self.detail()}

    def detail(self) -> dict[str, Any]:
        """Return the inner error object, which operations and failed resources carry too."""
        return {
            "code": self.code,
            "message": self.message,
            "target": self.target,
            "details": self.details,
            "additionalInfo": [],
        }


def bad_request(message: str, target: str | None = None, *, code: str = "UserError") -> AzureError:
    """Return the 400 that Azure ML gives for a request it understands and refuses."""
    return AzureError(400, code, message, target=target)


def resource_not_found(resource_type: str, name: str, resource_group: str) -> AzureError:
    """Return ARM's 404 for a resource that does not exist."""
    return AzureError(
        404,
        "ResourceNotFound",
        f"The Resource '{resource_type}/{name}' under resource group '{resource_group}' was not found.",
    )
