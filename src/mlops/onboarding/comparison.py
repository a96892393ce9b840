"""Whether what Azure or GitHub answers is what was declared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["differences"]

# Entra compares these to the letter; elsewhere Azure answers with capitals of its own.
_EXACT: Final = frozenset({"subject", "issuer"})


def differences(declared: Any, found: Any, at: str = "") -> list[str]:
    """Return the paths at which `found` contradicts `declared`.

    A key that the answer lacks says nothing: Azure leaves out what it does not show (the rotation
    policy of a key) and what it calls its default. A key that was not declared is Azure's own.

    Examples
    --------
    >>> differences({"location": "westeurope", "sku": {"name": "A"}}, {"location": "West Europe", "id": "x"})
    []
    >>> differences({"sku": {"name": "A"}}, {"sku": {"name": "B"}})
    ['sku.name']
    """
    if isinstance(declared, Mapping):
        if not isinstance(found, Mapping):
            return [at]
        return [
            path
            for key, value in declared.items()
            if found.get(key) is not None
            for path in differences(value, found[key], f"{at}.{key}" if at else key)
        ]
    if isinstance(declared, (list, tuple)):
        if not isinstance(found, (list, tuple)) or len(declared) != len(found):
            return [at]
        # Azure gives lists of words back in its own order.
        left, right = _in_order(declared), _in_order(found)
        return [
            path
            for position, (one, other) in enumerate(zip(left, right, strict=True))
            for path in differences(one, other, f"{at}[{position}]")
        ]
    return [] if _equal(declared, found, at.rpartition(".")[2]) else [at]


def _in_order(values: Any) -> list[Any]:
    if all(isinstance(value, str) for value in values):
        return sorted(values, key=str.casefold)
    return list(values)


def _equal(declared: Any, found: Any, key: str) -> bool:
    if not (isinstance(declared, str) and isinstance(found, str)) or key in _EXACT:
        return bool(declared == found)
    left, right = declared.casefold(), found.casefold()
    if key == "location":
        left, right = left.replace(" ", ""), right.replace(" ", "")
    # The id of a role is the same with and without the subscription in front.
    return left == right or (key == "roleDefinitionId" and left.split("/")[-1] == right.split("/")[-1])
