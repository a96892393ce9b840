from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.gate import Check, Evidence, EvidenceError, GateReport, Note, decide

if TYPE_CHECKING:
    from mlops.gate.metrics import Array
    from mlops.usecase import UseCase

ROWS = 2_400
SIGNATURE = {
    "lncoins": "double",
    "idp": "long",
    **dict.fromkeys(("lpi", "fmde", "physlm", "disea"), "double"),
    **dict.fromkeys(("hlthg", "hlthf", "hlthp"), "long"),
}


def logistic(scores: Array) -> Array:
    result: Array = 1 / (1 + np.exp(-scores))
    return result


@pytest.fixture(scope="module")
def truth() -> tuple[Array, Array, pd.DataFrame]:
    """Labels, the scores that made them, and features with every group of the contract."""
    generator = np.random.default_rng(5)
    health = generator.choice(4, ROWS, p=[0.5, 0.34, 0.15, 0.01])
    scores = 1.1 + generator.normal(0, 0.8, ROWS)
    labels = (generator.uniform(size=ROWS) < logistic(scores)).astype(float)
    features = pd.DataFrame(
        {
            "hlthg": health == 1,
            "hlthf": health == 2,
            "hlthp": health == 3,
            "lncoins": generator.choice([0, 3.25], ROWS),
            "physlm": generator.choice([0, 1], ROWS, p=[0.8, 0.2]),
        }
    ).astype(float)
    return labels, scores, features


@pytest.fixture
def evidence(truth: tuple[Array, Array, pd.DataFrame]) -> Evidence:
    labels, scores, features = truth
    probability = logistic(scores)
    return Evidence(
        labels=labels,
        challenger=probability,
        champion=probability,
        features=features,
        signature=SIGNATURE,
        has_output_signature=True,
        champion_signature=SIGNATURE,
        latency_ms=np.full(200, 3.0),
    )


def failed(report: GateReport) -> set[str]:
    return {check.name for check in report.checks if check.status != "pass"}


def test_a_model_that_is_the_champion_again_passes(evidence: Evidence, usecase: UseCase) -> None:
    report = decide(evidence, usecase)
    assert report.verdict == "pass", report.summary()
    assert {check.name for check in report.checks} >= {
        "schema.inputs",
        "absolute.roc_auc",
        "comparison.log_loss",
        "slice.health.fair",
        "latency.p95_ms",
    }
    assert [note.name for note in report.notes] == ["slice.health.poor"]


def test_the_first_model_passes_on_its_own_merits(evidence: Evidence, usecase: UseCase) -> None:
    first = replace(evidence, champion=None, champion_signature=None)
    report = decide(first, usecase)
    assert report.verdict == "pass"
    assert not [check for check in report.checks if check.name.startswith(("comparison", "slice"))]
    assert [(note.name, note.status) for note in report.notes] == [("comparison", "not_applicable")]
    useless = replace(first, challenger=np.full(ROWS, 0.7))
    assert "absolute.roc_auc" in failed(decide(useless, usecase))


def test_the_base_rate_is_beaten_whatever_it_is(evidence: Evidence, usecase: UseCase) -> None:
    constant = np.full(ROWS, evidence.labels.mean())
    first = replace(evidence, challenger=constant, champion=None, champion_signature=None)
    assert {"absolute.log_loss", "absolute.brier_score"} <= failed(decide(first, usecase))
    rare = evidence.labels * (np.arange(ROWS) % 4 == 0)
    skilled = np.clip(evidence.challenger / 4, 0, 1)
    moved = decide(replace(first, labels=rare, challenger=skilled), usecase)
    losses = [check for check in moved.checks if check.name == "absolute.log_loss"]
    assert [check.status for check in losses] == ["pass"]
    assert "which the base rate of" in str(losses[0].bound)


@settings(max_examples=8, deadline=None)
@given(noise=st.floats(1.2, 3), seed=st.integers(0, 1000))
def test_a_model_worse_than_the_margin_is_refused(
    truth: tuple[Array, Array, pd.DataFrame], usecase: UseCase, noise: float, seed: int
) -> None:
    labels, scores, features = truth
    worse = logistic(scores + np.random.default_rng(seed).normal(0, noise, ROWS))
    evidence = Evidence(labels, worse, logistic(scores), features, SIGNATURE, True)
    report = decide(evidence, usecase)
    assert report.verdict == "fail"
    assert "comparison.log_loss" in failed(report)


