"""What pages say: levels, verdicts, distributions, numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import modelwatch
from mlops.reporting import Subject, Timeline
from mlops.reporting.definitions import METRIC_TEXTS
from mlops.reporting.distributions import from_buckets, from_profiles
from mlops.reporting.drawing import scale_of
from mlops.reporting.figures import figure
from mlops.reporting.formats import bound, listed, number, significance, window_label
from mlops.reporting.incidents import incidents_of
from mlops.reporting.levels import Level
from mlops.reporting.quality import quality_of
from mlops.reporting.units import Unit
from mlops.reporting.verdict import Verdict
from mlops.reporting.view import MonitorView, view
from modelwatch.alerts.history import History
from modelwatch.metrics import METRICS
from tests.mlops.reporting import samples


def plain(text: str) -> str:
    return text.replace("\u202f", " ").replace("\u00a0", " ")


def result(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"monitor": "m", "window": {"start": None, "end": None}, "measurements": list(rows)}


def shown(*rows: dict[str, Any], **more: Any) -> MonitorView:
    return view(Subject(Timeline.of_result(result(*rows)), **more))


def verdict(*rows: dict[str, Any], **more: Any) -> Verdict:
    return shown(*rows, **more).verdict


def psi(value: float | None, **more: Any) -> dict[str, Any]:
    return samples.row(
        "inputs", "population_stability_index", value, **{"feature": "age", "threshold": 0.2} | more
    )


def test_every_metric_has_words_and_no_other() -> None:
    assert METRIC_TEXTS.keys() == METRICS.keys()
    assert all(text.meaning.endswith(".") and text.scale for text in METRIC_TEXTS.values())
    shorts = [text.short for text in METRIC_TEXTS.values()]
    assert len(shorts) == len(set(shorts))


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0, Unit.SHARE, "0 %"),
        (1 / 300_000, Unit.SHARE, "< 0.01 %"),
        (0.0123, Unit.SHARE, "1.23 %"),
        (1.0, Unit.SHARE, "100 %"),
        (0.00001, Unit.INDEX, "1.00e\u221205"),
        (-0.25, Unit.INDEX, "\u22120.250"),
        (12_345.6, Unit.MILLISECONDS, "12 346 ms"),
        (7_200, Unit.SECONDS, "2.0 h"),
        (1, Unit.FLAG, "found"),
        (None, Unit.INDEX, "\u2013"),
        (float("nan"), Unit.INDEX, "\u2013"),
    ],
)
def test_numbers_have_units_and_never_claim_a_zero(value: float | None, unit: Unit, text: str) -> None:
    assert plain(number(value, unit)) == text


def test_words_around_numbers() -> None:
    assert [bound(0.2), plain(bound(0.05, Unit.SHARE)), bound(20_000).replace("\u202f", " ")] == [
        "0.2", "5 %", "20 000",
    ]  # fmt: skip
    assert [plain(significance(value)) for value in (0.0004, 0.0123, 0.999, None)] == [
        "< 0.001", "0.012", "1", "\u2013",
    ]  # fmt: skip
    assert [listed(list("ab")), listed(list("abcd")), listed(["a"])] == ["a and b", "a, b, c and 1 more", "a"]
    assert window_label("2026-11-24T00:00:00Z", "2026-12-01T00:00:00Z") == "24 Nov to 30 Nov 2026"
    assert window_label("2026-11-24T06:00:00Z", "2026-11-24T07:00:00Z").endswith("07:00 UTC")
    assert window_label(None, None) == "all rows"


@pytest.mark.parametrize(
    ("row", "level"),
    [
        (psi(0.05), Level.CALM),
        (psi(0.15), Level.NEAR),
        (psi(0.25, q_value=0.4), Level.UNPROVEN),
        (psi(0.25, status="breach"), Level.BREACH),
        (psi(0.4, status="breach"), Level.DOUBLE),
        (psi(0.9, threshold=None), Level.CALM),
        (psi(None, status="insufficient"), Level.INSUFFICIENT),
        (psi(None, status="no_data"), Level.NO_DATA),
        (psi(None, status="schema_error"), Level.ERROR),
        # Lower is worse: nothing is near or twice a threshold.
        (samples.row("p", "accuracy", 0.95, threshold=0.9), Level.CALM),
        (samples.row("p", "accuracy", 0.2, threshold=0.9, status="breach"), Level.BREACH),
        (samples.row("p", "metric_of_somebody_else", 3.0, threshold=1.0), Level.CALM),
    ],
)
def test_levels(row: dict[str, Any], level: Level) -> None:
    assert Timeline.of_result(result(row)).series[0].level() is level


def test_a_history_reads_like_its_results() -> None:
    made = samples.results(12, 4)
    timeline = Timeline.of_history(History.of(made), made[-1])
    for position, one in enumerate(made):
        lone = Timeline.of_result(one)
        assert {name: levels[position] for name, levels in timeline.segments.items()} == {
            name: levels[0] for name, levels in lone.segments.items()
        }
        alone = {(s.signal, s.metric, s.feature): s for s in lone.overall()}
        for series in timeline.overall():
            same = alone[series.signal, series.metric, series.feature]
            assert series.value[position] == same.value[0]
            assert series.level(position) is same.level()
    assert timeline.windows[0] == ("2026-08-28T00:00:00+00:00", "2026-08-29T00:00:00+00:00")
    assert timeline.series[0].details["buckets"] == samples.BINS


def test_arrays_and_single_series_agree_on_levels() -> None:
    random = np.random.default_rng(11)
    statuses = ["ok", "breach", "insufficient", "no_data", "schema_error", "error"]
    metrics = [
        "population_stability_index",
        "accuracy",
        "two_sample_kolmogorov_smirnov_test",
        "unknown_metric",
    ]
    rows = []
    for number_of in range(400):
        value, threshold = (
            None if random.random() < 0.1 else float(random.choice([0, 0.1, 0.2, 0.5, 1])) for _ in "ab"
        )
        more = {"segment": f"s={number_of}", "threshold": threshold, "status": str(random.choice(statuses))}
        rows.append(samples.row("inputs", str(random.choice(metrics)), value, **more))
    made = {**result(*rows), "window": samples.results(1, 0)[0]["window"]}
    assert Timeline.of_history(History.of([made])).segments == Timeline.of_result(made).segments


def test_a_very_long_history_is_cut_and_says_so() -> None:
    history = History.of(samples.results(200, 1, segments=False))
    page = view(Subject(Timeline.of_history(history)))
    assert len(page.windows) == 180
    assert dict(page.facts)["windows"] == "the last 180 of 200"
    assert page.windows[-1] == "15 Mar 2027"


@pytest.mark.parametrize(
    ("rows", "kind", "words"),
    [
        ([], "unknown", "Nothing was measured"),
        ([psi(None, status="no_data", note="no rows")], "unknown", "Nothing was measured"),
        ([psi(None, status="insufficient")], "unknown", "None of 1 measurement could be judged"),
        ([psi(0.9, threshold=None)], "info", "no threshold to hold any of them to"),
        ([psi(0.05)], "fine", "No breach: 1 judged measurement of 1 feature within bounds."),
        (
            [psi(0.3, status="breach", q_value=0.002)],
            "warning",
            "1 of 1 feature needs a look: age, PSI 0.300",
        ),
        (
            [psi(0.3, status="breach"), psi(0.9, status="breach", feature="plan")],
            "warning",
            "2 of 2 features need a look: first of all plan, PSI 0.900 (threshold ≤ 0.2).",
        ),
        (
            [psi(None, status="schema_error", note="column 'age' is missing")],
            "critical",
            "column 'age' is missing",
        ),
        (
            [samples.row("p", "accuracy", 0.7, threshold=0.8, status="breach")],
            "warning",
            "1 measurement needs a look",
        ),
    ],
)
def test_the_verdict_says_what_is(rows: list[dict[str, Any]], kind: str, words: str) -> None:
    found = verdict(*rows)
    assert found.kind == kind
    assert words in plain(found.sentence)
    assert "nan" not in found.sentence.lower()


def test_the_verdict_says_what_it_does_not_cover() -> None:
    few = psi(None, status="insufficient", feature="plan")
    assert verdict(psi(0.05), few).limits == "1 measurement had too few rows to tell"
    assert dict(shown(psi(0.05), psi(0.1, threshold=None, feature="b"), few).counts) == {
        "fine": "1 within bounds", "info": "1 not judged", "unknown": "1 too few rows",
    }  # fmt: skip


def test_with_rules_a_breach_is_not_yet_an_alert() -> None:
    breach = psi(0.3, status="breach")
    found = verdict(breach, monitor=samples.monitor(), alerts=[])
    assert (found.kind, found.limits) == ("info", "No rule has made an alert of it")
    pending = {
        "rule": "input-drift",
        "metric": "population_stability_index",
        "feature": "age",
        "state": "pending",
    }
    found = verdict(breach, monitor=samples.monitor(), alerts=[pending])
    assert (found.kind, found.limits) == ("info", "1 alert pending")
    firing = verdict(breach, monitor=samples.monitor(), alerts=[pending | {"state": "firing"}])
    assert (firing.kind, firing.sentence) == ("warning", "1 alert is firing: age.")
    muted = verdict(
        breach, monitor=samples.monitor(), alerts=[pending | {"state": "firing", "inhibited": True}]
    )
    assert muted.kind == "info"


def test_incidents_are_ordered_placed_and_named() -> None:
    windows = [(f"2026-11-0{i}T00:00:00Z", f"2026-11-0{i + 1}T00:00:00Z") for i in range(1, 6)]
    about = {"metric": "population_stability_index", "signal": "inputs", "state": "firing"}
    rows: list[dict[str, Any]] = [
        {
            "id": "old", "state": "resolved", "severity": "critical", "opened": windows[0][0],
            "resolved": windows[1][0],
        },
        {"id": "mild", "state": "open", "severity": "info", "opened": windows[3][0]},
        {
            "id": "worst", "state": "open", "severity": "critical", "opened": windows[2][0],
            "alerts": [
                about | {"feature": "age", "segment": "plan=a", "value": 0.5, "since": windows[3][0]},
                about | {"feature": "age", "segment": "plan=b"},
                about | {"feature": "visits", "segment": "plan=b"},
            ],
        },
        {
            "id": "dead", "state": "open", "severity": "warning", "opened": windows[-1][1],
            "cause": {"kind": "not_evaluated", "text": "Not evaluated since then."},
        },
    ]  # fmt: skip
    found = incidents_of(rows, windows)
    assert [one.id for one in found] == ["worst", "dead", "mild", "old"]
    assert [(one.first, one.last) for one in found] == [(2, 4), (4, 4), (3, 4), (0, 1)]
    assert [one.title for one in found[:2]] == ["age and visits in plan=b", "Not evaluated since then"]
    series = Timeline.of_result(result(psi(0.3, segment="plan=a"))).series[0]
    assert found[0].span(series) == (3, 4)
    assert found[1].span(series) is None


def test_an_incident_whose_value_came_back_says_how_bad_it_was() -> None:
    alert = {
        "metric": "population_stability_index", "signal": "inputs", "feature": "age", "threshold": 0.2,
        "state": "recovering", "value": 0.05, "worst": {"value": 1.5, "window": "2026-11-01T00:00:00Z"},
    }  # fmt: skip
    incident = {"id": "1", "state": "open", "severity": "warning", "alerts": [alert]}
    found = shown(psi(0.05), incidents=[incident], alerts=[])
    assert (
        plain(found.verdict.sentence) == "A warning incident is open: age (PSI up to 1.500, threshold ≤ 0.2)."
    )
    assert found.features[0].firing
    firing = alert | {"state": "firing", "feature": "visits", "value": 0.3}
    found = shown(psi(0.05), incidents=[incident | {"alerts": [alert, firing]}], alerts=[])
    assert [one.name for one in found.incidents[0].alerts] == ["visits", "age"]
    assert "visits (PSI 0.300, threshold ≤ 0.2) and age." in plain(found.verdict.sentence)
    quiet = shown(psi(0.05), incidents=[incident | {"alerts": [alert | {"state": "resolved"}]}], alerts=[])
    assert not quiet.features[0].firing


def test_buckets_are_told_from_categories() -> None:
    numbers = from_buckets(
        {"buckets": samples.BINS, "baseline": [2, 2, 2, 2, 2, 0], "production": [0, 1, 2, 3, 4, 10]}
    )
    assert numbers is not None
    assert numbers.kind == "quantiles"
    assert [bar.label for bar in numbers.bars[:2]] == ["below 12", "12 to 17.5"]
    assert (numbers.bars[-1].label, numbers.bars[-1].special, numbers.bars[-1].now) == ("no value", True, 0.5)
    assert "no value, from 0 % to 50.0 % of the rows" in plain(numbers.summary)
    zeros = from_buckets(
        {
            "buckets": ["[-inf, 0)", "[0, 4.94066e-324)", "[4.94066e-324, 2)", "[2, 2)", "[2, inf)"],
            "baseline": [1, 5, 2, 9, 3],
            "production": [1, 5, 2, 9, 3],
        }
    )
    assert zeros is not None
    assert [bar.label for bar in zeros.bars] == ["below 0", "0", "above 0, below 2", "2", "2 and above"]
    assert zeros.ticks == ((30.0, "0"), (70.0, "2"))
    names = {f"c{i}": 20 - i for i in range(15)}
    categories = from_buckets(
        {"buckets": [*names, "__new__"], "baseline": [*names.values(), 0], "production": [*names.values(), 7]}
    )
    assert categories is not None
    assert categories.kind == "categories"
    assert [bar.label for bar in categories.bars[-2:]] == ["3 rarer categories", "new categories"]
    assert sum(bar.then for bar in categories.bars) == pytest.approx(1)
    assert from_buckets({}) is None


def test_profiles_become_histograms_that_hold_every_row() -> None:
    random = np.random.default_rng(1)
    before = modelwatch.profile({"x": random.normal(0, 1, 4000), "y": ["a", None] * 2000})
    after = modelwatch.profile({"x": [*random.normal(2, 1, 1999), 1e9], "y": ["a", "b"] * 1000})
    drawn = from_profiles(before.columns["x"], after.columns["x"])
    assert drawn is not None
    assert (drawn.kind, drawn.rows_then, drawn.rows_now) == ("histogram", 4000, 2000)
    assert sum(bar.then for bar in drawn.bars) == pytest.approx(1)
    assert sum(bar.now for bar in drawn.bars) == pytest.approx(1)
    # One value of a thousand million does not press the rest into one bar.
    assert sum(bar.now > 0.01 for bar in drawn.bars) > 10
    assert drawn.quartiles is not None
    assert drawn.quartiles[0][1] < drawn.quartiles[1][1]
    assert all(0 <= at <= 100 for at, _ in drawn.ticks)
    visits = modelwatch.profile({"n": [0, 1, 1, 7]}).columns["n"]
    counted = from_profiles(visits, visits)
    assert counted is not None
    assert [(bar.label, bar.now) for bar in counted.bars if bar.now] == [("0", 0.25), ("1", 0.5), ("7", 0.25)]
    assert [text for _, text in counted.ticks] == ["0", "2", "4", "6"]
    days = modelwatch.profile({"at": pd.to_datetime(["2026-11-01", "2026-11-05"], utc=True)}).columns["at"]
    dated = from_profiles(days, days)
    assert dated is not None
    assert (dated.ticks[0][1], dated.ticks[-1][1]) == ("1 Nov", "5 Nov")
    texts = from_profiles(before.columns["y"], after.columns["y"])
    assert texts is not None
    assert [(bar.label, bar.then, bar.now) for bar in texts.bars] == [
        ("a", 0.5, 0.5),
        ("b", 0, 0.5),
        ("no value", 0.5, 0),
    ]
    assert from_profiles(before.columns["x"], after.columns["y"]) is None
    assert from_profiles(None, after.columns["y"]) is None
    for value in (3.0, 0.25, 1e300):
        constant = modelwatch.profile({"x": [value, value]}).columns["x"]
        alone = from_profiles(constant, constant)
        assert alone is not None
        assert max(bar.now for bar in alone.bars) == 1


def test_a_chart_shows_gaps_thresholds_and_what_it_clips() -> None:
    made = samples.results(30, 6)
    timeline = Timeline.of_history(History.of(made), made[-1])
    drift = {one.feature: one for one in timeline.overall() if one.metric == "population_stability_index"}
    gap = figure("k", drift["plan"])
    assert gap.picture.count('class="gap"') == 1
    line = next(part for part in str(gap.picture).split("<path ") if 'class="line"' in part)
    assert line.count("M") == 2
    assert gap.evidence is not None
    assert ("bound", "0.2") in [(name, text) for _, text, name in gap.labels]
    wild = Timeline.of_result(result(psi(50.0, status="breach"))).series[0]
    scale = scale_of(wild)
    assert (scale.clipped, scale.y(50.0)) == (True, 0)
    assert scale.high == pytest.approx(1.2)
    assert any("≥" in text for _, text, _ in figure("k", wild).labels)
    known = {"details": {"baseline_value": 0.85}, "interval": [0.78, 0.84]}
    then = figure("k", Timeline.of_result(result(samples.row("p", "roc_auc", 0.81, **known))).series[0])
    assert (then.value, then.interval, then.before) == ("0.810", "0.780 to 0.840", "0.850")
    auc = next(one for one in timeline.overall() if one.metric == "roc_auc")
    assert scale_of(auc).low > 0.5


def test_quality_lists_what_differs_by_more_than_chance() -> None:
    def nulls(name: str, value: float, **more: Any) -> dict[str, Any]:
        given = {"details": {"baseline_rate": 0.02}, "count": 7, "q_value": 0.8, "p_value": 0.8} | more
        return samples.row("quality", "null_value_rate", value, feature=name, **given)

    table = quality_of(
        Timeline.of_result(
            result(
                nulls("same", 0.02),
                nulls("noise", 0.021),
                nulls("moved", 0.05, q_value=0.001),
                nulls("broken", 0.3, status="breach", q_value=0.0),
                samples.row(
                    "quality", "schema_change", 1.0, feature="gone", status="schema_error", note="missing"
                ),
                samples.row("quality", "schema_change", 1.0, feature="extra", note="new"),
            )
        )
    )
    assert [name for name, _ in table.rows] == ["broken", "moved"]
    assert set(table.clean) == {"same", "noise"}
    assert table.findings == ((Level.ERROR, "gone", "missing"), (Level.CALM, "extra", "new"))
    cell = table.rows[0][1][0]
    assert cell is not None
    assert (plain(cell.now), plain(cell.then), plain(cell.detail)) == ("30.0 %", "2.00 %", "7 of 4 120 rows")
