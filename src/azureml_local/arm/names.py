"""What names each resource type takes, with where it is published."""

from __future__ import annotations

import re
from dataclasses import dataclass

from azureml_local.errors import bad_request


@dataclass(frozen=True, slots=True)
class NameRule:
    """A pattern, and its meaning in words."""

    pattern: re.Pattern[str]
    meaning: str

    def check(self, name: str) -> None:
        """Refuse a name that does not follow the rule."""
        if not self.pattern.fullmatch(name):
            raise bad_request(f"The name '{name}' is invalid: expected {self.meaning}.", "name")


# Published types (Azure/bicep-types-az, 2023-06-01-preview): asset containers, jobs, schedules.
RESOURCE = NameRule(
    re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-_]{0,254}"),
    "at most 255 letters, digits, '-' and '_', beginning with a letter or digit",
)
# Azure ML, limits of endpoints and deployments.
ENDPOINT = NameRule(
    re.compile(r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]"),
    "3 to 32 letters, digits and '-', beginning with a letter and not ending in '-'",
)
# ARM schema 2025-12-01, registries.name.
REGISTRY = NameRule(
    re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-_]{2,32}"),
    "3 to 33 letters, digits, '-' and '_', beginning with a letter or digit",
)
# Azure ML, datastores: no hyphen.
DATASTORE = NameRule(re.compile(r"[a-zA-Z0-9_]{1,255}"), "at most 255 letters, digits and '_'")
ASSET_VERSION = NameRule(
    re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}"),
    "at most 255 letters, digits, '.', '-' and '_', beginning with a letter or digit",
)
# Azure/azureml-examples#2725: a model's version is a positive integer, unlike that of other assets.
MODEL_VERSION = NameRule(re.compile(r"[1-9][0-9]*"), "a positive integer as the version of a model")
