from __future__ import annotations

from pathlib import Path

import pytest

from mlops.usecase import UseCase, load_usecase

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def usecase() -> UseCase:
    usecase = load_usecase("classical", ROOT)
    # A tenth of the resamples: the tests ask what is decided, not how exactly.
    gate = usecase.gate.model_copy(update={"resamples": 200})
    return usecase.model_copy(update={"gate": gate})
