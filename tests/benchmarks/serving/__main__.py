# ruff: noqa: T201  # printing is what it is for
"""Requests per second through the router with collection, against the bare inference server.

``python -m tests.benchmarks.serving [--pairs N] [--requests N]`` runs both in turn, several times,
and prints each pair and the medians. Nothing is asserted about time; rows that were not collected
are an error.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SERVING = ROOT / ".venv-serving" / "bin" / "python"
ROW = [0.1, -0.4, 1.3, 0.7, -1.1, 0.2, 0.9, -0.3]
TRAIN = """
import sys, joblib, numpy, pandas
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
random = numpy.random.default_rng(0)
rows = pandas.DataFrame(random.normal(size=(500, 8)), columns=[f"feature_{n}" for n in range(8)])
model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, rows.sum(axis=1) > 0)
joblib.dump(model, sys.argv[1])
"""


def load(url: str, body: Path, requests: int, connections: int, *options: str) -> dict[str, float]:
    """Send requests from a process of their own; return its figures."""
    command = [sys.executable, str(HERE / "load.py"), url, "--requests", str(requests)]
    command += ["--connections", str(connections), "--body", str(body), *options]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    figures = json.loads(result.stdout)
    if set(figures["statuses"]) != {"200"}:
        raise SystemExit(f"not every request was answered with 200: {figures['statuses']}")
    return {name: figures[name] for name in ("requests_per_second", "p50_ms", "p99_ms")}


def show(name: str, figures: dict[str, float]) -> None:
    """Print one line of figures."""
    print(
        f"  {name:<34} {figures['requests_per_second']:7.0f} requests/s"
        f"   p50 {figures['p50_ms']:6.1f} ms   p99 {figures['p99_ms']:6.1f} ms",
        flush=True,
    )


def collected_lines(home: Path, collection: str) -> int:
    """Count what the agent has written."""
    files = home.glob(f"blobs/*/modelDataCollector/bench/collected/{collection}/**/*.jsonl")
    return sum(path.read_bytes().count(b"\n") for path in files)


def measure(home: Path, pairs: int, requests: int, connections: int) -> None:
    """Run the pairs and print them."""
    model, body = home / "model", home / "request.json"
    model.mkdir()
    body.write_text(json.dumps({"data": [ROW]}))
    subprocess.run([SERVING, "-c", TRAIN, model / "model.joblib"], check=True)
    command = [sys.executable, "-m", "tests.benchmarks.serving.plane", str(home), str(model)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as plane:
        assert plane.stdout is not None
        where = json.loads(plane.stdout.readline())
        routed = ("--header", f"Authorization: Bearer {where['key']}", "--ca", where["ca"])
        warm = 100
        load(where["bare"], body, warm, connections)
        load(where["router"], body, warm, connections, *routed)
        runs: dict[str, list[dict[str, float]]] = {
            "bare inference server": [],
            "router (TLS, key, collection)": [],
        }
        for pair in range(pairs):
            print(f"pair {pair + 1} of {pairs}: {requests} requests, {connections} connections")
            for name, url, options in (
                ("bare inference server", where["bare"], ()),
                ("router (TLS, key, collection)", where["router"], routed),
            ):
                runs[name].append(load(url, body, requests, connections, *options))
                show(name, runs[name][-1])
        ratios = [
            routed_run["requests_per_second"] / bare_run["requests_per_second"]
            for bare_run, routed_run in zip(*runs.values(), strict=True)
        ]
        assert plane.stdin is not None
        plane.stdin.close()
        plane.wait()
    print("medians")
    for name, results in runs.items():
        show(name, {key: statistics.median(result[key] for result in results) for key in results[0]})
    print(
        f"  router / bare: {statistics.median(ratios):.2f} (of {', '.join(f'{each:.2f}' for each in ratios)})"
    )
    sent = pairs * requests + warm
    counts = {each: collected_lines(home, each) for each in ("model_inputs", "model_outputs")}
    print(f"  collected of {sent} requests: {counts}")
    if set(counts.values()) != {sent}:
        raise SystemExit("collected rows were lost")


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.serving", description=__doc__)
    parser.add_argument("--pairs", type=int, default=11)
    parser.add_argument("--requests", type=int, default=600)
    parser.add_argument("--connections", type=int, default=8)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        measure(Path(home), arguments.pairs, arguments.requests, arguments.connections)


if __name__ == "__main__":
    main()
