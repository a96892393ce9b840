"""Evidence from the baseline itself: how far apart blocks of it are that nobody suspects.

The closed null laws take rows as independent. Rows of one day are not, and Mondays differ from Sundays; a
baseline cut into blocks of time knows both. Each block is compared with all the others together - never with
itself, which would make every threshold too low.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import reduce
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
    from modelwatch.results import Measurement

# With fewer blocks the smallest possible p-value, 1 / (blocks + 1), could not support a verdict at 5 %.
FEWEST_BLOCKS = 20


@dataclass(frozen=True, slots=True)
class HeldOutNull:
    """Values that each metric takes on each feature when nothing has changed, one a block."""

    values: Mapping[tuple[str | None, str], FloatArray]
    blocks: int

    def p_value(self, measurement: Measurement) -> float | None:
        """Return the share of held-out values at least as bad, counting the measurement itself.

        None where the baseline has no such value.
        """
        null = self.values.get((measurement.feature, measurement.metric))
        if null is None or measurement.value is None:
            return None
        worse_below = METRICS[measurement.metric].breaches(0.0, 1.0)
        as_bad = null <= measurement.value if worse_below else null >= measurement.value
        return float((1 + np.count_nonzero(as_bad)) / (1 + null.size))

    def applied(self, measurements: Iterable[Measurement]) -> list[Measurement]:
        """Return measurements with held-out p-values in place of those of the closed laws."""
        return [
            measurement
            if (p := self.p_value(measurement)) is None
            else replace(measurement, p_value=p).noting(f"evidence: {self.blocks} held-out blocks")
            for measurement in measurements
        ]


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

    A last shorter block is left out, and so are rows without a time.
    """
    times = utc_times(table.column(event_time), timezone=timezone, name=event_time)
    ordered = pc.sort_indices(times)[: len(times) - times.null_count]
    count = min(most, len(ordered) // rows)
    return [
        profile(TableSource(table.take(ordered[block * rows : (block + 1) * rows])), contract=contract)
        for block in range(count)
    ]
