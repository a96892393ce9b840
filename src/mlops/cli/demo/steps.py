"""The steps of the demo: what each is called, how it went and how long it took."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops.cli.output import Output

__all__ = ["RETRAINING", "TITLES", "DemoStep", "Steps"]

RETRAINING: Final = "request_retraining"
"""The action of the incident that the story is about."""

TITLES: Final = {
    "control-plane": "start the embedded Azure ML control plane",
    "data": "write the sample data",
    "train": "train the first model in a pipeline",
    "register": "register it",
    "deploy": "deploy it on a real inference server",
    "quiet": "replay the stream day by day: inputs drift, and nobody is paged",
    "refusal": "train a worse model meanwhile, which the gate must refuse",
    "alert": "go on: outcomes change, and the performance alert must fire",
    "retrain": "retrain on what came since, and compare on the newest rows",
    "rollout": "roll the challenger out: shadow, canary, full",
    "recovery": "replay the rest: the alert must resolve",
    "collected": "find every request among the collected data",
}


@dataclass(slots=True)
class DemoStep:
    """One step of the demo."""

    name: str
    title: str
    status: str = "failed"
    seconds: float = 0.0
    detail: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return what `summary.json` says of it."""
        return {
            "name": self.name,
            "status": self.status,
            "seconds": round(self.seconds, 2),
            "title": self.title,
            "detail": self.detail,
        }


@dataclass
class Steps:
    """The steps that were begun, in order."""

    output: Output
    done: list[DemoStep] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every step there is did what it should."""
        return len(self.done) == len(TITLES) and all(step.status == "ok" for step in self.done)

    @property
    def failed(self) -> DemoStep | None:
        """The step that did not; None before the first one too."""
        return next((step for step in self.done if step.status != "ok"), None)

    @contextmanager
    def step(self, name: str) -> Iterator[DemoStep]:
        """Time one step, and say how it went; what it raises ends the demo."""
        step = DemoStep(name, TITLES[name])
        self.done.append(step)
        position = f"[{len(self.done):2}/{len(TITLES)}]"
        self.output.progress(f"{position} {step.title} …")
        started = time.monotonic()
        try:
            yield step
            step.status = "ok"
        except Exception as error:
            step.detail = str(error)
            raise
        finally:
            step.seconds = time.monotonic() - started
            self.output.progress(f"        {step.status} in {step.seconds:.1f} s: {step.detail}")
