"""What a deployment decides: each rule of Pulumi's engine on a few resources, without a process."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.engine.aliases import Alias
from infra.engine.properties import UNKNOWN, Secret
from infra.engine.steps import RefusedError
from tests.infra.engine.conftest import Small, by_name, counted, steps, thing, urn


def test_a_new_stack_is_created_and_then_stays_the_same(small: Small) -> None:
    goals = [thing("a"), thing("b", uses={"size": "a"})]
    assert steps(small.deploy(goals)) == [("create", "a"), ("create", "b")]
    assert counted(small.deploy(goals)) == {"same": 2}


def test_a_changed_input_is_an_update_that_names_it(small: Small) -> None:
    small.deploy([thing("a", inputs={"size": 1, "tags": {"x": "1"}})])
    deployment = small.deploy([thing("a", inputs={"size": 1, "tags": {"x": "2"}})])
    assert counted(deployment) == {"update": 1}
    assert deployment.steps[-1].diff == ("tags.x",)
    assert by_name(small.snapshot.resources)["a"].outputs == {"size": 1, "tags": {"x": "2"}}


def test_what_is_not_declared_any_more_is_deleted_dependents_first(small: Small) -> None:
    small.deploy([thing("a"), thing("b", uses={"size": "a"}), thing("c", after=["b"]), thing("d")])
    assert steps(small.deploy([thing("d")])) == [
        ("same", "d"),
        ("delete", "c"),
        ("delete", "b"),
        ("delete", "a"),
    ]


def test_a_replacement_is_created_first_and_the_old_one_deleted_last(small: Small) -> None:
    small.deploy([thing("a", inputs={"name": "x"}), thing("b", uses={"size": "a"})])
    deployment = small.deploy([thing("a", inputs={"name": "y"}), thing("b", uses={"size": "a"})])
    assert steps(deployment) == [
        ("create-replacement", "a"),
        ("replace", "a"),
        ("same", "b"),
        ("delete-replaced", "a"),
    ]
    (replaced,) = [step for step in deployment.steps if step.operation == "replace"]
    assert replaced.replaced_by == ("name",)
    assert counted(deployment) == {"replace": 1, "same": 1}


def test_delete_before_replace_takes_along_what_cannot_do_without(small: Small) -> None:
    def goals(name: str) -> list[Any]:
        return [
            thing("a", inputs={"name": name}, delete_before_replace=True),
            thing("named-after-a", inputs={"name": name}, uses={"name": "a"}),
            thing("uses-a", inputs={"size": 1}, uses={"size": "a"}),
        ]

    small.deploy(goals("x"))
    assert steps(small.deploy(goals("y"))) == [
        ("delete-replaced", "named-after-a"),
        ("delete-replaced", "a"),
        ("replace", "a"),
        ("create-replacement", "a"),
        ("replace", "named-after-a"),
        ("create-replacement", "named-after-a"),
        ("same", "uses-a"),
    ]


def test_replace_on_changes_turns_an_update_into_a_replacement(small: Small) -> None:
    small.deploy([thing("a", inputs={"rules": [{"port": 1}]})])
    changed = thing("a", inputs={"rules": [{"port": 2}]}, replace_on_changes=("rules[*].port",))
    deployment = small.deploy([changed])
    assert counted(deployment) == {"replace": 1}
    assert "replaceOnChanges" in next(iter(deployment.steps[-2].reasons.values()))


def test_a_replacement_trigger_replaces(small: Small) -> None:
    small.deploy([thing("a", replacement_trigger="1")])
    assert counted(small.deploy([thing("a", replacement_trigger="1")])) == {"same": 1}
    assert counted(small.deploy([thing("a", replacement_trigger="2")])) == {"replace": 1}


def test_replace_with_follows_another_resource(small: Small) -> None:
    small.deploy([thing("a", inputs={"name": "x"}), thing("b")])
    deployment = small.deploy([thing("a", inputs={"name": "y"}), thing("b", replace_with=(urn("a"),))])
    assert counted(deployment) == {"replace": 2}


@pytest.mark.parametrize("ignored", ["traffic", "traffic.blue", "*"])
def test_ignored_changes_stay_as_they_are(small: Small, ignored: str) -> None:
    small.deploy([thing("a", inputs={"traffic": {"blue": 100}}, ignore_changes=(ignored,))])
    deployment = small.deploy([thing("a", inputs={"traffic": {"blue": 0}}, ignore_changes=(ignored,))])
    assert counted(deployment) == {"same": 1}
    assert by_name(deployment.resources)["a"].inputs == {"traffic": {"blue": 100}}


class TestProtection:
    def test_a_protected_resource_is_not_deleted_and_nothing_else_is(self, small: Small) -> None:
        small.deploy([thing("a", protect=True), thing("b")])
        with pytest.raises(RefusedError, match=r"protected resources would be deleted[^:]*:\n.*::a"):
            small.deploy([])
        assert set(by_name(small.snapshot.resources)) >= {"a", "b"}

    def test_a_protected_resource_is_not_replaced(self, small: Small) -> None:
        small.deploy([thing("a", inputs={"name": "x"}, protect=True)])
        with pytest.raises(RefusedError, match="unable to replace"):
            small.deploy([thing("a", inputs={"name": "y"}, protect=True)])
        assert by_name(small.snapshot.resources)["a"].inputs == {"name": "x"}

    def test_lifting_it_takes_a_deployment_of_its_own(self, small: Small) -> None:
        small.deploy([thing("a", inputs={"name": "x"}, protect=True)])
        with pytest.raises(RefusedError):
            small.deploy([thing("a", inputs={"name": "y"})])
        small.deploy([thing("a", inputs={"name": "x"})])
        assert counted(small.deploy([thing("a", inputs={"name": "y"})])) == {"replace": 1}

    def test_a_child_is_protected_as_its_parent_unless_it_says_no(self, small: Small) -> None:
        group = thing("group", custom=False, type="test:index:Group", protect=True)
        parent = urn("group", "test:index:Group")
        deployment = small.deploy(
            [group, thing("child", parent=parent), thing("free", parent=parent, protect=False)]
        )
        found = by_name(deployment.resources)
        assert (found["child"].protect, found["free"].protect) == (True, False)

    def test_a_dependent_that_would_go_with_a_replacement_is_protected_too(self, small: Small) -> None:
        def goals(name: str) -> list[Any]:
            return [
                thing("a", inputs={"name": name}, delete_before_replace=True),
                thing("b", inputs={"name": name}, uses={"name": "a"}, protect=True),
            ]

        small.deploy(goals("x"))
        with pytest.raises(RefusedError, match="::b"):
            small.deploy(goals("y"))
        assert counted(small.deploy(goals("x"))) == {"same": 2}

    def test_destroy_deletes_nothing_while_one_is_protected(self, small: Small) -> None:
        small.deploy([thing("a"), thing("b", protect=True)])
        with pytest.raises(RefusedError):
            small.destroy()
        assert set(by_name(small.snapshot.resources)) >= {"a", "b"}


def test_what_is_retained_leaves_the_state_and_stays_in_the_cloud(small: Small) -> None:
    small.deploy([thing("a", retain_on_delete=True)])
    deployment = small.deploy([])
    (step,) = [step for step in deployment.steps if step.urn == urn("a")]
    assert step.retained
    assert "a" not in by_name(small.snapshot.resources)


class TestAliases:
    @pytest.mark.parametrize(
        "alias",
        [Alias(name="old"), Alias(urn=urn("old"))],
        ids=["by name", "by urn"],
    )
    def test_a_renamed_resource_is_the_same(self, small: Small, alias: Alias) -> None:
        small.deploy([thing("old")])
        assert counted(small.deploy([thing("new", aliases=(alias,))])) == {"same": 1}
        assert set(by_name(small.snapshot.resources)) & {"old", "new"} == {"new"}

    def test_children_move_with_their_parent(self, small: Small) -> None:
        def goals(name: str, *aliases: Alias) -> list[Any]:
            group = thing(name, custom=False, type="test:index:Group", inputs={}, aliases=aliases)
            parent = urn(name, "test:index:Group")
            return [group, thing(f"{name}-child", parent=parent), thing("other", parent=parent)]

        small.deploy(goals("old"))
        assert counted(small.deploy(goals("new", Alias(name="old")))) == {"same": 3}

    def test_a_resource_that_gets_a_parent_stays_the_same(self, small: Small) -> None:
        small.deploy([thing("a")])
        group = thing("group", custom=False, type="test:index:Group", inputs={})
        moved = thing("a", parent=urn("group", "test:index:Group"), aliases=(Alias(no_parent=True),))
        assert counted(small.deploy([group, moved])) == {"create": 1, "same": 1}

    def test_two_resources_cannot_claim_the_same_former_one(self, small: Small) -> None:
        small.deploy([thing("old")])
        alias = (Alias(urn=urn("old")),)
        with pytest.raises(RefusedError, match="Duplicate resource alias"):
            small.deploy([thing("a", aliases=alias), thing("b", aliases=alias)])


def test_two_resources_of_one_name_are_refused(small: Small) -> None:
    with pytest.raises(RefusedError, match="Duplicate resource URN"):
        small.deploy([thing("a"), thing("a")])


def test_the_same_name_below_two_parents_are_two_resources(small: Small) -> None:
    groups = [thing(one, custom=False, type=f"test:index:{one}", inputs={}) for one in ("G", "H")]
    things = [thing("a", parent=urn(one, f"test:index:{one}")) for one in ("G", "H")]
    assert counted(small.deploy([*groups, *things])) == {"create": 4}


class TestPreview:
    def test_it_changes_nothing_and_what_will_be_created_is_unknown(self, small: Small) -> None:
        deployment = small.deploy([thing("a")], preview=True)
        assert counted(deployment) == {"create": 1}
        assert by_name(deployment.resources)["a"].id == ""
        assert small.snapshot.resources == ()

    def test_an_unknown_input_counts_as_a_change(self, small: Small) -> None:
        small.deploy([thing("a", inputs={"size": 1})])
        deployment = small.deploy([thing("a", inputs={"size": UNKNOWN})], preview=True)
        assert counted(deployment) == {"update": 1}

    def test_a_deployment_refuses_what_is_still_unknown(self, small: Small) -> None:
        with pytest.raises(RefusedError, match="not known"):
            small.deploy([thing("a", inputs={"size": UNKNOWN})])


class TestSecrets:
    def test_an_output_that_echoes_a_secret_input_is_secret(self, small: Small) -> None:
        deployment = small.deploy([thing("a", inputs={"word": Secret("x"), "deep": {"y": Secret("z")}})])
        assert by_name(deployment.resources)["a"].outputs == {"word": Secret("x"), "deep": {"y": Secret("z")}}

    def test_declared_outputs_are_secret(self, small: Small) -> None:
        goal = thing("a", inputs={"key": "x"}, additional_secret_outputs=("key",))
        assert by_name(small.deploy([goal]).resources)["a"].outputs == {"key": Secret("x")}
        assert by_name(small.deploy([goal]).resources)["a"].outputs == {"key": Secret("x")}


def test_an_interrupted_update_is_continued(small: Small) -> None:
    goals = [thing("a"), thing("b", uses={"size": "a"}), thing("c")]
    small.deploy(goals[:1], finish=False)
    assert counted(small.deploy(goals)) == {"create": 2, "same": 1}


def test_a_replacement_that_was_interrupted_still_deletes_the_old_one(small: Small) -> None:
    small.deploy([thing("a", inputs={"name": "x"})])
    small.deploy([thing("a", inputs={"name": "y"})], finish=False)
    assert steps(small.deploy([thing("a", inputs={"name": "y"})])) == [
        ("same", "a"),
        ("delete-replaced", "a"),
    ]
    assert steps(small.deploy([thing("a", inputs={"name": "y"})])) == [("same", "a")]


graphs = st.lists(
    st.tuples(st.sets(st.integers(0, 11), max_size=3), st.integers(0, 2), st.sampled_from("xy")),
    min_size=1,
    max_size=9,
)


def _goals(graph: list[tuple[set[int], int, str]]) -> list[Any]:
    return [
        thing(
            f"r{index}",
            inputs={"size": size, "name": name},
            after=[f"r{other}" for other in sorted(before) if other < index],
        )
        for index, (before, size, name) in enumerate(graph)
    ]


@given(graphs)
@settings(deadline=None, max_examples=60)
def test_any_graph_is_unchanged_the_second_time_and_destroyed_in_order(graph: Any) -> None:
    small = Small()
    goals = _goals(graph)
    small.deploy(goals)
    needs = {one.urn: one.needs() for one in small.snapshot.resources}
    assert set(counted(small.deploy(goals))) == {"same"}
    gone: set[str] = set()
    for step in small.destroy().steps:
        assert not [one for one in needs if step.urn in needs[one] and one not in gone]
        gone.add(step.urn)
    assert gone == set(needs)
    assert small.snapshot.resources == ()


@given(graphs, graphs)
@settings(deadline=None, max_examples=60)
def test_from_any_graph_to_any_other_ends_where_a_new_one_would(before: Any, after: Any) -> None:
    small, fresh = Small(), Small()
    small.deploy(_goals(before))
    deployment = small.deploy(_goals(after))
    fresh.deploy(_goals(after))
    reached = {one.urn: one.inputs for one in small.snapshot.resources}
    assert reached == {one.urn: one.inputs for one in fresh.snapshot.resources}
    assert set(counted(small.deploy(_goals(after)))) == {"same"}
    wanted = len(before) - len(after)
    assert counted(deployment).get("delete", 0) == max(0, wanted)
