"""One comment a subject, on a loopback GitHub."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from azure.core.pipeline.transport import RequestsTransport

from mlops.cli.delivery import surroundings
from mlops.delivery import retraining
from mlops.delivery.markdown import COMMENT_LIMIT, fit
from mlops.delivery.sticky import comment, issue
from mlops.errors import ControlPlaneError, UsageError
from mlops.github import GitHub
from tests.workflows.simulation.github_api import GitHubApi
from tests.workflows.simulation.scenario import REPOSITORY

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
ALERT = {"fingerprint": "f", "monitor": "m", "rule": "r", "state": "firing", "action": "request_retraining"}


@pytest.fixture
def api() -> Iterator[GitHubApi]:
    with GitHubApi() as api:
        api.tokens["t"] = {"issues": "write"}
        yield api


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def github(api: GitHubApi, waits: list[float]) -> GitHub:
    return client(api.url, waits)


def client(url: str, waits: list[float]) -> GitHub:
    """Return a client that notes how long it would have waited."""

    transport = RequestsTransport()
    transport.sleep = waits.append
    return GitHub("t", REPOSITORY, endpoint=url, transport=transport)


def test_created_then_unchanged_then_updated(api: GitHubApi, github: GitHub) -> None:
    for number in range(7):
        api.add_comment(1, f"chatter {number}", login="someone")
    outcomes = [comment(github, 1, "k", text, run=run).outcome for run, text in enumerate(["a", "a", "b"], 1)]
    assert outcomes == ["created", "unchanged", "updated"]
    assert len(api.comments[1]) == 8


def test_each_subject_has_its_own(api: GitHubApi, github: GitHub) -> None:
    for key in ("a", "b", "a:b"):
        comment(github, 1, key, "text")
    assert len(api.comments[1]) == 3


def test_a_strangers_comment_with_the_same_line_is_left_alone(api: GitHubApi, github: GitHub) -> None:
    theirs = api.add_comment(1, "<!-- mlops k run=9 -->\nmine!", login="stranger")
    assert comment(github, 1, "k", "text").outcome == "created"
    assert theirs["body"].endswith("mine!")


def test_an_older_run_does_not_write_over_a_newer_one(api: GitHubApi, github: GitHub) -> None:
    comment(github, 1, "k", "new", run=20)
    assert comment(github, 1, "k", "old", run=10).outcome == "outdated"
    assert api.comments[1][0]["body"].endswith("new\n")


def test_of_two_that_raced_one_is_left(api: GitHubApi, github: GitHub) -> None:
    for _ in range(3):
        api.add_comment(1, "<!-- mlops k run=1 -->\nx")
    comment(github, 1, "k", "y", run=2)
    assert len(api.comments[1]) == 1


def test_what_is_too_long_is_cut_at_a_line_and_stays_well_formed(api: GitHubApi, github: GitHub) -> None:
    rows = "\n".join(f"| {number} | {'x' * 90} |" for number in range(2000))
    comment(github, 1, "k", f"# Title\n\n<details>\n<summary>all</summary>\n\n{rows}\n\n</details>\n")
    body = api.comments[1][0]["body"]
    assert COMMENT_LIMIT - 500 < len(body) <= COMMENT_LIMIT
    assert body.count("<details>") == body.count("</details>") == 1
    assert "**Cut here:**" in body
    fenced = fit("```text\n" + "y\n" * 100_000 + "```\n")
    assert fenced.count("```") == 2


def test_secrets_and_addresses_never_reach_github(api: GitHubApi, github: GitHub) -> None:
    comment(github, 1, "k", f"AccountKey={'A' * 86}== of jane@contoso.com, not of team@example.com")
    body = api.comments[1][0]["body"]
    assert "AAAA" not in body
    assert "contoso" not in body
    assert "team@example.com" in body


@pytest.mark.parametrize(
    ("answer", "waited"),
    [
        ((429, {"Retry-After": "7"}), 7.0),
        ((403, {"Retry-After": "3"}), 3.0),
        ((403, {"X-RateLimit-Remaining": "0"}), 1.0),
        ((502, {}), 1.0),
    ],
)
def test_a_busy_github_is_asked_again(
    api: GitHubApi, github: GitHub, waits: list[float], answer: tuple[int, dict[str, str]], waited: float
) -> None:
    api.refuse.append(answer)
    assert comment(github, 1, "k", "x").outcome == "created"
    assert waits == [waited]


def test_what_may_have_been_created_is_not_created_again(api: GitHubApi, github: GitHub) -> None:
    path = github.path("issues", 1, "comments")
    for status in (500, 502, 503, 504):
        assert list(github.list(path)) == []
        api.refuse.append((status, {}))
        with pytest.raises(ControlPlaneError, match=str(status)):
            github.send("POST", path, body={"body": "x"})


def test_a_wait_is_never_longer_than_a_minute(api: GitHubApi, github: GitHub, waits: list[float]) -> None:
    api.refuse += [(429, {"Retry-After": "3600"})] * 5
    with pytest.raises(ControlPlaneError, match="429"):
        comment(github, 1, "k", "x")
    assert waits == [60.0] * 4


def test_a_job_without_the_right_says_which_line_to_write(
    api: GitHubApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.tokens["reader"] = {"issues": "read"}
    monkeypatch.setenv("GITHUB_TOKEN", "reader")
    monkeypatch.setenv("GITHUB_API_URL", f"{api.url}/")
    with pytest.raises(UsageError, match="no GITHUB_REPOSITORY"):
        surroundings.github()
    monkeypatch.setenv("GITHUB_REPOSITORY", REPOSITORY)
    with pytest.raises(ControlPlaneError, match="permissions:") as caught:
        comment(surroundings.github(), 1, "k", "x")
    assert "reader" not in str(caught.value)
    monkeypatch.setenv("GITHUB_TOKEN", "expired")
    with pytest.raises(ControlPlaneError, match="set GITHUB_TOKEN"):
        comment(surroundings.github(), 1, "k", "x")


def test_a_token_follows_no_list_to_another_address(api: GitHubApi, github: GitHub) -> None:
    for number in range(7):
        api.add_comment(1, f"chatter {number}")
    address, api.url = api.url, "http://elsewhere.example"
    with pytest.raises(ControlPlaneError, match="another address") as caught:
        list(github.list(github.path("issues", 1, "comments")))
    assert address in str(caught.value)
    assert len(api.requests) == 1


def test_nobody_answers(waits: list[float]) -> None:
    github = client("http://127.0.0.1:9", waits)
    with pytest.raises(ControlPlaneError, match="does not answer"):
        list(github.list(github.path("issues")))
    assert waits == [1.0, 2.0, 4.0, 8.0]


def test_key_that_would_end_the_marker_is_refused(github: GitHub) -> None:
    with pytest.raises(UsageError):
        comment(github, 1, "a --> b", "x")


def test_issue_is_opened_updated_closed_and_opened_anew(api: GitHubApi, github: GitHub) -> None:
    def put(text: str | None) -> str:
        return issue(github, "drift:dev", "Drift", text, labels=["drift"]).outcome

    assert [put("a"), put("b"), put(None), put(None), put("c")] == [
        "created",
        "updated",
        "closed",
        "absent",
        "created",
    ]
    assert [one["state"] for one in api.issues.values()] == ["closed", "open"]


@pytest.mark.parametrize(("hours", "outcome"), [(71, "pausing"), (73, "requested")])
def test_pause_counts_from_the_last_request(api: GitHubApi, github: GitHub, hours: int, outcome: str) -> None:
    body = "<!-- mlops retrain:dev:classical run=1 -->\nx"
    for days in (30, 0):
        then = NOW - timedelta(hours=hours, days=days)
        api.add_issue("t", body, [retraining.LABEL], created_at=then.isoformat(), state="closed")
    pause = timedelta(hours=72)
    assert retraining.ask(github, "classical", "dev", [ALERT], at=NOW, pause=pause).outcome == outcome
    # Another model, and the same model elsewhere, are asked for as before.
    assert retraining.ask(github, "cv", "dev", [ALERT], at=NOW, pause=pause).outcome == "requested"
    assert retraining.ask(github, "classical", "prod", [ALERT], at=NOW, pause=pause).outcome == "requested"
