"""A repository with two small stacks, of which one reads the other."""

from __future__ import annotations

import asyncio
import subprocess
from functools import cache
from pathlib import Path

import pytest

# skops looks for each type that it trusts in every loaded module. Imported after azure-native, whose resource
# modules load when they are looked at, that takes four minutes; before it, seconds.
import skops.io  # noqa: F401

PLATFORM = """
import pulumi
from pulumi_azure_native import resources
group = resources.ResourceGroup("group", resource_group_name="rg-shared", location="westeurope")
pulumi.export("group", group.name)
pulumi.export("word", pulumi.Output.secret("hunter2"))
"""
WORKLOAD = """
import pulumi
from pulumi_azure_native import managedidentity, resources, storage

class Data(pulumi.ComponentResource):
    def __init__(self, name, opts=None):
        super().__init__("mlops:data:Data", name, {}, opts)

shared = pulumi.StackReference("organization/platform/shared")
group = resources.ResourceGroup("group", resource_group_name="rg-dev", location="westeurope")
data = Data("data", opts=pulumi.ResourceOptions(protect=True))
storage.StorageAccount(
    "lake", account_name="lake", resource_group_name=group.name,
    kind="StorageV2", sku={"name": "Standard_LRS"}, is_hns_enabled=True,
    tags={"of": shared.require_output("group"), "word": shared.require_output("word")},
    opts=pulumi.ResourceOptions(parent=data),
)
managedidentity.UserAssignedIdentity("identity", resource_name_="id", resource_group_name=group.name)
"""


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


@pytest.fixture(autouse=True)
def _event_loop() -> None:
    """Give Pulumi's mocks the loop that they expect of the thread; an ``asyncio.run`` before took it away.

    One loop for all tests, never closed: a program that was refused half-way leaves work waiting in it.
    """
    asyncio.set_event_loop(_loop())


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository with one commit, tagged `base`."""
    for folder, name, source in (("platform", "platform", PLATFORM), ("workload", "workload", WORKLOAD)):
        root = tmp_path / "infra" / folder
        root.mkdir(parents=True)
        (root / "Pulumi.yaml").write_text(f"name: {name}\nruntime: python\n")
        (root / "__main__.py").write_text(source)
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    for arguments in (
        ["init", "--quiet"],
        ["add", "."],
        [*identity, "commit", "--quiet", "-m", "first"],
        ["tag", "base"],
    ):
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True)
    return tmp_path
