"""The mean of several networks as one: what it predicts, how its rows are read, and its run folder."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.data.features.stacked import StackedPreprocessor
from mlpcli.data.rows import read_rows
from mlpcli.data.stacked_contract import stack_contracts
from mlpcli.runs.folder import open_run, write_record
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.load import load_spec
from tests.conftest import Result

pytestmark = pytest.mark.slow

LAYERS = "layers: [{Dense: {units: 4, activation: relu}}, {Dense: {units: UNITS, activation: ACTIVATION}}]\n"


def write_rows(folder: Path, rows: int = 48, name: str = "rows.csv", seed: int = 3) -> None:
    """Write a table with gaps, a date, rare categories, and targets of every kind; and arrays."""
    random = np.random.default_rng(seed)
    lines = ["size,city,day,flag,price,time,sort,good,tags"]
    for row in range(rows):
        size = "" if row % 11 == 5 else f"{random.normal(50, 20):.3f}"
        city = ["Rome", "Oslo", "Bern", f"Only{row}"][random.choice(4, p=[0.4, 0.3, 0.2, 0.1])]
        price = np.exp(random.normal(3, 1)) if row % 5 else 20.0
        tags = ";".join(tag for tag in ("big", "old") if random.random() < 0.6)
        lines.append(
            f"{size},{city},2024-{1 + row % 12:02}-{1 + row % 28:02},{'yes' if row % 3 else 'no'},"
            f"{price:.4f},{1.7e9 + 1000 * random.random():.3f},{'abc'[row % 3]},{'ny'[row % 2]},{tags}"
        )
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    x = random.normal(size=(rows, 4)).astype(np.float32)
    np.savez(folder / "rows.npz", x=x, y=np.arange(rows) % 3)
    np.savez(folder / "ids.npz", x=random.integers(0, 6, (rows, 3)), y=np.arange(rows) % 2)
    np.savez(folder / "steps.npz", x=random.normal(size=(rows, 5, 2)), y=random.normal(size=(rows, 5)))


@dataclass(frozen=True)
class Network:
    """A network with random weights, and its spec and contract."""

    model: Any
    spec: Any
    contract: Any


def network(folder: Path, text: str, seed: int) -> Network:
    """Build the network of a spec whose splits and weights depend on a seed."""
    from mlpcli.keras_import import keras
    from mlpcli.model.build import build_network
    from mlpcli.training.find_data import load_data
    from mlpcli.training.prepare import complete

    path = folder / f"spec{seed}.yaml"
    path.write_text(f"name: many\nseed: {seed}\n{text}", encoding="utf-8")
    loaded = load_spec(path)
    dataset = load_data(loaded)
    completed = complete(loaded, dataset)
    keras.utils.set_random_seed(seed)
    model = build_network(completed.spec, dataset.contract, dataset.train.x)
    return Network(model, completed.spec, dataset.contract)


def mean_of(networks: list[Network]) -> Network:
    from mlpcli.model.build import compile_model
    from mlpcli.model.ensemble import Member, mean_network

    stacked = stack_contracts([each.contract for each in networks])
    members = [Member(each.model, each.spec, each.contract) for each in networks]
    model = mean_network("many", networks[0].spec, stacked, members)
    compile_model(model, networks[0].spec, stacked.contract)
    return Network(model, networks[0].spec, stacked.contract)


def seen(network: Network, x: Any) -> dict[str, np.ndarray]:
    """Return what a user sees of a network's outputs, by output."""
    from mlpcli.model.outputs import final_outputs

    found = final_outputs(network.spec, network.contract, network.model(x, training=False))
    found = found if isinstance(found, dict) else {"": found}
    return {name: np.asarray(each) for name, each in found.items()}


def table(target: str, units: int, activation: str, rest: str = "", data: str = "") -> str:
    names = ("price", "time", "sort", "good", "tags")
    ignored = ", ".join(f"{name}: ignore" for name in names if name not in target)
    head = f"dataset: {{path: rows.csv, target: {target}, features: {{{ignored}}}, test: null{data}}}\n"
    return head + LAYERS.replace("UNITS", str(units)).replace("ACTIVATION", activation) + rest


