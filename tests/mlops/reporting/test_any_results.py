"""Whatever a run may measure, there is a page of it, and the page is sound."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.reporting import Subject, Timeline, monitor_page
from modelwatch.alerts.evaluation import evaluate
from modelwatch.alerts.history import History
from modelwatch.metrics import METRICS
from modelwatch.results import Status
from tests.mlops.reporting import samples
from tests.mlops.reporting.document import read

VALUES = st.sampled_from([None, 0.0, 5e-324, 1e-9, 0.05, 0.2, 0.999, 1.0, 17.0, -3.0, 1e15, 1e300, -1e300])
NAMES = st.one_of(st.none(), st.sampled_from(["age", "plan", ""]), st.text(max_size=8))
LABELS = st.lists(
    st.sampled_from([*samples.BINS, "[0, 4.94066e-324)", "[1e+300, inf)", "a, b", "__new__", ""]),
    unique=True, max_size=5,
)  # fmt: skip


@st.composite
def measurements(draw: st.DrawFn) -> dict[str, Any]:
    status = draw(st.sampled_from([one.value for one in Status]))
    value = draw(VALUES.filter(lambda one: one is not None)) if status in ("ok", "breach") else draw(VALUES)
    share = st.one_of(st.none(), st.floats(0, 1))
    labels = draw(LABELS)
    counts = st.lists(st.integers(0, 10**9), min_size=len(labels), max_size=len(labels))
    details = {"buckets": labels, "baseline": draw(counts), "production": draw(counts)} if labels else {}
    ends = [end for end in draw(st.tuples(VALUES, VALUES)) if end is not None]
    interval = sorted(ends) if len(ends) == 2 else None
    return samples.row(
        draw(st.sampled_from(["inputs", "performance", "x"])),
        draw(st.sampled_from([*METRICS, "theirs"])), value,
        status=status, p_value=draw(share), q_value=draw(share), threshold=draw(VALUES), feature=draw(NAMES),
        segment=draw(st.sampled_from([None, None, "plan=a", ""])), n_production=draw(st.integers(0, 10**12)),
        note=draw(st.text(max_size=12)), details=details, **({"interval": interval} if interval else {}),
    )  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(measurements(), max_size=6), min_size=1, max_size=3))
def test_any_results_have_a_sound_page(windows: list[list[dict[str, Any]]]) -> None:
    made = []
    for position, rows in enumerate(windows):
        start = samples.START + timedelta(days=position)
        window = {"start": start.isoformat(), "end": (start + timedelta(days=1)).isoformat()}
        made.append({"monitor": "m", "window": window, "measurements": rows, "alerts": []})
    history = History.of(made)
    alerts = evaluate(samples.monitor(), history).alerts()
    for subject in (
        Subject(Timeline.of_result(made[-1])),
        Subject(Timeline.of_history(history, made[-1]), samples.monitor(), [], alerts),
    ):
        page = monitor_page(subject)
        tree = read(page)
        ids = [one.attributes["id"] for one in tree.walk() if "id" in one.attributes]
        assert len(ids) == len(set(ids))
        assert tree.of_class("sentence")[0].text
        for drawn in tree.all("path"):
            assert "nan" not in drawn.attributes["d"]
            assert "inf" not in drawn.attributes["d"]
