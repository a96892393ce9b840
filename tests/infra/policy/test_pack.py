"""The pack itself, started as Pulumi starts it, on a small program."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from infra.engine import PolicyPack, Result, run
from mlops.settings import ROOT

SOURCE = """
import pulumi
from pulumi_azure_native import storage

storage.StorageAccount(
    "lake", resource_group_name="rg", account_name="lake", kind="StorageV2", sku={"name": "Standard_LRS"},
    enable_https_traffic_only=False,
    opts=pulumi.ResourceOptions(protect=True),
)
"""


def deploy(folder: Path, stack: str) -> Result:
    (folder / "Pulumi.yaml").write_text("name: small\nruntime: python\n")
    (folder / "__main__.py").write_text(SOURCE)
    pack = PolicyPack(ROOT / "infra" / "policy")
    return run(folder, stack, operation="up", policy_packs=[pack], collect_violations=True)


@pytest.mark.parametrize(("stack", "level"), [("prod", "mandatory"), ("dev", "advisory")])
def test_the_stack_decides_whether_it_stops(tmp_path: Path, stack: str, level: str) -> None:
    result = deploy(tmp_path, stack)
    found = {one.policy: one for one in result.violations}
    https = found["storage-https"]
    assert (https.level, https.severity) == (level, "high")
    assert https.message == "enableHttpsTrafficOnly is false; it must be true"
    assert "Set enable_https_traffic_only to true." in https.description
    assert "governance-protect" not in found
    assert {"storage-zone-redundant", "storage-lifecycle", "diagnostics-everywhere"} & set(found)
    assert result.failed is (level == "mandatory")


def test_no_module_of_the_pack_hides_one_of_pythons_own() -> None:
    # Pulumi puts the pack's folder first on the path.
    modules = {path.stem for path in (ROOT / "infra" / "policy").glob("*.py")}
    assert not modules & sys.stdlib_module_names - {"__init__", "__main__"}
