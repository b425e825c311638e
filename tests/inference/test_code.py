"""`code`: a standalone script that reads the same rows and reaches the same weights as the spec."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.data.sources import builtin
from mlpcli.data.sources.source_rows import Source, SourceRows
from mlpcli.spec.load import load_spec
from tests.bare_runs import train_bare
from tests.conftest import ROOT, TINY, Result
from tests.inference.script_runs import SOFTMAX, assert_same_rows, run_script
from tests.project.test_docs import CONFIGS

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:The structure of `inputs` doesn't match")]

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
    "a table of all kinds": "dataset: {path: mixed.csv, target: y, target_scaling: standardize, scaling: quantile,\n"
    "  features: {city: {kind: categorical, encoding: embedding, width: 3}}}\n"
    "layers: [Normalization, {Dense: {units: 4, activation: relu}}, Dense: {units: 1}]\nloss: mse\n",
    "embeddings of one of two inputs": "dataset: {path: mixed.csv, target: grade, features: {day: date, age: numeric,\n"
    "  city: {kind: categorical, encoding: embedding, width: 3}, member: boolean}}\n"
    "inputs: {one: {columns: [city, age]}, two: {columns: [day, member]}}\n"
    "layers: [{Dense: {units: 4}, from: one, name: a}, {Dense: {units: 3}, from: two, name: b},\n"
    "  {Concatenate: {}, from: [a, b]}, Dense: {units: 5, activation: softmax}]\n"
    "loss: sparse_categorical_crossentropy\n",
    "labels": "dataset: {path: t.csv, target: tags, label_separator: ',', features: [a, b]}\n"
    "layers: [Dense: {units: 3, activation: sigmoid}]\nloss: binary_crossentropy\n",
}  # fmt: skip


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
    names = run_script(code(spec, settings))
    keras.config.set_dtype_policy("float32")
    assert_same_rows(names, prepared.dataset)
    _assert_same_weights(names["model"].get_weights(), expected)


def _assert_same_weights(found: list[Any], expected: list[Any]) -> None:
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("case", SPECS)
def test_the_script_reaches_the_same_weights(
    case: str, tables: Path, code: Callable[[Path, list[str]], str]
) -> None:
    spec = tables / "spec.yaml"
    spec.write_text(SPECS[case])
    _assert_same_training(spec, ["fit.epochs=3"], code)


WRITTEN = {
    str(config.relative_to(ROOT)): config
    for config in CONFIGS
    if "plugins:" not in config.read_text(encoding="utf-8")
}

TRAINED = [
    "configs/chapter/housing.yaml",
    "configs/chapter/auxiliary_output.yaml",
    "configs/chapter/early_stopping.yaml",
    "configs/chapter/fashion_random_search.yaml",
    "configs/chapter/multilabel.yaml",
    "configs/chapter/reuse.yaml",
]
"""Configs that differ in kind; MLPCLI_SWEEP=1 trains the others too."""

if os.environ.get("MLPCLI_SWEEP"):
    TRAINED = [
        name for name, config in WRITTEN.items() if "TensorBoard:" not in config.read_text(encoding="utf-8")
    ]


def _settings(config: Path) -> list[str]:
    dataset = load_spec(config).spec.dataset.name
    if dataset not in ("digits", "iris") and TEST_DATA is None:
        pytest.skip("MLPCLI_TEST_DATA is not set")
    return ["dataset.validation={last: 300}"] if dataset in IMAGES else []


@pytest.mark.parametrize("config", [name for name in WRITTEN if not name.endswith("reuse.yaml")])
def test_the_script_of_every_config_has_the_same_rows_and_first_weights(
    config: str, tables: Path, small_builtins: None
) -> None:
    from mlpcli.codegen.script import script_of
    from mlpcli.training.prepare import prepare

    loaded = load_spec(WRITTEN[config], settings=_settings(WRITTEN[config]))
    prepared = prepare(loaded)
    expected = prepared.model.get_weights()
    script = script_of(loaded)
    compile(script, config, "exec")
    names = run_script(script[: script.index("\n# Training\n")])
    assert_same_rows(names, prepared.dataset)
    _assert_same_weights(names["model"].get_weights(), expected)


@pytest.mark.uncounted
@pytest.mark.parametrize("config", TRAINED)
def test_the_script_of_a_config_reaches_the_same_weights(
    config: str, tables: Path, small_builtins: None, code: Callable[[Path, list[str]], str]
) -> None:
    spec = WRITTEN[config]
    settings = _settings(spec)
    start = load_spec(spec).spec.start_from
    if start is not None:  # the run that it starts from has to be there
        fewer = [*settings, "fit.epochs=1", "fit.engine=graph"]
        train_bare(spec.parent / f"{start.run}.yaml", Path("runs"), settings=fewer)
    _assert_same_training(spec, ["fit.epochs=2", *settings], code)


def test_the_script_runs_by_itself_and_without_mlpcli(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    spec = tmp_path / "tiny.yaml"
    spec.write_text(TINY)
    script = tmp_path / "tiny.py"
    result = mlpcli("code", spec, "-o", script)
    assert result == Result(0, f"script written to {script}; run it with: python {script}\n", "")
    assert not re.search(r"^\s*(import|from) mlpcli", script.read_text(), re.MULTILINE)
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
