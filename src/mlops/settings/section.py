"""What every section of the settings is: frozen, and closed to keys that nobody declared."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Section"]


class Section(BaseModel):
    """One mapping of a settings file."""

    model_config = ConfigDict(frozen=True, extra="forbid")
