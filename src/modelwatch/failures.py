"""What goes wrong while measuring: a measurement that says so, never the end of the others."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from modelwatch.errors import WatchError
from modelwatch.results import Measurement, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_LOG = logging.getLogger("modelwatch")
# Who wants to read tracebacks configures logging; on standard error they would bury what a command says.
_LOG.addHandler(logging.NullHandler())


def attempted(
    measuring: Callable[[], list[Measurement]],
    metrics: Iterable[str],
    definition: str,
    *,
    feature: str | None = None,
) -> list[Measurement]:
    """Return what ``measuring`` gives, or if it fails one measurement a metric with status ``error``.

    An error of this package's tree explains itself. Any other was not foreseen: its type and text stand in
    the note, its traceback is logged.

    Parameters
    ----------
    metrics, feature
        What the measurements of a failure are of.
    """
    try:
        return measuring()
    except Exception as error:  # noqa: BLE001  (whatever it is, it must not take the other measurements down)
        note = reason(error)
    return [Measurement(name, definition, None, Status.ERROR, feature=feature, note=note) for name in metrics]


def reason(error: Exception) -> str:
    """Return what an error says, and log the traceback of one that was not foreseen."""
    if isinstance(error, WatchError):
        return str(error)
    _LOG.error("Measuring failed", exc_info=error)
    return f"unforeseen {type(error).__name__}: {error}"
