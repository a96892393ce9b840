"""Unmodified programs over the real protocol, each in a process of its own."""

from __future__ import annotations

from infra.engine import MASK, Secret, masked
from tests.infra.engine.conftest import Program


def test_a_program_from_nothing_to_everything_and_back(program: Program) -> None:
    program.write(
        """
        config = pulumi.Config()
        former = [pulumi.Alias(name="group"), pulumi.Alias(name="team")]
        opts = pulumi.ResourceOptions(protect=config.get_bool("protect"), aliases=former)
        group = Group(config.get("group") or "group", opts=opts)
        a = Thing("a", size=config.require_int("size"), opts=pulumi.ResourceOptions(parent=group))
        b = Thing("b", size=a.size, label=a.id, opts=pulumi.ResourceOptions(parent=group))
        group.register_outputs({"size": b.size})
        a.size.apply(lambda size: print("applied", size))
        pulumi.export("size", b.size)
        pulumi.export("where", f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}")
        """,
        manifest="config: {size: {type: integer, default: 3}}",
    )
    preview = program("preview").require()
    assert preview.summary == {"create": 4}
    assert masked(dict(preview.resource("b").inputs)) == {"size": 3, "label": "[unknown]"}
    assert not program.state.exists()

    up = program().require()
    assert up.summary == {"create": 4}
    assert up.outputs == {"size": 3, "where": "organization/small/dev"}
    assert type(up.outputs["size"]) is int
    assert up.resource("b").inputs == {"size": 3, "label": up.resource("a").id}
    assert up.resource("b").property_dependencies["label"] == (up.resource("a").urn,)
    assert up.resource("group").outputs == {"size": 3}
    assert "applied 3" in [one.message for one in up.diagnostics]

    assert program().require().summary == {"same": 4}
    # What lies in a component that is renamed is found by its former name, and stays what it is.
    changed = program(config={"size": 4, "protect": True, "group": "team"}).require()
    assert changed.summary == {"same": 2, "update": 2}
    assert all(changed.resource(name).protect for name in ("team", "a", "b"))
    assert changed.resource("a").id == up.resource("a").id
    refused = program("destroy")
    assert refused.failed
    assert "protected" in refused.errors[0].message
    program(config={"size": 4}).require()
    assert program("destroy").require().summary == {"delete": 4}
    assert program("destroy").require().summary == {}


def test_secrets_are_never_shown_and_keep_being_secret(program: Program) -> None:
    program.write(
        """
        config = pulumi.Config()
        word = config.require_secret("word")
        opts = pulumi.ResourceOptions(additional_secret_outputs=["size"])
        a = Thing("a", label=word, opts=opts, size=41414141)
        Thing("b", label=pulumi.Output.concat("x-", a.label), size=a.size)
        word.apply(lambda text: pulumi.log.warn(f"the word is {text}"))
        word.apply(print)
        pulumi.export("word", word)
        pulumi.export("nested", {"plain": 1, "word": word})
        """,
        manifest="config: {word: {type: string, secret: true, default: hunter2-hunter2}}",
    )
    result = program().require()
    assert result.resource("a").inputs["label"] == Secret("hunter2-hunter2")
    assert result.resource("b").inputs["label"] == Secret("x-hunter2-hunter2")
    assert result.resource("b").inputs["size"] == Secret(41414141)
    assert result.outputs["word"] == Secret("hunter2-hunter2")
    assert masked(dict(result.outputs))["nested"] == {"plain": 1, "word": MASK}
    everything = repr(result) + program.state.read_text() + "".join(map(str, result.diagnostics))
    assert "hunter2" not in everything
    assert f"the word is {MASK}" in [one.message for one in result.diagnostics]
    assert program().require().summary == {"same": 3}


def test_other_stacks_are_read_and_stay_secret(program: Program) -> None:
    program.write(
        """
        other = pulumi.StackReference(f"organization/other/{pulumi.get_stack()}")
        Thing("a", label=other.require_output("word"), size=other.get_output("count"))
        pulumi.export("ids", other.require_output("ids"))
        """
    )
    outputs = {"word": Secret("hunter2"), "count": 3, "ids": {"a": ["b"]}}
    result = program(keep=False, stack_references={"organization/other/dev": outputs}).require()
    assert result.resource("a").inputs == {"label": Secret("hunter2"), "size": 3}
    assert result.outputs["ids"] == {"a": ["b"]}
    missing = program(keep=False, stack_references={"organization/other/prod": outputs})
    assert (
        "unknown stack 'organization/other/dev'; known: organization/other/prod" in missing.errors[0].message
    )


def test_transforms_change_inputs_and_options_of_everything_below(program: Program) -> None:
    program.write(
        """
        def tag(args):
            if args.type_ == "test:index:Thing":
                more = pulumi.ResourceOptions(protect=True, ignore_changes=["size"])
                return pulumi.ResourceTransformResult(
                    {**args.props, "label": f"{args.props.get('label')}-tagged"},
                    pulumi.ResourceOptions.merge(args.opts, more),
                )

        def inner(args):
            return pulumi.ResourceTransformResult({**args.props, "size": 7}, args.opts)

        pulumi.runtime.register_resource_transform(tag)
        group = Group("group", opts=pulumi.ResourceOptions(transforms=[inner]))
        Thing("a", label="a", opts=pulumi.ResourceOptions(parent=group))
        Thing("b", label="b", size=1)
        """
    )
    result = program(keep=False).require()
    a, b = result.resource("a"), result.resource("b")
    assert a.inputs == {"label": "a-tagged", "size": 7}
    assert b.inputs == {"label": "b-tagged", "size": 1}
    assert (b.protect, b.ignore_changes) == (True, ("size",))


