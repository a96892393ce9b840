"""Tests of rules as data: series in shorthand, and what must be alerting when (``mlops alerts test``)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from modelwatch.alerts.advancing import advance
from modelwatch.alerts.evaluation import evaluate
from modelwatch.alerts.history import History
from modelwatch.alerts.incidents import incidents
from modelwatch.alerts.machine import State
from modelwatch.alerts.rules import Severity
from modelwatch.alerts.shorthand import expanded, series_row
from modelwatch.alerts.store import AlertStore
from modelwatch.errors import ContractError, UsageError
from modelwatch.metrics import full_name, metric
from modelwatch.monitor import Monitor, place
from modelwatch.sources.windows import parse_duration
from modelwatch.yaml_files import read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ExpectedAlert(_Model):
    """An alert that must be there; what is left out may be anything, but the state is firing by default."""

    rule: str
    feature: str | None = None
    segment: str | None = None
    metric: str | None = None
    state: State = State.FIRING
    severity: Severity | None = None
    inhibited: bool | None = None

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Tell whether a row of `Evaluation.alerts` is this alert."""
        wanted = self.model_dump(mode="json", exclude_none=True)
        if self.metric is not None:
            wanted["metric"] = full_name(self.metric)
        return all(row[name] == value for name, value in wanted.items())


class Expectation(_Model):
    """What must hold after a window.

    Attributes
    ----------
    at
        The window, counted from 1.
    alerts
        All alerts that fire or recover and are not inhibited, and any others worth naming; empty for "none".
    notifications
        How many had been sent by then.
    incidents
        How many are open.
    """

    at: Annotated[int, Field(ge=1)]
    alerts: tuple[ExpectedAlert, ...] | None = None
    notifications: Annotated[int, Field(ge=0)] | None = None
    incidents: Annotated[int, Field(ge=0)] | None = None

    @property
    def counts(self) -> bool:
        """Whether it is about what was told."""
        return self.notifications is not None or self.incidents is not None


class Case(_Model):
    """One test: what is measured, and what comes of it."""

    name: str
    start: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    series: dict[str, str]
    expect: tuple[Expectation, ...]

    @field_validator("start", mode="before")
    @classmethod
    def _in_utc(cls, written: Any) -> Any:
        text = str(written)
        return text if "T" in text or " " in text else f"{text}T00:00:00Z"


class Suite(_Model):
    """A file of tests about one monitor."""

    monitor: str
    tests: Annotated[tuple[Case, ...], Field(min_length=1)]

    @classmethod
    def load(cls, path: Path) -> tuple[Suite, Monitor]:
        """Read a file of tests and the monitor that it names.

        Raises
        ------
        ContractError
            If either is wrong; the message has file and line.
        """
        document = read_yaml(path, "rule test")
        try:
            suite = cls.model_validate(document)
        except ValidationError as error:
            first = error.errors()[0]
            raise ContractError(
                "The rule test is wrong",
                where=place(str(path), first["loc"]),
                got=first.get("input"),
                expected=first["msg"],
            ) from error
        monitor = Monitor.load(path.parent / suite.monitor)
        for position, case in enumerate(suite.tests):
            for key, text in case.series.items():
                try:
                    series_row(key, monitor)
                    expanded(text)
                except UsageError as error:
                    raise ContractError(
                        error.what,
                        where=place(str(path), ("tests", position, "series", key)),
                        got=error.got,
                        expected=error.expected,
                    ) from error
        return suite, monitor


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a test went; `problems` is empty when it passed."""

    name: str
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether everything was as expected."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"name": self.name, "passed": self.passed, "problems": list(self.problems)}


def run_suite(suite: Suite, monitor: Monitor) -> list[Outcome]:
    """Run every test against a monitor's rules."""
    return [run_case(case, monitor) for case in suite.tests]


