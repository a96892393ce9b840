"""What a promotion refuses, what it writes, and that it changes nothing the second time."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import ResourceNotFoundError

from mlops.cli.application import run
from mlops.errors import RegistryError, UsageError
from mlops.promotion.accepting import accept, refuse_own_models, released
from mlops.promotion.promoting import require_next
from mlops.promotion.shared import SharedModels
from mlops.settings import load
from mlops.settings.model import Promotion

if TYPE_CHECKING:
    from pathlib import Path

    from tests.mlops.promotion.conftest import World

MODEL = "mlops-classical"


def into_staging(world: World) -> Any:
    """Register staging's release there, and let it be champion: what a rollout does when it succeeds."""
    release = released(world.staging.settings, world.releases, "classical")
    registry = world.staging.registry
    version = accept(
        world.staging,
        registry,
        world.shared_models(),
        release,
        usecase="classical",
        progress=lambda _: None,
    )
    return registry.set_champion(MODEL, version.version)


def test_the_champion_becomes_a_release_with_its_lineage(world: World) -> None:
    world.trained()
    done = world.promote()
    release = done.release
    assert world.releases.get("staging", "classical") == release
    assert done.shared
    assert (release.model, release.registry) == (MODEL, "mlr-mlops")
    assert release.gate.model_dump() == {"verdict": "pass", "checks": 2, "rows": 100}
    assert release.lineage.training_job == "job-1"
    assert "+    digest: sha256:" in done.difference
    before = world.releases.path("staging").read_bytes()
    again = world.promote()
    assert (again.shared, again.difference, again.release) == (False, "", release)
    assert world.releases.path("staging").read_bytes() == before
    assert world.dev.models.shares == ["mlr-mlops"]


def test_a_version_can_be_named_and_an_earlier_one_promoted_again(world: World) -> None:
    first, second = world.trained("job-1"), world.trained("job-2", "other weights")
    old = world.promote(version=first).release
    new = world.promote(version=second).release
    assert [one.digest for one in new.earlier] == [old.digest]
    back = world.promote(version=first).release
    assert (back.digest, [one.digest for one in back.earlier]) == (old.digest, [new.digest])
    assert len(world.shared.stored) == 2


def test_without_a_champion_nothing_is_promoted(world: World) -> None:
    with pytest.raises(RegistryError, match="no champion") as caught:
        world.promote()
    assert caught.value.next_step == "mlops deploy --usecase classical --env dev"
    with pytest.raises(RegistryError, match="no version 9"):
        world.promote(version="9")


@pytest.mark.parametrize("loss", ["tag", "job", "output", "file"])
def test_without_the_gates_verdict_nothing_is_promoted(world: World, loss: str) -> None:
    version = world.trained()
    if loss == "tag":
        world.retag(version, training_job=None)
    elif loss == "job":
        world.dev.jobs.verdicts.clear()
    elif loss == "output":
        shutil.rmtree(world.dev.jobs.verdicts["job-1"])
    else:
        (world.dev.jobs.verdicts["job-1"] / "gate.json").unlink()
    with pytest.raises(RegistryError, match=r"verdict .*is missing|left no verdict"):
        world.promote()
    assert world.shared.stored == {}
    assert not world.releases.path("staging").exists()


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ({"verdict": "fail"}, "gate refused"),
        ({"checks": []}, "holds no checks"),
        ({"checks": [{"name": "log_loss", "status": "fail"}]}, "gate refused"),
        ({"model_sha256": None}, "not about this version's files"),
        ({"model_sha256": "f" * 64}, "not about this version's files"),
    ],
)
def test_a_verdict_that_is_no_pass_or_about_other_files_is_none(
    world: World, verdict: dict[str, Any], words: str
) -> None:
    world.trained(**verdict)
    with pytest.raises(RegistryError, match=words):
        world.promote()
    assert world.shared.stored == {}


