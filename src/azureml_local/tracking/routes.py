"""The tracking REST requests of the mlflow client (API 2.0), over aiohttp."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from azureml_local.errors import AzureError
from azureml_local.tracking import searching
from azureml_local.tracking.records import Metric, Records, milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from azureml_local.store import ResourceStore

    Body = dict[str, Any]

# MLflow's own limits (mlflow.utils.validation).
_LONGEST_KEY: Final = 250
_LONGEST_PARAM: Final = 6000
_LONGEST_TAG: Final = 8000


class Tracking:
    """The tracking service of one instance."""

    def __init__(self, store: ResourceStore) -> None:
        self._records = Records(store)
        self._calls: dict[tuple[str, str], Callable[[Body], Body]] = {
            ("POST", "experiments/create"): self._create_experiment,
            ("GET", "experiments/get"): self._get_experiment,
            ("GET", "experiments/get-by-name"): self._get_experiment,
            ("POST", "experiments/search"): self._search_experiments,
            ("GET", "experiments/search"): self._search_experiments,
            ("POST", "runs/create"): self._create_run,
            ("GET", "runs/get"): self._get_run,
            ("POST", "runs/update"): self._update_run,
            ("POST", "runs/delete"): lambda body: self._set_stage(body, "deleted"),
            ("POST", "runs/restore"): lambda body: self._set_stage(body, "active"),
            ("POST", "runs/search"): self._search_runs,
            ("POST", "runs/log-metric"): self._log_metric,
            ("POST", "runs/log-parameter"): self._log_param,
            ("POST", "runs/log-batch"): self._log_batch,
            ("POST", "runs/set-tag"): self._set_tag,
            ("POST", "runs/delete-tag"): self._delete_tag,
            ("GET", "metrics/get-history"): self._history,
            # Accepted and not kept: the lineage of a run is in its job.
            ("POST", "runs/log-inputs"): lambda _: {},
            ("GET", "artifacts/list"): lambda _: {"files": []},
        }

    def create_run(self, run_id: str, experiment: str, name: str, *, parent: str | None = None) -> str:
        """Create the run of a job, anew if it exists; return the id of its experiment."""
        experiment_id = self._records.ensure_experiment(experiment)
        self._records.create_run(run_id, experiment_id, name)
        tags = {"mlflow.runName": name, "mlflow.source.type": "JOB", "mlflow.user": "local"}
        if parent:
            tags |= {"mlflow.parentRunId": parent, "mlflow.rootRunId": parent}
        self._records.log(run_id, tags=tags.items())
        return experiment_id

    def end_run(self, run_id: str, status: str) -> None:
        """Set the end of a job's run: ``FINISHED``, ``FAILED`` or ``KILLED``."""
        self._records.update_run(run_id, status=status, ended=milliseconds())

    def metrics(self, run_id: str) -> dict[str, float]:
        """Return the latest value of each metric of a run."""
        return {metric.key: metric.value for metric in self._records.latest(run_id)}

    def add_routes(self, app: web.Application, prefix: str) -> None:
        """Serve the tracking API below a prefix and a workspace's ARM id, as Azure does."""
        app.router.add_route("*", f"{prefix}{{workspace:.*?}}/api/2.0/mlflow/{{call:.+}}", self._handle)
        app.router.add_route(
            "*", f"{prefix}{{workspace:.*?}}/api/2.0/mlflow-artifacts/{{path:.+}}", _no_artifacts
        )

    async def _handle(self, request: web.Request) -> web.Response:
        name = request.match_info["call"]
        call = self._calls.get((request.method, name))
        try:
            if call is None:
                message = (
                    f"{request.method} {name} is not part of this tracking service, as on Azure ML. Models "
                    "are saved to an output (mlflow.<flavor>.save_model) and registered with azure-ai-ml."
                )
                raise AzureError(404, "ENDPOINT_NOT_FOUND", message)
            text = await request.text()
            body = json.loads(text) if text else dict(request.query)
            return web.json_response(await asyncio.to_thread(call, body))
        except (KeyError, TypeError, ValueError) as error:
            return _refusal(AzureError(400, "INVALID_PARAMETER_VALUE", f"{name}: {error}"))
        except AzureError as error:
            return _refusal(error)

    def _create_experiment(self, body: Body) -> Body:
        return {"experiment_id": self._records.create_experiment(_text(body["name"], _LONGEST_KEY, "name"))}

    def _get_experiment(self, body: Body) -> Body:
        identifier, name = body.get("experiment_id", ""), body.get("experiment_name", "")
        return {"experiment": self._records.experiment(identifier=identifier, name=name)}

    def _search_experiments(self, body: Body) -> Body:
        return searching.experiments(self._records.experiments(), body)

    def _create_run(self, body: Body) -> Body:
        tags = {tag["key"]: tag["value"] for tag in body.get("tags") or []}
        experiment = self._records.experiment(identifier=str(body["experiment_id"]))
        name = body.get("run_name") or tags.get("mlflow.runName") or "run"
        run_id = str(uuid.uuid4())
        self._records.create_run(run_id, experiment["experiment_id"], name, _integer(body.get("start_time")))
        self._records.log(run_id, tags=(tags | {"mlflow.runName": name}).items())
        return {"run": self._records.run(run_id)}

    def _get_run(self, body: Body) -> Body:
        return {"run": self._records.run(_run_id(body))}

    def _update_run(self, body: Body) -> Body:
        run_id, name = _run_id(body), body.get("run_name") or ""
        ended = _integer(body.get("end_time"))
        self._records.update_run(run_id, status=body.get("status") or "", ended=ended, name=name)
        if name:
            self._records.log(run_id, tags=[("mlflow.runName", name)])
        return {"run_info": self._records.run(run_id)["info"]}

    def _set_stage(self, body: Body, stage: str) -> Body:
        self._records.set_stage(_run_id(body), stage)
        return {}

    def _search_runs(self, body: Body) -> Body:
        return searching.runs(self._records.runs(body.get("experiment_ids") or []), body)

    def _log_metric(self, body: Body) -> Body:
        self._records.log(_run_id(body), metrics=[_metric(body)])
        return {}

    def _log_param(self, body: Body) -> Body:
        self._records.log(_run_id(body), params=[_pair(body, _LONGEST_PARAM)])
        return {}

    def _log_batch(self, body: Body) -> Body:
        self._records.log(
            _run_id(body),
            metrics=[_metric(metric) for metric in body.get("metrics") or []],
            params=[_pair(param, _LONGEST_PARAM) for param in body.get("params") or []],
            tags=[_pair(tag, _LONGEST_TAG) for tag in body.get("tags") or []],
        )
        return {}

    def _set_tag(self, body: Body) -> Body:
        self._records.log(_run_id(body), tags=[_pair(body, _LONGEST_TAG)])
        return {}

    def _delete_tag(self, body: Body) -> Body:
        self._records.delete_tag(_run_id(body), body["key"])
        return {}

    def _history(self, body: Body) -> Body:
        history = self._records.history(_run_id(body), body["metric_key"])
        start = int(body.get("page_token") or 0)
        size = int(body.get("max_results") or len(history) or 1)
        page = {"metrics": [metric.to_json() for metric in history[start : start + size]]}
        return page | ({"next_page_token": str(start + size)} if start + size < len(history) else {})


