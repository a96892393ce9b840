"""What can only be judged over all environments at once: networks that meet in a hub, and names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mlops.settings.finding import Finding
from mlops.settings.loading import ROOT, load_settings
from mlops.settings.network_rules import overlap_findings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date
    from pathlib import Path

    from mlops.settings.loading import Settings
    from mlops.settings.model import Environment

__all__ = ["STACKS", "load_together"]

_ONE_STACK: Final = "in every environment: one stack `shared` serves them all"
_SHARED: Final = {
    "project": f"the same project {_ONE_STACK}",
    "platform": f"the same platform {_ONE_STACK}",
    "promotion": "the same promotion in every environment: a chain has one order",
}
STACKS: Final = ("dev", "staging", "prod")
"""The environments that live in Azure, in the order of promotion."""


def load_together(root: Path = ROOT, *, today: date | None = None) -> dict[str, Settings]:
    """Return the settings of every environment in Azure, after checking them against each other.

    Raises
    ------
    SettingsError
        One environment is wrong in itself, or two of them cannot exist side by side.
    """
    settings = {name: load_settings(name, root, today=today) for name in STACKS}
    environments = {name: item.environment for name, item in settings.items()}
    for name, finding in (*overlap_findings(environments), *_platform_findings(environments)):
        raise finding.error(name, settings[name].marks)
    return settings


def _platform_findings(environments: Mapping[str, Environment]) -> Iterator[tuple[str, Finding]]:
    """Yield each environment that lays its own value over what all of them share."""
    first = next(iter(environments.values()))
    for name, environment in environments.items():
        for key in _SHARED:
            if getattr(environment, key) != getattr(first, key):
                yield (
                    name,
                    Finding(
                        (key,),
                        _SHARED[key],
                        "a value of its own",
                        f"move it to environments/{'project' if key == 'project' else 'base'}.yaml",
                    ),
                )
