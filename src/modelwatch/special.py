"""Survival functions of the two null laws that every comparison needs, in plain `math`.

They agree with `scipy.special` to rounding; importing that would cost a run more than all its p-values do.
"""

from __future__ import annotations

import math

_TINY = 1e-300
_CONVERGED = 1e-16


def chi_squared_survival(statistic: float, degrees: float) -> float:
    """Return P(X >= statistic) for a chi-squared variable; an infinite statistic gives 0.

    Degrees of freedom need not be whole: X / 2 is any gamma variable of shape ``degrees`` / 2.
    """
    if math.isinf(statistic):
        return 0.0
    a, x = degrees / 2, statistic / 2
    if x <= 0:
        return 1.0
    scale = a * math.log(x) - x - math.lgamma(a)
    if x < a + 1:
        return max(0.0, 1.0 - _lower_series(a, x) * math.exp(scale))
    return _upper_fraction(a, x) * math.exp(scale) if scale > -745 else 0.0


def _lower_series(a: float, x: float) -> float:
    """Sum the power series of the lower incomplete gamma function (Abramowitz and Stegun 6.5.29)."""
    term = total = 1 / a
    n = a
    while abs(term) > abs(total) * _CONVERGED:
        n += 1
        term *= x / n
        total += term
    return total


def _upper_fraction(a: float, x: float) -> float:
    """Evaluate the fraction of the upper incomplete gamma function (A&S 6.5.31) by Lentz's method."""
    b = x + 1 - a
    c = 1 / _TINY
    d = 1 / b
    value = d
    for i in range(1, 100_000):
        numerator = -i * (i - a)
        b += 2
        d = numerator * d + b
        d = 1 / (d if abs(d) > _TINY else _TINY)
        c = b + numerator / c
        step = c * d
        value *= step
        if abs(step - 1) < _CONVERGED:
            break
    return value


def kolmogorov_survival(t: float) -> float:
    """Return P(K >= t) for the limit law of the Kolmogorov-Smirnov statistic."""
    if t < 0.2:
        return 1.0
    if t < 1.0:
        # The theta-function twin of the series below converges where that one alternates too slowly.
        total = sum(math.exp(-(((2 * j - 1) * math.pi) ** 2) / (8 * t * t)) for j in range(1, 20))
        return min(1.0, max(0.0, 1.0 - math.sqrt(2 * math.pi) / t * total))
    total = sum((1 if j % 2 else -1) * math.exp(-2 * (j * t) ** 2) for j in range(1, 20))
    return min(1.0, max(0.0, 2 * total))
