# mypy: ignore-errors
# ruff: noqa: PLW0603
"""A scikit-learn classifier behind a scoring script that collects inputs and outputs."""

import json
import logging
import os
import uuid
from pathlib import Path

import joblib
import pandas as pd
from azureml.ai.monitoring import Collector
from azureml.ai.monitoring.context import BasicCorrelationContext
from azureml_inference_server_http.api.aml_request import AMLRequest, rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse


def collector(name):
    if os.environ.get("COLLECT", "yes") != "yes":
        return None
    return Collector(name=name, on_error=lambda error: logging.error("not collected: %s", error))


def init():
    global model, columns, inputs, outputs
    model = joblib.load(next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("model.joblib")))
    columns = list(model.feature_names_in_)
    inputs, outputs = collector("model_inputs"), collector("model_outputs")


@rawhttp
def run(request: AMLRequest):
    rows = pd.DataFrame(json.loads(request.get_data())["data"], columns=columns)
    request_id = request.headers.get("x-ms-client-request-id") or str(uuid.uuid4())
    ids = [f"{request_id}_{number}" for number in range(len(rows))]
    context = BasicCorrelationContext(id=request_id)
    if inputs:
        inputs.collect(rows.assign(correlationid=ids), context)
    probabilities = model.predict_proba(rows)[:, 1]
    if outputs:
        outputs.collect(pd.DataFrame({"probability": probabilities, "correlationid": ids}), context)
    return AMLResponse({"probabilities": probabilities.tolist()}, 200, json_str=True)
