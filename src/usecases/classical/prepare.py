"""Split validated rows into blocks of order, so that no person is on both sides of a cut."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np

    from usecases.declaration import Declaration

__all__ = ["NoRecentRowsError", "next_person", "run", "split", "split_recent"]


class NoRecentRowsError(ValueError):
    """The rows that should calibrate and judge the model are not there."""


def run(
    validated: Path,
    declaration: Declaration,
    training: Path,
    held_out: Path,
    *,
    recent_from: int | None = None,
) -> dict[str, Any]:
    """Write the blocks.

    Parameters
    ----------
    validated
        The folder that the validation step wrote.
    declaration
        The use case; its split gives the shares.
    training
        Folder for ``train.parquet``, ``calibration.parquet`` and ``manifest.json``.
    held_out
        Folder for ``held_out.parquet``, in an output of its own so that training cannot see it.
    recent_from
        Id of the first row since the outcome changed: see :func:`split_recent`. None cuts by the shares.

    Raises
    ------
    NoRecentRowsError
        No row is as recent as that, or all are.
    """
    frame = pd.read_parquet(validated / "data.parquet")
    report = json.loads((validated / "report.json").read_text(encoding="utf-8"))
    shares = (declaration.split["train"], declaration.split["calibration"])
    person = declaration.split["person"]
    if recent_from is None:
        train, calibration, rest = split(frame, shares, person)
    else:
        (identifier, *_) = declaration.contract.identifiers
        recent = (frame[identifier] >= recent_from).to_numpy()
        calibration_share = shares[1] / (shares[1] + declaration.split["held_out"])
        train, calibration, rest = split_recent(frame, recent, calibration_share, person)
    manifest = {
        "data_sha256": report["sha256"],
        "rows": {"train": len(train), "calibration": len(calibration), "held_out": len(rest)},
        "positive_rate": {
            name: float(block[declaration.target].mean())
            for name, block in (("train", train), ("calibration", calibration), ("held_out", rest))
        },
    }
    for folder in (training, held_out):
        folder.mkdir(parents=True, exist_ok=True)
    train.to_parquet(training / "train.parquet", index=False)
    calibration.to_parquet(training / "calibration.parquet", index=False)
    rest.to_parquet(held_out / "held_out.parquet", index=False)
    text = json.dumps(manifest, indent=2, allow_nan=False) + "\n"
    (training / "manifest.json").write_text(text, encoding="utf-8")
    return manifest


def split(frame: pd.DataFrame, shares: Sequence[float], person: Sequence[str]) -> list[pd.DataFrame]:
    """Cut `frame` in order at cumulated `shares`, each cut moved on to where the next person begins.

    Returns one block more than there are shares.

    Examples
    --------
    >>> frame = pd.DataFrame({"plan": [1, 1, 1, 2, 2, 3]})
    >>> [list(block.index) for block in split(frame, [0.5], ["plan"])]
    [[0, 1, 2], [3, 4, 5]]
    """
    cuts = [0]
    total = 0.0
    for share in shares:
        total += share
        cuts.append(next_person(frame, round(total * len(frame)), person))
    cuts.append(len(frame))
    return [frame.iloc[start:stop] for start, stop in pairwise(cuts)]


def split_recent(
    frame: pd.DataFrame, recent: np.ndarray[Any, np.dtype[np.bool_]], share: float, person: Sequence[str]
) -> list[pd.DataFrame]:
    """Cut `frame` where the recent rows begin, and those at `share` into calibration and held-out rows.

    After a change there are many rows from before and few since. What ranks people has mostly stayed, so all
    of the past teaches it; how likely a visit is has changed, so only what came since calibrates and judges.

    Parameters
    ----------
    frame
        Rows in order.
    recent
        Which rows are recent, shape (rows,); the first of them begins the recent part.
    share
        Part of the recent rows that calibrates.
    person
        See :func:`next_person`.
    """
    if not recent.any() or recent[0]:
        raise NoRecentRowsError(
            f"{int(recent.sum())} of {len(frame)} rows are recent: a model needs rows from before to learn "
            "from, and rows since to be calibrated and judged on"
        )
    begin = next_person(frame, int(recent.argmax()), person)
    cut = next_person(frame, begin + round(share * (len(frame) - begin)), person)
    return [frame.iloc[:begin], frame.iloc[begin:cut], frame.iloc[cut:]]


def next_person(frame: pd.DataFrame, row: int, person: Sequence[str]) -> int:
    """Return the first row from `row` on whose `person` columns differ from the row before it."""
    columns = frame[list(person)]
    begins = (columns != columns.shift()).any(axis=1).to_numpy()
    later = begins[row:].nonzero()[0]
    return row + int(later[0]) if len(later) else len(frame)
