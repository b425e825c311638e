"""mlpcli in a Python program: train, check, load and resume, on data that is handed in."""

from __future__ import annotations

import csv
import datetime
import gc
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

import mlpcli
from mlpcli.runs.watcher import Watcher
from tests.conftest import ROOT, Result

pytestmark = pytest.mark.filterwarnings("ignore::mlpcli.PredictionWarning")

SPEC: dict[str, Any] = {
    "name": "houses",
    "dataset": {"target": "price"},
    "layers": [{"Dense": {"units": 4, "activation": "relu"}}, {"Dense": {"units": 1}}],
    "loss": "mse",
    "fit": {"epochs": 2, "batch_size": 32, "engine": "graph"},
}
FLOWERS: dict[str, Any] = {
    "name": "flowers",
    "layers": [{"Dense": {"units": 3, "activation": "softmax"}}],
    "loss": "sparse_categorical_crossentropy",
    "fit": {"epochs": 1, "engine": "graph"},
}


def _houses(rows: int = 60) -> pa.Table:
    """Numbers with a missing one, texts with quotes and a missing one, booleans, dates."""
    size = np.random.default_rng(1).normal(100, 20, rows)
    return pa.table(
        {
            "size": [None if row == 3 else value for row, value in enumerate(size)],
            "town": [None if row == 5 else ("Ulm", "Bonn", 'Köln "x", 2')[row % 3] for row in range(rows)],
            "new": [row % 2 == 0 for row in range(rows)],
            "date": [datetime.date(2020, 1, 1) + datetime.timedelta(days=row) for row in range(rows)],
            "price": size * 1000 / 7,
        }
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The current folder of these tests, as of a program."""
    folder = tmp_path_factory.mktemp("api")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def houses(place: Path) -> mlpcli.Run:
    return mlpcli.train(SPEC, _houses(), progress=False)


def test_importing_is_light_and_the_names_are_there() -> None:
    code = (
        "import sys, json, mlpcli; light = sorted(m.split('.')[0] for m in sys.modules)\n"
        "print(json.dumps([light, [hasattr(mlpcli, name) for name in mlpcli.__all__]]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules, found = json.loads(done.stdout)
    assert not {"tensorflow", "keras", "pyarrow", "numpy", "typer", "pydantic"} & {*modules}
    assert all(found)
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        mlpcli.trian  # noqa: B018
    assert {"train", "load"} <= {*dir(mlpcli)}


def test_a_run_has_its_records(houses: mlpcli.Run, place: Path) -> None:
    assert houses.folder.parent.resolve() == (place / "runs" / "houses").resolve()
    assert houses.status == "completed"
    assert houses.history["epoch"] == [1, 2]
    assert len(houses.history["val_loss"]) == 2
    assert houses.metrics["test"]["loss"] > 0
    assert houses.spec["loss"] == "mse"
    assert houses.model.count_params() == 53  # (11 columns + 1) * 4 + 5
    assert houses.label in repr(houses)


def test_predict_and_evaluate_say_what_the_commands_say(
    houses: mlpcli.Run, place: Path, mlpcli: Callable[..., Result]
) -> None:
    table = _houses()
    pa.parquet.write_table(table, place / "rows.parquet")
    assert mlpcli("predict", houses.label, "rows.parquet", "-o", "out.parquet", "--keep", "town").status == 0
    found = houses.predict(table, keep=["town"])
    assert found.equals(pa.parquet.read_table(place / "out.parquet"))
    assert houses.predict("rows.parquet", keep="town").equals(found)  # its name alone will do
    array = houses.predict_array(table.to_pydict())
    assert array.ravel().tolist() == found["predicted_price"].to_pylist()
    told = json.loads(mlpcli("evaluate", houses.label, "--no-figures", "--json").out)
    assert houses.evaluate().metrics == pytest.approx(told["metrics"], rel=1e-12)
    assert houses.evaluate().metrics["loss"] == pytest.approx(houses.metrics["test"]["loss"])
    of_table = houses.evaluate(table, intervals=False)
    assert (of_table.rows, of_table.source) == (60, "the data")
    assert "rows of the data are rows that the run was trained on" in of_table.warnings[0]
    assert {each.columns[0] for each in houses.explain().columns} >= {"size", "town"}
    assert houses.report().read_text(encoding="utf-8").startswith("<!")
    assert houses.report("card.md") == Path("card.md")


def test_data_has_the_fingerprint_of_the_same_table_in_a_file(houses: mlpcli.Run, place: Path) -> None:
    from mlpcli.cli.spec_file import read_spec
    from mlpcli.spec.resolve import dump
    from mlpcli.training.find_data import load_data

    pa.csv.write_csv(_houses(), place / "same.csv")
    pa.parquet.write_table(_houses(), place / "same.parquet")
    wanted = json.loads((houses.folder / "run.json").read_text())["data"]["fingerprint"]
    for name in ("same.csv", "same.parquet"):
        spec = {**SPEC, "dataset": {"path": name, "target": "price"}}
        assert load_data(read_spec(Path("spec"), given=dump(spec))).fingerprint == wanted


def test_a_run_whose_data_was_handed_in_needs_it_again(houses: mlpcli.Run) -> None:
    again = mlpcli.load(houses.label, data=_houses())
    assert again.evaluate(intervals=False).metrics == houses.evaluate(intervals=False).metrics
    other = mlpcli.load("houses", data=_houses(50))
    with pytest.raises(mlpcli.MlpcliError, match=r"data dataset\.path: is not the data that the run"):
        other.evaluate()
    moved = houses.folder.parent.parent / "gone" / houses.folder.name  # as in a later process
    shutil.copytree(houses.folder, moved)
    resolved = moved / "resolved.yaml"
    text = resolved.read_text(encoding="utf-8")
    assert "/handed-to-mlpcli-" in text
    resolved.write_text(text.replace("/handed-to-mlpcli-", "/handed-to-mlpcli-gone-"), encoding="utf-8")
    gone = mlpcli.load(moved)
    with pytest.raises(mlpcli.MlpcliError, match=r"hand it in again: mlpcli\.load"):
        gone.evaluate()
    assert gone.predict(_houses().slice(0, 3)).num_rows == 3


@contextmanager
def _stopping_after_an_epoch(progress: bool) -> Iterator[Watcher]:
    class Stopping(Watcher):
        def epoch(self, *args: object) -> None:
            raise KeyboardInterrupt

    yield Stopping()


@pytest.mark.slow
def test_an_interrupted_run_is_resumed_with_the_same_data(
    place: Path, houses: mlpcli.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = {**SPEC, "name": "stopped"}
    with monkeypatch.context() as patch:
        patch.setattr("mlpcli.api._watching", _stopping_after_an_epoch)
        with pytest.raises(KeyboardInterrupt):
            mlpcli.train(spec, _houses())
    gc.collect()
    with pytest.raises(mlpcli.MlpcliError, match="hand it in again"):
        mlpcli.resume("stopped", progress=False)
    with pytest.raises(mlpcli.MlpcliError, match="is not the data that the run was trained on"):
        mlpcli.resume("stopped", _houses(50), progress=False)
    run = mlpcli.resume("stopped", _houses(), progress=False)
    assert run.history["loss"] == houses.history["loss"]
    assert run.metrics["test"] == houses.metrics["test"]


def test_arrays_splits_and_changes_of_the_spec(place: Path) -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(45, 4)), np.array(["b", "a", "c"], object)[np.arange(45) % 3]
    run = mlpcli.train(
        FLOWERS, (x, y), validation=None, test=(x[:9], y[:9]), set={"seed": np.int64(3)}, progress=False
    )
    assert run.spec["seed"] == 3
    assert run._run.record.data is not None
    assert run._run.record.data.rows == {"train": 45, "test": 9}
    found = run.predict(x[:5])
    assert {*found["predicted_target"].to_pylist()} <= {"a", "b", "c"}
    assert run.predict_array({"x": x[:5]}).shape == (5, 3)
    assert run.evaluate((x, y)).rows == 45
    plan = mlpcli.check(FLOWERS, {"x": x, "y": y}, test={"last": 9}, validation=0.2).plan
    assert plan.rows["test"] == 9


NONE: Any = None
BYTES: Any = b"x.yaml"
SETTINGS: Any = ["fit.epochs=3"]

WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: mlpcli.check({**SPEC, "loss": "msee"}, _houses()), r"^spec:10:7 loss: unknown loss, received"),
    (
        lambda: mlpcli.check(SPEC | {"dataset": {"target": "prize"}}, _houses()),
        r"^spec:3:11 dataset\.target: must be a column of the data, received 'prize'",
    ),
    (lambda: mlpcli.check(SPEC, _houses(), set={"fit.epochs": 0}), r'^set={"fit\.epochs": 0} .*positive'),
    (
        lambda: mlpcli.check(SPEC, _houses(), set={"fit.epoch": 3}),
        r'^set={"fit.epoch": 3} .*; write set={"fit.epochs": 3}$',
    ),
    (lambda: mlpcli.train(SPEC, _houses(), folds=1), "^folds=1 fit.folds: must be a number of folds"),
    (lambda: mlpcli.check(SPEC, _houses(), test=2.0), "^test=2.0 dataset.test: must be a fraction"),
    (
        lambda: mlpcli.check(SPEC | {"loss": len}, _houses()),
        r"^loss: must be a number, a text.*; name it, such as 'loss': 'mse', or {'Huber'",
    ),
    (
        lambda: mlpcli.check(SPEC | {"metrics": [len]}, _houses()),
        r"^metrics\[0\]: .*such as 'metrics': \['mae'.*'plugins': \['own.py'\]",
    ),
    (
        lambda: mlpcli.check(SPEC | {"fit": {"epochs": len}}, _houses()),
        r"^fit.epochs: must be a number, a text, .* a mapping, received '[a-z_]+'$",
    ),
    (
        lambda: mlpcli.check(SPEC),
        r"needs a name .* or a path.*; or hand in the rows: mlpcli.check\(spec, data\)",
    ),
    (lambda: mlpcli.check(SPEC | {"dataset": {"name": "iris"}}, _houses()), "^data .* both a name and"),
    (lambda: mlpcli.check(SPEC, 5), "^the data: must be a pandas DataFrame"),
    (
        lambda: mlpcli.check(SPEC, {"a": [1, "x"], "price": [1, 2]}),
        "^the data column 'a': the values must be",
    ),
    (lambda: mlpcli.check(SPEC, {"a": [1], "price": [1, 2]}), "^the data: all columns must have a value"),
    (lambda: mlpcli.check(FLOWERS, (np.array([[len]]), [1])), "^the data: array 'x' must hold numbers"),
    (lambda: mlpcli.check(FLOWERS, ()), r"^the data: must be \(x,\)"),
    (lambda: mlpcli.check("nowhere.yaml"), "^nowhere.yaml: there is no such file"),
    (lambda: mlpcli.load("nothing"), "there is no run 'nothing'"),
    (lambda: mlpcli.check(NONE), "^spec: must be the path of a file, or a mapping, received 'NoneType'"),
    (lambda: mlpcli.check(BYTES), "^spec: must be the path of a file, or a mapping, received 'bytes'"),
    (
        lambda: mlpcli.check(SPEC, set=SETTINGS),
        "^set: must be a mapping of paths to values, received 'list'",
    ),
    (lambda: mlpcli.load(NONE), "^run: must be a name, name/timestamp, or a folder, received 'NoneType'"),
    (lambda: mlpcli.resume(NONE), "^run: must be a name"),
    (lambda: mlpcli.check(_in_itself()), "^layers.layers: values are nested more than 100 deep; one of them"),
]


def _in_itself() -> dict[str, object]:
    spec = dict(SPEC)
    spec["layers"] = spec
    return spec


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_errors_are_those_of_the_commands(
    call: Callable[[], object], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(mlpcli.MlpcliError, match=message):
        call()
    assert not [*tmp_path.iterdir()]


def test_rows_as_mappings_are_a_table(houses: mlpcli.Run, place: Path) -> None:
    rows = _houses().slice(0, 4).drop(["price"])
    assert houses.predict(rows.to_pylist()).equals(houses.predict(rows))
    texts = "size,town,new,date\n90.5,Ulm,true,2020-01-02\n,Bonn,false,2020-01-03\n"
    (place / "texts.csv").write_text(texts, encoding="utf-8")
    read = list(csv.DictReader(texts.splitlines()))
    assert houses.predict(read).equals(houses.predict(place / "texts.csv"))
    del read[1]["town"]
    with pytest.raises(mlpcli.MlpcliError, match=r"row 2: must have the same columns .* not so 'town'"):
        houses.predict(read)


def test_rows_that_do_not_fit_are_told(houses: mlpcli.Run) -> None:
    with pytest.raises(mlpcli.MlpcliError, match=r"^the data: column 'town' is missing"):
        houses.predict(_houses().drop(["town"]))
    wrong = {"size": ["x"], "town": ["Ulm"], "new": [True], "date": ["2020-01-01"]}
    with pytest.raises(mlpcli.MlpcliError, match=r"^the data row 1, column 'size': must be"):
        houses.predict(wrong)
    none, some = (houses.predict(_houses(rows)) for rows in (0, 2))
    assert (none.num_rows, none.schema) == (0, some.schema)
    policy: Any = "nul"  # it was taken for `bucket`
    with pytest.raises(mlpcli.MlpcliError, match=r"^on_unknown: no such policy, .*did you mean 'null'\?"):
        houses.predict(_houses(), on_unknown=policy)
    with pytest.raises(mlpcli.MlpcliError, match="at least 1, received 0"):
        houses.explain(repeats=0)


PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_page_on_python_works_from_top_to_bottom(place: Path) -> None:
    page = PAGE.replace('"fit": {"epochs": 20}', '"fit": {"epochs": 20, "engine": "graph"}')
    page = page.replace("random_state=0)", 'random_state=0, set={"fit.engine": "graph"})')
    assert page.count("graph") == PAGE.count("graph") + 2  # nothing is compiled here
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.S | re.M)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)
    assert len(blocks) > 5