def run_case(case: Case, monitor: Monitor) -> Outcome:
    """Run one test: the windows arrive one after the other, as in production."""
    results = results_of(case, monitor)
    problems: list[str] = []
    last = max(expectation.at for expectation in case.expect) if case.expect else 0
    if last > len(results):
        return Outcome(case.name, (f"window {last} is expected, the series has {len(results)}",))
    evaluation = evaluate(monitor, History.of(results, monitor.monitor))
    # What is told depends on what was told before, so it takes a journal; states do not.
    told = _told(results, monitor) if any(each.counts for each in case.expect) else None
    for expectation in case.expect:
        found = (
            []
            if expectation.alerts is None
            else _unexpected(expectation.alerts, evaluation.alerts(expectation.at - 1))
        )
        if told is not None:
            found += _miscounted(expectation, *told[expectation.at - 1])
        problems += [f"window {expectation.at}: {problem}" for problem in found]
    return Outcome(case.name, tuple(problems))


def _told(results: Sequence[Mapping[str, Any]], monitor: Monitor) -> list[tuple[int, int]]:
    """Return after each window how many notifications had been sent, and how many incidents are open."""
    counts = []
    sent = 0
    with AlertStore(":memory:") as store:
        for result in results:
            now = datetime.fromisoformat(result["window"]["end"])
            store.record(result, now=now)
            sent += len(advance(store, monitor, now=now))
            counts.append((sent, sum(incident.state == "open" for incident in incidents(store))))
    return counts


def results_of(case: Case, monitor: Monitor) -> list[dict[str, Any]]:
    """Return the contents of ``results.json`` that a test's series stand for, one a window."""
    series = {key: expanded(text) for key, text in case.series.items()}
    size = parse_duration(monitor.data.window)
    results = []
    for number in range(max(map(len, series.values()), default=0)):
        start = case.start + number * size
        rows = [
            _judged({**series_row(key, monitor), **part}, monitor)
            for key, parts in series.items()
            if number < len(parts) and (part := parts[number]) is not None
        ]
        results.append(
            {
                "monitor": monitor.monitor,
                "window": {"start": start.isoformat(), "end": (start + size).isoformat()},
                "measurements": rows,
            }
        )
    return results


def _judged(row: dict[str, Any], monitor: Monitor) -> dict[str, Any]:
    """Judge a written value by its signal's threshold, as measuring would have."""
    bound = monitor.signals[row["signal"]].bounds.get(row["metric"])
    threshold = None if bound is None else bound.value
    row["threshold"] = threshold
    if row["status"] != "ok" or threshold is None:
        return row
    alpha = monitor.signals[row["signal"]].alpha
    convincing = row["q_value"] is None or row["q_value"] < alpha
    breach = metric(row["metric"]).breaches(row["value"], threshold) and convincing
    return {**row, "status": "breach" if breach else "ok"}


def _miscounted(expected: Expectation, sent: int, open_now: int) -> list[str]:
    return [
        f"{found} {name}, expected {wanted}"
        for name, wanted, found in (
            ("notifications", expected.notifications, sent),
            ("open incidents", expected.incidents, open_now),
        )
        if wanted is not None and wanted != found
    ]


def _unexpected(expected: Sequence[ExpectedAlert], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    problems = []
    matched: set[str] = set()
    for each in expected:
        found = [row["fingerprint"] for row in rows if each.matches(row)]
        if not found:
            near = (
                "; ".join(_shown(row) for row in rows if row["rule"] == each.rule) or "no alert of this rule"
            )
            wanted = ", ".join(
                f"{k}: {v}" for k, v in each.model_dump(mode="json", exclude_none=True).items()
            )
            problems.append(f"expected {{{wanted}}}, got {near}")
        matched.update(found)
    problems += [
        f"unexpected {_shown(row)}"
        for row in rows
        if row["state"] in (State.FIRING, State.RECOVERING)
        and not row["inhibited"]
        and row["fingerprint"] not in matched
    ]
    return problems


def _shown(row: Mapping[str, Any]) -> str:
    about = " ".join(str(row[name]) for name in ("feature", "segment") if row[name] is not None)
    state = f"{row['state']} {row['severity']}" if row["severity"] else row["state"]
    return (
        f"{row['rule']}{' on ' + about if about else ''}: {state}{' (inhibited)' if row['inhibited'] else ''}"
    )
