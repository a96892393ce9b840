"""Answer requests on an online endpoint, and hand inputs and outputs to Azure ML's data collector.

The deployment uploads this folder alone, so this file imports nothing else of the repository. It does not
know, and need not know, who started the server that runs it.

Request, in the form that Azure documents for tabular models::

    {"input_data": {"columns": ["row_id", "lncoins", ...], "index": [0], "data": [[8076, 0.0, ...]]}}

Answer::

    {"predictions": [{"correlationid": "…_0", "row_id": 8076, "probability": 0.74, "label": 1}, ...]}

An id column is optional in a request; it is collected and returned, never used by the model. A request
that cannot be scored is answered with status 400 and a list of what is wrong with it. Values outside the
training range are scored: whether they are too many is for monitoring to say, which needs them collected.
"""

from __future__ import annotations

import atexit
import difflib
import json
import logging
import os
import uuid
from pathlib import Path
from typing import Any

import pandas as pd
import skops.io
import yaml
from azureml.ai.monitoring import Collector
from azureml.ai.monitoring.context import BasicCorrelationContext
from azureml.ai.monitoring.init import teardown
from azureml_inference_server_http.api.aml_request import AMLRequest, rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse

logger = logging.getLogger("score")

MAXIMUM_ROWS = 10_000
# Types that the model file may hold beyond those that skops trusts by itself. Not read from the model's
# own folder: a list that comes with the file would trust whatever the file asks for.
TRUSTED_TYPES = (
    "scipy._lib.array_api_compat.numpy._aliases.asarray",
    "scipy.interpolate._bsplines.BSpline",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
)
_REPORTED_PROBLEMS = 10
_LARGEST = 2**53  # beyond it a double no longer holds every integer


