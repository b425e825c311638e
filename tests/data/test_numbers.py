"""Numbers keep their digits: read, judged and scaled in float64, in the exported model and in metrics too."""

from __future__ import annotations

import csv
import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlpcli.data.contract_form import read_contract
from mlpcli.data.dataset import Dataset, Output
from mlpcli.data.features.preprocessor import Preprocessor, fit_preprocessor
from mlpcli.data.features.profiles import profile_column
from mlpcli.data.inspect.find_warnings import find_warnings
from mlpcli.data.inspect.survey import histogram, survey_table, value_range
from mlpcli.data.load import divide_dataset, open_dataset
from mlpcli.data.readers.dialect import PLAIN, Dialect
from mlpcli.data.readers.parse_cells import ParsedColumn
from mlpcli.data.stream import ReadOptions, open_rows
from mlpcli.data.types import Array
from mlpcli.spec.features import FeatureSpec
from mlpcli.spec.load import load_text
from mlpcli.spec.schema import ComponentSpec
from tests.bare_runs import BARE, train_bare
from tests.conftest import Result

ROWS = 194
SECONDS = 1_700_000_000 + np.random.default_rng(0).permutation(3600)[:ROWS]
MILLISECONDS = 1_700_000_000_000 + np.random.default_rng(1).permutation(60_000)[:ROWS]
BIG = 2**53
Cli = Callable[..., Result]


def fitted(cells: Any, dialect: Dialect = PLAIN, **settings: Any) -> tuple[Preprocessor, Array]:
    """A preprocessor of one column, and its matrix."""
    spec = {"n": FeatureSpec.model_validate({"kind": "numeric", "missing": "mean"} | settings)}
    columns = {"n": ParsedColumn(pa.array(cells), dialect)}
    preprocessor = fit_preprocessor(columns, spec, np.arange(len(cells)), dialect)
    return preprocessor, preprocessor.transform(columns).x[:, 0]


@pytest.mark.parametrize("scaling", ["standardize", "minmax", "robust"])
@pytest.mark.parametrize(
    ("numbers", "tolerance"),
    [
        (SECONDS, 1e-5),
        (MILLISECONDS, 1e-5),
        (1 + 1e-12 * np.arange(ROWS), 2e-3),
        (BIG + 2 * np.arange(ROWS), 2e-2),
    ],
)
def test_numbers_are_scaled_in_float64_and_stay_distinct(
    numbers: Array, tolerance: float, scaling: str
) -> None:
    _, x = fitted(numbers, scaling=scaling)
    assert x.dtype == np.float32
    assert len(np.unique(x)) == ROWS
    wide = (numbers - numbers.min()).astype(np.float64)
    low, middle, high = np.percentile(wide, [25, 50, 75])
    offset, scale = {
        "standardize": (wide.mean(), wide.std()),
        "minmax": (0, wide.max()),
        "robust": (middle, high - low),
    }[scaling]
    np.testing.assert_allclose(x, (wide - offset) / scale, atol=tolerance)


def test_a_run_of_version_0_1_still_computes_in_float32() -> None:
    wide = SECONDS.astype(np.float32)
    preprocessor, x = fitted(SECONDS, Dialect(numbers="float32"), scaling="standardize")
    offset, scale = (np.float32(part) for part in (wide.astype(float).mean(), wide.astype(float).std()))
    np.testing.assert_array_equal(x, (wide - offset) / scale)
    assert preprocessor.to_json()["version"] == 1
    assert fitted(SECONDS, scaling="standardize")[0].to_json()["version"] == 2


def test_a_number_too_far_from_the_training_rows_is_refused_and_not_infinite(
    recwarn: pytest.WarningsRecorder,
) -> None:
    preprocessor, _ = fitted(1e-20 * np.arange(20.0), scaling="standardize")
    found = preprocessor.transform(preprocessor.columns({"n": pa.array([1e-20, 1e30, None])}))
    assert found.found["n"].unreadable.tolist() == [1]
    assert np.isfinite(found.x).all()
    assert not len(recwarn)


