"""A deterministic pair of data sets: twelve float columns, four of integers, four of text, 2 % nulls."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

GROUP = 250_000
CARDINALITIES = (5, 50, 500, 5_000)


def write(path: Path, rows: int, *, production: bool) -> Path:
    """Write one data set of ``rows`` rows, a row group at a time."""
    writer = None
    for group in range(-(-rows // GROUP)):
        part = _group(group, production=production).slice(0, min(GROUP, rows - group * GROUP))
        writer = writer or pq.ParquetWriter(path, part.schema, compression="snappy")
        writer.write_table(part, row_group_size=GROUP)
    if writer is not None:
        writer.close()
    return path


def write_timed(path: Path, rows: int, *, year: int = 2026) -> Path:
    """Write rows of a month in order of their event time, four columns of numbers and one of text."""
    start = np.datetime64(f"{year}-01-01", "us")
    step = 30 * 86_400 * 1_000_000 // rows
    writer = None
    for group in range(-(-rows // GROUP)):
        generator = np.random.default_rng([year, group])
        size = min(GROUP, rows - group * GROUP)
        moments = start + (np.arange(size) + group * GROUP) * step
        part = pa.table(
            {"moment": pa.array(moments, pa.timestamp("us", tz="UTC"))}
            | {f"x{i}": generator.standard_normal(size) for i in range(4)}
            | {"name": pa.array(generator.choice(["red", "green", "blue"], size))}
        )
        writer = writer or pq.ParquetWriter(path, part.schema)
        writer.write_table(part, row_group_size=GROUP)
    if writer is not None:
        writer.close()
    return path


def _group(group: int, *, production: bool) -> pa.Table:
    generator = np.random.default_rng([2026, group, int(production)])
    shift = 0.1 if production else 0.0
    normal = generator.standard_normal((6, GROUP))
    uniform = generator.random((4, GROUP))
    columns: dict[str, np.ndarray[tuple[int], np.dtype[np.generic]]] = {
        "normal": normal[0],
        "shifted": normal[1] + shift,
        "lognormal": np.exp(normal[2]),
        "heavy": np.exp(2 * normal[3]) * (1 + 2 * shift),
        "student": generator.standard_t(2, GROUP),
        "pareto": uniform[0] ** (-1 / 1.8),
        "exponential": generator.standard_exponential(GROUP) * 250,
        "uniform": uniform[1],
        "mixture": np.where(uniform[2] < 0.5, normal[4] - 3, normal[5] / 2 + 2),
        "zeros": np.where(uniform[3] < 0.6 - shift / 3, 0.0, generator.standard_gamma(2, GROUP) * 40),
        "prices": np.round(generator.standard_gamma(3, GROUP) * 20, 2),
        "beta": generator.beta(0.5, 0.5, GROUP),
        "counts": generator.poisson(3 + shift, GROUP),
        "identifiers": generator.integers(0, 1_000_000, GROUP),
        "ages": np.clip(np.round(normal[0] * 15 + 42), 18, 95).astype(np.int64),
        "seconds": 1_750_000_000 + generator.integers(0, 30 * 86_400, GROUP),
    }
    arrays = {name: pa.array(values, mask=_nulls(generator)) for name, values in columns.items()}
    for size in CARDINALITIES:
        shares = 1 / np.arange(1, size + 1) ** 1.1
        codes = generator.choice(size, GROUP, p=shares / shares.sum()).astype(np.int32)
        names = pa.array([f"category {size} {code:04d}" for code in range(size)])
        encoded = pa.DictionaryArray.from_arrays(pa.array(codes, mask=_nulls(generator)), names)
        arrays[f"text_{size}"] = encoded.cast(pa.string())
    return pa.table(arrays)


def _nulls(generator: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return generator.random(GROUP) < 0.02
