from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from usecases.classical import sample

if TYPE_CHECKING:
    from pathlib import Path


def test_training_is_the_first_part_in_order_and_the_stream_is_the_rest(written: sample.Sample) -> None:
    training = pd.read_parquet(written.training)
    stream = pd.read_parquet(written.stream)
    assert training["row_id"].tolist() == list(range(8_076))
    assert stream["row_id"].tolist() == list(range(8_076, 20_190))


def test_the_stream_carries_no_label_and_its_labels_join_by_row(written: sample.Sample) -> None:
    stream = pd.read_parquet(written.stream)
    labels = pd.read_parquet(written.labels)
    assert not {"any_visit", "mdvis"} & set(stream)
    joined = stream.merge(labels, on="row_id", validate="one_to_one")
    # What production brings is not what the model learned from: visits fall after the break.
    assert pd.read_parquet(written.training)["any_visit"].mean() > 0.74
    assert joined["any_visit"].iloc[-4_000:].mean() < 0.6


def test_csv_and_parquet_hold_the_same_rows(written: sample.Sample) -> None:
    pd.testing.assert_frame_equal(pd.read_csv(written.training_csv), pd.read_parquet(written.training))


def test_writing_twice_gives_the_same_bytes(written: sample.Sample, tmp_path: Path) -> None:
    again = sample.write(tmp_path)
    assert again.stream.read_bytes() == written.stream.read_bytes()
    assert again.training_csv.read_bytes() == written.training_csv.read_bytes()
