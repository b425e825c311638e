"""A mixed table from spec to served model: text, gaps, dates and booleans carried inside the model."""

from __future__ import annotations

import csv
import json
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mlpcli.runs.folder import find_run
from tests.bare_runs import SERVED, Notes, train_bare
from tests.conftest import Result

pytestmark = pytest.mark.slow

CITIES = ("Aachen", "Bonn", "Köln, links", "Ulm")


def mixed_rows(count: int, seed: int = 0) -> list[dict[str, str]]:
    """Flats with a rent that depends on every column but the id and the constant."""
    draw = random.Random(seed)
    rows = []
    for place in range(count):
        size, city = draw.uniform(20, 150), draw.choice(CITIES)
        lift, built = draw.random() < 0.5, draw.randint(1900, 2020)
        rent = 8 * size + 150 * CITIES.index(city) + 100 * lift + (built - 1900) + draw.gauss(0, 10)
        rows.append(
            {
                "flat id": f"F{place:05d}",
                "size (m2)": "" if draw.random() < 0.1 else f"{size:.1f}",
                "city": "NA" if draw.random() < 0.05 else city,
                "lift": "yes" if lift else "no",
                "built": f"{built}-0{draw.randint(1, 9)}-1{draw.randint(0, 9)}",
                "country": "DE",
                "rent": f"{rent:.2f}",
            }
        )
    return rows


