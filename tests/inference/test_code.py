"""`code`: a standalone script that reads the same rows and reaches the same weights as the spec."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.codegen.names import check_names, identifier
from mlpcli.data.sources import builtin
from mlpcli.data.sources.source_rows import Source, SourceRows
from mlpcli.errors import UsageError
from mlpcli.spec.load import load_spec
from tests.conftest import ROOT, TINY, Result
from tests.project.test_docs import CONFIGS

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:The structure of `inputs` doesn't match")]

TABLE = "a;b;n;kind;tags;w;price\n" + "".join(
    f"{i % 7}.25;{i * 13 % 11};{i};{('red', 'green', 'blue')[i // 2 % 3]};"
    f"{('x', 'x, y', '', 'z,y')[i % 4]};{1 + i % 3};{i * 0.5 - 7}\n"
    for i in range(60)
)
SOFTMAX = "layers: [Dense: {units: 3, activation: softmax}]\nloss: sparse_categorical_crossentropy\n"
NUMBER = "layers: [Dense: {units: 1}]\nloss: mse\n"

WIDE_AND_DEEP = """\
dataset:
  path: t.csv
  target: {output: price, aux: price}
  features: [a, b, n]
  weights: w
inputs:
  wide: {columns: [a, b]}
  deep: {columns: [b, n]}
layers:
  - {Normalization: {}, name: norm_wide, from: wide}
  - {Normalization: {}, name: norm_deep, from: deep}
  - {Dense: {units: 6, activation: relu, kernel_initializer: {HeNormal: {}}}, repeat: 2, name: hidden}
  - {Concatenate: {}, from: [norm_wide, hidden]}
  - {Dense: {units: 1}, name: output}
  - {Dense: {units: 1}, name: aux, from: hidden}
