"""What a monitor compares production with: the champion's held-out rows, with its answers to them.

They are the newest rows that the model was judged on and never saw, so they say what to expect of inputs,
answers and outcomes alike. A new champion brings a baseline of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from mlops.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from mlops.usecase import UseCase

__all__ = ["held_out_answers"]

_PROBABILITY = "challenger_probability"


def held_out_answers(predictions: Path, usecase: UseCase) -> pd.DataFrame:
    """Return the held-out rows as the endpoint's collected data would have them, with their labels.

    Parameters
    ----------
    predictions
        ``predictions.parquet`` of the evaluation of the model that serves.
    usecase
        Names the columns and the threshold of a label.

    Returns
    -------
    pandas.DataFrame
        The contract's columns, ``probability`` and ``label``.

    Raises
    ------
    DataError
        The file is not what the evaluation writes.
    """
    try:
        frame = pd.read_parquet(predictions)
        columns = [*(column.name for column in usecase.contract.columns), _PROBABILITY]
        rows = frame[columns].rename(columns={_PROBABILITY: "probability"})
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            "The baseline cannot be read from the evaluation of the champion.",
            where=str(predictions),
            got=error,
            expected=f"a Parquet file with the contract's columns and {_PROBABILITY}",
            next_step="evaluate the model again: mlops train",
        ) from error
    return rows.assign(label=(rows["probability"] >= usecase.target.threshold).astype("int64"))
