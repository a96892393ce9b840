"""How sure a difference between two models on the same rows is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlops.gate.metrics import Array, Metric

__all__ = ["Interval", "Mask", "TooFewRowsError", "block_weights", "paired_degradations"]

Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]

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
    undefined
        Resamples in which the metric has no value. Unless it is 0, the bounds are NaN: nothing is known.
    """

    estimate: float
    lower: float
    upper: float
    undefined: int = 0


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
        starts = generator.integers(rows, size=(batch, blocks)) + np.arange(batch)[:, None] * 2 * rows
        # +1 where a block begins, -1 behind its end; the running sum counts the blocks over each row. Two
        # laps of the circle lie behind each other, so that a block may run over the end.
        size = batch * 2 * rows
        changes = np.bincount(starts.ravel(), minlength=size + 1) - np.bincount(
            (starts + lengths).ravel(), minlength=size + 1
        )
        laps = np.cumsum(changes[:size].reshape(batch, 2 * rows), axis=1, dtype=np.float64)
        yield laps[:, :rows] + laps[:, rows:]


def paired_degradations(
    labels: Array,
    challenger: Array,
    champion: Array,
    questions: Sequence[tuple[Metric, Mask | None]],
    *,
    confidence: float,
    block_length: int,
    resamples: int,
    seed: int,
) -> list[Interval]:
    """Return how much worse the challenger is, with percentile bounds from paired resamples.

    Both models are scored on the same resampled rows, so what makes rows hard cancels out.

    Parameters
    ----------
    labels, challenger, champion
        Labels and both models' probabilities, shape (n,), in the data's order.
    questions
        Metrics, each with the mask of a slice or None for all rows. All rows are resampled and then
        masked, so persons stay together in a slice too.
    confidence, block_length, resamples, seed
        See :func:`block_weights`.

    Returns
    -------
    list of Interval
        One for each question.

    Raises
    ------
    TooFewRowsError
        There are too few rows to resample.
    """
    masks = [slice(None) if mask is None else mask for _, mask in questions]
    draws: list[list[Array]] = [[] for _ in questions]
    for weights in block_weights(len(labels), block_length, resamples, seed):
        for (metric, _), mask, drawn in zip(questions, masks, draws, strict=True):
            w = weights[:, mask]
            # A resample that misses the slice altogether says nothing about it.
            w = w[w.sum(axis=1) > 0]
            new, old = (metric.weighted(labels[mask], p[mask], w) for p in (challenger, champion))
            drawn.append(metric.degradation(new, old))
    intervals = []
    for (metric, _), mask, drawn in zip(questions, masks, draws, strict=True):
        values = [metric.value(labels[mask], p[mask]) for p in (challenger, champion)]
        intervals.append(_interval(metric.degradation(*values), np.concatenate(drawn), confidence))
    return intervals


def _interval(estimate: float, differences: Array, confidence: float) -> Interval:
    undefined = int((~np.isfinite(differences)).sum())
    if undefined or not len(differences) or not np.isfinite(estimate):
        return Interval(estimate, np.nan, np.nan, max(undefined, 1))
    lower, upper = np.quantile(differences, [1 - confidence, confidence])
    # Never surer than the data itself: with a skewed distribution a percentile can miss the estimate.
    return Interval(estimate, min(float(lower), estimate), max(float(upper), estimate))