def write_csv(path: Path, rows: list[dict[str, str]], names: list[str], delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, delimiter=delimiter, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


SPEC = """\
name: rents
dataset: {path: rents.csv, target: rent, target_scaling: standardize}
layers:
  - Dense: {units: 16, activation: relu}
  - Dense: {units: 1}
loss: mse
metrics: [RootMeanSquaredError]
optimizer: {Adam: {learning_rate: 0.02}}
fit: {epochs: 30, batch_size: 64, engine: graph}
"""
NOTES = "notes.txt"


@pytest.fixture(scope="module")
def rents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run on the mixed table, under `runs`, and what its training told."""
    folder = tmp_path_factory.mktemp("rents")
    rows, notes = mixed_rows(1000), Notes()
    write_csv(folder / "rents.csv", rows, list(rows[0]))
    (folder / "rents.yaml").write_text(SPEC, encoding="utf-8")
    train_bare(folder / "rents.yaml", folder / "runs", notes, options=SERVED)
    (folder / NOTES).write_text("\n".join(notes.notes), encoding="utf-8")
    return folder


def read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def new_rows(folder: Path) -> Path:
    """Rows as they come later: columns in another order, no target, a new city, gaps, a new column."""
    rows = mixed_rows(300, seed=9)
    for row in rows[::7]:
        row["city"] = 'Xanten "am Rhein"'
    for row in rows[::11]:
        row["lift"] = ""
    for row in rows[::13]:
        row["built"] = ""
    return write_csv(folder / "new.csv", rows, ["lift", "built", "flat id", "size (m2)", "city"])


def predictions(result: Result) -> list[dict[str, str]]:
    assert result.status == 0, result.err
    return list(csv.DictReader(result.out.splitlines()))


def test_every_column_is_stated_and_what_is_left_out_is_told(rents: Path) -> None:
    run = find_run("rents", rents / "runs")
    features = yaml.safe_load((run / "resolved.yaml").read_text())["dataset"]["features"]
    assert {name: spec if spec == "ignore" else spec["kind"] for name, spec in features.items()} == {
        "size (m2)": "numeric",
        "city": "categorical",
        "lift": "boolean",
        "built": "date",
        "flat id": "ignore",
        "country": "ignore",
    }
    assert features["size (m2)"] == {"kind": "numeric", "scaling": "standardize", "missing": "indicator"}
    told = (rents / NOTES).read_text(encoding="utf-8")
    assert "column 'flat id' is left out: like an identifier, 1,000 distinct values in 1,000 rows" in told
    assert "column 'country' is left out: the same in every row ('DE')" in told


def test_the_resolved_spec_trains_the_same_run(rents: Path) -> None:
    run = find_run("rents", rents / "runs")
    again = train_bare(run / "resolved.yaml", rents / "again")
    assert again.record.to_json()["metrics"] == run.record.to_json()["metrics"]


def test_every_column_is_used(rents: Path) -> None:
    metrics = find_run("rents", rents / "runs").record.to_json()["metrics"]
    # Rents differ by 340; a gap in the size costs most.
    assert metrics["test"]["root_mean_squared_error"] < 150


LOAD = """
import json, sys
import numpy as np
import tensorflow as tf

run, columns, out = sys.argv[1:]
columns = json.load(open(columns, encoding="utf-8"))
served = tf.saved_model.load(f"{run}/saved_model").signatures["serving_default"]
_, specs = served.structured_input_signature
tensors = {name: tf.constant(columns[name], spec.dtype) for name, spec in specs.items()}
value = served(**tensors)["value"]

import keras

np.savez(out, saved_model=value, keras=keras.models.load_model(f"{run}/model.keras")(tensors))
assert not [m for m in sys.modules if m.startswith("mlpcli")]
"""


def served_columns(rows: list[dict[str, str]], names: dict[str, str]) -> dict[str, list[Any]]:
    """Raw rows as a model takes them; names: served name by column."""
    numbers = {"size (m2)", "rent"}
    return {
        name: [float(row[column] or "nan") if column in numbers else row[column] for row in rows]
        for column, name in names.items()
    }


def test_both_model_files_take_raw_columns_without_mlpcli_and_agree_with_predict(
    rents: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    data = new_rows(tmp_path)
    names = {"size (m2)": "size__m2_", "city": "city", "lift": "lift", "built": "built"}
    columns, out = tmp_path / "columns.json", tmp_path / "out.npz"
    columns.write_text(json.dumps(served_columns(read_csv(data), names)), encoding="utf-8")
    run = find_run("rents", rents / "runs")
    command = [sys.executable, "-c", LOAD, str(run.folder), str(columns), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    wanted = predictions(mlpcli("predict", "rents", data, "--runs-dir", rents / "runs"))
    values = np.array([float(row["predicted_rent"]) for row in wanted])
    assert np.std(values) > 100
    with np.load(out) as found:
        for file in ("saved_model", "keras"):
            np.testing.assert_allclose(found[file][:, 0], values, rtol=1e-5, err_msg=file)


def test_what_is_odd_about_the_rows_is_counted(
    rents: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    result = mlpcli("predict", "rents", new_rows(tmp_path), "--runs-dir", rents / "runs", "--json")
    counts = json.loads(result.out)["counts"]
    assert counts["unseen"] == {"city": 43}
    assert counts["missing"]["lift"] == 28
    assert counts["missing"]["built"] == 24


def test_unknown_values_follow_the_flag(rents: Path, mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    data, runs_dir = new_rows(tmp_path), rents / "runs"
    empty = predictions(mlpcli("predict", "rents", data, "--runs-dir", runs_dir, "--on-unknown", "null"))
    assert [row["predicted_rent"] == "" for row in empty][:8] == [True, *[False] * 6, True]
    refused = mlpcli("predict", "rents", data, "--runs-dir", runs_dir, "--on-unknown", "error")
    assert (refused.status, refused.out) == (2, "")
    assert "new.csv rows 1 (line 2), 8 (line 9), 15 (line 16) and " in refused.err
    assert (
        ", column 'city': must be a value that occurs in the training rows, received "
        "'Xanten \"am Rhein\"'; the categories are Aachen, Bonn, Köln, links, Ulm"
    ) in refused.err
    wrong = mlpcli("predict", "rents", data, "--runs-dir", runs_dir, "--on-unknown", "maybe")
    assert (wrong.status, wrong.err) == (
        2,
        "--on-unknown: must be error, bucket or null, received 'maybe'\n",
    )


def test_rows_that_cannot_be_read_go_to_a_file_or_stop_the_job(
    rents: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    data = tmp_path / "bad.csv"
    data.write_text(
        "city,lift,built,size (m2)\nUlm,yes,1990-05-11,80\nUlm,yes,1990-25-11,big\nBonn,no\n"
        "Bonn,no,1990-13-11,70\nBonn,no,1991-01-12,71\n",
        encoding="utf-8",
    )
    output, rejects = tmp_path / "out.csv", tmp_path / "rejects.csv"
    stopped = mlpcli("predict", "rents", data, "--runs-dir", rents / "runs", "-o", output)
    assert stopped.status == 2
    assert "bad.csv row 3 (line 4): must have 4 cells, received 2" in stopped.err
    assert stopped.err.count("; --rejects FILE writes such rows there and goes on") == 1
    assert not output.exists()
    result = mlpcli(
        "predict", "rents", data, "--runs-dir", rents / "runs", "-o", output, "--rejects", rejects
    )
    told = " ".join(result.out.split())
    assert told.startswith(
        f"2 predictions written to {output}; 3 rows rejected, see {rejects}, and not among"
    )
    assert told.endswith("--keep COLUMN shows which row each is of")
    assert len(output.read_text().splitlines()) == 3
    lines = read_csv(rejects)
    assert [(line["row"], line["column"]) for line in lines] == [
        ("2", "size (m2); built"),
        ("3", ""),
        ("4", "built"),
    ]
    assert lines[0]["reason"] == (
        "column 'size (m2)': must be a number, received 'big'; "
        "column 'built': must be a date such as 2024-05-31, received '1990-25-11'"
    )


def test_evaluate_takes_a_file_of_raw_rows(rents: Path, mlpcli: Callable[..., Result]) -> None:
    run = find_run("rents", rents / "runs")
    result = mlpcli(
        "evaluate",
        "rents",
        "--data",
        rents / "rents.csv",
        "--json",
        "--no-figures",
        "--runs-dir",
        rents / "runs",
    )
    document = json.loads(result.out)
    assert document["rows"] == 1000
    rmse = [run.record.to_json()["metrics"][split]["root_mean_squared_error"] for split in ("train", "test")]
    assert min(rmse) * 0.8 < document["metrics"]["root_mean_squared_error"] < max(rmse) * 1.2


CLASSES = """\
name: flats
dataset:
  path: rents.csv
  target: city
  features:
    flat id: ignore
    rent: {scaling: minmax}
    size (m2): {missing: median, scaling: robust}
    built: {missing: indicator, parts: [elapsed, year, month, day, weekday]}
    lift: {kind: categorical, encoding: embedding, width: 3}
layers: [{Dense: {units: 12, activation: relu}}, {Dense: {units: 4, activation: softmax}}]
fit: {epochs: 3, batch_size: 64, engine: graph}
"""


def test_classes_and_embeddings_are_served_with_label_and_probabilities(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    import tensorflow as tf

    rows = [row for row in mixed_rows(400) if row["city"] != "NA"]
    write_csv(tmp_path / "rents.csv", rows, list(rows[0]))
    (tmp_path / "flats.yaml").write_text(CLASSES, encoding="utf-8")
    run = train_bare(tmp_path / "flats.yaml", tmp_path / "runs", options=SERVED)
    wanted = predictions(mlpcli("predict", run.folder, tmp_path / "rents.csv"))
    columns = run.record.to_json()["data"]["contract"]["preprocessor"]["columns"]
    assert [(column["name"], column["kind"]) for column in columns] == [
        ("rent", "numeric"),
        ("size (m2)", "numeric"),
        ("built", "date"),
        ("lift", "categorical"),
    ]
    names = {"size (m2)": "size__m2_", "rent": "rent", "lift": "lift", "built": "built"}
    served = tf.saved_model.load(str(run / "saved_model")).signatures["serving_default"]
    _, specs = served.structured_input_signature
    given = served_columns(rows, names)
    outputs = served(**{name: tf.constant(given[name], spec.dtype) for name, spec in specs.items()})
    assert [label.decode() for label in outputs["label"].numpy()] == [row["predicted_city"] for row in wanted]
    chances = [[float(row[f"probability_{city}"]) for city in CITIES] for row in wanted]
    np.testing.assert_allclose(outputs["probabilities"], chances, atol=1e-5)


def test_the_saved_model_is_verified_in_a_clean_process(rents: Path) -> None:
    told = find_run("rents", rents / "runs").record.to_json()["saved_model"]
    assert told["verified"] == "in a clean process"
    assert told["rows"] >= 300
    assert told["difference"] < 1e-5


def test_a_saved_model_that_gives_other_values_fails_the_run_and_loses_nothing(
    rents: Path, mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlpcli.model import preprocessing

    exact = preprocessing._boolean
    monkeypatch.setattr(preprocessing, "_boolean", lambda *arguments: 1 - exact(*arguments))
    runs_dir = tmp_path / "runs"
    result = mlpcli("train", rents / "rents.yaml", "--runs-dir", runs_dir, "--set", "fit.epochs=2")
    assert result.status == 1
    opening = "the SavedModel, loaded in a clean process, does not match the trained network: "
    difference = (
        r"for rents\.csv row 1 its value is [\d.]+, the network gives [\d.]+; 3\d\d of 3\d\d rows differ"
    )
    assert re.search(re.escape(opening) + difference, result.err)
    (run_dir,) = (runs_dir / "rents").iterdir()
    record = json.loads((run_dir / "run.json").read_text())
    assert record["status"] == "failed"
    assert record["error"].startswith(opening)
    assert json.loads((run_dir / "metrics.json").read_text())["test"] == record["metrics"]["test"]
    evaluated = json.loads(mlpcli("evaluate", run_dir, "--json").out)
    assert evaluated["metrics"] == record["metrics"]["test"]
