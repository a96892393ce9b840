"""Whole programs to compare, each run in a process of its own; prints seconds and peak memory as JSON.

``python programs.py NAME FOLDER`` with ``baseline.parquet`` and ``production.parquet`` in FOLDER.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

STARTED = time.perf_counter()


def floor(folder: Path) -> None:
    """Decode every column chunk of both files on two threads and look at nothing."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pa.set_cpu_count(1)
    files = [folder / "baseline.parquet", folder / "production.parquet"]
    metadata = [pq.read_metadata(file) for file in files]
    names = metadata[0].schema.to_arrow_schema().names
    local = threading.local()

    def decode(name: str) -> None:
        if not hasattr(local, "files"):
            texts = [column for column in names if column.startswith("text")]
            local.files = [
                pq.ParquetFile(file, metadata=known, read_dictionary=texts, pre_buffer=False)
                for file, known in zip(files, metadata, strict=True)
            ]
        for file in local.files:
            for group in range(file.num_row_groups):
                file.read_row_group(group, columns=[name], use_threads=False)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(decode, names))


def full(folder: Path) -> None:
    """Profile both sides and take every measurement."""
    import modelwatch

    baseline = modelwatch.profile(folder / "baseline.parquet")
    contract = modelwatch.Contract.infer(baseline)
    production = modelwatch.profile(folder / "production.parquet", contract=contract)
    assert modelwatch.compare(baseline, production, contract=contract)
    baseline.save(folder / "baseline.profile")
    contract.save(folder / "contract.yaml")


def production(folder: Path) -> None:
    """Profile production alone and compare it with the stored baseline."""
    import modelwatch

    baseline = modelwatch.Profile.load(folder / "baseline.profile")
    contract = modelwatch.Contract.load(folder / "contract.yaml")
    found = modelwatch.profile(folder / "production.parquet", contract=contract)
    assert modelwatch.compare(baseline, found, contract=contract)


def exact(folder: Path) -> None:
    """Take the same measurements with pandas and SciPy, the way one would write them down."""
    import numpy as np
    import pandas as pd
    from scipy import stats
    from scipy.spatial.distance import jensenshannon

    one, two = (pd.read_parquet(folder / f"{side}.parquet") for side in ("baseline", "production"))
    for name in one.columns:
        a, b = one[name].dropna(), two[name].dropna()
        if a.dtype == object:
            counts = pd.concat([a.value_counts(), b.value_counts()], axis=1).fillna(0).to_numpy()
            stats.chi2_contingency(counts)
            (~b.isin(a.unique())).sum()
        else:
            stats.ks_2samp(a, b)
            stats.wasserstein_distance(a, b)
            edges = np.unique(np.quantile(a, np.linspace(0, 1, 11)))
            edges[[0, -1]] = -np.inf, np.inf
            counts = np.column_stack([np.histogram(side, edges)[0] for side in (a, b)])
            ((b < a.min()) | (b > a.max())).sum()
        shares = (counts + 0.5) / (counts + 0.5).sum(axis=0)
        jensenshannon(shares[:, 0], shares[:, 1], base=2)
        ((shares[:, 1] - shares[:, 0]) * np.log(shares[:, 1] / shares[:, 0])).sum()


def evidently(folder: Path) -> None:
    """Run Evidently's default drift preset: one metric a column."""
    import pandas as pd

    report, presets = import_module("evidently"), import_module("evidently.presets")
    one, two = (pd.read_parquet(folder / f"{side}.parquet") for side in ("baseline", "production"))
    report.Report([presets.DataDriftPreset()]).run(two, one)


def window(folder: Path) -> None:
    """Evaluate drift and quality of half of a file by its event times."""
    from datetime import UTC, datetime, timedelta

    import modelwatch

    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=10)
    results = modelwatch.run(
        {
            "monitor": "window",
            "data": {"event_time": "moment"},
            "signals": {"inputs": {"type": "data_drift"}, "quality": {"type": "data_quality"}},
        },
        modelwatch.Profile.load(folder / "window.profile"),
        folder / "window.parquet",
        modelwatch.Window(start, start + timedelta(days=15)),
    )
    assert len(results["measurements"]) > 10


PROGRAMS: dict[str, Any] = {
    program.__name__: program for program in (floor, full, production, exact, evidently, window)
}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](Path(sys.argv[2]))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    status = Path("/proc/self/status")
    # ru_maxrss of a child begins with what its parent held; the kernel's own high-water mark does not.
    peak = (
        float(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
        if status.exists()
        else usage.ru_maxrss / 1024**2
    )
    measured = {
        "wall": time.perf_counter() - STARTED,
        "cpu": usage.ru_utime + usage.ru_stime,
        "mib": peak,
    }
    print(json.dumps(measured))  # noqa: T201
