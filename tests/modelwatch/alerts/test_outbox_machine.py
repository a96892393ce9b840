"""Whatever happens in whatever order: each sink ends up knowing how every incident stands, told once."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from modelwatch.alerts.incidents import TOLD
from modelwatch.alerts.store import AlertStore
from tests.modelwatch.alerts.faulty import Crash, Fuse, Recorder, World

if TYPE_CHECKING:
    from modelwatch.alerts.outbox import Notification

BACK_TO_NORMAL = timedelta(days=3)


class Outbox(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        fuse = Fuse()
        # One receiver can be asked what it has, the other cannot.
        self.sinks = [Recorder("asked", fuse=fuse), Recorder("mute", tells=False, fuse=fuse)]
        self.world = World(self.folder / "store.sqlite", self.sinks, fuse=fuse)

    @rule(day=st.integers(0, 5), value=st.sampled_from([0.05, 0.3, 0.6, None]))
    def a_window_arrives(self, day: int, value: float | None) -> None:
        with contextlib.suppress(Crash):
            self.world.run(day, value)

    @rule()
    def the_outbox_has_its_turn(self) -> None:
        with contextlib.suppress(Crash):
            self.world.deliver()

    @rule(further=st.integers(1, 12))
    def something_will_be_killed(self, further: int) -> None:
        self.world.fuse.at = self.world.fuse.steps + further

    @rule(which=st.integers(0, 1), down=st.booleans(), loses=st.booleans())
    def a_sink_changes(self, which: int, down: bool, loses: bool) -> None:
        self.sinks[which].down, self.sinks[which].loses_answers = down, loses

    @rule(hours=st.integers(-48, 48))
    def the_clock_jumps(self, hours: int) -> None:
        self.world.clock.time += timedelta(hours=hours)

    @invariant()
    def who_can_be_asked_is_told_once(self) -> None:
        assert self.sinks[0].most_often() <= 1

    @invariant()
    def nothing_old_is_told_after_something_newer(self) -> None:
        for sink in self.sinks:
            latest: dict[str, int] = {}
            for item in sink.got:
                assert number(item) >= latest.get(item.incident_id, 0)
                latest[item.incident_id] = number(item)

    def teardown(self) -> None:
        self.world.fuse.at = None
        for sink in self.sinks:
            sink.down = sink.loses_answers = False
        self.world.clock.time += BACK_TO_NORMAL
        if self.world.path.exists():
            assert self.world.deliver().complete
            with AlertStore(self.world.path) as store:
                told = store.events(kinds=TOLD)
                store.verify()
            standing = {event.payload["id"]: event for event in told}
            for sink in self.sinks:
                heard = {item.incident_id: item for item in sink.got}
                for name, event in standing.items():
                    if name in heard:
                        assert heard[name].key == event.key
                    else:
                        # They never heard that it began, and it turned out that it had not.
                        assert event.kind == "incident_retracted"
        shutil.rmtree(self.folder)


def number(item: Notification) -> int:
    """Return the position of a notification among those of its incident."""
    return int(item.key.rpartition("/")[2])


TestOutbox = Outbox.TestCase
TestOutbox.settings = settings(
    max_examples=20,
    stateful_step_count=14,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
