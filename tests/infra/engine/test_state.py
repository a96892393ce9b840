"""The state file: whole or not at all, secrets sealed, one update at a time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra.engine import EngineError, Secret
from infra.engine.state import ResourceState, Snapshot, StateFile, ordered

RESOURCE = ResourceState(
    urn="urn:pulumi:dev::small::test:index:Thing::a",
    type="test:index:Thing",
    name="a",
    custom=True,
    id="1",
    inputs={"word": Secret({"deep": "hunter2-hunter2"}), "sizes": [1, 2]},
    outputs={"size": 1},
    dependencies=("b", "c"),
    property_dependencies={"word": ("b",)},
    protect=True,
    ignore_changes=("size",),
)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    snapshot = Snapshot((RESOURCE,), {"password": Secret("hunter3-hunter3"), "count": 3})
    StateFile(tmp_path / "dev.json").save(snapshot)
    assert StateFile(tmp_path / "dev.json").load() == snapshot


def test_no_secret_is_in_the_file_and_its_key_is_the_owners(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "dev.json")
    file.save(Snapshot((RESOURCE,), {"password": Secret("hunter3-hunter3")}))
    assert "hunter" not in file.path.read_text()
    assert file.key_path.stat().st_mode & 0o077 == 0


def test_a_stack_without_a_file_is_empty(tmp_path: Path) -> None:
    assert StateFile(tmp_path / "dev.json").load() == Snapshot()


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "cannot be read"), ("[]", "cannot be read"), ('{"version": 7}', "another version")],
)
def test_a_file_that_is_not_ours_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "dev.json").write_text(text)
    with pytest.raises(EngineError, match=message):
        StateFile(tmp_path / "dev.json").load()


def test_a_lost_or_foreign_key_is_said(tmp_path: Path) -> None:
    for name in ("one.json", "two.json"):
        StateFile(tmp_path / name).save(Snapshot((RESOURCE,)))
    (tmp_path / "one.json.key").write_bytes((tmp_path / "two.json.key").read_bytes())
    with pytest.raises(EngineError, match="does not belong"):
        StateFile(tmp_path / "one.json").load()
    (tmp_path / "two.json.key").unlink()
    with pytest.raises(EngineError, match="key of the state file is missing"):
        StateFile(tmp_path / "two.json").load()


def test_a_second_update_of_the_same_stack_is_refused(tmp_path: Path) -> None:
    first, second = StateFile(tmp_path / "dev.json"), StateFile(tmp_path / "dev.json")
    with first.locked(), pytest.raises(EngineError, match="Another update"), second.locked():
        pass
    with second.locked():
        pass


def test_the_file_can_be_read_by_people(tmp_path: Path) -> None:
    StateFile(tmp_path / "dev.json").save(Snapshot((RESOURCE,)))
    (entry,) = json.loads((tmp_path / "dev.json").read_text())["resources"]
    assert entry["protect"] is True
    assert "retain_on_delete" not in entry


def test_resources_are_ordered_by_need_and_then_by_name() -> None:
    resources = [
        ResourceState(name, "t", name, custom=True, dependencies=needs)
        for name, needs in (("c", ("a",)), ("b", ()), ("a", ("d",)), ("d", ()))
    ]
    assert [one.name for one in ordered(resources)] == ["b", "d", "a", "c"]
    assert ordered(reversed(resources)) == ordered(resources)
