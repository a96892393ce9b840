"""``mlops ci images`` and ``push-images``: what jobs and deployments run in, built before they need it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mlops.cli.context import JsonOption
from mlops.cli.delivery.surroundings import checkout, this_run
from mlops.cli.output import Output
from mlops.errors import UsageError
from mlops.settings import load

if TYPE_CHECKING:
    from pathlib import Path

    from mlops.delivery.container_tools import ContainerRegistry
    from mlops.delivery.images import Image
    from mlops.settings import Environment

__all__ = ["add_commands", "images_of"]

_CONTEXT: Final = "environments/locks"

Where = Annotated[
    str, typer.Option("--env", "-e", help="Whose images: local, dev, staging or prod.", metavar="ENV")
]


def add_commands(group: typer.Typer) -> None:
    """Add the commands to the group."""
    group.command("images", epilog="Example: `mlops ci images --env dev`")(images)
    group.command("push-images", epilog="Example: `mlops ci push-images --env dev`")(push_images)


def images_of(settings: Environment, root: Path) -> tuple[Image, ...]:
    """Return the images that an environment's jobs and deployments name; nothing is asked.

    Parameters
    ----------
    settings
        The environment.
    root
        The repository, whose locks and Dockerfiles define them.

    Raises
    ------
    PipelineError
        A lock or a Dockerfile is missing.
    """
    from mlops.delivery.images import Image
    from pipelines.environments import serving_specification, training_specification

    found = []
    for specification in (training_specification(root), serving_specification(root)):
        digests = specification.tags()
        found.append(
            Image(
                name=specification.name,
                reference=specification.image(settings),
                dockerfile=specification.dockerfile.relative_to(root).as_posix(),
                context=_CONTEXT,
                lock_sha256=digests["lock_sha256"],
                dockerfile_sha256=digests["dockerfile_sha256"],
                base=settings.images.base,
            )
        )
    return tuple(found)


def images(
    environment: Where,
    missing: Annotated[
        bool,
        typer.Option("--missing", help="Ask the registry which of them it lacks, as whoever is signed in."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Tell which images an environment runs in: name, reference, and the digests of what defines them."""
    from mlops.delivery.images import look, to_markdown

    root = checkout()
    settings = load(environment, root)
    found = images_of(settings, root)
    states = dict(look(found, _registry(settings))) if missing else {}
    run = this_run()
    run.set_outputs({"images": json.dumps([image.to_dict() for image in found])})
    if missing:
        run.set_outputs({"missing": json.dumps([name for name, one in states.items() if one == "missing"])})
    run.add_summary(to_markdown(environment, found, states))
    Output(as_json).result(
        {
            "environment": environment,
            "images": [
                {**image.to_dict(), **({"state": states[image.name]} if missing else {})} for image in found
            ],
        },
        "\n".join(
            f"{image.reference}{f': {states[image.name]}' if missing else f' from {image.dockerfile}'}"
            for image in found
        ),
    )


def push_images(environment: Where, as_json: JsonOption = False) -> None:
    """Build and push the images that an environment's registry lacks; no tag is written twice."""
    from mlops.delivery.container_tools import Docker
    from mlops.delivery.images import push, to_markdown

    root = checkout()
    settings = load(environment, root)
    registry = _registry(settings)
    found = images_of(settings, root)
    pushed = push(found, registry, Docker(root))
    states = {image.name: "pushed" if image.name in pushed else "was there" for image in found}
    this_run().add_summary(to_markdown(environment, found, states))
    Output(as_json).result(
        {"environment": environment, "pushed": list(pushed)},
        "\n".join(f"{image.reference}: {states[image.name]}" for image in found),
    )


def _registry(settings: Environment) -> ContainerRegistry:
    from mlops.delivery.container_tools import ContainerRegistry

    if settings.control_plane != "azure":
        raise UsageError(
            "There are no images on this machine: steps and servers run in its virtual environments.",
            where="--env",
            got=settings.name,
            expected="an environment in Azure: dev, staging or prod",
        )
    return ContainerRegistry(settings.names.container_registry)
