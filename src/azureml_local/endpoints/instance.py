"""One running instance of a deployment: its server and the collector agent beside it."""

from __future__ import annotations

import random
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from azureml_local.endpoints.collected_data import CollectedEvent

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from azureml_local.endpoints.collector import CollectorAgent
    from azureml_local.endpoints.deployment import Deployment
    from azureml_local.endpoints.inference_server import InferenceServer
    from azureml_local.endpoints.upstream import Answer

__all__ = ["Instance"]


@dataclass(frozen=True, slots=True)
class Instance:
    """What answers for a deployment."""

    deployment: Deployment
    server: InferenceServer
    agent: CollectorAgent | None
    folder: Path

    async def retire(self) -> None:
        """Let requests in work end and queued collected data arrive, then stop."""
        await self.server.idle()
        if self.agent is not None and self.deployment.data.custom:
            await self.agent.drain()
        await self.server.stop()
        if self.agent is not None:
            await self.agent.close()

    def collect_payload(
        self, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes, answer: Answer
    ) -> None:
        """Collect request and response as they went over the wire, when the deployment asks for it."""
        wanted = self.deployment.data.payload
        if self.agent is None or not wanted:
            return
        request_id = next(
            (value for name, value in headers if name.lower() == "x-request-id"), str(uuid.uuid4())
        )
        moment = time.time()
        shared = {"correlationid": request_id, "xrequestid": request_id}
        sides = {
            "request": ({"path": target, "method": method} | shared, body),
            "response": (shared, answer.body),
        }
        # One draw for both: half of a pair is of no use to anybody.
        draw = random.random()  # noqa: S311  # not a secret
        for name, (attributes, payload) in sides.items():
            if name in wanted and draw < wanted[name].sampling_rate:
                self.agent.collect(_event(name, moment, payload, attributes))


def _event(collection: str, moment: float, payload: bytes, attributes: dict[str, str]) -> CollectedEvent:
    event = CollectedEvent(str(uuid.uuid4()), collection, moment, payload, attributes=attributes)
    return (
        event
        if event.is_json()
        else CollectedEvent(event.id, collection, moment, payload, "text/plain", attributes)
    )
