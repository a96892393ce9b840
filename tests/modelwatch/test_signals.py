"""Signals beyond drift, and whole runs."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from modelwatch import ColumnContract, Contract, Role, Status, Window, measure, profile, run
from modelwatch.errors import UsageError
from modelwatch.estimation import calibrator, estimated_performance
from modelwatch.fairness import fairness_gaps
from modelwatch.multivariate import domain_classifier_auc
from modelwatch.operations import operational_signals
from modelwatch.resampling import HeldOutNull, held_out_null, tail_probability, time_blocks
from modelwatch.skew import training_serving_skew
from modelwatch.sources.collector import read_collector

GENERATOR = np.random.default_rng(8)
START = datetime(2026, 2, 1, tzinfo=UTC)


def test_a_changed_correlation_is_seen_by_the_classifier_alone() -> None:
    independent, other = GENERATOR.standard_normal((2, 1_500, 2))
    tied = other.copy()
    tied[:, 1] = 0.8 * tied[:, 0] + 0.6 * tied[:, 1]
    columns = [{"a": rows[:, 0], "b": rows[:, 1]} for rows in (independent, other, tied)]
    quiet, loud = (domain_classifier_auc(columns[0], side) for side in columns[1:])
    assert quiet.interval is not None
    assert loud.interval is not None
    assert quiet.interval[0] < 0.53
    assert loud.interval[0] > 0.55
    assert loud.p_value == pytest.approx(0, abs=1e-6)
    assert (measure("population_stability_index", columns[0]["b"], columns[2]["b"]).value or 1) < 0.05
    assert domain_classifier_auc({"a": [1.0]}, {"a": [1.0]}).status is Status.INSUFFICIENT
    assert domain_classifier_auc({"a": [1.0]}, {"b": [1.0]}).status is Status.NO_DATA


@pytest.mark.parametrize(
    "columns",
    [
        {"x": GENERATOR.standard_normal(500)},
        {"x": GENERATOR.standard_normal(300), "c": ["a", "b", None] * 100},
        {"x": np.ones(100)},
        {"x": np.arange(500) % 7},
        {"x": GENERATOR.standard_normal(400).round(1)},
    ],
    ids=["numbers", "mixed", "constant", "few values", "repeated"],
)
def test_no_classifier_tells_a_table_from_itself(columns: dict[str, Any]) -> None:
    result = domain_classifier_auc(columns, columns)
    assert result.value == 0.5
    assert result.interval is not None
    assert result.interval[0] <= 0.5 <= result.interval[1]
    assert result.p_value is not None
    assert result.p_value > 0.5


def test_copies_of_baseline_rows_do_not_hide_the_drift_of_others() -> None:
    baseline, fresh = GENERATOR.standard_normal(500), GENERATOR.standard_normal(250) + 1.5
    result = domain_classifier_auc({"x": baseline}, {"x": np.r_[baseline[:250], fresh]})
    assert (result.value or 0) > 0.6
    assert (result.p_value or 0) < 1e-6


def test_the_classifier_is_not_sure_of_what_is_chance() -> None:
    generator, found = np.random.default_rng(4), []
    for n, m in [(100, 100), (200, 80)] * 20:
        sides = [dict(zip("abc", generator.standard_normal((3, rows)), strict=True)) for rows in (n, m)]
        found.append(domain_classifier_auc(sides[0], sides[1]))
    p = np.array([result.p_value for result in found], dtype=np.float64)
    assert np.mean([result.interval is not None and result.interval[0] <= 0.5 for result in found]) >= 0.9
    assert np.mean(p < 0.05) <= 0.15
    assert np.mean(p < 0.01) <= 0.05


def test_the_classifier_reads_categories_and_nulls() -> None:
    base = {"c": GENERATOR.choice(["x", "y"], 800).tolist(), "n": [1.0] * 800}
    moved = {"c": [["x", "z", None][i] for i in GENERATOR.integers(0, 3, 800)], "n": [1.0] * 800}
    assert (domain_classifier_auc(base, moved).value or 0) > 0.75


def test_estimates_without_labels_cover_the_truth_and_need_calibration() -> None:
    covered = 0
    for _ in range(20):
        probability = GENERATOR.beta(2, 3, 800)
        truth = (GENERATOR.random(800) < probability).astype(int)
        estimate = next(m for m in estimated_performance(probability) if m.metric == "estimated_accuracy")
        real = measure("accuracy", truth, (probability >= 0.5).astype(int)).value or 0
        assert estimate.interval is not None
        covered += estimate.interval[0] <= real <= estimate.interval[1]
    assert covered >= 16
    probability = GENERATOR.beta(2, 3, 6_000)
    truth = (GENERATOR.random(6_000) < probability).astype(int)
    scores = probability**3
    fitted = calibrator(truth[:3_000], scores[:3_000])
    assert fitted is not None
    assert np.all(np.diff(fitted(np.linspace(0, 1, 50))) >= 0)
    real = measure("accuracy", truth[3_000:], (scores[3_000:] >= 0.125).astype(int)).value or 0
    estimate = estimated_performance(scores[3_000:], threshold=0.125, calibration=fitted)[0]
    assert estimate.value == pytest.approx(real, abs=0.04)
    assert {m.status for m in estimated_performance([])} == {Status.NO_DATA}


def test_gaps_between_groups() -> None:
    group = GENERATOR.choice(["a", "b"], 2_000)
    truth = GENERATOR.random(2_000) < 0.4
    predicted = GENERATOR.random(2_000) < np.where(group == "a", 0.6, 0.3)
    selection, true_positive, false_positive = fairness_gaps(group, predicted, truth, positive=True, by="g")
    for gap in (selection, true_positive, false_positive):
        assert gap.interval is not None
        assert gap.interval[0] < 0.3 < gap.interval[1] + 0.1
        assert (gap.p_value or 1) < 1e-4
        assert (gap.details["highest"], gap.details["lowest"]) == ("a", "b")
    small = fairness_gaps(["a"] * 50 + ["b"] * 5, [1] * 55)[0]
    assert small.status is Status.INSUFFICIENT
    assert "b" in small.note


def test_skew_between_training_and_serving() -> None:
    training = pa.table({"id": ["1", "2", "3", "4"], "x": [1.0, 2.0, None, 4.0], "s": ["a", "b", "c", None]})
    serving = pa.table(
        {"id": ["4", "3", "2", "9"], "x": [4.0 + 1e-9, 3.0, 2.5, 0.0], "s": [None, "c", "B", ""]}
    )
    by = {m.feature: m for m in training_serving_skew(training, serving, "id")}
    assert (by["x"].count, by["x"].n_production) == (2, 3)
    assert by["s"].count == 1
    missing = training_serving_skew(training, serving, "id", features=["y"])
    assert missing[0].status is Status.SCHEMA_ERROR
    assert training_serving_skew(training, serving.slice(3), "id")[0].status is Status.NO_DATA


def test_operational_signals() -> None:
    log = pa.table({"latency_ms": np.arange(1, 1_001, dtype=float), "status": [200] * 990 + [503] * 10})
    window = Window(START, START + timedelta(seconds=100))
    by = {m.metric: m for m in operational_signals(log, window=window)}
    assert by["latency_p95_ms"].value == pytest.approx(950, abs=1)
    assert by["throughput_per_second"].value == 10
    assert by["error_rate"].count == 10
    interval = by["latency_p50_ms"].interval
    assert interval is not None
    assert interval[0] < 500.5 < interval[1]
    empty = operational_signals(log.slice(0, 0), window=window)
    assert {m.status for m in empty if m.metric != "throughput_per_second"} == {Status.NO_DATA}


def seasonal(days: int, shift: float = 0.0) -> pd.DataFrame:
    """Rows whose mean follows the day: what the closed laws call drift every day."""
    frames = [
        pd.DataFrame({"t": START + timedelta(days=day), "x": GENERATOR.standard_normal(150) + level + shift})
        for day, level in enumerate(GENERATOR.normal(0, 0.5, days))
    ]
    return pd.concat(frames)


def test_held_out_blocks_are_spread_over_the_whole_baseline() -> None:
    moments = pa.array(np.arange(2_000) * 1_000_000, pa.timestamp("us", tz="UTC"))
    blocks = time_blocks(pa.table({"t": moments, "x": np.arange(2_000)}), "t", 10, most=60)
    lows = [block.columns["x"].minimum for block in blocks]
    assert (len(blocks), lows[0], lows[-1]) == (60, 0, 1_990)
    assert np.all(np.diff(np.array(lows, dtype=float)) >= 30)


def test_held_out_blocks_know_the_seasons() -> None:
    baseline = pa.Table.from_pandas(seasonal(40), preserve_index=False)
    blocks = time_blocks(baseline, "t", 150)
    assert len(blocks) == 40
    null = held_out_null([_only_x(b) for b in blocks], metrics=["population_stability_index"])
    usual = measure("population_stability_index", baseline["x"], seasonal(1)["x"])
    unusual = measure("population_stability_index", baseline["x"], seasonal(1, shift=3)["x"])
    (p_usual, p_unusual) = (null.p_value(replace(m, feature="x")) for m in (usual, unusual))
    assert p_unusual is not None
    assert p_unusual < 1 / 41
    assert p_usual is not None
    assert p_usual > 1 / 41 or (usual.p_value or 0) > 0
    with pytest.raises(UsageError, match="blocks"):
        held_out_null(blocks[:5], metrics=["population_stability_index"])


@pytest.mark.parametrize("blocks", [20, 60])
@pytest.mark.parametrize("degrees", [1, 2, 9])
def test_tails_beyond_all_blocks_keep_their_level(blocks: int, degrees: int) -> None:
    generator = np.random.default_rng(9)
    drawn = 3 * generator.chisquare(degrees, (4_000, blocks + 1))
    p = np.array([tail_probability(row[:-1], float(row[-1])) for row in drawn])
    assert np.mean(p < 0.05) <= 0.06
    assert np.mean(p < 0.01) <= 0.02
    assert np.mean(p < 0.001) <= 0.005
    assert tail_probability(drawn[0], float(drawn[0].max())) == pytest.approx(2 / (blocks + 2))
    assert 0 < tail_probability(drawn[0], 1e6) < 1e-6


def test_one_drifted_feature_of_fifty_is_confirmed_by_held_out_blocks() -> None:
    generator = np.random.default_rng(3)
    rows, window = 2_000, 100
    before, after = (generator.standard_normal((size, 50)) for size in (rows, window))
    after[:, 7] += 5
    frames = [pd.DataFrame(side, columns=[f"x{place}" for place in range(50)]) for side in (before, after)]
    for frame, start in zip(frames, (START, START + timedelta(days=60)), strict=True):
        frame["t"] = [start + timedelta(minutes=10 * row) for row in range(len(frame))]
    monitor = {
        "monitor": "many",
        "data": {"event_time": "t"},
        "signals": {"inputs": {"type": "data_drift", "evidence": "held_out", "psi": 0.2}},
    }
    found = run(monitor, frames[0], frames[1])["measurements"]
    assert [row["feature"] for row in found if row["status"] == "breach"] == ["x7"]


def test_blocks_are_never_more_certain_than_the_closed_law() -> None:
    null = HeldOutNull({("x", "population_stability_index"): np.linspace(1e-6, 2e-6, 30)}, 30)
    found = measure(
        "population_stability_index", GENERATOR.standard_normal(500), GENERATOR.standard_normal(500)
    )
    assert null.p_value(replace(found, feature="x")) == found.p_value
    assert null.p_value(found) is None


def _only_x(block: Any) -> Any:
    return replace(block, columns={"x": block.columns["x"]}, _digests=[])


def test_a_run_with_held_out_evidence() -> None:
    contract = Contract(
        columns=(
            ColumnContract(name="t", type="time", role=Role.EVENT_TIME),
            ColumnContract(name="x", type="number"),
        )
    )
    monitor = {
        "monitor": "seasons",
        "data": {"event_time": "t"},
        "signals": {"inputs": {"type": "data_drift", "evidence": "held_out", "psi": 0.2}},
    }
    later = seasonal(1).assign(t=START + timedelta(days=60))
    result = run(monitor, seasonal(40), later, contract=contract)
    (drift,) = result["measurements"]
    assert "held-out blocks" in drift["note"]
    assert drift["p_value"] >= 1 / 41


def test_segments_are_measured_once_more() -> None:
    n = 1_000
    before = pd.DataFrame({"g": ["a", "b"] * (n // 2), "x": GENERATOR.standard_normal(n)})
    after = before.assign(x=np.where(before["g"] == "b", before["x"] + 2, GENERATOR.standard_normal(n)))
    after.loc[:9, "g"] = "rare"
    contract = Contract(
        columns=(
            ColumnContract(name="g", type="text", role=Role.SEGMENT),
            ColumnContract(name="x", type="number"),
        )
    )
    monitor = {
        "monitor": "m",
        "segments": [{"by": "g", "min_rows": 100}],
        "signals": {"inputs": {"type": "data_drift", "features": ["x"], "psi": 0.2}},
    }
    found = {m["segment"]: m for m in run(monitor, before, after, contract=contract)["measurements"]}
    assert (found["g=a"]["status"], found["g=b"]["status"]) == ("ok", "breach")
    assert found["g=rare"]["status"] == "insufficient"
    assert found[None]["status"] == "breach"


def test_a_deployment_folder_is_windowed_and_joined(tmp_path: Path) -> None:
    for hour in range(48):
        moment = START + timedelta(hours=hour)
        for collection, row in (("model_inputs", {"x": float(hour % 7)}), ("model_outputs", {"p": hour % 2})):
            folder = tmp_path / collection / moment.strftime("%Y/%m/%d/%H")
            folder.mkdir(parents=True)
            line = {"time": moment.isoformat(), "correlationid": f"c{hour}", "data": [row]}
            (folder / "i.jsonl").write_text(json.dumps(line) + "\n")
    contract = Contract(
        columns=(
            ColumnContract(name="x", type="number"),
            ColumnContract(name="p", type="integer", role=Role.PREDICTION),
            ColumnContract(name="y", type="integer", role=Role.TARGET),
        )
    )
    monitor = {
        "monitor": "endpoint",
        "data": {"event_time": "event_time"},
        "signals": {
            "perf": {"type": "model_performance", "accuracy": {"min": 0.9}, "minimum_labels": 10},
            "inputs": {"type": "data_drift"},
        },
    }
    labels = pd.DataFrame({"correlationid": [f"c{h}" for h in range(48)], "y": [h % 2 for h in range(48)]})
    window = Window(START + timedelta(days=1), START + timedelta(days=2))
    baseline = profile({"x": np.arange(200) % 7 * 1.0, "p": np.arange(200) % 2})
    result = run(monitor, baseline, tmp_path, window, contract=contract, labels=labels)
    by = {m["metric"]: m for m in result["measurements"]}
    assert (by["accuracy"]["value"], by["accuracy"]["n_production"]) == (1.0, 24)
    assert by["label_coverage"]["value"] == 1.0
    assert by["population_stability_index"]["n_production"] == 24
    assert result["window"] == {"start": "2026-02-02T00:00:00Z", "end": "2026-02-03T00:00:00Z"}
    json.dumps(result, allow_nan=False)


def test_a_blob_container_is_read_hour_by_hour() -> None:
    class Download:
        def __init__(self, content: bytes) -> None:
            self.content = content

        def readall(self) -> bytes:
            return self.content

    class Blobs:
        def __init__(self) -> None:
            self.asked: list[str] = []

        def list_blob_names(self, *, name_starts_with: str) -> list[str]:
            self.asked.append(name_starts_with)
            return [f"{name_starts_with}i.jsonl"]

        def download_blob(self, blob: str) -> Download:
            hour = datetime.strptime(blob[-21:-8], "%Y/%m/%d/%H").replace(tzinfo=UTC)
            line = {"time": hour.isoformat(), "correlationid": blob, "data": [{"x": 1}]}
            return Download(json.dumps(line).encode())

    blobs = Blobs()
    window = Window(START, START + timedelta(hours=2))
    table = read_collector(blobs, window, prefix="modelDataCollector/e/d/model_inputs")
    assert table.num_rows == 2
    assert blobs.asked[0] == "modelDataCollector/e/d/model_inputs/2026/02/01/00/"
    assert len(set(blobs.asked)) == 3


def test_one_broken_signal_leaves_the_others_alone() -> None:
    monitor = {
        "monitor": "m",
        "signals": {
            "perf": {"type": "model_performance", "brier": {"max": 0.2}},
            "attribution": {"type": "feature_attribution_drift", "ndcg": {"min": 0.9}},
            "skew": {"type": "training_serving_skew"},
            "operations": {"type": "operations"},
            "fairness": {"type": "fairness"},
            "inputs": {"type": "data_drift"},
        },
    }
    frame = pd.DataFrame({"x": GENERATOR.standard_normal(200)})
    found = run(monitor, frame, frame)["measurements"]
    assert {m["signal"]: m["status"] for m in found} == {
        "perf": "no_data", "attribution": "no_data", "skew": "no_data", "operations": "no_data",
        "fairness": "no_data", "inputs": "ok",
    }  # fmt: skip
    with_importances = run(monitor, frame, frame, importances=({"x": 1.0}, {"x": 1.0}))["measurements"]
    assert {m["signal"]: m["value"] for m in with_importances}["attribution"] == 1.0


def test_top_features_need_importances() -> None:
    frame = pd.DataFrame(GENERATOR.standard_normal((200, 4)), columns=list("abcd"))
    monitor = {"monitor": "m", "signals": {"inputs": {"type": "data_drift", "features": {"top": 2}}}}
    importances = ({"a": 0.1, "b": 3.0, "c": -2.0, "d": 0.0},) * 2
    found = run(monitor, frame, frame, importances=importances)["measurements"]
    assert [m["feature"] for m in found] == ["b", "c"]


def test_without_a_contract_integers_are_what_azure_ml_takes_them_for() -> None:
    monitor = {
        "monitor": "m",
        "baseline": {"definition": "azureml/4b41f8c"},
        "signals": {"d": {"type": "data_drift", "numeric": "nwd", "categorical": "jsd"}},
    }
    before, after = {"i": [0, 1] * 500}, {"i": [0, 1, 1, 1] * 250}

    def metrics(baseline: Any, production: Any, **more: Any) -> list[str]:
        return [row["metric"] for row in run(monitor, baseline, production, **more)["measurements"]]

    assert metrics(before, after) == ["jensen_shannon_distance"]
    assert metrics(profile(before), after) == ["jensen_shannon_distance"]
    assert metrics({"i": [0, 1] * 10}, after) == ["normalized_wasserstein_distance"]
    declared = Contract(columns=(ColumnContract(name="i", type="integer"),))
    assert metrics(before, after, contract=declared) == ["normalized_wasserstein_distance"]
    # One null makes them floats, and no other categories.
    (row,) = run(monitor, before, {"i": [np.nan, *([0, 1] * 500)]})["measurements"]
    assert row["value"] < 0.01
