"""The run that a command is part of, as GitHub's runner describes it in the environment."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops.delivery.secrets import mask
from mlops.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Run"]


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a workflow; outside of one, every field is empty.

    Parameters
    ----------
    payload
        The event that started the run.
    number
        GitHub's id of the run; a later run has a larger one.
    output, summary
        Files that take a step's outputs and the page that the run shows.
    """

    repository: str = ""
    event: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict)
    number: int = 0
    commit: str = ""
    url: str = ""
    output: Path | None = None
    summary: Path | None = None

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> Run:
        """Read a runner's environment variables.

        Raises
        ------
        UsageError
            The file with the event is missing or holds no JSON object.
        """
        repository = variables.get("GITHUB_REPOSITORY", "")
        number = variables.get("GITHUB_RUN_ID", "")
        server = variables.get("GITHUB_SERVER_URL", "").rstrip("/")
        return cls(
            repository=repository,
            event=variables.get("GITHUB_EVENT_NAME", ""),
            payload=_payload(variables.get("GITHUB_EVENT_PATH")),
            number=int(number) if number.isdecimal() else 0,
            commit=variables.get("GITHUB_SHA", ""),
            url=f"{server}/{repository}/actions/runs/{number}" if server and repository and number else "",
            output=_path(variables.get("GITHUB_OUTPUT")),
            summary=_path(variables.get("GITHUB_STEP_SUMMARY")),
        )

    @property
    def pull_request(self) -> int | None:
        """The number of the pull request that the event is about."""
        number = (self.payload.get("pull_request") or {}).get("number")
        return number if isinstance(number, int) else None

    @property
    def labels(self) -> frozenset[str]:
        """The labels of that pull request when the event happened."""
        found = (self.payload.get("pull_request") or {}).get("labels") or ()
        return frozenset(str(one.get("name")) for one in found)

    def set_outputs(self, values: Mapping[str, str]) -> None:
        """Add outputs to the step; values are one line each, so that none can name another output.

        Raises
        ------
        UsageError
            A value has more than one line.
        """
        for name, value in values.items():
            if "\n" in value or "\r" in value:
                raise UsageError(
                    "An output of a step has more than one line.",
                    where=name,
                    got=value[:80],
                    expected="one line",
                )
        if self.output is not None:
            with self.output.open("a", encoding="utf-8") as stream:
                stream.write("".join(f"{name}={value}\n" for name, value in values.items()))

    def add_summary(self, text: str) -> None:
        """Add text to the page that the run shows, secrets masked."""
        if self.summary is not None:
            with self.summary.open("a", encoding="utf-8") as stream:
                stream.write(mask(text).rstrip("\n") + "\n\n")


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _payload(text: str | None) -> dict[str, Any]:
    if not text:
        return {}
    try:
        content = json.loads(Path(text).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError("The event of this run cannot be read.", where=text, got=error) from None
    if not isinstance(content, dict):
        raise UsageError("The event of this run is no JSON object.", where=text, got=type(content).__name__)
    return content
