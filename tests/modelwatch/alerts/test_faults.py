"""Faults: a crash at every step, sinks that are away, two runs at once, clocks and windows out of order."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from modelwatch.alerts.exclusive import exclusive
from modelwatch.alerts.ledger import Backoff
from modelwatch.alerts.operating import silence
from modelwatch.alerts.store import AlertStore
from modelwatch.alerts.watching import watch
from tests.modelwatch.alerts.faulty import (
    DAY,
    START,
    STORY,
    TOLD,
    Crash,
    FakeClock,
    Fuse,
    Recorder,
    World,
    monitor,
    results,
)

if TYPE_CHECKING:
    from pathlib import Path

    from modelwatch.alerts.sinks import Notification


def steps_of_the_story(folder: Path) -> int:
    fuse = Fuse()
    sinks = [Recorder("a", fuse=fuse), Recorder("b", fuse=fuse)]
    World(folder / "reference.sqlite", sinks, fuse=fuse).run_all()
    return fuse.steps


def test_a_crash_at_any_step_loses_nothing_and_tells_nothing_twice(tmp_path: Path) -> None:
    count = steps_of_the_story(tmp_path)
    assert count > 45
    for step in range(1, count + 1):
        fuse = Fuse(step)
        asked, mute = Recorder("a", fuse=fuse), Recorder("b", tells=False, fuse=fuse)
        world = World(tmp_path / f"{step}.sqlite", [asked, mute], fuse=fuse)
        with pytest.raises(Crash):
            world.run_all()
        fuse.at = None
        world.run_all()

        assert asked.kinds == TOLD, f"crash at step {step}"
        # Where nobody can know whether it arrived it comes once more, and says so by its key.
        assert mute.distinct == TOLD, f"crash at step {step}"
        assert len(mute.got) <= len(TOLD) + 1, f"crash at step {step}"
        with AlertStore(world.path) as store:
            store.verify()


def test_two_crashes_in_a_row_are_as_good_as_one(tmp_path: Path) -> None:
    for first in range(3, 24, 4):
        fuse = Fuse()
        recorder = Recorder(fuse=fuse)
        world = World(tmp_path / f"{first}.sqlite", [recorder], fuse=fuse)
        for further in (first, 7):
            fuse.at = fuse.steps + further
            with pytest.raises(Crash):
                world.run_all()
        fuse.at = None
        world.run_all()
        assert recorder.kinds == TOLD


def test_an_answer_that_is_lost_is_no_second_notification(tmp_path: Path) -> None:
    recorder = Recorder(loses_answers=True)
    world = World(tmp_path / "store.sqlite", [recorder])
    world.run_all()
    assert recorder.kinds == TOLD


def test_a_sink_that_is_down_for_an_hour_hears_the_latest_once(tmp_path: Path) -> None:
    away, there = Recorder("away", down=True), Recorder("there")
    world = World(tmp_path / "store.sqlite", [away, there])
    world.run(0, STORY[0])
    world.run(1, STORY[1])
    assert there.kinds == ["opened", "escalated"]
    assert away.got == []

    while world.clock.now() < START + 2 * DAY + timedelta(hours=1):
        world.clock.time += timedelta(minutes=1)
        assert not world.deliver().complete
    attempts = away.attempts
    assert attempts < 12, "each pause is twice as long as the one before"

    away.down = False
    world.clock.time += timedelta(hours=1)
    assert world.deliver().complete
    assert away.kinds == ["escalated"]
    world.run(2, STORY[2])
    assert away.kinds == ["escalated", "resolved"]
    assert there.kinds == TOLD


def test_patience_waits_for_a_sink_with_growing_pauses(tmp_path: Path) -> None:
    class ComesBack(Recorder):
        def delivered(self, notification: Notification) -> bool | None:
            self.down = world.clock.now() < START + DAY + timedelta(hours=1)
            return super().delivered(notification)

    recorder = ComesBack(down=True)
    world = World(tmp_path / "store.sqlite", [recorder])
    world.run(0, 0.3)
    world.clock.time += timedelta(minutes=1)
    delivery = world.deliver(patience=timedelta(hours=3), backoff=Backoff(longest=timedelta(minutes=20)))
    assert delivery.complete
    assert recorder.kinds == ["opened"]
    assert world.clock.waits == sorted(world.clock.waits)
    assert max(world.clock.waits) == 20 * 60


def test_a_receiver_that_asks_for_time_gets_it(tmp_path: Path) -> None:
    recorder = Recorder(down=True, retry_after=7200.0)
    world = World(tmp_path / "store.sqlite", [recorder])
    world.run(0, 0.3)
    recorder.down = False
    world.clock.time += timedelta(minutes=90)
    assert not world.deliver().complete
    world.clock.time += timedelta(minutes=31)
    assert world.deliver().complete


def test_one_refused_notification_does_not_hold_up_the_others(tmp_path: Path) -> None:
    recorder = Recorder(refuses=frozenset({"escalated"}))
    world = World(tmp_path / "store.sqlite", [recorder])
    world.run_all()
    assert recorder.kinds == ["opened", "resolved"]


def test_a_defect_of_one_sink_does_not_silence_another_and_is_on_record(tmp_path: Path) -> None:
    class Broken(Recorder):
        def deliver(self, notification: Notification) -> str:
            raise KeyError("https://secret.example/token")

    there = Recorder("there")
    world = World(tmp_path / "store.sqlite", [Broken("broken"), there])
    delivery = world.run(0, 0.3)
    assert there.kinds == ["opened"]
    assert [failure.sink for failure in delivery.failures] == ["broken"]
    assert "KeyError" in delivery.failures[0].reason
    with AlertStore(world.path) as store:
        assert "secret.example" not in "".join(store.export())


@pytest.mark.parametrize("back", [timedelta(minutes=5), timedelta(days=400)])
def test_a_clock_that_is_set_back_stops_nothing(tmp_path: Path, back: timedelta) -> None:
    recorder = Recorder(down=True)
    world = World(tmp_path / "store.sqlite", [recorder])
    world.run(0, 0.3)
    world.clock.time -= back
    assert not world.deliver(patience=timedelta(minutes=10)).complete
    recorder.down = False
    world.clock.time += timedelta(hours=2)
    assert world.deliver().complete
    assert recorder.kinds == ["opened"]
    with AlertStore(world.path) as store:
        times = [event.at for event in store.events()]
        assert times == sorted(times)
        store.verify()


def test_windows_out_of_order_tell_each_incident_once(tmp_path: Path) -> None:
    recorder = Recorder()
    world = World(tmp_path / "store.sqlite", [recorder])
    for day in (0, 2, 1):
        world.run(day, STORY[day])
    assert recorder.kinds[0] == "opened"
    assert recorder.kinds[-1] == "resolved"
    assert len({item.incident_id for item in recorder.got}) == 1
    assert recorder.most_often() == 1


def test_the_same_window_twice_tells_nothing_new(tmp_path: Path) -> None:
    recorder = Recorder()
    world = World(tmp_path / "store.sqlite", [recorder])
    for day, value in enumerate(STORY):
        world.run(day, value)
        world.run(day, value)
    assert recorder.kinds == TOLD


def test_a_late_row_that_ends_an_untold_incident_is_not_mentioned(tmp_path: Path) -> None:
    away, there = Recorder("away", down=True), Recorder("there")
    world = World(tmp_path / "store.sqlite", [away, there])
    world.run(0, 0.3)
    # No attempt was made yet where the sink is only now in the route.
    world.run(0, 0.05)
    assert there.kinds == ["opened", "retracted"]
    away.down = False
    world.clock.time += timedelta(hours=2)
    world.deliver()
    # An attempt was made, and nobody can be sure that it failed: it is taken back.
    assert away.kinds == ["retracted"]


def test_a_sink_that_joins_a_route_is_not_told_the_past(tmp_path: Path) -> None:
    first, late = Recorder("first"), Recorder("late")
    world = World(tmp_path / "store.sqlite", [first])
    world.run(0, 0.3)
    world.sinks = [first, late]
    world.run(1, 0.6)
    assert late.kinds == ["escalated"]
    assert first.kinds == ["opened", "escalated"]


def test_a_sink_that_leaves_holds_up_nothing_and_is_told_when_it_is_back(tmp_path: Path) -> None:
    leaves, stays = Recorder("leaves", down=True), Recorder("stays")
    world = World(tmp_path / "store.sqlite", [leaves, stays])
    world.run(0, 0.3)
    world.sinks = [stays]
    delivery = world.deliver()
    assert delivery.complete
    assert [name for name, _ in delivery.parted] == ["leaves"]
    leaves.down, world.sinks = False, [leaves, stays]
    world.clock.time += DAY
    assert world.deliver().complete
    assert leaves.kinds == ["opened"]


def test_what_has_no_route_waits_for_one(tmp_path: Path) -> None:
    recorder = Recorder()
    world = World(tmp_path / "store.sqlite", [])
    delivery = world.run(0, 0.3)
    assert [item.kind for item in delivery.unroutable] == ["opened"]
    assert not delivery.complete
    world.sinks = [recorder]
    assert world.deliver().complete
    assert recorder.kinds == ["opened"]


def test_a_silence_holds_back_and_what_is_still_open_is_told_afterwards(tmp_path: Path) -> None:
    recorder = Recorder()
    world = World(tmp_path / "store.sqlite", [recorder])
    world.run(0, 0.05)
    with AlertStore(world.path) as store:
        now = world.clock.now()
        silence(
            store,
            "credit",
            {"feature": "inc*"},
            owner="ada",
            reason="migration",
            until=now + 3 * DAY,
            now=now,
        )
    delivery = world.run(1, 0.3)
    assert recorder.got == []
    assert delivery.complete
    assert len(delivery.silenced) == 1
    world.clock.time = now + 3 * DAY
    world.deliver()
    assert recorder.kinds == ["opened"]


def test_what_came_and_went_under_a_silence_is_not_told(tmp_path: Path) -> None:
    recorder = Recorder()
    world = World(tmp_path / "store.sqlite", [recorder])
    world.run(0, 0.05)
    with AlertStore(world.path) as store:
        now = world.clock.now()
        silence(store, "credit", {}, owner="ada", reason="migration", until=now + 9 * DAY, now=now)
    for day, value in enumerate(STORY, 1):
        world.run(day, value)
    world.clock.time += 9 * DAY
    assert world.deliver().complete
    assert recorder.got == []


def test_who_finds_another_deliverer_leaves_the_work_to_it(tmp_path: Path) -> None:
    recorder = Recorder()
    world = World(tmp_path / "store.sqlite", [recorder])
    world.run(0, 0.05)
    with exclusive(tmp_path / "store.sqlite.delivery") as held:
        assert held
        delivery = world.run(1, 0.3, wait=0.05)
        assert (delivery.busy, delivery.complete) == (True, False)
        assert recorder.got == []
    assert world.deliver().complete
    assert recorder.kinds == ["opened"]


def test_what_is_found_while_a_sink_is_waited_for_is_told_by_who_waits(tmp_path: Path) -> None:
    class Waits(FakeClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            with AlertStore(world.path) as store:
                watch(store, monitor(), results(1, 0.6), now=self.now())
            recorder.down = False

    recorder = Recorder(down=True)
    world = World(tmp_path / "store.sqlite", [recorder], clock=Waits())
    world.run(0, 0.3)
    assert world.deliver(patience=timedelta(hours=1)).complete
    assert recorder.kinds == ["escalated"]


# What a monitor's run does, in a process of its own that can be killed; the sink is a file that can be asked.
PROCESS = textwrap.dedent(
    """
    import json, os, pathlib, signal, sys
    from tests.modelwatch.alerts.faulty import World, Recorder

    class Lines(Recorder):
        def deliver(self, notification):
            with open(sys.argv[2], "a") as stream:
                stream.write(json.dumps([notification.key, notification.kind]) + "\\n")
                stream.flush()
                os.fsync(stream.fileno())
            if sys.argv[3] == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            return "line"

        def delivered(self, notification):
            lines = pathlib.Path(sys.argv[2]).read_text().splitlines()
            return notification.key in [json.loads(line)[0] for line in lines]

    World(pathlib.Path(sys.argv[1]), [Lines()]).run_all()
    """
)


def process(folder: Path, mode: str) -> subprocess.Popen[bytes]:
    files = [str(folder / "store.sqlite"), str(folder / "lines.jsonl")]
    return subprocess.Popen([sys.executable, "-c", PROCESS, *files, mode])


def told(folder: Path) -> list[str]:
    lines = (folder / "lines.jsonl").read_text(encoding="utf-8").splitlines()
    assert len({json.loads(line)[0] for line in lines}) == len(lines)
    return [json.loads(line)[1] for line in lines]


def test_two_processes_at_once_that_are_killed_after_sending(tmp_path: Path) -> None:
    # Both find no store. Each dies at the worst moment: it has sent something, and the journal does not know.
    # The second takes over the lock of the first, which nobody released but the system.
    both = [process(tmp_path, "kill") for _ in range(2)]
    assert [each.wait() for each in both] == [-signal.SIGKILL, -signal.SIGKILL]
    assert told(tmp_path) == TOLD[:2]
    assert process(tmp_path, "go on").wait() == 0
    assert told(tmp_path) == TOLD
