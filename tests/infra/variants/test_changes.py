"""Changes of settings that people make: none of them replaces or deletes what holds data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from infra.engine.azure_native import AzureNativeProvider

if TYPE_CHECKING:
    from infra.engine import ResourceState
    from tests.infra.variants.conftest import Declare

ZERO = "00000000-0000-0000-0000-000000000000"
CHANGES: dict[str, dict[str, Any]] = {
    "more machines": {"compute": {"cpu": {"max_instances": 5}}},
    "another machine size": {"compute": {"cpu": {"size": "Standard_D4s_v3"}}},
    "a GPU pool": {"compute": {"gpu": {"size": "Standard_NC4as_T4_v3", "max_instances": 1}}},
    "idle longer": {"compute": {"cpu": {"idle_seconds": 1800}}},
    "longer soft delete": {"storage": {"soft_delete_days": 60}},
    "other tiers": {"storage": {"lifecycle": {"cool_after_days": 60}}},
    "shorter inference data": {"storage": {"lifecycle": {"delete_collected_after_days": 30}}},
    "zones and regions": {"storage": {"redundancy": "GZRS"}},
    "images kept longer": {"images": {"untagged_days": 30}},
    "a first host": {"network": {"approved_fqdns": ["data.example.com"]}},
    "more hosts": {"network": {"approved_fqdns": ["data.example.com", "*.example.com", "example.org"]}},
    "a wider network": {"network": {"address_space": "10.64.8.0/21"}},
    "another budget": {"budget": {"monthly_amount": 5000}},
    "another budget start": {"budget": {"start": "2027-01-01"}},
    "a stricter promise": {"endpoints": {"classical": {"slo": {"error_percent": 0.5}}}},
    "a louder silence": {"endpoints": {"classical": {"slo": {"silent_minutes": 30}}}},
    "more instances": {"endpoints": {"classical": {"autoscale": {"max_instances": 7}}}},
    "fewer samples": {"serving": {"sampling_rate": 0.5}},
    "another owner": {"endpoints": {"classical": {"owner": "data-science"}}},
    "another window": {"monitoring": {"maintenance": {"sunday-night": {"ends": "05:00:00"}}}},
    "heartbeats": {"monitoring": {"heartbeat_hours": 30}},
    "events in a queue": {"retraining": {"trigger": "event_grid"}},
}


@pytest.fixture(scope="module")
def provider() -> AzureNativeProvider:
    return AzureNativeProvider(ZERO, ZERO, "westeurope")


def replaced(
    provider: AzureNativeProvider, old: dict[str, ResourceState], new: dict[str, ResourceState]
) -> set[str]:
    return {
        key
        for key in old.keys() & new.keys()
        if provider.diff(old[key], dict(new[key].inputs)).replace_reasons
    }


def test_there_are_twenty() -> None:
    assert len(CHANGES) >= 20


@pytest.mark.e2e
@pytest.mark.parametrize("change", CHANGES, ids=lambda name: name.replace(" ", "-"))
def test_no_protected_resource_is_replaced_or_deleted(
    declare: Declare, provider: AzureNativeProvider, change: str
) -> None:
    old, new = declare("prod"), declare("prod", CHANGES[change])
    protected = {key for key, item in old.items() if item.protect}
    assert len(protected) > 10
    assert not replaced(provider, old, new) & protected
    assert protected <= new.keys()


@pytest.mark.e2e
@pytest.mark.parametrize("after", ["a first host", None], ids=["some", "all"])
def test_hosts_go_again_and_nothing_else_does(
    declare: Declare, provider: AzureNativeProvider, after: str | None
) -> None:
    old = declare("prod", CHANGES["more hosts"])
    new = declare("prod", CHANGES[after] if after else None)
    gone = old.keys() - new.keys()
    assert len(gone) == (2 if after else 3)
    assert all("::outbound-fqdn-" in key for key in gone)
    assert not new.keys() - old.keys()
    assert not replaced(provider, old, new)
