"""Writing files so that a reader sees the old content or the new, never half of either."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["write_json", "write_parquet", "write_text"]


def write_text(path: Path, text: str) -> Path:
    """Write text to a temporary file beside `path`, flush it to the disk, and rename it into place."""
    return _write(path, text.encode())


def write_parquet(path: Path, frame: pd.DataFrame) -> Path:
    """Write a frame without its index, as :func:`write_text` writes text."""
    return _write(path, frame.to_parquet(index=False))


def _write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return path


def write_json(path: Path, value: Any) -> Path:
    """Write `value` as indented JSON; NaN and infinity are refused, since JSON has no word for them."""
    return write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")