def test_a_group_that_is_served_worse_is_named(evidence: Evidence, usecase: UseCase) -> None:
    fair = evidence.features["hlthf"].to_numpy() == 1
    challenger = np.where(fair, evidence.challenger.mean(), evidence.challenger)
    report = decide(replace(evidence, challenger=challenger), usecase)
    assert "slice.health.fair" in failed(report)
    assert not failed(report) & {"slice.health.good", "slice.health.excellent"}


def test_a_group_too_small_to_judge_fails_when_the_policy_says_so(
    evidence: Evidence, usecase: UseCase
) -> None:
    rule = usecase.gate.slices.model_copy(update={"too_small": "fail"})
    strict = usecase.model_copy(update={"gate": usecase.gate.model_copy(update={"slices": rule})})
    assert failed(decide(evidence, strict)) == {"slice.health.poor"}


@pytest.mark.parametrize(
    ("signature", "said"),
    [
        (None, "no signature"),
        ({**SIGNATURE, "zip_code": "long"}, "zip_code is not in the contract"),
        ({k: v for k, v in SIGNATURE.items() if k != "disea"}, "disea is missing"),
        ({**SIGNATURE, "disea": "string"}, "disea is string, the contract says number"),
        (dict(reversed(SIGNATURE.items())), "another order"),
    ],
)
def test_a_model_whose_inputs_are_not_the_contracts_is_refused(
    evidence: Evidence, usecase: UseCase, signature: dict[str, str] | None, said: str
) -> None:
    report = decide(replace(evidence, signature=signature), usecase)
    assert failed(report) == {"schema.inputs"}
    assert said in next(check.detail for check in report.checks if check.name == "schema.inputs")


def test_inputs_other_than_the_champions_are_reported(evidence: Evidence, usecase: UseCase) -> None:
    old = {**SIGNATURE, "retired": "long"}
    report = decide(replace(evidence, champion_signature=old), usecase)
    assert report.verdict == "pass"
    assert ("schema.champion", "changed") in {(note.name, note.status) for note in report.notes}


@pytest.mark.parametrize(
    ("latency", "status"),
    [
        (np.full(200, 101.0), "fail"),
        (np.concatenate([np.full(180, 1.0), np.full(20, 500.0)]), "fail"),
        (np.concatenate([np.full(195, 1.0), np.full(5, 500.0)]), "pass"),
        (np.full(50, 1.0), "error"),
        (np.empty(0), "error"),
        (np.full(200, np.nan), "error"),
    ],
)
def test_latency_is_the_95th_percentile_of_enough_requests(
    evidence: Evidence, usecase: UseCase, latency: Array, status: str
) -> None:
    report = decide(replace(evidence, latency_ms=latency), usecase)
    check = next(check for check in report.checks if check.name == "latency.p95_ms")
    assert check.status == status


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"challenger": np.full(ROWS, np.nan)}, "2400 probabilities of the challenger are no number"),
        ({"champion": np.full(ROWS, 1.5)}, "of the champion"),
        ({"challenger": np.full(3, 0.5)}, "3 probabilities of the challenger for 2400 rows"),
        ({"labels": np.full(ROWS, 2.0)}, "labels other than 0 and 1"),
        ({"labels": np.ones(ROWS)}, "all 2400 held-out rows have the label 1"),
        ({"labels": np.empty(0)}, "no held-out rows"),
    ],
)
def test_what_cannot_be_judged_is_refused_before_any_check(
    evidence: Evidence, change: dict[str, Array], said: str
) -> None:
    with pytest.raises(EvidenceError, match=said):
        replace(evidence, **change)  # type: ignore[arg-type]


def test_a_check_that_raises_fails_the_verdict(evidence: Evidence, usecase: UseCase) -> None:
    report = decide(replace(evidence, features=evidence.features.drop(columns="lncoins")), usecase)
    assert report.verdict == "fail"
    assert ("comparison", "error") in {(check.name, check.status) for check in report.checks}


def test_too_few_rows_for_a_bootstrap_fail(evidence: Evidence, usecase: UseCase) -> None:
    few = slice(0, 300)
    small = replace(
        evidence,
        labels=evidence.labels[few],
        challenger=evidence.challenger[few],
        champion=None if evidence.champion is None else evidence.champion[few],
        features=evidence.features.iloc[few],
    )
    report = decide(small, usecase)
    assert report.verdict == "fail"
    assert "too few to resample" in report.summary()


def test_no_checks_at_all_is_no_pass() -> None:
    assert GateReport("u", 0, ()).verdict == "fail"
    assert GateReport("u", 0, (), (Note("n", "insufficient", "d"),)).verdict == "fail"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_no_number_is_written_as_null(value: float) -> None:
    assert Check("c", "fail", value, None, "d").to_dict()["value"] is None