loss: {output: mse, aux: Huber}
loss_weights: {output: 0.9, aux: 0.1}
metrics: {output: [RootMeanSquaredError], aux: [mae]}
"""

# name: spec; each is trained and its script run
SPECS: dict[str, str] = {
    # Names of layers that a script has itself.
    "wide and deep": WIDE_AND_DEEP.replace("norm_wide", "print").replace("norm_deep", "SEED"),
    "members": "dataset: {path: t.csv, target: kind, features: [a, b, n], weights: w}\n"
    "layers: [Members: {count: 3, initializer: RandomSigns}, Dense: {units: 4, activation: relu},\n"
    "  MemberDense: {units: 4, share: factors}, MemberDense: {units: 3, activation: softmax}, MemberMean]\n"
    "loss: sparse_categorical_crossentropy\n",
    "quantiles of one of two outputs": "dataset: {path: t.csv, target: {one: price, two: w}, features: [a, n]}\n"
    "layers: [{Members: {count: 2}, name: members}, {MemberDense: {units: 3}},\n"
    "  {MemberMean: {}, name: one}, {Dense: {units: 1}, name: two, from: input}]\n"
    "loss: {one: {Quantile: {quantiles: [0.1, 0.5, 0.9]}}, two: mse}\n"
    "metrics: {one: [mae, RootMeanSquaredError], two: [mae]}\n"
    "callbacks: [EarlyStopping: {monitor: val_one_loss, mode: min}]\n",
    "weighed classes": "dataset: {path: t.csv, target: kind, features: [a, b, n], weights: w}\n"
    "layers: [Normalization, Dropout: {rate: {FlatCosine: {initial: 0.2}}}, Dense: {units: 3, activation: softmax}]\n"
    "loss: {SparseCategoricalCrossentropy: {label_smoothing: 0.1, axis: -1}}\nfit: {class_weight: balanced}\n",
    "a scaled target": "dataset: {path: t.csv, target: price, features: [a, b], target_scaling: minmax}\n"
    "layers: [Dense: {units: 4, activation: tanh}, Dense: {units: 1, activation: sigmoid}]\nloss: mse\n",
    "the perceptron": "dataset: {name: gaussians, rows: 80}\n"
    "layers: [Dense: {units: 1, activation: heaviside}]\nloss: perceptron\n"
    "optimizer: {SGD: {learning_rate: {Warmup: {steps: 5, to: {CosineDecay: {initial_learning_rate: 1.0, "
    "decay_steps: 50}}}}}}\nfit: {batch_size: 1}\n",
    "callbacks": "dataset: {name: xor, rows: 90}\n"
    "layers: [BatchNormalization, Dense: {units: 8, activation: {LeakyReLU: {negative_slope: 0.1}}}, "
    "Dense: {units: 1, activation: sigmoid}]\nmetrics: [accuracy]\nfit: {shuffle: false}\n"
    "callbacks: [ModelCheckpoint: {save_best_only: true, monitor: val_accuracy}, "
    "ReduceLROnPlateau: {patience: 0}, CSVLogger]\n",
    "a layer that learns from the one below": "dataset: {name: iris}\n"
    "layers: [Rescaling: {scale: 0.1}, Normalization, "
    "Dense: {units: 5, activation: relu, kernel_regularizer: {L2: {l2: 0.01}}}, "
    "Dense: {units: 3}]\nloss: {SparseCategoricalCrossentropy: {from_logits: true}}\n"
    "optimizer: {Nadam: {clipnorm: 1.0, learning_rate: {FlatCosine: {initial: 0.01}}, "
    "weight_decay: {FlatCosine: {initial: 0.1}}}, "
    "learning_rate_factors: {'*/bias': 0.1}, weight_decay_factors: {'dense/*': 0}}\n",
    "embeddings of numbers": "dataset: {path: t.csv, target: price, features: [a, b, n]}\n"
    "inputs: {numbers: {columns: [a, b]}, rest: {columns: [n]}}\nlayers:\n"
    "- {PiecewiseLinearEmbedding: {bins: 5, width: 3, activation: relu}, name: embedded, from: numbers}\n"
    "- {PeriodicEmbedding: {frequencies: 3}, name: waves, from: numbers}\n"
    "- {Concatenate: {}, from: [embedded, waves, rest]}\n- Scale\n- NTKDense: {units: 4, activation: sign}\n"
    "- ParametricActivation: {activation: {LeakyReLU: {negative_slope: 0.1}}}\n- NTKDense: {units: 1}\nloss: mse\n",
    "mixed precision": "dataset: {name: iris}\nfit: {precision: mixed_bfloat16}\n" + SOFTMAX
    + "callbacks: [LearningRateScheduler: {schedule: {CosineDecay: {initial_learning_rate: 0.1, decay_steps: {share: 0.5}}}}]\n",
    "two optimizers": "dataset: {name: iris}\nlayers: [Dense: {units: 5}, Dense: {units: 3, activation: softmax}]\n"
    "loss: sparse_categorical_crossentropy\noptimizer: {MultiOptimizer: {optimizer_map: {OptimizerMap: {"
    "default_optimizer: SGD, optimizer_map: {'dense/.*': {Adam: {learning_rate: 0.1}}}}}}}\n",
    "averaged weights": "dataset: {name: iris}\n" + SOFTMAX
    + "optimizer: {AdamW: {learning_rate: 0.1, use_ema: true, ema_momentum: 0.9}}\nfit: {epochs: 9}\n"
    "callbacks: [SwapEMAWeights: {swap_on_epoch: true}, EarlyStopping: {patience: 1, restore_best_weights: true}]\n",
    "labels": "dataset: {path: t.csv, target: tags, label_separator: ',', features: [a, b]}\n"
    "layers: [Dense: {units: 3, activation: sigmoid}]\nloss: binary_crossentropy\n",
}  # fmt: skip

# name: the dataset section, the rest; only the rows are compared
DATA: dict[str, tuple[str, str]] = {
    "wine": ("{name: wine, features: [hue, ash], test: 10, validation: {last: 20}}", SOFTMAX),
    "diabetes": ("{name: diabetes, test: null, validation: null}", NUMBER),
    "digits": ("{name: digits, validation: 0.3}", "layers: [Flatten, Dense: {units: 10}]\nloss: mse\n"),
    "circles": ("{name: circles, rows: 50, noise: 0.2}", "layers: [Dense: {units: 1, activation: sigmoid}]\n"),
    "moons": ("{name: moons, seed: 3}", "layers: [Dense: {units: 1, activation: sigmoid}]\n"),
    "spirals": ("{name: spirals}", "layers: [Dense: {units: 1, activation: sigmoid}]\n"),
    "a truth table": ("{name: logic_xor}", "layers: [Dense: {units: 1, activation: sigmoid}]\n"),
    "a clipped column and a logarithm": (
        "{path: t.csv, target: price, features: {a: {kind: numeric, scaling: robust, clip: smooth}, b: numeric,"
        " n: ignore, kind: ignore, w: ignore, tags: ignore}, target_scaling: {method: log, clip: true}}",
        NUMBER,
    ),
    "one-hot columns": (
        "{path: onehot.csv, target: [p, q], features: [a]}",
        "layers: [Dense: {units: 2, activation: softmax}]\nloss: categorical_crossentropy\n",
    ),
    "files": (
        "{path: t.csv, target: [price, n], features: [b, a], test: t.csv, validation: 7, weights: w}",
        "layers: [Dense: {units: 2}]\nloss: mse\n",
    ),
    "numbers as classes": ("{path: t.csv, target: w, features: [a, b]}", SOFTMAX),
    "Parquet": ("{path: t.parquet, target: kind, features: [a, b]}", SOFTMAX),
    "arrays": ("{path: a.npz, weights: w}", SOFTMAX),
    "arrays of text labels": ("{path: text.npz, validation: a.npz}", SOFTMAX),
    "arrays with a test split": (
        "{path: split.npz}",
        "layers: [Flatten, Dense: {units: 1, activation: sigmoid}]\nloss: binary_crossentropy\n",
    ),
    "weighed arrays with a test split": (
        "{path: split.npz, weights: w}",
        "layers: [Flatten, Dense: {units: 1, activation: sigmoid}]\nloss: binary_crossentropy\n",
    ),
    "one-hot arrays": (
        "{path: onehot.npz}",
        "layers: [Dense: {units: 3, activation: softmax}]\nloss: categorical_crossentropy\n",
    ),
    "two files": ("{path: x.npy, target: y.npy, test: null}", NUMBER),
    "arrays for two outputs": (
        "{path: a.npz}",
        "layers: [{Dense: {units: 3, activation: softmax}, name: c}, {Dense: {units: 1}, name: n, from: c}]\n"
        "loss: {c: sparse_categorical_crossentropy, n: mse}\n",
    ),
    "arrays of steps": ("{path: steps.npz}", SOFTMAX),
    "columns of steps for two outputs": (
        "{path: columns.npz, target: {p: target_1, q: [target_0, target_2]}}",
        "layers: [{Dense: {units: 1}, name: p}, {Dense: {units: 2}, name: q, from: input}]\n"
        "loss: {p: mse, q: mae}\n",
    ),
    "columns of an array for two outputs": (
        "{path: flat.npz, target: {p: target_1, q: [target_0, target_2]}}",
        "layers: [{Dense: {units: 1}, name: p}, {Dense: {units: 2}, name: q, from: input}]\n"
        "loss: {p: mse, q: mae}\n",
    ),
    "arrays of sequences of labels": (
        "{path: labels.npz}",
        "layers: [Dense: {units: 4}]\nloss: CTC\n",
    ),
    "classes of embeddings": (
        "{path: text.npz}",
        "layers: [Dense: {units: 4}, UnitNormalization: {}]\nloss: Circle\n",
    ),
    "a path with a variable": ("{path: '${HERE}/t.csv', target: kind, features: [a, b]}", SOFTMAX),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the tables, made the current one."""
    import pyarrow.csv
    import pyarrow.parquet

    (tmp_path / "run").mkdir()
    (tmp_path / "t.csv").write_text(TABLE)
    one_hot = "a,p,q\n" + "".join(f"{i},{i % 2},{1 - i % 2}\n" for i in range(40))
    (tmp_path / "onehot.csv").write_text(one_hot)
    options = pyarrow.csv.ParseOptions(delimiter=";")
    table = pyarrow.csv.read_csv(tmp_path / "t.csv", parse_options=options)
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    place = np.arange(45)
    x = np.stack([place % 7, place % 4, place / 9], axis=1)
    np.savez(tmp_path / "a.npz", x=x, y=(place % 3)[:, None], w=1 + place % 2)
    np.savez(tmp_path / "text.npz", x=x, y=np.array(["2", "0", "1"])[place % 3])
    images = (place[:, None, None] * np.ones((3, 3))).astype("uint8")
    splits = {
        "x_train": images,
        "x_test": images[:9],
        "y_train": place % 2 == 0,
        "y_test": place[:9] % 2 == 1,
    }
    np.savez(tmp_path / "split.npz", **splits, w=1 + place % 2)
    np.savez(tmp_path / "onehot.npz", x=x, y=np.eye(3)[place % 3])
    sequences = np.stack([x, x + 1, x * 2, x - 1], axis=1)
    letters = np.array(["b", "a", "c"])[sequences.sum(axis=-1).astype(int) % 3]
    np.savez(tmp_path / "steps.npz", x=sequences, y=letters)
    np.savez(tmp_path / "columns.npz", x=sequences, y=sequences)
    np.savez(tmp_path / "flat.npz", x=x, y=x)
    np.savez(tmp_path / "labels.npz", x=sequences, y=np.stack([1 + place % 3, place % 2], axis=1))
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", x.sum(axis=1))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HERE", str(tmp_path))
    return tmp_path


