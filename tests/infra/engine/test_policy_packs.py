"""Policy packs over the real Analyzer protocol."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from infra.engine import EngineError, PolicyPack
from tests.infra.engine.conftest import Program

POLICIES = """
def small(args, report):
    limit = args.get_config().get("limit", 10)
    if args.props.get("size", 0) > limit:
        report(f"size {args.props['size']:g} is more than {limit:g} in {args.resource_type}")

def counted(args, report):
    things = [one for one in args.resources if one.resource_type == "test:index:Thing"]
    if len(things) > 2:
        report("too many", things[-1].urn)
    if any(one.opts.protect for one in things) and things[0].parent is None:
        report("orphan")

def labelled(args):
    return {**args.props, "label": "mended"} if args.props.get("label") == "broken" else None

POLICIES = [
    ResourceValidationPolicy("size-limit", "Things are small.", small,
        enforcement_level=EnforcementLevel.MANDATORY, severity=Severity.HIGH,
        config_schema=PolicyConfigSchema(properties={"limit": {"type": "number"}})),
    StackValidationPolicy("count", "Few things.", counted, enforcement_level=EnforcementLevel.ADVISORY),
    ResourceValidationPolicy("label", "Labels are whole.", remediate=labelled,
        enforcement_level=EnforcementLevel.REMEDIATE),
]
"""
SOURCE = """
size = pulumi.Config().require_int("size")
a = Thing("a", size=1, label="broken")
b = Thing("b", size=size, opts=pulumi.ResourceOptions(depends_on=[a]))
Thing("c", size=size + 1, opts=pulumi.ResourceOptions(depends_on=[b]))
"""


def test_policies_stop_mend_and_advise(program: Program, pack: Callable[..., PolicyPack]) -> None:
    program.write(SOURCE)
    written = pack(POLICIES, size_limit={"limit": 5})

    fine = program(keep=False, policy_packs=[written], config={"size": 2}).require()
    assert fine.resource("a").inputs["label"] == "mended"
    (advice,) = fine.violations
    assert (advice.policy, advice.level, advice.message) == ("count", "advisory", "too many")
    assert advice.urn.endswith("::c")

    refused = program(keep=False, policy_packs=[written], config={"size": 7})
    assert [one.name for one in refused.resources if one.custom] == ["a"]
    (error,) = refused.errors
    assert "[mandatory] size-limit (b): size 7 is more than 5 in test:index:Thing" in error.message
    assert error.location is not None
    assert refused.violations[0].severity == "high"

    collected = program("preview", keep=False, policy_packs=[written], config={"size": 7})
    mandatory = [one.urn.rpartition("::")[2] for one in collected.violations if one.level == "mandatory"]
    assert mandatory == ["b", "c"]
    assert len(collected.errors) == 2


def test_a_pack_that_does_not_start_is_said(program: Program, pack: Callable[..., PolicyPack]) -> None:
    program.write(SOURCE)
    with pytest.raises(EngineError, match="does not start"):
        program(policy_packs=[pack("raise SystemExit('no')")], config={"size": 2})
    with pytest.raises(EngineError, match="not a policy pack"):
        program(policy_packs=[PolicyPack(program.root)], config={"size": 2})
