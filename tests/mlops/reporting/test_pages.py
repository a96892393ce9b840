"""What must hold of every page: one sound file, readable by everybody, that nothing in the data can break."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from itertools import pairwise

import pytest

from mlops.reporting import Subject, Timeline, monitor_page
from mlops.reporting.rendering import TEMPLATES
from mlops.reporting.site import index_page
from modelwatch.alerts.history import History
from tests.mlops.reporting import samples
from tests.mlops.reporting.document import Element, read


def single() -> str:
    return monitor_page(Subject(Timeline.of_result(samples.results(1, 8)[0])))


def failing() -> str:
    return monitor_page(Subject(Timeline.of_result(samples.results(40, 8)[-1])))


def empty() -> str:
    nothing = {"monitor": "m", "window": {"start": None, "end": None}, "measurements": []}
    return monitor_page(Subject(Timeline.of_result(nothing)))


def long() -> str:
    return monitor_page(samples.subject(40, 8))


def hostile() -> str:
    """A page in which every name is an attack."""
    made = samples.results(3, 8)
    for result in made:
        result["monitor"] = samples.HOSTILE
        for row in result["measurements"]:
            row |= {"signal": samples.HOSTILE, "note": samples.HOSTILE}
            row["segment"] = samples.HOSTILE if row["segment"] else None
            if "buckets" in row.get("details", {}):
                row["details"] = {
                    **row["details"],
                    "buckets": [samples.HOSTILE],
                    "baseline": [1],
                    "production": [1],
                }
    evil = samples.HOSTILE
    incident = {
        "id": evil, "group": {"monitor": evil}, "state": "open", "severity": evil, "opened": evil,
        "owner": evil,
        "route": evil, "runbook": f"javascript:{evil}", "action": evil,
        "cause": {"kind": "hint", "text": evil},
        "alerts": [{"metric": evil, "feature": evil, "state": evil}],
        "annotations": [{"at": evil, "by": evil, "text": evil}],
    }  # fmt: skip
    alerts = [{"rule": samples.HOSTILE, "metric": "accuracy", "state": "firing"}]
    history = History.of(made)
    subject = Subject(Timeline.of_history(history, made[-1]), None, [incident], alerts)
    return monitor_page(subject)


PAGES: dict[str, Callable[[], str]] = {
    "single": single,
    "failing": failing,
    "empty": empty,
    "long": long,
    "hostile": hostile,
    "no monitors": lambda: index_page([]),
}


@pytest.fixture(scope="module", params=PAGES)
def page(request: pytest.FixtureRequest) -> str:
    return PAGES[request.param]()


@pytest.fixture(scope="module")
def tree(page: str) -> Element:
    return read(page)


def test_nothing_is_fetched(page: str, tree: Element) -> None:
    for element in tree.walk():
        for name in ("src", "href", "action", "data", "srcset"):
            target = element.attributes.get(name, "#")
            assert target.startswith("#") or target == "data:,", (element.name, target)
    for style in tree.all("style"):
        assert not re.search(r"url\(|@import|https?:", style.text)
    assert re.findall(r"https?://", page) == []


def test_only_the_pages_own_script_may_run(tree: Element) -> None:
    policy = next(m for m in tree.all("meta") if m.attributes.get("http-equiv") == "Content-Security-Policy")
    scripts = tree.all("script")
    assert [script.attributes.get("type") for script in scripts] == ["application/json", None]
    digest = base64.b64encode(hashlib.sha256("".join(scripts[1].pieces).encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy.attributes["content"]
    assert "default-src 'none'" in policy.attributes["content"]
    assert not [one for one in tree.walk() if any(name.startswith("on") for name in one.attributes)]
    json.loads("".join(scripts[0].pieces))


def test_ids_are_unique_and_references_lead_somewhere(tree: Element) -> None:
    ids = [one.attributes["id"] for one in tree.walk() if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    for element in tree.walk():
        for name in ("aria-labelledby", "aria-describedby", "for"):
            assert set(element.attributes.get(name, "").split()) <= set(ids)
        target = element.attributes.get("href", "")
        if target.startswith("#"):
            assert target[1:] in ids, target


def test_the_outline_is_whole(tree: Element) -> None:
    levels = [int(one.name[1]) for one in tree.all("h1", "h2", "h3", "h4")]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert [len(tree.all(name)) for name in ("main", "nav", "footer")] == [1, 1, 1]
    assert tree.all("html")[0].attributes["lang"] == "en"


def test_tables_and_pictures_have_words(tree: Element) -> None:
    for table in tree.all("table"):
        assert table.all("caption")[0].text
        assert all(cell.attributes.get("scope") in ("col", "row") for cell in table.all("th"))
        width = len(table.all("thead")[0].all("th"))
        for row in table.all("tbody")[0].all("tr"):
            assert len(row.all("th", "td")) == width, row.text
    for picture in tree.all("svg"):
        named = picture.attributes.get("aria-label") or [one.text for one in picture.all("title") if one.text]
        assert named or picture.attributes.get("aria-hidden") == "true"
    for state in tree.of_class("state"):
        assert state.text
        assert state.all("path", "circle")


def test_hostile_names_stay_names() -> None:
    tree = read(hostile())
    shown = samples.HOSTILE
    assert any(shown in "".join(one.pieces) for one in tree.all("h3"))
    assert not [one for one in tree.all("b") if "onclick" in one.attributes]
    assert not [one for one in tree.all("a") if not one.attributes.get("href", "#").startswith("#")]


def test_the_verdict_comes_first_and_the_sections_in_order() -> None:
    tree = read(long())
    main = tree.all("main")[0]
    assert main.children[1].attributes["class"].startswith("verdict")
    headings = [one.attributes["id"] for one in main.all("h2")]
    assert headings == [
        "incidents", "features", "details", "quality", "performance", "whole", "segments", "definitions",
    ]  # fmt: skip
    assert [one.attributes["href"][1:] for one in tree.all("nav")[0].all("a")] == headings


def test_what_is_in_trouble_is_open_and_first() -> None:
    tree = read(long())
    details = tree.of_class("feature")
    assert [one.all("h3")[0].text for one in details if "open" in one.attributes] == ["income", "region"]
    rows = [one for one in tree.of_class("heat")[0].all("tr") if "data-feature" in one.attributes]
    assert [row.all("a")[0].text for row in rows[:2]] == ["income", "region"]
    assert "breach" in rows[0].all("svg")[0].attributes["aria-label"]
    for row in rows:
        # One mark a window, whatever its level.
        strip = row.of_class("strip")[0]
        assert sum(one.attributes["d"].count("M") for one in strip.all("path")) == 40


def contrast(one: str, two: str) -> float:
    """Contrast ratio of two colours, by WCAG 2."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(two)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_can_be_told_apart(scheme: int) -> None:
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    colours = {
        name: (light, dark)[scheme]
        for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", style)
    }
    for surface in ("paper", "wash"):
        for text in ("ink", "soft", "link", "good", "bad", "worst", "warn", "error"):
            assert contrast(colours[text], colours[surface]) >= 4.5, (text, surface)
        for mark in ("now", "then", "near"):
            assert contrast(colours[mark], colours[surface]) >= 3, (mark, surface)
