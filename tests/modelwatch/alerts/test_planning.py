"""Planned numbers against simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from modelwatch import Monitor, measure, profile
from modelwatch.alerts.effects import Shifts
from modelwatch.alerts.laws import Setting, false_discoveries, noncentral_quantile, noncentral_survival
from modelwatch.alerts.machine import LIVE, fold
from modelwatch.alerts.metric_laws import law_of
from modelwatch.alerts.planning import Entry, Plan, plan, smallest_shift
from modelwatch.alerts.runs import Runs
from modelwatch.errors import UsageError
from modelwatch.evidence import adjusted_p_values
from tests.modelwatch.alerts.streams import FEATURES, Categories, Continuous, Rows, measured, zipf

N, WINDOW = 2_000, 500
GENERATOR = np.random.default_rng(11)
TABLE = pa.table(
    {
        "normal": GENERATOR.standard_normal(N),
        "heavy": GENERATOR.standard_t(2, N),
        "whole": GENERATOR.poisson(3, N),
        "few": GENERATOR.choice(list("abcde"), N),
        "many": GENERATOR.choice([f"c{place:03}" for place in range(100)], N, p=zipf(100)),
        "gaps": pa.array([None if gap else 1.0 for gap in GENERATOR.random(N) < 0.05]),
    }
)
BASELINE = profile(TABLE)


def planned(rule: dict[str, Any], rows: int = WINDOW, **monitor: Any) -> Plan:
    declared = {
        "monitor": "m",
        "owner": "team",
        "signals": {
            "inputs": {"type": "data_drift"},
            "schema": {"type": "data_quality", "null_rate": "+0.02"},
            "model": {"type": "model_performance", "recall": {"min": 0.8}},
        },
        "rules": [{"id": "r", "runbook": "r.md", **rule}],
        **monitor,
    }
    return plan(Monitor.parse(declared), BASELINE, rows=rows)


def of(found: Plan, feature: str) -> Entry:
    return next(entry for entry in found.entries if entry.feature == feature)


@pytest.mark.parametrize(
    ("needed", "out_of", "keep", "chance"), [(2, 3, 2, 0.1), (3, 5, 1, 0.3), (1, 1, 2, 0.05)]
)
def test_k_of_n_is_what_the_machine_does(needed: int, out_of: int, keep: int, chance: float) -> None:
    breaches = np.random.default_rng(1).random((30, 20_000)) < chance
    seen = np.where(breaches, 2, 0).astype(np.uint8)
    states = fold(seen, np.zeros(seen.shape, np.int8), needed=needed, out_of=out_of, keep_firing=keep).states
    live = np.isin(states, LIVE)
    begun = live & ~np.vstack([np.zeros_like(live[:1]), live[:-1]])
    runs = Runs(needed, out_of)
    by_window = runs.within(np.array([chance]), 30)[:, 0]
    assert by_window == pytest.approx(np.logical_or.accumulate(live).mean(axis=1), abs=0.015)
    assert runs.starts(np.array([chance]), 30, keep)[0] == pytest.approx(begun.sum(axis=0).mean(), rel=0.03)


def test_a_long_memory_is_bounded_from_above() -> None:
    short, long = Runs(3, 12), Runs(20, 60)
    assert short.exact
    assert not long.exact
    chance = np.array([0.02])
    assert np.all(short._bounded(chance, 40) >= short.within(chance, 40) - 1e-12)
    assert long.within(chance, 40)[-1, 0] < 1e-9


def test_laws_of_the_package_agree_with_scipy() -> None:
    from scipy import stats

    for degrees, nc in ((9, 0.0), (9, 40.0), (1, 500.0), (99, 2_000.0)):
        x = (
            stats.ncx2.ppf([0.01, 0.5, 0.99], degrees, nc)
            if nc
            else stats.chi2.ppf([0.01, 0.5, 0.99], degrees)
        )
        assert noncentral_survival(x, degrees, nc) == pytest.approx([0.99, 0.5, 0.01], abs=1e-3)
        z = stats.norm.ppf([0.01, 0.5, 0.99])
        assert noncentral_quantile(z, degrees, nc) == pytest.approx(x, rel=0.02)


def test_false_discoveries_of_quiet_features() -> None:
    p = np.random.default_rng(2).random((8_000, 6))
    for fdr in (0.05, 0.3):
        passed = np.mean([adjusted_p_values(row) < fdr for row in p])
        assert false_discoveries(fdr, 6) == pytest.approx(passed, rel=0.1)


@pytest.mark.parametrize(
    ("baseline", "window", "fire", "fdr"),
    [(600, 300, 0.0, 0.1), (10_000, 300, 0.0, 0.1), (1_000, 3_000, 0.0, 0.1), (1_000, 1_000, 0.03, None)],
)
def test_false_alarms_of_a_month_with_the_baseline_that_all_windows_share(
    baseline: int, window: int, fire: float, fdr: float | None
) -> None:
    names = ["normal", "uniform", "five alike", "twelve alike", "twenty, Zipf"]
    streams = measured(np.random.default_rng(3), Rows(1_000, 30, baseline, window), features=names)
    breaches = (streams.value > fire) & (streams.q_value < (fdr or 2.0))
    seen = np.where(breaches, 2, 0).astype(np.uint8).reshape(30, -1)
    states = fold(seen, np.zeros(seen.shape, np.int8), needed=2, out_of=3, keep_firing=2).states
    fired = np.isin(states, LIVE).any(axis=0).reshape(-1, len(names)).mean(axis=0)
    for place, name in enumerate(names):
        setting = Setting(fire, fdr, len(names), baseline, window)
        law = law_of("population_stability_index", _shifts(name, baseline), None, setting)
        assert law is not None
        quiet = law.quiet()
        assert quiet.mean == pytest.approx(breaches[..., place].mean(), rel=0.25, abs=0.003), name
        month = float(quiet.weight @ Runs(2, 3).within(quiet.chance, 30)[-1])
        assert month == pytest.approx(fired[place], rel=0.3, abs=0.01), name
        alone = float(Runs(2, 3).within(np.array([quiet.mean]), 30)[-1, 0])
        if window > baseline:
            # Windows taken as independent would promise a fraction of what a shared baseline brings.
            assert alone < fired[place] / 1.5


def _shifts(name: str, rows: int) -> Shifts:
    """Return the shifts of an ideal sample of a law."""
    law = FEATURES[name]
    if isinstance(law, Categories):
        counts = np.rint(np.array(law.masses) * rows).astype(np.int64)
        column = pa.array(np.repeat([f"c{place:03}" for place in range(counts.size)], counts))
    else:
        assert isinstance(law, Continuous)
        column = pa.array(law.law.ppf((np.arange(rows) + 0.5) / rows))
    distribution = profile(pa.table({"x": column})).columns["x"].distribution()
    assert distribution is not None
    found = Shifts.of(distribution)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("metric", "feature", "fire"),
    [
        ("population_stability_index", "normal", 0.05),
        ("jensen_shannon_distance", "heavy", 0.1),
        ("population_stability_index", "few", 0.05),
        ("jensen_shannon_distance", "many", 0.1),
        ("pearsons_chi_squared_test", "few", 0.01),
        ("chebyshev_distance", "few", 0.05),
        ("two_sample_kolmogorov_smirnov_test", "normal", 0.01),
        ("normalized_wasserstein_distance", "normal", 0.2),
        ("population_stability_index", "whole", 0.05),
    ],
)
def test_the_smallest_shift_is_found_as_often_as_planned(metric: str, feature: str, fire: float) -> None:
    column = BASELINE.columns[feature].distribution()
    assert column is not None
    shifts = Shifts.of(column)
    setting = Setting(fire, 0.05, 1, N, WINDOW)
    law = law_of(metric, shifts, None, setting)
    assert law is not None
    assert shifts is not None
    shift = smallest_shift(law, 0.8, shifts.largest)
    assert shift is not None
    found, repeats = 0, 60
    generator = np.random.default_rng(5)
    for _ in range(repeats):
        # Fresh baselines too: a plan is made before one knows how lucky the baseline is.
        before, after = (
            _drawn(generator, feature, N, 0.0, shifts),
            _drawn(generator, feature, WINDOW, shift, shifts),
        )
        result = measure(metric, before, after)
        assert result.value is not None
        assert result.p_value is not None
        beyond = result.value < fire if law.setting.fire == 0.01 else result.value > fire  # type: ignore[attr-defined]
        found += beyond and result.p_value < 0.05
    assert 0.62 <= found / repeats <= 0.95


def _drawn(generator: np.random.Generator, feature: str, rows: int, shift: float, shifts: Shifts) -> Any:
    if shifts.numeric:
        mass = shifts.positions(shift)
        sample = generator.choice(shifts.values, rows, p=mass / mass.sum())
        # The ties that drawing from a sample brings are no part of the column.
        return sample if feature == "whole" else sample + generator.normal(0, 1e-3, rows)
    table = shifts.shifted_table(shift)
    return generator.choice([f"c{place:03}" for place in range(table.size)], rows, p=table / table.sum())


def test_rates_are_planned_like_they_are_judged() -> None:
    found = of(planned({"when": "schema.null_rate", "evidence": {"fdr": 0.05}}), "gaps")
    assert found.unit == "share added"
    assert found.fire == pytest.approx(0.05 + 0.02, abs=0.01)
    assert found.shift_80 is not None
    generator, rate = np.random.default_rng(6), BASELINE.columns["gaps"].missing / N
    from modelwatch.intervals import two_rates_p_value

    def breaches(added: float, needed: float) -> float:
        counts = generator.binomial(WINDOW, rate + added, 2_000)
        known = {
            count: two_rates_p_value(count, WINDOW, round(rate * N), N) < needed
            for count in set(counts.tolist())
        }
        return float(np.mean([count / WINDOW > found.fire and known[count] for count in counts.tolist()]))

    assert 0.7 <= breaches(found.shift_80, 0.05 / 6) <= 0.95
    assert breaches(0.0, 0.05 / 6) <= (found.false_alarm_window or 0.0) + 0.01


def test_a_rule_that_cannot_work_is_refused() -> None:
    refused = planned({"when": "inputs.jsd", "fire": 0.01}, rows=1_000)
    assert refused.refusals
    assert "drift-free windows" in refused.refusals[0]
    assert not planned({"when": "inputs.jsd", "fire": 0.1}, rows=1_000).refusals
    accepted = planned(
        {"when": "inputs.jsd", "fire": 0.01, "accept_noise": "a test"},
        rows=1_000,
        budget={"false_alarms_per_month": 1},
    )
    assert accepted.accepted
    assert not accepted.refusals
    never = planned({"when": "inputs.jsd", "fire": 0.99})
    assert any("hardly ever fire" in refusal for refusal in never.refusals)
    noisy = planned({"when": "inputs.psi", "fire": 0.03, "evidence": "none", "for": "1 of 1"}, rows=300)
    assert any("without any drift" in refusal for refusal in noisy.refusals)


def test_the_budget_is_kept() -> None:
    strict = planned(
        {"when": "inputs.ks", "fire": 0.2, "evidence": {"fdr": 0.2}}, budget={"false_alarms_per_month": 0.05}
    )
    assert strict.alarms_month > 0.05
    assert "budget" in strict.refusals[-1]
    quiet = planned(
        {"when": "inputs.psi", "fire": 0.05, "evidence": {"fdr": 0.001}, "features": ["normal", "few"]},
        budget={"false_alarms_per_month": 0.05},
    )
    assert not quiet.refusals


def test_more_rows_find_less() -> None:
    small, large = (
        of(planned({"when": "inputs.psi", "fire": 0.02}, rows=rows), "normal") for rows in (300, 3_000)
    )
    assert (small.shift_80 or 0) > (large.shift_80 or 9)
    assert (large.shift_95 or 0) > (large.shift_80 or 9)
    assert large.days_80 == 3
    assert small.rows_needed == large.rows_needed
    assert (small.rows_needed or 0) > 300


def test_what_a_profile_does_not_tell_is_said() -> None:
    entry = planned({"when": "model.recall"}).entries[0]
    assert entry.false_alarm_window is None
    assert "backtest" in entry.problem
    with pytest.raises(UsageError, match="--rows"):
        plan(Monitor.parse({"monitor": "m", "signals": {"inputs": {"type": "data_drift"}}}), BASELINE)
