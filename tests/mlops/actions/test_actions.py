"""From incidents to actions: what is asked for, once, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, get_args

import pytest

from mlops.actions import ActionRequest, Subject, perform, request_actions, requests
from mlops.actions.annotation import AnnotationQueue
from mlops.actions.issue import IssueToOwner
from mlops.actions.performing import MOST_ATTEMPTS
from mlops.actions.requests import close, find
from mlops.actions.router import Archetype, action_for
from mlops.errors import DataError, DeploymentError, UsageError
from modelwatch.alerts.incidents import incidents
from modelwatch.alerts.operating import silence
from modelwatch.alerts.rules import Action
from modelwatch.alerts.store import AlertStore
from modelwatch.alerts.watching import watch
from tests.modelwatch.alerts.faulty import (
    DAY,
    START,
    Crash,
    CrashingStore,
    FakeClock,
    Fuse,
    Recorder,
    monitor,
    results,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from modelwatch.monitor import Monitor

MODEL = Subject("visits", "classical", data_owner="team-data")
WEEK = timedelta(days=7)


def watched(action: str) -> Monitor:
    declared = monitor()
    return declared.model_copy(
        update={"rules": tuple(rule.model_copy(update={"action": action}) for rule in declared.rules)}
    )


class Life:
    """A monitor that fires as long as its numbers are high."""

    def __init__(self, path: Path, action: str = "request_retraining") -> None:
        self.store, self.monitor, self.day = AlertStore(path), watched(action), 0

    def live(
        self, *values: float, subject: Subject | None = MODEL, beside: dict[str, Any] | None = None
    ) -> list[ActionRequest]:
        asked: list[ActionRequest] = []
        for value in values:
            result = results(self.day, value)
            if beside is not None:
                result["measurements"].append({**result["measurements"][0], **beside})
            self.day += 1
            watch(self.store, self.monitor, result, now=self.now)
            asked += self.ask(subject) if subject else []
        return asked

    def ask(self, subject: Subject = MODEL) -> list[ActionRequest]:
        return request_actions(self.store, "credit", subject, now=self.now, cooldown=WEEK)

    @property
    def now(self) -> Any:
        return START + self.day * DAY


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    life = Life(tmp_path / "store.sqlite")
    yield life
    life.store.close()


@pytest.mark.parametrize("archetype", get_args(Archetype))
@pytest.mark.parametrize("action", get_args(Action))
def test_each_incident_asks_for_what_its_archetype_needs(life: Life, archetype: Any, action: str) -> None:
    life.live(0.3)
    incident = replace(incidents(life.store)[0], action=action, cause={"kind": "drift", "text": "x"})
    first = {"classical": "retraining"}.get(archetype, "annotation")
    wanted = {"none": None, "issue": "issue", "request_retraining": first, "request_annotation": "annotation"}
    assert action_for(incident, archetype) == wanted[action]
    broken = replace(incident, cause={"kind": "schema_break", "text": "income is text"})
    assert action_for(broken, archetype) == "issue"


def test_an_incident_asks_once_and_names_its_reason(life: Life) -> None:
    (request,) = life.live(0.3, 0.3, 0.6)
    assert (request.kind, request.model, request.owner) == ("retraining", "visits", "team-risk")
    assert request.reason
    assert life.ask() == []
    assert [item.to_dict() for item in requests(life.store)] == [request.to_dict()]


def test_a_broken_schema_goes_to_the_owner_of_the_data(life: Life) -> None:
    broken = {"signal": "schema", "metric": "null_value_rate", "value": None, "status": "schema_error"}
    (request,) = life.live(0.3, beside=broken)
    assert (request.kind, request.owner) == ("issue", "team-data")


def test_a_model_has_one_open_request_and_rests_after_it(life: Life) -> None:
    (first,) = life.live(0.3)
    # Another incident of the same model: the first has ended, its request has not.
    assert life.live(0.05, 0.3) == []
    close(life.store, first, "done", note="version 4", actor="ada", now=life.now)
    assert life.live(0.3) == []
    assert life.live(*[0.3] * 2) == []
    life.day += 3
    (second,) = life.ask()
    assert second.id != first.id
    assert [item.open for item in requests(life.store)] == [False, True]


def test_another_model_does_not_wait(life: Life) -> None:
    life.live(0.3)
    (other,) = life.live(0.05, 0.3, subject=Subject("fraud", "classical"))
    assert other.model == "fraud"


def test_what_late_data_took_back_is_asked_for_no_more(life: Life) -> None:
    (request,) = life.live(0.3)
    life.day = 0
    life.live(0.05)
    assert find(life.store, request.id).outcome == "cancelled"


def test_a_silenced_incident_asks_for_nothing_until_the_silence_ends(life: Life) -> None:
    life.live(0.05)
    until = life.now + 2 * DAY
    silence(life.store, "credit", {}, owner="ada", reason="migration", until=until, now=life.now)
    assert life.live(0.3) == []
    life.day += 1
    assert [item.kind for item in life.ask()] == ["retraining"]


def test_an_action_is_carried_out_once_and_its_outcome_is_on_record(life: Life) -> None:
    life.live(0.3)
    done: list[str] = []

    def retrain(request: ActionRequest) -> str:
        done.append(request.id)
        return "version 4"

    for _ in range(2):
        perform(life.store, {"retraining": retrain}, clock=FakeClock(life.now), actor="laptop")
    (request,) = requests(life.store)
    assert done == [request.id]
    assert (request.outcome, request.note, request.attempts) == ("done", "version 4", 1)


def test_a_request_waits_for_who_can_act_on_it(life: Life) -> None:
    life.live(0.3)
    assert perform(life.store, {"annotation": lambda request: ""}, clock=FakeClock(), actor="laptop") == []
    assert requests(life.store)[0].open


def test_an_action_that_fails_is_tried_again_and_then_left_to_people(life: Life) -> None:
    life.live(0.3)

    def retrain(request: ActionRequest) -> str:
        raise DeploymentError("No machine is free.")

    for attempt in range(1, MOST_ATTEMPTS + 1):
        (request,) = perform(life.store, {"retraining": retrain}, clock=FakeClock(), actor="laptop")
        assert (request.attempts, request.note) == (attempt, "No machine is free.")
    assert request.outcome == "failed"
    assert perform(life.store, {"retraining": retrain}, clock=FakeClock(), actor="laptop") == []


def test_a_crash_at_any_step_of_an_action_leaves_one_result(tmp_path: Path) -> None:
    for step in range(1, 12):
        path = tmp_path / f"{step}.sqlite"
        life = Life(path, "request_annotation")
        life.live(0.3, subject=None)
        life.store.close()
        queue = AnnotationQueue(tmp_path / f"{step}.jsonl", lambda request: ["azureml:images:3"])
        fuse = Fuse(step)

        def act(request: ActionRequest, queue: AnnotationQueue = queue, fuse: Fuse = fuse) -> str:
            fuse.step()
            note = queue(request)
            fuse.step()
            return note

        for _ in range(2):
            try:
                with CrashingStore(path, fuse) as store:
                    request_actions(store, "credit", Subject("digits", "cv"), now=START + DAY, cooldown=WEEK)
                    perform(store, {"annotation": act}, clock=FakeClock(), actor="laptop")
            except Crash:
                continue
        with AlertStore(path) as survivor:
            (request,) = requests(survivor)
        assert request.outcome == "done"
        (line,) = queue.lines()
        assert (line["id"], line["model"], line["assets"]) == (request.id, "digits", ["azureml:images:3"])
    assert fuse.steps < step, "the last crash point lies behind the end"


def test_a_queue_that_is_something_else_is_left_alone(life: Life, tmp_path: Path) -> None:
    (request,) = life.live(0.3)
    path = tmp_path / "labels.csv"
    path.write_text("id,label\n", encoding="utf-8")
    with pytest.raises(DataError, match="cannot be used"):
        AnnotationQueue(path, lambda request: [])(request)
    assert path.read_text(encoding="utf-8") == "id,label\n"


def test_the_datas_owner_is_told_and_the_incidents_owner_not_twice(life: Life) -> None:
    (request,) = life.live(0.3)
    recorder = Recorder()
    issue = IssueToOwner(life.store, {"team-data": [recorder]})
    assert "own notification" in issue(request)
    assert recorder.got == []
    for _ in range(2):
        issue(replace(request, owner="team-data"))
    (told,) = recorder.got
    assert (told.incident["owner"], told.key) == ("team-data", request.id)


def test_an_unknown_request_is_answered_with_the_nearest_one(life: Life) -> None:
    (request,) = life.live(0.3)
    with pytest.raises(UsageError) as caught:
        find(life.store, request.id[:-1] + "7")
    assert request.id in str(caught.value)