def _first_rows(part: SourceRows, rows: int) -> SourceRows:
    assert isinstance(part.target, np.ndarray)
    return replace(part, x=part.x[:rows], target=part.target[:rows])


OPENS = dict(builtin.BUILTIN)
IMAGES = ("fashion_mnist", "mnist")
HOUSING = "california_housing.csv"
TEST_DATA = os.environ.get("MLPCLI_TEST_DATA")


@cache
def _few_images(name: str) -> Source:
    """The first rows of Keras's images, read once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLPCLI_TEST_DATA", TEST_DATA or "")
        full = OPENS[name](name)
    assert full.test is not None
    main, test = (_first_rows(part, 900) for part in (full.main, full.test))
    return replace(full, main=main, test=test)


def _as_keras_gives(name: str) -> object:
    """What `keras.datasets.NAME.load_data()` returns, of few rows."""
    small = _few_images(name)
    assert small.test is not None
    return tuple((part.x, np.asarray(part.target).astype("uint8")) for part in (small.main, small.test))


@pytest.fixture
def small_builtins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few of Keras's images, and few rows of California housing, to script and mlpcli."""
    import keras
    import sklearn.datasets

    if TEST_DATA is None:
        return
    lines = (Path(TEST_DATA) / HOUSING).read_text(encoding="utf-8").splitlines()[:901]
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / HOUSING).write_text("\n".join(lines) + "\n", encoding="utf-8")
    monkeypatch.setenv("MLPCLI_TEST_DATA", str(tmp_path / "few"))
    names, columns = lines[0].split(","), np.loadtxt(lines[1:], delimiter=",")
    bunch = sklearn.utils.Bunch(data=columns[:, :-1], target=columns[:, -1], feature_names=names[:-1])
    monkeypatch.setattr(sklearn.datasets, "fetch_california_housing", lambda: bunch)
    for name in IMAGES:
        monkeypatch.setitem(builtin.BUILTIN, name, _few_images)
        monkeypatch.setattr(getattr(keras.datasets, name), "load_data", partial(_as_keras_gives, name))


