"""Azure Resource Manager, through the pipeline that the azure-mgmt clients are built on.

Those clients hold one generated class for each type and version of the API. Here type, version and
body come from the rendered program, so the pipeline under them is all that is needed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from mlops.rest import Rest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azure.core.credentials import TokenCredential

__all__ = ["AZURE", "Azure", "tenant_of"]

AZURE: Final = "https://management.azure.com"
# No answer of Azure takes longer to finish than a managed network; nothing here makes one.
_POLLING_SECONDS: Final = 5
_AUTHORITY: Final = re.compile(r'authorization(?:_uri)?="https://[^/"]+/([0-9a-f-]{36})')


class Azure(Rest):
    """Azure Resource Manager as one principal sees it.

    Parameters
    ----------
    credential
        Who is signed in.
    endpoint
        The address; another cloud or a stand-in has another one.
    options
        Options of azure-core's pipeline, such as ``connection_verify`` or ``retry_total``.
    """

    def __init__(self, credential: TokenCredential, *, endpoint: str = AZURE, **options: Any) -> None:
        from azure.core.pipeline import policies  # noqa: PLC0415 - heavy
        from azure.mgmt.core import ARMPipelineClient  # noqa: PLC0415
        from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy  # noqa: PLC0415

        self.credential = credential
        self.endpoint = endpoint
        self.scope = f"{endpoint.rstrip('/')}/.default"
        self._polling_seconds = options.pop("polling_seconds", _POLLING_SECONDS)
        client: ARMPipelineClient[Any, Any] = ARMPipelineClient(
            endpoint,
            policies=[
                policies.RequestIdPolicy(),
                policies.UserAgentPolicy("mlops", **options),
                policies.RetryPolicy(**options),
                ARMChallengeAuthenticationPolicy(credential, self.scope),
            ],
            **options,
        )
        super().__init__(client, name="Azure", login="az login")

    def list(self, path: str, **query: str) -> Iterator[Any]:
        """Yield every item of a list, page by page."""
        page = self.send("GET", path, query=query)
        while True:
            yield from page.get("value", [])
            link = page.get("nextLink")
            if not link:
                return
            page = self.send("GET", link)

    def put(self, path: str, api_version: str, body: Any) -> Any:
        """Create or update a resource, wait until Azure has finished, and return it."""
        return self._finished("PUT", path, api_version, body)

    def delete(self, path: str, api_version: str) -> None:
        """Delete a resource and wait until it is gone; one that is gone already is fine."""
        self._finished("DELETE", path, api_version, None)

    def _finished(self, method: str, path: str, api_version: str, body: Any) -> Any:
        from azure.core.exceptions import HttpResponseError  # noqa: PLC0415 - heavy
        from azure.core.polling import LROPoller  # noqa: PLC0415
        from azure.mgmt.core.polling.arm_polling import ARMPolling  # noqa: PLC0415

        first = self._run(method, path, query={"api-version": api_version}, body=body)
        first.http_response.read()
        polling = ARMPolling(timeout=self._polling_seconds)
        poller: LROPoller[Any] = LROPoller(self._client, first, self._json, polling)
        try:
            return poller.result()
        except HttpResponseError as error:
            if error.response is None:
                raise
            raise self._refusal(f"{method} {path}", error.response) from error

    def _remedy(self, status: int, code: str, message: str) -> str | None:
        if status != 403:
            return super()._remedy(status, code, message)
        action = re.search(r"action '([^']+)'", message)
        if action:
            return f"ask an owner of the scope for a role that allows {action[1]}, then: az login"
        if code == "RequestDisallowedByPolicy":
            return "ask whoever owns the policy that the message names for an exemption"
        return "ask an owner of the subscription for the role; mlops doctor says which"


def tenant_of(subscription_id: str, *, endpoint: str = AZURE, **options: Any) -> str | None:
    """Return the directory that a subscription trusts, as Azure says to whoever is not signed in.

    Returns
    -------
    str or None
        The tenant's id; None where Azure cannot be asked or does not know the subscription.
    """
    from azure.core import PipelineClient  # noqa: PLC0415 - heavy
    from azure.core.exceptions import AzureError  # noqa: PLC0415
    from azure.core.pipeline import policies  # noqa: PLC0415
    from azure.core.rest import HttpRequest  # noqa: PLC0415

    client: PipelineClient[Any, Any] = PipelineClient(
        endpoint, policies=[policies.RetryPolicy(retry_total=1)], **options
    )
    address = f"{endpoint}/subscriptions/{subscription_id}"
    try:
        answer = client.send_request(HttpRequest("GET", address, params={"api-version": "2022-12-01"}))
    except AzureError:
        return None
    found = _AUTHORITY.search(answer.headers.get("WWW-Authenticate", ""))
    return found[1] if found else None
