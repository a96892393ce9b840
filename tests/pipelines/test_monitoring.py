"""The monitoring job: what is sent to the service, and the Spark program itself in local mode."""

from __future__ import annotations

import importlib.util
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import modelwatch
from mlops.errors import PipelineError
from mlops.settings import ROOT, load
from mlops.usecase import load_usecase
from modelwatch import Monitor
from pipelines.monitoring import STEPS, TRIGGERED_AT, build, schedule
from pipelines.validation import check
from tests.modelwatch.test_spark import session as spark_session

__all__ = ["spark_session"]

AT = "2026-03-03T02:30:00+00:00"
DECLARED = {
    "monitor": "visits",
    "data": {"window": "P1D", "event_time": "event_time", "timezone": "UTC", "lateness": "PT2H"},
    "signals": {"inputs": {"type": "data_drift", "psi": 0.2}, "quality": {"type": "data_quality"}},
}
STORE = "azureml://datastores/workspaceblobstore/paths"


def job_of(monitor: Monitor, **options: Any) -> Any:
    return build(
        load("dev"), load_usecase("classical", ROOT), monitor,
        baseline=f"{STORE}/baseline.profile", production=f"{STORE}/rows/", **options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def monitor() -> Monitor:
    return Monitor.parse(DECLARED)


@pytest.fixture(scope="module")
def job(monitor: Monitor) -> Any:
    return job_of(monitor)


def test_the_job_is_one_spark_step_on_serverless_compute(job: Any) -> None:
    assert tuple(job.jobs) == STEPS
    node = job.jobs["measure"]._to_rest_object()
    assert node["resources"] == {"instance_type": "standard_e4s_v3", "runtime_version": "3.5"}
    assert node["identity"] == {"identity_type": "Managed"}
    assert node["entry"]["file"] == "main.py"
    assert node["inputs"]["at"]["value"] == "${{parent.inputs.at}}"


def test_the_job_passes_the_validator(job: Any) -> None:
    assert [problem for problem in check(job) if problem.where != "inputs.monitor"] == []


def test_a_schedule_fires_by_the_window_and_measures_the_one_that_is_complete(
    job: Any, monitor: Monitor
) -> None:
    made = schedule(load("dev"), load_usecase("classical", ROOT), monitor, job)
    assert (made.trigger.frequency, made.trigger.interval) == ("day", 1)
    assert job._to_rest_object().properties.inputs["at"].value == TRIGGERED_AT


@pytest.mark.parametrize(
    ("window", "trigger"),
    [("PT6H", ("hour", 6)), ("P7D", ("day", 7)), ("P1W", ("day", 7)), ("PT48H", ("day", 2))],
)
def test_windows_of_whole_hours_have_a_recurrence(window: str, trigger: tuple[str, int], job: Any) -> None:
    monitor = Monitor.parse({**DECLARED, "data": {"window": window}})
    made = schedule(load("dev"), load_usecase("classical", ROOT), monitor, job)
    assert (made.trigger.frequency, made.trigger.interval) == trigger


def test_a_window_that_no_recurrence_has_is_refused(job: Any) -> None:
    monitor = Monitor.parse({**DECLARED, "data": {"window": "PT90M"}})
    with pytest.raises(PipelineError, match="cannot recur"):
        schedule(load("dev"), load_usecase("classical", ROOT), monitor, job)


def test_a_monitor_that_needs_rows_is_refused() -> None:
    monitor = Monitor.parse(
        {"monitor": "m", "signals": {"perf": {"type": "model_performance", "accuracy": 0.8}}}
    )
    with pytest.raises(PipelineError, match="needs rows") as caught:
        job_of(monitor)
    assert "perf" in str(caught.value)


def program() -> Any:
    spec = importlib.util.spec_from_file_location(
        "measure_main", ROOT / "pipelines" / "components" / "measure" / "main.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def frame(rows: int, start: datetime, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    seconds = np.sort(random.uniform(0, 3 * 86400, rows))
    return pd.DataFrame(
        {
            "event_time": pd.to_datetime([start + timedelta(seconds=float(s)) for s in seconds]),
            "age": random.normal(50, 10, rows),
            "plan": random.choice(["a", "b"], rows),
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A baseline's profile, and three days of rows in both layouts."""
    made = tmp_path_factory.mktemp("monitoring")
    baseline = frame(4000, datetime(2026, 1, 1, tzinfo=UTC), 1)
    modelwatch.profile(baseline).save(made / "baseline.profile")
    rows = frame(3000, datetime(2026, 3, 1, tzinfo=UTC), 2)
    (made / "rows").mkdir()
    rows.to_parquet(made / "rows" / "part.parquet", coerce_timestamps="us", allow_truncated_timestamps=True)
    for hour, group in rows.groupby(rows["event_time"].dt.floor("h")):
        target = made / "collected" / f"{hour:%Y/%m/%d/%H}"
        target.mkdir(parents=True)
        lines = [
            json.dumps(
                {"time": row["event_time"].isoformat(), "data": [{"age": row["age"], "plan": row["plan"]}]}
            )
            for row in group.to_dict("records")
        ]
        (target / "one.jsonl").write_text("\n".join(lines))
    (made / "monitor.yaml").write_text(json.dumps(DECLARED))
    return made


@pytest.mark.e2e
@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)  # fmt: skip
@pytest.mark.parametrize("layout", ["parquet", "collector"])
def test_spark_measures_what_one_machine_does(
    spark_session: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, layout: str, monitor: Monitor
) -> None:
    source = folder / ("rows" if layout == "parquet" else "collected")
    arguments = {
        "monitor": folder / "monitor.yaml", "baseline": folder / "baseline.profile", "production": source,
        "layout": layout, "at": AT, "results": folder / f"out-{layout}",
    }  # fmt: skip
    words = [word for name, value in arguments.items() for word in (f"--{name}", str(value))]
    monkeypatch.setattr(sys, "argv", ["main.py", *words])
    assert program().main() == 0
    (part,) = (folder / f"out-{layout}").glob("part-*.txt")
    results = json.loads(part.read_text())
    assert results["window"] == {"start": "2026-03-02T00:00:00Z", "end": "2026-03-03T00:00:00Z"}
    window = monitor.data.latest_window(datetime.fromisoformat(AT))
    local = modelwatch.run(folder / "monitor.yaml", folder / "baseline.profile", folder / "rows", window)
    expected = {(row["metric"], row["feature"]): row["value"] for row in local["measurements"]}
    found = {(row["metric"], row["feature"]): row["value"] for row in results["measurements"]}
    for key in [
        ("population_stability_index", "age"),
        ("jensen_shannon_distance", "plan"),
        ("null_value_rate", "age"),
    ]:
        assert found[key] == expected[key]
    assert all(
        row["n_production"] > 900 for row in results["measurements"] if row["metric"] == "null_value_rate"
    )
