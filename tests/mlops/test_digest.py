"""A model's digest: what changes it, what does not, and who is refused by it."""

from __future__ import annotations

import hashlib
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from mlops.digest import drop_compiled, folder_digest, model_digest, verify
from mlops.errors import RegistryError
from usecases.classical import model as usecase_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "code").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}\n")
    (folder / "code" / "score.py").write_text("A = 1\n")
    return folder


def check(folder: Path, expected: str, *, compiled: bool = False) -> None:
    verify(folder, expected, what="the model", next_step="look", compiled=compiled)


def test_it_is_a_hash_over_sorted_paths_and_contents(model: Path) -> None:
    lines = [
        f"{name}\0{hashlib.sha256((model / name).read_bytes()).hexdigest()}\n"
        for name in ("MLmodel", "code/score.py")
    ]
    digits = hashlib.sha256("".join(lines).encode()).hexdigest()
    assert model_digest(model) == f"sha256:{digits}"
    # The training steps import nothing of this package, and take it by themselves.
    assert usecase_model.folder_digest(model) == folder_digest(model) == digits


def test_place_and_time_do_not_count(model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / "other-name"
    shutil.copytree(model, copy)
    os.utime(copy / "MLmodel", (0, 0))
    assert model_digest(copy) == model_digest(model)


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "MLmodel").write_text("flavors: {} \n"),
        lambda folder: (folder / "MLmodel").rename(folder / "mlmodel"),
        lambda folder: (folder / "more").write_text(""),
        lambda folder: (folder / "code" / "score.py").unlink(),
        lambda folder: (folder / "code" / "score.py").rename(folder / "score.py"),
    ],
    ids=["content", "name", "one-more", "one-less", "moved"],
)
def test_whatever_is_served_counts(model: Path, change: Callable[[Path], object]) -> None:
    before = model_digest(model)
    check(model, before)
    change(model)
    assert model_digest(model) != before
    with pytest.raises(RegistryError, match="not those that were judged") as caught:
        check(model, before)
    assert caught.value.expected == before


def test_compiled_code_is_no_part_of_it_and_may_not_lie_beside_what_serves(model: Path) -> None:
    before = model_digest(model)
    (model / "code" / "__pycache__").mkdir()
    (model / "code" / "__pycache__" / "score.pyc").write_bytes(b"anything")
    assert model_digest(model) == before
    check(model, before, compiled=True)
    with pytest.raises(RegistryError, match="compiled code in code/__pycache__"):
        check(model, before)
    drop_compiled(model)
    check(model, before)


def test_links_and_empty_folders_have_none(model: Path, tmp_path: Path) -> None:
    (model / "link").symlink_to("/etc/hostname")
    with pytest.raises(RegistryError, match="a link, link"):
        model_digest(model)
    with pytest.raises(RegistryError, match="no file"):
        model_digest(tmp_path / "nothing")
