"""Layers as a graph: what reads what, inputs and outputs by name, and what is wrong with a graph."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlpcli.runs.folder import find_run
from mlpcli.spec.load import load_spec
from tests.bare_runs import BARE, train_bare
from tests.conftest import Result

HEAD = "dataset: {name: diabetes}\n"

WIDE_AND_DEEP = """\
name: wide
seed: 3
dataset:
  path: table.csv
  target: {price: price, cheap: cheap}
inputs:
  wide: {columns: [a, b, c]}
  deep: {columns: '1:4'}
layers:
  - {Normalization: {}, name: norm_wide, from: wide}
  - {Normalization: {}, name: norm_deep, from: deep}
  - {Dense: {units: 8, activation: relu}, name: hidden, repeat: 2}
  - {Concatenate: {}, from: [norm_wide, hidden]}
  - {Dense: {units: 1}, name: price}
  - {Dense: {units: 1, activation: sigmoid}, name: cheap, from: hidden}
loss: {price: {Huber: {delta: 2.0}}, cheap: binary_crossentropy}
loss_weights: {price: 0.9, cheap: 0.1}
metrics: {price: [mae, RootMeanSquaredError], cheap: accuracy}
optimizer: {Adam: {learning_rate: 0.02}}
fit: {epochs: 12, batch_size: 16, engine: graph}
"""


def write_table(folder: Path, rows: int = 200) -> Path:
    """Columns a to d, a price that depends on all of them, and whether it is low."""
    values = np.random.default_rng(5).normal(size=(rows, 4)).round(4)
    price = values @ [1.0, -2.0, 0.5, 1.5] + 0.3 * values[:, 0] * values[:, 3]
    path = folder / "table.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "c", "d", "price", "cheap"])
        for row, value in zip(values, price, strict=True):
            writer.writerow([*row, round(float(value), 4), "yes" if value < 0 else "no"])
    return path


@pytest.fixture(scope="module")
def wide_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs folder of a wide and deep network with two outputs, its table beside it."""
    folder = tmp_path_factory.mktemp("wide")
    write_table(folder)
    (folder / "wide.yaml").write_text(WIDE_AND_DEEP, encoding="utf-8")
    train_bare(folder / "wide.yaml", folder / "runs", options=replace(BARE, saved_model=True))
    return folder / "runs"


def test_two_outputs_have_their_own_losses_and_metrics(wide_run: Path) -> None:
    metrics = json.loads((find_run("wide", wide_run) / "metrics.json").read_text())
    wanted = ["loss", "cheap_loss", "price_loss", "cheap_accuracy", "price_mae"]
    wanted.append("price_root_mean_squared_error")
    assert list(metrics["test"]) == wanted
    total = 0.9 * metrics["test"]["price_loss"] + 0.1 * metrics["test"]["cheap_loss"]
    assert metrics["test"]["loss"] == pytest.approx(total, rel=1e-5)
    assert metrics["test"]["cheap_accuracy"] > 0.8


def test_predict_evaluate_and_the_saved_model_follow_a_graph(
    wide_run: Path, mlpcli: Callable[..., Result]
) -> None:
    import tensorflow as tf

    table = wide_run.parent / "table.csv"
    done = mlpcli("predict", "wide", table, "--runs-dir", wide_run)
    rows = list(csv.DictReader(done.out.splitlines()))
    assert list(rows[0]) == [
        "predicted_price",
        "predicted_cheap",
        "cheap_probability_no",
        "cheap_probability_yes",
    ]
    truth = list(csv.DictReader(table.read_text().splitlines()))
    right = sum(a["predicted_cheap"] == b["cheap"] for a, b in zip(rows, truth, strict=True))
    assert right > 160

    served = tf.saved_model.load(str(find_run("wide", wide_run) / "saved_model"))
    outputs = served.serve(
        {name: tf.constant([float(row[name]) for row in truth], tf.float64) for name in "abcd"}
    )
    assert set(outputs) == {"price_value", "cheap_label", "cheap_probabilities"}
    ours = np.array([float(row["predicted_price"]) for row in rows])
    np.testing.assert_allclose(outputs["price_value"].numpy()[:, 0], ours, atol=1e-5)

    told = json.loads(mlpcli("evaluate", "wide", "--json", "--no-figures", "--runs-dir", wide_run).out)
    metrics = json.loads((find_run("wide", wide_run) / "metrics.json").read_text())
    assert told["metrics"] == pytest.approx(metrics["test"], rel=1e-5)
    assert set(told["outputs"]["cheap"]["classes"]) == {"no", "yes"}


