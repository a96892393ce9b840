"""No committed file names an index of packages, lists of allowed hosts included.

Where packages come from is decided by each machine's own configuration.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Public indexes of packages, a language each. In parts, so that this file passes its own check.
_INDEXES: Final = {
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("pypa", "io"),
    ("anaconda", "org"),
    ("anaconda", "com"),
    ("npmjs", "org"),
    ("npmjs", "com"),
    ("yarnpkg", "com"),
    ("jsr", "io"),
    ("crates", "io"),
    ("rubygems", "org"),
    ("nuget", "org"),
    ("packagist", "org"),
    ("golang", "org"),
    ("maven", "org"),
    ("maven", "apache", "org"),
    ("sonatype", "org"),
    ("r-project", "org"),
}
# A name below an index is one too; `purl` types and names of packages are not hosts.
_HOST: Final = re.compile(
    rf"(?<![\w-])(?:[\w-]+\.)*(?:{'|'.join(sorted(re.escape('.'.join(one)) for one in _INDEXES))})(?![\w-])",
    re.IGNORECASE,
)


def committed(root: Path = ROOT) -> list[Path]:
    """Return the files that git tracks, and those that the next commit could add."""
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    paths = (root / name for name in listed.split("\0") if name)
    return [path for path in paths if path.is_file()]


def hosts_in(path: Path) -> list[str]:
    """Return each line of a file that names an index, as ``file:line: host``."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [
        f"{path}:{number}: {found[0]}"
        for number, line in enumerate(lines, start=1)
        for found in _HOST.finditer(line)
    ]


def test_no_committed_file_names_an_index_of_packages() -> None:
    files = committed()
    assert ROOT / "environments/prod.yaml" in files
    assert [finding for path in files for finding in hosts_in(path)] == []


@pytest.mark.parametrize("index", sorted(_INDEXES), ids=".".join)
@pytest.mark.parametrize("form", ["https://{}/simple", '- "*.{}"', "index-url=http://u@files.{}:443", "{}"])
def test_a_host_is_found_in_whatever_form(tmp_path: Path, index: tuple[str, ...], form: str) -> None:
    path = tmp_path / "settings"
    path.write_text(f"\n{form.format('.'.join(index))}\n", encoding="utf-8")
    assert [finding.partition(": ")[0] for finding in hosts_in(path)] == [f"{path}:2"]


@pytest.mark.parametrize("text", ["pkg:pypi/numpy@2.0", "data.example.com", "notpypi.orgs", "my-{}", "{}-x"])
def test_what_only_resembles_one_is_not(tmp_path: Path, text: str) -> None:
    path = tmp_path / "settings"
    path.write_text(text.format(".".join(("pypi", "org"))), encoding="utf-8")
    assert hosts_in(path) == []