async def _no_artifacts(_request: web.Request) -> web.Response:
    return _refusal(
        AzureError(
            404,
            "ENDPOINT_NOT_FOUND",
            "This tracking service keeps no artifacts: write files to an output of the job instead, "
            "which is stored, versioned and downloadable by azure-ai-ml.",
        )
    )


def _refusal(error: AzureError) -> web.Response:
    return web.json_response({"error_code": error.code, "message": error.message}, status=error.status)


def _run_id(body: Body) -> str:
    return str(body.get("run_id") or body["run_uuid"])


def _integer(value: Any) -> int | None:
    return None if value is None else int(value)


def _text(value: Any, longest: int, what: str) -> str:
    if not isinstance(value, str) or not value or len(value) > longest:
        raise ValueError(f"{what} must be a text of 1 to {longest} characters")
    return value


def _pair(body: Body, longest: int) -> tuple[str, str]:
    value = str(body.get("value", ""))
    if len(value) > longest:
        raise ValueError(
            f"the value of '{body.get('key')}' has {len(value)} characters, at most {longest} are kept"
        )
    return _text(body["key"], _LONGEST_KEY, "key"), value


def _metric(body: Body) -> Metric:
    # float() reads the texts "NaN" and "Infinity" that protobuf's JSON has for what JSON lacks.
    value, key = float(body["value"]), _text(body["key"], _LONGEST_KEY, "key")
    timestamp = _integer(body.get("timestamp"))
    moment = timestamp if timestamp is not None else milliseconds()
    return Metric(key, value, moment, int(body.get("step") or 0))
