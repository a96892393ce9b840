"""The demo fails when the monitor does what it must not: each expectation, met and missed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from mlops.cli.demo.expectations import FIRES_WITHIN_DAYS, fire, resolve, stay_quiet
from mlops.cli.demo.replay import FIRST_DAY, Replay
from mlops.cli.demo.steps import RETRAINING
from mlops.errors import MonitoringError
from modelwatch.alerts.incidents import Incident
from modelwatch.alerts.rules import Severity

CHANGED_ON = 10
LABEL_DAYS = 2


def incident(day: int, severity: Severity = Severity.CRITICAL, action: str = RETRAINING) -> Incident:
    opened = (FIRST_DAY.replace(day=FIRST_DAY.day + day)).isoformat()
    fixed: dict[str, Any] = {"monitor": "m", "group": {}, "owner": "o", "route": None, "runbook": None}
    return Incident(
        **fixed,
        id=f"{day}",
        state="open",
        severity=severity,
        opened=opened,
        resolved=None,
        action=action,
        cause={"kind": "unknown", "text": ""},
        alerts=(),
    )


@dataclass
class Days:
    """Production as the expectations see it: what is told when, and when it is over."""

    told: dict[int, Incident]
    resolved_after: int | None = None
    last: int = 20
    ended: int = 0
    known: list[Incident] = field(default_factory=list)

    @property
    def watch(self) -> Any:
        return SimpleNamespace(
            label_days=LABEL_DAYS,
            open_incidents=lambda action: [i for i in self.known if i.action == action and i.state == "open"],
            incidents=lambda: self.known,
        )

    @property
    def replay(self) -> Any:
        return SimpleNamespace(day_at=lambda moment: Replay.day_at(self, moment))  # type: ignore[arg-type]

    @property
    def is_over(self) -> bool:
        return self.ended >= self.last

    def next_day(self) -> list[Any]:
        day, self.ended = self.ended, self.ended + 1
        if self.resolved_after == day:
            self.known = [replace(each, state="resolved") for each in self.known]
        if day not in self.told:
            return []
        self.known.append(self.told[day])
        return [SimpleNamespace(kind="incident_opened", payload={"incident": self.told[day].to_dict()})]


def production(*args: Any, **options: Any) -> Any:
    return Days(*args, **options)


def test_days_without_a_page_pass() -> None:
    days = production({3: incident(1, Severity.INFO, "none")})
    stay_quiet(days, CHANGED_ON)
    assert days.ended == CHANGED_ON


@pytest.mark.parametrize("severity", [Severity.WARNING, Severity.CRITICAL])
def test_a_page_before_the_change_is_told(severity: Severity) -> None:
    with pytest.raises(MonitoringError, match="although outcomes are as they were"):
        stay_quiet(production({3: incident(1, severity)}), CHANGED_ON)


def test_the_alert_is_about_the_day_it_names() -> None:
    days = production({13: incident(11)})
    found, about = fire(days, CHANGED_ON)
    assert (found.id, about, days.ended) == ("11", 11, 14)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({11: incident(9)}, "although outcomes are as they were"),
        ({12: incident(9)}, "not about the days"),
        ({18: incident(CHANGED_ON + FIRES_WITHIN_DAYS)}, "not about the days"),
        ({}, "did not say so"),
        ({13: incident(11, action="issue")}, "did not say so"),
    ],
)
def test_an_alert_too_early_too_late_or_never_fails_the_demo(told: dict[int, Incident], said: str) -> None:
    with pytest.raises(MonitoringError, match=said):
        fire(production(told, ended=CHANGED_ON), CHANGED_ON)


def test_an_incident_that_resolves_is_the_end() -> None:
    days = production({}, resolved_after=17, ended=15, known=[incident(11)])
    found, ended = resolve(days)
    assert (found.state, ended, days.is_over) == ("resolved", 18, True)


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (Days({}, ended=15, known=[incident(11)]), "did not resolve"),
        (Days({18: incident(18)}, resolved_after=17, ended=15, known=[incident(11)]), "One change is one"),
    ],
)
def test_an_alert_that_stays_or_comes_again_fails_the_demo(days: Any, said: str) -> None:
    with pytest.raises(MonitoringError, match=said):
        resolve(days)
