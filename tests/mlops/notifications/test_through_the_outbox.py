"""A monitor's incidents through the outbox to real receivers that are away at first."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

from mlops.notifications.github import GitHubIssues
from mlops.notifications.http import Address
from mlops.notifications.plain import File
from mlops.notifications.webhook import Webhook
from tests.mlops.notifications.servers import GitHub, Reply, receiver
from tests.modelwatch.alerts.faulty import STORY, World

if TYPE_CHECKING:
    from pathlib import Path

    from modelwatch.alerts.outbox import Sink
    from tests.mlops.notifications.servers import Request


def test_receivers_that_are_away_for_an_hour_hear_the_latest_once(tmp_path: Path) -> None:
    away = True
    github = GitHub("t0ken")

    def issues(request: Request) -> Reply:
        return Reply(502) if away else github(request)

    def hook(request: Request) -> Reply:
        return Reply(503, headers={"Retry-After": "1800"}) if away else Reply(200)

    with receiver(issues) as github_server, receiver(hook) as hook_server:
        github.url = github_server.url
        sinks: list[Sink] = [
            GitHubIssues("issues", "acme/risk", "t0ken", api_url=github_server.url),
            Webhook("hook", Address(hook_server.url, "$HOOK")),
            File("log", tmp_path / "log.jsonl"),
        ]
        world = World(tmp_path / "store.sqlite", sinks)
        world.run(0, STORY[0])
        world.run(1, STORY[1])
        started = len(hook_server.requests)
        for _ in range(20):
            world.clock.time += timedelta(minutes=3)
            world.deliver()
        assert len(hook_server.requests) - started <= 2, "it asked for half an hour"

        away = False
        world.clock.time += timedelta(hours=1)
        hook_server.requests.clear()
        assert world.deliver().complete
        world.run(2, STORY[2])

    assert [request.json["kind"] for request in hook_server.requests] == ["escalated", "resolved"]
    (issue,) = github.issues
    assert issue["title"].startswith("credit: ")
    assert "has become worse" in issue["body"]
    assert issue["state"] == "closed"
    assert len(github.comments[1]) == 1
    lines = (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["opened", "escalated", "resolved"]
