"""``monitor.yaml`` as JSON Schema, for editors and for checks outside this project."""

from __future__ import annotations

from typing import Any

from modelwatch.metrics import METRICS, SHORT_NAMES
from modelwatch.monitor import Monitor

# YAML 1.1 takes 1e-3 for a text.
_NUMBER = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^-?\d*\.?\d+([eE][+-]?\d+)?$"}]}
_THRESHOLD = {
    "description": "A bound; `+0.02` adds the baseline's own rate.",
    "anyOf": [
        _NUMBER,
        {"type": "string", "pattern": r"^\+\d*\.?\d+([eE][+-]?\d+)?$"},
        {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": False,
            "properties": dict.fromkeys(("min", "max", "above_baseline", "below_baseline"), _NUMBER),
        },
    ],
}


def monitor_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12) that every file accepted by `Monitor.load` holds to."""
    schema = Monitor.model_json_schema(by_alias=True)
    parts = schema["$defs"]
    # What the models accept beyond their own fields, before they check them.
    parts["Signal"]["properties"].update(dict.fromkeys(sorted({*METRICS, *SHORT_NAMES}), _THRESHOLD))
    parts["Severity"]["enum"] = [*parts["Severity"]["enum"], "sev1", "sev2", "sev3"]
    evidence = parts["Rule"]["properties"]["evidence"]
    evidence["anyOf"] = [*evidence["anyOf"], {"const": "none"}]
    rules = schema["properties"]["rules"]
    schema["properties"]["rules"] = {"default": [], "anyOf": [rules, {"const": "default"}]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "monitor.yaml (monitoring/v1)",
    }
