"""Registration, numeric versions and roles, against an in-memory stand-in for the client's models.

The stand-in exists to stop the program between any two writes and to let two writers meet, which the real
control plane cannot be made to do.
"""

from __future__ import annotations

import contextlib
import copy
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from hypothesis import given
from hypothesis import strategies as st

from mlops.candidate import Candidate
from mlops.errors import RegistryError
from mlops.model_version import ModelVersion
from mlops.registry import Lineage, ModelRegistry, version_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAME = "mlops-classical"
LINEAGE = Lineage(usecase="classical", data="randhie:abc", environment="training:123", code="f00")


class KilledError(BaseException):
    """Stands for a process that ends here."""


@dataclass
class Models:
    """The `models` operations of a client: text order, immutable paths, replaceable tags."""

    stored: dict[tuple[str, str], Any] = field(default_factory=dict)
    archived: set[tuple[str, str]] = field(default_factory=set)
    writes_left: int | None = None
    before_write: Callable[[Any], object] | None = None

    def list(self, name: str, *, list_view_type: str) -> list[Any]:
        # Azure's own order: versions as text.
        keys = sorted(key for key in self.stored if key[0] == name)
        if not keys:
            raise ResourceNotFoundError(f"no model {name}")
        return [self.get(*key) for key in keys if list_view_type == "All" or key not in self.archived]

    def get(self, name: str, version: str) -> Any:
        if (name, version) not in self.stored:
            raise ResourceNotFoundError(f"no version {version}")
        return copy.deepcopy(self.stored[name, version])

    def create_or_update(self, model: Any) -> Any:
        if self.before_write is not None:
            hook, self.before_write = self.before_write, None
            hook(model)
        if self.writes_left == 0:
            raise KilledError
        if self.writes_left is not None:
            self.writes_left -= 1
        key = (model.name, str(model.version))
        present = self.stored.get(key)
        if present is not None and present.path != model.path:
            raise ResourceExistsError("the path of a version cannot be changed")
        self.stored[key] = copy.deepcopy(model)
        self.stored[key]._id = f"/models/{model.name}/versions/{model.version}"
        return self.get(*key)


@dataclass
class Client:
    models: Models = field(default_factory=Models)


