"""Experiments, runs, metrics, parameters and tags in the state database."""

from __future__ import annotations

import math
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from azureml_local.errors import AzureError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from azureml_local.store import ResourceStore

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS mlflow_experiments (
  id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS mlflow_runs (
  id TEXT PRIMARY KEY, experiment TEXT NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL,
  started INTEGER NOT NULL, ended INTEGER, stage TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS mlflow_metrics (
  sequence INTEGER PRIMARY KEY, run TEXT NOT NULL, key TEXT NOT NULL, value REAL NOT NULL,
  is_nan INTEGER NOT NULL, timestamp INTEGER NOT NULL, step INTEGER NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS mlflow_metrics_once
  ON mlflow_metrics (run, key, step, timestamp, value, is_nan);
CREATE TABLE IF NOT EXISTS mlflow_params (
  run TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (run, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mlflow_tags (
  run TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (run, key)
) WITHOUT ROWID
"""
# MLflow's SQL stores keep the largest double in place of infinity.
_LARGEST: Final = 1.7976931348623157e308
_RUN: Final = "SELECT id, experiment, name, status, started, ended, stage FROM mlflow_runs"


@dataclass(frozen=True, slots=True)
class Metric:
    """One logged value; not-a-number is a value like any other."""

    key: str
    value: float
    timestamp: int
    step: int

    def to_json(self) -> dict[str, Any]:
        """Return the metric as MLflow sends it: JSON has no number for NaN."""
        value = "NaN" if math.isnan(self.value) else self.value
        return {"key": self.key, "value": value, "timestamp": self.timestamp, "step": self.step}


def milliseconds() -> int:
    """Return now as MLflow counts time."""
    return time.time_ns() // 1_000_000


def not_found(what: str, name: str) -> AzureError:
    """Return MLflow's error for something that does not exist."""
    return AzureError(404, "RESOURCE_DOES_NOT_EXIST", f"{what} '{name}' not found.")


class Records:
    """What the tracking service knows."""

    def __init__(self, store: ResourceStore) -> None:
        self._store = store
        with store.transaction() as connection:
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)

    def create_experiment(self, name: str) -> str:
        """Create an experiment and return its id; a name that is taken is refused."""
        with self._store.transaction() as connection:
            if self._experiment_id(connection, name) is not None:
                raise AzureError(400, "RESOURCE_ALREADY_EXISTS", f"Experiment '{name}' already exists.")
            return self.ensure_experiment(name)

    def ensure_experiment(self, name: str) -> str:
        """Return the id of the experiment with a name, created if need be."""
        with self._store.transaction() as connection:
            found = self._experiment_id(connection, name)
            if found is not None:
                return found
            identifier = str(uuid.uuid4())
            row = (identifier, name, milliseconds())
            connection.execute("INSERT INTO mlflow_experiments VALUES (?, ?, ?)", row)
            return identifier

    def experiments(self) -> list[dict[str, Any]]:
        """Return all experiments as MLflow sends them."""
        with self._store.transaction() as connection:
            rows = connection.execute(
                "SELECT id, name, created FROM mlflow_experiments ORDER BY created DESC"
            )
            return [
                {
                    "experiment_id": identifier,
                    "name": name,
                    "lifecycle_stage": "active",
                    "creation_time": created,
                    "last_update_time": created,
                    "artifact_location": f"mlflow-artifacts:/{identifier}",
                }
                for identifier, name, created in rows
            ]

    def experiment(self, *, identifier: str = "", name: str = "") -> dict[str, Any]:
        """Return the experiment with this id or name."""
        for experiment in self.experiments():
            if identifier == experiment["experiment_id"] or (name and name == experiment["name"]):
                return experiment
        raise not_found("Experiment", identifier or name)

    def create_run(self, run_id: str, experiment_id: str, name: str, started: int | None = None) -> None:
        """Create a run that is running; one that exists begins anew, without what it logged."""
        with self._store.transaction() as connection:
            for table in ("metrics", "params", "tags"):
                connection.execute(f"DELETE FROM mlflow_{table} WHERE run = ?", (run_id,))  # noqa: S608
            connection.execute(
                "INSERT OR REPLACE INTO mlflow_runs VALUES (?, ?, ?, 'RUNNING', ?, NULL, 'active')",
                (run_id, experiment_id, name, started if started is not None else milliseconds()),
            )

    def update_run(self, run_id: str, *, status: str = "", ended: int | None = None, name: str = "") -> None:
        """Change what is given."""
        with self._store.transaction() as connection:
            self._require(connection, run_id)
            connection.execute(
                "UPDATE mlflow_runs SET status = COALESCE(NULLIF(?, ''), status), ended = COALESCE(?, ended),"
                " name = COALESCE(NULLIF(?, ''), name) WHERE id = ?",
                (status, ended, name, run_id),
            )

    def set_stage(self, run_id: str, stage: str) -> None:
        """Delete a run, or restore it: it stays readable."""
        with self._store.transaction() as connection:
            self._require(connection, run_id)
            connection.execute("UPDATE mlflow_runs SET stage = ? WHERE id = ?", (stage, run_id))

    def log(
        self,
        run_id: str,
        *,
        metrics: Iterable[Metric] = (),
        params: Iterable[tuple[str, str]] = (),
        tags: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Log all or nothing; a parameter keeps its first value, and another one is refused."""
        with self._store.transaction() as connection:
            if self._require(connection, run_id)["info"]["lifecycle_stage"] != "active":
                raise AzureError(400, "INVALID_PARAMETER_VALUE", f"The run '{run_id}' is deleted.")
            for key, value in params:
                _log_param(connection, run_id, key, value)
            for metric in metrics:
                is_nan = math.isnan(metric.value)
                value_kept = 0.0 if is_nan else max(-_LARGEST, min(_LARGEST, metric.value))
                connection.execute(
                    "INSERT OR IGNORE INTO mlflow_metrics (run, key, value, is_nan, timestamp, step)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (run_id, metric.key, value_kept, is_nan, metric.timestamp, metric.step),
                )
            connection.executemany(
                "INSERT OR REPLACE INTO mlflow_tags VALUES (?, ?, ?)",
                [(run_id, key, value) for key, value in tags],
            )

    def delete_tag(self, run_id: str, key: str) -> None:
        """Delete a tag of a run."""
        with self._store.transaction() as connection:
            self._require(connection, run_id)
            if not connection.execute(
                "DELETE FROM mlflow_tags WHERE run = ? AND key = ?", (run_id, key)
            ).rowcount:
                raise not_found("Tag", key)

    def history(self, run_id: str, key: str) -> list[Metric]:
        """Return all values of a metric in the order in which they were logged."""
        with self._store.transaction() as connection:
            self._require(connection, run_id)
            rows = connection.execute(
                "SELECT key, value, is_nan, timestamp, step FROM mlflow_metrics WHERE run = ? AND key = ?"
                " ORDER BY sequence",
                (run_id, key),
            )
            return [_metric(*row) for row in rows]

    def latest(self, run_id: str) -> list[Metric]:
        """Return the latest value of each metric: of the highest step, then time, then value."""
        with self._store.transaction() as connection:
            rows = connection.execute(
                "SELECT key, value, is_nan, timestamp, step FROM mlflow_metrics WHERE run = ?"
                " ORDER BY step, timestamp, value",
                (run_id,),
            )
            return sorted({row[0]: _metric(*row) for row in rows}.values(), key=lambda metric: metric.key)

    def run(self, run_id: str) -> dict[str, Any]:
        """Return a run with its data as MLflow sends it."""
        with self._store.transaction() as connection:
            return self._require(connection, run_id)

    def runs(self, experiment_ids: Iterable[str]) -> list[dict[str, Any]]:
        """Return all runs of some experiments, the newest first."""
        wanted = set(experiment_ids)
        with self._store.transaction() as connection:
            rows = connection.execute(f"{_RUN} ORDER BY started DESC, id").fetchall()
            return [self._full(connection, row) for row in rows if row[1] in wanted]

    def _experiment_id(self, connection: sqlite3.Connection, name: str) -> str | None:
        row = connection.execute("SELECT id FROM mlflow_experiments WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else None

    def _require(self, connection: sqlite3.Connection, run_id: str) -> dict[str, Any]:
        row = connection.execute(f"{_RUN} WHERE id = ?", (run_id,)).fetchone()
        if row is None:
            raise not_found("Run", run_id)
        return self._full(connection, row)

    def _full(self, connection: sqlite3.Connection, row: tuple[Any, ...]) -> dict[str, Any]:
        run_id, experiment, name, status, started, ended, stage = row
        info = {
            "run_id": run_id,
            "run_uuid": run_id,
            "run_name": name,
            "experiment_id": experiment,
            "user_id": "local",
            "status": status,
            "start_time": started,
            "lifecycle_stage": stage,
            "artifact_uri": f"mlflow-artifacts:/{experiment}/{run_id}/artifacts",
        }
        pairs = "SELECT key, value FROM mlflow_{} WHERE run = ? ORDER BY key"
        data = {
            table: [{"key": key, "value": value} for key, value in connection.execute(query, (run_id,))]
            for table, query in ((name, pairs.format(name)) for name in ("params", "tags"))
        }
        metrics = [metric.to_json() for metric in self.latest(run_id)]
        return {
            "info": info | ({"end_time": ended} if ended is not None else {}),
            "data": data | {"metrics": metrics},
            "inputs": {},
        }


def _metric(key: str, value: float, is_nan: int, timestamp: int, step: int) -> Metric:
    return Metric(key, math.nan if is_nan else value, timestamp, step)


def _log_param(connection: sqlite3.Connection, run_id: str, key: str, value: str) -> None:
    row = connection.execute(
        "SELECT value FROM mlflow_params WHERE run = ? AND key = ?", (run_id, key)
    ).fetchone()
    if row is not None and row[0] != value:
        raise AzureError(
            400,
            "INVALID_PARAMETER_VALUE",
            f"Changing param values is not allowed. Param with key='{key}' was already logged with "
            f"value='{row[0]}' for run ID='{run_id}'. Attempted logging new value '{value}'.",
        )
    connection.execute("INSERT OR IGNORE INTO mlflow_params VALUES (?, ?, ?)", (run_id, key, value))
