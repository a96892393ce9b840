"""The measurements of the judged steps: sending requests and collecting who answered how."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from mlops.errors import DeploymentError, ProjectError
from mlops.rollout.judge import Check, Judgement, Observation, is_clearly_broken, judge
from mlops.rollout.result import RolloutProgress
from mlops.scoring import send_routed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mlops.rollout.expectation import Expectation
    from mlops.rollout.policy import RolloutPolicy
    from mlops.scoring import EndpointClient, Exchange

__all__ = ["Measurement", "TrafficSource", "smoke_test"]

SMOKE_REQUESTS: Final = 5
_REPORT_EVERY: Final = 25

if TYPE_CHECKING:
    # Called once a step; yields JSON request bodies of real users, or a replay of them.
    TrafficSource = Callable[[], Iterable[Any]]


def smoke_test(
    endpoint: EndpointClient, deployment: str, body: Any, expectation: Expectation, policy: RolloutPolicy
) -> Judgement:
    """Send the sample request straight to a deployment that has no traffic yet.

    The first answer may be slow (lazy imports, cold caches), hence the median.
    """
    observations = []
    for _ in range(SMOKE_REQUESTS):
        observations.append(expectation.observe(endpoint.send(body, deployment=deployment), body))
        if observations[-1].problem is not None:
            break
    problem = observations[-1].problem
    answers = f"{len(observations)} of {SMOKE_REQUESTS} sample requests answered right"
    errors = Check(
        name="sample_errors",
        status="ok" if problem is None else "breach",
        value=float(problem is not None),
        bound=0.0,
        requests=len(observations),
        detail=problem or answers,
    )
    latency, bound = median(observation.latency_ms for observation in observations), policy.bounds.max_p95_ms
    speed = Check(
        name="sample_median_ms",
        status="ok" if latency <= bound else "breach",
        value=latency,
        bound=bound,
        requests=len(observations),
        detail=f"median {latency:.1f} ms",
    )
    return Judgement((errors, speed))


@dataclass
class Measurement:
    """One step's requests, and who answered them how.

    Parameters
    ----------
    endpoint
        Where to send.
    candidate, current
        The new deployment, and the one to compare it with (None when nothing serves yet).
    expectation
        What a right answer looks like.
    policy
        Sizes and bounds.
    traffic
        Where requests come from.
    progress
        Receives a message now and then.
    on_exchange
        Receives every exchange that went by the traffic rules, as a user's would.
    """

    endpoint: EndpointClient
    candidate: str
    current: str | None
    expectation: Expectation
    policy: RolloutPolicy
    traffic: TrafficSource
    progress: Callable[[RolloutProgress], None]
    on_exchange: Callable[[Exchange], None] | None = None
    _new: list[Observation] = field(default_factory=list, init=False)
    _old: list[Observation] = field(default_factory=list, init=False)

    def shadow(self) -> Judgement:
        """Send each request twice: by traffic, as its user would, and straight to the new deployment.

        What Azure's mirror traffic answers is thrown away by its router, where nobody can measure it. So
        mirroring gives the new deployment its production load, and these copies say how it answers.
        """

        def pairs(bodies: Iterable[Any]) -> Iterator[tuple[Any, str | None]]:
            for body in bodies:
                yield body, None
                yield body, self.candidate

        return self._run("shadow", self.policy.requests(), pairs, sent_per_body=2)

    def canary(self) -> Judgement:
        """Send requests by traffic until the new deployment has answered its number of them."""
        return self._run("canary", self.policy.requests(self.policy.canary_percent), _by_traffic)

    def full(self) -> Judgement:
        """Send requests by traffic, all of which the new deployment answers now."""
        return self._run("full", self.policy.requests(), _by_traffic)

    def _run(
        self,
        step: str,
        enough: int,
        route: Callable[[Iterable[Any]], Iterator[tuple[Any, str | None]]],
        *,
        sent_per_body: int = 1,
    ) -> Judgement:
        """Send rounds of requests until the evidence decides, patience ends, or the source does."""
        bodies = _guarded(self.traffic)
        wanted = self.policy.bounds.minimum_requests
        for attempt in range(self.policy.patience):
            size = enough if attempt == 0 else max(enough // 2, 1)
            sent = 0
            routed = send_routed(
                self.endpoint, route(islice(bodies, size)), concurrency=self.policy.concurrency
            )
            for body, exchange in routed:
                sent += 1
                self._record(step, sent, sent_per_body, body, exchange)
                if sent % _REPORT_EVERY == 0:
                    self.progress(RolloutProgress(step, "measuring", min(len(self._new), wanted), wanted))
                    if is_clearly_broken(self._new, self.policy.bounds):
                        routed.close()
                        return self._judgement(step)
            judgement = self._judgement(step)
            if judgement.status != "insufficient" or sent < size * sent_per_body:
                break
        return judgement

    def _record(self, step: str, sent: int, sent_per_body: int, body: Any, exchange: Exchange) -> None:
        by_traffic = sent_per_body == 1 or sent % 2 == 1
        observation = self.expectation.observe(exchange, body)
        if by_traffic and self.on_exchange is not None:
            self.on_exchange(exchange)
        if step == "shadow":
            (self._old if by_traffic else self._new).append(observation)
        elif exchange.deployment != self.current or self.current is None:
            # Nobody's name on an error counts against the new deployment: when in doubt, go back.
            self._new.append(observation)
        else:
            self._old.append(observation)

    def _judgement(self, step: str) -> Judgement:
        compared = self._old if self.current is not None and step != "full" else None
        return judge(self._new, compared, self.policy.bounds)


def _by_traffic(bodies: Iterable[Any]) -> Iterator[tuple[Any, str | None]]:
    return ((body, None) for body in bodies)


def _guarded(source: TrafficSource) -> Iterator[Any]:
    """Yield the source's bodies; whatever it raises becomes one of this project's errors."""
    try:
        yield from source()
    except ProjectError:
        raise
    except Exception as error:
        raise DeploymentError(
            "The source of requests for the rollout failed.",
            got=f"{type(error).__name__}: {error}",
            expected="an iterable of request bodies",
            next_step="mend the source and run the same command again",
        ) from error
