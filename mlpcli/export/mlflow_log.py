"""Write runs into MLflow through its own client, in a thread: no training waits for it, or fails by it.

The first call that fails ends the logging, with one warning; `mlpcli log RUN --to mlflow` makes up for it.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from mlpcli.errors import MlpcliError
from mlpcli.export.mlflow_content import Content, clean_name, read_content
from mlpcli.extras import check_extra
from mlpcli.files import write_json
from mlpcli.printable import without_password
from mlpcli.runs.record_models import Record, read_record

if TYPE_CHECKING:
    from mlflow import MlflowClient

STATE = "mlflow.json"
"""File of a run: which runs of MLflow it and the runs inside it are."""

FOLDER = "mlruns"
"""Where MLflow's runs go, if MLFLOW_TRACKING_URI says nothing else."""

URI, EXPERIMENT = "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"

SETTINGS = {
    "MLFLOW_ALLOW_FILE_STORE": "true",  # else MLflow wants a database, and a package for it
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # its own 7 retries take minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
"""Settings of MLflow's own that hold where the environment has none."""

LONGEST_REASON = 160
"""Characters of an error of MLflow's."""

PER_CALL = 100
"""Parameters and tags of one call; MLflow takes no more."""


class KnownRuns(Record):
    """`mlflow.json`."""

    tracking_uri: str
    run_ids: dict[str, str] = Field(default_factory=dict)


def tracking_uri() -> str:
    """Return where MLflow's runs go."""
    return os.environ.get(URI) or (Path.cwd() / FOLDER).as_uri()


def check_installed() -> None:
    """Check that MLflow is there, before anything is trained.

    Raises:
        UsageError: it is not.
    """
    check_extra("mlflow", "logging to mlflow")


@dataclass
class _Started:
    """What is known of a run of MLflow.

    Attributes:
        run_id: its identifier.
        steps: the epochs whose metrics it has.
        parameters: those that it has; MLflow lets none be changed.
    """

    run_id: str
    steps: set[int] = field(default_factory=set)
    parameters: dict[str, str] = field(default_factory=dict)


class MlflowLog:
    """The runs of MLflow for one run or search and for the runs inside it.

    These have a key, the name of their folder inside it; that of the outer one is empty. All methods but
    `close` return at once.
    """

    def __init__(self, folder: Path, name: str, label: str) -> None:
        """Start the thread.

        Args:
            folder: of the run or search.
            name: of the experiment.
            label: `name/timestamp`.
        """
        self.folder, self.label = folder, label
        self.uri = tracking_uri()
        self.experiment = os.environ.get(EXPERIMENT) or name
        self.failure = ""
        self._known = self._read_state()
        self._started: dict[str, _Started] = {}
        self._written = dict(self._known)
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._client: MlflowClient | None = None
        self._experiment_id = ""
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)
        self._thread.start()

    def _read_state(self) -> dict[str, str]:
        try:
            found = read_record(self.folder / STATE, KnownRuns)
        except (FileNotFoundError, MlpcliError):
            return {}
        return dict(found.run_ids) if found.tracking_uri == without_password(self.uri) else {}

    def save_state(self) -> None:
        """Write which runs of MLflow these are, if there are new ones.

        Not in the thread: this process holds the folder, and counts what is written in it.
        """
        known = dict(self._known)
        if known == self._written or not self.folder.is_dir():
            return
        self._written = known
        try:
            write_json(self.folder / STATE, {"tracking_uri": without_password(self.uri), "run_ids": known})
        except OSError as error:
            self.failure = self.failure or f"{STATE} cannot be written ({error.strerror})"

    def begin(self, key: str, title: str, tags: Mapping[str, str]) -> None:
        """Start a run, or go on with it.

        Args:
            key: of the run.
            title: how MLflow shows it.
            tags: the first ones.
        """
        self._tasks.put(lambda: self._begin(key, title, dict(tags)))

    def epoch(self, key: str, epoch: int, logs: Mapping[str, float]) -> None:
        """Write the metrics of an epoch of a run that was begun."""
        row, now = {"epoch": float(epoch), **logs}, time.time()
        self._tasks.put(lambda: self._epochs(key, [row], now))

    def finish(self, key: str, folder: Path) -> None:
        """Write all that the folder of a run holds, and how it ended."""
        self._tasks.put(lambda: self._finish(key, folder))

    def close(self) -> None:
        """Wait until all is written, or has failed."""
        self._tasks.put(None)
        self._thread.join()
        self.save_state()

    def _work(self) -> None:
        """Do one task after the other, until one fails; drop the others."""
        while (task := self._tasks.get()) is not None:
            if self.failure:
                continue
            try:
                task()
            except Exception as error:  # of the client, its stores and the network: none may end a training
                first = next(iter(str(error).strip().splitlines()), "")
                text = without_password(first)
                text = text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}..."
                self.failure = f"{type(error).__name__}: {text}"

    def _connect(self) -> MlflowClient:
        if self._client is None:
            for name, value in SETTINGS.items():
                os.environ.setdefault(name, value)
            warnings.filterwarnings("ignore", module=r"mlflow\b")
            retries = logging.getLogger("urllib3.connectionpool")
            if retries.level == logging.NOTSET:  # it would warn of each
                retries.setLevel(logging.ERROR)
            from mlflow import MlflowClient

            self._client = client = MlflowClient(tracking_uri=self.uri)
            found = client.get_experiment_by_name(self.experiment)
            self._experiment_id = (
                client.create_experiment(self.experiment) if found is None else found.experiment_id
            )
        return self._client

    def _begin(self, key: str, title: str, tags: dict[str, str]) -> None:
        client = self._connect()
        if key in self._started:
            return
        if (started := self._found(key)) is not None:
            client.update_run(started.run_id, status="RUNNING")
        else:
            parent = self._started[""].run_id if key else ""
            nested = {"mlflow.parentRunId": parent} if key else {}
            run = client.create_run(self._experiment_id, run_name=title, tags={**tags, **nested})
            started = _Started(run.info.run_id)
        self._started[key] = started
        self._known = {**self._known, key: started.run_id}

    def _found(self, key: str) -> _Started | None:
        """Return the run of MLflow that an earlier command has begun; None where it is gone."""
        from mlflow.exceptions import MlflowException

        if key not in self._known:
            return None
        client, run_id = self._connect(), self._known[key]
        try:
            run = client.get_run(run_id)
        except MlflowException:
            return None
        if run.info.lifecycle_stage != "active":
            return None
        names = [name for name in run.data.metrics if "/" not in name]
        steps = {each.step for name in names[:1] for each in client.get_metric_history(run_id, name)}
        return _Started(run_id, steps, dict(run.data.params))

    def _epochs(self, key: str, rows: list[dict[str, float]], now: float) -> None:
        """Write the metrics of epochs that are not there yet."""
        from mlflow.entities import Metric

        started, at = self._started[key], int(now * 1000)
        new = [row for row in rows if int(row["epoch"]) not in started.steps]
        metrics = [
            Metric(clean_name(name), value, at, int(row["epoch"]))
            for row in new
            for name, value in row.items()
            if name != "epoch"
        ]
        for place in range(0, len(metrics), PER_CALL):
            self._connect().log_batch(started.run_id, metrics=metrics[place : place + PER_CALL])
        started.steps |= {int(row["epoch"]) for row in new}

    def _finish(self, key: str, folder: Path) -> None:
        content = read_content(folder)
        if key not in self._started:
            return
        client, started = self._connect(), self._started[key]
        if content is None:
            client.set_terminated(started.run_id, "FAILED")
            return
        self._epochs(key, content.history, time.time())
        self._describe(started, content)
        for path, place in content.files:
            client.log_artifact(started.run_id, str(path), place or None)
        if content.status == "RUNNING":  # it was killed, or goes on elsewhere
            client.update_run(started.run_id, status="RUNNING")
        else:
            client.set_terminated(started.run_id, content.status)

    def _describe(self, started: _Started, content: Content) -> None:
        """Write parameters, tags and the metrics of the finished model."""
        from mlflow.entities import Metric, Param, RunTag

        client, now = self._connect(), int(time.time() * 1000)
        changed = {
            f"changed.{name}"[:250]: value
            for name, value in content.parameters.items()
            if started.parameters.get(name, value) != value
        }
        params = [
            Param(name, value) for name, value in content.parameters.items() if name not in started.parameters
        ]
        tags = [RunTag(name, value) for name, value in {**content.tags, **changed}.items()]
        for place in range(0, max(len(params), len(tags)), PER_CALL):
            some = slice(place, place + PER_CALL)
            client.log_batch(started.run_id, params=params[some], tags=tags[some])
        metrics = [Metric(name, value, now, 0) for name, value in content.metrics.items()]
        for place in range(0, len(metrics), PER_CALL):
            client.log_batch(started.run_id, metrics=metrics[place : place + PER_CALL])
