"""What a right answer of a use case looks like, and turning exchanges into observations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops.rollout.judge import Observation
from mlops.scoring import predictions_of

if TYPE_CHECKING:
    from mlops.scoring import Exchange

__all__ = ["Expectation"]


@dataclass(frozen=True, slots=True)
class Expectation:
    """The form of an answer.

    Parameters
    ----------
    prediction
        Field of each prediction that holds the predicted number; None when predictions are bare numbers.
    fields
        Fields that each prediction must have besides.
    minimum, maximum
        Range of the predicted number.
    """

    prediction: str | None = "probability"
    fields: tuple[str, ...] = ()
    minimum: float = 0.0
    maximum: float = 1.0

    def observe(self, exchange: Exchange, body: Any) -> Observation:
        """Judge one answer to the request `body`: errors keep their reason, right ones their numbers."""
        if exchange.problem is not None:
            return Observation(exchange.latency_ms, exchange.problem)
        predictions = predictions_of(exchange.body)
        rows = _rows(body)
        if predictions is None:
            return Observation(exchange.latency_ms, "the answer holds no list of predictions")
        if rows is not None and len(predictions) != rows:
            return Observation(exchange.latency_ms, f"{len(predictions)} predictions for {rows} rows")
        numbers = []
        for prediction in predictions:
            number, problem = self._number(prediction)
            if problem is not None:
                return Observation(exchange.latency_ms, problem)
            numbers.append(number)
        return Observation(exchange.latency_ms, predictions=tuple(numbers))

    def _number(self, prediction: Any) -> tuple[float, str | None]:
        value = prediction
        if self.prediction is not None:
            wanted = (self.prediction, *self.fields)
            missing = [f for f in wanted if not isinstance(prediction, dict) or f not in prediction]
            if missing:
                return 0.0, f"a prediction has no {', '.join(missing)}"
            value = prediction[self.prediction]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            return 0.0, f"a prediction is no finite number: {value!r:.40}"
        if not self.minimum <= value <= self.maximum:
            return 0.0, f"a prediction of {value:g} is outside {self.minimum:g} to {self.maximum:g}"
        return float(value), None


def _rows(body: Any) -> int | None:
    """Return the rows of a request, or None when its form does not say."""
    table = body.get("input_data") if isinstance(body, dict) else None
    data = table.get("data") if isinstance(table, dict) else None
    return len(data) if isinstance(data, list) else None
