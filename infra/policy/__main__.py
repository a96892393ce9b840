"""Entry point of the policy pack: the checks with the levels of the stack that is deployed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pulumi
import pulumi_policy as policy

from infra.policy.catalog import ALL_CHECKS, Waiver, level_of, waivers
from infra.policy.check import ResourceCheck, StackCheck, Subject
from mlops.settings import load

if TYPE_CHECKING:
    from collections.abc import Mapping

# What all environments share serves prod as well.
_SETTINGS_OF = {"shared": "prod", "bootstrap": "prod"}
_SEVERITIES = {
    "low": policy.Severity.LOW,
    "medium": policy.Severity.MEDIUM,
    "high": policy.Severity.HIGH,
    "critical": policy.Severity.CRITICAL,
}
_LEVELS = {
    "mandatory": policy.EnforcementLevel.MANDATORY,
    "advisory": policy.EnforcementLevel.ADVISORY,
}


def _metadata(
    check: ResourceCheck | StackCheck, profile: str, waived: Mapping[str, Waiver]
) -> dict[str, Any]:
    waiver = waived.get(check.id)
    note = _note(waiver) if waiver else ""
    return {
        "name": check.id,
        "description": f"{check.title} {check.remediation}{note}",
        "display_name": check.title,
        "severity": _SEVERITIES[check.severity],
        "enforcement_level": _LEVELS[level_of(check, profile, waived)],
        "remediation_steps": check.remediation,
        "framework": policy.PolicyComplianceFramework(reference=check.source),
    }


def _note(waiver: Waiver) -> str:
    until = f" until {waiver.expires.isoformat()}" if waiver.expires else ""
    return f" Waived{until}: {waiver.reason}"


def _resource_policy(check: ResourceCheck, metadata: Mapping[str, Any]) -> policy.ResourceValidationPolicy:
    def validate(args: policy.ResourceValidationArgs, report: policy.ReportViolation) -> None:
        subject = Subject(
            args.resource_type, args.name, args.urn, args.props, protect=bool(args.opts.protect)
        )
        for message in check.findings(subject):
            report(message, None)

    return policy.ResourceValidationPolicy(validate=validate, **metadata)


def _stack_policy(check: StackCheck, metadata: Mapping[str, Any]) -> policy.StackValidationPolicy:
    def validate(args: policy.StackValidationArgs, report: policy.ReportViolation) -> None:
        subjects = [
            Subject(
                one.resource_type,
                one.name,
                one.urn,
                one.props,
                protect=bool(one.opts.protect),
                dependencies=tuple(other.urn for other in one.dependencies),
                by_property={
                    name: tuple(other.urn for other in others)
                    for name, others in one.property_dependencies.items()
                },
            )
            for one in args.resources
        ]
        for message, urn in check.findings(subjects):
            report(message, urn or None)

    return policy.StackValidationPolicy(validate=validate, **metadata)


def main() -> None:
    """Serve the pack; ends when Pulumi ends it."""
    stack = pulumi.get_stack()
    environment = load(_SETTINGS_OF.get(stack, stack))
    waived = waivers(environment, stack, datetime.now(UTC).date())
    described = [(check, _metadata(check, environment.profile, waived)) for check in ALL_CHECKS]
    policy.PolicyPack(
        name="mlops-azure-ml",
        description="The production checks of machine learning on Azure.",
        policies=[
            _resource_policy(check, metadata)
            if isinstance(check, ResourceCheck)
            else _stack_policy(check, metadata)
            for check, metadata in described
        ],
    )


if __name__ == "__main__":
    main()