def _run(script: str) -> dict[str, Any]:
    ast.parse(script)
    names: dict[str, Any] = {"__name__": "script"}
    exec(compile(script, "script.py", "exec"), names)
    return names


def _assert_same_rows(names: dict[str, Any], dataset: Any) -> None:
    import keras

    for split, rows in dataset.splits().items():
        for letter, expected in (("x", rows.x), ("y", rows.y), ("w", rows.weights)):
            if expected is None:
                continue
            found = names[f"{letter}_{split}"]
            keras.tree.map_structure(np.testing.assert_array_equal, found, expected)
            kinds = keras.tree.map_structure(lambda array: array.dtype, (found, expected))
            assert kinds[0] == kinds[1], (letter, split)


def _assert_same_training(spec: Path, settings: list[str], code: Callable[[Path, list[str]], str]) -> None:
    """The script's rows, weights and outputs are those of a training on Keras's own engine."""
    import keras

    from mlpcli.runs.watcher import Watcher
    from mlpcli.training.callbacks import best_monitor, keeps_best, make_callbacks
    from mlpcli.training.fit import fit_model
    from mlpcli.training.prepare import prepare

    settings = [*settings, "fit.engine=keras"]
    prepared = prepare(load_spec(spec, settings=settings))
    ours, trained = prepared.model, prepared.completed.spec
    monitor, more = best_monitor(trained, validation=True)
    best = keras.callbacks.ModelCheckpoint(
        "ours.weights.h5",
        monitor=monitor,
        mode="max" if more else "min",
        save_best_only=True,
        save_weights_only=True,
    )
    callbacks = make_callbacks(trained, Path("run"))[:-1]  # without TensorBoard
    fit_model(ours, trained, prepared.dataset, [*callbacks, *([best] * keeps_best(trained))], Watcher())
    if keeps_best(trained):
        ours.load_weights("ours.weights.h5")
    expected = [np.array(weight) for weight in ours.get_weights()]
    names = _run(code(spec, settings))
    keras.config.set_dtype_policy("float32")
    _assert_same_rows(names, prepared.dataset)
    found = names["model"].get_weights()
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture
def code(mlpcli: Callable[..., Result]) -> Callable[[Path, list[str]], str]:
    """What `mlpcli code` writes on stdout."""

    def write(spec: Path, settings: list[str]) -> str:
        arguments = [part for setting in settings for part in ("--set", setting)]
        result = mlpcli("code", spec, *arguments)
        assert (result.status, result.err) == (0, "")
        return result.out

    return write


