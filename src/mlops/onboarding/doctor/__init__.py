"""Read-only checks of everything that an environment needs, each with the exact remedy."""

from mlops.onboarding.doctor.report import Check, Findings, Report, Status

__all__ = ["Check", "Findings", "Report", "Status"]
