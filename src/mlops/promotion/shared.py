"""The ML registry that all environments share, as far as a promotion needs it: look, share, fetch."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mlops.client import visible_errors
from mlops.digest import drop_compiled, verify
from mlops.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from azure.ai.ml import MLClient

    from mlops.model_version import ModelVersion
    from mlops.promotion.release import Release

__all__ = ["SharedModels", "downloaded"]


class SharedModels:
    """The registry's models.

    Parameters
    ----------
    name
        The registry.
    connect
        Opens a client of it; the client looks the registry up at once.
    """

    def __init__(self, name: str, connect: Callable[[], MLClient]) -> None:
        self.name = name
        self._connect = connect
        self._client: MLClient | None = None

    def client(self) -> MLClient:
        """Return the registry's client.

        Raises
        ------
        RegistryError
            There is no such registry, or it may not be seen.
        """
        from azure.core.exceptions import HttpResponseError  # noqa: PLC0415 - seconds of import

        if self._client is None:
            try:
                self._client = self._connect()
            except HttpResponseError as error:
                if error.status_code not in {403, 404}:
                    raise
                raise RegistryError(
                    f"The ML registry {self.name} is not there, or may not be seen.",
                    where=f"registry {self.name}",
                    got=f"{error.status_code} {error.reason}",
                    expected="the registry of the stack `shared`",
                    next_step="deploy the stack `shared`: the workflow infra-deploy",
                ) from None
        return self._client

    def share(self, source: MLClient, version: ModelVersion, release: Release) -> bool:
        """Put a workspace's version into the registry unless it holds it, and check what it holds then.

        Returns
        -------
        bool
            Whether anything was shared.

        Raises
        ------
        RegistryError
            There is no registry, or it holds other files under the release's version.
        """
        from azure.ai.ml.exceptions import ValidationException  # noqa: PLC0415 - seconds of import

        new = not self._holds(release)
        if new:
            try:
                source.models.share(
                    version.name,
                    version.version,
                    share_with_name=release.model,
                    share_with_version=release.version,
                    registry_name=self.name,
                )
            except ValidationException as error:
                # Somebody shared the same files meanwhile: the SDK looks once more before it asks.
                if not self._holds(release):
                    raise RegistryError(
                        "The model cannot be shared.", where=release.reference, got=error
                    ) from error
                new = False
        with self.fetched(release):
            return new

    @contextmanager
    def fetched(self, release: Release) -> Iterator[Path]:
        """Yield a folder with a release's files, downloaded and held to its digest.

        Raises
        ------
        RegistryError
            The registry does not hold the version, or holds other files under it.
        """
        if not self._holds(release):
            raise RegistryError(
                "The registry does not hold what was released.",
                where=release.reference,
                got="no such version",
                next_step=f"promote it again: mlops promote --from {release.promoted.environment}",
            )
        with downloaded(self.client(), release.model, release.version) as folder:
            drop_compiled(folder)
            verify(
                folder,
                release.digest,
                what=release.reference,
                next_step="find out who changed it; archive the version, train again, and promote that",
            )
            yield folder

    def _holds(self, release: Release) -> bool:
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - seconds of import

        client = self.client()
        try:
            client.models.get(release.model, version=release.version)
        except ResourceNotFoundError:
            return False
        return True


@contextmanager
def downloaded(client: MLClient, name: str, version: str) -> Iterator[Path]:
    """Yield a folder with the files of a version, and nothing else; it is gone afterwards.

    Raises
    ------
    RegistryError
        The version has no files.
    """
    with tempfile.TemporaryDirectory(prefix="mlops-model-") as temporary:
        with visible_errors():
            client.models.download(name, version=version, download_path=temporary)
        # The SDK makes a folder of the model's name, and in it one of the last part of where the files are.
        top = Path(temporary) / name
        found = list(top.iterdir()) if top.is_dir() else []
        if not found:
            raise RegistryError(
                f"Version {version} of {name} has no files.",
                where=f"model {name}",
                expected="an MLflow model",
                next_step="train the model again: mlops train",
            )
        yield found[0] if len(found) == 1 and found[0].is_dir() else top