def test_a_version_from_before_digests_were_kept_is_held_to_its_verdict(world: World) -> None:
    version = world.trained()
    world.retag(version, digest=None)
    assert world.promote().shared
    (world.dev.models.files(MODEL, version) / "weights").write_text("changed")
    with pytest.raises(RegistryError, match="not those that were judged"):
        world.promote()


def test_files_that_were_changed_in_the_workspace_do_not_get_into_the_registry(world: World) -> None:
    version = world.trained()
    (world.dev.models.files(MODEL, version) / "weights").write_text("changed")
    with pytest.raises(RegistryError, match="not those that were judged"):
        world.promote()
    assert world.shared.stored == {}


def test_other_files_under_the_same_version_of_the_registry_are_refused(world: World) -> None:
    world.trained()
    release = world.promote().release
    world.releases.path("staging").unlink()
    (world.shared.files(MODEL, release.version) / "weights").write_text("changed")
    with pytest.raises(RegistryError, match="not those that were judged") as caught:
        world.promote()
    assert caught.value.where == release.reference
    assert not world.releases.path("staging").exists()


def test_a_registry_that_is_not_there_is_told(world: World) -> None:
    def missing() -> Any:
        error = ResourceNotFoundError("no registry")
        error.status_code, error.reason = 404, "Not Found"
        raise error

    world.trained()
    world.shared_models = lambda: SharedModels("mlr-mlops", missing)  # type: ignore[method-assign]
    with pytest.raises(RegistryError, match="mlr-mlops is not there"):
        world.promote()


def test_somebody_who_shares_the_same_files_meanwhile_is_no_obstacle(world: World) -> None:
    version = world.trained()
    shared = world.shared_models()
    first = iter([False])
    holds = shared._holds
    shared._holds = lambda release: next(first, None) is not False and holds(release)  # type: ignore[method-assign]
    world.dev.models.share(
        MODEL,
        version,
        share_with_name=MODEL,
        share_with_version=world.dev.registry.get(MODEL, version).digest.removeprefix("sha256:")[:12],  # type: ignore[union-attr]
        registry_name="mlr-mlops",
    )
    world.shared_models = lambda: shared  # type: ignore[method-assign]
    assert not world.promote().shared


def test_prod_gets_what_staging_serves_and_nothing_else(world: World) -> None:
    world.trained()
    with pytest.raises(RegistryError, match="staging has no champion"):
        world.promote("staging", "prod")
    release = world.promote().release
    into_staging(world)
    prod = world.promote("staging", "prod").release
    assert (prod.digest, prod.promoted.environment, prod.lineage) == (
        release.digest,
        "staging",
        release.lineage,
    )
    # Staging is to serve another model, and does not yet.
    world.trained("job-2", "other weights")
    world.promote()
    with pytest.raises(RegistryError, match="not the one of its release") as caught:
        world.promote("staging", "prod")
    assert "mlops deploy --usecase classical --env staging" in str(caught.value.next_step)


def test_a_release_that_staging_never_held_is_refused_offline(world: World) -> None:
    world.trained()
    release = world.promote().release
    prod = load("prod")
    world.releases.write("prod", "classical", release)
    with pytest.raises(RegistryError, match="comes from an environment that does not promote"):
        released(prod, world.releases, "classical")
    world.releases.path("staging").unlink()
    origin = release.promoted.model_copy(update={"environment": "staging"})
    world.releases.write("prod", "classical", release.model_copy(update={"promoted": origin}))
    with pytest.raises(RegistryError, match="prod would release what staging never did"):
        released(prod, world.releases, "classical")
    foreign = release.model_copy(update={"registry": "mlr-other"})
    world.releases.write("staging", "classical", foreign)
    with pytest.raises(RegistryError, match="another registry"):
        released(load("staging"), world.releases, "classical")