@pytest.mark.parametrize(
    ("cells", "distinct"),
    [
        ([BIG + place for place in range(20)], 20),
        ([2**64 - 1 - place for place in range(20)], 20),
        ([Decimal(10**25 + place) for place in range(20)], 20),
        ([str(10**25 + place) for place in range(20)], 20),
        ([BIG + place % 2 for place in range(20)], 2),
        ([-(2**63), 2**63 - 1, *range(18)], 20),
    ],
)
def test_whole_numbers_beyond_2_to_the_53_are_judged_exactly(cells: list[Any], distinct: int) -> None:
    kind = pa.uint64() if max(cells) == 2**64 - 1 else None
    profile = profile_column("row id", ParsedColumn(pa.array(cells, kind)))
    assert profile.distinct == distinct
    assert not profile.constant
    assert profile.identifier == (distinct == 20)


COLUMNS = {
    "near 2^53": pa.array([BIG + place for place in range(60)]),
    "int64": pa.array([-(2**63), 2**63 - 1, *range(58)]),
    "uint64": pa.array([2**64 - 1 - place for place in range(60)], pa.uint64()),
    "one value": pa.array([2**63 - 1] * 60),
    "decimals": pa.array([Decimal(f"12345678901234567890.{place:02d}") for place in range(60)]),
    "large decimals": pa.array([Decimal(10**60 + place) for place in range(60)], pa.decimal256(70, 0)),
    "subnormal": pa.array([5e-324 * place for place in range(60)]),
    "tiny": pa.array([1e-300 * place for place in range(60)]),
    "huge": pa.array([1e300 * place for place in range(1, 61)]),
    "as huge as float32": pa.array([3e38 * (-1) ** place * place / 60 for place in range(60)]),
    "infinite": pa.array([float("inf"), float("-inf"), *map(float, range(58))]),
    "all infinite": pa.array([float("inf")] * 60),
    "neighbours": pa.array([1 + 2.2e-16 * place for place in range(60)]),
    "with gaps": pa.array([None if place % 5 == 0 else 2**60 + place for place in range(60)]),
    "nanoseconds": pa.array([10**18 + place for place in range(60)], pa.timestamp("ns")),
    "far years": pa.array([2**40 + place for place in range(60)], pa.timestamp("s")),
    "years below 1": pa.array([-(10**6), 10**6, *range(58)], pa.date32()),
}


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("ending", ["parquet", "csv"])
@pytest.mark.parametrize("target", [None, "column"])
def test_inspect_survives_extreme_numbers(name: str, ending: str, target: str | None, tmp_path: Path) -> None:
    path = tmp_path / f"t.{ending}"
    others = np.random.default_rng(0).normal(size=60)
    if ending == "parquet":
        pq.write_table(pa.table({"column": COLUMNS[name], "other": others}), path)
    else:
        cells = COLUMNS[name].cast(pa.string()).to_pylist()
        lines = (f"{'' if cell is None else cell},{other}" for cell, other in zip(cells, others, strict=True))
        path.write_text("column,other\n" + "\n".join(lines) + "\n")
    survey = survey_table(str(path), target)
    profile = survey.profiles["column"]
    warnings = "\n".join(find_warnings(survey))
    if profile.numbers is not None:
        assert sum(histogram(profile)) == profile.present - profile.invalid
        low, high = map(float, value_range(profile) or (0, 0))
        assert low <= high
    if name in ("near 2^53", "int64", "uint64", "decimals"):
        assert profile.distinct == 60
    if profile.content == "nothing" and target is None:
        assert "infinite numbers" in warnings
    if name == "uint64" and target is None:
        assert "60 distinct numbers become 1 in the network's float32" in warnings