LOGITS = "loss: {SparseCategoricalCrossentropy: {from_logits: true}}\n"
BINARY = "loss: {BinaryCrossentropy: {from_logits: true}}\n"
TWO_OUTPUTS = """\
dataset: {path: rows.csv, target: {cost: price, sort: sort}, features: [size, city, day], test: null,
          target_scaling: standardize}
inputs: {numbers: {columns: [size]}, rest: {columns: [city, day]}}
layers:
  - {Dense: {units: 3}, name: a, from: numbers}
  - {Dense: {units: 3}, name: b, from: rest}
  - {Concatenate: {}, name: both, from: [a, b]}
  - {Dense: {units: 1}, name: cost, from: both}
  - {Dense: {units: 3, activation: softmax}, name: sort, from: both}
loss: {cost: mse, sort: sparse_categorical_crossentropy}
"""
SPECS = {
    "numbers": table("price", 1, "linear", "loss: mse\n"),
    "standardized": table("time", 1, "linear", "loss: mse\n", ", target_scaling: standardize"),
    "two scaled": table("[price, time]", 2, "linear", "loss: mse\n", ", target_scaling: standardize"),
    "minmax": table("price", 1, "sigmoid", "loss: mse\n", ", target_scaling: minmax"),
    "log": table("price", 1, "linear", "loss: mse\n", ", target_scaling: log"),
    "quantiles": table("price", 1, "linear", "loss: mse\n", ", target_scaling: quantile"),
    "levels": table(
        "price", 3, "linear", "loss: {Quantile: {quantiles: [0.1, 0.5, 0.9]}}\n", ", target_scaling: log"
    ),
    "clipped": table(
        "price", 1, "linear", "loss: mse\n", ", target_scaling: {method: standardize, clip: true}"
    ),
    "softmax": table("sort", 3, "softmax"),
    "softmax of logits": table("sort", 3, "linear", LOGITS),
    "sigmoid": table("good", 1, "sigmoid"),
    "sigmoid of logits": table("good", 1, "linear", BINARY),
    "labels": table("tags", 2, "sigmoid", data=", label_separator: ';'"),
    "labels of logits": table("tags", 2, "linear", BINARY, ", label_separator: ';'"),
    "hinge": table("good", 1, "tanh", "loss: hinge\n"),
    "two outputs": TWO_OUTPUTS,
    "array": "dataset: {path: rows.npz, test: null}\n"
    "layers: [Normalization, {Dense: {units: 3, activation: softmax}}]\n",
    "steps": "dataset: {path: steps.npz, test: null, target_scaling: standardize}\n"
    "layers: [{LSTM: {units: 3, return_sequences: true}}, {Dense: {units: 1}}]\nloss: mse\n",
    "quantile columns": table("sort", 3, "softmax", data=", scaling: quantile, clip: smooth"),
    "embedding": table("sort", 3, "softmax").replace(
        "{price:", "{city: {encoding: embedding, width: 3}, price:"
    ),
}


@pytest.mark.parametrize("text", SPECS.values(), ids=SPECS)
def test_the_network_predicts_the_mean_of_what_its_members_predict(text: str, tmp_path: Path) -> None:
    from mlpcli.training import compiled

    write_rows(tmp_path)
    found = [network(tmp_path, text, seed) for seed in (1, 2)]
    file = tmp_path / text.partition("path: ")[2].partition(",")[0]
    of_members = [seen(each, read_rows(file, each.contract, target=True).x) for each in found]
    mean = mean_of(found)
    rows = read_rows(file, mean.contract, target=True)
    predicted = seen(mean, rows.x)
    for output in mean.contract.outputs:
        wanted = np.mean([each[output.name].astype(np.float64) for each in of_members], axis=0)
        assert np.ptp(wanted) > 0
        assert np.ptp([each[output.name][..., 0].mean() for each in of_members]) > 0  # the members differ
        span = np.ptp(wanted, axis=0).max() if output.scale is not None else 1.0
        np.testing.assert_allclose(predicted[output.name], wanted, atol=2e-6 * span, rtol=0)
    metrics = compiled.evaluate(mean.model, compiled.Arrays(rows.x, rows.y))
    assert all(map(np.isfinite, metrics.values()))


