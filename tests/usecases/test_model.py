from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import skops.io
import yaml
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

from usecases.classical import model

SCORE = Path(model.__file__).with_name("score.py")


@pytest.fixture
def copied(model_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_folder, tmp_path / "copied"))


def edit(folder: Path, **changes: object) -> None:
    path = folder / "MLmodel"
    content = yaml.safe_load(path.read_text())
    content.update(changes)
    path.write_text(yaml.safe_dump(content))


def test_a_folder_without_mlmodel_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(model.ModelFormatError, match="no file MLmodel"):
        model.load(tmp_path)


def test_a_model_without_signature_is_refused(copied: Path) -> None:
    edit(copied, signature=None)
    with pytest.raises(model.ModelFormatError, match="has no signature"):
        model.load(copied)


def test_a_pickle_is_never_loaded(copied: Path) -> None:
    edit(copied, flavors={"sklearn": {"pickled_model": "model.pkl", "serialization_format": "cloudpickle"}})
    with pytest.raises(model.ModelFormatError, match="cloudpickle; only skops"):
        model.load(copied)


def test_a_truncated_file_is_refused(copied: Path) -> None:
    stored = copied / "model.skops"
    stored.write_bytes(stored.read_bytes()[:-500])
    with pytest.raises(model.ModelFormatError, match=r"model\.skops cannot be loaded"):
        model.load(copied)


def test_a_type_outside_the_reviewed_list_is_refused(copied: Path) -> None:
    # What an attacker would do: an estimator that calls a function of the attacker's choice.
    skops.io.dump(FunctionTransformer(func=shutil.rmtree), copied / "model.skops")
    with pytest.raises(model.ModelFormatError, match="rmtree"):
        model.load(copied)


def test_rewriting_a_file_without_addresses_does_not_change_what_it_holds(tmp_path: Path) -> None:
    estimator = LogisticRegression(C=0.5).fit([[0.0], [1.0], [2.0]], [0, 0, 1])
    path = tmp_path / "model.skops"
    skops.io.dump(estimator, path)
    model._canonicalise(path)
    restored = skops.io.load(path)
    assert restored.get_params() == estimator.get_params()
    assert (restored.coef_ == estimator.coef_).all()
    assert not re.search(rb"\d{12,}", path.read_bytes().split(b"PK\x01\x02")[-1])


def test_the_digest_sees_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = model.folder_digest(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    renamed = model.folder_digest(tmp_path)
    (tmp_path / "b").write_text("2")
    assert len({first, renamed, model.folder_digest(tmp_path)}) == 3


def test_serving_trusts_the_same_types_as_training() -> None:
    listed = re.search(r"TRUSTED_TYPES = \((.*?)\n\)", SCORE.read_text(), re.DOTALL)
    assert listed is not None
    assert tuple(re.findall(r'"([^"]+)"', listed[1])) == model.TRUSTED_TYPES
