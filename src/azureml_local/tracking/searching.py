"""Searches: filters and orders are MLflow's language, so MLflow's own parser reads them."""

from __future__ import annotations

from typing import Any, Final

_MOST_RESULTS: Final = 50_000
_PAGE: Final = 1000

Body = dict[str, Any]


def experiments(found: list[Body], body: Body) -> Body:
    """Return one page of the experiments that a search asks for."""
    if body.get("filter") or body.get("order_by"):
        from mlflow.entities import Experiment  # noqa: PLC0415 - seconds of import, which few searches need
        from mlflow.utils.search_utils import SearchExperimentsUtils  # noqa: PLC0415

        entities = [
            Experiment(
                item["experiment_id"],
                item["name"],
                item["artifact_location"],
                item["lifecycle_stage"],
                creation_time=item["creation_time"],
                last_update_time=item["last_update_time"],
            )
            for item in found
        ]
        entities = SearchExperimentsUtils.filter(entities, body.get("filter"))
        entities = SearchExperimentsUtils.sort(entities, body.get("order_by") or [])
        by_id = {item["experiment_id"]: item for item in found}
        found = [by_id[entity.experiment_id] for entity in entities]
    return _page("experiments", found, body)


def runs(found: list[Body], body: Body) -> Body:
    """Return one page of the runs that a search asks for."""
    view = body.get("run_view_type") or "ACTIVE_ONLY"
    stages = {"ACTIVE_ONLY": {"active"}, "DELETED_ONLY": {"deleted"}}.get(view, {"active", "deleted"})
    found = [run for run in found if run["info"]["lifecycle_stage"] in stages]
    if body.get("filter") or body.get("order_by"):
        from mlflow.utils.search_utils import SearchUtils  # noqa: PLC0415 - as above

        entities = SearchUtils.filter([_entity(run) for run in found], body.get("filter"))
        entities = SearchUtils.sort(entities, body.get("order_by") or [])
        by_id = {run["info"]["run_id"]: run for run in found}
        found = [by_id[entity.info.run_id] for entity in entities]
    return _page("runs", found, body)


def _page(name: str, found: list[Body], body: Body) -> Body:
    start = int(body.get("page_token") or 0)
    size = min(int(body.get("max_results") or _PAGE), _MOST_RESULTS)
    page: Body = {name: found[start : start + size]}
    return page | ({"next_page_token": str(start + size)} if start + size < len(found) else {})


def _entity(run: Body) -> Any:
    from mlflow.entities import (  # noqa: PLC0415 - as above
        Metric,
        Param,
        Run,
        RunData,
        RunInfo,
        RunTag,
    )

    info, data = run["info"], run["data"]
    return Run(
        RunInfo(
            run_id=info["run_id"],
            experiment_id=info["experiment_id"],
            user_id=info["user_id"],
            status=info["status"],
            start_time=info["start_time"],
            end_time=info.get("end_time"),
            lifecycle_stage=info["lifecycle_stage"],
            artifact_uri=info["artifact_uri"],
            run_name=info["run_name"],
        ),
        RunData(
            metrics=[
                Metric(item["key"], float(item["value"]), item["timestamp"], item["step"])
                for item in data["metrics"]
            ],
            params=[Param(item["key"], item["value"]) for item in data["params"]],
            tags=[RunTag(item["key"], item["value"]) for item in data["tags"]],
        ),
    )