class Clock:
    """Time that stands still unless a test moves it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def client() -> Client:
    return Client()


def registry(client: Client, clock: Clock | None = None) -> ModelRegistry:
    return ModelRegistry(client, now=clock or Clock())


def make_candidate(folder: Path, job: str = "job-1", **changes: Any) -> Candidate:
    """Write a model and a verdict that may be registered, but for `changes`."""
    model, gate = folder / job / "model", folder / job / "gate.json"
    model.mkdir(parents=True)
    signature = {"inputs": '[{"name": "age", "type": "double"}]', "outputs": '[{"type": "double"}]'}
    signature |= changes.pop("signature", {})
    lines = "".join(f"  {side}: '{columns}'\n" for side, columns in signature.items() if columns)
    (model / "MLmodel").write_text(f"flavors: {{}}\nsignature:\n{lines}")
    check = {"name": "roc_auc", "status": "pass", "value": 0.62, "bound": 0.58, "detail": ""}
    content = {"verdict": "pass", "checks": [check]} | changes
    gate.write_text(json.dumps(content))
    return Candidate(job, model, gate, f"azureml://jobs/{job}/outputs/model")


def seed(client: Client, count: int) -> None:
    from azure.ai.ml.entities import Model

    for version in range(1, count + 1):
        model = Model(name=NAME, version=str(version), path=f"azureml://jobs/j{version}/outputs/model")
        model.tags = {"training_job": f"j{version}"}
        client.models.create_or_update(model)


def champions(client: Client) -> list[str]:
    return [v.version for v in registry(client).versions(NAME) if v.role == "champion"]


def test_versions_are_in_numeric_order(client: Client) -> None:
    seed(client, 11)
    assert [v.version for v in registry(client).versions(NAME)] == [str(n) for n in range(1, 12)]


def test_an_unknown_model_has_no_versions(client: Client) -> None:
    assert registry(client).versions("nothing") == ()
    assert registry(client).champion("nothing") is None


@given(st.lists(st.integers(0, 10**12), unique=True))
def test_numbers_sort_as_numbers(numbers: list[int]) -> None:
    assert sorted(map(str, numbers), key=version_key) == [str(n) for n in sorted(numbers)]


@given(st.lists(st.text(min_size=1), unique=True))
def test_the_order_is_total_over_any_text(versions: list[str]) -> None:
    """Equal keys would leave the order to chance; incomparable ones would raise."""
    assert len({version_key(version) for version in versions}) == len(versions)
    assert sorted(sorted(versions), key=version_key) == sorted(set(versions), key=version_key)


def test_a_first_and_a_second_job_become_1_and_2(client: Client, tmp_path: Path) -> None:
    first = registry(client).register(NAME, make_candidate(tmp_path, "a"), LINEAGE)
    second = registry(client).register(NAME, make_candidate(tmp_path, "b"), LINEAGE)
    assert (first.version, second.version) == ("1", "2")
    assert dict(first.tags) == {
        "usecase": "classical",
        "training_data": "randhie:abc",
        "training_environment": "training:123",
        "code": "f00",
        "training_job": "a",
        "gate": "pass",
    }


def test_the_version_after_9_and_10_is_11(client: Client, tmp_path: Path) -> None:
    seed(client, 10)
    assert registry(client).register(NAME, make_candidate(tmp_path), LINEAGE).version == "11"


def test_the_same_job_is_registered_once(client: Client, tmp_path: Path) -> None:
    candidate = make_candidate(tmp_path)
    first = registry(client).register(NAME, candidate, LINEAGE)
    again = registry(client).register(NAME, candidate, LINEAGE)
    assert again == first
    assert len(registry(client).versions(NAME)) == 1


def test_an_interrupted_registration_is_run_again(client: Client, tmp_path: Path) -> None:
    candidate = make_candidate(tmp_path)
    client.models.writes_left = 0
    with pytest.raises(KilledError):
        registry(client).register(NAME, candidate, LINEAGE)
    client.models.writes_left = None
    assert registry(client).register(NAME, candidate, LINEAGE).version == "1"


def test_two_jobs_that_claim_one_number_get_two_versions(client: Client, tmp_path: Path) -> None:
    mine, theirs = make_candidate(tmp_path, "mine"), make_candidate(tmp_path, "theirs")
    client.models.before_write = lambda _: registry(client).register(NAME, theirs, LINEAGE)
    assert registry(client).register(NAME, mine, LINEAGE).version == "2"
    assert [v.training_job for v in registry(client).versions(NAME)] == ["theirs", "mine"]


def test_an_archived_number_is_not_used_again(client: Client, tmp_path: Path) -> None:
    seed(client, 3)
    client.models.archived.add((NAME, "3"))
    assert registry(client).register(NAME, make_candidate(tmp_path), LINEAGE).version == "4"


def test_a_job_whose_version_was_archived_says_so(client: Client, tmp_path: Path) -> None:
    candidate = make_candidate(tmp_path)
    registry(client).register(NAME, candidate, LINEAGE)
    client.models.archived.add((NAME, "1"))
    with pytest.raises(RegistryError, match="archived"):
        registry(client).register(NAME, candidate, LINEAGE)


FAILED = {"name": "slice", "status": "fail", "value": 0.1, "bound": 0.02}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"verdict": "fail", "checks": [FAILED]}, r"slice fail \(value 0.1, bound 0.02\)"),
        ({"checks": [FAILED]}, "slice fail"),
        ({"checks": [{"name": "x", "status": "error"}]}, "x error"),
        ({"verdict": "fail"}, "verdict 'fail'"),
        ({"verdict": None}, "refused"),
        ({"checks": []}, "no checks"),
        ({"checks": None}, "no checks"),
        ({"checks": ["pass"]}, "unreadable"),
        ({"signature": {"outputs": ""}}, "no outputs"),
        ({"signature": {"inputs": "", "outputs": ""}}, "no inputs and no outputs"),
        ({"signature": {"inputs": "[]"}}, "no inputs"),
        ({"signature": {"inputs": "not json"}}, "no inputs"),
    ],
)
def test_what_is_not_admissible_is_refused(
    client: Client, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(RegistryError, match=message):
        registry(client).register(NAME, make_candidate(tmp_path, **changes), LINEAGE)
    assert client.models.stored == {}


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"verdict": "pass"}'])
def test_a_verdict_that_cannot_be_read_is_refused(client: Client, tmp_path: Path, content: str) -> None:
    candidate = make_candidate(tmp_path)
    candidate.gate.write_text(content)
    with pytest.raises(RegistryError):
        registry(client).register(NAME, candidate, LINEAGE)
    assert client.models.stored == {}


def test_a_missing_verdict_is_refused(client: Client, tmp_path: Path) -> None:
    candidate = make_candidate(tmp_path)
    candidate.gate.unlink()
    with pytest.raises(RegistryError, match=r"no gate\.json"):
        registry(client).register(NAME, candidate, LINEAGE)


@pytest.mark.parametrize("content", [None, "flavors: {}\n", ": :\n  -", "[]"])
def test_a_model_without_a_readable_signature_is_refused(
    client: Client, tmp_path: Path, content: str | None
) -> None:
    candidate = make_candidate(tmp_path)
    (candidate.model / "MLmodel").unlink()
    if content is not None:
        (candidate.model / "MLmodel").write_text(content)
    with pytest.raises(RegistryError):
        registry(client).register(NAME, candidate, LINEAGE)
    assert client.models.stored == {}


def test_a_champion_replaces_the_last_one_and_remembers_it(client: Client) -> None:
    seed(client, 10)
    clock = Clock()
    registry(client, clock).set_champion(NAME, "9")
    clock.now += timedelta(days=1)
    champion = registry(client, clock).set_champion(NAME, "10")
    assert champions(client) == ["10"]
    assert champion.tags["previous_champion"] == "9"
    assert champion.champion_since == clock.now
    retired = registry(client).get(NAME, "9")
    assert retired.role is None
    assert retired.tags["champion_until"] == clock.now.isoformat()
    assert retired.tags["training_job"] == "j9"


def test_the_same_champion_again_changes_nothing(client: Client) -> None:
    seed(client, 2)
    clock = Clock()
    first = registry(client, clock).set_champion(NAME, "2")
    clock.now += timedelta(days=1)
    client.models.writes_left = 0
    assert registry(client, clock).set_champion(NAME, "2") == first


def test_a_clock_that_is_behind_does_not_lose_the_promotion(client: Client) -> None:
    seed(client, 2)
    clock = Clock()
    registry(client, clock).set_champion(NAME, "1")
    clock.now -= timedelta(days=30)
    assert registry(client, clock).set_champion(NAME, "2").version == "2"
    assert champions(client) == ["2"]


def test_a_former_champion_can_return(client: Client) -> None:
    seed(client, 2)
    for version in ("1", "2", "1"):
        registry(client).set_champion(NAME, version)
    champion = registry(client).champion(NAME)
    assert champion is not None
    assert champion.version == "1"
    assert champion.tags["previous_champion"] == "2"
    assert "champion_until" not in champion.tags


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3)), max_size=8), st.integers(1, 4))
def test_interruptions_never_leave_none_or_two(steps: list[tuple[int, int]], final: int) -> None:
    """Promotions that die after any number of writes: the reader always finds one, a rerun cleans up."""
    client, clock = Client(), Clock()
    seed(client, 4)
    registry(client, clock).set_champion(NAME, "1")
    for version, writes in steps:
        clock.now += timedelta(seconds=1)
        client.models.writes_left = writes
        with contextlib.suppress(KilledError):
            registry(client, clock).set_champion(NAME, str(version))
        client.models.writes_left = None
        champion = registry(client, clock).champion(NAME)
        assert champion is not None
        if writes:  # the first write is the promotion itself
            assert champion.version == str(version)
    registry(client, clock).set_champion(NAME, str(final))
    assert champions(client) == [str(final)]


@given(st.permutations(["1", "2", "3"]))
def test_many_champions_are_repaired_alike_in_any_order(order: list[str]) -> None:
    client, clock = Client(), Clock()
    seed(client, 3)
    for version in order:
        model = client.models.get(NAME, version)
        since = clock.now + timedelta(seconds=int(version))
        model.tags |= {"role": "champion", "champion_since": since.isoformat()}
        client.models.create_or_update(model)
    demoted = registry(client).repair(NAME)
    assert [version.version for version in demoted] == ["1", "2"]
    assert champions(client) == ["3"]


@pytest.mark.parametrize("since", [None, "yesterday", "2026-01-01T00:00:00"])
def test_a_champion_that_a_person_tagged_by_hand_is_understood(client: Client, since: str | None) -> None:
    seed(client, 2)
    model = client.models.get(NAME, "1")
    model.tags |= {"role": "champion"} | ({"champion_since": since} if since else {})
    client.models.create_or_update(model)
    champion = registry(client).champion(NAME)
    assert champion is not None
    assert champion.version == "1"
    registry(client).set_champion(NAME, "2")
    assert champions(client) == ["2"]


def test_a_promotion_that_another_writer_overtakes_is_told(client: Client) -> None:
    seed(client, 3)
    clock = Clock()
    registry(client, clock).set_champion(NAME, "1")

    def overtake(_: Any) -> None:
        later = Clock()
        later.now = clock.now + timedelta(hours=1)
        registry(client, later).set_champion(NAME, "3")

    client.models.before_write = overtake
    clock.now += timedelta(seconds=1)
    with pytest.raises(RegistryError, match="another writer"):
        registry(client, clock).set_champion(NAME, "2")
    assert champions(client) == ["3"]


def test_an_unknown_version_names_the_known_ones(client: Client) -> None:
    seed(client, 2)
    with pytest.raises(RegistryError, match="one of: 1, 2"):
        registry(client).set_champion(NAME, "7")


def test_there_is_one_challenger_and_it_is_not_the_champion(client: Client) -> None:
    seed(client, 3)
    models = registry(client)
    models.set_champion(NAME, "1")
    models.set_challenger(NAME, "2")
    models.set_challenger(NAME, "3")
    challenger = models.challenger(NAME)
    assert challenger is not None
    assert challenger.version == "3"
    assert models.get(NAME, "2").role is None
    with pytest.raises(RegistryError, match="challenge itself"):
        models.set_challenger(NAME, "1")
    models.set_champion(NAME, "3")
    assert models.challenger(NAME) is None


@pytest.mark.parametrize(
    ("tags", "champion", "expected"),
    [
        ({"compared_with": "1", "expected_shift": "-0.25"}, "1", -0.25),
        ({"compared_with": "1", "expected_shift": "-0.25"}, "2", 0.0),
        ({"compared_with": "1", "expected_shift": "much"}, "1", 0.0),
        ({"compared_with": "1", "expected_shift": "nan"}, "1", 0.0),
        ({}, "1", 0.0),
    ],
)
def test_a_shift_is_expected_of_whom_the_evaluation_compared(
    tags: dict[str, str], champion: str, expected: float
) -> None:
    ours, theirs = (
        ModelVersion("m", version, "", "", given) for version, given in (("3", tags), (champion, {}))
    )
    assert ours.expected_shift(theirs) == expected
    assert ours.expected_shift(None) == 0.0


def test_what_the_evaluation_found_is_part_of_the_lineage() -> None:
    assert replace(LINEAGE, compared_with="1", expected_shift=-1 / 3).tags().items() >= {
        ("compared_with", "1"), ("expected_shift", "-0.333333"),
    }  # fmt: skip
    assert "expected_shift" not in LINEAGE.tags()
