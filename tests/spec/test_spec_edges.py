"""Places in the spec loader that `scripts/mutation.py` could change without a test that failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlpcli.errors import SpecError
from mlpcli.spec import keras_source
from mlpcli.spec.load import load_spec, load_text
from mlpcli.spec.member_axis import output_nodes
from mlpcli.spec.yaml_reader import MAX_BYTES, RESOLVED

IRIS = """\
dataset: {name: iris}
layers: [Dense: {units: 3, activation: softmax}]
"""
TABLE = IRIS.replace("name: iris", "path: t.csv, target: y, features: {FEATURES}")


def _messages(text: str) -> list[str]:
    """Return the first line of each problem of a spec."""
    with pytest.raises(SpecError) as caught:
        load_text(text, Path("s.yaml"))
    return [line for line in str(caught.value).splitlines() if line.startswith("s.yaml:")]


KINDS = "numeric, categorical, boolean, date, text, image, ignore or {kind: ..., ...}"
SCALINGS = "standardize, minmax, robust, quantile, log, none"

# spec: its problems
PROBLEMS: dict[str, list[str]] = {
    IRIS + "start_from: {layers: [dense]}": [
        "s.yaml:3:1 start_from.run: is required; a run: a name, name/timestamp, or a folder",
    ],
    TABLE.replace("FEATURES", "a: 5, b: 5, c: 5"): [
        f"s.yaml:1:49 dataset.features.a: must be {KINDS}, received 5; also for the columns b, c",
    ],
    TABLE.replace("FEATURES", "a: {scaling: 7}, b: {scaling: 7}"): [
        f"s.yaml:1:59 dataset.features.a.scaling: must be one of {SCALINGS}, received 7; also for the columns b",
    ],
    IRIS + "callbacks: [{Foo: {}}, 5]": [
        "s.yaml:3:14 callbacks[0].Foo: unknown callback, received 'Foo'; see keras.io/api for the names of callbacks",
        "s.yaml:3:24 callbacks[1]: must be a callback, received 5; "
        "write a callback's name, or {Name: {argument: value}}",
    ],
    IRIS + "loss: {Foo: {a: 1}}": [
        "s.yaml:3:8 loss.Foo: unknown loss, received 'Foo'; see keras.io/api for the names of losses",
    ],
    IRIS.replace("name: iris", "name: data/iris"): [
        "s.yaml:1:17 dataset.name: is the name of a built-in dataset, not a file, received 'data/iris'; "
        "write path: data/iris",
    ],
    IRIS.replace("name: iris", "name: iris.csv"): [
        "s.yaml:1:17 dataset.name: is the name of a built-in dataset, not a file, received 'iris.csv'; "
        "write path: iris.csv",
    ],
    TABLE.replace("FEATURES", "a: {kind: categorical, encoding: dummies}"): [
        "s.yaml:1:79 dataset.features.a.encoding: must be one_hot or embedding, received 'dummies'; write one_hot",
    ],
    TABLE.replace("FEATURES", "a: {kind: categorical, encoding: other}"): [
        "s.yaml:1:79 dataset.features.a.encoding: must be one_hot or embedding, received 'other'",
    ],
    TABLE.replace("FEATURES", "a: dummies"): [
        f"s.yaml:1:49 dataset.features.a: must be {KINDS}, received 'dummies'"
    ],
    # An anchor's mistake is one, whatever stands for it.
    IRIS.replace("[Dense: {units: 3, activation: softmax}", "[Dense: &a {units: no, unit: 1}, Dense: *a"): [
        "s.yaml:2:28 layers[0].Dense.units: some YAML readers read this as a boolean, received no; "
        "write false, or 'no' in quotes for a string",
        "s.yaml:2:32 layers[0].Dense.unit: Dense has no such argument, received 'unit'; did you mean 'units'?",
    ],
    "[1, 2]": ["s.yaml:1:1: a spec must be a mapping; write keys such as dataset:, layers:, loss:"],
    IRIS + "optimizer: {SGD: {learning_rate: -8**0.5}}": [
        "s.yaml:3:34 optimizer.SGD.learning_rate: must be a positive number or a schedule, received '-8**0.5'; "
        "write a number, or a schedule such as {ExponentialDecay: {...}}",
    ],
    IRIS + "fit: {checkpoint: {minutes: .inf}}": [
        "s.yaml:3:29 fit.checkpoint.minutes: must be a positive number of minutes, received inf",
    ],
    IRIS + "tuner: {algorithm: BayesianOptimization, alpha: .inf, beta: 1e400}": [
        "s.yaml:3:49 tuner.alpha: must be a number above 0, received inf",
        "s.yaml:3:61 tuner.beta: must be a number of at least 0, received inf",
    ],
    # A mistake elsewhere hides none in a value that a search may choose.
    IRIS + "seed: 042\noptimizer: {hp: choice, values: [SGD, Adamm]}": [
        "s.yaml:3:7 seed: a number must not begin with 0, received 042; write 42, or '042' in quotes for a string",
        "s.yaml:4:39 optimizer: unknown optimizer, received 'Adamm'; did you mean 'Adam'?",
    ],
    "hp: int\n" + IRIS: [
        "s.yaml:1:1 hp: unknown key, received 'hp'; the keys here are name, seed, dataset, inputs, layers, model, "
        "loss, loss_weights, optimizer, metrics, start_from, fit, callbacks, predict, tuner, plugins, extends",
    ],
    IRIS.replace("name: iris", "path: t.csv, target: y") + "fit: {memory: 1e9}": [
        "s.yaml:3:15 fit.memory: must be an amount of memory from 1KB up, such as 200MB or 2GB, or a number of "
        "bytes, received 1000000000.0; write 1000000000B",
    ],
    IRIS.replace("iris", "iris, fold: {number: 4, of: 3}")
    + "fit: {folds: 3, distribute: mirrored, engine: keras}": [
        "s.yaml:1:29 dataset.fold: is one fold, and fit.folds trains all folds, received {number: 4, of: 3}; "
        "keep one of them",
        "s.yaml:1:38 dataset.fold.number: must be the number of a fold, from 1 to 3, received 4",
        "s.yaml:3:47 fit.engine: must be auto or graph with fit.distribute, which sums gradients between steps, "
        "received 'keras'; keep one of them",
    ],
    IRIS.replace("name: iris", "target: y") + "fit: {memory: 1GB}": [
        "s.yaml:1:10 dataset: needs a name (of a built-in) or a path (of a file); write name: digits, or path: my.csv",
    ],
    # Two unknown arguments for two that are missing, each by another word for it.
    IRIS.replace("Dense: {units: 3", "Conv2D: {channels: 8, kernel: 3"): [
        "s.yaml:2:19 layers[0].Conv2D.channels: Conv2D has no such argument, received 'channels'; write filters: 8",
        "s.yaml:2:32 layers[0].Conv2D.kernel: Conv2D has no such argument, received 'kernel'; write kernel_size: 3",
    ],
    IRIS.replace("[Dense", "[GaussianDropout: {rate: {Warmup: {steps: 5, to: 0.1}}}, Dense"): [
        "s.yaml:2:34 layers[0].GaussianDropout.rate: only the rate of Dropout may follow a schedule, "
        "received {Warmup: {steps: 5, to: 0.1}}; write a number",
    ],
    IRIS.replace("iris", "iris, validation: 0.2")
    + "loss: sparse_categorical_crossentropy\nmetrics: [accuracy]\n"
    "callbacks: [EarlyStopping: {monitor: val_acuracy}, ReduceLROnPlateau: {monitor: val_accuracy}]": [
        "s.yaml:5:38 callbacks[0].EarlyStopping.monitor: no metric has this name, received 'val_acuracy'; "
        "did you mean 'val_accuracy'? available: loss, accuracy, val_loss, val_accuracy",
    ],
    IRIS + "fit: {class_weight: {setosa: .inf}}": [
        "s.yaml:3:30 fit.class_weight.setosa: must be 'balanced', or a mapping of class names to positive "
        "numbers; with several outputs, a mapping of outputs to these, received inf",
    ],
}


@pytest.mark.parametrize("text", PROBLEMS)
def test_each_problem_is_reported_once_where_it_is(text: str) -> None:
    assert _messages(text) == PROBLEMS[text]


@pytest.mark.parametrize(
    ("written", "meant"), [("'1'", "1"), ("'20%'", "0.2"), ("'0'", None), ("'-3'", None)]
)
def test_a_text_for_the_size_of_a_split_is_corrected_where_it_is_one(written: str, meant: str | None) -> None:
    (message,) = _messages(IRIS.replace("name: iris", f"name: iris, test: {written}"))
    assert ("; write test: " in message) == (meant is not None)
    assert meant is None or message.endswith(f"; write test: {meant}")


def test_merged_mappings_bring_what_they_merge_themselves() -> None:
    layers = """
  - Dense: &wide {units: 9, activation: relu}
  - Dense: &plain {<<: *wide, use_bias: false}
  - Dense: {<<: [*plain, {units: 1, seed: 1}], activation: softmax, units: 3}"""
    text = IRIS[: IRIS.index("layers:")] + f"layers:{layers.replace(', seed: 1', '')}\n"
    last = load_text(text, Path("s.yaml")).spec.layers[-1].arguments
    assert last == {"activation": "softmax", "units": 3, "use_bias": False}


def test_merges_of_merges_are_bounded() -> None:
    lines = [f"  - Dense: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 9)}]}}" for n in range(1, 9)]
    text = "\n".join(["dataset: {name: iris}", "layers:", "  - Dense: &m0 {units: 3}", *lines])
    with pytest.raises(SpecError, match="expands to more than 20,000 values"):
        load_text(text, Path("s.yaml"))


@pytest.mark.parametrize("written", ["optimizer: Adam", "optimizer: {Adam: {}}"])
def test_a_setting_gives_arguments_to_a_component_without_any(written: str) -> None:
    loaded = load_text(IRIS + written, Path("s.yaml"), settings=["optimizer.Adam.learning_rate=0.5"])
    assert loaded.spec.optimizer is not None
    assert loaded.spec.optimizer.arguments == {"learning_rate": 0.5}


def test_a_setting_into_another_text_is_refused() -> None:
    with pytest.raises(SpecError, match="'learning_rate' needs a mapping, not 'Adam'"):
        load_text(IRIS + "optimizer: Adam", Path("s.yaml"), settings=["optimizer.learning_rate.x=0.5"])


@pytest.mark.parametrize("setting", ["seed=x", "fit={epochs: x}", "fit.epochs=x", "layers=[]"])
def test_a_problem_with_a_setting_names_the_setting(setting: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_text(IRIS, Path("s.yaml"), settings=[setting])
    assert str(caught.value).startswith(f"--set {setting}")


def test_no_limit_of_memory_may_be_written_as_null() -> None:
    assert load_text(IRIS + "fit: {memory: null}", Path("s.yaml")).spec.fit.memory is None


def test_the_outputs_are_those_of_the_members_beside_their_mean() -> None:
    """In mixed precision these, and no others, are float32."""
    members = "layers: [Members: {count: 2}, Dense: {units: 4}, MemberDense: {units: 3}, MemberMean]\n"
    spec = load_text(IRIS.splitlines()[0] + "\n" + members, Path("s.yaml")).spec
    assert output_nodes(spec) == {"member_dense", "member_mean"}
    assert output_nodes(load_text(IRIS, Path("s.yaml")).spec) == {"dense"}


def test_without_keras_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"Keras is not installed: .* pip install mlpcli"):
        keras_source._root.__wrapped__()


def test_a_name_that_is_too_long_is_cut_to_one_that_is_not() -> None:
    (message,) = _messages(f"name: a{'b' * 80}\n{IRIS}")
    assert message.endswith(f"; write name: a{'b' * 63}")


def test_a_file_name_that_the_system_refuses_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="long"):
        load_spec(tmp_path / f"{'a' * 300}.yaml")


def test_only_a_resolved_spec_may_be_long(tmp_path: Path) -> None:
    long = IRIS + "# a comment\n" * (MAX_BYTES // 12)
    for name in (RESOLVED, "spec.yaml"):
        (tmp_path / name).write_text(long, encoding="utf-8")
    assert load_spec(tmp_path / RESOLVED).spec.layers
    with pytest.raises(SpecError):
        load_spec(tmp_path / "spec.yaml")
