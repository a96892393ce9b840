# ruff: noqa: T201  # printing is what it is for
"""Every bar of the monitoring package with what one run on this machine measures against it.

``python -m tests.benchmarks.modelwatch [--rows N] [--rounds N] [--spark] [--evidently [PYTHON]]
[--azureml FOLDER]``: programs take turns, each in a process of its own, and medians of ratios within a turn
are reported, of processor time (what else the machine does disturbs it least) and of the clock.
``--evidently`` without an interpreter installs the package into a virtual environment that is thrown away;
FOLDER is a checkout of Azure/azureml-assets. Nothing is asserted about time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import venv
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from modelwatch import compare, profile
from tests.benchmarks.modelwatch import accuracy, azureml_jobs, workload

HERE = Path(__file__).parent
PROGRAMS = str(HERE / "programs.py")
MILLION = 1_000_000
Runs = dict[str, list[dict[str, float]]]


def taken(names: list[str], folder: Path, rounds: int, commands: dict[str, list[str]] | None = None) -> Runs:
    """Run programs by turns and return the figures of each run."""
    found: Runs = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            command = (commands or {}).get(name, [sys.executable, PROGRAMS])
            output = subprocess.run(
                [*command, name, str(folder)], check=True, capture_output=True, text=True
            ).stdout
            found[name].append(json.loads(output.splitlines()[-1]))
    return found


def ratios(runs: Runs, one: str, other: str) -> str:
    """Return how many times the one takes what the other does, by processor and by clock."""
    cpu, wall = (
        median(a[figure] / b[figure] for a, b in zip(runs[one], runs[other], strict=True))
        for figure in ("cpu", "wall")
    )
    return f"{cpu:.2f} x of processor time, {wall:.2f} x by the clock"


def show(bar: str, asked: str, measured: str) -> None:
    """Print one line."""
    print(f"{bar:<4} {asked:<78} {measured}", flush=True)


def written(folder: Path, rows: int) -> Path:
    """Write both sides of a workload."""
    folder.mkdir()
    for side in ("baseline", "production"):
        workload.write(folder / f"{side}.parquet", rows, production=side == "production")
    return folder


def speed(folder: Path, rows: int, rounds: int) -> None:
    """T1 to T3, and T4 against pandas: the large workload against decoding, and the small one."""
    small = written(folder / "small", MILLION)
    runs = taken(["floor", "full", "production"], small, rounds)
    show("T1", "1 M rows: everything against decoding alone (bar is for 10 M)", ratios(runs, "full", "floor"))
    show("T3", "1 M rows: production alone against everything <= 0.55", ratios(runs, "production", "full"))
    base = median(run["mib"] for run in runs["full"])
    runs = taken(["full", "exact"], small, max(1, rounds // 3))
    show("T4", "1 M rows: pandas and SciPy against everything >= 17", ratios(runs, "exact", "full"))
    if rows <= MILLION:
        return
    large = written(folder / "large", rows)
    runs = taken(["floor", "full", "production"], large, max(2, rounds // 2))
    show("T1", f"{rows:,} rows: everything against decoding alone <= 1.5", ratios(runs, "full", "floor"))
    show("T3", f"{rows:,} rows: production against everything <= 0.55", ratios(runs, "production", "full"))
    peak = median(run["mib"] for run in runs["full"])
    show("T2", "peak memory <= 220 MiB, large within 10 % of 1 M", f"{base:.0f} MiB, {peak:.0f} MiB")


def windows(folder: Path, rounds: int) -> None:
    """T2 of a window by event time: half of the file, both sizes."""
    peaks = []
    for rows in (MILLION, 4 * MILLION):
        place = folder / f"window{rows}"
        place.mkdir()
        workload.write_timed(place / "window.parquet", rows)
        profile(workload.write_timed(place / "earlier.parquet", 100_000, year=2025)).save(
            place / "window.profile"
        )
        runs = taken(["window"], place, max(1, rounds // 3))["window"]
        peaks.append(median(run["mib"] for run in runs))
    show(
        "T2",
        "drift and quality of a time window: peak at 1 M, 4 M rows",
        " MiB, ".join(f"{p:.0f}" for p in peaks) + " MiB",
    )


def peers(folder: Path, interpreter: str | None) -> None:
    """T4 against Evidently's default drift preset."""
    with tempfile.TemporaryDirectory() as scratch:
        if not interpreter:
            venv.create(scratch, with_pip=True)
            interpreter = str(Path(scratch) / "bin" / "python")
            wanted = ["evidently==0.7.23", "pandas<3", "pyarrow"]
            subprocess.run([interpreter, "-m", "pip", "install", "--quiet", *wanted], check=True)
        runs = taken(["full", "evidently"], folder / "small", 1, {"evidently": [interpreter, PROGRAMS]})
    show(
        "T4",
        "1 M rows: Evidently's default drift preset against everything >= 100",
        ratios(runs, "evidently", "full"),
    )


