"""How far profiles are from exact numbers, and whether they are the same however they were made."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from modelwatch import Contract, Profile, compare, measure, profile
from modelwatch.bins import quantile_bins
from modelwatch.sides import NumericSides, sides_of

KS, WASSERSTEIN = "two_sample_kolmogorov_smirnov_test", "normalized_wasserstein_distance"


class Errors(NamedTuple):
    """Worst differences from exact numbers over all columns."""

    kolmogorov_smirnov: float
    wasserstein: float
    buckets: float
    chi_squared: float
    counts: int
    beyond_bounds: int


def errors(folder: Path) -> Errors:
    """Compare every column of a workload both ways; each column is read anew."""
    files = [folder / f"{side}.parquet" for side in ("baseline", "production")]
    baseline = profile(files[0])
    contract = Contract.infer(baseline)
    production = profile(files[1], contract=contract)
    results = compare(baseline, production, contract=contract)
    by = {(result.feature, result.metric): result for result in results}
    worst = {"ks": 0.0, "w": 0.0, "bucket": 0.0, "chi": 0.0}
    counts = beyond = 0
    for name in baseline.columns:
        before, after = (pq.read_table(file, columns=[name]).column(0) for file in files)
        counts += by[name, "null_value_rate"].count != after.null_count
        if pa.types.is_string(before.type):
            exact = measure("pearsons_chi_squared_test", before, after)
            found = by[name, "pearsons_chi_squared_test"]
            worst["chi"] = max(worst["chi"], abs((found.statistic or 0) / (exact.statistic or 1) - 1))
            unseen = pa.compute.sum(pa.compute.invert(pa.compute.is_in(after.drop_null(), before.unique())))
            counts += by[name, "unseen_category_rate"].count != (unseen.as_py() or 0)
            continue
        low, high = (edge.as_py() for edge in pa.compute.min_max(before).values())
        values = after.drop_null().to_numpy()
        counts += by[name, "out_of_bounds_rate"].count != int(((values < low) | (values > high)).sum())
        found, exact = by[name, KS], measure(KS, before, after)
        error = abs((found.statistic or 0) - (exact.statistic or 0))
        beyond += error > (found.bound or 0) + 1e-12
        worst["ks"] = max(worst["ks"], error)
        moved, truth = by[name, WASSERSTEIN].value or 0, measure(WASSERSTEIN, before, after).value or 0
        worst["w"] = max(worst["w"], abs(moved - truth))
        worst["bucket"] = max(
            worst["bucket"], _bucket_error(_sides(baseline, production, name), before, after)
        )
    return Errors(worst["ks"], worst["w"], worst["bucket"], worst["chi"], counts, beyond)


def _sides(baseline: Profile, production: Profile, name: str) -> NumericSides:
    sides = sides_of(*(side.columns[name].distribution() for side in (baseline, production)))
    assert isinstance(sides, NumericSides)
    return sides


def _bucket_error(sides: NumericSides, before: pa.ChunkedArray, after: pa.ChunkedArray) -> float:
    """Count the rows between the edges anew, at their full precision; the nulls' bucket is the last."""
    edges = quantile_bins(sides.pair).edges
    worst = 0.0
    for told, column in ((sides.buckets.baseline, before), (sides.buckets.production, after)):
        held = column.drop_null().to_numpy()
        anew = np.bincount(np.searchsorted(edges, held, side="right"), minlength=edges.size + 1)
        kept = anew[anew > 0]
        worst = max(worst, float(np.abs(kept - told[: kept.size]).max()) / held.size)
    return worst


def digests(folder: Path, scratch: Path) -> int:
    """Return how many different profiles come of one data set, read in different ways: 1 is right."""
    file = folder / "production.parquet"
    table = pq.read_table(file)
    shuffled = table.take(np.random.default_rng(0).permutation(table.num_rows))
    pq.write_table(shuffled, scratch / "shuffled.parquet", row_group_size=70_001)
    halves = table.slice(0, table.num_rows // 3), table.slice(table.num_rows // 3)
    found = {
        profile(file, threads=1).digest,
        profile(file, threads=4).digest,
        profile(table.to_reader(max_chunksize=9_999)).digest,
        profile(scratch / "shuffled.parquet").digest,
        profile(halves[1]).merge(profile(halves[0])).digest,
    }
    return len(found)
