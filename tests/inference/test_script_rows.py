"""`code`: the script reads the same rows, of every form that data has; what it cannot hold is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlpcli.codegen.names import check_names, identifier
from mlpcli.errors import UsageError
from mlpcli.spec.load import load_spec
from tests.conftest import Result
from tests.inference.script_runs import NUMBER, SOFTMAX, assert_same_rows, run_script

pytestmark = pytest.mark.filterwarnings("ignore:The structure of `inputs` doesn't match")

CLASSES = SOFTMAX.replace("3", "5")

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
    "several files": (
        "{path: 'many/*.csv', target: kind, features: [a, b], validation: {last: 9}, weights: w}",
        SOFTMAX,
    ),
    "several files divided by a column": (
        "{path: 'many/*.csv', target: price, features: [a, b], validation: {share: 0.2, by: kind}, test: null}",
        NUMBER,
    ),
    "several Parquet files, and one for the test": (
        "{path: 'many/*.parquet', target: kind, features: [b, a], test: t.parquet}",
        SOFTMAX,
    ),
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
    "all kinds of columns": (
        "{path: mixed.csv, target: y, target_scaling: standardize, features: {"
        "age: {kind: numeric, scaling: quantile, clip: smooth, missing: indicator}, "
        "city: {kind: categorical, min_count: 7}, price: {kind: numeric, scaling: log}, "
        "weight: {kind: numeric, scaling: robust, clip: smooth}, member: {kind: boolean, missing: indicator}, "
        "day: {kind: date, scaling: quantile, parts: [elapsed, year, month, day, weekday], missing: indicator}, "
        "at: {kind: date, parts: [elapsed, hour]}, grade: {kind: categorical, missing: A}}}",
        NUMBER,
    ),
    "columns as they are guessed": ("{path: mixed.csv, target: grade, scaling: quantile}", CLASSES),
    "dates by quantiles that are clipped, beside numbers that are not": (
        "{path: mixed.csv, target: y, validation: {last: 0.2}, test: null, features: {"
        "age: {kind: numeric, scaling: quantile}, day: {kind: date, scaling: quantile, clip: smooth}}}",
        NUMBER,
    ),
    "categories with embeddings": (
        "{path: mixed.csv, target: y, validation: mixed.csv, features: {"
        "weight: numeric, city: {kind: categorical, encoding: embedding, width: 3, min_count: 7}, "
        "grade: {kind: categorical, encoding: embedding, width: 2, missing: B}}}",
        NUMBER,
    ),
    "missing cells that are filled": (
        "{path: mixed.csv, target: [y, price], missing: ['27'], features: {age: {kind: numeric, missing: mean}}}",
        "layers: [Dense: {units: 2}]\nloss: mse\n",
    ),
    "words": ("{path: notes.csv, target: y, features: {note: text, size: numeric}}", NUMBER),
    "pairs of words by Keras's rules": (
        "{path: notes.csv, target: y, features: {note: {kind: text, output_mode: count, ngrams: [1, 2], "
        "standardize: lower_and_strip_punctuation, missing: empty}}}",
        NUMBER,
    ),
    "characters": (
        "{path: notes.csv, target: y, features: {size: numeric, note: {kind: text, output_mode: multi_hot, "
        "split: character, min_count: 3}}}",
        NUMBER,
    ),
    "ids of words": (
        "{path: notes.csv, target: y, features: {note: {kind: text, output_mode: int, "
        "output_sequence_length: 4}}}",
        "layers: [Embedding: {input_dim: 50, output_dim: 2}, Flatten, Dense: {units: 1}]\nloss: mse\n",
    ),
    "columns with types": ("{path: typed.parquet, target: y, scaling: quantile}", SOFTMAX),
    "a path with a variable": ("{path: '${HERE}/t.csv', target: kind, features: [a, b]}", SOFTMAX),
}  # fmt: skip


@pytest.mark.parametrize("case", DATA)
def test_the_script_reads_the_same_rows(
    case: str, tables: Path, code: Callable[[Path, list[str]], str]
) -> None:
    from mlpcli.training.find_data import load_data

    section, rest = DATA[case]
    spec = tables / "spec.yaml"
    spec.write_text(f"dataset: {section}\n{rest}")
    script = code(spec, [])
    names = run_script(script[: script.index("\n# Model\n")])
    assert_same_rows(names, load_data(load_spec(spec)))


UNLIKE = {
    "a;b;n;kind;tags;w;price;extra\n1;2;3;red;x;1;2;3\n": "files with different columns",
    "b,a,n,kind,tags,w,price\n1,2,3,red,x,1,2\n": "files with different separators or character sets",
}


@pytest.mark.parametrize("other", UNLIKE)
def test_files_that_are_not_alike_are_refused(
    other: str, mlpcli: Callable[..., Result], tables: Path
) -> None:
    (tables / "unlike").mkdir(exist_ok=True)
    (tables / "unlike" / "1.csv").write_bytes((tables / "t.csv").read_bytes())
    (tables / "unlike" / "2.csv").write_text(other)
    spec = tables / "spec.yaml"
    spec.write_text(f"dataset: {{path: 'unlike/*.csv', target: kind, features: [a, b]}}\n{SOFTMAX}")
    result = mlpcli("code", spec)
    assert result.status == 2
    assert UNLIKE[other] in result.err


def test_what_a_script_cannot_hold_is_told(mlpcli: Callable[..., Result], tables: Path) -> None:
    (tables / "mine.py").write_text("def mine(y_true, y_pred):\n    return y_true - y_pred\n")
    spec = tables / "spec.yaml"
    spec.write_text(f"plugins: [mine.py]\ndataset: {{name: iris}}\n{SOFTMAX}metrics: [mine]\n")
    result = mlpcli("code", spec)
    assert (result.status, result.out) == (2, "")
    assert result.err == (
        "a script cannot be written for plug-ins; they are Python already: import them into a script of your own\n"
    )


def test_all_that_a_script_cannot_hold_is_told_at_once_with_the_columns(
    mlpcli: Callable[..., Result], tables: Path
) -> None:
    (tables / "mine.py").write_text("def mine(y_true, y_pred):\n    return y_true - y_pred\n")
    rows = [
        f"a new word {row % 7} and one;{row % 28 + 1}.5.2024;{row or '(7)'};{row * 7 % 11} \N{EURO SIGN};{row % 3}\n"
        for row in range(60)
    ]
    (tables / "own.csv").write_text("".join(["note;day;odd;price;y\n", *rows]))
    spec = tables / "spec.yaml"
    features = (
        "{note: text, day: {kind: date, format: '%d.%m.%Y', parts: [elapsed]}, odd: numeric, price: numeric}"
    )
    spec.write_text(
        "plugins: [mine.py]\n"
        f"dataset: {{path: own.csv, target: y, split_seed: 3, features: {features}}}\n{SOFTMAX}metrics: [mine]\n"
    )
    result = mlpcli("code", spec)
    assert (result.status, result.out) == (2, "")
    beginning = "a script cannot be written for "
    lines = [line.removeprefix(beginning).split(";")[0] for line in result.err.splitlines()]
    assert lines == [
        "plug-ins",
        "splits with a seed of their own",
        "columns with cells that a short function does not read ('odd', such as '(7)')",
        "3 problems found",
    ]


def test_a_layer_is_no_other_name_of_the_script() -> None:
    own = ["print", "SEED", "Batches", "epoch_order", "heaviside", "MemberLoss", "norm_layer", "trained"]
    assert [identifier(name) for name in own] == [f"{name}_" for name in own]
    assert [identifier(name) for name in ("hidden", "dense_1", "2nd")] == ["hidden", "dense_1", "_2nd"]
    with pytest.raises(UsageError, match="'print' and 'print_' are the same in Python"):
        check_names(["print", "hidden", "print_"])


def test_a_script_trains_once(mlpcli: Callable[..., Result], tables: Path) -> None:
    spec = tables / "spec.yaml"
    spec.write_text(f"dataset: {{name: iris}}\n{SOFTMAX}fit: {{epochs: 1, folds: 3}}\n")
    result = mlpcli("code", spec)
    assert (result.status, result.out) == (2, "")
    assert "a script cannot be written for folds and seeds; the script trains once" in result.err
    assert mlpcli("code", spec, "--set", "fit.folds=null").status == 0


def test_a_script_says_what_keras_does_not_log(mlpcli: Callable[..., Result], tables: Path) -> None:
    spec = tables / "spec.yaml"
    board = "callbacks: [TensorBoard: {histogram_freq: 1, gradients_freq: 1, embeddings_freq: 1, predictions_freq: 0}]\n"
    spec.write_text(f"dataset: {{name: iris}}\n{SOFTMAX}{board}")
    script = mlpcli("code", spec).out
    assert "    # without gradients_freq, embeddings_freq: only mlpcli train writes this\n" in script
    assert "keras.callbacks.TensorBoard(" in script
    assert script.count("_freq") == 3
    compile(script, "script", "exec")


def test_a_script_cannot_stop_early_with_averages_that_fit_would_lose(
    mlpcli: Callable[..., Result], tables: Path
) -> None:
    (tables / "spec.yaml").write_text(
        f"dataset: {{name: iris}}\n{SOFTMAX}optimizer: {{AdamW: {{use_ema: true}}}}\n"
        "callbacks: [SwapEMAWeights: {swap_on_epoch: true}, EarlyStopping: {patience: 1}]\n"
    )
    result = mlpcli("code", "spec.yaml")
    assert result.status == 2
    assert "EarlyStopping without restore_best_weights beside SwapEMAWeights" in result.err


def test_a_script_has_no_quantiles_of_the_target(mlpcli: Callable[..., Result], tables: Path) -> None:
    spec = tables / "spec.yaml"
    scaled = "{path: t.csv, target: price, features: [a, b], target_scaling: quantile}"
    spec.write_text(f"dataset: {scaled}\n{NUMBER}")
    result = mlpcli("code", spec)
    assert (result.status, result.out) == (2, "")
    assert "a script cannot be written for target_scaling: quantile;" in result.err


def test_a_script_cannot_name_a_file_after_one_of_several_values(
    mlpcli: Callable[..., Result], tables: Path
) -> None:
    spec = tables / "spec.yaml"
    spec.write_text(
        "dataset: {name: xor}\nlayers: [Dense: {units: 1, activation: sigmoid}]\n"
        "metrics: [Precision: {thresholds: [0.3, 0.7]}]\n"
        "callbacks: [ModelCheckpoint: {filepath: '{epoch}-{val_precision_0.3:.1f}.keras'}]\n"
    )
    result = mlpcli("code", spec)
    assert (result.status, result.out) == (2, "")
    assert "one of several values of a metric" in result.err
