"""What an environment costs per month, computed from its settings and the price sheet.

Run ``python -m infra.mlops_infra.prices`` for the table that infra/README.md shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date  # noqa: TC003 - pydantic reads annotations
from typing import TYPE_CHECKING

from pydantic import ValidationError

from infra.mlops_infra.billed import alert_counts, private_endpoint_count
from infra.mlops_infra.zones import zones_for
from mlops.settings import ROOT
from mlops.settings.network import ManagedNetwork, PublicNetwork
from mlops.settings.section import Section
from mlops.settings.together import load_together
from mlops.yaml_source import describe, load_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mlops.settings import Environment

__all__ = [
    "Line",
    "PriceSheet",
    "cost_table",
    "environment_costs",
    "load_prices",
    "platform_costs",
    "stack_bills",
]


class Assumed(Section):
    """What a small team uses in a month."""

    training_hours: float
    monitor_hours: float
    storage_gb: float
    log_gb: dict[str, float]


class PriceSheet(Section):
    """Prices per unit, and the date they were written down."""

    date: date
    currency: str
    region: str
    hours_per_month: float
    machine_hour: dict[str, float]
    low_priority_share: float
    registry_month: dict[str, float]
    storage_gb: dict[str, float]
    private_endpoint_hour: float
    firewall_hour: dict[str, float]
    nat_gateway_hour: float
    private_zone_month: float
    log_gb: float
    log_alert_month: dict[str, float]
    metric_alert_month: float
    grafana_month: float
    assumed: Assumed


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill.

    Parameters
    ----------
    used
        It grows with use, by the sheet's assumptions; the others are billed for being there.
    """

    item: str
    amount: float
    used: bool = False


def load_prices(root: Path = ROOT) -> PriceSheet:
    """Read the sheet; a wrong key is told with file and line."""
    data, marks = load_yaml(root / "infra" / "prices.yaml")
    try:
        return PriceSheet.model_validate(data)
    except ValidationError as error:
        raise describe(error, marks, PriceSheet) from None


def environment_costs(environment: Environment, sheet: PriceSheet) -> list[Line]:
    """Return the bill of one environment."""
    return [*_network(environment, sheet), *_stores(environment, sheet), *_machines(environment, sheet)]


def platform_costs(prod: Environment, sheet: PriceSheet, zones: int) -> list[Line]:
    """Return the bill of the stack `shared`; logs are counted where they come from."""
    lines = [Line("container registry of the ML registry (Premium)", sheet.registry_month["Premium"])]
    if prod.platform.private_dns_zones:
        lines.append(Line(f"{zones} private DNS zones", zones * sheet.private_zone_month))
    if prod.platform.grafana:
        lines.append(Line("Managed Grafana", sheet.grafana_month))
    return lines


def _network(environment: Environment, sheet: PriceSheet) -> Iterator[Line]:
    count = private_endpoint_count(environment)
    if count:
        price = count * sheet.private_endpoint_hour * sheet.hours_per_month
        yield Line(f"{count} private endpoints", price)
    network = environment.network
    if not isinstance(network, PublicNetwork) and network.egress == "nat_gateway":
        yield Line("NAT gateway and its address", sheet.nat_gateway_hour * sheet.hours_per_month)
    if isinstance(network, ManagedNetwork) and network.approved_fqdns:
        price = sheet.firewall_hour[network.firewall_sku] * sheet.hours_per_month
        yield Line(f"firewall of the managed network ({network.firewall_sku})", price)


def _stores(environment: Environment, sheet: PriceSheet) -> Iterator[Line]:
    sku, redundancy = environment.images.sku, environment.storage.redundancy
    yield Line(f"container registry ({sku})", sheet.registry_month[sku])
    metrics, logs = alert_counts(environment)
    alerts = metrics * sheet.metric_alert_month
    alerts += sum(sheet.log_alert_month[frequency] * count for frequency, count in logs.items())
    yield Line(f"{metrics + sum(logs.values())} metric and log alerts", alerts)
    stored = sheet.assumed.storage_gb
    yield Line(f"{stored:.0f} GB of storage ({redundancy})", stored * sheet.storage_gb[redundancy], used=True)
    logged = sheet.assumed.log_gb[environment.name]
    yield Line(f"{logged:.0f} GB of logs", logged * sheet.log_gb, used=True)


def _machines(environment: Environment, sheet: PriceSheet) -> Iterator[Line]:
    serving = environment.serving
    count = serving.instance_count * len(environment.endpoints)
    price = count * sheet.machine_hour[serving.instance_type] * sheet.hours_per_month
    yield Line(f"{count} serving instances ({serving.instance_type}), once deployed", price)
    for key, pool in environment.compute.items():
        hours = sheet.assumed.monitor_hours if key == "monitor" else sheet.assumed.training_hours
        share = sheet.low_priority_share if pool.priority == "low_priority" else 1.0
        price = hours * sheet.machine_hour[pool.size] * share
        yield Line(f"{hours:.0f} machine hours of {key} ({pool.size})", price, used=True)


def cost_table(bills: Mapping[str, list[Line]], sheet: PriceSheet) -> str:
    """Return the bills as a Markdown table, each line rounded to a dollar."""
    rows = [
        f"| stack | what | {sheet.currency} a month |",
        "|---|---|---:|",
    ]
    for stack, lines in bills.items():
        rows += [
            f"| {stack} | {line.item}{' *' if line.used else ''} | {line.amount:.0f} |" for line in lines
        ]
        total = sum(line.amount for line in lines)
        fixed = sum(line.amount for line in lines if not line.used)
        rows.append(
            f"| **{stack}** | **in all** (of it billed for being there: {fixed:.0f}) | **{total:.0f}** |"
        )
    return "\n".join(rows)


def stack_bills(sheet: PriceSheet, root: Path = ROOT) -> dict[str, list[Line]]:
    """Return the bill of each stack as it is set in `root`."""
    environments = {name: item.environment for name, item in load_together(root).items()}
    zones = zones_for(monitor=environments["prod"].platform.private_link_scope)
    table = {"shared": platform_costs(environments["prod"], sheet, zones=len(zones))}
    return table | {name: environment_costs(item, sheet) for name, item in environments.items()}


def bills(root: Path = ROOT) -> str:
    """Return the table of all stacks as they are set in `root`."""
    sheet = load_prices(root)
    return cost_table(stack_bills(sheet, root), sheet)


if __name__ == "__main__":
    print(bills())  # noqa: T201 - the module's output