def test_columns_that_differ_beyond_2_to_the_53_are_no_duplicates(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = [f"{BIG + 2 * (place % 9)},{BIG + 2 * (place % 9) + place % 2},{place}" for place in range(40)]
    path.write_text("a,b,c\n" + "\n".join(rows) + "\n")
    assert not any("duplicate" in each for each in find_warnings(survey_table(str(path))))


def test_inspect_shows_all_digits_of_whole_numbers(mlpcli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("at,x\n" + "\n".join(f"{at},{at % 7}" for at in SECONDS) + "\n")
    shown = mlpcli("inspect", path).out
    assert f"{SECONDS.min()} to {SECONDS.max()}" in shown


def test_check_reports_columns_of_arrays_that_float32_cannot_hold(mlpcli: Cli, tmp_path: Path) -> None:
    x = np.stack([SECONDS, MILLISECONDS, np.arange(ROWS)], axis=1)
    np.savez(tmp_path / "rows.npz", x=x, y=1.7e9 + 12 * np.arange(ROWS))
    spec = tmp_path / "arrays.yaml"
    scaled = "{path: rows.npz, target_scaling: standardize}"
    spec.write_text(f"dataset: {scaled}\nlayers: [Normalization, {{Dense: {{units: 1}}}}]\nloss: mse\n")
    shown = " ".join(mlpcli("check", spec).out.split())
    wanted = "array 'x' column 0: 194 distinct numbers become 29 in the network's float32"
    assert f"{wanted} (the first of 2 such columns)" in shown
    assert "target 'target'" not in shown


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a table: unix seconds and milliseconds, zoned dates, and a target of unix seconds."""
    folder = tmp_path_factory.mktemp("numbers")
    zones = ("08:{:02d}Z", "03:{:02d}-05:00", "17:{:02d}+09:00")
    with (folder / "t.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["seconds", "ms", "at", "y"])
        for place in range(ROWS):
            at = "2024-05-31T" + zones[place % 3].format(place // 3 % 60)
            writer.writerow([SECONDS[place], MILLISECONDS[place], at, 1_700_000_000 + 12 * place])
    return folder


SPEC = """\
name: times
seed: 3
dataset: {path: t.csv, target: y, target_scaling: standardize}
layers: [{Dense: {units: 8, activation: relu}}, {Dense: {units: 1}}]
loss: mse
metrics: [mae, R2Score]
fit: {epochs: 2, batch_size: 32, engine: graph}
"""


def test_check_reports_what_float32_cannot_hold(table: Path, mlpcli: Cli) -> None:
    (table / "loose.yaml").write_text(SPEC.replace("target_scaling: standardize", "scaling: none"))
    shown = " ".join(mlpcli("check", table / "loose.yaml").out.split())
    assert "column 'seconds': 124 distinct numbers become 29 in the network's float32" in shown
    assert "column 'ms': 124 distinct numbers become 1 in the network's float32" in shown
    assert '"ms": {scaling: standardize}' in shown
    assert "target 'y': 124 distinct numbers become " in shown
    (table / "scaled.yaml").write_text(SPEC)
    assert "distinct numbers" not in mlpcli("check", table / "scaled.yaml").out


@pytest.mark.parametrize(
    ("step", "parts", "lost"),
    [
        (3_600_000, "[month, weekday, hour]", None),
        (3_600_000, "[elapsed]", None),
        (2, "[elapsed]", "distinct dates become 3 in the network's float32"),
    ],
)
def test_dates_whose_parts_repeat_by_design_lose_nothing_in_float32(
    tmp_path: Path, mlpcli: Cli, step: int, parts: str, lost: str | None
) -> None:
    start = datetime(2024, 1, 1, 7, 13)
    rows = [
        f"{(start + place * timedelta(milliseconds=step)).isoformat(timespec='milliseconds')},{place % 7}"
        for place in range(400)
    ] + ["1990-01-01T00:00:00.000,1"] * 5
    (tmp_path / "t.csv").write_text("at,y\n" + "\n".join(rows) + "\n")
    scaled = (
        f"{{path: t.csv, target: y, features: {{at: {{kind: date, parts: {parts}, scaling: standardize}}}}}}"
    )
    (tmp_path / "t.yaml").write_text(f"dataset: {scaled}\nlayers: [{{Dense: {{units: 1}}}}]\nloss: mse\n")
    result = mlpcli("check", tmp_path / "t.yaml")
    shown = " ".join(result.out.split())
    assert result.status == 0, result.err
    assert lost in shown if lost else "distinct dates become" not in shown, shown


@pytest.mark.parametrize("loss", ["mse", "sparse_categorical_crossentropy"])
def test_check_and_inspect_report_a_target_that_float64_cannot_hold(
    tmp_path: Path, mlpcli: Cli, loss: str
) -> None:
    rows = [f"{place % 5},{10**18 + 4 * (place % 50)}" for place in range(200)]
    (tmp_path / "t.csv").write_text("x,y\n" + "\n".join(rows) + "\n")
    units = "1" if loss == "mse" else "50, activation: softmax"
    layers = f"layers: [{{Dense: {{units: {units}}}}}]"
    (tmp_path / "s.yaml").write_text(f"dataset: {{path: t.csv, target: y}}\n{layers}\nloss: {loss}\n")
    told = "target 'y': 50 distinct numbers beyond 2^53 become 3 in float64"
    checked = mlpcli("check", tmp_path / "s.yaml")
    refused = "to the digits that a network knows; if the numbers differ, add target_scaling"
    assert (refused in checked.err) == (loss == "mse") == (checked.status == 2)
    scaled = mlpcli("check", tmp_path / "s.yaml", "--set", "dataset.target_scaling=standardize")
    assert (told in " ".join(scaled.out.split())) == (loss == "mse")
    task = "regression" if loss == "mse" else "classification"
    warnings = " ".join(find_warnings(survey_table(str(tmp_path / "t.csv"), "y", task)))
    assert (told in warnings) == (loss == "mse")


@pytest.fixture(scope="module")
def times(table: Path) -> Path:
    """The run of the table, from its folder."""
    (table / "times.yaml").write_text(SPEC)
    return train_bare(table / "times.yaml", table / "runs", options=replace(BARE, saved_model=True)).folder


def predicted(mlpcli: Cli, table: Path, data: Path) -> Array:
    rows = csv.DictReader(mlpcli("predict", "times", data, "--runs-dir", table / "runs").out.splitlines())
    return np.array([float(row["predicted_y"]) for row in rows])


@pytest.mark.slow
def test_metrics_of_a_scaled_target_are_of_the_files_own_numbers(
    table: Path, times: Path, mlpcli: Cli
) -> None:
    rows = list(csv.DictReader((table / "t.csv").read_text().splitlines()))
    truth = np.array([float(row["y"]) for row in rows])
    ours = predicted(mlpcli, table, table / "t.csv")
    told = mlpcli("evaluate", "times", "--data", table / "t.csv", "--json", "--runs-dir", table / "runs").out
    metrics = json.loads(told)["metrics"]
    assert metrics["mae"] == pytest.approx(np.abs(ours - truth).mean(), abs=1e-3)
    wanted = 1 - ((ours - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()
    assert metrics["r2_score"] == pytest.approx(wanted, abs=1e-4)
    assert len(np.unique(ours)) == ROWS


@pytest.mark.slow
def test_the_exported_model_takes_float64_and_gives_what_predict_gives(
    table: Path, times: Path, mlpcli: Cli
) -> None:
    import tensorflow as tf

    from mlpcli.keras_import import import_keras

    rows = list(csv.DictReader((table / "t.csv").read_text().splitlines()))
    ours = predicted(mlpcli, table, table / "t.csv")
    serve = tf.saved_model.load(str(times / "saved_model")).signatures["serving_default"]
    raw = {name: tf.constant([float(row[name]) for row in rows], tf.float64) for name in ("seconds", "ms")}
    raw["at"] = tf.constant([row["at"] for row in rows])
    served = serve(**raw)["value"].numpy()
    assert served.dtype == np.float64
    np.testing.assert_allclose(served[:, 0], ours, rtol=0, atol=2e-3)
    loaded = import_keras().models.load_model(times / "model.keras", compile=False)
    np.testing.assert_allclose(np.asarray(loaded(raw))[:, 0], ours, rtol=0, atol=2e-3)
    record = json.loads((times / "run.json").read_text())
    assert record["saved_model"]["difference"] < 1e-5


@pytest.mark.slow
def test_one_instant_in_three_zones_is_one_prediction(table: Path, times: Path, mlpcli: Cli) -> None:
    path = table / "zones.csv"
    zones = ("08:00Z", "03:00-05:00", "17:00+09:00", "08:00:00.000 UTC", "08:00")
    cells = (f"{SECONDS[0]},{MILLISECONDS[0]},2024-05-31T{zone}" for zone in zones)
    path.write_text("seconds,ms,at\n" + "\n".join(cells) + "\n")
    assert len(np.unique(predicted(mlpcli, table, path))) == 1


@pytest.mark.parametrize("made", ["mae", "mse", "R2Score"])
def test_metrics_of_unix_seconds_are_those_of_float64(made: str) -> None:
    from mlpcli.keras_import import import_keras

    keras = import_keras()
    from mlpcli.model.metrics import fit_metrics

    y = 1.7e9 + 12 * np.arange(200.0)
    output = Output(("y",), scale=(float(y.std()),), offset=(float(y.mean()),))
    scaled = ((y - y.mean()) / y.std()).astype(np.float32)[:, None]
    given = keras.metrics.R2Score() if made == "R2Score" else made
    component = ComponentSpec.model_validate(made)
    (measured,) = fit_metrics([(component, given)], output, (1,), None)
    assert isinstance(measured, keras.metrics.Metric)
    measured.update_state(scaled, scaled + np.float32(42 / y.std()))
    wanted = {"mae": 42, "mse": 42**2, "R2Score": 1 - 42**2 / y.var()}[made]
    assert float(measured.result()) == pytest.approx(wanted, rel=1e-5)


def test_an_old_contract_is_written_as_it_was_read() -> None:
    with tarfile.open(Path(__file__).parents[1] / "fixtures" / "version_0_1.tar.gz") as archive:
        names = [name for name in archive.getnames() if name.endswith("run.json") and "trials" not in name]
        records = [json.load(archive.extractfile(name) or pytest.fail(name)) for name in names]
    for document in (record["data"]["contract"] for record in records if record.get("data")):
        contract = read_contract(document)
        assert contract.numbers == "float32"
        assert json.loads(json.dumps(contract.to_json())) == document


def loaded_data(folder: Path, text: str) -> Dataset:
    """The data of a spec, divided."""
    from mlpcli.training.find_data import _request

    loaded = load_text(f"name: t\nseed: 1\n{text}", folder / "t.yaml")
    request, seed = _request(loaded)
    section = loaded.spec.dataset
    opened = open_dataset(section, request, seed=seed, folder=folder)
    return divide_dataset(opened, section, request, seed=seed)


def test_ids_beyond_2_to_the_24_stay_distinct_in_new_rows_of_any_format(tmp_path: Path) -> None:
    ids = 2**24 + np.arange(40).reshape(20, 2)
    np.savez(tmp_path / "ids.npz", x=ids, y=np.arange(20) % 2)
    np.save(tmp_path / "new.npy", ids)
    lines = [f"{first},{second}" for first, second in ids]
    (tmp_path / "new.csv").write_text("a,b\n" + "\n".join(lines) + "\n", encoding="utf-8")
    layers = "IntegerLookup: {vocabulary: [16777217]}}, {Embedding: {input_dim: 2, output_dim: 2}}, Flatten"
    text = f"dataset: {{path: ids.npz}}\nlayers: [{{{layers}, {{Dense: {{units: 2}}}}]\n"
    contract = loaded_data(tmp_path, f"{text}loss: sparse_categorical_crossentropy\n").contract
    for name in ("new.csv", "new.npy"):
        with open_rows(tmp_path / name, ReadOptions(contract)) as chunks:
            found = np.concatenate([chunk.x for chunk in chunks])
        np.testing.assert_array_equal(found, ids)


def test_a_target_of_an_unknown_loss_keeps_the_digits_of_its_numbers(tmp_path: Path) -> None:
    targets = 2**24 + np.arange(20)
    lines = [f"{place}|{target},0" for place, target in enumerate(targets)]
    (tmp_path / "t.csv").write_text("x|y\n" + "\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "own.py").write_text(
        "import keras\n\n\nclass Own(keras.losses.MeanSquaredError):\n    pass\n", encoding="utf-8"
    )
    dataset = 'dataset: {path: t.csv, target: y, decimal: ",", delimiter: "|", target_scaling: standardize}'
    data = loaded_data(tmp_path, f"plugins: [own.py]\n{dataset}\nlayers: [Dense: {{units: 1}}]\nloss: Own\n")
    assert len(np.unique(np.asarray(data.train.y))) == len(data.train.y)
