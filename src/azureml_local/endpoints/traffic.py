"""Splitting requests by percentages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MirrorSplit", "TrafficSplit"]


class TrafficSplit:
    """Chooses a deployment for each request so that the shares are exact, not only on average.

    Each choice gives every deployment its weight as credit and takes the total from the richest,
    who is chosen. After any number of requests each deployment has had its share to within one
    request per other deployment; over every hundred requests of integer percentages it is exact.

    Parameters
    ----------
    weights
        Percentages by deployment; those that are zero are never chosen.

    Examples
    --------
    >>> split = TrafficSplit({"blue": 80, "green": 20})
    >>> [split.choose() for _ in range(5)]
    ['blue', 'blue', 'green', 'blue', 'blue']
    """

    __slots__ = ("_credit", "_total", "_weights")

    def __init__(self, weights: Mapping[str, int]) -> None:
        self._weights = {name: weight for name, weight in weights.items() if weight > 0}
        self._total = sum(self._weights.values())
        self._credit = dict.fromkeys(self._weights, 0)

    def choose(self) -> str | None:
        """Return the deployment for the next request, or None when none has any weight."""
        if not self._weights:
            return None
        for name, weight in self._weights.items():
            self._credit[name] += weight
        chosen = max(self._credit, key=self._credit.__getitem__)
        self._credit[chosen] -= self._total
        return chosen


class MirrorSplit:
    """Chooses the deployments that get a copy of a request, each with its own percentage.

    Examples
    --------
    >>> mirror = MirrorSplit({"green": 50})
    >>> [mirror.choose() for _ in range(4)]
    [[], ['green'], [], ['green']]
    """

    __slots__ = ("_credit", "_percentages")

    def __init__(self, percentages: Mapping[str, int]) -> None:
        self._percentages = {name: percent for name, percent in percentages.items() if percent > 0}
        self._credit = dict.fromkeys(self._percentages, 0)

    def choose(self) -> list[str]:
        """Return the deployments that get a copy of the next request."""
        chosen = []
        for name, percent in self._percentages.items():
            credit = self._credit[name] + percent
            if credit >= 100:
                credit -= 100
                chosen.append(name)
            self._credit[name] = credit
        return chosen