@pytest.mark.parametrize("case", SPECS)
def test_the_script_reaches_the_same_weights(
    case: str, folder: Path, code: Callable[[Path, list[str]], str]
) -> None:
    spec = folder / "spec.yaml"
    spec.write_text(SPECS[case])
    _assert_same_training(spec, ["fit.epochs=3"], code)


def _can_be_written(config: Path) -> bool:
    text = config.read_text(encoding="utf-8")
    refused = "scaling: quantile" in text  # in words: a script has no such scaling
    return not refused and "plugins:" not in text and "TensorBoard:" not in text  # this is another's network


WRITTEN = [config for config in CONFIGS if _can_be_written(config)]


@pytest.mark.uncounted
@pytest.mark.parametrize("config", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_script_of_every_config_reaches_the_same_weights(
    config: Path,
    folder: Path,
    small_builtins: None,
    code: Callable[[Path, list[str]], str],
    mlpcli: Callable[..., Result],
) -> None:
    dataset = load_spec(config).spec.dataset.name
    if dataset not in ("digits", "iris") and TEST_DATA is None:
        pytest.skip("MLPCLI_TEST_DATA is not set")
    settings = ["dataset.validation={last: 300}"] if dataset in IMAGES else []
    start = load_spec(config).spec.start_from
    if start is not None:  # the run that it starts from has to be there
        first = config.parent / f"{start.run}.yaml"
        fewer = ("--set", "dataset.validation={last: 300}", "--set", "fit.epochs=1")
        assert mlpcli("train", first, *fewer).status == 0
    _assert_same_training(config, ["fit.epochs=2", *settings], code)


@pytest.mark.parametrize("case", DATA)
def test_the_script_reads_the_same_rows(
    case: str, folder: Path, code: Callable[[Path, list[str]], str]
) -> None:
    from mlpcli.training.find_data import load_data

    section, rest = DATA[case]
    spec = folder / "spec.yaml"
    spec.write_text(f"dataset: {section}\n{rest}")
    script = code(spec, [])
    names = _run(script[: script.index("\n# Model\n")])
    _assert_same_rows(names, load_data(load_spec(spec)))


def test_the_script_runs_by_itself_and_without_mlpcli(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    spec = tmp_path / "tiny.yaml"
    spec.write_text(TINY)
    script = tmp_path / "tiny.py"
    result = mlpcli("code", spec, "-o", script)
    assert result == Result(0, f"script written to {script}; run it with: python {script}\n", "")
    assert "mlpcli" not in {node.names[0].name for node in ast.walk(ast.parse(script.read_text()))
                            if isinstance(node, ast.Import)}  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, script.name],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    assert "'accuracy': " in done.stdout.splitlines()[-1]
    assert (tmp_path / "tiny.keras").exists()
    again = mlpcli("code", spec, "-o", script)
    assert again == Result(
        2, "", f"-o {script}: the file exists already; add --force to replace it, or choose another with -o\n"
    )


def test_what_a_script_cannot_hold_is_told(mlpcli: Callable[..., Result], folder: Path) -> None:
    (folder / "mine.py").write_text("def mine(y_true, y_pred):\n    return y_true - y_pred\n")
    spec = folder / "spec.yaml"
    spec.write_text(f"plugins: [mine.py]\ndataset: {{name: iris}}\n{SOFTMAX}metrics: [mine]\n")
    result = mlpcli("code", spec)
    assert (result.status, result.out) == (2, "")
    assert result.err == (
        "a script cannot be written for plug-ins; they are Python already: import them into a script of your own\n"
    )


def test_a_layer_is_no_other_name_of_the_script() -> None:
    own = ["print", "SEED", "Batches", "epoch_order", "heaviside", "MemberLoss", "norm_layer", "trained"]
    assert [identifier(name) for name in own] == [f"{name}_" for name in own]
    assert [identifier(name) for name in ("hidden", "dense_1", "2nd")] == ["hidden", "dense_1", "_2nd"]
    with pytest.raises(UsageError, match="'print' and 'print_' are the same in Python"):
        check_names(["print", "hidden", "print_"])


def test_a_script_trains_once(mlpcli: Callable[..., Result], folder: Path) -> None:
    spec = folder / "spec.yaml"
    spec.write_text(f"dataset: {{name: iris}}\n{SOFTMAX}fit: {{epochs: 1, folds: 3}}\n")
    result = mlpcli("code", spec)
    assert (result.status, result.out) == (2, "")
    assert "a script cannot be written for folds and seeds; the script trains once" in result.err
    assert mlpcli("code", spec, "--set", "fit.folds=null").status == 0


def test_a_script_says_what_keras_does_not_log(mlpcli: Callable[..., Result], folder: Path) -> None:
    spec = folder / "spec.yaml"
    board = "callbacks: [TensorBoard: {histogram_freq: 1, gradients_freq: 1, embeddings_freq: 1, predictions_freq: 0}]\n"
    spec.write_text(f"dataset: {{name: iris}}\n{SOFTMAX}{board}")
    script = mlpcli("code", spec).out
    assert "    # without gradients_freq, embeddings_freq: only mlpcli train writes this\n" in script
    assert "keras.callbacks.TensorBoard(" in script
    assert script.count("_freq") == 3
    compile(script, "script", "exec")


def test_a_script_cannot_stop_early_with_averages_that_fit_would_lose(
    mlpcli: Callable[..., Result], folder: Path
) -> None:
    averaged = SPECS["averaged weights"].replace("restore_best_weights: true", "restore_best_weights: false")
    (folder / "spec.yaml").write_text(averaged)
    result = mlpcli("code", "spec.yaml")
    assert result.status == 2
    assert "EarlyStopping without restore_best_weights beside SwapEMAWeights" in result.err


@pytest.mark.parametrize("key", ["scaling", "target_scaling"])
def test_a_script_has_no_quantiles(key: str, mlpcli: Callable[..., Result], folder: Path) -> None:
    spec = folder / "spec.yaml"
    spec.write_text(f"dataset: {{path: t.csv, target: price, features: [a, b], {key}: quantile}}\n{NUMBER}")
    result = mlpcli("code", spec)
    assert (result.status, result.out) == (2, "")
    assert f"a script cannot be written for {key}: quantile;" in result.err
    if key == "scaling":
        assert "; write one with another scaling: --set dataset.scaling=standardize\n" in result.err
        assert mlpcli("code", spec, "--set", "dataset.scaling=standardize").status == 0


def test_a_script_cannot_name_a_file_after_one_of_several_values(
    mlpcli: Callable[..., Result], folder: Path
) -> None:
    spec = folder / "spec.yaml"
    spec.write_text(
        "dataset: {name: xor}\nlayers: [Dense: {units: 1, activation: sigmoid}]\n"
        "metrics: [Precision: {thresholds: [0.3, 0.7]}]\n"
        "callbacks: [ModelCheckpoint: {filepath: '{epoch}-{val_precision_0.3:.1f}.keras'}]\n"
    )
    result = mlpcli("code", spec)
    assert (result.status, result.out) == (2, "")
    assert "one of several values of a metric" in result.err
