"""Everything of Keras that a spec can say is built as Keras builds it."""

from __future__ import annotations

import functools
import runpy
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.spec.components import check_components
from tests.bare_runs import train_bare
from tests.conftest import ROOT, Result
from tests.keras_walk import accepted, sample

SGD = {"SGD": {"learning_rate": 0.5}}
GRU, LSTM = {"GRUCell": {"units": 3}}, {"LSTMCell": {"units": 2}}


def _built(namespace: str, component: dict[str, Any]) -> Any:
    """The Keras object of a component that the checks accept."""
    from mlpcli.keras_import import import_keras
    from mlpcli.model.components import make_instance

    key = "layers" if namespace == "layers" else "optimizer"
    assert check_components({key: [component] if key == "layers" else component}) == []
    import_keras()
    ((name, arguments),) = component.items()
    return make_instance(namespace, name, arguments, (key, name))


def test_components_in_lists_and_mappings_are_built() -> None:
    """The cells of an RNN, the layers of a Pipeline, the optimizers of a MultiOptimizer."""
    from mlpcli.keras_import import import_keras

    import_keras()
    from mlpcli.keras_import import keras

    cells = [keras.layers.GRUCell(3), keras.layers.LSTMCell(2)]
    stacked = {"StackedRNNCells": {"cells": [GRU, LSTM]}}
    for cell in ([GRU, LSTM], stacked):
        built = _built("layers", {"RNN": {"cell": cell}})
        assert [type(each) for each in built.cell.cells] == [type(each) for each in cells]
        assert [each.units for each in built.cell.cells] == [3, 2]
    flip = {"RandomFlip": {"mode": "horizontal"}}
    pipeline = _built("layers", {"Pipeline": {"layers": ["Flatten", flip]}})
    assert [type(each).__name__ for each in pipeline.layers] == ["Flatten", "RandomFlip"]
    both = {"Bidirectional": {"layer": {"LSTM": {"units": 3}}, "backward_layer": {"GRU": {"units": 3}}}}
    with pytest.raises(Exception, match="go_backwards"):
        _built("layers", both)
    both["Bidirectional"]["backward_layer"]["GRU"]["go_backwards"] = True
    assert type(_built("layers", both).backward_layer) is keras.layers.GRU
    wanted = {"OptimizerMap": {"default_optimizer": "adam", "optimizer_map": {"dense/.*": SGD, "x": "SGD"}}}
    optimizer = _built("optimizers", {"MultiOptimizer": {"optimizer_map": wanted}})
    kinds = [keras.optimizers.SGD, keras.optimizers.SGD, keras.optimizers.Adam]
    assert [type(each) for each in optimizer.optimizers] == kinds
    assert float(optimizer.optimizers[0].learning_rate) == 0.5


