"""Split validated rows into blocks of order, so that no person is on both sides of a cut."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from usecases.declaration import Declaration

__all__ = ["next_person", "run", "split"]


def run(validated: Path, declaration: Declaration, training: Path, held_out: Path) -> dict[str, Any]:
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
    """
    frame = pd.read_parquet(validated / "data.parquet")
    report = json.loads((validated / "report.json").read_text(encoding="utf-8"))
    shares = (declaration.split["train"], declaration.split["calibration"])
    train, calibration, rest = split(frame, shares, declaration.split["person"])
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


def next_person(frame: pd.DataFrame, row: int, person: Sequence[str]) -> int:
    """Return the first row from `row` on whose `person` columns differ from the row before it."""
    columns = frame[list(person)]
    begins = (columns != columns.shift()).any(axis=1).to_numpy()
    later = begins[row:].nonzero()[0]
    return row + int(later[0]) if len(later) else len(frame)
