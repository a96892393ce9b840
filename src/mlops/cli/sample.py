"""The sample data that a use case ships: what is trained and replayed where nothing else is named."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from mlops.errors import UsageError

if TYPE_CHECKING:
    from mlops.cli.context import Session
    from mlops.usecase import UseCase

__all__ = ["sample_of"]


def sample_of(session: Session, usecase: UseCase) -> Any:
    """Write the use case's sample data below the home folder and return where each part is.

    Raises
    ------
    UsageError
        The use case ships no sample.
    """
    try:
        module = importlib.import_module(f"usecases.{usecase.name}.sample")
    except ModuleNotFoundError as error:
        if error.name != f"usecases.{usecase.name}.sample":
            raise
        raise UsageError(
            f"The use case {usecase.name} ships no sample data.",
            where=f"src/usecases/{usecase.name}",
            next_step="name your own: --data PATH",
        ) from None
    return module.write(session.home.path / "data" / usecase.name)
