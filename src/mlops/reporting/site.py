"""The site: one page a monitor, and the page that lists them all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from mlops.files import write_text
from mlops.reporting.drawing import CELLS, strip
from mlops.reporting.formats import listed, plural
from mlops.reporting.levels import Level
from mlops.reporting.monitor_page import page_of
from mlops.reporting.rendering import render
from mlops.reporting.verdict import Verdict
from mlops.reporting.view import MonitorView, Subject, view

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from markupsafe import Markup

    from mlops.reporting.incidents import Incident

__all__ = ["Entry", "index_page", "write_site"]

INDEX: Final = "index.html"
_MOST_WINDOWS: Final = 60
# The alarming first; what nobody knows before what is fine.
_ORDER: Final = ("critical", "warning", "unknown", "info", "fine")
_UNSAFE: Final = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Entry:
    """One monitor in the list.

    Attributes
    ----------
    due
        When the next result should be there at the latest: the end of the second window after this one.
    """

    file: str
    page: MonitorView
    owner: str
    strip: Markup
    due: str | None

    @property
    def opened(self) -> tuple[Incident, ...]:
        """Open incidents."""
        return tuple(incident for incident in self.page.incidents if incident.open)


def write_site(folder: Path, subjects: Iterable[Subject]) -> list[Entry]:
    """Write the pages of all monitors, then the index: a reader never finds a link to nothing.

    Each file is replaced as a whole, and the same history gives the same bytes: writing again is safe.

    Returns
    -------
    list of Entry
        The monitors, the alarming ones first.
    """
    entries: list[Entry] = []
    taken: set[str] = {INDEX}
    for subject in subjects:
        name = _file_name(subject.timeline.monitor, taken)
        page = view(subject)
        write_text(folder / name, page_of(page, index=INDEX))
        entries.append(_entry(name, subject, page))
    entries.sort(key=lambda entry: (_ORDER.index(entry.page.verdict.kind), entry.page.monitor.casefold()))
    write_text(folder / INDEX, index_page(entries))
    return entries


def index_page(entries: Sequence[Entry]) -> str:
    """Return the page that lists all monitors, in the order given."""
    seen = (Level.CALM, Level.NEAR, Level.UNPROVEN, Level.BREACH, Level.DOUBLE, Level.ERROR)
    return render(
        "index.html.j2",
        data={"windows": [], "words": {}, "features": {}, "series": {}, "shapes": {}},
        entries=entries,
        incidents=[(entry, incident) for entry in entries for incident in entry.opened],
        verdict=_verdict(entries),
        key=[(*CELLS[level], level.words) for level in seen],
        kinds={},
    )


def _entry(name: str, subject: Subject, page: MonitorView) -> Entry:
    latest = subject.timeline.overall()
    columns = [one.levels()[-_MOST_WINDOWS:] for one in latest]
    levels = [Level.worst(column) for column in zip(*columns, strict=True)]
    alarming = sum(level.alarming for level in levels)
    words = f"{page.monitor}: a finding in {alarming} of the last {plural(len(levels), 'window')}"
    monitor = subject.monitor
    owner = (monitor.owner or "") if monitor is not None else ""
    return Entry(name, page, owner, strip(levels, words), _due(subject))


def _due(subject: Subject) -> str | None:
    if not subject.timeline.windows:
        return None
    start, end = subject.timeline.windows[-1]
    if start is None or end is None:
        return None
    last = datetime.fromisoformat(end)
    length = max(last - datetime.fromisoformat(start), timedelta(hours=1))
    return (last + 2 * length).isoformat()


def _file_name(monitor: str, taken: set[str]) -> str:
    """Return a file name that is safe everywhere, and of one monitor alone."""
    stem = _UNSAFE.sub("-", monitor.casefold()).strip("-") or "monitor"
    name, number = f"{stem}.html", 1
    while name in taken:
        number += 1
        name = f"{stem}-{number}.html"
    taken.add(name)
    return name


def _verdict(entries: Sequence[Entry]) -> Verdict:
    if not entries:
        return Verdict("unknown", "no monitor", "No monitor has recorded a result yet.")
    opened = [incident for entry in entries for incident in entry.opened]
    by_kind = {
        kind: [entry.page.monitor for entry in entries if entry.page.verdict.kind == kind] for kind in _ORDER
    }
    total = plural(len(entries), "monitor")
    if opened:
        concerned = [entry.page.monitor for entry in entries if entry.opened]
        kind = entries[0].page.verdict.kind
        is_open = "is" if len(opened) == 1 else "are"
        sentence = f"{plural(len(opened), 'incident')} {is_open} open: {listed(concerned)}."
        return Verdict(kind, kind, sentence, f"{total} in all")
    alarming = [*by_kind["critical"], *by_kind["warning"]]
    if alarming:
        need = "needs" if len(alarming) == 1 else "need"
        sentence = f"{len(alarming)} of {total} {need} a look: {listed(alarming)}."
        return Verdict(entries[0].page.verdict.kind, "breach", sentence)
    if by_kind["unknown"]:
        sentence = f"No incident is open, but nothing can be said of {listed(by_kind['unknown'])}."
        return Verdict("unknown", "cannot tell", sentence, f"{total} in all")
    return Verdict("fine", "fine", f"No incident is open: {total} without a finding to act on.")
