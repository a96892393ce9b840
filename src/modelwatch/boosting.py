"""A small gradient-boosted tree classifier on binned features: enough to tell two samples apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from modelwatch.arrays import AnyArray, FloatArray, IntArray

ROUNDS = 30
DEPTH = 3
LEARNING_RATE = 0.2
BINS = 32
# Ridge on leaf values, and the least Hessian a leaf may have: a few hundred rows must not be learnt by heart.
_RIDGE = 5.0
_LEAST_HESSIAN = 5.0


@dataclass(frozen=True, slots=True)
class _Tree:
    """Complete binary tree: feature and cut by inner node (cut -1 sends all left), value by leaf."""

    feature: IntArray
    cut: IntArray
    value: FloatArray


def fit_predict(train: AnyArray, target: FloatArray, test: AnyArray) -> FloatArray:
    """Fit on ``train`` and return the log odds of ``test``.

    Parameters
    ----------
    train, test
        Bins below `BINS`, shapes ``(n, f)`` and ``(m, f)``.
    target
        0 or 1, shape ``(n,)``.
    """
    score, result = np.zeros(train.shape[0]), np.zeros(test.shape[0])
    for _ in range(ROUNDS):
        probability = 1 / (1 + np.exp(-score))
        tree = _grow(train, probability - target, probability * (1 - probability))
        score += LEARNING_RATE * _predict(tree, train)
        result += LEARNING_RATE * _predict(tree, test)
    return result


def _grow(rows: AnyArray, gradient: FloatArray, hessian: FloatArray) -> _Tree:
    size = (1 << DEPTH) - 1
    feature, cut = np.zeros(size, dtype=np.int64), np.full(size, -1, dtype=np.int64)
    node = np.zeros(rows.shape[0], dtype=np.int64)
    for level in range(DEPTH):
        first, width = (1 << level) - 1, 1 << level
        best = np.full(width, 1e-9)
        for column in range(rows.shape[1]):
            index = node * BINS + rows[:, column]
            g = (
                np.bincount(index, weights=gradient, minlength=width * BINS)
                .reshape(width, BINS)
                .cumsum(axis=1)
            )
            h = (
                np.bincount(index, weights=hessian, minlength=width * BINS)
                .reshape(width, BINS)
                .cumsum(axis=1)
            )
            gain = _gains(g, h)
            chosen = gain.argmax(axis=1)
            gained = gain[np.arange(width), chosen]
            better = gained > best
            best[better] = gained[better]
            feature[first : first + width][better] = column
            cut[first : first + width][better] = chosen[better]
        at = first + node
        right = (cut[at] >= 0) & (rows[np.arange(node.size), feature[at]] > cut[at])
        node = node * 2 + right
    g = np.bincount(node, weights=gradient, minlength=1 << DEPTH)
    h = np.bincount(node, weights=hessian, minlength=1 << DEPTH)
    return _Tree(feature, cut, -g / (h + _RIDGE))


def _gains(g: FloatArray, h: FloatArray) -> FloatArray:
    """Return the loss saved by each cut of each node, from cumulative sums, shape ``(nodes, bins)``."""
    whole_g, whole_h = g[:, -1:], h[:, -1:]
    gain = g**2 / (h + _RIDGE) + (whole_g - g) ** 2 / (whole_h - h + _RIDGE) - whole_g**2 / (whole_h + _RIDGE)
    allowed = (h >= _LEAST_HESSIAN) & (whole_h - h >= _LEAST_HESSIAN)
    return np.where(allowed, gain, -np.inf)


def _predict(tree: _Tree, rows: AnyArray) -> FloatArray:
    node = np.zeros(rows.shape[0], dtype=np.int64)
    for level in range(DEPTH):
        at = (1 << level) - 1 + node
        right = (tree.cut[at] >= 0) & (rows[np.arange(node.size), tree.feature[at]] > tree.cut[at])
        node = node * 2 + right
    return tree.value[node]
