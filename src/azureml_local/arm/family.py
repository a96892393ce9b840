"""What every resource type does alike: read, list, create, replace, change, delete, with etags."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from azureml_local import shapes
from azureml_local.arm import listing
from azureml_local.errors import AzureError, bad_request
from azureml_local.operations import POLL_MILLISECONDS
from azureml_local.store import PROVIDER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from azureml_local.arm.names import NameRule
    from azureml_local.arm.target import Target
    from azureml_local.operations import Action, Operation
    from azureml_local.plane import ControlPlane
    from azureml_local.store import Resource

_BUSY = {"Creating", "Updating", "Deleting", "Scaling"}


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a resource type; query and header names are in lower case."""

    method: str
    target: Target
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    url: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Family:
    """A resource type; a subclass says what is special about it."""

    kind: ClassVar[str]
    shape: ClassVar[str] = ""  # shape of a PUT's body; empty: no PUT
    patch_shape: ClassVar[str] = ""  # shape of a PATCH's body; empty: no PATCH
    can_delete: ClassVar[bool] = False
    name_rule: ClassVar[NameRule | None] = None

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self.store = plane.store
        self.actions: dict[str, Callable[[Call], Answer]] = {}

    # -- what a subclass may say ---------------------------------------------------------------

    def check(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Refuse a body whose shape is right and whose content is not."""

    def fill(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Set what the server sets."""

    def chosen(self, call: Call, resources: list[Resource]) -> list[Resource]:  # noqa: ARG002 - for overriding
        """Keep what the query of a list asks for."""
        return resources

    def written(self, call: Call, resource: Resource, existing: Resource | None) -> Answer:  # noqa: ARG002 - as above
        """Answer a PUT or PATCH after the resource was stored."""
        return self.answer(resource, 200 if existing else 201)

    def refuse_delete(self, call: Call, resource: Resource) -> None:
        """Refuse the deletion of a resource that something needs."""

    def deleted(self, call: Call, resource: Resource) -> Answer:  # noqa: ARG002 - as above
        """Carry out a deletion and answer it."""
        self.store.delete(resource.id)
        return Answer(200)

    # -- verbs ---------------------------------------------------------------------------------

    def handle(self, call: Call) -> Answer:
        """Answer one request."""
        if call.target.action:
            return self._act(call)
        if call.target.is_collection:
            if call.method != "GET":
                raise _not_allowed(call)
            return self.list_(call)
        verbs = {
            "GET": self.get,
            "HEAD": self.get,
            "PUT": self.put if self.shape else None,
            "PATCH": self.patch if self.patch_shape else None,
            "DELETE": self.delete if self.can_delete else None,
        }
        verb = verbs.get(call.method)
        if verb is None:
            raise _not_allowed(call)
        return verb(call)

    def get(self, call: Call) -> Answer:
        """Return a resource."""
        return self.answer(self.store.require(call.target.id), 200)

    def list_(self, call: Call) -> Answer:
        """Return one page of a collection."""
        self.require_parent(call)
        resources = self.chosen(call, self.store.children(call.target.id))
        return Answer(200, listing.page(resources, call.query, call.url, self.present))

    def put(self, call: Call) -> Answer:
        """Create or replace a resource."""
        self.require_parent(call)
        if self.name_rule is not None:
            self.name_rule.check(call.target.name)
        body = shapes.read(self.shape, call.body)
        with self.store.transaction():
            existing = self.store.get(call.target.id)
            _check_etag(call, existing)
            self.check(call, body, existing)
            self.fill(call, body, existing)
            resource = self.store.put(call.target.id, body)
        return self.written(call, resource, existing)

    def patch(self, call: Call) -> Answer:
        """Change a resource as RFC 7396 says."""
        change = shapes.read(self.patch_shape, call.body)
        with self.store.transaction():
            existing = self.store.require(call.target.id)
            _check_etag(call, existing)
            body = merge(existing.body, change)
            self.check(call, body, existing)
            self.fill(call, body, existing)
            resource = self.store.put(existing.id, body)
        return self.written(call, resource, existing)

    def delete(self, call: Call) -> Answer:
        """Delete a resource; one that is not there is not an error."""
        resource = self.store.get(call.target.id)
        if resource is None:
            return Answer(204)
        _check_etag(call, resource)
        self.refuse_delete(call, resource)
        return self.deleted(call, resource)

    def _act(self, call: Call) -> Answer:
        action = self.actions.get(call.target.action)
        if action is None or call.method not in ("POST", "GET"):
            raise _not_allowed(call)
        return action(call)

    # -- parts ---------------------------------------------------------------------------------

    def answer(self, resource: Resource, status: int) -> Answer:
        """Return a resource with its etag."""
        return Answer(status, self.present(resource), {"ETag": f'"{resource.etag}"'})

    def present(self, resource: Resource) -> dict[str, Any]:
        """Return the body that goes out."""
        return shapes.present(self.shape, resource.body) if self.shape else resource.body

    def require_parent(self, call: Call) -> None:
        """Refuse a request below a resource that does not exist."""
        parent_id = call.target.parent_id
        if parent_id and self.store.get(parent_id) is None:
            raise AzureError(
                404,
                "ParentResourceNotFound",
                "Failed to perform the requested operation on nested resource. "
                f"Parent resource '{parent_id.split(f'{PROVIDER}/')[-1]}' not found.",
            )

    def require_reference(self, resource_id: str, target: str) -> Resource:
        """Return a resource that a body refers to, or refuse the body."""
        found = self.store.get(resource_id)
        if found is None:
            raise bad_request(
                f"The referenced resource '{resource_id}' was not found.",
                target=target,
            )
        return found


class LongRunningFamily(Family):
    """A resource type whose creation and deletion take a while."""

    def __init__(self, plane: ControlPlane) -> None:
        super().__init__(plane)
        for action, work in (("Create", self.create), ("Update", self.create), ("Delete", self.remove)):
            plane.operations.register(self.kind, action, work)  # type: ignore[arg-type]

    async def create(self, resource_id: str) -> None:
        """Bring a resource to life; safe to repeat."""

    async def remove(self, resource_id: str) -> None:
        """Take down what :meth:`create` brought up; safe to repeat."""

    @override
    def put(self, call: Call) -> Answer:
        """Begin a creation or replacement."""
        self._refuse_busy(call)
        return super().put(call)

    @override
    def patch(self, call: Call) -> Answer:
        """Begin a change."""
        self._refuse_busy(call)
        return super().patch(call)

    @override
    def written(self, call: Call, resource: Resource, existing: Resource | None) -> Answer:
        """Answer with the operation to poll."""
        action: Action = "Update" if existing else "Create"
        state = "Updating" if existing else "Creating"
        with self.store.transaction():
            stored = self.store.update(
                resource.id, lambda body: body["properties"].update(provisioningState=state)
            )
            operation = self.plane.operations.start(action, resource.id, self.kind)
        status = 202 if call.method == "PATCH" else 200 if existing else 201
        return Answer(
            status, self.present(stored), self.operation_headers(operation) | {"ETag": f'"{stored.etag}"'}
        )

    @override
    def delete(self, call: Call) -> Answer:
        """Begin a deletion, unless something else is under way."""
        self._refuse_busy(call)
        return super().delete(call)

    @override
    def deleted(self, call: Call, resource: Resource) -> Answer:
        """Begin a deletion."""
        with self.store.transaction():
            self.store.update(
                resource.id, lambda body: body["properties"].update(provisioningState="Deleting")
            )
            operation = self.plane.operations.start("Delete", resource.id, self.kind)
        return Answer(202, None, self.operation_headers(operation))

    def operation_headers(self, operation: Operation) -> dict[str, str]:
        """Return where an operation and its result are found."""
        config = self.plane.config
        root = (
            f"{self.plane.base_url}/subscriptions/{config.subscription_id}/providers/{PROVIDER}"
            f"/locations/{config.location}"
        )
        # The version is the one that the service's own answers name for this path.
        version = "api-version=2022-02-01-preview"
        return {
            "Azure-AsyncOperation": f"{root}/mfeOperationsStatus/{operation.id}?{version}",
            "Location": f"{root}/mfeOperationResults/{operation.id}?{version}",
            "x-ms-retry-after-ms": str(POLL_MILLISECONDS),
        }

    def _refuse_busy(self, call: Call) -> None:
        existing = self.store.get(call.target.id)
        state = existing.properties.get("provisioningState") if existing else None
        if state in _BUSY:
            raise AzureError(
                409,
                "Conflict",
                f"The resource '{call.target.name}' is in the non-terminal provisioning state '{state}'. "
                "Wait for the running operation to end.",
            )


def merge(old: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Return a body with a JSON merge patch applied (RFC 7396)."""
    result = dict(old)
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merge(result[key], value)
        else:
            result[key] = value
    return result


def _check_etag(call: Call, existing: Resource | None) -> None:
    wanted, unwanted = call.headers.get("if-match"), call.headers.get("if-none-match")
    if unwanted == "*" and existing is not None:
        raise _precondition_failed(call.target.id)
    if wanted is None:
        return
    if existing is None or (wanted != "*" and wanted.strip('"') != existing.etag):
        raise _precondition_failed(call.target.id)


def _precondition_failed(resource_id: str) -> AzureError:
    return AzureError(
        412, "PreconditionFailed", f"The condition on the etag of '{resource_id}' is not met: read it again."
    )


def _not_allowed(call: Call) -> AzureError:
    what = call.target.action or call.target.kind
    return AzureError(
        405, "MethodNotAllowed", f"The HTTP method '{call.method}' is not supported at scope '{what}'."
    )
