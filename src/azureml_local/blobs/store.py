"""Blobs as plain files: what other parts of the control plane read by path, and the client by REST.

The file is the truth. A row in the state database adds what a file cannot carry (content type,
metadata); it names the file's size and time of change, and one that describes another content is
ignored. So a process that is killed between the two writes leaves a blob without metadata, which
clients treat as an unfinished upload, and never metadata of one content on another.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from azureml_local.blobs import addresses, sas
from azureml_local.blobs.attributes import AttributeTable, BlobProperties
from azureml_local.blobs.space import Space
from azureml_local.errors import AzureError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from azureml_local.store import ResourceStore

# No container can have this name.
_STAGING: Final = ".staging"


class BlobStore:
    """One storage account below a folder.

    Parameters
    ----------
    root
        Folder of the account; containers are its subfolders.
    store
        State database, for what a file cannot carry.
    account, key
        Name of the account and the base64 key that signs.
    base_url
        Address of the server; the account is at ``<base_url>/<account>``.
    quota_bytes
        Most bytes that may be stored; None for as many as the disk holds.
    datastore_container
        Container that a datastore stands for; by default its own name.
    """

    def __init__(
        self,
        root: Path,
        store: ResourceStore,
        *,
        account: str,
        key: str,
        base_url: str,
        quota_bytes: int | None = None,
        datastore_container: Callable[[str, str | None], str] = lambda name, _: name,
    ) -> None:
        self.root = root
        self.account = account
        self.key = key
        self.storage_url = f"{base_url.rstrip('/')}/{account}"
        # The form of Azure's addresses, in this cloud's suffix; nothing answers there.
        self.host_url = f"https://{account}.blob.{addresses.STORAGE_SUFFIX}"
        self._container_of = datastore_container
        self._lock = threading.RLock()
        root.mkdir(parents=True, exist_ok=True)
        # Blocks that were never committed: the service drops them after a week, a restart does here.
        self.staging = root / _STAGING
        shutil.rmtree(self.staging, ignore_errors=True)
        self.staging.mkdir()
        self.attributes = AttributeTable(store)
        self.space = Space(
            quota_bytes, sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
        )

    def create_container(self, name: str) -> bool:
        """Create a container; say whether it is new."""
        folder = self.root / addresses.checked_container(name)
        with self._lock, self.space.disk():
            new = not folder.exists()
            folder.mkdir(exist_ok=True)
        return new

    def has_container(self, name: str) -> bool:
        """Say whether a container exists."""
        return (self.root / addresses.checked_container(name)).is_dir()

    def path(self, container: str, blob: str = "") -> Path:
        """Return the file of a blob, or the folder of the blobs whose names begin with `blob` and a slash.

        Raises
        ------
        AzureError
            400 when the name is not valid, such as one that climbs out of its container.
        """
        folder = self.root / addresses.checked_container(container)
        return folder / addresses.checked_blob(blob.strip("/")) if blob.strip("/") else folder

    def url(self, container: str, blob: str = "") -> str:
        """Return the address of a container or blob."""
        return "/".join(part for part in (self.storage_url, container, blob) if part)

    def address(self, container: str, blob: str) -> str:
        """Return a blob's address as Azure writes it, with the account in the host's name.

        The SDK reads container and path out of it, and gets an address that answers with the signature.
        """
        return f"{self.host_url}/{container}/{blob}"

    def sas_token(self, container: str, *, permissions: str = "racwdl", hours: float = 12.0) -> str:
        """Return a signature over a container, as a query string."""
        return sas.container_token(self.account, self.key, container, permissions=permissions, hours=hours)

    def sas_url(self, container: str, *, permissions: str = "racwdl", hours: float = 12.0) -> str:
        """Return the address of a container with a signature."""
        return f"{self.url(container)}?{self.sas_token(container, permissions=permissions, hours=hours)}"

    def locate(self, uri: str) -> tuple[str, str]:
        """Return container and blob path that an ``azureml://`` or ``https://`` address means."""
        return addresses.locate(
            uri,
            storage_urls=(self.storage_url, self.host_url),
            datastore_container=self._container_of,
        )

    def resolve(self, uri: str) -> Path:
        """Return the file or folder that an address means; whether it exists is for the caller to see."""
        return self.path(*self.locate(uri))

    @contextmanager
    def staged(self) -> Iterator[Path]:
        """Yield a path on the account's file system for a file that is about to become a blob."""
        path = self.staging / uuid.uuid4().hex
        try:
            with self.space.disk():
                yield path
        finally:
            path.unlink(missing_ok=True)

    def commit(
        self, container: str, name: str, file: Path, *, paid: int = 0, **attributes: Any
    ) -> BlobProperties:
        """Make a file the content of a blob, in one step; the file is moved.

        Parameters
        ----------
        file
            Finished file on the account's file system.
        paid
            Bytes of it that were counted when they arrived.
        attributes
            Fields of :class:`BlobProperties` that a file cannot carry.
        """
        target = self.path(container, name)
        with self._lock, self.space.disk():
            self._require_container(container)
            before = target.stat().st_size if target.is_file() else 0
            size = file.stat().st_size
            self._refuse_conflict(container, target)
            self.space.take(size - paid)
            try:
                self.space.take(-before)
                # Its own time, to the nanosecond: two writes in one tick of the kernel's clock differ.
                now = time.time_ns()
                os.utime(file, ns=(now, now))
                file.chmod(0o644)
                target.parent.mkdir(parents=True, exist_ok=True)
                file.replace(target)
            except BaseException:
                self.space.take(before - size + paid)
                raise
            self.attributes.remember(container, name, target, attributes)
            return self.require(container, name)

    def write(self, container: str, name: str, content: bytes, **attributes: Any) -> BlobProperties:
        """Create or replace a small blob."""
        with self.staged() as file:
            file.write_bytes(content)
            return self.commit(container, name, file, **attributes)

    def upload(self, source: Path, container: str, name: str, *, move: bool = False) -> int:
        """Store a file as the blob `name`, or a folder's files below it; return how many there were.

        Symbolic links are followed: a blob is a content. With `move` the files are renamed, which
        costs nothing on one file system.
        """
        files = [source] if source.is_file() else sorted(path for path in source.rglob("*") if path.is_file())
        for file in files:
            blob = name if file == source else f"{name}/{file.relative_to(source).as_posix()}"
            with self.staged() as copy:
                if move and not file.is_symlink() and file.stat().st_nlink == 1:
                    shutil.move(file, copy)
                else:
                    shutil.copyfile(file, copy)
                self.commit(container, blob, copy)
        return len(files)

    def copy(self, source: tuple[str, str], target: tuple[str, str]) -> int:
        """Copy a blob, or all below a prefix, inside the account; return how many there were."""
        return self.upload(self.path(*source), *target)

    def append(self, container: str, name: str, content: bytes) -> int:
        """Append to a blob that exists; return the offset at which it begins."""
        target = self.path(container, name)
        with self._lock, self.space.disk():
            known = self.require(container, name)
            self.space.take(len(content))
            try:
                with target.open("ab") as stream:
                    stream.write(content)
            except OSError:
                os.truncate(target, known.size)
                self.space.take(-len(content))
                raise
            self.attributes.remember(container, name, target, known.attributes())
        return known.size

    def set_metadata(self, container: str, name: str, metadata: Mapping[str, str]) -> BlobProperties:
        """Replace the metadata of a blob."""
        with self._lock:
            known = self.require(container, name)
            attributes = known.attributes() | {"metadata": dict(metadata)}
            self.attributes.remember(container, name, self.path(container, name), attributes)
            return self.require(container, name)

    def get(self, container: str, name: str) -> BlobProperties | None:
        """Return what is known about a blob, or None when there is none."""
        try:
            path = self.path(container, name)
        except AzureError:
            return None
        found = self.attributes.describe(container, {name: path})
        return found[0] if found else None

    def require(self, container: str, name: str) -> BlobProperties:
        """Return what is known about a blob, or raise the service's 404."""
        self._require_container(container)
        found = self.get(container, name)
        if found is None:
            raise AzureError(404, "BlobNotFound", f"The specified blob '{name}' does not exist.")
        return found

    def delete(self, container: str, name: str) -> None:
        """Delete one blob, or raise the service's 404."""
        with self._lock:
            known = self.require(container, name)
            path = self.path(container, name)
            path.unlink()
            self.space.take(-known.size)
            self.attributes.forget(container, name)
            folder = path.parent
            # A folder exists only as long as a blob needs it: the service has none.
            while folder != self.root / container and not any(folder.iterdir()):
                folder.rmdir()
                folder = folder.parent

    def remove_tree(self, container: str, prefix: str = "") -> None:
        """Delete everything below a path; the container too when there is none. Nothing there is fine."""
        with self._lock:
            path = self.path(container, prefix)
            files = [path] if path.is_file() else [found for found in path.rglob("*") if found.is_file()]
            self.space.take(-sum(file.stat().st_size for file in files))
            folder = self.root / container
            self.attributes.forget(container, *(file.relative_to(folder).as_posix() for file in files))
            if path.is_file():
                path.unlink()
            else:
                shutil.rmtree(path, ignore_errors=True)

    def _require_container(self, name: str) -> None:
        if not self.has_container(name):
            raise AzureError(404, "ContainerNotFound", f"The specified container '{name}' does not exist.")

    def _refuse_conflict(self, container: str, target: Path) -> None:
        parents = [parent for parent in target.parents if parent.is_relative_to(self.root / container)]
        if target.is_dir() or any(parent.is_file() for parent in parents):
            raise AzureError(
                409,
                "InvalidBlobOrBlock",
                f"'{target.relative_to(self.root / container).as_posix()}' would be a blob and a folder of "
                "blobs at the same time, which a folder on this disk cannot hold.",
            )