def test_steps_are_a_vote_and_embeddings_lie_side_by_side(tmp_path: Path) -> None:
    write_rows(tmp_path)
    vote = table("good", 1, "heaviside", "loss: perceptron\n")
    found = [network(tmp_path, vote, seed) for seed in (1, 2, 3)]
    file = tmp_path / "rows.csv"
    votes = np.array([seen(each, read_rows(file, each.contract, target=None).x)[""] for each in found])
    mean = mean_of(found)
    predicted = seen(mean, read_rows(file, mean.contract, target=None).x)[""]
    assert {1, 2} & {*votes.sum(axis=0).ravel().tolist()}  # they disagree
    np.testing.assert_array_equal(predicted, votes.sum(axis=0) >= 2)

    near = table("sort", 2, "linear", "loss: Circle\n").replace("}]\n", "}, UnitNormalization]\n")
    found = [network(tmp_path, near, seed) for seed in (1, 2)]
    vectors = [seen(each, read_rows(file, each.contract, target=None).x)[""] for each in found]
    mean = mean_of(found)
    predicted = seen(mean, read_rows(file, mean.contract, target=None).x)[""]
    assert predicted.shape == (48, 4)
    cosines = np.mean([each @ each.T for each in vectors], axis=0)
    np.testing.assert_allclose(predicted @ predicted.T, cosines, atol=1e-6)


def test_what_has_no_mean_is_refused_with_the_reason(tmp_path: Path) -> None:
    from mlpcli.model.ensemble import why_no_mean

    write_rows(tmp_path)
    one, two = (network(tmp_path, SPECS[name], 1) for name in ("softmax", "hinge"))
    with pytest.raises(ValueError, match="member 2 has another target than the first"):
        stack_contracts([one.contract, two.contract])
    probabilities, scores = (network(tmp_path, SPECS[name], 1) for name in ("sigmoid", "hinge"))
    with pytest.raises(ValueError, match="one member gives scores, another probabilities"):
        mean_of([probabilities, scores])
    np.savez(
        tmp_path / "said.npz",
        x=np.eye(4, dtype=np.float32)[np.arange(60).reshape(10, 6) % 4],
        y=np.ones((10, 2), int),
    )
    said = network(
        tmp_path, "dataset: {path: said.npz, test: null}\nlayers: [Dense: {units: 4}]\nloss: CTC\n", 1
    )
    assert "has no mean" in str(why_no_mean(said.contract))
    with pytest.raises(ValueError, match="a sequence of labels has no mean"):
        mean_of([said, said])


def test_rows_are_shared_where_all_members_encode_alike_and_stacked_where_not(tmp_path: Path) -> None:
    write_rows(tmp_path)
    same = network(tmp_path, SPECS["softmax"], 1).contract
    assert stack_contracts([same, same]).contract.shape == same.shape
    arrays = network(tmp_path, SPECS["array"], 1).contract
    assert stack_contracts([arrays, arrays]).contract == arrays
    other = network(tmp_path, SPECS["softmax"], 2).contract
    stacked = stack_contracts([same, other]).contract
    preprocessor = stacked.preprocessor
    assert isinstance(preprocessor, StackedPreprocessor)
    assert stacked.shape == (same.shape[0] + other.shape[0],)
    rows = read_rows(tmp_path / "rows.csv", stacked, target=None).flat
    own = [read_rows(tmp_path / "rows.csv", each, target=None).flat for each in (same, other)]
    np.testing.assert_array_equal(rows, np.concatenate(own, axis=1))

    from mlpcli.model.raw_column_network import build_preprocessing

    layers = build_preprocessing(preprocessor, ()).layers
    assert [type(each).__name__ for each in layers].count("TextVectorization") == 1  # dates are read once


