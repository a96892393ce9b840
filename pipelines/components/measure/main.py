"""Spark job: measure one window of production against a stored baseline."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pyspark.sql import SparkSession
from pyspark.sql import functions as spark

import modelwatch
from modelwatch import Contract, Monitor, Profile, Window
from modelwatch.spark import profile_dataframe

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

COLLECTED_AT = "event_time"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("monitor", "baseline", "production", "at", "results"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--contract")
    parser.add_argument("--layout", choices=["parquet", "collector"], default="parquet")
    arguments = parser.parse_args()

    session = SparkSession.builder.getOrCreate()
    ship(session)
    monitor = Monitor.parse(yaml.safe_load(text(session, arguments.monitor)), where=arguments.monitor)
    contract = None
    if arguments.contract:
        contract = Contract.parse(yaml.safe_load(text(session, arguments.contract)), where=arguments.contract)
    (baseline,) = session.read.format("binaryFile").load(arguments.baseline).select("content").collect()
    window = monitor.data.latest_window(datetime.fromisoformat(arguments.at))
    rows = production(session, arguments.production, arguments.layout, window, monitor.data.event_time)
    results = modelwatch.run(
        monitor, profile_of(bytes(baseline["content"])), profile_dataframe(rows, contract=contract), window,
        contract=contract,
    )  # fmt: skip
    lines = session.createDataFrame([(json.dumps(results, allow_nan=False),)], "value string")
    lines.coalesce(1).write.mode("overwrite").text(arguments.results)
    return 0


def ship(session: SparkSession) -> None:
    """Give the workers the package that lies beside this file."""
    folder = Path(modelwatch.__file__).resolve().parent
    archive = Path(tempfile.mkdtemp()) / "modelwatch"
    session.sparkContext.addPyFile(shutil.make_archive(str(archive), "zip", folder.parent, folder.name))


def text(session: SparkSession, address: str) -> str:
    return "".join(row["value"] for row in session.read.text(address, wholetext=True).collect())


def profile_of(content: bytes) -> Profile:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "baseline.profile"
        file.write_bytes(content)
        return Profile.load(file)


def production(session: Any, address: str, layout: str, window: Window, event_time: str | None) -> DataFrame:
    """Return the rows of a window; a collector's folders of other hours are not read."""
    if layout == "collector":
        rows = collected(session, address, window)
        event_time = event_time or COLLECTED_AT
    else:
        rows = session.read.parquet(address)
    if event_time is None:
        return rows
    moment = spark.col(f"`{event_time}`").cast("timestamp")
    return rows.where((moment >= spark.lit(window.start)) & (moment < spark.lit(window.end)))


def collected(session: SparkSession, address: str, window: Window) -> DataFrame:
    # An event is filed under the hour in which it was written: the hour after the window is read too.
    hours = Window(window.start, window.end + timedelta(hours=1)).hours()
    folders = [f"{address.rstrip('/')}/{hour.astimezone(UTC):%Y/%m/%d/%H}" for hour in hours]
    files = session.read.option("ignoreMissingFiles", "true")
    present = [folder for folder in folders if exists(session, folder)]
    if not present:
        return session.createDataFrame([], f"`{COLLECTED_AT}` timestamp")
    events = files.json(present)
    return events.select(spark.col("time").alias(COLLECTED_AT), spark.inline("data"))


def exists(session: Any, address: str) -> bool:
    path = session.sparkContext._jvm.org.apache.hadoop.fs.Path(address)  # noqa: SLF001  (Spark has no public call)
    return bool(path.getFileSystem(session.sparkContext._jsc.hadoopConfiguration()).exists(path))  # noqa: SLF001


if __name__ == "__main__":
    sys.exit(main())