def test_what_is_registered_is_the_release_and_is_read_back_each_time(world: World) -> None:
    world.trained()
    release = world.promote().release
    (world.shared.files(MODEL, release.version) / "__pycache__").mkdir()
    champion = into_staging(world)
    assert (champion.version, champion.digest, champion.training_job) == ("1", release.digest, "job-1")
    assert into_staging(world).version == "1"
    assert len(world.staging.models.stored) == 1
    (world.staging.models.files(MODEL, "1") / "weights").write_text("changed")
    with pytest.raises(RegistryError, match="not those that were judged"):
        into_staging(world)


def test_a_tampered_or_missing_artifact_is_not_registered(world: World) -> None:
    world.trained()
    release = world.promote().release
    (world.shared.files(MODEL, release.version) / "weights").write_text("changed")
    with pytest.raises(RegistryError, match="not those that were judged"):
        into_staging(world)
    assert world.staging.models.stored == {}
    world.shared.stored.clear()
    with pytest.raises(RegistryError, match="does not hold what was released"):
        into_staging(world)


def test_a_known_shift_travels_to_where_the_compared_champion_serves_too(world: World) -> None:
    first = world.trained("job-1")
    world.promote()
    assert into_staging(world).expected_shift(None) == 0.0
    second = world.trained("job-2", "other weights")
    world.retag(second, compared_with=first, expected_shift="-0.2")
    assert world.promote().release.lineage.expected_shift == -0.2
    champion = world.staging.registry.champion(MODEL)
    assert into_staging(world).expected_shift(champion) == -0.2


CHAIN = Promotion(chain=("dev", "staging", "prod"))


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("dev", "prod", "goes one step"),
        ("staging", "dev", "goes one step"),
        ("prod", "staging", "goes one step"),
        ("dev", "dev", "goes one step"),
        ("local", "staging", "from 'local'"),
        ("dev", "stagin", "write 'staging'"),
    ],
)
def test_a_promotion_goes_one_step(source: str, target: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        require_next(CHAIN, source, target)


def test_a_shorter_chain_is_one_line_of_the_settings() -> None:
    short = Promotion(chain=("dev", "prod"))
    require_next(short, "dev", "prod")
    assert (short.before("prod"), short.after("dev"), short.after("prod")) == ("dev", "prod", None)
    # Staging trains its own then, like a second dev.
    assert not short.accepts_releases("staging")


@pytest.mark.parametrize(
    "chain", [("prod",), ("dev", "staging"), ("prod", "dev"), ("dev", "dev", "prod"), ()]
)
def test_a_chain_that_is_none_is_refused(chain: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="prod"):
        Promotion(chain=chain)  # type: ignore[arg-type]


def test_who_accepts_releases_has_no_models_of_its_own() -> None:
    for name in ("local", "dev"):
        refuse_own_models(load(name), "classical")
    for name in ("staging", "prod"):
        with pytest.raises(UsageError, match="no model of its own"):
            refuse_own_models(load(name), "classical")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["promote", "--from", "dev", "--to", "prod"], "--to staging"),
        (["promote", "--from", "prod"], "goes one step"),
        (["promote", "--from", "nowhere"], "no environment 'nowhere'"),
        (["promote", "--usecase", "classicl"], "classical"),
        (["promote", "--request", "-1"], "greater than or equal to 0"),
        (["deploy", "--env", "staging"], "never promoted to staging"),
        (["deploy", "--env", "prod", "--version", "1"], "no model of its own"),
        (["register", "--env", "prod", "--job", "j"], "no model of its own"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_commands_refuse_before_they_ask_anybody(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    assert run(arguments) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert "Traceback" not in streams.err
    assert words in " ".join(streams.err.split())


def test_the_result_is_json(world: World) -> None:
    world.trained()
    assert json.loads(json.dumps(world.promote().to_dict()))["release"]["promoted"]["by"] == "somebody"
    assert SimpleNamespace(**world.promote().to_dict()).changed is False
