"""Writes ``shapes.json``: the published REST shapes of Azure ML, read from the SDK's generated models.

The shapes are kept as data, since importing the SDK costs a server seconds at every start; a test
compares the file with the installed SDK. Run after an upgrade::

    python -m azureml_local.shapes_from_sdk
"""

from __future__ import annotations

import datetime
import enum
import importlib
import importlib.metadata
import json
import types
import typing
from typing import Any

from azureml_local.shapes import SHAPES_FILE

# The bodies that the control plane accepts; what they reach comes along.
ROOTS = (
    "BatchDeployment",
    "BatchEndpoint",
    "CodeContainer",
    "CodeVersion",
    "ComponentContainer",
    "ComponentVersion",
    "ComputeResource",
    "DataContainer",
    "DataVersionBase",
    "Datastore",
    "DeploymentLogsRequest",
    "EnvironmentContainer",
    "EnvironmentVersion",
    "JobBase",
    "ModelContainer",
    "ModelVersion",
    "OnlineDeployment",
    "OnlineEndpoint",
    "PartialBatchDeploymentPartialMinimalTrackedResourceWithProperties",
    "PartialMinimalTrackedResourceWithIdentity",
    "PartialMinimalTrackedResourceWithSku",
    "PendingUploadRequestDto",
    "RegenerateEndpointKeysRequest",
    "Registry",
    "Schedule",
)
_SCALARS: dict[Any, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    bytes: "string",
    datetime.datetime: "datetime",
    datetime.timedelta: "duration",
    Any: "any",
}


class _Reader:
    def __init__(self) -> None:
        self.models = importlib.import_module("azure.ai.ml._restclient.arm_ml_service.models")
        self.base = importlib.import_module("azure.ai.ml._restclient.arm_ml_service._utils.model_base").Model
        self.shapes: dict[str, dict[str, Any]] = {}
        self.enums: dict[str, list[str]] = {}

    def read(self, model: type) -> None:
        if model.__name__ in self.shapes:
            return
        object_of: Any = model
        object_of.__new__(object_of)  # the first instance makes the class collect its fields
        shape: dict[str, Any] = {"fields": {}}
        self.shapes[model.__name__] = shape
        hints = typing.get_type_hints(model, localns={"_models": self.models})
        for attribute, field in object_of._attr_to_rest_field.items():  # noqa: SLF001
            hint = hints[attribute]
            optional = type(None) in typing.get_args(hint)
            mark = "^" if field._visibility == ["read"] else "" if optional else "!"  # noqa: SLF001
            name = field._rest_name  # noqa: SLF001
            shape["fields"][name] = mark + ("any" if mark == "^" else self.notation(hint))
            if field._is_discriminator:  # noqa: SLF001
                shape["discriminator"] = name
        # A subclass inherits the table of its base; only the base chooses by it.
        variants = model.__dict__.get("__mapping__") or {}
        if variants:
            shape["variants"] = {str(getattr(k, "value", k)): v.__name__ for k, v in variants.items()}
            for variant in variants.values():
                self.read(variant)

    def notation(self, hint: Any) -> str:
        arguments = [item for item in typing.get_args(hint) if item is not type(None)]
        origin = typing.get_origin(hint)
        if origin in (typing.Union, types.UnionType):
            # `Union[str, SomeEnum]` is how the generator writes an enumeration.
            enumerations = [item for item in arguments if _is_enum(item)]
            result = self.notation(enumerations[0] if enumerations else arguments[0])
        elif origin is typing.Literal:
            result = "string"  # a discriminator: the variant table says what it may be
        elif origin is dict:
            result = "{" + self.notation(arguments[1]) + "}"
        elif origin is list:
            result = "[" + self.notation(arguments[0]) + "]"
        elif _is_enum(hint):
            self.enums[hint.__name__] = [str(member.value) for member in hint]
            result = str(hint.__name__)
        elif isinstance(hint, type) and issubclass(hint, self.base):
            self.read(hint)
            result = str(hint.__name__)
        else:
            result = _SCALARS[hint]
        return result


def _is_enum(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, enum.Enum)


def shapes_of_sdk() -> dict[str, Any]:
    """Return the content that ``shapes.json`` must have for the installed SDK."""
    reader = _Reader()
    for root in ROOTS:
        reader.read(getattr(reader.models, root))
    return {
        "sdk": f"azure-ai-ml {importlib.metadata.version('azure-ai-ml')}",
        "notation": "! required, ^ filled by the server, {T} object with values T, [T] list of T",
        "enums": dict(sorted(reader.enums.items())),
        "shapes": dict(sorted(reader.shapes.items())),
    }


def as_text(content: dict[str, Any]) -> str:
    """Return the file's text: one line an entry, so that an upgrade reads as a diff."""
    lines = [
        "{",
        f' "sdk": {json.dumps(content["sdk"])},',
        f' "notation": {json.dumps(content["notation"])},',
    ]
    for section in ("enums", "shapes"):
        entries = [f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in content[section].items()]
        lines.append(
            f' "{section}": {{\n' + ",\n".join(entries) + "\n }" + ("," if section == "enums" else "")
        )
    return "\n".join([*lines, "}"]) + "\n"


if __name__ == "__main__":
    SHAPES_FILE.write_text(as_text(shapes_of_sdk()), encoding="utf-8")
