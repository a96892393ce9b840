"""Which alerts fire in an environment, as its monitors wrote it to the log workspace.

Reading the table takes no more than the role Reader, which the identity that only looks has.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from mlops.errors import ControlPlaneError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["SCOPE", "LogWorkspace", "firing", "query"]

SCOPE: Final = "https://api.loganalytics.io/.default"
"""What a token has to be for."""

_API: Final = "https://api.loganalytics.azure.com/v1"
_TIMEOUT: Final = 60.0
_COLUMNS: Final = {
    "Fingerprint": "fingerprint",
    "Monitor": "monitor",
    "Rule": "rule",
    "State": "state",
    "Severity": "severity",
    "Owner": "owner",
    "Feature": "feature",
    "Segment": "segment",
    "Since": "since",
}


def query(environment: str) -> str:
    """Return the question in Kusto: the last state of each alert of the past two days, if it fires.

    A monitor of daily windows writes once a day; what it has not written for two days is the dead-man
    rule's to tell.
    """
    return (
        "MonitorAlertStates_CL"
        f" | where TimeGenerated > ago(2d) and Environment == '{environment}'"
        " | summarize arg_max(TimeGenerated, *) by Fingerprint"
        " | where State == 'firing'"
        f" | project {', '.join(_COLUMNS)}"
    )


@dataclass(frozen=True, slots=True)
class LogWorkspace:
    """The workspace that all environments share.

    Parameters
    ----------
    resource_id
        Its ARM id.
    token
        Returns a token for :data:`SCOPE`.
    """

    resource_id: str
    token: Callable[[], str] = field(repr=False)
    api: str = _API

    def ask(self, text: str) -> list[dict[str, Any]]:
        """Return the rows of a query, by the names of their columns.

        Raises
        ------
        ControlPlaneError
            The workspace does not answer, refuses, or answers in part.
        """
        import requests  # noqa: PLC0415 - takes a quarter of a second

        try:
            answer = requests.post(
                f"{self.api}{self.resource_id}/query",
                json={"query": text},
                headers={"Authorization": f"Bearer {self.token()}"},
                timeout=_TIMEOUT,
            )
            content = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise ControlPlaneError(
                "The log workspace does not answer.", where=self.resource_id, got=error
            ) from None
        # A query that ran out of time or memory answers 200 with rows and an error: half of the alerts.
        if not answer.ok or "error" in content:
            told = content.get("error") or {}
            raise ControlPlaneError(
                "The log workspace does not answer the whole question.",
                where=self.resource_id,
                got=f"{answer.status_code} {told.get('code')}: {told.get('message')}",
                next_step="check that the identity has the role Reader on the shared resource group",
            )
        table = content["tables"][0]
        names = [column["name"] for column in table["columns"]]
        return [dict(zip(names, row, strict=True)) for row in table["rows"]]


def firing(rows: Iterable[Mapping[str, Any]], actions: Mapping[tuple[str, str], str]) -> list[dict[str, Any]]:
    """Return the alerts that fire, each with the action that its rule asks for.

    Parameters
    ----------
    rows
        What :func:`query` found.
    actions
        The action of each rule, by monitor and rule, as this repository declares them.

    Raises
    ------
    DataError
        A column is missing.
    """
    found = []
    for row in rows:
        missing = [column for column in _COLUMNS if column not in row]
        if missing:
            raise DataError(
                "A row of the alerts' table lacks columns.",
                where="MonitorAlertStates_CL",
                got=f"no {', '.join(missing)}",
                expected=", ".join(_COLUMNS),
            )
        alert = {name: row[column] or None for column, name in _COLUMNS.items()}
        # A rule that was taken out of the repository asks for nothing any more.
        action = actions.get((str(alert["monitor"]), str(alert["rule"])), "none")
        found.append({**alert, "action": action})
    return sorted(found, key=lambda alert: str(alert["fingerprint"]))
