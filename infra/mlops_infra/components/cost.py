"""A monthly budget that warns before the money is spent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pulumi import ComponentResource, ResourceOptions
from pulumi_azure_native import consumption

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pulumi

    from infra.mlops_infra.placement import Placement
    from mlops.settings.infrastructure import Budget

__all__ = ["CostGuard", "CostGuardArgs"]


@dataclass(frozen=True, slots=True)
class CostGuardArgs:
    """The budget of one resource group."""

    place: Placement
    budget: Budget
    contact_emails: Sequence[str]
    action_group_id: pulumi.Input[str]


class CostGuard(ComponentResource):
    """A budget with a notification per share of it, spent or forecast."""

    def __init__(self, name: str, args: CostGuardArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:cost:CostGuard", name, None, opts)
        budget = args.budget
        tiers = [("Actual", share) for share in budget.actual_percent]
        tiers += [("Forecasted", share) for share in budget.forecast_percent]
        consumption.Budget(
            "budget",
            budget_name=args.place.names.of("budget"),
            scope=args.place.resource_group_id,
            category="Cost",
            amount=budget.monthly_amount,
            time_grain="Monthly",
            time_period={"start_date": f"{budget.start.isoformat()}T00:00:00Z"},
            notifications={f"{kind}-{share}": self._notification(kind, share, args) for kind, share in tiers},
            # Azure refuses a new start; one that has passed must not make an update fail.
            opts=ResourceOptions(parent=self, ignore_changes=["timePeriod"]),
        )
        self.register_outputs({})

    @staticmethod
    def _notification(kind: str, share: int, args: CostGuardArgs) -> dict[str, Any]:
        return {
            "enabled": True,
            "operator": "GreaterThanOrEqualTo",
            "threshold": share,
            "threshold_type": kind,
            "contact_emails": list(args.contact_emails),
            "contact_groups": [args.action_group_id],
            "locale": "en-us",
        }
