"""Differences between two revisions of a stack, and how they are told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from infra.diff import StackDiff, compare, diff
from infra.diff_report import COMMENT_LIMIT, to_document, to_markdown, to_text
from infra.engine import ResourceState, Secret
from mlops.errors import UsageError

ACCOUNT = ResourceState(
    urn="urn:pulumi:prod::w::azure-native:storage:StorageAccount::lake",
    type="azure-native:storage:StorageAccount",
    name="lake",
    custom=True,
    inputs={"accountName": "lake", "sku": {"name": "Standard_LRS"}, "word": Secret("hunter2"), "traffic": 1},
    outputs={"name": "lake"},
    protect=True,
)


def changed(old: ResourceState, **inputs: object) -> ResourceState:
    return replace(old, inputs={**old.inputs, **inputs})


def named(name: str, **options: object) -> ResourceState:
    urn = f"urn:pulumi:prod::w::azure-native:storage:StorageAccount::{name}"
    return replace(ACCOUNT, urn=urn, name=name, outputs={"name": name}, **options)  # type: ignore[arg-type]


def found(old: list[ResourceState], new: list[ResourceState]) -> StackDiff:
    changes, unchanged = compare(old, new)
    return StackDiff("prod", "main", changes, unchanged)


def test_the_same_graph_has_no_difference() -> None:
    assert found([ACCOUNT], [ACCOUNT]) == StackDiff("prod", "main", (), 1)


def test_an_update_names_fields_with_old_and_new() -> None:
    (change,) = found([ACCOUNT], [changed(ACCOUNT, sku={"name": "Standard_ZRS"})]).changes
    assert change.kind == "update"
    assert [(one.name, one.old, one.new) for one in change.changes] == [
        ("sku.name", "Standard_LRS", "Standard_ZRS")
    ]


def test_a_replacement_says_which_property_forces_it() -> None:
    (change,) = found([ACCOUNT], [changed(ACCOUNT, accountName="other")]).changes
    assert (change.kind, change.protected) == ("replace", True)
    assert change.reasons == {"accountName": "it is part of the resource's ID"}


def test_what_is_ignored_is_no_difference_and_what_the_program_replaces_on_is() -> None:
    ignoring = replace(changed(ACCOUNT, traffic=2), ignore_changes=("traffic",))
    assert found([ACCOUNT], [ignoring]).changes == ()
    asking = replace(changed(ACCOUNT, traffic=2), replace_on_changes=("traffic",))
    assert found([ACCOUNT], [asking]).changes[0].kind == "replace"


def test_losing_protection_is_a_change() -> None:
    (change,) = found([ACCOUNT], [replace(ACCOUNT, protect=False)]).changes
    assert [(one.path, one.old, one.new) for one in change.changes] == [(("[protect]",), True, False)]


def test_a_renamed_resource_is_followed() -> None:
    renamed = named("new", aliases=(ACCOUNT.urn,))
    (change,) = found([ACCOUNT], [renamed]).changes
    assert (change.kind, change.former_name) == ("update", ACCOUNT.urn)


def test_components_providers_and_what_is_read_are_left_out() -> None:
    others = [
        replace(ACCOUNT, urn="a", custom=False),
        replace(ACCOUNT, urn="b", external=True),
        replace(ACCOUNT, urn="c", type="pulumi:providers:azure-native"),
    ]
    assert found([], others) == StackDiff("prod", "main", (), 0)


class TestReports:
    OLD: ClassVar = [ACCOUNT, named("gone", protect=False), named("kept"), named("word")]
    NEW: ClassVar = [
        changed(ACCOUNT, accountName="a|b`c\n<b>"),
        named("kept"),
        changed(named("word"), word=Secret("hunter3"), sku={"name": "Standard_ZRS"}),
        named("new"),
    ]

    def test_markdown(self) -> None:
        assert to_markdown(found(self.OLD, self.NEW)) == (
            "### Infrastructure: `prod` against `main`\n"
            "\n"
            "1 to create, 1 to update, **1 to replace**, **1 to delete**, 1 unchanged\n"
            "\n"
            "#### Replace\n"
            "\n"
            "- **`storage:StorageAccount` `lake`**; **protected: the deployment will be refused**\n"
            "  - **forced by `accountName`: it is part of the resource's ID**\n"
            '  - `accountName`: `"lake"` → ``"a|b`c\\n<b>"``\n'
            "\n"
            "#### Delete\n"
            "\n"
            "- `storage:StorageAccount` `gone`\n"
            "\n"
            "#### Update\n"
            "\n"
            "- `storage:StorageAccount` `word`\n"
            '  - `sku.name`: `"Standard_LRS"` → `"Standard_ZRS"`\n'
            '  - `word`: `"[secret]"`, changed\n'
            "\n"
            "#### Create\n"
            "\n"
            "- `storage:StorageAccount` `new`\n"
        )

    def test_text_and_json_say_the_same(self) -> None:
        difference = found(self.OLD, self.NEW)
        text = to_text(difference)
        assert text.startswith("prod against main: 1 to create, 1 to update, 1 to replace, 1 to delete")
        assert "± storage:StorageAccount lake; protected: the deployment will be refused" in text
        document = to_document(difference)
        assert [one["kind"] for one in document["changes"]] == ["replace", "delete", "update", "create"]
        for shown in (text, str(document), to_markdown(difference)):
            assert "hunter" not in shown

    def test_a_comment_that_is_too_long_is_cut_at_a_line_and_says_so(self) -> None:
        many = found([], [named(f"account-{number:05}" + "x" * 40) for number in range(2000)])
        text = to_markdown(many)
        assert COMMENT_LIMIT - 300 < len(text) <= COMMENT_LIMIT
        *kept, blank, note = text.rstrip("\n").split("\n")
        assert blank == ""
        assert kept[-1].endswith("`")
        assert note.startswith("> **Cut here:** ")
        assert "`mlops infra diff prod --base main`" in note
        left_out = int(note.split()[3])
        assert left_out + len(kept) == len(to_markdown(many, limit=10**9).rstrip("\n").split("\n"))

    def test_a_long_value_is_shortened(self) -> None:
        text = to_markdown(found([ACCOUNT], [changed(ACCOUNT, traffic="y" * 5000)]))
        assert "… (5002 characters)" in text
        assert len(text) < 1000


def test_a_branch_is_compared_with_the_working_tree(repository: Path) -> None:
    program = repository / "infra" / "workload" / "__main__.py"
    source = program.read_text()
    program.write_text(
        source.replace("is_hns_enabled=True", "is_hns_enabled=False").replace('"id"', '"id-2"')
    )
    difference = diff("dev", "base", root=repository)
    assert [(one.kind, one.name, dict(one.reasons)) for one in difference.changes] == [
        ("replace", "identity", {"resourceName": "it is part of the resource's ID"}),
        ("replace", "lake", {"isHnsEnabled": "the provider cannot change it in place"}),
    ]
    assert difference.unchanged == 1


def test_a_stack_that_the_base_does_not_have_is_all_new(repository: Path) -> None:
    (repository / "infra" / "workload").rename(repository / "infra" / "bootstrap")
    source = (repository / "infra" / "platform" / "__main__.py").read_text()
    (repository / "infra" / "bootstrap" / "__main__.py").write_text(source)
    difference = diff("bootstrap", "base", root=repository)
    assert [(one.kind, one.name) for one in difference.changes] == [("create", "group")]


@pytest.mark.parametrize("revision", ["no-such-branch", "--output=x"])
def test_a_revision_that_is_not_there_is_refused(repository: Path, revision: str) -> None:
    with pytest.raises(UsageError, match="base revision cannot be read"):
        diff("shared", revision, root=repository)