def test_values_have_the_type_that_keras_takes() -> None:
    assert float(_built("optimizers", {"SGD": {"learning_rate": 1}}).learning_rate) == 1.0
    assert float(_built("optimizers", {"SGD": {"learning_rate": 0.0}}).learning_rate) == 0.0
    assert _built("optimizers", {"SGD": {"learning_rate": 1, "momentum": 0}}).momentum == 0.0
    assert _built("layers", {"TextVectorization": {"ngrams": [1, 2]}}).get_config()["ngrams"] == (1, 2)
    clipping = {"rmax": 3.0, "rmin": 0.3, "dmax": 5.0}
    layer = _built("layers", {"BatchNormalization": {"renorm": True, "renorm_clipping": clipping}})
    assert layer.get_config()["renorm_clipping"] == clipping


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a list for one layer": (
        {"layers": [{"TimeDistributed": {"layer": ["Flatten"]}}]},
        (
            "layers[0].TimeDistributed.layer: must be one layer, not a list, received ['Flatten']; "
            "write a name, or {Name: {argument: value}}"
        ),
    ),
    "one layer for a list": (
        {"layers": [{"Pipeline": {"layers": "Flatten"}}]},
        (
            "layers[0].Pipeline.layers: must be a list of layers, received 'Flatten'; "
            "write [Name, {Name: {argument: value}}]"
        ),
    ),
    "a misspelt layer in a list": (
        {"layers": [{"RNN": {"cell": [GRU, {"LSTMCel": {"units": 2}}]}}]},
        "layers[0].RNN.cell[1].LSTMCel: unknown layer, received 'LSTMCel'; did you mean 'LSTMCell'?",
    ),
    "a cell by itself": (
        {"layers": [GRU]},
        (
            "layers[0].GRUCell: is a recurrent cell, which an RNN calls, received 'GRUCell'; "
            "write {RNN: {cell: {GRUCell: ...}}}"
        ),
    ),
    "a base class": (
        {"layers": ["Wrapper"]},
        (
            "layers[0]: is not allowed in a spec, received 'Wrapper'; "
            "Wrapper does nothing by itself: name a class that is based on it"
        ),
    ),
    "no map of optimizers": (
        {"optimizer": {"MultiOptimizer": {"optimizer_map": {"default_optimizer": "SGD"}}}},
        (
            "optimizer.MultiOptimizer.optimizer_map: must be an OptimizerMap, received "
            "{default_optimizer: 'SGD'}; write {OptimizerMap: {default_optimizer: ..., optimizer_map: "
            "{'dense/.*': ...}}}"
        ),
    ),
    "an optimizer for a map": (
        {"optimizer": {"MultiOptimizer": {"optimizer_map": SGD}}},
        (
            "optimizer.MultiOptimizer.optimizer_map: must be an OptimizerMap, received "
            "{SGD: {learning_rate: 0.5}}; write {OptimizerMap: {default_optimizer: ..., optimizer_map: "
            "{'dense/.*': ...}}}"
        ),
    ),
    "a map as the optimizer": (
        {"optimizer": {"OptimizerMap": {"default_optimizer": "SGD"}}},
        (
            "optimizer.OptimizerMap: assigns optimizers to weights, and is none itself, received "
            "'OptimizerMap'; write {MultiOptimizer: {optimizer_map: {OptimizerMap: {...}}}}"
        ),
    ),
    "a mapping where Keras has none": (
        {"layers": [{"Flatten": {"data_format": {"a": 1}}}]},
        (
            "layers[0].Flatten.data_format: cannot be a mapping, other than a component, received {a: 1}; "
            "a component is written {Name: {argument: value}}"
        ),
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_nested_component_is_told(case: str) -> None:
    data, wanted = WRONG[case]
    (found,) = check_components(data)
    assert found.headline() == wanted


INNER = {
    "TimeDistributed: {layer: Normalization}": "5:30 layers[0].TimeDistributed.layer: Normalization inside",
    "Pipeline: {layers: [{Rescaling: {scale: 2}}, {Normalization: {axis: -1}}]}": (
        "5:51 layers[0].Pipeline.layers[1].Normalization: Normalization inside Pipeline"
    ),
    "TimeDistributed: {layer: {Normalization: {mean: 1.0, variance: 2.0}}}": "",
}


@pytest.mark.parametrize("layer", INNER)
def test_a_layer_that_would_learn_nothing_is_told(
    layer: str, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    rows = np.arange(120, dtype=np.float32).reshape(20, 3, 2)
    np.savez(tmp_path / "a.npz", x=rows, y=rows[:, 0, 0])
    spec = tmp_path / "s.yaml"
    head = "name: inner\ndataset: {path: a.npz, test: null, validation: null}\nloss: mse\nlayers:\n"
    spec.write_text(f"{head}  - {layer}\n  - Flatten\n  - Dense: {{units: 1}}\n")
    result = mlpcli("check", spec)
    assert result.status == (2 if INNER[layer] else 0)
    assert INNER[layer] in result.err
    assert not INNER[layer] or "write it as a layer of its own, above: - Normalization" in result.err


CALLBACKS: dict[str, str] = {
    "ModelCheckpoint: {save_freq: batch}": "save_freq: must be epoch, or a positive number of batches",
    "ModelCheckpoint: {save_freq: 0}": "save_freq: must be epoch, or a positive number of batches",
    "ModelCheckpoint: {mode: best}": "mode: must be auto, min or max",
    "ModelCheckpoint: {initial_value_threshold: low}": "threshold: must be a finite number",
    "BackupAndRestore: {backup_dir: ''}": "backup_dir: must be a path in the run folder",
    "BackupAndRestore: {save_freq: -1}": "save_freq: must be epoch, or a positive number of batches",
    "EarlyStopping: {patience: -1}": "patience: must be an integer of at least 0",
    "EarlyStopping: {patience: null}": "patience: must be an integer of at least 0",
    "EarlyStopping: {start_from_epoch: 1.5}": "start_from_epoch: must be an integer of at least 0",
    "EarlyStopping: {min_delta: [1]}": "min_delta: must be a finite number",
    "EarlyStopping: {baseline: true}": "baseline: must be a finite number",
    "EarlyStopping: {monitor: 3}": "monitor: must be the name of a metric",
    "EarlyStopping: {verbose: loud}": "verbose: must be 0, 1 or 2",
    "ReduceLROnPlateau: {factor: 1.0}": "factor: must be a number between 0 and 1",
    "ReduceLROnPlateau: {factor: -0.5}": "factor: must be a number between 0 and 1",
    "ReduceLROnPlateau: {cooldown: -2}": "cooldown: must be an integer of at least 0",
    "CSVLogger: {separator: ', '}": "separator: must be one character, other than a quote",
    "CSVLogger: {filename: ''}": "filename: must be a path in the run folder",
    "TensorBoard: {update_freq: step}": "update_freq: must be epoch, batch, or a positive number",
    "TensorBoard: {histogram_freq: 0.5}": "histogram_freq: must be an integer of at least 0",
    "TensorBoard: {profile_batch: [5, 2]}": "profile_batch: must be a batch, or the first and the last",
    "TensorBoard: {profile_batch: 'a,b'}": "profile_batch: must be a batch, or the first and the last",
    "RemoteMonitor: {root: localhost}": "root: must be an address that begins with http://",
    "RemoteMonitor: {headers: yes please}": "headers: must be a mapping",
    "SwapEMAWeights: {swap_on_epoch: 2}": "swap_on_epoch: must be true or false",
    "TerminateOnNaN: {raise_error: 2}": "raise_error: must be true or false",
    "LearningRateScheduler: {schedule: exponential}": "schedule: must be a plug-in class",
}


@pytest.mark.parametrize("line", CALLBACKS)
def test_the_arguments_of_callbacks_are_checked_before_training(line: str) -> None:
    from mlpcli.spec.yaml_reader import parse_text

    text = parse_text(f"callbacks:\n  - {line}\n", "spec.yaml")
    (found,) = check_components(text.data)
    place = text.place(found.path)
    assert (place.line, place.column) == (2, line.index("{") + line[line.index("{") :].index(": ") + 7)
    assert CALLBACKS[line] in found.headline()


def test_right_arguments_of_callbacks_are_taken() -> None:
    right: list[dict[str, Any]] = [
        {"ModelCheckpoint": {"filepath": "a.keras", "save_freq": 20, "mode": "max", "verbose": True}},
        {"EarlyStopping": {"baseline": None, "min_delta": 0, "patience": 0}},
        {"TensorBoard": {"update_freq": "batch", "profile_batch": "2,5", "histogram_freq": 1}},
        {"TensorBoard": {"profile_batch": [2, 5]}},
        {"RemoteMonitor": {"root": "http://localhost:9000", "headers": {"X-Token": "1"}}},
        {"CSVLogger": {"separator": "\t"}},
    ]
    for component in right:
        assert check_components({"callbacks": [component]}) == []


IDS = """\
name: ids
dataset: {path: ids.npz, test: null, validation: 0.2}
layers:
  - Embedding: {input_dim: 9, output_dim: 2}
  - Flatten
  - Dense: {units: 1}
loss: mse
optimizer: {SGD: {learning_rate: 1}}
fit: {epochs: 1, engine: graph}
"""


def _ids(rows: int = 40) -> Any:
    return np.random.default_rng(0).integers(0, 9, (rows, 4))


@pytest.mark.slow
def test_an_id_that_no_layer_has_is_a_row_to_name(
    tmp_path: Path, mlpcli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ids.yaml").write_text(IDS)
    np.savez("ids.npz", x=_ids(), y=np.linspace(0, 1, 40))
    train_bare(Path("ids.yaml"), Path("runs"))
    bad = _ids()
    bad[3, 2], bad[7, 1] = 9, -1
    np.save("bad.npy", bad)
    np.savez("bad.npz", x=bad, y=np.linspace(0, 1, 40))
    rule = "must be a whole number from 0 to 8, received 9, -1; layer 'embedding' has input_dim: 9"
    wanted = f"rows 4 and 8, array 'x' at [2], [1]: {rule}"
    for command in (("predict", "ids", "bad.npy", "-o", "p.csv"), ("evaluate", "ids", "--data", "bad.npz")):
        result = mlpcli(*command)
        assert result.status == 2
        told = result.err.splitlines()[0].partition(" ")[2]
        way_out = "; --rejects FILE writes such rows there and goes on" if command[0] == "predict" else ""
        assert told == wanted + way_out
    assert mlpcli("predict", "ids", "bad.npy", "-o", "p.csv", "--rejects", "r.csv").status == 0
    assert len(Path("p.csv").read_text().splitlines()) == 39
    rejected = Path("r.csv").read_text().splitlines()[1:]
    assert [line.partition('"')[0] for line in rejected] == [
        "bad.npy,4,array 'x' at [2],",
        "bad.npy,8,array 'x' at [1],",
    ]
    good = mlpcli("predict", "ids", "bad.npy", "-o", "all.csv", "--force", "--rejects", "r.csv")
    assert good.status == 0
    for ids, message in (
        (bad, "takes ids from 0 to 8, row 4 of ids.npz has 9, received 9; map the numbers to ids first"),
        (_ids() + 1, "of ids.npz has 9, received 9; set input_dim above the largest id"),
    ):
        np.savez("ids.npz", x=ids, y=np.linspace(0, 1, 40))
        result = mlpcli("check", "ids.yaml")
        assert result.status == 2
        assert result.err.startswith("ids.yaml:4:28 layers[0].Embedding.input_dim: takes ids from 0 to 8")
        assert message in result.err


@pytest.mark.slow
def test_ids_beyond_float32_stay_what_they_are(
    tmp_path: Path, mlpcli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float32, 2^40 to 2^40 + 15 are one number."""
    monkeypatch.chdir(tmp_path)
    x = 2**40 + np.arange(48) % 16
    y = (np.arange(48) % 16).astype("float32")
    np.savez("ids.npz", x=x, y=y)
    words = [2**40 + place for place in range(16)]
    text = IDS.replace("Flatten", "GlobalAveragePooling1D")
    text = text.replace("  - Embedding", f"  - IntegerLookup: {{vocabulary: {words}}}\n  - Embedding")
    text = text.replace("input_dim: 9", "input_dim: 17").replace("learning_rate: 1", "learning_rate: 0.3")
    Path("ids.yaml").write_text(text.replace("graph", "auto"))
    train_bare(Path("ids.yaml"), Path("runs"))
    np.save("new.npy", np.array(words))
    assert mlpcli("predict", "ids", "new.npy", "-o", "p.csv").status == 0
    predicted = [float(line) for line in Path("p.csv").read_text().splitlines()[1:]]
    assert len(set(predicted)) == 16
    np.save("new.npy", np.array([0.5]))
    result = mlpcli("predict", "ids", "new.npy", "-o", "q.csv")
    assert "row 1, array 'x' at [0]: must be a whole number below 2^63, an id, received 0.5" in result.err


def _as_keras(value: Any) -> Any:
    """An argument with its components built by Keras alone."""
    from mlpcli.keras_import import keras

    if isinstance(value, list):
        return [_as_keras(each) for each in value]
    if isinstance(value, dict) and len(value) == 1 and next(iter(value))[:1].isupper():
        ((name, arguments),) = value.items()
        modules = (keras.layers, keras.optimizers, keras.optimizers.schedules)
        cls = next(getattr(module, name) for module in modules if hasattr(module, name))
        return cls(**{key: _as_keras(item) for key, item in arguments.items()})
    return value


def _plain(value: Any) -> Any:
    """A configuration without what differs from object to object: names and seeds."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key not in ("name", "seed")}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if isinstance(value, bool | int | float | str | None) else repr(type(value))


def _state(made: Any) -> Any:
    """The configuration of an object; of one without, its public attributes."""
    try:
        return _plain(made.get_config())
    except (AttributeError, NotImplementedError):
        return _plain({name: each for name, each in vars(made).items() if not name.startswith("_")})


@pytest.mark.slow
def test_every_class_that_a_spec_can_say_is_built_as_keras_builds_it() -> None:
    """And the page of docs counts them, and says why not of each that a spec cannot say."""
    from mlpcli.keras_import import import_keras

    import_keras()
    from mlpcli.keras_import import keras
    from mlpcli.model.components import make_instance

    script = runpy.run_path(str(ROOT / "scripts" / "keras_breadth.py"))
    page = (ROOT / "docs" / "keras.md").read_text(encoding="utf-8")
    assert script["page"]() == page
    built = 0
    for module, names in script["public_classes"]().items():
        namespace = module.removeprefix("keras.")
        for name in names:
            if script["refusal"](module, name):
                continue
            given = sample(namespace, name)
            assert accepted(namespace, name, given), name
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ours = make_instance(namespace, name, given, ())
                place = functools.reduce(getattr, namespace.split("."), keras)
                theirs = getattr(place, name)(**{key: _as_keras(value) for key, value in given.items()})
            assert type(ours) is type(theirs)
            assert _state(ours) == _state(theirs), name
            built += 1
    assert f"{built} are components that a spec can say" in page
    assert built >= 263


LARGE = """\
name: large
dataset: {name: iris}
layers:
  - Dense: {units: 6000, kernel_initializer: orthogonal}
  - Dense: {units: 6000, kernel_initializer: {OrthogonalInitializer: {}}}
  - Dense: {units: 3, activation: softmax}
loss: sparse_categorical_crossentropy
"""


def test_check_neither_fills_large_weights_nor_creates_their_optimizer(
    tmp_path: Path, mlpcli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlpcli.keras_import import import_keras

    import_keras()
    from mlpcli.keras_import import keras
    from mlpcli.model import memory

    monkeypatch.chdir(tmp_path)
    Path("large.yaml").write_text(LARGE.replace("OrthogonalInitializer", "Orthogonal"))
    decomposed: list[Any] = []
    original = keras.initializers.Orthogonal.__call__

    def call(self: Any, shape: Any, dtype: Any = None) -> Any:
        decomposed.append(shape)
        return original(self, shape, dtype)

    monkeypatch.setattr(keras.initializers.Orthogonal, "__call__", call)
    monkeypatch.setattr(keras.optimizers.Adam, "build", lambda self, variables: None)
    monkeypatch.setattr(memory, "optimizer_arrays", lambda optimizer: 2)
    result = mlpcli("check", "large.yaml")
    assert result.status == 0
    assert decomposed == [(4, 6000)]
    assert "36,054,003 parameters" in result.out
    monkeypatch.setattr(memory, "memory_bytes", lambda: 100_000_000)
    result = mlpcli("check", "large.yaml")
    assert result.status == 2
    assert result.err.startswith(
        "large.yaml:5:5 layers[1]: the network would have 36,030,000 parameters; at most"
    )
    Path("large.yaml").write_text(LARGE.replace("6000", "900000", 1).replace("6000", "3"))
    result = mlpcli("check", "large.yaml")
    wanted = "large.yaml:4:5 layers[0]: the outputs of a batch of 32 rows take 115 MB of memory"
    assert result.err.startswith(wanted)
