"""What commands that need Azure, or minutes, answer in the scenarios of models."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mlops.promotion.release import Release, ReleaseFile
from tests.workflows.bench import PASSED, REFUSED

if TYPE_CHECKING:
    from tests.workflows.bench import Bench

__all__ = ["DIGEST", "VERSION", "alert", "alerts", "command", "promotes", "release", "trains"]

DIGEST = f"sha256:{'0a' * 32}"
VERSION = "0a" * 6


def command(*arguments: str, **answer: Any) -> dict[str, Any]:
    return {"arguments": list(arguments), **answer}


def trains(verdict: str = PASSED) -> list[dict[str, Any]]:
    """Answer what takes minutes or a cloud; the gate's verdict is what a real training run printed."""
    refused = verdict is REFUSED
    return [
        command("local", "up"),
        command("ci", "champion"),
        command("train", stdout=verdict, exit=1 if refused else 0),
        command("evaluate", stdout=verdict, exit=1 if refused else 0),
        command("register", stdout="{}"),
        command("deploy", stdout="{}"),
        command("rollback", stdout="{}"),
    ]


def release_of(source: str, request: int = 0) -> Release:
    """Return a release as `mlops promote` makes it."""
    return Release.model_validate(
        {
            "model": "mlops-classical",
            "registry": "mlr-mlops",
            "version": VERSION,
            "digest": DIGEST,
            "lineage": {
                "training_environment": "training:1",
                "code": "c0de",
                "training_data": "classical-training:1",
                "training_job": "j",
            },
            "gate": {"verdict": "pass", "checks": 16, "rows": 4038},
            "promoted": {
                "environment": source,
                "version": "7",
                "at": "2026-11-25T00:00:00Z",
                "by": "somebody",
                "request": request,
            },
        }
    )


def promotes() -> dict[str, Any]:
    """Answer `mlops promote` from dev to staging."""
    document = {"usecase": "classical", "from": "dev", "to": "staging"}
    document["release"] = release_of("dev").model_dump(mode="json")  # type: ignore[assignment]
    return command("promote", stdout=json.dumps(document))


def release(bench: Bench, environment: str, *, request: int = 0) -> None:
    """Commit a release to an environment."""
    path = f"environments/releases/{environment}.yaml"
    source = {"staging": "dev", "prod": "staging"}[environment]
    text = ReleaseFile().having("classical", release_of(source, request)).to_yaml(environment)
    bench.replace(path, (bench.machine.workspace / path).read_text(), text)


def alert(**fields: Any) -> dict[str, Any]:
    return {
        "fingerprint": "f",
        "monitor": "doctor-visits",
        "rule": "calibration",
        "state": "firing",
        "severity": "critical",
        "action": "request_retraining",
        "owner": "ml-platform",
        "feature": None,
        "segment": "health.fair",
        "since": "2026-11-25T00:00:00Z",
        **fields,
    }


def alerts(*found: dict[str, Any]) -> dict[str, Any]:
    return command("ci", "alerts", files={"alerts/dev.json": json.dumps(found)})
