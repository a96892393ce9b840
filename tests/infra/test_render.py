"""Rendering stacks, and how they are printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra.engine import MASK, DeploymentFailedError, run
from infra.render import STACKS, render, to_documents, to_tree
from mlops.errors import UsageError
from mlops.settings import ROOT


def test_a_stack_is_rendered_with_what_it_reads_and_without_a_secret(repository: Path) -> None:
    result = render("dev", root=repository)
    documents = {one["name"]: one for one in to_documents(result.resources)}
    assert set(documents) == {"group", "data", "lake", "identity", "organization/platform/shared"}
    lake = documents["lake"]
    assert lake["type"] == "azure-native:storage:StorageAccount"
    assert lake["inputs"]["tags"] == {"of": "rg-shared", "word": MASK}
    assert lake["inputs"]["resourceGroupName"] == "rg-dev"
    assert lake["protect"] is True
    assert lake["parent"].endswith("mlops:data:Data::data")
    assert [urn.rpartition("::")[2] for urn in lake["dependencies"]] == [
        "group",
        "organization/platform/shared",
    ]
    assert "hunter2" not in json.dumps(to_documents(result.resources)) + to_tree(result)
    assert to_tree(result) == "\n".join(
        (
            "dev (workload, 3 resources)",
            "├── azure-native:resources:ResourceGroup group = rg-dev",
            "├── azure-native:managedidentity:UserAssignedIdentity identity = id",
            "├── mlops:data:Data data",
            "│   └── azure-native:storage:StorageAccount lake [protect]",
            "└── pulumi:pulumi:StackReference organization/platform/shared",
        )
    )


def test_a_stack_that_does_not_exist_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="'prd'") as refused:
        render("prd")
    assert refused.value.next_step == "mlops infra render prod"


@pytest.mark.parametrize("stack", ["shared", "dev"])
def test_a_program_that_fails_says_where(repository: Path, stack: str) -> None:
    (repository / "infra" / "platform" / "__main__.py").write_text("import pulumi\n\n1 / 0\n")
    with pytest.raises(DeploymentFailedError, match=r"__main__\.py:3: ZeroDivisionError"):
        render(stack, root=repository)


def test_every_stack_has_its_program() -> None:
    for program in STACKS.values():
        assert (ROOT / program.folder / "Pulumi.yaml").is_file()
        assert set(program.reads) <= set(STACKS)


def test_rendering_imports_the_modules_of_azure_that_are_used_and_no_other(tmp_path: Path) -> None:
    program = ROOT / "infra" / "platform"
    (tmp_path / "Pulumi.yaml").write_text("name: mlops-platform\nruntime: python\n")
    (tmp_path / "__main__.py").write_text(
        "import runpy, sys\n"
        f"runpy.run_path({str(program)!r}, run_name='__main__')\n"
        # Placeholders of all modules are there; those that were loaded have modules of their own.
        "loaded = {name.split('.')[1] for name in sys.modules if name.startswith('pulumi_azure_native.')"
        " and name.endswith('.outputs')}\n"
        "print('modules', *sorted(loaded))\n"
    )
    result = run(tmp_path, "shared", operation="up").require()
    used = {one.type.split(":")[1] for one in result.resources if one.type.startswith("azure-native:")}
    (printed,) = [one.message for one in result.diagnostics if one.message.startswith("modules ")]
    assert set(printed.split()[1:]) == used
