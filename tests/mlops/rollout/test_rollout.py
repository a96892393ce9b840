"""A rollout's outcome whatever the new deployment does, and wherever the program is stopped."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from mlops.errors import DeploymentError
from mlops.rollout import (
    Bounds,
    Expectation,
    RolloutPolicy,
    RolloutProgress,
    RolloutResult,
    deploy,
    roll_back,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlops.scoring import Exchange

NAME = "mlops-classical-test"
POLICY = RolloutPolicy(
    shadow_percent=20,
    canary_percent=50,
    bounds=Bounds(max_error_rate=0.05, max_p95_ms=2000, minimum_requests=20),
)


def body(x: float) -> dict[str, Any]:
    return {"input_data": {"columns": ["x"], "index": [0], "data": [[x]]}}


def traffic() -> Iterator[Any]:
    return (body(x) for x in itertools.count())


def run(
    azure: Any,
    definition: str,
    *,
    source: Callable[[], Any] = traffic,
    policy: RolloutPolicy = POLICY,
    progress: Callable[[RolloutProgress], None] = lambda _: None,
    on_exchange: Callable[[Exchange], None] | None = None,
) -> RolloutResult:
    endpoint = SimpleNamespace(name=NAME, traffic={}, mirror_traffic={}, tags={"owner": "team"})

    def build(color: str) -> Any:
        return SimpleNamespace(name=color, tags={"definition": definition, "model": f"m:{definition}"})

    return deploy(
        azure,
        endpoint=endpoint,
        deployment=build,
        policy=policy,
        sample=body(1),
        expectation=Expectation(),
        traffic=source,
        progress=progress,
        on_exchange=on_exchange,
    )


def outcome(result: RolloutResult) -> dict[str, str]:
    return {step.name: step.status for step in result.steps}


def behave(azure: Any, definition: str, **behavior: Any) -> None:
    """Say how the deployments of a definition will behave."""
    made = azure.behaviors.setdefault(definition, SimpleNamespace(starts=True, answer=right))
    for name, value in behavior.items():
        setattr(made, name, value)


def right(count: int, x: float) -> tuple[int, Any]:
    return 200, {"predictions": [{"probability": 0.3 + 0.01 * (x % 40)}]}


def test_the_first_deployment_serves_everything_after_its_smoke_test(azure: Any) -> None:
    result = run(azure, "one")
    assert result.status == "completed"
    assert outcome(result) == {
        "create": "ok", "smoke": "ok", "shadow": "skipped", "canary": "skipped", "full": "ok",
    }  # fmt: skip
    assert (result.serving, result.model, result.previous) == ("blue", "m:one", None)
    assert azure.traffic == {"blue": 100}
    assert azure.endpoint.tags == {"owner": "team", "serving": "blue"}


def test_the_second_goes_through_every_step(azure: Any) -> None:
    run(azure, "one")
    azure.alive()
    result = run(azure, "two")
    assert result.status == "completed"
    assert set(outcome(result).values()) == {"ok"}
    assert (result.serving, result.previous) == ("green", "blue")
    assert azure.traffic == {"green": 100}
    assert azure.endpoint.mirror_traffic == {}
    assert set(azure.deployments) == {"blue", "green"}
    # Mirrored first, then shared, then all: never two things at once.
    assert azure.writes == [
        "route {'blue': 100} {}",
        "create green",
        "route {'blue': 100} {'green': 20}",
        "route {'blue': 50, 'green': 50} {}",
        "route {'green': 100} {}",
        "route {'green': 100} {}",
    ]


def test_the_third_takes_the_color_of_the_first(azure: Any) -> None:
    for definition in ("one", "two", "three"):
        result = run(azure, definition)
    assert (result.serving, result.model, result.previous) == ("blue", "m:three", "green")
    assert azure.endpoint.tags["previous"] == "green"


def test_the_same_again_changes_nothing(azure: Any) -> None:
    run(azure, "one")
    run(azure, "two")
    azure.alive()
    result = run(azure, "two")
    assert result.status == "unchanged"
    assert result.ok
    assert (result.serving, result.model, result.previous) == ("green", "m:two", "blue")
    assert azure.writes == []


def test_no_user_sees_the_new_deployment_before_the_canary(azure: Any) -> None:
    run(azure, "one")
    azure.answered.clear()
    behave(azure, "two", answer=lambda count, x: (500, None))
    run(azure, "two")
    assert {name for name, wanted in azure.answered if wanted is None} <= {"blue"}


def refuses_half(count: int, x: float) -> tuple[int, Any]:
    return (500, {"message": "boom"}) if count % 2 and x != 1 else right(count, x)


def shifted(count: int, x: float) -> tuple[int, Any]:
    return 200, {"predictions": [{"probability": 0.95 - 0.0001 * (x % 40)}]}


def constant(count: int, x: float) -> tuple[int, Any]:
    return 200, {"predictions": [{"probability": 0.5}]}


@pytest.mark.parametrize(
    ("answer", "step", "reason"),
    [
        (lambda count, x: (500, {"message": "boom"}), "smoke", "500"),
        (lambda count, x: (200, {"oops": 1}), "smoke", "no list of predictions"),
        (lambda count, x: (200, {"predictions": []}), "smoke", "0 predictions for 1 rows"),
        (lambda count, x: (200, {"predictions": [{"label": 1}]}), "smoke", "has no probability"),
        (lambda count, x: (200, {"predictions": [{"probability": None}]}), "smoke", "no finite number"),
        (lambda count, x: (200, {"predictions": [{"probability": 1.5}]}), "smoke", "outside 0 to 1"),
        (refuses_half, "shadow", "error_rate: breach"),
        (shifted, "shadow", "prediction_shift: breach"),
        (constant, "shadow", "constant_predictions: breach"),
    ],
)
def test_a_bad_deployment_is_rolled_back(azure: Any, answer: Any, step: str, reason: str) -> None:
    run(azure, "one")
    behave(azure, "bad", answer=answer)
    result = run(azure, "bad")
    assert result.status == "rolled_back"
    assert not result.ok
    assert result.steps[-1].name == step
    assert result.steps[-1].status == "failed"
    assert reason in result.steps[-1].message
    assert (result.serving, result.model) == ("blue", "m:one")
    assert result.logs == "the log of green"
    assert azure.traffic == {"blue": 100}
    assert azure.endpoint.mirror_traffic == {}
    assert azure.endpoint.tags == {"owner": "team", "serving": "blue"}
    assert set(azure.deployments) == {"blue"}


def test_one_that_breaks_under_users_is_rolled_back_from_the_canary(azure: Any) -> None:
    run(azure, "one")

    def breaks_live(count: int, x: float) -> tuple[int, Any]:
        return right(count, x) if "green" not in azure.traffic else (500, None)

    behave(azure, "bad", answer=breaks_live)
    result = run(azure, "bad")
    assert outcome(result)["shadow"] == "ok"
    assert outcome(result)["canary"] == "failed"
    assert azure.traffic == {"blue": 100}


def test_the_circuit_breaker_spares_users_the_rest_of_a_step(azure: Any) -> None:
    policy = RolloutPolicy(
        shadow_percent=0,
        canary_percent=50,
        bounds=Bounds(max_error_rate=0.01, max_p95_ms=2000, minimum_requests=500),
    )
    run(azure, "one")
    behave(azure, "bad", answer=lambda count, x: right(count, x) if x == 1 else (500, None))
    azure.answered.clear()
    result = run(azure, "bad", policy=policy)
    assert outcome(result)["shadow"] == "skipped"
    assert outcome(result)["canary"] == "failed"
    assert len(azure.answered) < 100


def test_one_that_breaks_with_all_the_traffic_is_rolled_back(azure: Any) -> None:
    run(azure, "one")

    def breaks_alone(count: int, x: float) -> tuple[int, Any]:
        return right(count, x) if azure.traffic != {"green": 100} else (500, None)

    behave(azure, "bad", answer=breaks_alone)
    result = run(azure, "bad")
    assert outcome(result)["canary"] == "ok"
    assert outcome(result)["full"] == "failed"
    assert azure.traffic == {"blue": 100}
    assert set(azure.deployments) == {"blue"}


def test_one_that_does_not_start_leaves_the_present_one_serving(azure: Any) -> None:
    run(azure, "one")
    behave(azure, "bad", starts=False)
    result = run(azure, "bad")
    assert outcome(result) == {"create": "failed"}
    assert "init() raised ValueError" in result.steps[0].message
    assert result.logs == "the log of green"
    assert azure.traffic == {"blue": 100}
    assert set(azure.deployments) == {"blue"}


def test_a_first_one_that_does_not_start_leaves_nothing_behind(azure: Any) -> None:
    behave(azure, "bad", starts=False)
    result = run(azure, "bad")
    assert (result.status, result.serving, result.model) == ("rolled_back", None, None)
    assert azure.deployments == {}
    behave(azure, "bad", starts=True)
    assert run(azure, "bad").status == "completed"


def test_too_few_requests_are_no_success(azure: Any) -> None:
    run(azure, "one")
    result = run(azure, "two", source=lambda: [body(x) for x in range(5)])
    assert result.status == "rolled_back"
    assert result.steps[-1].name == "shadow"
    assert "20 requests are needed" in result.steps[-1].message
    assert azure.traffic == {"blue": 100}


def test_a_source_that_fails_gives_the_traffic_back_and_is_told(azure: Any) -> None:
    run(azure, "one")

    def failing() -> Iterator[Any]:
        yield from (body(x) for x in range(10))
        raise ConnectionError("the replay is gone")

    with pytest.raises(DeploymentError, match="ConnectionError: the replay is gone") as caught:
        run(azure, "two", source=failing)
    assert caught.value.__notes__ == ["Traffic is back with blue; green was removed."]
    assert azure.traffic == {"blue": 100}
    assert set(azure.deployments) == {"blue"}


def test_a_control_plane_that_is_gone_while_going_back_says_what_to_do(azure: Any) -> None:
    from azure.core.exceptions import ServiceRequestError

    run(azure, "one")

    def failing() -> Iterator[Any]:
        azure.write = lambda *_: (_ for _ in ()).throw(ServiceRequestError("gone"))
        raise OSError("no more")

    with pytest.raises(DeploymentError) as caught:
        run(azure, "two", source=failing)
    assert "run the same command again" in caught.value.__notes__[0]


def test_a_fix_can_replace_a_broken_deployment(azure: Any) -> None:
    run(azure, "one")
    behave(azure, "one", answer=lambda count, x: (500, None))
    result = run(azure, "fix")
    assert result.status == "completed"
    assert azure.traffic == {"green": 100}


def test_progress_is_told_in_every_step(azure: Any) -> None:
    run(azure, "one")
    told: list[RolloutProgress] = []
    run(azure, "two", progress=told.append)
    assert {message.step for message in told} == {"create", "smoke", "shadow", "canary", "full"}
    assert any(message.total == 20 and message.done for message in told)


def test_only_users_requests_are_handed_on(azure: Any) -> None:
    run(azure, "one")
    azure.answered.clear()
    seen: list[Exchange] = []
    run(azure, "two", on_exchange=seen.append)
    assert len(seen) == sum(wanted is None for _, wanted in azure.answered)
    assert {exchange.deployment for exchange in seen} == {"blue", "green"}


def test_going_back_and_staying_there(azure: Any) -> None:
    run(azure, "one")
    run(azure, "two")
    result = roll_back(azure, NAME)
    assert (result.status, result.serving, result.model) == ("completed", "blue", "m:one")
    assert azure.traffic == {"blue": 100}
    assert roll_back(azure, NAME).status == "unchanged"
    assert azure.traffic == {"blue": 100}
    again = run(azure, "two")
    assert (again.status, again.serving, again.previous) == ("completed", "green", "blue")
    assert "create" not in outcome(again)


def test_there_must_be_something_to_go_back_to(azure: Any) -> None:
    with pytest.raises(DeploymentError, match="no online endpoint"):
        roll_back(azure, NAME)
    run(azure, "one")
    with pytest.raises(DeploymentError, match="no earlier deployment"):
        roll_back(azure, NAME)


def settled(azure: Any, definition: str, color: str, other: str | None) -> None:
    """Assert that nothing of an interruption is left."""
    assert azure.traffic == {color: 100}
    assert azure.endpoint.mirror_traffic == {}
    expected = {"owner": "team", "serving": color} | ({"previous": other} if other else {})
    assert azure.endpoint.tags == expected
    assert azure.deployments[color].tags["definition"] == definition


@pytest.mark.parametrize("moment", ["kill_before", "kill_after"])
@pytest.mark.parametrize("write", range(6))
def test_a_rollout_killed_at_any_write_is_finished_by_the_same_command(
    azure: Any, write: int, moment: str
) -> None:
    run(azure, "one")
    azure.alive()
    setattr(azure, moment, write)
    with pytest.raises(azure.killed):
        run(azure, "two")
    azure.alive()
    assert sum(azure.traffic.values()) == 100  # users were served all the time
    result = run(azure, "two")
    assert result.ok
    settled(azure, "two", "green", "blue")


@pytest.mark.parametrize("moment", ["kill_before", "kill_after"])
@pytest.mark.parametrize("write", range(5))
def test_a_first_rollout_killed_at_any_write_is_finished(azure: Any, write: int, moment: str) -> None:
    setattr(azure, moment, write)
    with pytest.raises(azure.killed):
        run(azure, "one")
    azure.alive()
    assert run(azure, "one").ok
    settled(azure, "one", "blue", None)


@pytest.mark.parametrize("moment", ["kill_before", "kill_after"])
@pytest.mark.parametrize("write", range(6))
def test_a_killed_rollout_is_cleaned_up_by_one_of_another_model(azure: Any, write: int, moment: str) -> None:
    run(azure, "one")
    azure.alive()
    setattr(azure, moment, write)
    with pytest.raises(azure.killed):
        run(azure, "two")
    azure.alive()
    result = run(azure, "three")
    assert result.status == "completed"
    if (write, moment) == (5, "kill_after"):  # that one had just finished
        settled(azure, "three", "blue", "green")
    else:
        settled(azure, "three", "green", "blue")


@pytest.mark.parametrize("moment", ["kill_before", "kill_after"])
@pytest.mark.parametrize("write", range(2, 5))
def test_going_back_that_is_killed_is_done_by_the_same_command(azure: Any, write: int, moment: str) -> None:
    """The deployment was found bad; the kill hits while traffic is given back or it is removed."""
    run(azure, "one")
    azure.alive()
    behave(azure, "bad", answer=refuses_half)
    setattr(azure, moment, write)
    with pytest.raises(azure.killed):
        run(azure, "bad")
    azure.alive()
    assert run(azure, "bad").status == "rolled_back"
    settled(azure, "one", "blue", None)
    assert set(azure.deployments) == {"blue"}


@pytest.mark.parametrize("count", [3, 30, 45])
def test_a_rollout_killed_while_measuring_goes_on_where_it_was(azure: Any, count: int) -> None:
    run(azure, "one")
    sent = itertools.count()

    def dying() -> Iterator[Any]:
        for x in itertools.count():
            if next(sent) == count:
                raise azure.killed
            yield body(x)

    with pytest.raises(azure.killed):
        run(azure, "two", source=dying)
    azure.alive()
    result = run(azure, "two")
    assert result.status == "completed"
    # No step before the one that was interrupted is done again.
    assert result.steps[0].name == ("shadow" if count < 20 else "canary")
    settled(azure, "two", "green", "blue")


def test_a_deployment_that_is_still_being_created_is_waited_for(azure: Any) -> None:
    run(azure, "one")
    azure.alive()
    azure.kill_after = 1
    with pytest.raises(azure.killed):
        run(azure, "two")
    azure.alive()
    azure.settling["green"] = 1
    result = run(azure, "two")
    assert result.status == "completed"
    assert "create" not in outcome(result)


def test_traffic_that_somebody_set_by_hand_is_respected(azure: Any) -> None:
    run(azure, "one")
    azure.endpoint.tags = {}
    result = run(azure, "two")
    assert (result.serving, result.previous) == ("green", "blue")


def test_the_sdks_dots_do_not_reach_standard_output(azure: Any, capsys: pytest.CaptureFixture[str]) -> None:
    write = azure.write

    def printing(what: str, change: Callable[[], None]) -> None:
        print(".", end="", flush=True)  # noqa: T201 - as the SDK's polling does
        write(what, change)

    azure.write = printing
    run(azure, "one", progress=lambda message: print(message.message))  # noqa: T201
    printed = capsys.readouterr().out
    assert "starting deployment blue" in printed
    assert not printed.startswith(".")
    assert ".\n" not in printed
