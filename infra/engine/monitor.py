"""The two gRPC services that a program talks to: ResourceMonitor and Engine."""

from __future__ import annotations

import threading
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, resource_pb2, resource_pb2_grpc

from infra.engine.errors import EngineError
from infra.engine.goal import Goal, goal_of, location_of
from infra.engine.properties import Secret, contains_secret, from_struct, revealed, to_struct
from infra.engine.steps import Diagnostic, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pulumi.runtime.proto import callback_pb2

    from infra.engine.deployment import Deployment
    from infra.engine.project import Project
    from infra.engine.providers import Providers
    from infra.engine.transforms import Transforms

__all__ = ["Monitor"]

_STACK_REFERENCE: Final = "pulumi:pulumi:StackReference"
# A program that uses one of these finds out at once; pretending would change what it does.
_NOT_SUPPORTED: Final = {
    resource_pb2.RESOURCE_MONITOR_FEATURE_BYTE_STRING,
    resource_pb2.RESOURCE_MONITOR_FEATURE_CALL_OUTPUT_VALUES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ERROR_HOOKS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_INVOKE_DEPENDS_ON,
    resource_pb2.RESOURCE_MONITOR_FEATURE_INVOKE_OUTPUT_VALUES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_INVOKE_PARENT,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_HOOKS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_SENDS_OPTIONS_TO_HOOKS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_STATE_MIGRATIONS,
}
_SEVERITIES: Final[Mapping[int, Any]] = {
    engine_pb2.DEBUG: "debug",
    engine_pb2.INFO: "info",
    engine_pb2.WARNING: "warning",
    engine_pb2.ERROR: "error",
}
_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


def _guarded(
    handler: Callable[[Monitor, _Request], _Response],
) -> Callable[[Monitor, _Request, grpc.ServicerContext], _Response]:
    """Turn a refusal into a failed call, and keep any other error for whoever started the run."""

    @wraps(handler)
    def guarded(self: Monitor, request: _Request, context: grpc.ServicerContext) -> _Response:
        try:
            return handler(self, request)
        except (RefusedError, EngineError) as error:
            self.refuse(request, str(error), context)
        except Exception as error:
            with self.lock:
                self.crash = self.crash or error
            context.abort(grpc.StatusCode.INTERNAL, "the engine failed")
            raise

    return guarded