class BadRequestError(Exception):
    """A request cannot be scored; `problems` says why."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


class Scorer:
    """The model with what a request to it must look like.

    Not a dataclass: the server executes this file without entering it in ``sys.modules``, where
    ``@dataclass`` looks up postponed annotations.
    """

    def __init__(self, estimator: Any, inputs: list[dict[str, Any]], threshold: float) -> None:
        self.estimator = estimator
        self.threshold = threshold
        self.types: dict[str, str] = {entry["name"]: entry["type"] for entry in inputs}
        self.nullable = frozenset(entry["name"] for entry in inputs if entry["nullable"])
        self.identifiers = [entry["name"] for entry in inputs if entry["role"] == "id"]
        self.features = [entry["name"] for entry in inputs if entry["role"] == "feature"]

    @classmethod
    def load(cls, folder: Path) -> Scorer:
        """Load the MLflow model below `folder`, without importing MLflow (seconds of start-up)."""
        # Not rglob: it does not look into linked folders, and a model may be mounted as one.
        walked = os.walk(folder, followlinks=True)
        found = [Path(parent) / "MLmodel" for parent, _, names in walked if "MLmodel" in names]
        if len(found) != 1:
            raise RuntimeError(f"expected one MLmodel below {folder}, found {len(found)}")
        description = yaml.safe_load(found[0].read_text(encoding="utf-8"))
        flavor = description["flavors"]["sklearn"]
        if flavor.get("serialization_format") != "skops":
            raise RuntimeError("the model is not stored with skops; pickles are refused, since they run code")
        estimator = skops.io.load(found[0].parent / flavor["pickled_model"], trusted=list(TRUSTED_TYPES))
        metadata = description["metadata"]
        scorer = cls(estimator, metadata["inputs"], float(metadata["threshold"]))
        signature = [entry["name"] for entry in json.loads(description["signature"]["inputs"])]
        if scorer.features != signature:
            raise RuntimeError(f"signature {signature} and declared features {scorer.features} differ")
        return scorer

    def parse(self, body: bytes) -> pd.DataFrame:
        """Return the rows of a request.

        Raises
        ------
        BadRequestError
            The body is not JSON, has no rows, or a row breaks the model's signature.
        """
        try:
            # JSON has no NaN; Python's parser would let it through.
            content = json.loads(body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise BadRequestError([f"the body is not JSON: {error}"]) from error
        table = content.get("input_data") if isinstance(content, dict) else None
        columns = table.get("columns") if isinstance(table, dict) else None
        rows = table.get("data") if isinstance(table, dict) else None
        if not isinstance(columns, list) or not isinstance(rows, list) or not rows:
            form = '{"input_data": {"columns": [name, ...], "data": [[value, ...], ...]}}'
            raise BadRequestError([f"expected {form} with at least one row"])
        if len(rows) > MAXIMUM_ROWS:
            raise BadRequestError([f"{len(rows)} rows in one request; at most {MAXIMUM_ROWS}"])
        if problems := self._check_columns(columns):
            raise BadRequestError(problems)
        for position, row in enumerate(rows):
            problems += [f"row {position}: {problem}" for problem in self._check_row(columns, row)]
            if len(problems) >= _REPORTED_PROBLEMS:
                raise BadRequestError([*problems[:_REPORTED_PROBLEMS], "and possibly more"])
        if problems:
            raise BadRequestError(problems)
        return pd.DataFrame(rows, columns=columns)

    def probabilities(self, frame: pd.DataFrame) -> list[float]:
        """Return the probability of the positive class for each row."""
        probability: list[float] = self.estimator.predict_proba(frame[self.features])[:, 1].tolist()
        return probability

    def _check_columns(self, columns: list[Any]) -> list[str]:
        problems = []
        for name in columns:
            if not isinstance(name, str) or name not in self.types:
                close = difflib.get_close_matches(str(name), self.types, n=1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                problems.append(f"unknown column {name!r}{hint}")
        problems += [f"column {name!r} is missing" for name in self.features if name not in columns]
        if len(set(map(str, columns))) < len(columns):
            problems.append("a column is repeated")
        return problems

    def _check_row(self, columns: list[str], row: Any) -> list[str]:
        if not isinstance(row, list) or len(row) != len(columns):
            return [f"expected a list of {len(columns)} values"]
        problems = []
        for name, value in zip(columns, row, strict=True):
            if value is None:
                if name not in self.nullable:
                    problems.append(f"column {name!r} is null")
            elif not _is(self.types[name], value):
                problems.append(f"column {name!r} must be {self.types[name]}, got {value!r:.40}")
        return problems


def init() -> None:
    """Load the model and connect the collectors; the server calls this once per worker."""
    global _scorer, _inputs, _outputs  # noqa: PLW0603 - the server's contract is two module functions
    _scorer = Scorer.load(Path(os.environ["AZUREML_MODEL_DIR"]))
    # A model that cannot predict must fail here, before traffic; it also fills scikit-learn's lazy imports.
    _scorer.probabilities(pd.DataFrame([[0.0] * len(_scorer.features)], columns=_scorer.features))
    _inputs = _collector("model_inputs")
    _outputs = _collector("model_outputs")
    # What is still queued when a rollout stops this worker would be lost.
    atexit.register(teardown, wait_for_flush=True)


@rawhttp  # type: ignore[untyped-decorator]
def run(request: AMLRequest) -> AMLResponse:
    """Answer one request."""
    if request.method != "POST":
        return AMLResponse({"error": f"use POST, not {request.method}"}, 405, json_str=True)
    try:
        frame = _scorer.parse(request.get_data())
    except BadRequestError as error:
        return AMLResponse({"error": "bad request", "problems": error.problems}, 400, json_str=True)
    # The collector may put requests that arrive together in one line with one id, so rows carry their own.
    request_id = request.headers.get("x-ms-client-request-id") or str(uuid.uuid4())
    ids = [f"{request_id}_{position}" for position in range(len(frame))]
    probabilities = _scorer.probabilities(frame)
    outputs: dict[str, list[Any]] = {
        "correlationid": ids,
        **{name: frame[name].tolist() for name in _scorer.identifiers if name in frame},
        "probability": probabilities,
        "label": [int(probability >= _scorer.threshold) for probability in probabilities],
    }
    _collect(frame, outputs, request_id)
    names = tuple(outputs)
    answer = [dict(zip(names, row, strict=True)) for row in zip(*outputs.values(), strict=True)]
    return AMLResponse({"predictions": answer}, 200, json_str=True)


def _collect(inputs: pd.DataFrame, outputs: dict[str, list[Any]], request_id: str) -> None:
    """Queue rows for the collector's own thread; losing them must not fail the request."""
    if _inputs is None or _outputs is None:
        return
    rows = inputs.assign(correlationid=outputs["correlationid"])
    context = _inputs.collect(rows, BasicCorrelationContext(id=request_id))
    _outputs.collect(pd.DataFrame(outputs), context)


def _collector(name: str) -> Collector | None:
    """Return the collector, or None where collection is switched off."""
    failures: list[Exception] = []
    Collector(name=name, on_error=failures.append)
    if failures:
        logger.warning("%s are not collected: %s", name, failures[0])
        return None
    return Collector(name=name, on_error=lambda error: logger.error("%s not collected: %s", name, error))


def _is(kind: str, value: Any) -> bool:
    if kind == "string":
        return isinstance(value, str)
    # JSON's numbers have no limit, the model's do: 1e400 reads as infinity, and 10**400 as an integer.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= _LARGEST:
        return False
    return kind == "number" or isinstance(value, int) or value.is_integer()


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


_scorer: Scorer
_inputs: Collector | None = None
_outputs: Collector | None = None
