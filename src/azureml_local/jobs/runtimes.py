"""Environments: which interpreter stands in for an image, and whether it holds what the image would."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from typing import TYPE_CHECKING, Final

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from azureml_local.errors import AzureError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from azureml_local.config import Runtime

_PIN: Final = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)\s*(?:;\s*(?P<marker>[^\\]+))?")
_SECONDS: Final = 120
# Run by the interpreter in question, whose markers and packages these are.
_LIST: Final = """
import importlib.metadata as m, json, os, platform, sys
v = sys.implementation.version
print(json.dumps({
  "packages": {d.metadata["Name"]: d.version for d in m.distributions()},
  "markers": {
    "implementation_name": sys.implementation.name,
    "implementation_version": "%d.%d.%d" % (v.major, v.minor, v.micro),
    "os_name": os.name, "platform_machine": platform.machine(), "platform_release": platform.release(),
    "platform_system": platform.system(), "platform_version": platform.version(),
    "python_full_version": platform.python_version(), "platform_python_implementation":
    platform.python_implementation(), "python_version": ".".join(platform.python_version_tuple()[:2]),
    "sys_platform": sys.platform}}))
"""


class Runtimes:
    """The interpreters of an instance; each is checked once against its lock."""

    def __init__(self, runtimes: Mapping[str, Runtime]) -> None:
        self._runtimes = runtimes
        self._checked: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def require(self, name: str, version: str) -> Runtime:
        """Return the runtime of an environment.

        Raises
        ------
        AzureError
            400 ``ImageBuildFailure`` when there is none, when the version is not the digest of its lock,
            or when the interpreter lacks what the lock pins.
        """
        runtime = self._runtimes.get(name)
        if runtime is None:
            known = ", ".join(sorted(self._runtimes)) or "none"
            raise _failure(f"No image can be built for the environment '{name}' here; known are {known}.")
        if not runtime.python.is_file():
            raise _failure(f"The interpreter of the environment '{name}', {runtime.python}, does not exist.")
        digest = runtime.digest()
        if digest is not None and version != digest:
            raise _failure(
                f"The environment '{name}' has the version '{version}', but the packages installed here were "
                f"locked as '{digest}'. Register the environment anew from the current lock."
            )
        with self._lock:
            key = (str(runtime.python), digest or "")
            if runtime.lock is not None and key not in self._checked:
                _check_pins(runtime, runtime.lock)
                self._checked.add(key)
        return runtime


def pins(lock: Path, markers: Mapping[str, str]) -> dict[str, str]:
    """Return the versions that a requirements file pins where its markers hold."""
    found: dict[str, str] = {}
    for line in lock.read_text(encoding="utf-8").splitlines():
        match = _PIN.match(line)
        if match and (match["marker"] is None or Marker(match["marker"].strip()).evaluate(dict(markers))):
            found[canonicalize_name(match["name"])] = match["version"]
    return found


def _check_pins(runtime: Runtime, lock: Path) -> None:
    try:
        completed = subprocess.run(
            [str(runtime.python), "-I", "-c", _LIST], capture_output=True, check=True, timeout=_SECONDS
        )
        listed = json.loads(completed.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise _failure(
            f"The interpreter of the environment '{runtime.name}' does not work: {error}."
        ) from error
    installed = {canonicalize_name(name): version for name, version in listed["packages"].items()}
    wrong = [
        f"{name} {version} (installed: {installed.get(canonicalize_name(name), 'no')})"
        for name, version in pins(lock, listed["markers"]).items()
        if installed.get(canonicalize_name(name)) != version
    ]
    if wrong:
        shown = ", ".join(wrong[:5]) + (", …" if len(wrong) > 5 else "")
        raise _failure(
            f"The interpreter of the environment '{runtime.name}' differs from its lock in {len(wrong)} "
            f"packages: {shown}. Install {lock.name} again."
        )


def _failure(message: str) -> AzureError:
    return AzureError(400, "ImageBuildFailure", message, target="environmentId")
