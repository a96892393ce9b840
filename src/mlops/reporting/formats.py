"""Numbers and times as people read them; rounding happens here and nowhere else."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from mlops.reporting.units import Unit

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "NOTHING",
    "bound",
    "count",
    "day",
    "listed",
    "moment",
    "number",
    "plural",
    "significance",
    "window_label",
]

_DAY = timedelta(days=1)
_SMALLEST_SHARE = 0.0001
_SMALLEST_P = 0.001
NOTHING = "\u2013"
# No line breaks between a number and its unit, nor between thousands.
_THIN, _MINUS = "\u202f", "\u2212"


def number(value: float | None, unit: Unit = Unit.INDEX) -> str:
    """Return a value with its unit, `NOTHING` where there is none.

    Examples
    --------
    >>> number(0.41237), number(51.24, Unit.INDEX)
    ('0.412', '51.2')
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    if unit is Unit.SHARE:
        return _share(value)
    if unit is Unit.P_VALUE:
        return significance(value)
    if unit is Unit.SECONDS:
        return _seconds(value)
    if unit is Unit.FLAG:
        return "found" if value else "none"
    suffix = f"{_THIN}{unit.value}" if unit in (Unit.MILLISECONDS, Unit.PER_SECOND) else ""
    return _plain(value) + suffix


def bound(value: float | None, unit: Unit = Unit.INDEX) -> str:
    """Return a threshold: the number as somebody wrote it, without zeros behind it."""
    text, space, rest = number(value, unit).partition(_THIN)
    if "." in text and "e" not in text:
        text = text.rstrip("0").rstrip(".")
    return text + space + rest


def _plain(value: float) -> str:
    size = abs(value)
    if size and (size < 0.001 or size >= 1e7):
        return f"{value:.2e}".replace("-", _MINUS)
    text = f"{value:,.3f}" if size < 10 else f"{value:,.1f}" if size < 1000 else f"{value:,.0f}"
    return text.replace("-", _MINUS).replace(",", _THIN)


def _share(value: float) -> str:
    percent = 100 * value
    if 0 < value < _SMALLEST_SHARE:
        return f"<\u00a00.01{_THIN}%"
    if percent in (0, 100):
        return f"{percent:.0f}{_THIN}%"
    return f"{percent:.2f}{_THIN}%" if percent < 10 else f"{percent:.1f}{_THIN}%"


def _seconds(value: float) -> str:
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if value >= 2 * size:
            return f"{value / size:.1f}{_THIN}{name}"
    return f"{value:.1f}{_THIN}s"


def significance(value: float | None) -> str:
    """Return a p- or q-value to two significant digits; what is below 0.001 says just that."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value < _SMALLEST_P:
        return "<\u00a00.001"
    return f"{value:.2g}" if value < 0.995 else "1"


def count(value: int) -> str:
    """Return a count with thin spaces between thousands."""
    return f"{value:,}".replace(",", _THIN)


def plural(amount: int, noun: str, many: str | None = None) -> str:
    """Return ``1 feature`` or ``2 features``."""
    return f"{count(amount)} {noun if amount == 1 else many or noun + 's'}"


def listed(names: Sequence[str], most: int = 3) -> str:
    """Return ``a, b and c``; beyond ``most`` names, how many more there are."""
    shown = list(names[:most])
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def moment(text: str | datetime | None) -> str:
    """Return an ISO 8601 time as ``25 Nov 2026 14:05 UTC``; text that is no time stays as it is."""
    read = _read(text)
    return str(text or NOTHING) if read is None else f"{read:%-d %b %Y %H:%M} UTC"


def day(text: str | datetime | None) -> str:
    """Return ``25 Nov``, or ``25 Nov 14:05`` where the day alone would not tell."""
    read = _read(text)
    if read is None:
        return str(text or NOTHING)
    return f"{read:%-d %b}" if (read.hour, read.minute) == (0, 0) else f"{read:%-d %b %H:%M}"


def window_label(start: str | None, end: str | None) -> str:
    """Return a window as a day, a range of days, or two times.

    Examples
    --------
    >>> window_label("2026-11-24T00:00:00+00:00", "2026-11-25T00:00:00+00:00")
    '24 Nov 2026'
    """
    first, after = _read(start), _read(end)
    if first is None or after is None:
        return "all rows"
    whole = not any((first.hour, first.minute, first.second, after.hour, after.minute, after.second))
    if not whole:
        return f"{first:%-d %b %Y %H:%M} to {after:%-d %b %Y %H:%M} UTC"
    last = after - _DAY
    if last.date() == first.date():
        return f"{first:%-d %b %Y}"
    return (
        f"{first:%-d %b} to {last:%-d %b %Y}"
        if first.year == last.year
        else f"{first:%-d %b %Y} to {last:%-d %b %Y}"
    )


def _read(value: str | datetime | None) -> datetime | None:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    try:
        read = datetime.fromisoformat(value) if value else None
    except ValueError:
        return None
    if read is None:
        return None
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
