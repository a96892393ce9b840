"""Write the real data that this use case learns from: training rows, and the production stream.

statsmodels ships the data; it is not part of the training image, so it is imported when called.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CHANGED_FROM", "TRAINING_SHARE", "Sample", "load", "write"]

TRAINING_SHARE = 0.4
# From about this row on, 54 % of the people see a doctor instead of 75 %, and no input says so.
CHANGED_FROM = 14_130
TARGET = "any_visit"
_INTEGERS = ("idp", "hlthg", "hlthf", "hlthp")


@dataclass(frozen=True, slots=True)
class Sample:
    """Where the sample was written.

    Parameters
    ----------
    training, training_csv
        The first 40 % in file order, with labels, in both formats.
    stream
        The rows that follow, in order and without labels: what arrives in production.
    labels
        ``row_id`` and label of the stream: what becomes known later.
    changed_from
        ``row_id`` from which on outcomes are known to be others: what an alert is checked against.
    """

    training: Path
    training_csv: Path
    stream: Path
    labels: Path
    changed_from: int = CHANGED_FROM


def load() -> pd.DataFrame:
    """Return all 20,190 rows in file order, with ``row_id`` and the target ``any_visit``."""
    from statsmodels.datasets import randhie  # noqa: PLC0415 - not in the training image

    source: pd.DataFrame = randhie.load_pandas().data
    features = source.drop(columns="mdvis").astype(dict.fromkeys(_INTEGERS, "int64"))
    features.insert(0, "row_id", pd.RangeIndex(len(source)).astype("int64"))
    return features.assign(**{TARGET: (source["mdvis"] > 0).astype("int64")})


def write(folder: Path) -> Sample:
    """Write the sample below `folder`; the same bytes every time."""
    folder.mkdir(parents=True, exist_ok=True)
    frame = load()
    cut = int(TRAINING_SHARE * len(frame))
    training, stream = frame.iloc[:cut], frame.iloc[cut:]
    sample = Sample(
        training=folder / "training.parquet",
        training_csv=folder / "training.csv",
        stream=folder / "stream.parquet",
        labels=folder / "stream_labels.parquet",
    )
    training.to_parquet(sample.training, index=False)
    training.to_csv(sample.training_csv, index=False)
    stream.drop(columns=TARGET).to_parquet(sample.stream, index=False)
    stream[["row_id", TARGET]].to_parquet(sample.labels, index=False)
    return sample