def test_a_failing_program_names_file_and_line_and_leaves_what_it_reached(program: Program) -> None:
    program.write(
        """
        Thing("a", size=1)
        def broken(size):
            raise ValueError(f"no size {size}")
        if pulumi.Config().get_bool("break"):
            broken(3)
        Thing("b", size=2)
        """
    )
    failed = program(config={"break": True})
    (error,) = failed.errors
    line = (program.root / "__main__.py").read_text().splitlines().index(
        '    raise ValueError(f"no size {size}")'
    ) + 1
    assert error.message.startswith("ValueError: no size 3")
    assert str(error.location) == f"{program.root / '__main__.py'}:{line}"
    for hidden in ("site-packages", "program_host", "asyncio", "grpc"):
        assert hidden not in error.message
    assert [one.name for one in failed.resources if one.custom] == ["a"]
    assert program().require().summary == {"create": 1, "same": 2}


def test_what_the_engine_refuses_is_said_once_where_it_was_asked_for(program: Program) -> None:
    program.write('Thing("a")\nThing("a")\n')
    failed = program(keep=False)
    (error,) = failed.errors
    assert "Duplicate resource URN 'urn:pulumi:dev::small::test:index:Thing::a'" in error.message
    assert error.location is not None
    assert error.location.file == str(program.root / "__main__.py")


def test_outputs_that_wait_for_each_other_do_not_wait_for_ever(program: Program) -> None:
    program.write(
        """
        import asyncio
        never = pulumi.Output.from_input(asyncio.get_event_loop().create_future())
        Thing("a", label=never)
        """
    )
    (error,) = program(keep=False, timeout=2.5).errors
    assert "did not end within 2.5 seconds" in error.message


def test_resources_that_register_side_by_side_come_in_one_order(program: Program) -> None:
    program.write(
        """
        things = [Thing(f"t{number}", size=number) for number in range(40)]
        for number, one in enumerate(things):
            Thing(f"u{number}", size=one.size.apply(lambda size: size + 1))
        """
    )
    first, second = program(keep=False).require(), program(keep=False).require()
    assert first.summary == {"create": 81}
    assert [one.urn for one in first.resources] == [one.urn for one in second.resources]
    assert first.resource("u7").inputs == {"size": 8}


def test_a_first_preview_reads_identities_that_are_not_there_yet(program: Program) -> None:
    program.write(
        """
        from pulumi_azure_native import managedidentity, machinelearningservices
        one = managedidentity.UserAssignedIdentity("one", resource_group_name="rg")
        workspace = machinelearningservices.Workspace(
            "workspace", resource_group_name="rg",
            identity={"type": "UserAssigned", "user_assigned_identities": [one.id]},
        )
        workspace.identity.apply(lambda identity: print(len(identity.user_assigned_identities)))
        """
    )
    program("preview", keep=False).require()
    assert "1" in [one.message for one in program(keep=False).require().diagnostics]


def test_azure_programs_run_with_providers_functions_and_ids(program: Program) -> None:
    program.write(
        """
        import pulumi_azure_native as azure_native
        from pulumi_azure_native import authorization, managedidentity, resources

        subscription = "11111111-1111-1111-1111-111111111111"
        opts = pulumi.ResourceOptions(provider=azure_native.Provider("azure", subscription_id=subscription))
        group = resources.ResourceGroup("group", location="westeurope", opts=opts)
        identity = managedidentity.UserAssignedIdentity("identity", resource_group_name=group.name, opts=opts)
        authorization.RoleAssignment(
            "grant", scope=group.id, principal_id=identity.principal_id, principal_type="ServicePrincipal",
            role_definition_id="/role", opts=opts,
        )
        client = authorization.get_client_config(pulumi.InvokeOptions(provider=opts.provider))
        found = resources.ResourceGroup.get("found", f"/subscriptions/{subscription}/resourceGroups/found")
        pulumi.export("subscription", client.subscription_id)
        pulumi.export("group", group.id)
        pulumi.export("found", found.name)
        """,
        preamble="import pulumi\n",
    )
    preview = program("preview").require()
    assert masked(dict(preview.resource("identity").inputs))["resourceGroupName"] == "[unknown]"
    result = program().require()
    subscription = "11111111-1111-1111-1111-111111111111"
    group = result.outputs["group"]
    assert result.outputs["subscription"] == subscription
    assert group.startswith(f"/subscriptions/{subscription}/resourceGroups/group")
    assert result.outputs["found"] == "found"
    assert result.resource("identity").inputs["location"] == "westeurope"
    assert result.resource("grant").inputs["scope"] == group
    assert result.resource("found").external
    assert program().require().summary == {"read": 1, "same": 5}
    assert program("destroy").require().summary == {"delete": 5, "read-discard": 1}
