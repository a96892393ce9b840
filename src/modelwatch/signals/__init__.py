"""One function a signal type: from a window's inputs to its measurements."""

from modelwatch.signals.evaluating import UNSEGMENTED, evaluate

__all__ = ["UNSEGMENTED", "evaluate"]
