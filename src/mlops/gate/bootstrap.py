"""How sure a difference between two models on the same rows is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops.gate.metrics import Array, Metric

__all__ = ["Interval", "TooFewRowsError", "block_weights", "paired_degradation"]

_MINIMUM_BLOCKS = 10
_BATCH = 200


class TooFewRowsError(ValueError):
    """There are too few blocks of rows to resample."""


@dataclass(frozen=True, slots=True)
class Interval:
    """How much worse the challenger is than the champion.

    Parameters
    ----------
    estimate
        Degradation over all rows; positive is worse.
    lower, upper
        One-sided confidence bounds: each is passed by the true value with probability 1 - confidence.
    """

    estimate: float
    lower: float
    upper: float


def block_weights(rows: int, block_length: int, resamples: int, seed: int) -> Iterator[Array]:
    """Yield batches of how often each row is drawn by a circular moving-block bootstrap.

    Rows of one person follow each other and are alike, so drawing rows one by one would treat repeated
    measurements as independent and call a difference surer than it is. Blocks of neighbouring rows keep
    whole persons (and most families) together, without having to know where one ends (Künsch 1989;
    Politis and Romano 1992 for the circle, which draws first and last rows as often as others).

    Parameters
    ----------
    rows, block_length
        Number of rows, and of rows a block.
    resamples, seed
        Number of resamples in all batches, and the generator's seed.

    Yields
    ------
    Array
        Shape (batch, rows); each line sums to `rows`.

    Raises
    ------
    TooFewRowsError
        There are fewer than ten blocks: their few combinations say nothing about variability.
    """
    if rows < _MINIMUM_BLOCKS * block_length:
        raise TooFewRowsError(
            f"{rows} rows make fewer than {_MINIMUM_BLOCKS} blocks of {block_length}: too few to resample"
        )
    generator = np.random.default_rng(seed)
    blocks = -(-rows // block_length)
    lengths = np.full(blocks, block_length)
    lengths[-1] = rows - block_length * (blocks - 1)
    for first in range(0, resamples, _BATCH):
        batch = min(_BATCH, resamples - first)
        starts = generator.integers(rows, size=(batch, blocks))
        # +1 where a block begins, -1 behind its end; the running sum counts the blocks over each row.
        changes = np.zeros((batch, 2 * rows + 1))
        line = np.arange(batch)[:, None]
        np.add.at(changes, (line, starts), 1)
        np.add.at(changes, (line, starts + lengths), -1)
        counts = np.cumsum(changes[:, :-1], axis=1)
        yield counts[:, :rows] + counts[:, rows:]


def paired_degradation(
    metric: Metric,
    labels: Array,
    challenger: Array,
    champion: Array,
    *,
    rows: np.ndarray[tuple[int], np.dtype[np.bool_]] | None = None,
    confidence: float,
    block_length: int,
    resamples: int,
    seed: int,
) -> Interval:
    """Return how much worse the challenger is, with percentile bounds from paired resamples.

    Both models are scored on the same resampled rows, so what makes rows hard cancels out.

    Parameters
    ----------
    metric
        What to compare.
    labels, challenger, champion
        Labels and both models' probabilities, shape (n,), in the data's order.
    rows
        Mask of a slice. All rows are resampled and then masked, so persons stay together in a slice too.
    confidence, block_length, resamples, seed
        See :func:`block_weights`.

    Raises
    ------
    TooFewRowsError
        There are too few rows to resample.
    ValueError
        The metric is not defined for the rows, or not for some resample.
    """
    mask = np.ones(len(labels), dtype=bool) if rows is None else rows
    y, new, old = labels[mask], challenger[mask], champion[mask]
    estimate = float(metric.degradation(metric.value(y, new), metric.value(y, old)))
    draws = []
    for weights in block_weights(len(labels), block_length, resamples, seed):
        # A resample that misses the slice altogether says nothing about it.
        w = weights[:, mask]
        w = w[w.sum(axis=1) > 0]
        draws.append(metric.degradation(metric.weighted(y, new, w), metric.weighted(y, old, w)))
    differences = np.concatenate(draws)
    if not np.isfinite(estimate) or not np.isfinite(differences).all():
        undefined = int((~np.isfinite(differences)).sum())
        raise ValueError(f"{metric.name} is undefined in {undefined} of {len(differences)} resamples")
    lower, upper = np.quantile(differences, [1 - confidence, confidence])
    # Never surer than the data itself: with a skewed distribution a percentile can miss the estimate.
    return Interval(estimate, min(float(lower), estimate), max(float(upper), estimate))
