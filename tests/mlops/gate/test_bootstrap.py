from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.gate.bootstrap import Interval, Mask, TooFewRowsError, block_weights, paired_degradations
from mlops.gate.metrics import METRICS, Array


def degradation(
    name: str,
    labels: Array,
    challenger: Array,
    champion: Array,
    *,
    rows: Mask | None = None,
    block_length: int = 20,
    resamples: int = 400,
) -> Interval:
    (interval,) = paired_degradations(
        labels,
        challenger,
        champion,
        [(METRICS[name], rows)],
        confidence=0.95,
        block_length=block_length,
        resamples=resamples,
        seed=1,
    )
    return interval


def people(generator: np.random.Generator, count: int, years: int = 5) -> tuple[Array, Array, Array]:
    """Rows of persons who differ from each other in what they do, and in how well each model knows them."""
    inclination = np.repeat(generator.normal(1, 1, count), years)
    labels = (generator.uniform(size=count * years) < 1 / (1 + np.exp(-inclination))).astype(float)
    models = [inclination + np.repeat(generator.normal(0, 0.7, count), years) for _ in range(2)]
    challenger, champion = (1 / (1 + np.exp(-scores)) for scores in models)
    return labels, challenger, champion


@settings(max_examples=60, deadline=None)
@given(rows=st.integers(10, 300), length=st.integers(1, 30), seed=st.integers(0, 100))
def test_every_resample_has_as_many_rows_as_the_data(rows: int, length: int, seed: int) -> None:
    if rows < 10 * length:
        with pytest.raises(TooFewRowsError, match="too few to resample"):
            next(block_weights(rows, length, 5, seed))
        return
    weights = np.concatenate(list(block_weights(rows, length, 7, seed)))
    assert weights.shape == (7, rows)
    assert (weights.sum(axis=1) == rows).all()
    assert (weights >= 0).all()


def test_every_row_is_drawn_equally_often() -> None:
    weights = np.concatenate(list(block_weights(100, 7, 20_000, 3)))
    assert weights.mean(axis=0) == pytest.approx(np.ones(100), abs=0.06)


def test_neighbours_are_drawn_together() -> None:
    weights = np.concatenate(list(block_weights(200, 20, 2_000, 3)))
    correlation = np.corrcoef(weights[:, 50], weights[:, 51])[0, 1]
    distant = np.corrcoef(weights[:, 50], weights[:, 150])[0, 1]
    assert correlation > 0.9
    assert abs(distant) < 0.2


@pytest.mark.parametrize("name", sorted(METRICS))
def test_a_model_against_itself_degrades_by_exactly_nothing(name: str) -> None:
    labels, challenger, _ = people(np.random.default_rng(0), 100)
    interval = degradation(name, labels, challenger, challenger)
    assert (interval.lower, interval.estimate, interval.upper) == (0, 0, 0)


def test_the_same_seed_gives_the_same_interval() -> None:
    data = people(np.random.default_rng(0), 100)
    first, again = (degradation("log_loss", *data) for _ in range(2))
    assert first == again


def test_the_bound_covers_the_truth_as_often_as_it_says() -> None:
    # Two equally good models: the true degradation is 0, and the upper bound must lie above it in 95 % of
    # samples. Row by row resampling would reach about 85 % here, since one person's years are alike.
    generator = np.random.default_rng(11)
    samples = [people(generator, 150) for _ in range(200)]
    covered = {}
    for length in (1, 20):
        intervals = [degradation("log_loss", *data, block_length=length, resamples=200) for data in samples]
        covered[length] = np.mean([interval.upper >= 0 for interval in intervals])
    assert 0.90 <= covered[20] <= 0.99
    assert covered[1] < covered[20]


def test_a_slice_is_resampled_with_its_persons() -> None:
    labels, challenger, champion = people(np.random.default_rng(4), 200)
    first_half = np.arange(len(labels)) < 500
    metric = METRICS["log_loss"]
    interval = degradation("log_loss", labels, challenger, champion, rows=first_half)
    y, new, old = labels[:500], challenger[:500], champion[:500]
    assert interval.estimate == pytest.approx(metric.value(y, new) - metric.value(y, old))
    assert interval.lower < interval.estimate < interval.upper


def test_a_metric_that_some_resample_does_not_define_is_an_error_not_a_number() -> None:
    labels = np.zeros(400)
    labels[200:203] = 1
    forecast = np.linspace(0, 1, 400)
    interval = degradation("roc_auc", labels, forecast, forecast)
    assert interval.undefined > 0
    assert np.isnan(interval.upper)
