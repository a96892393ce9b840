"""The scoring script, in the serving environment and with the real data collector."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from usecases.classical import model

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "src" / "usecases" / "classical" / "score.py"
COLUMNS = ["row_id", "lncoins", "idp", "lpi", "fmde", "physlm", "disea", "hlthg", "hlthf", "hlthp"]
ROW = [8076, 3.258096, 0, 6.109248, 8.006368, 0.0, 10.57626, 1, 0, 0]


def body(columns: list[str] | None = None, rows: list[list[Any]] | None = None) -> str:
    return json.dumps({"input_data": {"columns": columns or COLUMNS, "data": rows or [ROW]}})


def changed(column: str, value: Any) -> str:
    return body(rows=[[value if name == column else given for name, given in zip(COLUMNS, ROW, strict=True)]])


REFUSED: dict[str, tuple[str, str]] = {
    "not_json": ("{", "the body is not JSON"),
    "empty": ("", "the body is not JSON"),
    "not_a_number_in_json": ('{"input_data": NaN}', "NaN is not a JSON number"),
    "deeply_nested": ("[" * 100_000, "the body is not JSON"),
    "a_list": ("[]", "expected"),
    "no_rows": (json.dumps({"input_data": {"columns": COLUMNS, "data": []}}), "at least one row"),
    "too_many_rows": (body(rows=[ROW] * 10_001), "10001 rows in one request; at most 10000"),
    "misspelt": (body(["lncoin" if c == "lncoins" else c for c in COLUMNS]), "did you mean 'lncoins'?"),
    "missing": (body(COLUMNS[:-1], [ROW[:-1]]), "column 'hlthp' is missing"),
    "unknown": (body([*COLUMNS, "zip_code"], [[*ROW, 1]]), "unknown column 'zip_code'"),
    "repeated": (body([*COLUMNS, "idp"], [[*ROW, 1]]), "a column is repeated"),
    "unhashable_column": (json.dumps({"input_data": {"columns": [*COLUMNS, []], "data": [ROW]}}), "column"),
    "short_row": (body(rows=[ROW[:-1]]), "row 0: expected a list of 10 values"),
    "row_is_a_mapping": (json.dumps({"input_data": {"columns": COLUMNS, "data": [{}]}}), "a list of 10"),
    "text": (changed("disea", "many"), "row 0: column 'disea' must be number, got 'many'"),
    "fraction": (changed("idp", 0.5), "column 'idp' must be integer, got 0.5"),
    "truth_value": (changed("idp", True), "must be integer, got True"),
    "null": (changed("lpi", None), "column 'lpi' is null"),
    "beyond_double": (changed("lpi", 10**400), "must be number"),
}
PASSED: dict[str, str] = {
    "one": body(),
    "sample": (ROOT / "pipelines" / "classical" / "sample_request.json").read_text(),
    "without_id": body(COLUMNS[1:], [ROW[1:]]),
    "other_order": body(COLUMNS[::-1], [ROW[::-1]]),
    "whole_float": changed("idp", 0.0),
    "out_of_range": changed("disea", 500.0),
}


@pytest.fixture(scope="module")
def session(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    mounted = tmp_path_factory.mktemp("azureml-models") / "classical" / "1"
    mounted.mkdir(parents=True)
    (mounted / "model").symlink_to(model_folder, target_is_directory=True)
    bodies = [*PASSED.values(), *(text for text, _ in REFUSED.values())]
    requests: list[dict[str, Any]] = [{"body": text} for text in bodies]
    requests[0]["headers"] = {"x-ms-client-request-id": "mine"}
    requests.append({"body": "", "method": "GET"})
    driver = Path(__file__).with_name("serving_session.py")
    finished = subprocess.run(
        [ROOT / ".venv-serving" / "bin" / "python", driver, SCRIPT, mounted],
        input=json.dumps(requests),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert finished.returncode == 0, finished.stderr
    content: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return content


def answer(session: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = session["on"][[*PASSED, *REFUSED].index(name)]
    return found


def test_answers_are_the_models_own_probabilities(session: dict[str, Any], model_folder: Path) -> None:
    frame = pd.DataFrame([ROW], columns=COLUMNS)
    expected = model.load(model_folder).probability(frame)[0]
    for name in ("one", "without_id", "other_order", "whole_float"):
        (prediction,) = answer(session, name)["body"]["predictions"]
        assert prediction["probability"] == pytest.approx(expected, abs=1e-12), name
        assert prediction["label"] == int(expected >= 0.5)


def test_rows_carry_the_callers_request_id_and_their_own_id(session: dict[str, Any]) -> None:
    (prediction,) = answer(session, "one")["body"]["predictions"]
    assert prediction["correlationid"] == "mine_0"
    assert prediction["row_id"] == 8076
    assert "row_id" not in answer(session, "without_id")["body"]["predictions"][0]
    two = answer(session, "sample")["body"]["predictions"]
    assert len({row["correlationid"] for row in two}) == 2


@pytest.mark.parametrize("name", REFUSED)
def test_a_request_that_cannot_be_scored_says_what_is_wrong(session: dict[str, Any], name: str) -> None:
    found = answer(session, name)
    assert found["status"] == 400
    assert REFUSED[name][1] in " ".join(found["body"]["problems"])


@pytest.mark.parametrize("name", PASSED)
def test_whatever_the_model_can_take_is_scored(session: dict[str, Any], name: str) -> None:
    assert answer(session, name)["status"] == 200


def test_only_post_is_answered(session: dict[str, Any]) -> None:
    assert session["on"][-1]["status"] == 405


def test_without_collection_the_answers_are_the_same(session: dict[str, Any]) -> None:
    assert [found["status"] for found in session["off"]] == [found["status"] for found in session["on"]]
    for off, on in zip(session["off"], session["on"], strict=True):
        for one, other in zip(
            off["body"].get("predictions", []), on["body"].get("predictions", []), strict=True
        ):
            assert one["probability"] == other["probability"]


def test_every_scored_row_is_collected_once_with_input_and_output(session: dict[str, Any]) -> None:
    inputs, outputs = (
        pd.DataFrame(
            [row for frame in session["collected"] if frame["type"].endswith(kind) for row in frame["rows"]]
        ).set_index("correlationid")
        for kind in ("model_inputs", "model_outputs")
    )
    answered = [row for found in session["on"] for row in found["body"].get("predictions", [])]
    assert sorted(inputs.index) == sorted(outputs.index) == sorted(row["correlationid"] for row in answered)
    assert inputs.index.is_unique
    assert set(inputs.columns) == set(COLUMNS)
    assert inputs.loc["mine_0", "disea"] == 10.57626
    returned = pd.DataFrame(answered).set_index("correlationid")["probability"]
    assert np.allclose(outputs["probability"].loc[returned.index], returned, atol=1e-9)
