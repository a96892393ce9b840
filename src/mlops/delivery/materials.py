"""The bill of materials of an image: what its hash-pinned file installs, as CycloneDX 1.6.

Written from the file itself, without asking anybody: a tool that leaves out what it cannot look up would
write a short bill and call it whole.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mlops.errors import DataError

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

__all__ = ["Pinned", "bill_of_materials", "read_lock"]

_NAMESPACE: Final = uuid.UUID("6e3b4f0c-3a54-5c56-9d8e-0d1c5a3b7f21")
_PIN: Final = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)(?:\s*;\s*(?P<marker>.+?))?")
_HASH: Final = re.compile(r"--hash=sha256:(?P<digest>[0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Pinned:
    """One package of a lock.

    Parameters
    ----------
    marker
        On which machines it is installed; empty for all.
    hashes
        SHA-256 of each file that may be installed.
    """

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]


def read_lock(path: Path) -> list[Pinned]:
    """Read a hash-pinned file as `make lock` writes it.

    Raises
    ------
    DataError
        A line is no pinned package with a hash.
    """
    found = []
    for line in path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        text = line.partition(" #")[0].strip()
        if not text or text.startswith("#"):
            continue
        pin = _PIN.fullmatch(text.partition("--hash")[0].strip())
        hashes = tuple(sorted(one["digest"] for one in _HASH.finditer(text)))
        if pin is None or not hashes:
            raise DataError(
                "A line of a lock is no pinned package.",
                where=str(path),
                got=text[:120],
                expected="name==version --hash=sha256:…",
                next_step="make lock",
            )
        found.append(Pinned(pin["name"].lower(), pin["version"], pin["marker"] or "", hashes))
    return found


def bill_of_materials(lock: Path, *, at: datetime) -> str:
    """Return what a lock installs as CycloneDX JSON; the same lock at the same time gives the same text.

    Raises
    ------
    DataError
        The lock cannot be read as one.
    """
    # Belongs to the tools of delivery, and not to what every command needs.
    from cyclonedx.model import HashAlgorithm, HashType, Property  # noqa: PLC0415
    from cyclonedx.model.bom import Bom  # noqa: PLC0415
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415
    from cyclonedx.output.json import JsonV1Dot6  # noqa: PLC0415
    from packageurl import PackageURL  # noqa: PLC0415

    image = Component(name=lock.stem, type=ComponentType.CONTAINER, bom_ref=lock.stem)
    components = [
        Component(
            name=one.name,
            version=one.version,
            type=ComponentType.LIBRARY,
            bom_ref=f"{one.name}=={one.version}",
            purl=PackageURL("pypi", None, one.name, one.version),
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in one.hashes],
            properties=[Property(name="python:marker", value=one.marker)] if one.marker else [],
        )
        for one in read_lock(lock)
    ]
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    bom = Bom(components=components, serial_number=uuid.uuid5(_NAMESPACE, digest))
    bom.metadata.component, bom.metadata.timestamp = image, at
    bom.register_dependency(image, components)
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"
