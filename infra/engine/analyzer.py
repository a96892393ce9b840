"""Policy packs, started and asked over Pulumi's Analyzer service as its command line does."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import grpc
import yaml
from google.protobuf import empty_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from infra.engine.errors import EngineError
from infra.engine.program import child_environment
from infra.engine.properties import from_struct, to_struct
from infra.engine.steps import RefusedError
from infra.engine.urn import STACK_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from infra.engine.project import Project
    from infra.engine.state import ResourceState

__all__ = ["PolicyPack", "PolicyPacks", "Violation", "started"]

_LEVELS: Final = {
    analyzer_pb2.ADVISORY: "advisory",
    analyzer_pb2.MANDATORY: "mandatory",
    analyzer_pb2.REMEDIATE: "remediate",
    analyzer_pb2.DISABLED: "disabled",
}
_SEVERITIES: Final = {
    analyzer_pb2.POLICY_SEVERITY_LOW: "low",
    analyzer_pb2.POLICY_SEVERITY_MEDIUM: "medium",
    analyzer_pb2.POLICY_SEVERITY_HIGH: "high",
    analyzer_pb2.POLICY_SEVERITY_CRITICAL: "critical",
}
_CHANNEL: Final = [("grpc.max_receive_message_length", 400 * 1024 * 1024)]


@dataclass(frozen=True, slots=True)
class PolicyPack:
    """A folder with ``PulumiPolicy.yaml``, and its policies' configuration by name."""

    path: Path
    config: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Violation:
    """What a policy found; without a URN it is about the stack."""

    pack: str
    policy: str
    level: str
    severity: str
    message: str
    urn: str = ""
    description: str = ""

    def __str__(self) -> str:
        name = self.urn.rpartition("::")[2] or "the stack"
        return f"[{self.level}] {self.policy} ({name}): {self.message}"


@dataclass(frozen=True, slots=True)
class _Started:
    name: str
    analyzer: analyzer_pb2_grpc.AnalyzerStub


class PolicyPacks:
    """The packs of one run: asked about each resource before its step, and about the stack at the end."""

    def __init__(self, packs: Sequence[_Started], *, collect: bool) -> None:
        self._packs = packs
        self._collect = collect
        self.violations: list[Violation] = []

    def analyze(self, resource: ResourceState) -> ResourceState:
        """Let policies mend and judge one resource.

        Raises
        ------
        RefusedError
            A mandatory policy says no, and violations are not only collected, as in a preview.
        """
        if resource.type == STACK_TYPE:
            return resource
        for pack in self._packs:
            remediated = pack.analyzer.Remediate(_request(resource))
            for found in remediated.remediations:
                if found.properties.fields:
                    resource = replace(resource, inputs=from_struct(found.properties))
            response = pack.analyzer.Analyze(_request(resource))
            self._record(pack, response.diagnostics, resource, stop=not self._collect)
        return resource

    def analyze_stack(self, resources: Iterable[ResourceState]) -> None:
        """Let policies judge the stack as a whole."""
        known = [one for one in resources if one.type != STACK_TYPE]
        for pack in self._packs:
            request = analyzer_pb2.AnalyzeStackRequest(resources=[_resource(one) for one in known])
            self._record(pack, pack.analyzer.AnalyzeStack(request).diagnostics, None, stop=False)

    def _record(
        self,
        pack: _Started,
        diagnostics: Iterable[analyzer_pb2.AnalyzeDiagnostic],
        resource: ResourceState | None,
        *,
        stop: bool,
    ) -> None:
        found = [
            Violation(
                pack.name,
                one.policyName,
                _LEVELS[one.enforcementLevel],
                _SEVERITIES.get(one.severity, ""),
                # The pack puts the description before what it found.
                one.message.removeprefix(one.description).strip() or one.description,
                one.urn or (resource.urn if resource else ""),
                one.description,
            )
            for one in diagnostics
        ]
        self.violations += found
        mandatory = [str(one) for one in found if one.level == "mandatory"]
        if stop and mandatory:
            raise RefusedError("\n".join(mandatory))


def _options(resource: ResourceState) -> analyzer_pb2.AnalyzerResourceOptions:
    return analyzer_pb2.AnalyzerResourceOptions(
        protect=resource.protect,
        ignoreChanges=resource.ignore_changes,
        deleteBeforeReplace=resource.delete_before_replace,
        deleteBeforeReplaceDefined=resource.delete_before_replace,
        additionalSecretOutputs=resource.additional_secret_outputs,
        aliases=resource.aliases,
        parent=resource.parent,
    )


