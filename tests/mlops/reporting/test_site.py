"""From a store to a site: whose state it tells, and that writing it is safe."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from mlops.cli.application import run
from mlops.reporting import Subject, subject_of, write_site
from mlops.reporting.view import view
from modelwatch.alerts.heartbeat import check_heartbeat
from modelwatch.alerts.incidents import incidents
from modelwatch.alerts.operating import acknowledge, annotate, silence
from modelwatch.alerts.store import AlertStore
from tests.mlops.reporting import samples
from tests.mlops.reporting.document import read

NOW = samples.START + timedelta(days=401)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a monitor in trouble, a quiet one that stopped, and one whose name is no file's."""
    path = tmp_path_factory.mktemp("store") / "alerts.sqlite"
    with AlertStore(path) as store:
        for name, windows in (("credit-default", 40), ("quiet", 8), ("../Ümlaut", 3), ("mlaut", 3)):
            made = samples.results(40, 6)[:windows]
            for result in made:
                result["monitor"] = name
            samples.recorded(store, made, samples.monitor(monitor=name))
        opened = next(one for one in incidents(store, "credit-default") if one.severity == "critical")
        acknowledge(store, opened.id, actor="ben", now=NOW)
        annotate(store, opened.id, actor="ana", text="asked the data team", outcome="unit fixed", now=NOW)
        silence(
            store, "credit-default", {"feature": "region"}, owner="ana", reason="backfill",
            until=NOW + timedelta(days=3), now=NOW,
        )  # fmt: skip
        check_heartbeat(store, samples.monitor(monitor="quiet"), now=NOW)
    return path


@pytest.fixture
def store(path: Path) -> Iterator[AlertStore]:
    with AlertStore(path) as opened:
        yield opened


def test_a_subject_tells_the_state_as_it_is_now(store: AlertStore) -> None:
    page = view(subject_of(store, "credit-default", now=NOW))
    assert page.verdict.kind == "critical"
    assert "incidents are open" in page.verdict.sentence
    worst = page.incidents[0]
    assert worst.features == ("income",)
    # The journal has the value of the window in which it began; the page has the latest.
    drift = next(one for one in page.features if one.name == "income")
    assert drift.primary is not None
    assert worst.alerts[0].value == drift.primary.value
    assert (worst.acknowledged_by, "unit change" in worst.cause) == ("ben", True)
    assert worst.annotations[0].endswith("ana: asked the data team; outcome: unit fixed")
    assert page.silences == (
        f"feature region until {NOW + timedelta(days=3):%-d %b %Y %H:%M} UTC, by ana: backfill",
    )
    assert [rule[0] for rule in page.rules] == ["input-drift", "performance", "missing"]


def test_an_earlier_window_has_the_page_of_its_time(store: AlertStore) -> None:
    start = (samples.START + timedelta(days=9)).isoformat().replace("+00:00", "Z")
    page = view(subject_of(store, "credit-default", now=NOW, upto=start))
    assert len(page.windows) == 10
    assert page.windows[-1] == "6 Sep 2026"
    # What came later was not known then.
    assert page.incidents == ()
    assert page.verdict.kind == "fine"


def test_a_monitor_that_stopped_is_in_the_verdict(store: AlertStore) -> None:
    page = view(subject_of(store, "quiet", now=NOW))
    assert page.verdict.kind == "warning"
    assert "Not evaluated since" in page.verdict.sentence


def test_the_site_leads_everywhere_and_is_the_same_when_written_again(
    store: AlertStore, tmp_path: Path
) -> None:
    def written() -> dict[str, bytes]:
        entries = write_site(tmp_path, (subject_of(store, name, now=NOW) for name in store.monitors()))
        assert [entry.page.verdict.kind for entry in entries][:2] == ["critical", "warning"]
        return {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    first = written()
    assert sorted(first) == ["credit-default.html", "index.html", "mlaut-2.html", "mlaut.html", "quiet.html"]
    index = read(first["index.html"].decode())
    links = {one.attributes["href"] for one in index.all("a") if not one.attributes["href"].startswith("#")}
    assert {link.partition("#")[0] for link in links} == set(first) - {"index.html"}
    for link in links:
        page = read(first[link.partition("#")[0]].decode())
        ids = {one.attributes.get("id") for one in page.walk()}
        assert link.partition("#")[2] in {*ids, ""}
        assert any(one.attributes.get("href") == "index.html" for one in page.all("a"))
    assert written() == first


def test_a_site_that_cannot_be_finished_keeps_its_index(store: AlertStore, tmp_path: Path) -> None:
    names = store.monitors()
    write_site(tmp_path, [subject_of(store, names[0], now=NOW)])
    before = (tmp_path / "index.html").read_bytes()

    def broken() -> Iterator[Subject]:
        yield subject_of(store, names[1], now=NOW)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_site(tmp_path, broken())
    assert (tmp_path / "index.html").read_bytes() == before
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]


def test_the_command_writes_the_site(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = tmp_path / "site"
    assert run(["monitor", "report", "--store", str(path), "--site", str(site), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["index"] == str(site / "index.html")
    assert told["monitors"][0]["monitor"] == "credit-default"
    assert all(Path(one["page"]).is_file() for one in told["monitors"])


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "no.sqlite"
    assert run(["monitor", "report", "--store", str(missing), "--site", str(tmp_path / "site")]) == 2
    assert "mlops monitor run --store" in capsys.readouterr().err
    assert not missing.exists()
    missing.write_text("no database", encoding="utf-8")
    assert run(["monitor", "report", "--store", str(missing), "--site", str(tmp_path / "site")]) == 2
    assert "Traceback" not in capsys.readouterr().err
