"""The repository's prose: its files, the blocks of commands in them, and the lines of a block."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlops.settings import ROOT

FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
FOLDERS = ("environments", "infra", "pipelines", "src", "tests", ".github")


@dataclass(frozen=True)
class Block:
    """One fenced block: ``bash`` runs offline in the tests, ``sh`` needs an account and is only read."""

    path: Path
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}"

    def commands(self) -> Iterator[list[str]]:
        """Yield the words of each command, without assignments and what comments say."""
        for line in self.text.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|\|", line):
                try:
                    words = shlex.split(part, comments=True)
                except ValueError:
                    continue
                if words:
                    yield words


def files() -> list[Path]:
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md")]
    return sorted(path for path in [ROOT / "README.md", *found] if "node_modules" not in path.parts)


def blocks() -> list[Block]:
    found = []
    for path in files():
        text = path.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            indent = match["indent"]
            body = "".join(line.removeprefix(indent) for line in match["text"].splitlines(keepends=True))
            found.append(Block(path, text.count("\n", 0, match.start()) + 1, match["language"], body))
    return found
