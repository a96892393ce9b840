"""Sending rows to an online endpoint, and measuring how it answers."""

from mlops.scoring.endpoint import EndpointClient, RetryPolicy
from mlops.scoring.exchange import Exchange, LatencySummary, predictions_of, summarize
from mlops.scoring.rows import Batch, batches, read_rows
from mlops.scoring.run import ScoringProgress, score_batches, send_all, send_routed

__all__ = [
    "Batch",
    "EndpointClient",
    "Exchange",
    "LatencySummary",
    "RetryPolicy",
    "ScoringProgress",
    "batches",
    "predictions_of",
    "read_rows",
    "score_batches",
    "send_all",
    "send_routed",
    "summarize",
]
