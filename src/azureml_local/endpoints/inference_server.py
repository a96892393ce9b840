"""The server process of one deployment: started, probed, watched and started again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from azureml_local.endpoints.log_file import bound, tail
from azureml_local.endpoints.upstream import Upstream
from azureml_local.errors import AzureError
from azureml_local.processes import spawn, terminate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from azureml_local.config import Runtime
    from azureml_local.endpoints.deployment import Deployment, Probe
    from azureml_local.endpoints.storage_initializer import Mounts
    from azureml_local.processes import SupervisedProcess

__all__ = ["InferenceServer", "server_environment"]

_LAUNCHER = Path(__file__).with_name("launcher.py")
_BACKLOG = 2048
_LOOK_SECONDS = 0.05
_RESTART_DELAYS = (0.0, 1.0, 2.0, 4.0, 8.0)
# After this long without a crash the restarts count from the beginning again.
_STABLE_SECONDS = 60.0
_TAIL_LINES = 40
# A server that does not answer is not expected to end well either.
_GRACE_OF_UNHEALTHY = 0.5

_logger = logging.getLogger(__name__)


def server_environment(
    deployment: Deployment,
    mounts: Mounts,
    runtime: Runtime,
    *,
    home: Path,
    instance_id: str,
    collector_port: int | None = None,
    collector_settings: Path | None = None,
) -> dict[str, str]:
    """Return the whole environment of a server; nothing of the control plane's own is in it.

    The deployment's variables win over ours but for those that the service itself sets.
    """
    ours = {
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PATH": f"{runtime.python.parent}:/usr/local/bin:/usr/bin:/bin",
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(home),
        # Else MLflow reports each load of a model to its makers.
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # A proxy of the system's, as macOS has them, must not get what is meant for the agent.
        "NO_PROXY": "127.0.0.1",
    }
    theirs = {
        "AML_APP_ROOT": str(mounts.app_root),
        "AZUREML_ENTRY_SCRIPT": mounts.entry_script,
        "AZUREML_INFERENCE_PYTHON_PATH": str(runtime.python.parent),
        "HOSTNAME": instance_id,
        "SERVICE_NAME": deployment.endpoint,
        "WORKSPACE_NAME": deployment.id.split("/")[8],
    }
    if mounts.model_dir is not None:
        theirs["AZUREML_MODEL_DIR"] = str(mounts.model_dir)
    if collector_port is not None:
        theirs["AZUREML_MDC_HOST"] = "127.0.0.1"
        theirs["AZUREML_MDC_PORT"] = str(collector_port)
        theirs["AZUREML_MDC_CONFIG_PATH"] = str(collector_settings)
    return ours | dict(deployment.variables) | theirs


class InferenceServer:
    """A real azureml-inference-server-http on a loopback port, kept alive.

    The listening socket belongs to this object and not to the process: it stays the same when a
    crashed server is replaced, and what arrives in between waits in its queue.

    Parameters
    ----------
    deployment
        What is served.
    python
        Interpreter of the runtime.
    environment
        See :func:`server_environment`.
    cwd
        Folder that the server runs in.
    log
        Its log.
    """

    def __init__(
        self,
        deployment: Deployment,
        python: Path,
        environment: Mapping[str, str],
        *,
        cwd: Path,
        log: Path,
    ) -> None:
        self.deployment = deployment
        self.ready = False
        self.in_flight = 0
        self.restarts = 0
        self._python = python
        self._environment = environment
        self._cwd = cwd
        self._log = log
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self.upstream = Upstream(self.port)
        self._process: SupervisedProcess | None = None
        self._watcher: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """Loopback port that the server answers on."""
        port: int = self._listener.getsockname()[1]
        return port

    async def start(self) -> None:
        """Start the process and return when it is ready for requests.

        Raises
        ------
        AzureError
            It ended, or did not become ready in the time that its probes give it; the message
            holds the end of its log.
        """
        try:
            await self._launch()
        except BaseException:
            await self.stop()
            raise
        self._watcher = asyncio.create_task(self._keep_alive())

    async def idle(self) -> None:
        """Take no more requests and wait for those in work, no longer than their own time limit."""
        self.ready = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.deployment.requests.timeout):
                while self.in_flight:
                    await asyncio.sleep(_LOOK_SECONDS)

    async def stop(self) -> None:
        """End the process and free the port."""
        self.ready = False
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher
            self._watcher = None
        if self._process is not None:
            await asyncio.to_thread(terminate, self._process)
        self._listener.close()

    async def _launch(self) -> None:
        descriptor = self._listener.fileno()
        command = [
            str(self._python),
            str(_LAUNCHER),
            str(descriptor),
            "--entry_script",
            self._environment["AZUREML_ENTRY_SCRIPT"],
            "--port",
            str(self.port),
        ]
        process = await asyncio.to_thread(
            spawn, command, cwd=self._cwd, env=self._environment, log=self._log, pass_fds=(descriptor,)
        )
        self._process = process
        ended = asyncio.create_task(_end_of(process))
        answering = asyncio.create_task(self._answer_probes(self.deployment.readiness))
        try:
            patience = self.deployment.readiness.patience
            await asyncio.wait({ended, answering}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                how = _how(ended.result())
                raise self._not_ready(
                    f"User container has crashed or terminated: the inference server {how}."
                )
            if not answering.done():
                await asyncio.to_thread(terminate, process, grace=_GRACE_OF_UNHEALTHY)
                raise self._not_ready(f"Readiness probe failed: no answer in {patience:g} seconds.")
        finally:
            ended.cancel()
            answering.cancel()
        self.ready = True

    async def _answer_probes(self, probe: Probe) -> None:
        """Probe from the start and often: on a laptop nobody wants to wait for the initial delay."""
        successes = 0
        while successes < probe.success_threshold:
            healthy = await self.upstream.healthy(probe.timeout)
            successes = successes + 1 if healthy else 0
            if not healthy:
                await asyncio.sleep(_LOOK_SECONDS)

    def _not_ready(self, why: str) -> AzureError:
        end = tail(self._log, _TAIL_LINES)
        return AzureError(
            400,
            "ResourceNotReady",
            f"{why} The end of its log:\n{end}",
            target=self.deployment.name,
            details=[{"code": "ResourceNotReady", "message": why, "target": self.deployment.name}],
        )

    async def _keep_alive(self) -> None:
        """Start the server again whenever it ends or stops answering, until it crashes all the time."""
        loop = asyncio.get_running_loop()
        attempt = 0
        while True:
            began = loop.time()
            why = await self._run_until_broken()
            self.ready = False
            if loop.time() - began > _STABLE_SECONDS:
                attempt = 0
            while not self.ready:
                if attempt == len(_RESTART_DELAYS):
                    self._note(f"{why}; it is not started again after {attempt} attempts")
                    return
                self._note(f"{why}; restart {attempt + 1} of {len(_RESTART_DELAYS)}")
                await asyncio.sleep(_RESTART_DELAYS[attempt])
                attempt += 1
                self.restarts += 1
                try:
                    await self._launch()
                except (AzureError, OSError) as error:
                    why = str(error).partition("\n")[0]

    async def _run_until_broken(self) -> str:
        """Return why the server is to be replaced; its process is gone then."""
        if self._process is None:
            return "the inference server was never started"
        ended = asyncio.create_task(_end_of(self._process))
        probing = asyncio.create_task(self._probe_until_dead(self.deployment.liveness))
        try:
            await asyncio.wait({ended, probing}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                return f"the inference server {_how(ended.result())}"
            self.ready = False
            await asyncio.to_thread(terminate, self._process, grace=_GRACE_OF_UNHEALTHY)
            return "the inference server failed its liveness probe"
        finally:
            ended.cancel()
            probing.cancel()

    async def _probe_until_dead(self, probe: Probe) -> None:
        failures = 0
        while failures < probe.failure_threshold:
            await asyncio.sleep(probe.period)
            await asyncio.to_thread(bound, self._log)
            failures = 0 if await self.upstream.healthy(probe.timeout) else failures + 1

    def _note(self, text: str) -> None:
        _logger.warning("%s/%s: %s", self.deployment.endpoint, self.deployment.name, text)
        with self._log.open("a", encoding="utf-8") as log:
            log.write(f"[azureml_local] {text}\n")


async def _end_of(process: SupervisedProcess) -> int:
    while (code := process.poll()) is None:
        await asyncio.sleep(_LOOK_SECONDS)
    return code


def _how(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
