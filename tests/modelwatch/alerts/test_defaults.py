"""What the shipped rules promise, on streams of which the truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from modelwatch.alerts.defaults import default_rules
from modelwatch.alerts.rules import Rule
from modelwatch.monitor import Monitor
from tests.modelwatch.alerts.streams import CATEGORICAL, FEATURES, NUMERIC, Rows, measured

SIGNALS = Monitor.parse({"monitor": "m", "signals": {"inputs": {"type": "data_drift"}}}).signals
RULES = default_rules(SIGNALS)
NAIVE = (Rule.model_validate({**RULES[0].model_dump(by_alias=True), "evidence": "none", "for": "1 of 1"}),)


@pytest.mark.parametrize(("baseline", "window"), [(300, 300), (10_000, 1_000), (10_000, 10_000)])
def test_quiet_streams_stay_quiet(baseline: int, window: int) -> None:
    streams = 200 if window == 300 else 60
    quiet = measured(np.random.default_rng(7), Rows(streams, 60, baseline, window))
    firing = quiet.firing(RULES)
    months = firing.reshape(2, 30, streams, -1).any(axis=(1, 3))
    assert months.mean() <= 0.01
    if window == 300:
        # The streams could have rung: effect alone, one window at a time, does so in nearly every month.
        assert quiet.firing(NAIVE).reshape(2, 30, streams, -1).any(axis=(1, 3)).mean() > 0.9


def test_a_shift_of_a_third_of_a_sigma_is_found_within_three_windows() -> None:
    shift = np.r_[np.zeros(7), np.full(3, 0.3)]
    rows = Rows(150, 10, 10_000, 1_000)
    for name in NUMERIC:
        firing = measured(np.random.default_rng(8), rows, {name: shift}).firing(RULES)
        # A mean that moves because the four rows in ten that are not zero grow is harder to see.
        least = 0.8 if name == "mostly zero" else 0.95
        assert firing[7:, :, list(FEATURES).index(name)].any(axis=0).mean() >= least, name


def test_ten_points_of_share_are_found_within_three_windows() -> None:
    # Of the most frequent category to the rarest; where two are even, 15.
    rows = Rows(150, 10, 10_000, 1_000)
    for name in CATEGORICAL:
        step = {"even": 0.15, "twelve alike": 0.08}.get(name, 0.1)
        firing = measured(
            np.random.default_rng(9), rows, {name: np.r_[np.zeros(7), np.full(3, step)]}
        ).firing(RULES)
        assert firing[7:, :, list(FEATURES).index(name)].any(axis=0).mean() >= 0.95, name


def test_an_alert_is_over_soon_after_its_drift() -> None:
    rows = Rows(200, 20, 3_000, 300)
    passing = np.r_[np.zeros(3), np.full(5, 0.8), np.zeros(12)]
    firing = measured(np.random.default_rng(10), rows, {"normal": passing}).firing(RULES)
    place = list(FEATURES).index("normal")
    assert firing[7, :, place].mean() > 0.95
    assert firing[14, :, place].mean() < 0.05


def test_each_signal_gets_the_rules_of_its_type() -> None:
    monitor = Monitor.parse(
        {
            "monitor": "m",
            "signals": {
                "inputs": {"type": "data_drift"},
                "outputs": {"type": "prediction_drift", "jsd": 0.15},
                "schema": {"type": "data_quality", "null_rate": "+0.02"},
                "quality_of_model": {"type": "model_performance", "recall": {"min": 0.8}},
                "speed": {"type": "operations"},
            },
        }
    )
    rules = {rule.id: rule for rule in default_rules(monitor.signals)}
    assert list(rules) == [
        "inputs-drift", "outputs-jensen-shannon-distance", "schema-schema", "schema-null-value-rate",
        "quality-of-model",
    ]  # fmt: skip
    assert rules["outputs-jensen-shannon-distance"].fire is None
    assert rules["inputs-drift"].inhibited_by == ("schema-schema",)
    assert rules["quality-of-model"].action == "request_retraining"
    assert (rules["schema-schema"].needed, rules["schema-schema"].out_of) == (1, 1)
