"""Which outputs are secret: those that echo a secret input, and those that the program says are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.engine.properties import Secret, contains_secret, revealed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.engine.state import ResourceState

__all__ = ["with_secrets"]


def with_secrets(resource: ResourceState, outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return outputs with everything secret that is secret on the way in, or declared to be."""
    marked = {name: _marked(value, resource.inputs.get(name)) for name, value in outputs.items()}
    for name in resource.additional_secret_outputs:
        if name in marked and not isinstance(marked[name], Secret):
            marked[name] = Secret(revealed(marked[name]))
    return marked


def _marked(output: Any, given: Any) -> Any:
    if isinstance(given, Secret):
        return output if isinstance(output, Secret) else Secret(revealed(output))
    if not contains_secret(given):
        return output
    if isinstance(given, dict) and isinstance(output, dict):
        return {name: _marked(value, given.get(name)) for name, value in output.items()}
    if isinstance(given, list) and isinstance(output, list) and len(given) == len(output):
        return [_marked(value, one) for value, one in zip(output, given, strict=True)]
    return Secret(revealed(output))
