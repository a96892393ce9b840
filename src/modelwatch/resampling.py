"""Evidence from the baseline itself: how far apart blocks of it are that nobody suspects.

The closed null laws take rows as independent. Rows of one day are not, and Mondays differ from Sundays; a
baseline cut into blocks of time knows both. Each block is compared with all the others together - never with
itself, which would make every threshold too low.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import partial, reduce
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from modelwatch.comparing import compare
from modelwatch.errors import UsageError
from modelwatch.metrics import METRICS, ROBUST
from modelwatch.profiles import Profile
from modelwatch.profiling import profile
from modelwatch.sources.base import TableSource
from modelwatch.sources.windows import utc_times

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pyarrow as pa

    from modelwatch.arrays import FloatArray
    from modelwatch.contract import Contract
    from modelwatch.metrics import Metric
    from modelwatch.results import Measurement

# With fewer blocks the share of values as bad could not support a verdict at 5 %, nor their tail be told.
FEWEST_BLOCKS = 20
_SMALLEST_P = 1e-300


@dataclass(frozen=True, slots=True)
class HeldOutNull:
    """Values that each metric takes on each feature when nothing has changed, one a block."""

    values: Mapping[tuple[str | None, str], FloatArray]
    blocks: int

    def p_value(self, measurement: Measurement) -> float | None:
        """Return the share of held-out values at least as bad, counting the measurement itself.

        That share is at least 1 / (blocks + 1), which no correction for many features leaves small enough.
        So beyond the worst held-out value it falls on, as the worse half of them does (see
        `tail_probability`). It is never smaller than what the closed law says: blocks can only show that rows
        depend on each other, not that they repel each other.

        None where the baseline has no such value.
        """
        null = self.values.get((measurement.feature, measurement.metric))
        if null is None or measurement.value is None:
            return None
        badness = partial(_badness, metric=METRICS[measurement.metric])
        value = badness(np.array([measurement.value]))[0]
        found = tail_probability(badness(null), float(value))
        return found if measurement.p_value is None else max(found, measurement.p_value)

    def applied(self, measurements: Iterable[Measurement]) -> list[Measurement]:
        """Return measurements with held-out p-values in place of those of the closed laws."""
        return [
            measurement
            if (p := self.p_value(measurement)) is None
            else replace(measurement, p_value=p).noting(f"evidence: {self.blocks} held-out blocks")
            for measurement in measurements
        ]


def _badness(values: FloatArray, metric: Metric) -> FloatArray:
    """Return the measure of drift whose tail falls about exponentially when nothing has changed.

    The index and the logarithm of a p-value do; other distances do so as squares.
    """
    if metric.p_valued:
        return np.asarray(-np.log(np.maximum(values, _SMALLEST_P)))
    return values if metric.id == "population_stability_index" else values**2


def tail_probability(null: FloatArray, value: float) -> float:
    """Return the chance of a value at least as large as ``value``, given values without drift.

    Up to the largest of them by counting, the new value among them. Beyond it, what the values above the
    median exceed it by is taken as exponential. With its mean estimated from k of them, the chance of going
    on by x is that of Pareto's law, (1 + x / (k mean))^-k; k is half their number, since blocks in a row are
    not independent. The mean is at least what the largest excess makes it, which of n exponential ones is the
    n-th harmonic number times their mean: a few strange blocks, holidays say, among many alike ones would
    leave a mean that knows nothing of them.

    Parameters
    ----------
    null
        Shape ``(blocks,)``.

    References
    ----------
    Phipson and Smyth (2010), Permutation p-values should never be zero; Breiman, Stone and Kooperberg (1990),
    Robust confidence bounds for extreme upper quantiles.
    """
    largest, middle = float(null.max()), float(np.median(null))
    if value <= largest:
        return float((1 + np.count_nonzero(null >= value)) / (1 + null.size))
    excess = null[null > middle] - middle
    chance = 1 / (1 + null.size)
    if not excess.size:
        return chance
    harmonic = float(np.sum(1 / np.arange(1, excess.size + 1)))
    mean = max(float(excess.mean()), (largest - middle) / harmonic)
    known = excess.size / 2
    return chance * float((1 + (value - largest) / (known * mean)) ** -known)


def held_out_null(
    blocks: Sequence[Profile],
    *,
    metrics: Iterable[str],
    definition: str = ROBUST,
    contract: Contract | None = None,
) -> HeldOutNull:
    """Compare each block of a baseline with all the others merged.

    Parameters
    ----------
    blocks
        Profiles of consecutive stretches of time, about as long as a production window.

    Raises
    ------
    UsageError
        With fewer than `FEWEST_BLOCKS` blocks.
    """
    if len(blocks) < FEWEST_BLOCKS:
        raise UsageError(
            "Too few blocks to resample",
            got=len(blocks),
            expected=f"at least {FEWEST_BLOCKS}",
            next_step="use a longer baseline, or the closed null laws",
        )
    wanted = list(metrics)
    found: dict[tuple[str | None, str], list[float]] = defaultdict(list)
    # Merging is exact and associative: all blocks but one are what stands before it and what comes after.
    before = list(accumulate(blocks[:-1], Profile.merge))
    after = list(accumulate(reversed(blocks[1:]), Profile.merge))[::-1]
    for position, block in enumerate(blocks):
        sides = [*before[max(0, position - 1) : position], *after[position : position + 1]]
        rest = reduce(Profile.merge, sides)
        for result in compare(rest, block, definition=definition, metrics=wanted, contract=contract):
            if result.value is not None:
                found[result.feature, result.metric].append(result.value)
    values = {key: np.array(held) for key, held in found.items() if len(held) >= FEWEST_BLOCKS}
    return HeldOutNull(values, len(blocks))


def time_blocks(
    table: pa.Table,
    event_time: str,
    rows: int,
    *,
    contract: Contract | None = None,
    timezone: str | None = None,
    most: int = 60,
) -> list[Profile]:
    """Cut a table into profiles of ``rows`` rows in order of time.

    A last shorter block is left out, and so are rows without a time. Of more than ``most`` blocks as many are
    taken, spread evenly from the first to the last, so that every season has its share.
    """
    times = utc_times(table.column(event_time), timezone=timezone, name=event_time)
    ordered = pc.sort_indices(times)[: len(times) - times.null_count]
    blocks = len(ordered) // rows
    chosen = np.linspace(0, blocks - 1, min(most, blocks)).round().astype(int).tolist()
    return [
        profile(TableSource(table.take(ordered[block * rows : (block + 1) * rows])), contract=contract)
        for block in chosen
    ]
