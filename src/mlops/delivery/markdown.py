"""Text that GitHub shows: tables, code spans, folded parts, and a hard limit that never cuts a line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from mlops.delivery.secrets import mask

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["COMMENT_LIMIT", "cell", "code", "fit", "folded", "table"]

COMMENT_LIMIT: Final = 65_536
"""Characters that GitHub takes in the body of one comment or issue."""


def code(value: object) -> str:
    """Return a code span on one line, in which nothing is read as markup."""
    text = re.sub(r"\s+", " ", str(value))
    fence = "`" * (max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    space = " " if text.startswith("`") or text.endswith("`") or not text else ""
    return f"{fence}{space}{text}{space}{fence}"


def cell(value: object) -> str:
    r"""Return text that stays inside its cell, mentions nobody, and is no markup.

    Examples
    --------
    >>> cell("a | <b> @team")
    'a \\| &lt;b> &#64;team'
    """
    text = " ".join(str(value).split())
    for character, shown in (("|", "\\|"), ("<", "&lt;"), ("@", "&#64;"), ("![", "!\\["), ("](", "]\\(")):
        text = text.replace(character, shown)
    return text


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return the lines of a table; cells that are strings are shown as they are, so quote them first.

    A column whose name ends in a colon is set to the right, as numbers are.
    """
    names = [name.removesuffix(":") for name in columns]
    rule = ["---:" if name.endswith(":") else "---" for name in columns]
    lines = [names, rule, *[[str(value) for value in row] for row in rows]]
    return [f"| {' | '.join(line)} |" for line in lines]


def folded(title: str, lines: Iterable[str]) -> list[str]:
    """Return lines that a reader unfolds by a click."""
    return ["<details>", f"<summary>{title}</summary>", "", *lines, "", "</details>"]


def fit(text: str, *, limit: int = COMMENT_LIMIT, rest: str = "the summary of the run has all of it") -> str:
    """Return text masked and within the limit, cut at a whole line with a note of what is missing.

    Parameters
    ----------
    limit
        Characters.
    rest
        Where the whole is.
    """
    text = mask(text).rstrip("\n") + "\n"
    if len(text) <= limit:
        return text
    lines = text.split("\n")
    room = limit - 200 - len(rest)
    kept: list[str] = []
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    # What was opened has to be closed: an open fence or fold would swallow the note.
    closing = ["```"] if sum(line.startswith("```") for line in kept) % 2 else []
    closing += ["</details>"] * (kept.count("<details>") - kept.count("</details>"))
    while len("\n".join([*kept, *closing])) > limit - 150 - len(rest) and kept:
        kept.pop()
    note = f"> **Cut here:** {len(lines) - len(kept)} more lines do not fit; {rest}."
    return "\n".join([*kept, *closing, "", note]) + "\n"