class Monitor(resource_pb2_grpc.ResourceMonitorServicer, engine_pb2_grpc.EngineServicer):
    """Serves one program.

    Parameters
    ----------
    stack_references
        The outputs of other stacks, by ``organization/project/stack``.
    """

    def __init__(
        self,
        project: Project,
        deployment: Deployment,
        providers: Providers,
        transforms: Transforms,
        *,
        organization: str,
        preview: bool,
        stack_references: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self._project = project
        self._deployment = deployment
        self._providers = providers
        self._transforms = transforms
        self._organization = organization
        self._preview = preview
        self._stack_references = stack_references
        self._root = ""
        self.lock = threading.Lock()
        self.diagnostics: list[Diagnostic] = []
        self.crash: Exception | None = None

    def refuse(self, request: Any, message: str, context: grpc.ServicerContext) -> NoReturn:
        """Record why a request is refused, with the place in the program, and end the call."""
        location = location_of(request.stackTrace) if hasattr(request, "stackTrace") else None
        self.report(Diagnostic("error", message, location=location))
        context.abort(grpc.StatusCode.UNKNOWN, message)
        raise AssertionError("abort raises")

    def report(self, diagnostic: Diagnostic) -> None:
        """Keep something that was said."""
        with self.lock:
            self.diagnostics.append(diagnostic)

    # Engine ---------------------------------------------------------------------------------------

    @_guarded
    def Log(self, request: engine_pb2.LogRequest) -> empty_pb2.Empty:  # noqa: N802
        """Keep what the program logs."""
        if not request.ephemeral and request.severity != engine_pb2.DEBUG:
            severity = _SEVERITIES[request.severity]
            self.report(Diagnostic(severity, request.message.rstrip(), request.urn))
        return empty_pb2.Empty()

    @_guarded
    def GetRootResource(  # noqa: N802
        self, request: engine_pb2.GetRootResourceRequest
    ) -> engine_pb2.GetRootResourceResponse:
        """Return the stack's URN."""
        del request
        return engine_pb2.GetRootResourceResponse(urn=self._root)

    @_guarded
    def SetRootResource(  # noqa: N802
        self, request: engine_pb2.SetRootResourceRequest
    ) -> engine_pb2.SetRootResourceResponse:
        """Remember the stack's URN."""
        self._root = request.urn
        return engine_pb2.SetRootResourceResponse()

    @_guarded
    def RequirePulumiVersion(  # noqa: N802
        self, request: engine_pb2.RequirePulumiVersionRequest
    ) -> engine_pb2.RequirePulumiVersionResponse:
        """Accept: the installed SDK is the version that this engine was written against."""
        del request
        return engine_pb2.RequirePulumiVersionResponse()

    # ResourceMonitor ------------------------------------------------------------------------------

    @_guarded
    def GetDeploymentInfo(self, request: empty_pb2.Empty) -> resource_pb2.DeploymentInfo:  # noqa: N802
        """Tell the program what it runs for, and what it may use."""
        del request
        features = [one for one in resource_pb2.ResourceMonitorFeature.values() if one not in _NOT_SUPPORTED]
        return resource_pb2.DeploymentInfo(
            project=self._project.name,
            stack=self._project.stack,
            organization=self._organization,
            config=self._project.config,
            configSecretKeys=sorted(self._project.secret_keys),
            dryRun=self._preview,
            supportedFeatures=features,
        )

    @_guarded
    def RegisterPackage(  # noqa: N802
        self, request: resource_pb2.RegisterPackageRequest
    ) -> resource_pb2.RegisterPackageResponse:
        """Name a package; its resources are served by the stand-in for its name."""
        return resource_pb2.RegisterPackageResponse(ref=f"{request.name}@{request.version}")

    @_guarded
    def RegisterStackTransform(self, request: callback_pb2.Callback) -> empty_pb2.Empty:  # noqa: N802
        """Remember a transform of every resource."""
        self._transforms.add_for_stack(request)
        return empty_pb2.Empty()

    @_guarded
    def RegisterStackInvokeTransform(self, request: callback_pb2.Callback) -> empty_pb2.Empty:  # noqa: N802
        """Remember a transform of every function's arguments."""
        self._transforms.add_for_invokes(request)
        return empty_pb2.Empty()

    @_guarded
    def SignalAndWaitForShutdown(self, request: empty_pb2.Empty) -> empty_pb2.Empty:  # noqa: N802
        """Let the program end: nothing here runs after it."""
        del request
        return empty_pb2.Empty()

    @_guarded
    def RegisterResource(  # noqa: N802
        self, request: resource_pb2.RegisterResourceRequest
    ) -> resource_pb2.RegisterResourceResponse:
        """Deploy one resource."""
        if request.remote:
            raise RefusedError(f"{request.type}: components of other languages are not supported")
        goal = self._transforms.apply(goal_of(request), request.transforms)
        resource = self._deployment.register(goal)
        self._transforms.inherit(resource.urn, request.transforms, goal.parent)
        return resource_pb2.RegisterResourceResponse(
            urn=resource.urn, id=resource.id, object=to_struct(resource.outputs)
        )

    @_guarded
    def RegisterResourceOutputs(  # noqa: N802
        self, request: resource_pb2.RegisterResourceOutputsRequest
    ) -> empty_pb2.Empty:
        """Record the outputs of a component or of the stack."""
        self._deployment.set_outputs(request.urn, from_struct(request.outputs))
        return empty_pb2.Empty()

    @_guarded
    def ReadResource(  # noqa: N802
        self, request: resource_pb2.ReadResourceRequest
    ) -> resource_pb2.ReadResourceResponse:
        """Read a resource that exists, or the outputs of another stack."""
        inputs = from_struct(request.properties)
        goal = Goal(
            request.type,
            request.name,
            custom=True,
            parent=request.parent,
            inputs=inputs,
            dependencies=tuple(sorted(request.dependencies)),
            provider=request.provider,
            version=request.version,
            additional_secret_outputs=tuple(request.additionalSecretOutputs),
        )
        outputs = self._stack_outputs(request.id) if request.type == _STACK_REFERENCE else None
        resource = self._deployment.read(goal, request.id, outputs)
        return resource_pb2.ReadResourceResponse(
            urn=resource.urn, id=resource.id, properties=to_struct(resource.outputs)
        )

    def _stack_outputs(self, name: str) -> dict[str, Any]:
        parts = name.split("/")
        full = "/".join(
            [self._organization, self._project.name, self._project.stack][: 3 - len(parts)] + parts
        )
        if full not in self._stack_references:
            known = ", ".join(sorted(self._stack_references)) or "none"
            raise RefusedError(f"unknown stack {full!r}; known: {known}")
        outputs = dict(self._stack_references[full])
        secret = [key for key, value in outputs.items() if contains_secret(value)]
        plain = {key: revealed(value) for key, value in outputs.items()}
        return {
            "name": name,
            "outputs": {key: Secret(plain[key]) if key in secret else plain[key] for key in outputs},
            "secretOutputNames": secret,
        }

    @_guarded
    def Invoke(  # noqa: N802
        self, request: resource_pb2.ResourceInvokeRequest
    ) -> resource_pb2.ResourceInvokeResponse:
        """Answer a function."""
        arguments = from_struct(request.args)
        response = resource_pb2.ResourceInvokeResponse()
        if request.tok == "pulumi:pulumi:getResource":
            found = self._deployment.get(arguments["urn"])
            if found is None:
                raise RefusedError(f"unknown resource {arguments['urn']}")
            result = {"urn": found.urn, "id": found.id, "state": dict(found.outputs)}
        else:
            arguments = revealed(self._transforms.apply_to_invoke(request.tok, arguments))
            provider = self._providers.for_invoke(request.tok, request.provider)
            result = provider.invoke(request.tok, arguments)
        getattr(response, "return").CopyFrom(to_struct(result))
        return response
