"""Templates and conditions of one place in a workflow, by GitHub's evaluator."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.workflows.node_service import NodeService

__all__ = ["STATUS_FUNCTION", "Scope"]

_TEMPLATE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
STATUS_FUNCTION = re.compile(r"\b(always|success|failure|cancelled)\s*\(")


@dataclass(frozen=True, slots=True)
class Scope:
    """The contexts that can be read, and the status so far."""

    node: NodeService
    contexts: Mapping[str, Any]
    status: Mapping[str, bool]

    def value(self, template: Any) -> Any:
        """Return a value whose templates are filled in; one that is a template alone keeps its type."""
        if isinstance(template, dict):
            return {key: self.value(one) for key, one in template.items()}
        if isinstance(template, list):
            return [self.value(one) for one in template]
        if not isinstance(template, str):
            return template
        whole = _TEMPLATE.fullmatch(template.strip())
        if whole and template.count("${{") == 1:
            return self._evaluate(whole[1])[0]
        return _TEMPLATE.sub(lambda found: self._evaluate(found[1])[1], template)

    def text(self, template: Any) -> str:
        """Return a value as the text that an environment variable or a script gets."""
        if isinstance(template, bool):
            return str(template).lower()
        return _TEMPLATE.sub(lambda found: self._evaluate(found[1])[1], str(template))

    def holds(self, condition: Any) -> bool:
        """Return whether an `if` lets its job or step run; success is meant when no status is named."""
        text = str(condition).strip() if condition is not None else "success()"
        whole = _TEMPLATE.fullmatch(text)
        expression = whole[1] if whole and text.count("${{") == 1 else text
        if not STATUS_FUNCTION.search(expression):
            expression = f"success() && ({expression})"
        return bool(self._evaluate(f"!!({expression})")[0])

    def _evaluate(self, expression: str) -> tuple[Any, str]:
        return self.node.evaluate(expression.strip(), self.contexts, self.status)
