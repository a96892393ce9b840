"""The structure that the rest relies on: who imports whom, and who may know the control plane."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = {"azureml_local", "infra", "mlops", "modelwatch", "pipelines", "usecases"}
# What each package may import of ours, beside itself. The command line sits on top.
ALLOWED = {
    "azureml_local": set[str](),
    "modelwatch": set[str](),
    "usecases": set[str](),
    "mlops": {"modelwatch"},
    # Builders of monitoring jobs read the declaration that they compile.
    "pipelines": {"mlops", "modelwatch"},
    "mlops.cli": {"azureml_local", "infra", "mlops", "modelwatch", "pipelines", "usecases"},
    # A pipeline step is glue between the use case's model code and the gate.
    "pipelines.components": {"mlops", "modelwatch", "usecases"},
}


def package_of(path: Path) -> str:
    parts = path.relative_to(ROOT / "src" if "src" in path.parts else ROOT).parts
    nested = ".".join(parts[:2])
    return nested if nested in ALLOWED else parts[0]


def sources() -> list[Path]:
    folders = [ROOT / "src", ROOT / "pipelines"]
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    package = package_of(path)
    roots = {name.partition(".")[0] for name in imported(path)} & OURS
    assert roots <= ALLOWED[package] | {package.partition(".")[0]}
    if package != "mlops.cli":
        assert not {name for name in imported(path) if f"{name}.".startswith("mlops.cli.")}


def test_only_the_client_factory_knows_the_control_plane() -> None:
    knowing = [
        str(path.relative_to(ROOT))
        for path in sources()
        if package_of(path) in {"mlops", "pipelines", "pipelines.components", "usecases"}
        and "control_plane" in path.read_text(encoding="utf-8")
    ]
    assert knowing == ["src/mlops/client.py", "src/mlops/settings/model.py"]


@pytest.mark.parametrize("word", ["127.0.0.1", "localhost", "embedded", '"local"'])
def test_no_code_that_runs_on_both_planes_names_the_laptop(word: str) -> None:
    naming = [
        str(path.relative_to(ROOT))
        for path in sources()
        if package_of(path) in {"mlops", "pipelines", "pipelines.components", "usecases"}
        and word in path.read_text(encoding="utf-8")
    ]
    assert set(naming) <= {
        "src/mlops/client.py",
        "src/mlops/settings/model.py",
        "src/mlops/settings/loading.py",
    }


def test_importing_does_no_heavy_work() -> None:
    import subprocess

    code = "import sys, mlops, mlops.settings, mlops.cli; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("azure", "mlflow", "sklearn", "pandas", "aiohttp"):
        assert f"'{heavy}'" not in loaded
