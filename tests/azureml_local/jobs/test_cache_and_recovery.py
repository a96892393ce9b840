"""Reuse of finished nodes, and jobs that outlive the control plane that ran them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.azureml_local.jobs.conftest import Bench

FOLDER, FILE = "uri_folder", "uri_file"


def counted(bench: Bench, **changes: Any) -> dict[str, Any]:
    """Return a pipeline whose only node notes each time that it really runs."""
    spec = {
        "command": "echo run >> {runs}; (cat ${{inputs.i}} main.txt; echo $MODE) > ${{outputs.o}}",
        "inputs": {"i": FILE, "n": {"type": "integer", "default": "1"}},
        "outputs": {"o": FILE},
        "code": bench.code("one", {"main.txt": "code"}),
        "environment_variables": {"MODE": "a"},
    } | changes
    spec["command"] = spec["command"].replace("{runs}", str(bench.config.home / "runs"))
    node = bench.node("n", bind={"i": "${{parent.inputs.i}}", "o": "${{parent.outputs.o}}"}, **spec)
    inputs = {"i": bench.data("input.txt", "data")}
    return bench.pipeline(node, inputs=inputs, outputs={"o": {"jobOutputType": FILE}})


def runs(bench: Bench) -> int:
    return len((bench.config.home / "runs").read_text().splitlines())


def test_same_work_is_not_done_again(bench: Bench) -> None:
    first = bench.run(counted(bench))
    second = bench.run(counted(bench))
    assert runs(bench) == 1
    child = bench.children(second["name"])["n"]
    assert child["properties"]["azureml.reusedrunid"]
    assert second["outputs"]["o"]["uri"] != first["outputs"]["o"]["uri"]
    assert bench.read(second["outputs"]["o"]) == bench.read(first["outputs"]["o"]) == "datacodea\n"


@pytest.mark.parametrize(
    "change",
    [
        {"command": "echo run >> {runs}; echo other > ${{outputs.o}}"},
        {"environment_variables": {"MODE": "b"}},
        {"inputs": {"i": FILE, "n": {"type": "integer", "default": "2"}}},
    ],
    ids=["command", "variables", "literal"],
)
def test_other_work_is_done(bench: Bench, change: dict[str, Any]) -> None:
    bench.run(counted(bench))
    bench.run(counted(bench, **change))
    assert runs(bench) == 2


def test_changed_content_behind_the_same_address_is_other_work(bench: Bench) -> None:
    body = counted(bench)
    bench.run(body)
    for place in ("data/input.txt", "code/one/main.txt"):
        bench.blobs.write("azureml-blobstore-test", place, b"new")
        bench.run(body)
    assert runs(bench) == 3


def test_equal_content_at_another_address_is_the_same_work(bench: Bench) -> None:
    bench.run(counted(bench))
    body = counted(bench, code=bench.code("two", {"main.txt": "code"}))
    body["properties"]["inputs"]["i"] = bench.data("copy.txt", "data")
    bench.run(body)
    assert runs(bench) == 1


def test_reuse_can_be_refused_by_component_and_by_job(bench: Bench) -> None:
    bench.run(counted(bench))
    forced = counted(bench)
    forced["properties"]["settings"] = {"force_rerun": True}
    bench.run(forced)
    assert runs(bench) == 2
    for _ in range(2):
        bench.run(counted(bench, is_deterministic=False))
    assert runs(bench) == 4


def test_output_that_was_changed_or_deleted_is_written_again(bench: Bench) -> None:
    body = counted(bench)
    first = bench.run(body)
    container, path = bench.blobs.locate(first["outputs"]["o"]["uri"])
    bench.blobs.write(container, path, b"tampered")
    second = bench.run(body)
    assert bench.read(second["outputs"]["o"]) == "datacodea\n"
    bench.blobs.delete(*bench.blobs.locate(second["outputs"]["o"]["uri"]))
    third = bench.run(body)
    assert bench.read(third["outputs"]["o"]) == "datacodea\n"
    assert runs(bench) == 3


def test_cache_survives_a_restart(new_bench: Callable[..., Bench]) -> None:
    bench = new_bench()
    bench.run(counted(bench))
    again = new_bench()
    again.run(counted(again))
    assert runs(again) == 1


def test_interrupted_pipeline_is_taken_up_where_it_was(new_bench: Callable[..., Bench]) -> None:
    """The finished node is not run again, although nothing may be reused; the interrupted one is."""
    bench = new_bench()
    home = bench.config.home
    gate, note = home / "gate", home / "runs"
    job_id = bench.submit(
        bench.pipeline(
            bench.node("a", f"echo a >> {note}; echo 1 > ${{{{outputs.o}}}}", outputs={"o": FILE}),
            bench.node(
                "b",
                f"echo b >> {note}; until [ -e {gate} ]; do sleep 0.02; done; "
                "cat ${{inputs.i}} > ${{outputs.o}}",
                inputs={"i": FILE},
                outputs={"o": FILE},
                bind={"i": "${{parent.jobs.a.outputs.o}}", "o": "${{parent.outputs.o}}"},
            ),
            settings={"force_rerun": True},
            outputs={"o": {"jobOutputType": FILE}},
        )
    )
    wait_until(lambda: note.exists() and "b" in note.read_text())
    bench.service.close()
    assert bench.store.require(job_id).properties["status"] == "Running"

    again = new_bench()
    gate.touch()
    again.service.recover()
    assert again.service.wait(job_id, 20) == "Completed"
    assert note.read_text().split() == ["a", "b", "b"]
    job = again.store.require(job_id).properties
    assert again.read(job["outputs"]["o"]) == "1\n"
    assert {name: child["status"] for name, child in again.children(job_id).items()} == {
        "a": "Completed",
        "b": "Completed",
    }


def test_cancel_that_was_asked_for_before_the_crash_holds(new_bench: Callable[..., Bench]) -> None:
    bench = new_bench()
    job_id = bench.submit(bench.pipeline(bench.node("a", "sleep 30")))
    wait_until(lambda: [c["status"] for c in bench.children(job_id).values()] == ["Running"])
    bench.service.close()
    # What a kill between the request and its effect leaves behind.
    bench.store.update(job_id, lambda body: body["properties"].update(status="CancelRequested"))
    again = new_bench()
    again.service.recover()
    assert again.store.require(job_id).properties["status"] == "Canceled"
    assert again.children(job_id)["a"]["status"] == "Canceled"


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true"
        time.sleep(0.02)
