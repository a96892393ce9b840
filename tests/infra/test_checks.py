"""What a check of a stack says, and how it is told."""

from __future__ import annotations

from infra.checks import Report, check
from infra.engine import Violation
from infra.sdk_types import Problem

WRONG = Problem(("sku",), "is required and missing", "urn::lake")
ADVICE = Violation("pack", "storage-tls", "advisory", "high", "too old", "urn::lake", "TLS 1.2.")
REFUSAL = Violation("pack", "storage-https", "mandatory", "high", "off", "urn::lake", "HTTPS.")


def test_a_stack_is_rendered_with_the_policies_and_judged() -> None:
    checked = check("shared")
    assert checked.passed, checked.to_text()
    assert checked.resources >= 20


def test_advice_stops_nothing_and_everything_else_does() -> None:
    assert Report("dev", 1, (), (ADVICE,)).passed
    assert not Report("dev", 1, (WRONG,), ()).passed
    assert not Report("dev", 1, (), (ADVICE, REFUSAL)).passed


def test_what_stops_a_deployment_comes_first() -> None:
    report = Report("prod", 1, (WRONG,), (ADVICE, REFUSAL))
    assert report.to_text().splitlines() == [
        "prod: failed; 1 resources, 1 advisory findings",
        "[type] lake: sku: is required and missing",
        "[mandatory] storage-https (lake): off",
        "[advisory] storage-tls (lake): too old",
    ]
    document = report.to_document()
    assert document["passed"] is False
    assert [one["policy"] for one in document["violations"]] == ["storage-tls", "storage-https"]