def _request(resource: ResourceState) -> Any:
    # Analyze and Remediate send the same message.
    return analyzer_pb2.AnalyzeRequest(
        type=resource.type,
        urn=resource.urn,
        name=resource.name,
        properties=to_struct(resource.inputs),
        options=_options(resource),
    )


def _resource(resource: ResourceState) -> analyzer_pb2.AnalyzerResource:
    by_property = {
        name: analyzer_pb2.AnalyzerPropertyDependencies(urns=urns)
        for name, urns in resource.property_dependencies.items()
    }
    return analyzer_pb2.AnalyzerResource(
        type=resource.type,
        urn=resource.urn,
        name=resource.name,
        properties=to_struct(resource.outputs),
        options=_options(resource),
        parent=resource.parent,
        dependencies=resource.dependencies,
        propertyDependencies=by_property,
    )


@contextmanager
def started(
    packs: Iterable[PolicyPack],
    project: Project,
    address: str,
    *,
    organization: str,
    preview: bool,
    collect: bool,
) -> Iterator[PolicyPacks]:
    """Start the packs for one run and stop them after it.

    Parameters
    ----------
    collect
        Go on after a mandatory policy has said no.

    Raises
    ------
    EngineError
        A pack does not start.
    """
    with ExitStack() as stack:
        running = [
            stack.enter_context(_started(pack, project, address, organization, preview=preview))
            for pack in packs
        ]
        yield PolicyPacks(running, collect=collect)


@contextmanager
def _started(
    pack: PolicyPack, project: Project, address: str, organization: str, *, preview: bool
) -> Iterator[_Started]:
    manifest = pack.path / "PulumiPolicy.yaml"
    if not manifest.is_file():
        raise EngineError("This is not a policy pack.", where=str(manifest), expected="PulumiPolicy.yaml")
    document = yaml.safe_load(manifest.read_text(encoding="utf-8"))
    program = pack.path / str(document.get("main", "."))
    environment = child_environment(
        {
            "PULUMI_ORGANIZATION": organization,
            "PULUMI_PROJECT": project.name,
            "PULUMI_STACK": project.stack,
            "PULUMI_DRY_RUN": "true" if preview else "false",
            "PULUMI_CONFIG": json.dumps(dict(project.config)),
        }
    )
    command = [sys.executable, "-u", "-m", "pulumi.policy", address, str(program)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=pack.path, env=environment, text=True
    ) as process:
        try:
            port = process.stdout.readline().strip() if process.stdout else ""
            if not port.isdecimal():
                process.kill()
                raise EngineError(
                    "The policy pack does not start.",
                    where=str(pack.path),
                    got="\n".join((process.stderr.read() if process.stderr else "").splitlines()[-5:]),
                )
            with grpc.insecure_channel(f"127.0.0.1:{port}", options=_CHANNEL) as channel:
                yield _configured(
                    analyzer_pb2_grpc.AnalyzerStub(channel), pack, project, organization, preview
                )
        finally:
            process.kill()
            process.communicate()


def _configured(
    analyzer: analyzer_pb2_grpc.AnalyzerStub,
    pack: PolicyPack,
    project: Project,
    organization: str,
    preview: bool,
) -> _Started:
    info = analyzer.GetAnalyzerInfo(empty_pb2.Empty())
    analyzer.ConfigureStack(
        analyzer_pb2.AnalyzerStackConfigureRequest(
            stack=project.stack,
            project=project.name,
            organization=organization,
            dry_run=preview,
            config_secret_keys=sorted(project.secret_keys),
            config=project.config,
        )
    )
    levels = {level: number for number, level in _LEVELS.items()}
    configured = {}
    for policy in info.policies:
        given = dict(pack.config.get(policy.name, {}))
        level = levels[given.pop("enforcementLevel", _LEVELS[policy.enforcementLevel])]
        configured[policy.name] = analyzer_pb2.PolicyConfig(
            enforcementLevel=level, properties=to_struct(given)
        )
    analyzer.Configure(analyzer_pb2.ConfigureAnalyzerRequest(policyConfig=configured))
    return _Started(info.name, analyzer)
