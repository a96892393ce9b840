"""Measures what changed between a baseline and production: data, predictions, attributions, performance.

Nothing heavy is imported before it is used: names below load on first access.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelwatch.column_contracts import ColumnContract, Role
    from modelwatch.column_profiles import ColumnProfile
    from modelwatch.comparing import compare
    from modelwatch.contract import Contract
    from modelwatch.measuring import measure
    from modelwatch.metrics import AZUREML, METRICS, ROBUST
    from modelwatch.monitor import Monitor
    from modelwatch.profiles import Profile
    from modelwatch.profiling import profile
    from modelwatch.refining import refined
    from modelwatch.results import Measurement, Status
    from modelwatch.running import run
    from modelwatch.sources.windows import Window

_HOMES = {
    "AZUREML": "metrics",
    "METRICS": "metrics",
    "ROBUST": "metrics",
    "ColumnContract": "column_contracts",
    "ColumnProfile": "column_profiles",
    "Contract": "contract",
    "Measurement": "results",
    "Profile": "profiles",
    "Role": "column_contracts",
    "Status": "results",
    "compare": "comparing",
    "measure": "measuring",
    "profile": "profiling",
    "refined": "refining",
    "run": "running",
    "Monitor": "monitor",
    "Window": "sources.windows",
}

__all__ = [
    "AZUREML",
    "METRICS",
    "ROBUST",
    "ColumnContract",
    "ColumnProfile",
    "Contract",
    "Measurement",
    "Monitor",
    "Profile",
    "Role",
    "Status",
    "Window",
    "compare",
    "measure",
    "profile",
    "refined",
    "run",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
