"""Why a job that runs should stop, told once to everything that runs for it."""

from __future__ import annotations

import enum
import threading


class Reason(enum.Enum):
    """Why."""

    CANCELED = "The job was canceled."
    FAILED_NODE = "Another node of the pipeline failed."
    TIMED_OUT = "The job ran longer than its limit."
    SHUTDOWN = "The control plane is stopping; the job is resumed when it starts again."


class StoppedError(Exception):
    """Raised where the work for a job ends early; not an error of the job."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Stop:
    """A flag with a reason; a stop of the control plane goes before every other one."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._reason: Reason | None = None

    @property
    def reason(self) -> Reason | None:
        """Why to stop, or None."""
        return self._reason

    def set(self, reason: Reason) -> None:
        """Ask to stop; the first reason stays, except for a shutdown."""
        with self._lock:
            if self._reason is None or reason is Reason.SHUTDOWN:
                self._reason = reason
            self._event.set()

    def wait(self, seconds: float) -> bool:
        """Wait for the flag at most so long; say whether it is set."""
        return self._event.wait(seconds)

    def check(self) -> None:
        """Raise :class:`StoppedError` when the flag is set."""
        if self._reason is not None:
            raise StoppedError(self._reason)
