"""The settings of each environment: `environments/*.yaml` as one frozen, checked model."""

from mlops.settings.loading import ENVIRONMENTS, ROOT, Origin, Settings, load, load_settings
from mlops.settings.model import Environment

__all__ = ["ENVIRONMENTS", "ROOT", "Environment", "Origin", "Settings", "load", "load_settings"]
