"""Every stack of this repository against the SDK's types and the policies."""

from __future__ import annotations

import pytest

from infra.checks import Report, check
from infra.engine import Violation
from infra.render import STACKS
from infra.sdk_types import Problem

WRONG = Problem(("sku",), "is required and missing", "urn::lake")
ADVICE = Violation("pack", "storage-tls", "advisory", "high", "too old", "urn::lake", "TLS 1.2.")
REFUSAL = Violation("pack", "storage-https", "mandatory", "high", "off", "urn::lake", "HTTPS.")


# Staging is built like prod and reviewed as a graph; each of these takes seconds.
@pytest.mark.parametrize("stack", sorted(set(STACKS) - {"staging"}))
def test_a_stack_may_be_deployed(stack: str) -> None:
    report = check(stack)
    assert report.passed, report.to_text()
    if stack == "prod":
        assert report.violations == ()


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
