from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mlops.errors import SettingsError, UsageError
from mlops.usecase import load_usecase
from usecases.declaration import Declaration

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "pipelines" / "classical"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "pipelines" / "classical" / "usecase.yaml", folder)
    return tmp_path


def edit(root: Path, old: str, new: str) -> int:
    """Replace text in the declaration and return the line where the new text stands."""
    path = root / "pipelines" / "classical" / "usecase.yaml"
    text = path.read_text()
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new))
    return text[: text.index(old)].count("\n") + 1


def refusal(root: Path) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        load_usecase("classical", root)
    return caught.value


def test_the_declaration_is_loaded_and_frozen() -> None:
    usecase = load_usecase("classical", ROOT)
    assert usecase.archetype == "classical"
    assert [column.name for column in usecase.contract.features][:2] == ["lncoins", "idp"]
    with pytest.raises(ValueError, match="frozen"):
        usecase.name = "other"


def test_every_path_that_serving_names_exists() -> None:
    serving = load_usecase("classical", ROOT).serving
    assert (ROOT / serving.code / serving.scoring_script).is_file()
    assert (ROOT / serving.sample_request).is_file()


def test_steps_read_the_same_contract_as_the_checked_model() -> None:
    usecase = load_usecase("classical", ROOT)
    read = Declaration.read(ROOT / "pipelines" / "classical" / "usecase.yaml")
    assert read.contract.names == [column.name for column in usecase.contract.columns]
    for mine, theirs in zip(read.contract.columns, usecase.contract.columns, strict=True):
        for key in ("name", "type", "role", "nullable", "minimum", "maximum", "allowed"):
            assert getattr(mine, key) == getattr(theirs, key), (mine.name, key)
    assert read.threshold == usecase.target.threshold
    assert dict(read.split) == {
        **usecase.training.split.model_dump(),
        "person": list(usecase.training.split.person),
    }
    assert read.latency_requests == usecase.gate.latency.requests


@pytest.mark.parametrize(
    ("old", "new", "nearest"),
    [
        ("  minimum_rows: 2000", "  minimun_rows: 2000", "minimum_rows"),
        ("  seed: 20\n", "  seeds: 20\n", "seed"),
        ("    p95_ms: 100", "    p95_msec: 100", "p95_ms"),
        ("  scoring_script: score.py", "  scoring_scripts: score.py", "scoring_script"),
    ],
)
def test_an_unknown_key_names_file_line_and_the_nearest_key(
    root: Path, old: str, new: str, nearest: str
) -> None:
    line = edit(root, old, new)
    error = refusal(root)
    assert "Unknown key" in str(error)
    assert nearest in str(error)
    assert f"usecase.yaml:{line}" in str(error)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("    held_out: 0.30", "    held_out: 0.40", "add up to 1.1, not 1"),
        ("  column: any_visit", "  column: any_visits", "did you mean 'any_visit'?"),
        ("good: {hlthg: 1}", "good: {hlthq: 1}", "slices.health.good names column 'hlthq'"),
        ("free_care: {lncoins: {maximum: 0}}", "free_care: {lncoins: {}}", "needs a minimum or a maximum"),
        (
            "metric: roc_auc, minimum: 0.58",
            "metric: roc_auc, minimum: 0.58, maximum: 1",
            "either a minimum or",
        ),
        ("metric: roc_auc, margin: 0.02", "metric: roc_auk, margin: 0.02", "roc_auc"),
        ("{name: row_id, type: integer", "{name: disea, type: integer", "declared twice: disea"),
        ("any_visit, type: integer, role: target", "any_visit, type: integer, role: feature", "role target"),
        ("maximum: 4.62", "maximum: -1", "is above maximum"),
    ],
)
def test_what_contradicts_itself_is_refused(root: Path, old: str, new: str, said: str) -> None:
    edit(root, old, new)
    assert said in str(refusal(root))


def test_an_unknown_use_case_names_the_known_ones(root: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_usecase("clasical", root)
    assert caught.value.next_step == "write 'classical'"


def test_a_name_that_is_not_its_folders_is_refused(root: Path) -> None:
    edit(root, "name: classical\n", "name: other\n")
    assert "folder" in str(refusal(root))
