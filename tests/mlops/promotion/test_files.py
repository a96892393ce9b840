"""Release files: written as this repository's YAML is, read strictly, compared with a revision."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from yamllint import linter
from yamllint.config import YamlLintConfig

from mlops.delivery.releases import at_revision, changes
from mlops.errors import SettingsError, UsageError
from mlops.promotion.files import FOLDER, Releases
from mlops.promotion.release import Release, ReleaseFile, registry_version
from mlops.settings import ROOT, load

if TYPE_CHECKING:
    from pathlib import Path


def release(digits: str = "0a" * 32, **fields: Any) -> Release:
    digest = f"sha256:{digits}"
    lineage = {
        "training_environment": "training:1",
        "code": "c0de",
        "training_data": "rows:1",
        "training_job": "calm_tree_123",
    }
    promoted = {"environment": "dev", "version": "7", "at": "2026-11-26T00:00:00Z", "by": "a@example.com"}
    return Release.model_validate(
        {
            "model": "mlops-classical",
            "registry": "mlr-mlops",
            "version": registry_version(digest),
            "digest": digest,
            "lineage": lineage,
            "gate": {"verdict": "pass", "checks": 3, "rows": 100},
            "promoted": promoted,
            **fields,
        }
    )


def test_the_committed_files_are_what_a_promotion_would_leave() -> None:
    chain = load("prod").promotion.chain[1:]
    releases = Releases(ROOT)
    assert sorted(path.stem for path in (ROOT / FOLDER).glob("*.yaml")) == sorted(chain)
    for name in chain:
        assert releases.read(name).to_yaml(name) == releases.path(name).read_text(encoding="utf-8")


@given(
    digits=st.lists(
        st.text("0123456789abcdef", min_size=64, max_size=64), min_size=1, max_size=4, unique=True
    ),
    by=st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=60),
)
def test_what_is_written_is_read_back_and_is_clean_yaml(digits: list[str], by: str) -> None:
    made: Release | None = None
    for one in digits:
        new = release(one)
        made = new.model_copy(update={"promoted": new.promoted.model_copy(update={"by": by})}).succeeding(
            made
        )
    assert made is not None
    assert made.held() == {f"sha256:{one}" for one in digits}
    text = ReleaseFile().having("classical", made).to_yaml("staging")
    assert ReleaseFile.model_validate(yaml.safe_load(text)).releases == {"classical": made}
    config = YamlLintConfig(file=str(ROOT / ".yamllint.yaml"))
    assert [str(one) for one in linter.run(text, config) if one.rule != "line-length"] == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("digest:", "digst:", "write 'digest' instead of 'digst'"),
        ("      checks:", "      cheks:", "write 'checks' instead of 'cheks'"),
        ("verdict: pass", "verdict: fail", "verdict"),
        ("sha256:0a", "sha256:0A", "digest"),
        ("version: 0a", "version: 1a", "not the digest's own"),
        ("checks: 3", "checks: 0", "checks"),
    ],
)
def test_what_a_hand_changed_is_refused_with_file_and_line(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    releases = Releases(tmp_path)
    releases.write("staging", "classical", release())
    path = releases.path("staging")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(SettingsError, match=words) as caught:
        releases.read("staging")
    assert f"{path}:" in str(caught.value.where)


def test_a_use_case_keeps_its_release_when_another_one_gets_one(tmp_path: Path) -> None:
    releases = Releases(tmp_path)
    assert releases.get("staging", "nlp") is None
    releases.write("staging", "nlp", release("1b" * 32))
    releases.write("staging", "classical", release())
    assert list(releases.read("staging").releases) == ["classical", "nlp"]
    assert not list(releases.path("staging").parent.glob(".*"))


def test_a_change_is_what_differs_from_the_revision(tmp_path: Path) -> None:
    now = Releases(tmp_path / "checkout")
    now.write("staging", "classical", release())
    git = ["git", "-C", str(now.root), "-c", "user.name=t", "-c", "user.email=t@example.com"]
    for arguments in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "first"]):
        subprocess.run([*git, *arguments], check=True)
    now.write("staging", "classical", release("1b" * 32).succeeding(release()))
    now.write("prod", "classical", release())
    before = at_revision("HEAD", now.root, tmp_path / "base", ("dev", "staging", "prod"))
    found = changes(now, before, ("staging", "prod"))
    assert [(one.environment, one.before is None, one.after is None) for one in found] == [
        ("staging", False, False),
        ("prod", True, False),
    ]
    assert changes(now, now, ("staging", "prod")) == []
    with pytest.raises(UsageError, match="fetch-depth"):
        at_revision("nowhere", now.root, tmp_path / "base", ("staging",))
