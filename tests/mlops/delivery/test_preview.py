"""What an approval is bound to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlops.delivery.preview import Preview, read_preview, refusal, to_markdown
from mlops.errors import DeploymentError
from tests.workflows.bench import step

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
STEPS = [step("update", "lake", sku="Standard_ZRS"), step("create", "sea"), step("same", "river")]


def read(steps: list[dict[str, Any]], commit: str = "c1", at: datetime = NOW) -> Preview:
    return read_preview({"steps": steps}, stack="dev", commit=commit, at=at)


def test_operations_are_told_what_destroys_first() -> None:
    found = read([*STEPS, step("delete", "pond")])
    assert [(one.kind, one.name) for one in found.operations] == [
        ("delete", "pond"),
        ("update", "lake"),
        ("create", "sea"),
    ]
    assert found.unchanged == 1
    assert found.operations[1].properties == ("sku",)


def test_a_replacement_is_one_operation_that_names_its_reason() -> None:
    reasons = {"replaceReasons": ["accountName"]}
    steps = [
        {**step(kind, "lake"), **reasons} for kind in ("delete-replaced", "replace", "create-replacement")
    ]
    (one,) = read(steps).operations
    assert (one.kind, one.properties) == ("replace", ("accountName",))
    assert "**1 to replace**" in to_markdown(read(steps))


def test_digest_does_not_depend_on_order_or_time() -> None:
    later = read(list(reversed(STEPS)), at=NOW + timedelta(hours=5))
    assert read(STEPS).digest == later.digest


def changed(part: str) -> list[dict[str, Any]]:
    old = step("update", "lake", sku="Standard_ZRS")
    new = {
        "kind": {**old, "op": "replace"},
        "new-inputs": step("update", "lake", sku="Premium_LRS"),
        # Somebody changed the cloud, and what is planned looks the same.
        "old-inputs": {**old, "oldState": {"inputs": {"accountName": "lake", "tags": {"a": "b"}}}},
        "protection": {**old, "oldState": {**old["oldState"], "protect": True}},
        "another-resource": step("update", "pond", sku="Standard_ZRS"),
    }[part]
    return [new, *STEPS[1:]]


@pytest.mark.parametrize("part", ["kind", "new-inputs", "old-inputs", "protection", "another-resource"])
def test_digest_changes_with_whatever_would_be_done_differently(part: str) -> None:
    why = refusal(read(STEPS).digest, NOW, read(changed(part)), oldest=timedelta(hours=1))
    assert why is not None
    assert "is not what was approved" in why


def test_digest_changes_with_the_commit() -> None:
    assert read(STEPS).digest != read(STEPS, commit="c2").digest


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(hours=71), None),
        (timedelta(hours=73), "expired"),
        (timedelta(minutes=-30), "in the future"),
    ],
)
def test_approval_expires(age: timedelta, words: str | None) -> None:
    why = refusal(read(STEPS).digest, NOW - age, read(STEPS), oldest=timedelta(hours=72))
    assert why is None if words is None else words in str(why)


def test_an_operation_that_is_not_known_cannot_be_approved() -> None:
    with pytest.raises(DeploymentError, match="is not known here"):
        read([step("explode", "lake")])


def test_secrets_in_messages_are_masked_where_they_are_posted() -> None:
    from mlops.delivery.markdown import fit

    secret = "ghp_" + "a1" * 20
    document = {"steps": [], "diagnostics": [{"severity": "warning", "message": f"token {secret}"}]}
    text = fit(to_markdown(read_preview(document, stack="dev", commit="c", at=NOW)))
    assert secret not in text
    assert "warning: token" in text
