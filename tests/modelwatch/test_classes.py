"""What is one class, which is positive, and what happens where the data do not tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn import metrics as sklearn_metrics

from modelwatch import Contract, Status, measure, profile, run
from modelwatch.errors import UsageError
from modelwatch.estimation import calibrator, estimated_from_reference, estimated_performance
from modelwatch.fairness import fairness_gaps

MONITOR = {
    "monitor": "m",
    "signals": {
        "performance": {
            "type": "model_performance",
            "brier": 0.5,
            "roc_auc": 0.5,
            "log_loss": 1.0,
            "accuracy": 0.5,
            "calibration_error": 0.5,
        },
        "one_class": {"type": "model_performance", "average": "binary", "recall": 0.1, "f1": 0.1},
        "estimated": {"type": "estimated_performance"},
        "fairness": {"type": "fairness"},
    },
}
ROLES: dict[str, Any] = {"g": "segment", "score": "probability", "pred": "prediction", "y": "target"}


def scored(seed: int, n: int = 400) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    probability = generator.beta(2, 2, n)
    return pd.DataFrame(
        {
            "g": generator.choice(["m", "f"], n),
            "score": probability,
            "pred": (probability > 0.5).astype(int),
            "y": (generator.random(n) < probability).astype(int),
        }
    )


def written(frame: pd.DataFrame, negative: Any, positive: Any, *columns: str) -> pd.DataFrame:
    return frame.assign(**{name: np.where(frame[name] == 1, positive, negative) for name in columns})


def figures(baseline: pd.DataFrame, production: pd.DataFrame, **declared: Any) -> list[tuple[Any, ...]]:
    monitor = {
        **MONITOR,
        "signals": {name: {**signal, **declared} for name, signal in MONITOR["signals"].items()},  # type: ignore[attr-defined]
    }
    contract = Contract.infer(profile(baseline), roles=ROLES)
    found = run(monitor, baseline, production, contract=contract)["measurements"]
    return [(m["metric"], m["value"], m["status"], m["p_value"], m.get("interval")) for m in found]


@pytest.mark.parametrize(
    ("negative", "positive", "columns"),
    [
        (False, True, ("y", "pred")),
        (False, True, ("y",)),
        (False, True, ("pred",)),
        ("no", "yes", ("y", "pred")),
        ("0", "1", ("y",)),
        (0.0, 1.0, ("y", "pred")),
        (-1, 1, ("y", "pred")),
    ],
)
def test_how_labels_are_written_changes_no_number(
    negative: Any, positive: Any, columns: tuple[str, ...]
) -> None:
    expected = figures(scored(1), scored(2))
    assert expected[0][1] == pytest.approx(
        sklearn_metrics.brier_score_loss(scored(2)["y"], scored(2)["score"])
    )
    assert {status for _, _, status, _, _ in expected} <= {"ok", "breach"}
    frames = [written(scored(seed), negative, positive, *columns) for seed in (1, 2)]
    assert figures(*frames) == expected
    # The baseline may be written otherwise than the window.
    assert figures(scored(1), frames[1]) == expected or negative in ("no", -1)


def test_a_class_that_does_not_tell_is_asked_for_and_taken_as_declared() -> None:
    expected = figures(scored(1), scored(2))
    frames = [written(scored(seed), "good", "bad", "y", "pred") for seed in (1, 2)]
    # Draws behind an interval follow the order of names.
    assert [row[:4] for row in figures(*frames, positive="bad")] == [row[:4] for row in expected]
    for declared in ({}, {"positive": 1}, {"positive": "badd"}):
        found = {metric: status for metric, _, status, _, _ in figures(*frames, **declared)}
        # The share that is right needs no positive class.
        assert found.pop("accuracy") == "ok"
        assert set(found.values()) == {"schema_error"}
    note = measure("brier_score", ["good", "bad"], [0.2, 0.9]).note
    assert "'bad', 'good'" in note
    assert "positive=" in note


def test_one_pair_of_labels_is_equal_however_it_is_stored() -> None:
    truth = [1, 0, 1, 0, 1]
    for predicted in (
        [True, False, True, False, False],
        ["true", "false", "true", "false", "false"],
        ["1.0", "0.0", "1.0", "0.0", "0.0"],
        pa.array([1, 0, 1, 0, 0], pa.decimal128(4, 1)),
        pd.Series([1, 0, 1, 0, 0]).astype("category"),
    ):
        for one, two in ((truth, predicted), (predicted, truth)):
            assert measure("accuracy", one, two).value == pytest.approx(0.8)
    assert measure("accuracy", [True, False], ["True", "False"]).value == 1.0
    assert measure("roc_auc", [True, False], [0.9, 0.1], positive=1).value == 1.0
    assert measure("roc_auc", ["no", "yes"], [0.1, 0.9], positive=True).value == 1.0  # YAML reads yes so
    assert measure("roc_auc", [True, False], [0.9, 0.1], positive=False).value == 0.0
    assert measure("accuracy", [2**53, 2**53 + 1], [2**53 + 1, 2**53 + 1]).value == 0.5


def test_sides_that_are_written_differently_are_no_zero_accuracy() -> None:
    for predicted in (["x", "y"], [1, 0], [True, False]):
        found = measure("accuracy", ["good", "bad"], predicted)
        assert (found.status, found.value) == (Status.SCHEMA_ERROR, None)
        assert "no class in common" in found.note
    assert measure("accuracy", ["a"], ["b"]).value == 0.0
    assert measure("accuracy", [True], [0]).value == 0.0


def test_a_window_without_a_positive_row_has_its_class_all_the_same() -> None:
    found = measure("brier_score", [0, 0], [0.2, 0.4])
    assert found.value == pytest.approx(0.1)
    assert "'1' has no row" in found.note
    assert measure("brier_score", ["good"] * 2, [0.2, 0.4], positive="bad").value == pytest.approx(0.1)
    assert measure("brier_score", ["good"] * 2, [0.2, 0.4], positive=1).status is Status.SCHEMA_ERROR
    known = measure("brier_score", ["no"] * 2, [0.2, 0.4], known_classes=["no", "yes"])
    assert known.value == pytest.approx(0.1)
    recall = measure("recall", [0, 0], [0, 0], average="binary")
    assert (recall.value, recall.status) == (0.0, Status.OK)
    assert "never true: 1" in recall.note


def test_fairness_and_estimates_ask_the_same_question() -> None:
    frame = scored(3)
    for values in (frame["y"] == 1, np.where(frame["y"] == 1, "yes", "no")):
        assert np.array_equal(
            calibrator(values, frame["score"]).probabilities,  # type: ignore[union-attr]
            calibrator(frame["y"], frame["score"]).probabilities,  # type: ignore[union-attr]
        )
    unclear = np.where(frame["y"] == 1, "bad", "good")
    for results in (
        estimated_from_reference(frame["score"], unclear, frame["score"]),
        fairness_gaps(frame["g"], unclear, unclear),
        estimated_performance(frame["score"] * 2),
        estimated_performance(["a", "b"]),
    ):
        assert {result.status for result in results} == {Status.SCHEMA_ERROR}
    one = estimated_from_reference(frame["score"], [0, 0], [0.1, 0.2])
    assert {result.status for result in one} == {Status.INSUFFICIENT}
    without = estimated_from_reference(frame["score"], [None, None], [0.1, 0.2])
    assert {result.status for result in without} == {Status.OK}


def test_probabilities_may_be_one_column_a_class() -> None:
    frame = scored(4)
    truth, p = frame["y"].to_numpy(), frame["score"].to_numpy()
    matrix = np.column_stack([1 - p, p])
    forms = (matrix, matrix.tolist(), pa.array(matrix.tolist()), pd.DataFrame(matrix))
    for metric in ("roc_auc", "log_loss", "brier_score", "calibration_error"):
        expected = measure(metric, truth, p).value
        for form in forms:
            assert measure(metric, truth, form).value == pytest.approx(expected)
        swapped = measure(metric, np.where(truth, "a", "b"), matrix, positive="a", labels=["b", "a"])
        assert swapped.value == pytest.approx(expected)
    generator = np.random.default_rng(5)
    three = generator.dirichlet([1, 1, 1], 200)
    classes = generator.choice(["a", "b", "c"], 200)
    found = measure("log_loss", classes, three)
    assert found.value == pytest.approx(sklearn_metrics.log_loss(classes, three))
    rest = measure("roc_auc", classes, three, positive="b")
    assert rest.value == pytest.approx(sklearn_metrics.roc_auc_score(classes == "b", three[:, 1]))
    assert measure("roc_auc", classes, three).status is Status.SCHEMA_ERROR
    assert "one column" in measure("log_loss", classes, three[:, :2]).note


def test_one_metric_that_cannot_be_measured_leaves_the_others() -> None:
    production = scored(2).assign(score=np.linspace(-1, 2, 400))
    found = {metric: status for metric, _, status, _, _ in figures(scored(1), production)}
    assert found["brier_score"] == found["log_loss"] == found["calibration_error"] == "schema_error"
    assert found["roc_auc"] in ("ok", "breach")
    assert found["accuracy"] in ("ok", "breach")


@pytest.mark.parametrize(
    ("metric", "option", "nearest"),
    [
        ("accuracy", "averge", "'average'"),
        ("roc_auc", "positiv", "'positive'"),
        ("mae", "bins", "minimum_rows"),
    ],
)
def test_an_unknown_option_names_the_nearest(metric: str, option: str, nearest: str) -> None:
    with pytest.raises(UsageError, match=nearest):
        measure(metric, [1, 0], [1, 0], **dict[str, Any]({option: 1}))