@pytest.mark.slow
def test_the_resolved_spec_trains_the_same_run(wide_run: Path, tmp_path: Path) -> None:
    run = find_run("wide", wide_run)
    again = train_bare(run / "resolved.yaml", tmp_path / "runs")
    assert (again / "metrics.json").read_text() == (run / "metrics.json").read_text()


@pytest.mark.slow
def test_both_engines_train_a_graph_alike(tmp_path: Path) -> None:
    write_table(tmp_path, rows=90)
    metrics = []
    for engine in ("compiled", "keras"):
        text = WIDE_AND_DEEP.replace("engine: graph", f"engine: {engine}").replace("epochs: 12", "epochs: 2")
        (tmp_path / "wide.yaml").write_text(text, encoding="utf-8")
        run = train_bare(tmp_path / "wide.yaml", tmp_path / "runs")
        metrics.append(json.loads((run / "metrics.json").read_text()))
    assert metrics[0]["test"] == pytest.approx(metrics[1]["test"], abs=1e-4)


def graph_of(text: str, folder: Path) -> list[tuple[str, tuple[str, ...]]]:
    spec = folder / "spec.yaml"
    spec.write_text(HEAD + text, encoding="utf-8")
    return [(node.name, node.sources) for node in load_spec(spec).spec.graph.nodes]


def test_copies_have_numbered_names_and_none_are_a_way_through(tmp_path: Path) -> None:
    text = """\
layers:
  - {Dense: {units: 4}, name: low, repeat: 3}
  - {Dense: {units: 4}, name: gone, repeat: 0}
  - {Add: {}, from: [low_1, gone]}
  - Dense: {units: 1}
"""
    assert graph_of(text, tmp_path) == [
        ("low_1", ("input",)),
        ("low_2", ("low_1",)),
        ("low_3", ("low_2",)),
        ("add", ("low_1", "low_3")),
        ("dense", ("add",)),
    ]


def test_layers_without_names_are_not_named_as_copies_of_others(tmp_path: Path) -> None:
    text = """\
layers:
  - {Dense: {units: 4}, name: dense, repeat: 2}
  - Dense: {units: 4}
  - Dense: {units: 1}
"""
    assert [name for name, _ in graph_of(text, tmp_path)] == ["dense_1", "dense_2", "dense_3", "dense_4"]


def test_a_layer_may_read_one_further_down(tmp_path: Path) -> None:
    text = """\
layers:
  - {Dense: {units: 4}, name: late, from: early}
  - {Dense: {units: 4}, name: early, from: input}
  - {Dense: {units: 1}, from: late}
"""
    assert [name for name, _ in graph_of(text, tmp_path)] == ["early", "late", "dense"]


