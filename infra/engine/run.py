"""One operation on one stack, from reading the project to writing the state."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import grpc
from pulumi.runtime.proto import engine_pb2_grpc, resource_pb2_grpc

from infra.engine.analyzer import PolicyPacks, Violation, started
from infra.engine.deployment import Deployment
from infra.engine.monitor import Monitor
from infra.engine.program import run_program
from infra.engine.project import load_project
from infra.engine.properties import MASK, secret_texts
from infra.engine.providers import Providers, is_default_provider
from infra.engine.result import OperationName, Result
from infra.engine.state import Snapshot, StateFile, ordered
from infra.engine.steps import Diagnostic, RefusedError
from infra.engine.transforms import Transforms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from infra.engine.analyzer import PolicyPack
    from infra.engine.project import Project
    from infra.engine.property_path import Path as PropertyPath

__all__ = ["run"]

_ORGANIZATION: Final = "organization"  # what Pulumi calls it where a backend has none
_THREADS: Final = 32
_TIMEOUT: Final = 120.0
_SAVE_INTERVAL: Final = 0.25
_CHANNEL: Final = [("grpc.max_receive_message_length", 400 * 1024 * 1024)]
# Shorter secrets would mask every second word of a message.
_SHORTEST_MASKED: Final = 4


def run(
    project: Path,
    stack: str,
    *,
    operation: OperationName = "preview",
    state: Path | None = None,
    policy_packs: Sequence[PolicyPack] = (),
    stack_references: Mapping[str, Mapping[str, Any]] | None = None,
    config: Mapping[str, Any] | None = None,
    replaces: Callable[[str, PropertyPath], bool] = lambda _type, _path: False,
    timeout: float = _TIMEOUT,
    python_path: Sequence[Path] = (),
    collect_violations: bool = False,
) -> Result:
    """Run a Pulumi program offline.

    Parameters
    ----------
    project
        The folder of ``Pulumi.yaml``.
    state
        The state file; without one the stack starts empty and nothing is kept.
    stack_references
        The outputs of other stacks, by ``organization/<project>/<stack>``, as :attr:`Result.outputs`.
    config
        Values that win over the stack's configuration file.
    replaces
        For resources of packages other than ``azure-native``: whether a change of a property forces
        a replacement.
    python_path
        Folders that the program imports from before what is installed, for another checkout's code.
    collect_violations
        Find everything that policies have to say; without it a deployment stops at the first
        mandatory one.

    Returns
    -------
    Result
        Also of an operation that failed: see :attr:`Result.failed` and :meth:`Result.require`.

    Raises
    ------
    EngineError
        The project, the state file or a policy pack cannot be used.
    """
    begun = time.monotonic()
    loaded = load_project(project, stack, config)
    with ExitStack() as cleanup:
        file = StateFile(state) if state else None
        if file:
            cleanup.enter_context(file.locked())
        keeper = _Keeper(file if operation != "preview" else None)
        last = file.load() if file else Snapshot()
        work = _Work(
            project=loaded,
            operation=operation,
            last=last,
            keeper=keeper,
            stack_references=stack_references or {},
            replaces=replaces,
            timeout=timeout,
            python_path=python_path,
            collect_violations=collect_violations,
        )
        result = work.destroy() if operation == "destroy" else work.deploy(policy_packs)
    return replace(result, seconds=time.monotonic() - begun)


class _Keeper:
    """Writes the state while the deployment goes on, but not after each of its hundreds of steps."""

    def __init__(self, file: StateFile | None) -> None:
        self._file = file
        self._saved = 0.0

    def __call__(self, snapshot: Snapshot) -> None:
        if time.monotonic() - self._saved >= _SAVE_INTERVAL:
            self.save(snapshot)

    def save(self, snapshot: Snapshot) -> None:
        if self._file:
            self._file.save(snapshot)
            self._saved = time.monotonic()


@dataclass(slots=True)
class _Work:
    project: Project
    operation: OperationName
    last: Snapshot
    keeper: _Keeper
    stack_references: Mapping[str, Mapping[str, Any]]
    replaces: Callable[[str, PropertyPath], bool]
    timeout: float
    python_path: Sequence[Path]
    collect_violations: bool

    @property
    def preview(self) -> bool:
        return self.operation == "preview"

    def deployment(self, packs: PolicyPacks) -> tuple[Deployment, Providers]:
        providers = Providers(self.project.config, self.project.secret_keys, self.replaces)
        deployment = Deployment(
            self.project.stack,
            self.project.name,
            self.last,
            providers,
            packs,
            preview=self.preview,
            progress=self.keeper,
        )
        return deployment, providers

    def destroy(self) -> Result:
        deployment, _ = self.deployment(PolicyPacks((), collect=False))
        diagnostics: list[Diagnostic] = []
        try:
            deployment.destroy()
        except RefusedError as error:
            diagnostics.append(Diagnostic("error", str(error)))
        self.keeper.save(deployment.snapshot())
        return self.result(deployment, diagnostics, [])

    def deploy(self, policy_packs: Sequence[PolicyPack]) -> Result:
        with ExitStack() as cleanup:
            server, address = cleanup.enter_context(_server())
            running = started(
                policy_packs,
                self.project,
                address,
                organization=_ORGANIZATION,
                preview=self.preview,
                collect=self.preview or self.collect_violations,
            )
            packs = cleanup.enter_context(running)
            transforms = Transforms()
            deployment, providers = self.deployment(packs)
            monitor = Monitor(
                self.project,
                deployment,
                providers,
                transforms,
                organization=_ORGANIZATION,
                preview=self.preview,
                stack_references=self.stack_references,
            )
            resource_pb2_grpc.add_ResourceMonitorServicer_to_server(monitor, server)
            engine_pb2_grpc.add_EngineServicer_to_server(monitor, server)
            server.start()
            try:
                ended = self.run_program(address, monitor)
                if not any(one.severity == "error" for one in ended):
                    packs.analyze_stack(deployment.resources)
                    ended += _mandatory(packs.violations, ended)
                if not any(one.severity == "error" for one in ended):
                    ended += _finished(deployment)
            finally:
                # An update that is interrupted here leaves what it has reached.
                self.keeper.save(deployment.snapshot())
            return self.result(deployment, ended, packs.violations)

    def run_program(self, address: str, monitor: Monitor) -> list[Diagnostic]:
        said = run_program(
            self.project,
            address,
            organization=_ORGANIZATION,
            preview=self.preview,
            timeout=self.timeout,
            python_path=self.python_path,
        )
        if monitor.crash:
            raise monitor.crash
        refused = [one for one in monitor.diagnostics if one.severity == "error"]
        # The program's own report of a refusal says again, and less well, what the engine said.
        echoes = [one for one in said if any(other.message in one.message for other in refused)]
        return [*(one for one in said if one not in echoes), *monitor.diagnostics]

    def result(
        self, deployment: Deployment, diagnostics: Sequence[Diagnostic], violations: Sequence[Violation]
    ) -> Result:
        resources = ordered(one for one in deployment.resources if not is_default_provider(one))
        secrets = self.secrets(deployment)
        return Result(
            operation=self.operation,
            project=self.project.name,
            stack=self.project.stack,
            resources=resources,
            outputs=deployment.outputs,
            steps=tuple(deployment.steps),
            diagnostics=tuple(replace(one, message=_redacted(one.message, secrets)) for one in diagnostics),
            violations=tuple(replace(one, message=_redacted(one.message, secrets)) for one in violations),
        )

    def secrets(self, deployment: Deployment) -> list[str]:
        texts = {self.project.config[key] for key in self.project.secret_keys if key in self.project.config}
        for resource in (*self.last.resources, *deployment.resources):
            texts |= secret_texts(dict(resource.inputs)) | secret_texts(dict(resource.outputs))
        return sorted((text for text in texts if len(text) >= _SHORTEST_MASKED), key=len, reverse=True)


@contextmanager
def _server() -> Iterator[tuple[grpc.Server, str]]:
    with ThreadPoolExecutor(_THREADS) as pool:
        server = grpc.server(pool, options=_CHANNEL)
        port = server.add_insecure_port("127.0.0.1:0")
        try:
            yield server, f"127.0.0.1:{port}"
        finally:
            server.stop(None).wait()


def _finished(deployment: Deployment) -> list[Diagnostic]:
    try:
        deployment.finish()
    except RefusedError as error:
        return [Diagnostic("error", str(error))]
    return []


def _mandatory(violations: Sequence[Violation], said: Sequence[Diagnostic]) -> list[Diagnostic]:
    found = [str(one) for one in violations if one.level == "mandatory"]
    known = {one.message for one in said}
    return [Diagnostic("error", text) for text in found if text not in known]


def _redacted(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text
