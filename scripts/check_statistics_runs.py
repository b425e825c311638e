"""What the checks of check_statistics.py share: specs, trainings in this process, results in lines."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from scripts.bench_tables_data import REGRESSION, Entry, guess_task, read_rows

if TYPE_CHECKING:
    from mlpcli.runs.folder import Run

Document = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """A table as the checks use it.

    Attributes:
        name: in the list.
        path: of the file that is trained on.
        target: the column to predict.
        task: classification or regression.
        classes: how many classes there are; 0 for numbers.
        leave_out: columns that are no features.
    """

    name: str
    path: Path
    target: str
    task: str
    classes: int
    leave_out: tuple[str, ...]

    @property
    def regression(self) -> bool:
        """Whether the target is a number."""
        return self.task == REGRESSION


def table_of(entry: Entry) -> Table:
    """Return a table of a list, with its task and number of classes."""
    _, rows = read_rows(entry)
    task = entry.task or guess_task(rows.target)
    classes = 0 if task == REGRESSION else len(set(rows.target))
    return Table(entry.name, entry.path.resolve(), entry.target, task, classes, entry.leave_out)


@dataclass(frozen=True)
class Settings:
    """What is trained: `small`, or what `init --effort` of this name writes; the epochs of `small`."""

    effort: str = "small"
    epochs: int = 60

    def title(self, table: Table) -> str:
        """Return what the results of a table are listed under: its name, and the effort unless small."""
        return table.name if self.effort == "small" else f"{table.name} {self.effort}"


def small_spec(table: Table, *, seed: int, epochs: int, units: Sequence[int] = (64, 32)) -> Document:
    """Return the spec of a small network with early stopping: the same for every table.

    Args:
        table: to train on.
        seed: of the training, and of the splits where nothing else says them.
        epochs: at most.
        units: of the hidden layers.
    """
    losses = {0: "mse", 2: "binary_crossentropy"}
    metrics = {0: ["mae", "RootMeanSquaredError"], 2: ["accuracy", "AUC"]}
    heads: dict[int, Document] = {0: {"units": 1}, 2: {"units": 1, "activation": "sigmoid"}}
    head = heads.get(table.classes, {"units": table.classes, "activation": "softmax"})
    dataset: Document = {"path": str(table.path), "target": table.target, "missing_target": "drop"}
    if table.leave_out:
        dataset["features"] = dict.fromkeys(table.leave_out, "ignore")
    if table.regression:
        dataset["target_scaling"] = "standardize"
    return {
        "name": table.name,
        "seed": seed,
        "dataset": dataset,
        "layers": [*({"Dense": {"units": n, "activation": "relu"}} for n in units), {"Dense": head}],
        "loss": losses.get(table.classes, "sparse_categorical_crossentropy"),
        "optimizer": {"Adam": {"learning_rate": 0.003}},
        "metrics": metrics.get(table.classes, ["accuracy"]),
        "fit": {"epochs": epochs, "batch_size": 64},
        "callbacks": [{"EarlyStopping": {"patience": 6, "restore_best_weights": True}}],
    }


def initial_spec(table: Table, folder: Path, *, effort: str, seed: int) -> Document:
    """Return the spec that `mlpcli init` writes for a table.

    Args:
        table: to train on.
        folder: for the spec.
        effort: fast, good or best.
        seed: to train with.
    """
    from mlpcli.cli import main

    path = folder / "initial.yaml"
    command = ["init", str(table.path), "--target", table.target, "--task", table.task, "--effort", effort]
    path.unlink(missing_ok=True)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as errors:
        status = main([*command, "-o", str(path)])
    if status:
        raise RuntimeError(f"mlpcli init ended with {status}:\n{errors.getvalue()[-2000:]}")
    document: Document = yaml.safe_load(path.read_text(encoding="utf-8"))
    features = document["dataset"].get("features")
    for name in table.leave_out if isinstance(features, dict) else ():
        features[name] = "ignore"
    document["dataset"]["path"] = str(table.path)
    return document | {"name": table.name, "seed": seed}


def spec_for(table: Table, folder: Path, options: Settings, *, seed: int) -> Document:
    """Return the spec with which a check trains on a table: a small network, or what init writes."""
    if options.effort == "small":
        return small_spec(table, seed=seed, epochs=options.epochs)
    return initial_spec(table, folder, effort=options.effort, seed=seed)


def train_run(document: Document, folder: Path, *, whole: bool = False) -> Run:
    """Train a spec in this process.

    Args:
        document: the spec.
        folder: for the spec and its run, which is the newest of `folder / "runs"`.
        whole: as `mlpcli train` does, with folds or seeds where the spec has them. Otherwise without a
            SavedModel, figures and baselines, which takes a tenth of the time.
    """
    from mlpcli.cli import main
    from mlpcli.runs.folder import new_run, open_run
    from mlpcli.runs.watcher import Watcher
    from mlpcli.spec.load import load_spec
    from mlpcli.training.job import TrainOptions
    from mlpcli.training.prepare import prepare
    from mlpcli.training.session import train_into

    folder.mkdir(parents=True, exist_ok=True)
    spec, runs_dir = folder / "spec.yaml", folder / "runs"
    spec.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    if whole:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(["train", str(spec), "--no-advice", "--json", "--runs-dir", str(runs_dir)])
        if status:
            raise RuntimeError(f"mlpcli train ended with {status}:\n{err.getvalue()[-2000:]}")
        return open_run(Path(json.loads(out.getvalue())["folder"]))
    loaded = load_spec(spec)
    options = TrainOptions(saved_model=False, figures=False, baseline=False)
    prepared = prepare(loaded)
    with new_run(runs_dir, loaded.spec.name) as run_dir:
        return train_into(prepared.job(run_dir, Watcher(), (), options)).run


class Results:
    """The results of one check: lines of JSON in a file that all checks share, found again by their key."""

    def __init__(self, path: Path, check: str, *, again: bool) -> None:
        """Read what an earlier call has found.

        Args:
            path: of the file.
            check: the name of the check.
            again: ignore what there is for the same keys.
        """
        self.path, self.check, self.again = path, check, again
        self.found: dict[str, Document] = {}
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:  # the end of one that was killed
                continue
            if entry.get("check") == check:
                self.found[json.dumps(entry["key"])] = entry
        self._old = set(self.found) if again else set()

    def has(self, *key: object) -> bool:
        """Return whether there is a result for a key that counts."""
        name = json.dumps(list(key))
        return name in self.found and name not in self._old

    def add(self, *key: object, **values: object) -> None:
        """Append a result to the file."""
        entry: Document = {"check": self.check, "key": list(key), **values}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        self.found[json.dumps(list(key))] = entry
        self._old.discard(json.dumps(list(key)))

    def by_first(self) -> dict[str, list[Document]]:
        """Return the results by the first part of their keys, such as the table, in their order."""
        found: dict[str, list[Document]] = {}
        for entry in self.found.values():
            found.setdefault(str(entry["key"][0]), []).append(entry)
        return found
