"""How often and how soon "k of n" fires, exactly, when each window breaches with a known chance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from modelwatch.arrays import FloatArray, IntArray

# Beyond this many memories of past windows the exact chain gives way to a bound.
LARGEST_CHAIN = 4096


@dataclass(frozen=True)
class Runs:
    """The chain that a rule's memory is: which of the last ``out_of`` - 1 windows were breaches.

    It ends in the window that fires: a breach that is at least the ``needed``-th of ``out_of``. Windows are
    taken as independent given their chance; a baseline that all of them share is a mixture of chances
    (`mixed`).

    Examples
    --------
    >>> round(float(Runs(2, 3).within(np.array([0.5]), 3)[-1, 0]), 6)
    0.5
    """

    needed: int
    out_of: int

    @property
    def exact(self) -> bool:
        """Whether the chain is small enough to be followed."""
        kept = min(self.needed, self.out_of)
        return sum(comb(self.out_of - 1, count) for count in range(kept)) <= LARGEST_CHAIN

    @cached_property
    def _steps(self) -> tuple[IntArray, IntArray, int]:
        """Return where each memory goes without and with a breach; the last place is "fired"."""
        memories = [
            sum(1 << bit for bit in bits)
            for count in range(min(self.needed, self.out_of))
            for bits in combinations(range(self.out_of - 1), count)
        ]
        place = {memory: position for position, memory in enumerate(memories)}
        mask = (1 << (self.out_of - 1)) - 1
        fired = len(memories)
        quiet = [place[(memory << 1) & mask] for memory in memories]
        breach = [
            fired if memory.bit_count() + 1 >= self.needed else place[((memory << 1) | 1) & mask]
            for memory in memories
        ]
        return np.array(quiet), np.array(breach), place[0]

    def within(self, chance: FloatArray, windows: int) -> FloatArray:
        """Return the chance of having fired by each window, shape (windows, chances).

        ``chance`` (shape ``(c,)``) is that of a breach in one window. Where the chain is too long, the
        result is an upper bound: the sum over windows of their chances to fire.
        """
        if not self.exact:
            return self._bounded(chance, windows)
        quiet, breach, start = self._steps
        state = np.zeros((len(quiet), chance.size))
        state[start] = 1.0
        fired = np.zeros(chance.size)
        result = np.empty((windows, chance.size))
        for window in range(windows):
            after = np.zeros((len(quiet) + 1, chance.size))
            np.add.at(after, quiet, state * (1 - chance))
            np.add.at(after, breach, state * chance)
            state, fired = after[:-1], fired + after[-1]
            result[window] = fired
        return result

    def starts(self, chance: FloatArray, windows: int, keep_firing: int) -> FloatArray:
        """Return how often an alert is expected to begin in so many windows, shape of ``chance``.

        After it began it lasts until ``keep_firing`` windows in a row bring no breach, and starts anew.
        """
        first = np.diff(self.within(chance, windows), axis=0, prepend=0.0)
        # How long it lasts: the wait for a run of quiet windows.
        lasting = np.diff(Runs(keep_firing, keep_firing).within(1 - chance, windows), axis=0, prepend=0.0)
        cycle = _convolved(first, lasting)
        total = begun = first
        for _ in range(windows // (self.needed + keep_firing)):
            begun = _convolved(begun, cycle)
            if begun.max() < 1e-12:
                break
            total = total + begun
        return np.asarray(total.sum(axis=0))

    def _bounded(self, chance: FloatArray, windows: int) -> FloatArray:
        from scipy.stats import binom  # noqa: PLC0415

        others = np.minimum(np.arange(windows), self.out_of - 1)[:, None]
        each = chance[None] * binom.sf(self.needed - 2, others, chance[None])
        return np.asarray(np.minimum(np.cumsum(each, axis=0), 1.0))


def _convolved(one: FloatArray, two: FloatArray) -> FloatArray:
    """Return the law of the sum of two waits, each of shape (windows, chances) from window 1 on."""
    windows = len(one)
    result = np.zeros_like(one)
    for step in range(windows - 1):
        # Both count from 1: the first window of the second wait is the one after the first wait's last.
        result[step + 1 :] += one[step] * two[: windows - 1 - step]
    return result