def components(folder: Path, checkout: str) -> None:
    """T4 against Azure ML's own jobs, everything taking a turn before each of them."""
    jobs, small = azureml_jobs.JOBS, folder / "small"
    command = [sys.executable, str(HERE / "azureml_jobs.py"), checkout]
    names = [name for job in jobs for name in ("full", job)]
    runs = taken(names, small, 1, dict.fromkeys(jobs, command))
    azureml_jobs.check(small)
    summed = {figure: sum(runs[job][0][figure] for job in jobs) for figure in ("cpu", "wall")}
    everything = {figure: median(run[figure] for run in runs["full"]) for figure in summed}
    told = [f"{job} {runs[job][0]['cpu']:.0f}, {runs[job][0]['wall']:.0f}" for job in jobs]
    show(
        "T4",
        "1 M rows: Azure ML's four Spark jobs against everything >= 500",
        f"{summed['cpu'] / everything['cpu']:.0f} x of processor time, "
        f"{summed['wall'] / everything['wall']:.0f} x by the clock "
        f"(seconds: {'; '.join(told)}; everything {everything['cpu']:.2f}, {everything['wall']:.2f})",
    )


def exactness(folder: Path) -> None:
    """T5 and T6."""
    found = accuracy.errors(folder / "small")
    show(
        "T5",
        "worst error: KS <= 1e-4, W1 <= 5e-5 of the spread, buckets and chi-squared exact",
        f"KS {found.kolmogorov_smirnov:.1e}, W1 {found.wasserstein:.1e}, buckets {found.buckets:.1e}, "
        f"chi-squared {found.chi_squared:.1e}; {found.counts} wrong counts, "
        f"{found.beyond_bounds} beyond a bound",
    )
    show(
        "T6",
        "different profiles of one data set, however read: 1",
        str(accuracy.digests(folder / "small", folder)),
    )


def imports() -> None:
    """T8."""
    for bar, code in (("modelwatch", ""), ("modelwatch and its engine", "; modelwatch.profile")):
        program = (
            f"import time; s = time.perf_counter(); import modelwatch{code}; print(time.perf_counter() - s)"
        )
        seconds = [
            float(
                subprocess.run(
                    [sys.executable, "-c", program], check=True, capture_output=True, text=True
                ).stdout
            )
            for _ in range(5)
        ]
        show("T8", f"import of {bar} <= 0.3 s", f"{min(seconds):.2f} s")


def kinds(folder: Path) -> None:
    """T9: columns of any kind, and two hundred of them."""
    n = MILLION
    columns = {
        "distinct": pa.array(np.arange(n)).cast(pa.string()),
        "null": pa.nulls(n),
        "constant": pa.array(np.full(n, 3.5)),
        "decimal": pa.array(np.arange(n) % 997).cast(pa.decimal128(21, 2)),
        "time": pa.array(np.arange(n) * MILLION).cast(pa.timestamp("us")),
        "boolean": pa.array(np.arange(n) % 3 == 0),
    }
    told = []
    for name, column in columns.items():
        begun = time.process_time()
        found = profile(pa.table({name: column}))
        told.append(f"{name} {(time.process_time() - begun) * 1e9 / n:.0f}")
        if found.columns[name].rows != n or not compare(found, found):
            raise SystemExit(f"{name}: rows were lost")
    show("T9", "nanoseconds a value of a million, by kind; none breaks the run", ", ".join(told))
    spent = []
    for width in (20, 200):
        file = folder / f"wide{width}.parquet"
        values = {f"x{i}": np.random.default_rng(i).standard_normal(100_000) for i in range(width)}
        pq.write_table(pa.table(values), file)
        begun = time.process_time()
        profile(file)
        spent.append(time.process_time() - begun)
    show("T9", "200 columns against 20 (linear: 10)", " ".join(f"{b / a:.1f} x" for a, b in pairwise(spent)))


def texts(folder: Path) -> None:
    """T10."""
    from pyarrow import csv
    from pyarrow import json as arrow_json

    generator = np.random.default_rng(0)
    n = 300_000
    table = pa.table(
        {f"x{i}": generator.standard_normal(n).round(4) for i in range(6)}
        | {"c": generator.choice(["red", "green", "blue"], n)}
    )
    files = folder / "x.csv", folder / "x.jsonl"
    csv.write_csv(table, files[0])
    files[1].write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    for file, reader in zip(files, (csv.open_csv, arrow_json.open_json), strict=True):
        found = []
        for _ in range(7):
            begun = time.process_time()
            for _batch in reader(file):
                pass
            between = time.process_time()
            profile(file)
            found.append((time.process_time() - between) / (between - begun))
        show(
            "T10",
            f"{file.suffix[1:]}: against pyarrow's own reader <= 1.5",
            f"{median(found):.2f} x of processor time",
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.modelwatch", description=__doc__)
    parser.add_argument("--rows", type=int, default=10 * MILLION, help="rows of the large workload")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each comparison at 1 M rows")
    parser.add_argument("--spark", action="store_true", help="T7 too: some minutes of Spark in local mode")
    parser.add_argument("--evidently", nargs="?", const="", metavar="PYTHON", help="T4 against Evidently too")
    parser.add_argument("--azureml", metavar="FOLDER", help="T4 against Azure ML's Spark jobs too: minutes")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        speed(folder, chosen.rows, chosen.rounds)
        windows(folder, chosen.rounds)
        exactness(folder)
        imports()
        kinds(folder)
        texts(folder)
        if chosen.spark:
            from tests.benchmarks.modelwatch import spark

            # Starting tasks costs Spark what counting a million rows does.
            spark.measured(folder / ("large" if chosen.rows > MILLION else "small"), show)
        if chosen.evidently is not None:
            peers(folder, chosen.evidently or None)
        if chosen.azureml:
            components(folder, chosen.azureml)


if __name__ == "__main__":
    main()
