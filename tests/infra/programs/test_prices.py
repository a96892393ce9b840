"""The price table: whole, computed, and the one that the README shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.mlops_infra.billed import alert_counts, private_endpoint_count
from infra.mlops_infra.prices import bills, environment_costs, load_prices, platform_costs
from mlops.errors import SettingsError
from mlops.settings import ROOT, load
from mlops.settings.machines import MACHINES

if TYPE_CHECKING:
    from pathlib import Path

ENVIRONMENTS = ("dev", "staging", "prod")


def total(name: str) -> float:
    return sum(line.amount for line in environment_costs(load(name), load_prices()))


def test_every_size_that_settings_may_name_has_a_price() -> None:
    sheet = load_prices()
    assert set(sheet.machine_hour) == set(MACHINES)


def test_the_readme_shows_the_table_that_the_settings_give() -> None:
    readme = (ROOT / "infra/README.md").read_text("utf-8")
    assert bills() in readme, "paste the output of python -m infra.mlops_infra.prices"
    assert load_prices().date.isoformat() in readme


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_budget_is_above_what_its_environment_is_expected_to_cost(name: str) -> None:
    assert total(name) < load(name).budget.monthly_amount


def test_each_environment_costs_more_than_the_one_before() -> None:
    assert total("dev") < total("staging") < total("prod")


def test_the_shared_stack_costs_little() -> None:
    prod = load("prod")
    assert sum(line.amount for line in platform_costs(prod, load_prices(), zones=9)) < 100


def test_only_private_environments_pay_for_endpoints() -> None:
    assert private_endpoint_count(load("dev")) == 0
    assert private_endpoint_count(load("staging")) < private_endpoint_count(load("prod"))


@pytest.mark.parametrize(("sku", "price"), [("standard", 912), ("basic", 292)])
def test_the_first_approved_host_costs_a_firewall(sku: str, price: int) -> None:
    def firewalls(*hosts: str) -> list[int]:
        network = prod.network.model_copy(update={"approved_fqdns": hosts, "firewall_sku": sku})
        lines = environment_costs(prod.model_copy(update={"network": network}), load_prices())
        return [int(line.amount) for line in lines if "firewall" in line.item]

    prod = load("prod")
    assert firewalls() == []
    assert firewalls("data.example.com") == firewalls("data.example.com", "example.org") == [price]
    assert f"{price}" in (ROOT / "infra/README.md").read_text("utf-8")


def test_dev_pays_for_the_rules_that_only_it_has() -> None:
    assert alert_counts(load("dev"))[1]["PT6H"] == 2
    assert alert_counts(load("prod"))[1]["PT6H"] == 0


def test_a_sheet_without_a_price_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "infra").mkdir()
    text = (ROOT / "infra/prices.yaml").read_text("utf-8")
    (tmp_path / "infra/prices.yaml").write_text(text.replace("log_gb: 2.99", "logs_gb: 2.99"), "utf-8")
    with pytest.raises(SettingsError, match=r"prices\.yaml"):
        load_prices(tmp_path)
