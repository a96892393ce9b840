"""Contracts and monitors: inferred, kept, refused with the place of what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from modelwatch import Contract, Monitor, Role, profile
from modelwatch.errors import ContractError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("monitor: m\nsignals: {x: {type: data_drift, psy: 0.2}}", "psy"),
        ("monitor: m\nsignals: {x: {type: nothing}}", "type"),
        ("monitor: m\nsignals: {x: {type: data_drift}}\nsurprise: 1", "surprise"),
        ("monitor: m\ndata: {window: 1 day}\nsignals: {x: {type: data_drift}}", "ISO 8601"),
        ("monitor: [", "cannot be read"),
        ("monitor: m\nsignals: {}", "at least 1"),
        ("monitor: m\nsignals: {x: {type: data_drift, psi: null}}", "psi.*no number"),
        ("monitor: m\nsignals: {x: {type: data_drift, psi: [1]}}", "psi.*no number"),
        ("monitor: m\nsignals: {x: {type: data_drift, psi: .nan}}", "psi.*no number"),
        ("monitor: m\nsignals: {x: {type: data_drift, psi: true}}", "psi.*no number"),
        ("monitor: m\nsignals: {x: {type: data_drift, thresholds: {psi: abc}}}", "thresholds.psi.*no number"),
        ("monitor: m\nsignals: {x: {type: data_drift, thresholds: [1]}}", "thresholds.*dictionary"),
        ("monitor: m\nsignals: {x: {type: data_drift, psi: 1, population_stability_index: 2}}", "one bound"),
        ("monitor: m\nsignals: {x: {type: data_drift, numeric: foo}}", "numeric.*'foo'"),
        ("monitor: m\nsignals: {x: {type: data_drift, numeric: [psi, accuracy]}}", "numeric.*'accuracy'"),
        ("monitor: m\nsignals: {x: {type: data_drift, categorical: ks}}", "categorical.*'ks'"),
        (
            """monitor: m
baseline: {definition: azureml/4b41f8c}
signals: {x: {type: data_drift, numeric: chi_squared}}""",
            "x.numeric.*under azureml",
        ),
        ("monitor: m\nsignals: {x: {type: data_drift, null_rates: 0.1}}", "null_rates.*no metric"),
        ("monitor: m\nsignals: {x: {type: data_drift, accuracy: 0.5}}", "accuracy.*data_drift"),
        ("monitor: m\nsignals: {x: {type: data_quality, outlier: 0.5}}", "outlier.*expected 'outliers'"),
        ("monitor: m\nsignals: {x: {type: data_quality, psi: 0.5}}", "psi.*data_quality"),
        (
            "monitor: m\nsignals: {x: {type: model_performance, estimated_f1: 0.5}}",
            "expected one of accuracy",
        ),
        ("monitor: m\nsignals: {x: {type: model_performance, label_lag: P1M}}", "label_lag.*P1M"),
        ("monitor: m\nsignals: {x: {type: data_drift, alpha: 5}}", "alpha"),
        ("monitor: m\nsignals: {x: {type: data_drift, alpha: -1}}", "alpha"),
        ("monitor: m\nsignals: {x: {type: fairness, minimum_coverage: 80}}", "minimum_coverage"),
        ("monitor: m\ndata: {min_rows: -1}\nsignals: {x: {type: data_drift}}", "min_rows"),
        ("monitor: m\ndata: {window: P0D}\nsignals: {x: {type: data_drift}}", "window.*length"),
        ("monitor: m\ndata: {timezone: Foo/Bar}\nsignals: {x: {type: data_drift}}", "timezone.*Foo/Bar"),
        ("monitor: m\nsegments: [{by: g, min_rows: -1}]\nsignals: {x: {type: data_drift}}", "min_rows"),
    ],
)
def test_a_wrong_monitor_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(text)
    with pytest.raises(ContractError, match=f"(?s){message}") as raised:
        Monitor.load(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("rows", [200, 20_000])
def test_what_no_feature_is_is_inferred(rows: int) -> None:
    numbers = np.arange(rows)
    frame = pd.DataFrame(
        {
            "customer_id": numbers,
            "grid": numbers,
            "store_id": numbers % 9,
            "seen": pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(numbers, unit="s"),
            "score": np.linspace(0.2, 0.7, rows),
        }
    )
    contract = Contract.infer(profile(frame), roles={"score": "probability"})
    roles = {column.name: column.role for column in contract.columns}
    assert roles == {
        "customer_id": Role.IDENTIFIER,
        "grid": Role.FEATURE,
        "store_id": Role.FEATURE,
        "seen": Role.EVENT_TIME,
        "score": Role.PROBABILITY,
    }
    assert (contract["score"].minimum, contract["score"].maximum) == (0, 1)
    two = Contract.infer(profile(frame.assign(born=frame["seen"])))
    assert two["seen"].role is Role.FEATURE


def test_a_contract_is_inferred_kept_and_enforced(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"id": [f"r{i}" for i in range(200)], "age": np.arange(200) % 60, "city": ["A, B", "C"] * 100}
    )
    contract = Contract.infer(profile(frame), roles={"age": "feature"}, timezone="UTC")
    assert contract["id"].role is Role.IDENTIFIER
    assert (contract["age"].minimum, contract["age"].maximum, contract["age"].type) == (0, 59, "integer")
    assert contract["city"].allowed == ("A, B", "C")
    contract.save(tmp_path / "contract.yaml")
    assert Contract.load(tmp_path / "contract.yaml") == contract
    checked = profile(frame.assign(age=frame["age"] + 5, city="A"), contract=contract)
    assert checked.columns["age"].out_of_range == int(((frame["age"] + 5) > 59).sum())
    assert checked.columns["city"].out_of_range == 200
    (tmp_path / "contract.yaml").write_text("columns: [{name: x, type: number, minimum: 3, maximum: 1}]")
    with pytest.raises(ContractError, match="above maximum"):
        Contract.load(tmp_path / "contract.yaml")
    for written, wrong in (
        ("{timezone: Mars/Base, columns: []}", r"timezone.*Mars/Base"),
        ("columns: [{name: x, type: number, maximum: .inf}]", r"column 'x': maximum.*inf"),
    ):
        (tmp_path / "contract.yaml").write_text(written)
        with pytest.raises(ContractError, match=f"(?s){wrong}"):
            Contract.load(tmp_path / "contract.yaml")
    with pytest.raises(ContractError, match="Unknown column"):
        contract["agee"]
    with pytest.raises(ContractError, match=r"age.*'foo'.*feature"):
        Contract.infer(profile(frame), roles={"age": "foo"})
    with pytest.raises(ContractError, match="cannot be written"):
        contract.save(tmp_path / "nowhere" / "contract.yaml")


def test_a_wrong_bound_is_found_on_its_line_wherever_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    for text in (
        "monitor: m\nsignals:\n  x:\n    type: data_drift\n    psi: abc\n",
        "monitor: m\nsignals:\n  x:\n    thresholds:\n      psi: abc\n    type: data_drift\n",
    ):
        path.write_text(text)
        with pytest.raises(ContractError) as raised:
            Monitor.load(path)
        assert f"{path}:5: signals.x" in str(raised.value.where)
        assert raised.value.got == "abc"
