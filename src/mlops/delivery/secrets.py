"""What a secret looks like: found in files before they are committed, masked in what is posted.

Shapes are those that the issuers publish; a word that is merely random is no finding, since hashes and
ids are random too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["MASK", "Leak", "mask", "scan", "scan_text"]

MASK: Final = "[masked]"

# Each pattern has one group, `secret`: what around it says that it is one may stay readable.
_SHAPES: Final = {
    "private key": (
        r"(?P<secret>-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*KEY-----|\Z))"
    ),
    "Azure storage or service key": (
        r"(?i)\b(?:Account|Shared|Shared ?Access|Primary|Secondary)Key\s*[=:]\s*[\"']?"
        r"(?P<secret>[A-Za-z0-9+/]{40,}={0,2})"
    ),
    "Azure key with its checksum": (
        r"(?<![A-Za-z0-9+/])(?P<secret>[A-Za-z0-9+/]{42,76}"
        r"(?:AZF[uQ]|\+ASt|AAzSe|AzCa|\+ACR|\+ARm|APIM|JQQJ99)[A-Za-z0-9+/]{4,32}={0,2})(?![A-Za-z0-9+/])"
    ),
    "signature of a shared access address": r"(?i)[?&;\"']sig=(?P<secret>[A-Za-z0-9%+/]{32,}(?:=|%3D)*)",
    "client secret of Entra": r"(?<![\w~.-])(?P<secret>[\w~.-]{3}\dQ~[\w~.-]{31,34})(?![\w~.-])",
    "GitHub token": r"\b(?P<secret>(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{60,255}))\b",
    "Pulumi access token": r"\b(?P<secret>pul-[a-f0-9]{40})\b",
    "signed web token": r"\b(?P<secret>eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,})",
    "bearer token": (
        r"(?i)\bauthorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic|token)\s+(?P<secret>[\w.~+/=-]{20,})"
    ),
    "AWS access key": r"\b(?P<secret>(?:AKIA|ASIA)[A-Z2-7]{16})\b",
    "webhook of Slack or Teams": (
        r"(?P<secret>https://(?:hooks\.slack\.com/(?:services|workflows)/[\w/]{20,}"
        r"|[\w-]+\.webhook\.office\.com/webhookb2/[\w@/-]{20,}))"
    ),
    "password in an address": (
        r"\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@\"'<>{}$]+:(?P<secret>[^\s:/@\"'<>{}$]{6,})@"
    ),
    "password in plain words": (
        r"(?i)\b(?:password|passwd|pwd|passphrase|client_?secret|api_?key|access_?token)"
        r"[\"']?\s*[:=]\s*[\"'](?P<secret>[^\s\"'${}<>]{12,})[\"']"
    ),
}
_PATTERNS: Final = tuple((name, re.compile(shape)) for name, shape in _SHAPES.items())
# `git@host:…` is how a repository is named, and nobody's address.
_EMAIL: Final = re.compile(r"\b(?!git@)[\w.+-]+@(?P<domain>[\w-]+(?:\.[\w-]+)+)\b")
# Reserved for examples by RFC 2606, and where GitHub's own bots write from.
_PUBLIC_DOMAINS: Final = ("example.com", "example.org", "example.net", "users.noreply.github.com")
_LARGEST_FILE: Final = 5 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Leak:
    """One place that holds what looks like a secret; the secret itself is not kept.

    Parameters
    ----------
    kind
        What it looks like.
    path, line
        Where, counted from 1.
    """

    kind: str
    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.kind}"


def mask(text: str) -> str:
    """Return text with every secret and every person's e-mail address replaced by a fixed word.

    Examples
    --------
    >>> mask("ask jane@contoso.com")
    'ask [masked]'
    """
    for _, pattern in _PATTERNS:
        text = pattern.sub(lambda found: found[0].replace(found["secret"], MASK), text)
    return _EMAIL.sub(lambda found: found[0] if found["domain"].lower() in _PUBLIC_DOMAINS else MASK, text)


def scan_text(text: str, path: str = "") -> Iterator[Leak]:
    """Yield each secret in a text, in the order of the kinds."""
    for kind, pattern in _PATTERNS:
        for found in pattern.finditer(text):
            if found["secret"] != MASK:
                yield Leak(kind, path, text.count("\n", 0, found.start("secret")) + 1)


def scan(files: Iterable[Path], root: Path) -> list[Leak]:
    """Return every secret in the files; those that hold a zero byte are no text and are passed over.

    Parameters
    ----------
    files
        Files below `root`. One of more than 5 MiB is read up to there.
    """
    leaks: list[Leak] = []
    for path in files:
        if not path.is_file():
            continue
        with path.open("rb") as stream:
            content = stream.read(_LARGEST_FILE)
        if b"\0" not in content:
            leaks += scan_text(content.decode("utf-8", "replace"), path.relative_to(root).as_posix())
    return leaks
