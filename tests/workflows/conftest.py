"""One Node process, one server of commands and one small repository for all tests of workflows."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.workflows.bench import Bench, make_repository, serving_commands
from tests.workflows.node_service import ROOT, NodeService
from tests.workflows.simulation.github_api import GitHubApi

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def node() -> Iterator[NodeService]:
    service = NodeService()
    yield service
    service.close()


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the socket of a server that runs `mlops`."""
    with serving_commands(tmp_path_factory.mktemp("commands")) as socket:
        yield socket


def copy_github(target: Path) -> Path:
    """Copy what the checks look at to a folder that may be spoilt."""
    shutil.copytree(ROOT / ".github", target / ".github")
    return target


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture
def bench(node: NodeService, commands: Path, repository: Path, tmp_path: Path) -> Iterator[Bench]:
    with GitHubApi() as api:
        yield Bench.build(node, api, repository, tmp_path, commands)