def test_a_value_is_unknown_only_where_every_member_has_not_seen_it(tmp_path: Path) -> None:
    write_rows(tmp_path)
    own: list[Any] = [network(tmp_path, SPECS["softmax"], seed).contract for seed in (1, 3)]
    stacked: Any = stack_contracts(own).contract.preprocessor
    known = [{*each.preprocessor.encoder("city").values} for each in own]
    seen_by_one = sorted(known[0] ^ known[1])
    assert seen_by_one  # a city that only one of them has learned
    import pyarrow as pa

    def found(city: str, size: float) -> Any:
        cells = {"size": [size], "city": [city], "day": ["2024-03-03"], "flag": ["yes"]}
        return stacked.transform(
            stacked.columns({name: pa.array(each) for name, each in cells.items()})
        ).found

    limits = sorted(each.preprocessor.encoder("size").highest for each in own)
    assert len(found(seen_by_one[0], 50.0)["city"].unseen) == 0
    assert found("Atlantis", 50.0)["city"].unseen.tolist() == [0]
    assert len(found("Rome", limits[-1])["size"].outside) == 0
    assert found("Rome", limits[-1] + 1)["size"].outside.tolist() == [0]
    assert {*stacked.encoder("city").values} == known[0] | known[1]


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that is the mean of two others, trained on other rows of a table."""
    from mlpcli.training.ensemble_run import EnsembleEnd, finish_ensemble
    from mlpcli.training.job import TRIAL
    from mlpcli.training.prepare import prepare
    from mlpcli.training.session import train_into

    folder = tmp_path_factory.mktemp("parent")
    write_rows(folder)
    write_rows(folder, 20, "test.csv", seed=4)
    spec = folder / "spec.yaml"
    run_dir = folder / "runs" / "many" / "2026-01-01_00-00-00"
    for place, seed in enumerate((1, 3), 1):
        text = f"name: many\nseed: {seed}\n{TWO_OUTPUTS}fit: {{epochs: 1, engine: graph}}\n"
        spec.write_text(text.replace("test: null", "test: test.csv"), encoding="utf-8")
        member = run_dir / "folds" / f"{place:02}"
        member.mkdir(parents=True)
        train_into(prepare(load_spec(spec)).job(member, Watcher(), options=TRIAL))
    for name in ("spec.yaml", "resolved.yaml"):
        shutil.copy(run_dir / "folds" / "01" / name, run_dir / name)
    record = open_run(run_dir / "folds" / "01").record.to_json()
    record |= {"members": {"folds": 2, "seeds": 1, "folders": ["folds/01", "folds/02"], "after": "mean"}}
    del record["sha256"]
    write_record(run_dir, record)
    metrics = finish_ensemble(EnsembleEnd(run_dir, record))
    write_record(run_dir, record | {"metrics": metrics})
    return run_dir


def predictions(
    mlpcli: Callable[..., Result], run: Path, file: Path, *options: object
) -> list[dict[str, str]]:
    done = mlpcli("predict", run, file, *options)
    assert done.status == 0, done.err
    return list(csv.DictReader(done.out.splitlines()))


def test_a_run_of_members_predicts_and_evaluates_as_any_run(
    parent: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    data = parent.parents[2]
    found, *of_members = (
        predictions(mlpcli, folder, data / "test.csv", "--keep", "day")
        for folder in (parent, parent / "folds/01", parent / "folds/02")
    )
    assert [*found[0]] == [*of_members[0][0]]
    assert found[0]["day"] == of_members[0][0]["day"]
    for name in ("predicted_cost", "sort_probability_a", "sort_probability_b"):
        wanted = np.mean([[float(row[name]) for row in rows] for rows in of_members], axis=0)
        np.testing.assert_allclose([float(row[name]) for row in found], wanted, rtol=1e-5)
    told = json.loads(mlpcli("evaluate", parent, "--json").out)
    metrics = json.loads((parent / "run.json").read_text())["metrics"]
    assert told["metrics"] == metrics["test"]
    assert "warnings" not in told or told["warnings"] == []
    predicted = [row["predicted_sort"] for row in found]
    truth = [row["sort"] for row in csv.DictReader((data / "test.csv").read_text().splitlines())]
    right = np.mean([a == b for a, b in zip(predicted, truth, strict=True)])
    assert told["metrics"]["sort_accuracy"] == pytest.approx(right)
    options = ("--json", "--no-figures")
    whole = json.loads(mlpcli("evaluate", parent, "--split", "train", *options).out)
    assert whole["rows"] == 48
    assert whole["metrics"] == metrics["train"]
    again = json.loads(mlpcli("evaluate", parent, "--data", data / "rows.csv", *options).out)
    assert again["metrics"] == pytest.approx(whole["metrics"])


def test_the_files_of_a_run_of_members(parent: Path) -> None:
    from mlpcli.keras_import import keras
    from mlpcli.model.trained_model import load_trained

    record = open_run(parent).record
    assert record.members is not None
    assert {*record.members.sha256} == {"folds/01", "folds/02"}
    verdict = record.to_json()["saved_model"]
    assert verdict["verified"] == "in a clean process"
    assert verdict["rows"] > 20
    summary = (parent / "summary.txt").read_text(encoding="utf-8")
    assert summary.startswith("the mean of 2 networks\n")
    for name in ("plots/model.png", "plots/learning_curves.png"):
        assert (parent / name).read_bytes().startswith(b"\x89PNG")

    model = keras.models.load_model(parent / "model.keras")
    rows = [*csv.DictReader((parent.parents[2] / "test.csv").read_text().splitlines())]
    raw: dict[str, Any] = {name: np.array([row[name] for row in rows]) for name in ("city", "day")}
    raw["size"] = np.array([float(row["size"] or "nan") for row in rows])
    outputs = model.predict(
        {name: keras.ops.convert_to_tensor(each) for name, each in raw.items()}, verbose=0
    )
    trained = load_trained(open_run(parent))
    flat = read_rows(parent.parents[2] / "test.csv", trained.contract, target=None).x
    wanted = seen(Network(trained.model, trained.spec, trained.contract), flat)
    for name, values in wanted.items():
        np.testing.assert_allclose(outputs[name], values, rtol=1e-5)


def test_a_run_of_members_is_refused_when_a_member_is_not_the_one_it_was_made_of(
    parent: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    folder = tmp_path / "runs" / "many" / parent.name
    shutil.copytree(parent, folder)
    record = json.loads((folder / "folds/02/run.json").read_text())
    shutil.copytree(folder / "folds/01", folder / "folds/02", dirs_exist_ok=True)
    done = mlpcli("evaluate", folder)
    assert done.status == 2
    assert "is not the one that many" in done.err
    assert "the mean of" in done.err
    (folder / "folds/02/run.json").write_text(json.dumps(record))
    done = mlpcli("evaluate", folder)
    assert done.status == 2
    assert "folds/02/model.keras is not what was saved" in done.err.replace("\n", "")
    shutil.rmtree(folder / "folds/02")
    done = mlpcli("predict", folder, parent.parents[2] / "test.csv")
    assert done.status == 2
    assert "folds/02 is not a run folder" in done.err.replace("\n", "")
    outside = json.loads((folder / "run.json").read_text())
    outside["members"]["folders"] = ["folds/01", "../../elsewhere"]
    (folder / "run.json").write_text(json.dumps(outside))
    done = mlpcli("evaluate", folder)
    assert done.status == 2
    assert "members.folders" in done.err
    assert "is damaged" in done.err


def test_a_network_does_not_start_from_a_mean_but_from_one_of_its_members(
    parent: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    text = f"name: next\n{TWO_OUTPUTS}start_from: {{run: {parent}, layers: [sort]}}\nfit: {{epochs: 1}}\n"
    spec = tmp_path / "next.yaml"
    spec.write_text(
        text.replace("path: rows.csv", f"path: {parent.parents[2] / 'rows.csv'}"), encoding="utf-8"
    )
    done = mlpcli("check", spec)
    assert done.status == 2
    assert "next.yaml:12:19 start_from.run: must be a single network" in done.err
    assert "folds/01" in done.err
    first = spec.read_text().replace(str(parent), str(parent / "folds/01"))
    spec.write_text(first, encoding="utf-8")
    assert mlpcli("check", spec).status == 0