WRONG: dict[str, tuple[str, list[str]]] = {
    "a circle": (
        "layers:\n  - {Dense: {units: 4}, name: a, from: b}\n  - {Dense: {units: 4}, name: b}\n  - Dense: {units: 1}\n",
        [
            "3:40 layers[0].from: layers read each other in a circle: a reads b reads a; let one of them read a layer outside the circle"
        ],
    ),
    "from names nothing": (
        "layers:\n  - {Dense: {units: 4}, name: hidden}\n  - {Dense: {units: 1}, from: hiden}\n",
        ["4:31 layers[1].from: no layer or input has this name, received 'hiden'; did you mean 'hidden'?"],
    ),
    "one of several sources is missing": (
        "layers:\n  - {Dense: {units: 4}, name: a}\n  - {Add: {}, from: [a, bee]}\n  - Dense: {units: 1}\n",
        [
            "4:25 layers[1].from[1]: no layer or input has this name, received 'bee'; available: input, a, add, dense"
        ],
    ),
    "a layer that nothing reads": (
        "layers:\n  - {Dense: {units: 4}, name: a}\n  - {Dense: {units: 4}, name: b, from: input}\n  - {Dense: {units: 1}, from: a}\n",
        [
            "4:5 layers[1]: nothing reads this layer, received 'b'; name it in another layer's from, or make it an output with dataset.target: {b: COLUMN, ...}"
        ],
    ),
    "a name used twice": (
        "layers:\n  - {Dense: {units: 4}, name: a}\n  - {Dense: {units: 1}, name: a}\n",
        ["4:31 layers[1].name: is already the name of layers[0], received 'a'"],
    ),
    "a layer named as a copy of another": (
        "layers:\n  - {Dense: {units: 4}, name: a, repeat: 2}\n  - {Dense: {units: 1}, name: a_1}\n",
        ["4:31 layers[1].name: is already the name of a copy of layers[0], received 'a_1'"],
    ),
    "copies named as another layer": (
        "layers:\n  - {Dense: {units: 4}, name: a_2}\n  - {Dense: {units: 1}, name: a, repeat: 2}\n",
        [
            "4:31 layers[1].name: its copies are a_1 and so on, and a_2 is already the name of layers[0], received 'a'"
        ],
    ),
    "a layer named as the input": (
        "layers:\n  - {Dense: {units: 4}, name: input}\n  - Dense: {units: 1}\n",
        ["3:31 layers[0].name: is already the name of the network's input, received 'input'"],
    ),
    "an input that nothing reads": (
        "inputs: {one: {columns: [age]}, two: {columns: [bmi]}}\nlayers:\n  - {Dense: {units: 1}, from: one}\n",
        [
            "2:33 inputs.two: no layer reads this input, received 'two'; write from: two in a layer, or remove it"
        ],
    ),
    "which of two inputs": (
        "inputs: {one: {columns: [age]}, two: {columns: [bmi]}}\nlayers:\n  - Dense: {units: 4}\n  - {Concatenate: {}, from: [one, two]}\n  - Dense: {units: 1}\n",
        [
            "4:5 layers[0]: must name the input that it reads, there are several; add from: one, or another of one, two"
        ],
    ),
    "an output without a loss": (
        "layers:\n  - {Dense: {units: 1}, name: a}\n  - {Dense: {units: 1}, name: b, from: input}\nloss: {a: mse}\nloss_weights: {a: 1, b: 1}\n",
        ["6:22 loss_weights.b: has no loss, received 'b'; add b: ... to loss"],
    ),
    "a loss for no layer": (
        "layers:\n  - {Dense: {units: 1}, name: price}\nloss: {prize: mse}\n",
        [
            "4:8 loss.prize: no layer has this name, so it cannot be an output, received 'prize'; did you mean 'price'?"
        ],
    ),
    "a repeat that is no number": (
        "layers:\n  - {Dense: {units: 4}, repeat: -1}\n  - Dense: {units: 1}\n",
        ["3:33 layers[0].repeat: must be a number of copies, 0 to 1000, received -1"],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_graph_is_told_with_its_place(
    case: str, mlpcli: Callable[..., Result], spec_file: Callable[[str], Path]
) -> None:
    text, expected = WRONG[case]
    spec = spec_file(HEAD + text)
    done = mlpcli("check", spec)
    headlines = [line for line in done.err.splitlines() if line.startswith(str(spec))]
    assert done.status == 2
    assert headlines == [f"{spec}:{line}" for line in expected]


def test_columns_of_inputs_are_told_with_their_place(
    mlpcli: Callable[..., Result], spec_file: Callable[[str], Path]
) -> None:
    text = (
        "inputs: {one: {columns: [agee, sex]}, two: {columns: '0:99'}}\n"
        "layers:\n  - {Concatenate: {}, from: [one, two]}\n  - Dense: {units: 1}\nloss: mse\n"
    )
    spec = spec_file(HEAD + text)
    done = mlpcli("check", spec)
    assert (
        f"{spec}:2:26 inputs.one.columns[0]: must be a feature of the dataset, received 'agee'; did you mean 'age'?"
        in done.err
    )
    assert f"{spec}:2:54 inputs.two.columns: must be a range inside 0:10, received '0:99'" in done.err


def test_a_changed_copy_of_a_spec_has_a_graph_of_its_own(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"{HEAD}layers: [Flatten, {{Dense: {{units: 10}}}}]\n", encoding="utf-8")
    found = load_spec(spec).spec
    assert found.graph is found.graph
    shorter = found.model_copy(update={"layers": found.layers[:1]})
    assert [node.name for node in shorter.graph.nodes] == ["flatten"]
    assert [node.name for node in found.graph.nodes] == ["flatten", "dense"]
