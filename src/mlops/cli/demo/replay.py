"""The production stream, replayed against a clock that turns when the rows of a day have been sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from mlops.scoring import predictions_of
from mlops.scoring.rows import request_body
from modelwatch import Window

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mlops.scoring import Exchange

__all__ = ["ROWS_A_DAY", "Answer", "Replay", "ReplayClock"]

# Enough that a day's mean squared error is known to 0.02: see pipelines/classical/monitor.yaml.
ROWS_A_DAY: Final = 600
ROWS_A_REQUEST: Final = 20
FIRST_DAY: Final = datetime(2026, 1, 5, tzinfo=UTC)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ReplayClock:
    """The replay's time, for who tells people: nobody waits in it."""

    time: datetime

    def now(self) -> datetime:
        """Return the time."""
        return self.time

    def sleep(self, _seconds: float) -> None:
        """Let no time pass: days do that."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Who answered one row, and by which id its outcome can be joined to the answer."""

    correlation_id: str
    deployment: str


@dataclass
class Replay:
    """Rows in the order in which they arrive; whoever takes some moves the clock on.

    Parameters
    ----------
    rows
        The stream: id and features.
    outcomes
        The label of each row, in the same order: shape (rows,). Nobody sees one before its time.
    identifier
        The id's column, which answers repeat.
    """

    rows: pd.DataFrame
    outcomes: pd.Series[Any]
    identifier: str
    position: int = 0
    answers: dict[int, Answer] = field(default_factory=dict)

    @classmethod
    def read(cls, stream: Path, labels: Path, *, identifier: str, target: str) -> Replay:
        """Read the stream and its labels from files."""
        rows = pd.read_parquet(stream)
        known = pd.read_parquet(labels).set_index(identifier)[target]
        return cls(rows, known.loc[rows[identifier]].reset_index(drop=True), identifier)

    @property
    def is_over(self) -> bool:
        """Whether every row was sent."""
        return self.position >= len(self.rows)

    @property
    def days(self) -> int:
        """Days that the stream lasts; the last one may be short."""
        return -(-len(self.rows) // ROWS_A_DAY)

    @property
    def days_sent(self) -> int:
        """Days whose rows were all sent."""
        return self.days if self.is_over else self.position // ROWS_A_DAY

    def day_of(self, identifier: int) -> int:
        """Return the day, from 0, of the first row whose id is at least `identifier`."""
        return int(self.rows[self.identifier].searchsorted(identifier)) // ROWS_A_DAY

    def window(self, day: int) -> Window:
        """Return a day on the replay's clock."""
        start = FIRST_DAY + day * _DAY
        return Window(start, start + _DAY)

    def day_at(self, moment: datetime) -> int:
        """Return the day, from 0, of a time on the replay's clock."""
        return (moment - FIRST_DAY) // _DAY

    def day(self, day: int) -> pd.DataFrame:
        """Return a day's rows."""
        return self.rows.iloc[day * ROWS_A_DAY : (day + 1) * ROWS_A_DAY]

    def users(self) -> _Users:
        """Return an endless source of the requests of single users, until the stream ends."""
        return _Users(self)

    def rest_of_day(self) -> Iterator[Any]:
        """Yield the day's remaining rows as requests of several rows each."""
        end = min((self.position // ROWS_A_DAY + 1) * ROWS_A_DAY, len(self.rows))
        while self.position < end:
            yield self.take(min(ROWS_A_REQUEST, end - self.position))

    def take(self, count: int) -> Any:
        """Return the next rows as the body of one request."""
        part = self.rows.iloc[self.position : self.position + count]
        self.position += len(part)
        return request_body(part)

    def note(self, exchange: Exchange) -> None:
        """Remember who answered which rows."""
        for prediction in predictions_of(exchange.body) or ():
            answer = Answer(str(prediction["correlationid"]), str(exchange.deployment))
            self.answers[int(prediction[self.identifier])] = answer

    def answered(self, day: int) -> pd.DataFrame:
        """Return a day's answers: id, ``correlationid``, ``deployment``, ``event_time`` and ``outcome``.

        The collector stamps events with the time of day, which knows nothing of the replay's clock; hence
        event times come from the rows' places in the stream.
        """
        part = self.day(day)
        places = [
            place for place, row in zip(part.index, part[self.identifier], strict=True) if row in self.answers
        ]
        identifiers = part.loc[places, self.identifier].tolist()
        found = [self.answers[row] for row in identifiers]
        first = day * ROWS_A_DAY
        return pd.DataFrame(
            {
                self.identifier: identifiers,
                "correlationid": [answer.correlation_id for answer in found],
                "deployment": [answer.deployment for answer in found],
                "event_time": [FIRST_DAY + _DAY * (day + (place - first) / ROWS_A_DAY) for place in places],
                "outcome": self.outcomes.loc[places].tolist(),
            }
        )


@dataclass(frozen=True, slots=True)
class _Users:
    """Requests of one row; not a generator, since a rollout's step that closes it must not end the stream."""

    replay: Replay

    def __iter__(self) -> _Users:
        return self

    def __next__(self) -> Any:
        if self.replay.is_over:
            raise StopIteration
        return self.replay.take(1)
