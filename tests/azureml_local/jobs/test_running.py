"""Jobs as processes: what a command gets, what becomes of what it writes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from azureml_local.errors import AzureError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.azureml_local.jobs.conftest import Bench

FOLDER, FILE = "uri_folder", "uri_file"


def test_command_job_reads_its_inputs_and_stores_its_outputs(bench: Bench) -> None:
    job = bench.run(
        bench.command(
            "cat ${{inputs.table}} ${{inputs.more}}/b.txt > ${{outputs.copy}}; "
            "cat main.txt > ${{outputs.all}}/x",
            inputs={"table": bench.data("table.csv", "1,2\n"), "more": bench.data("more", {"b.txt": "bb"})},
            outputs={"copy": {"jobOutputType": FILE}, "all": {"jobOutputType": FOLDER}},
            codeId=bench.code("main", {"main.txt": "the code"}),
        )
    )
    assert job["outputs"]["copy"]["uri"].endswith(f"/paths/azureml/{job['name']}/copy")
    assert bench.read(job["outputs"]["copy"]) == "1,2\nbb"
    assert bench.read(job["outputs"]["all"], "x") == "the code"
    assert job["startTimeUtc"] <= job["endTimeUtc"]
    assert not any((bench.config.home / "jobs" / "work").iterdir())


def test_bindings_defaults_and_optional_inputs(bench: Bench) -> None:
    say = "echo -n ${{inputs.text}} ${{inputs.count}} $[[--rate ${{inputs.rate}}]] > ${{outputs.said}}"
    ports: dict[str, Any] = {
        "text": "string",
        "count": {"type": "integer", "default": "7"},
        "rate": {"type": "number", "optional": True},
    }
    said = {"said": FILE}
    job = bench.run(
        bench.pipeline(
            bench.node(
                "bare",
                say,
                inputs=ports,
                outputs=said,
                bind={
                    "text": "for ${{parent.inputs.who}}",
                    "rate": "${{parent.inputs.absent}}",
                    "said": "${{parent.outputs.bare}}",
                },
            ),
            bench.node(
                "full",
                say,
                inputs=ports,
                outputs=said,
                bind={
                    "text": "${{parent.inputs.who}}",
                    "rate": "0.5",
                    "count": "2",
                    "said": "${{parent.outputs.full}}",
                },
            ),
            inputs={"who": {"jobInputType": "literal", "value": "us"}},
            outputs={"bare": {"jobOutputType": FILE}, "full": {"jobOutputType": FILE}},
        )
    )
    assert bench.read(job["outputs"]["bare"]) == "for us 7"
    assert bench.read(job["outputs"]["full"]) == "us 2 --rate 0.5"


def test_environment_of_a_node_is_the_jobs_and_nothing_else(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_PARENT", "hidden")
    job = bench.run(
        bench.command(
            "env > ${{outputs.env}}; which python >> ${{outputs.env}}",
            outputs={"env": {"jobOutputType": FILE}},
            environmentVariables={"MODE": "test"},
            experimentName="exp",
        )
    )
    *lines, python = bench.read(job["outputs"]["env"]).splitlines()
    seen = dict(line.split("=", 1) for line in lines)
    assert "SECRET_OF_THE_PARENT" not in seen
    assert seen["MODE"] == "test"
    assert seen["AZUREML_RUN_ID"] == seen["MLFLOW_RUN_ID"] == seen["AZUREML_ROOT_RUN_ID"] == job["name"]
    assert seen["AZUREML_EXPERIMENT_NAME"] == "exp"
    assert seen["MLFLOW_TRACKING_URI"].endswith(bench.config.workspace_id)
    assert python == str(bench.config.runtimes["training"].python.parent / "python")


def test_node_cannot_change_what_is_stored(bench: Bench) -> None:
    source = bench.data("model", {"weights.txt": "good"})
    spoil = (
        "chmod -R u+w ${{inputs.model}}; echo bad > ${{inputs.model}}/weights.txt; rm -r ${{inputs.model}}"
    )
    bench.run(bench.command(f"{spoil}; true", inputs={"model": source}))
    asset = bench.store.require(source["uri"]).properties["dataUri"]
    assert bench.read({"uri": asset}, "weights.txt") == "good"


@pytest.mark.parametrize("kind", [FILE, FOLDER])
def test_declared_output_that_is_not_written_fails_the_job(bench: Bench, kind: str) -> None:
    job = bench.run(
        bench.command("echo done ${{outputs.model}}", outputs={"model": {"jobOutputType": kind}}),
        status="Failed",
    )
    assert "'model' was declared and not written" in job["error"]["message"]


def test_failure_names_code_and_tail_of_the_log(bench: Bench) -> None:
    job = bench.run(bench.command("echo first; echo the cause >&2; exit 7"), status="Failed")
    assert job["error"]["code"] == "UserError"
    assert "status code 7" in job["error"]["message"]
    assert job["error"]["message"].endswith("first\nthe cause")
    log = bench.service.log_files(f"{bench.config.workspace_id}/jobs/{job['name']}")["user_logs/std_log.txt"]
    assert log.read_text() == "first\nthe cause\n"
    stored = bench.blobs.path("azureml", f"ExperimentRun/dcid.{job['name']}/user_logs/std_log.txt")
    assert stored.read_text() == "first\nthe cause\n"


def test_failed_node_stops_the_pipeline_and_the_rerun_continues(bench: Bench) -> None:
    flag = bench.config.home / "repaired"
    nodes = [
        bench.node("good", "echo 1 > ${{outputs.o}}", outputs={"o": FILE}),
        bench.node(
            "bad",
            f"cat ${{{{inputs.i}}}}; test -e {flag}",
            inputs={"i": FILE},
            bind={"i": "${{parent.jobs.good.outputs.o}}"},
        ),
        bench.node(
            "last",
            "cat ${{inputs.i}}; echo 1 > ${{outputs.o}}",
            inputs={"i": FILE},
            outputs={"o": FILE},
            bind={"i": "${{parent.jobs.good.outputs.o}}", "o": "${{parent.outputs.o}}"},
        ),
    ]
    body = bench.pipeline(*nodes, outputs={"o": {"jobOutputType": FILE}})
    failed = bench.run(body, status="Failed")
    assert "Failed nodes: /bad" in failed["error"]["message"]
    flag.touch()
    again = bench.run(body)
    children = bench.children(again["name"])
    assert children["good"]["properties"]["azureml.isreused"] == "true"
    assert "azureml.isreused" not in children["bad"]["properties"]


def test_other_branches_go_on_only_if_asked_to(bench: Bench) -> None:
    def body(*, go_on: bool) -> dict[str, Any]:
        return bench.pipeline(
            bench.node("bad", "exit 1", outputs={"o": FILE}),
            bench.node(
                "after", "cat ${{inputs.i}}", inputs={"i": FILE}, bind={"i": "${{parent.jobs.bad.outputs.o}}"}
            ),
            bench.node(
                "slow", "sleep 0.6; echo 1 > ${{outputs.o}}", outputs={"o": FILE}, is_deterministic=False
            ),
            bench.node(
                "other",
                "cat ${{inputs.i}}",
                inputs={"i": FILE},
                bind={"i": "${{parent.jobs.slow.outputs.o}}"},
            ),
            settings={"continue_on_step_failure": go_on},
        )

    def statuses(*, go_on: bool) -> dict[str, str]:
        job = bench.run(body(go_on=go_on), status="Failed")
        return {name: child["status"] for name, child in bench.children(job["name"]).items()}

    expected = {"bad": "Failed", "after": "Canceled"}
    assert statuses(go_on=True) == expected | {"slow": "Completed", "other": "Completed"}
    assert statuses(go_on=False) == expected | {"slow": "Canceled", "other": "Canceled"}


def test_independent_nodes_run_at_the_same_time(bench: Bench) -> None:
    meet = bench.config.home / "meeting"
    meet.mkdir()
    command = f"touch {meet}/{{}}; until [ $(ls {meet} | wc -l) = 3 ]; do sleep 0.02; done"
    bench.run(bench.pipeline(*[bench.node(name, command.format(name)) for name in "abc"]))


def test_cancel_kills_the_whole_tree(bench: Bench) -> None:
    beat = bench.config.home / "beat"
    job_id = bench.submit(bench.command(f"(while true; do date +%N > {beat}; sleep 0.02; done) & wait"))
    wait_until(beat.exists)
    bench.service.cancel(job_id)
    assert bench.store.require(job_id).properties["status"] in {"CancelRequested", "Canceled"}
    assert bench.service.wait(job_id, 20) == "Canceled"
    last = beat.read_text()
    time.sleep(0.1)
    assert beat.read_text() == last


def test_queued_job_is_canceled_without_a_slot(new_bench: Callable[..., Bench]) -> None:
    bench = new_bench(job_slots=1)
    blocking = bench.submit(bench.command("sleep 30"))
    queued = bench.submit(bench.command("echo never"))
    wait_until(lambda: bench.store.require(queued).properties["status"] == "Queued")
    bench.service.cancel(queued)
    assert bench.service.wait(queued, 5) == "Canceled"
    assert bench.service.log_files(queued) == {}
    bench.service.cancel(blocking)
    assert bench.service.wait(blocking, 20) == "Canceled"


def test_limits_end_a_job(bench: Bench) -> None:
    job = bench.run(bench.command("sleep 30", limits={"timeout": "PT0.3S"}), status="Canceled")
    assert job["error"]["code"] == "JobTimeout"
    slow = bench.node("slow", "sleep 30", node={"limits": {"timeout": "PT0.3S"}})
    assert bench.run(bench.pipeline(slow), status="Failed")["error"]["details"][0]["code"] == "JobTimeout"


def test_inputs_by_every_kind_of_address(bench: Bench) -> None:
    first = bench.run(
        bench.command(
            "mkdir ${{outputs.o}}/sub; echo -n deep > ${{outputs.o}}/sub/f",
            outputs={"o": {"jobOutputType": FOLDER}},
        )
    )
    bench.blobs.write("azureml-blobstore-test", "models/m/MLmodel", b"flavors: {}")
    model = bench.put(
        "models/m/versions/1",
        modelType="mlflow_model",
        modelUri="azureml://datastores/workspaceblobstore/paths/models/m",
    )
    data = bench.data("plain.txt", "plain")
    bench.store.put(
        f"{bench.config.registry_id}/data/shared/versions/1",
        {
            "properties": {
                "dataType": FILE,
                "dataUri": bench.blobs.url("azureml-blobstore-test", "data/plain.txt"),
            }
        },
    )
    addresses = {
        "output": (FILE, f"azureml://jobs/{first['name']}/outputs/o/paths/sub/f", "deep"),
        "model": ("mlflow_model", f"azureml:{model}", "flavors: {}"),
        "asset": (FILE, data["uri"], "plain"),
        "path": (FILE, "azureml://datastores/workspaceblobstore/paths/data/plain.txt", "plain"),
        "long": (
            FILE,
            "azureml://subscriptions/s/workspaces/w/datastores/workspaceblobstore/paths/data/plain.txt",
            "plain",
        ),
        "shared": (FILE, f"azureml://registries/{bench.config.registry}/data/shared/versions/1", "plain"),
    }
    commands = [
        f"cat ${{{{inputs.{name}}}}}{'/MLmodel' * (kind == 'mlflow_model')} > ${{{{outputs.o}}}}/{name}"
        for name, (kind, _, _) in addresses.items()
    ]
    job = bench.run(
        bench.command(
            " && ".join(commands),
            inputs={name: {"jobInputType": kind, "uri": uri} for name, (kind, uri, _) in addresses.items()},
            outputs={
                "o": {
                    "jobOutputType": FOLDER,
                    "uri": "azureml://datastores/workspaceblobstore/paths/mine/${{name}}/",
                }
            },
        )
    )
    assert job["outputs"]["o"]["uri"].endswith(f"/mine/{job['name']}/")
    written = bench.blobs.path("azureml-blobstore-test", f"mine/{job['name']}")
    assert {path.name: path.read_text() for path in written.iterdir()} == {
        name: content for name, (_, _, content) in addresses.items()
    }


def test_missing_blob_fails_the_job_and_names_it(bench: Bench) -> None:
    gone = "azureml://datastores/workspaceblobstore/paths/nowhere/x.csv"
    job = bench.run(
        bench.command("cat ${{inputs.x}}", inputs={"x": {"jobInputType": FILE, "uri": gone}}), status="Failed"
    )
    assert gone in job["error"]["message"]


def test_full_store_fails_the_job_and_leaves_no_half_output(new_bench: Callable[..., Bench]) -> None:
    bench = new_bench(blob_quota_bytes=10_000)
    job = bench.run(
        bench.command("head -c 20000 /dev/zero > ${{outputs.big}}", outputs={"big": {"jobOutputType": FILE}}),
        status="Failed",
    )
    assert job["error"]["code"] == "StorageAccountCapacityExceeded"
    assert not bench.blobs.resolve(job["outputs"]["big"]["uri"]).exists()


def test_metric_of_a_node_survives_in_its_run(bench: Bench) -> None:
    """The run exists before the command starts, and ends as the job does."""
    import sqlite3

    failed = bench.run(bench.command("exit 1"), status="Failed")
    with sqlite3.connect(bench.store.path) as connection:
        rows = connection.execute("SELECT id, status FROM mlflow_runs").fetchall()
    connection.close()
    assert rows == [(failed["name"], "FAILED")]


def test_child_is_not_canceled_alone(bench: Bench) -> None:
    job_id = bench.submit(bench.pipeline(bench.node("a", "sleep 30")))
    wait_until(lambda: bool(bench.children(job_id)))
    child = next(r.id for r in bench.store.of_type("workspaces/jobs") if r.properties.get("parentJobName"))
    with pytest.raises(AzureError, match="ends with its pipeline"):
        bench.service.cancel(child)
    bench.service.cancel(job_id)
    assert bench.service.wait(job_id, 20) == "Canceled"


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true"
        time.sleep(0.02)
