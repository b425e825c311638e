"""Plug-in files: read without running, run once checked, copied into the run, and used from there."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlpcli.errors import SpecError
from mlpcli.spec.load import load_spec
from tests.bare_runs import train_bare
from tests.conftest import Result

pytestmark = pytest.mark.slow

PARTS = """\
import keras
from keras import ops


class Scaled(keras.layers.Layer):
    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor
        print("a layer is made")

    def call(self, inputs):
        return inputs * self.factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


class Pinball(keras.losses.Loss):
    def __init__(self, quantile=0.5, name="pinball", reduction="sum_over_batch_size"):
        super().__init__(name=name, reduction=reduction)
        self.quantile = quantile

    def call(self, y_true, y_pred):
        gap = ops.reshape(y_true, ops.shape(y_pred)) - y_pred
        return ops.mean(ops.maximum(self.quantile * gap, (self.quantile - 1) * gap), axis=-1)


class Largest(keras.metrics.Metric):
    def __init__(self, name="largest", **kwargs):
        super().__init__(name=name, **kwargs)
        self.value = self.add_weight(shape=(), initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        gap = ops.max(ops.abs(ops.reshape(y_true, ops.shape(y_pred)) - y_pred))
        self.value.assign(ops.maximum(self.value, gap))

    def result(self):
        return self.value


class Counted(keras.callbacks.EarlyStopping):
    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        logs["counted"] = epoch


class Tiny(keras.initializers.Initializer):
    def __call__(self, shape, dtype=None):
        return ops.ones(shape, dtype) * 0.01


def bent(x):
    return ops.where(x > 0, x, 0.1 * x)


def shrink(weights):
    return 1e-3 * ops.sum(ops.square(weights))


def start_small(shape, dtype=None):
    return ops.ones(shape, dtype) * 0.02


def gap(y_true, y_pred):
    return ops.mean(ops.abs(ops.reshape(y_true, ops.shape(y_pred)) - y_pred), axis=-1)


def _hidden(x):
    return x
"""

PRINTED = "a layer is made\n"

SPEC = """\
name: plugged
seed: 2
plugins: [my_parts.py]
dataset: {name: diabetes}
layers:
  - Scaled: {factor: 4.0}
  - Dense: {units: 8, activation: bent, kernel_regularizer: shrink, bias_initializer: {Tiny: {}}}
  - Dense: {units: 1, kernel_initializer: start_small}
loss: {Pinball: {quantile: 0.6}}
optimizer: {Adam: {learning_rate: 0.5}}
metrics: [gap, Largest]
fit: {epochs: 2, batch_size: 64}
callbacks: [Counted: {patience: 3}]
"""


def _write(folder: Path, parts: str = PARTS, spec: str = SPEC) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "my_parts.py").write_text(parts, encoding="utf-8")
    path = folder / "plugged.yaml"
    path.write_text(spec, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def plugged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A finished run with every kind of plug-in part, and the spec that made it."""
    folder = tmp_path_factory.mktemp("plugged")
    spec = _write(folder / "specs")
    return train_bare(spec, folder / "runs").folder, spec


def test_every_kind_of_part_trains_in_the_compiled_loop(plugged: tuple[Path, Path]) -> None:
    run_dir, _ = plugged
    record = json.loads((run_dir / "run.json").read_text())
    assert record["engine"]["name"] == "compiled"
    header, *rows = (run_dir / "history.csv").read_text().splitlines()
    assert {"loss", "gap", "largest", "val_largest", "counted"} <= set(header.split(","))
    losses = [float(row.split(",")[1]) for row in rows]
    assert losses[1] < losses[0]


def test_the_run_keeps_copies_with_their_hashes(plugged: tuple[Path, Path]) -> None:
    run_dir, spec = plugged
    (entry,) = json.loads((run_dir / "run.json").read_text())["plugins"]
    copy = (run_dir / entry["file"]).read_bytes()
    assert entry["file"] == "plugins/my_parts.py"
    assert copy == (spec.parent / "my_parts.py").read_bytes()
    assert entry["sha256"] == hashlib.sha256(copy).hexdigest()
    assert load_spec(run_dir / "resolved.yaml").spec.plugins == ["plugins/my_parts.py"]


def test_a_run_goes_on_without_and_beside_a_changed_original(
    plugged: tuple[Path, Path], mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    run_dir, spec = plugged
    np.save(tmp_path / "rows.npy", np.linspace(-0.1, 0.1, 30, dtype=np.float32).reshape(3, 10))
    original = spec.parent / "my_parts.py"
    expected = json.loads((run_dir / "metrics.json").read_text())["test"]

    def answers() -> tuple[dict[str, float], str, str]:
        evaluated = mlpcli("evaluate", run_dir, "--json", "--no-figures")
        assert evaluated.status == 0, evaluated.err
        predicted = mlpcli("predict", run_dir, tmp_path / "rows.npy")
        assert predicted.status == 0, predicted.err
        assert PRINTED in evaluated.err  # stdout is for the document, and for the table
        assert PRINTED not in predicted.out
        said = evaluated.err.replace(PRINTED, "")
        assert predicted.err.replace(PRINTED, "") == said
        return json.loads(evaluated.out)["metrics"], predicted.out, said

    metrics, predictions, said = answers()
    assert metrics == pytest.approx(expected, rel=1e-5)
    assert said == ""
    original.write_text(PARTS.replace("x, 0.1 * x", "x, 5.0 * x"), encoding="utf-8")
    other = train_bare(spec, tmp_path / "runs")  # the changed one, in between
    assert json.loads((other / "metrics.json").read_text())["test"]["loss"] != pytest.approx(expected["loss"])
    try:
        changed = answers()
        assert changed[:2] == (metrics, predictions)
        told = f"{original} has changed since run plugged/{run_dir.name} was trained; "
        assert " ".join(changed[2].split()) == f"{told}the run's own copy is used"
        original.unlink()
        assert answers() == (metrics, predictions, "")
    finally:
        original.write_text(PARTS, encoding="utf-8")


@pytest.mark.parametrize("command", ["evaluate", "train --resume", "train --continue"])
def test_a_tampered_copy_is_refused_and_not_run(
    command: str, mlpcli: Callable[..., Result], tmp_path: Path, plugged: tuple[Path, Path]
) -> None:
    run_dir = tmp_path / "plugged" / plugged[0].name
    shutil.copytree(plugged[0], run_dir)
    if command == "train --resume":
        record = (run_dir / "run.json").read_text(encoding="utf-8")
        assert '"status": "completed"' in record
        (run_dir / "run.json").write_text(record.replace('"status": "completed"', '"status": "interrupted"'))
    copy = run_dir / "plugins" / "my_parts.py"
    copy.write_text(
        f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\n{PARTS}", encoding="utf-8"
    )
    result = mlpcli(*command.split(), run_dir)
    assert result.status == 2
    assert "plugins/my_parts.py is not the file that the run was trained with" in result.err
    assert not (tmp_path / "ran").exists()


def test_reading_a_spec_runs_nothing_of_its_plug_ins(tmp_path: Path) -> None:
    spec = _write(tmp_path, "import sys\nsys.modules['proof_of_running'] = sys\n" + PARTS)
    load_spec(spec)
    assert "proof_of_running" not in sys.modules


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("Scaled: {factor: 4.0}", "Scaled", "layers[0]: Scaled needs the argument 'factor'"),
        (
            "Scaled: {factor: 4.0}",
            "Scaled: {facto: 4.0}",
            "layers[0].Scaled.facto: Scaled has no such argument, received 'facto'; did you mean 'factor'?",
        ),
        ("Scaled: {", "Scaledd: {", "unknown layer, received 'Scaledd'; did you mean 'Scaled'?"),
        ("Scaled: {factor: 4.0}", "Pinball", "Pinball of my_parts.py is a loss"),
        (
            "activation: bent",
            "activation: gap",
            "a function used as activation is called with (x), and gap of my_parts.py takes (y_true, y_pred)",
        ),
        ("activation: bent", "activation: bend", "unknown activation, received 'bend'; did you mean 'bent'?"),
        ("activation: bent", "activation: _hidden", "unknown activation, received '_hidden'"),
        (
            "metrics: [gap",
            "metrics: [shrink",
            "is called with (y_true, y_pred), and shrink of my_parts.py takes",
        ),
        (
            "patience: 3",
            "patienc: 3",
            "Counted has no such argument, received 'patienc'; did you mean 'patience'?",
        ),
        ("plugins: [my_parts.py]", "plugins: [mine.py]", "plugins[0]: there is no such file in "),
        ("plugins: [my_parts.py]", "plugins: my_parts.py", "plugins: must be a list of Python files"),
        (
            "plugins: [my_parts.py]",
            "plugins: [../my_parts.py]",
            "plugins[0]: must be a Python file in the spec's own",
        ),
        (
            "plugins: [my_parts.py]",
            "plugins: [/etc/passwd]",
            "plugins[0]: must be a Python file in the spec's own",
        ),
        (
            "plugins: [my_parts.py]",
            "plugins: [my_parts.py, my_parts.py]",
            "plugins[1]: must have a different file name",
        ),
    ],
)
def test_mistakes_with_plug_ins_are_told_at_their_line(old: str, new: str, told: str, tmp_path: Path) -> None:
    assert old in SPEC
    spec = _write(tmp_path, spec=SPEC.replace(old, new))
    with pytest.raises(SpecError) as error:
        load_spec(spec)
    text = str(error.value)
    assert told in text
    assert text.startswith(f"{spec}:")


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ("def broken(:\n    pass\n", "my_parts.py:1:12: is not Python: invalid syntax"),
        ("\n\nclass Dense(keras.layers.Layer):\n    pass\n", "my_parts.py:3:1: Keras has this name already"),
        ("def relu(x):\n    return x\n", "my_parts.py:1:1: Keras has this name already, received 'relu'"),
        ("def heaviside(x):\n    return x\n", "mlpcli has this name already, received 'heaviside'"),
    ],
)
def test_a_plug_in_that_cannot_be_read_is_told_at_its_own_line(parts: str, told: str, tmp_path: Path) -> None:
    spec = _write(tmp_path, parts)
    with pytest.raises(SpecError) as error:
        load_spec(spec)
    text = str(error.value)
    assert told in text
    if "not Python" in told:  # its names cannot be known: no word on them
        assert "Scaled" not in text


def test_a_check_prints_one_document_whatever_a_plug_in_prints(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    """Its file has a byte-order mark, as Windows writes it, and its callback monitors several values."""
    parts = (
        PARTS
        + "\n\nclass Several(keras.callbacks.Callback):\n    def __init__(self, monitor):\n        pass\n"
    )
    spec = _write(
        tmp_path, "\ufeff" + parts, SPEC.replace("[Counted:", "[Several: {monitor: [loss, gap]}, Counted:")
    )
    resolved = mlpcli("check", spec, "--resolved")
    found = mlpcli("check", spec, "--resolved", "--json")
    assert (resolved.status, found.status) == (0, 0), found.err
    assert PRINTED in found.err
    assert PRINTED in resolved.err
    assert json.loads(found.out)["resolved"] == resolved.out
    assert resolved.out.startswith("name: plugged\n")


def test_a_plug_ins_layer_named_as_one_of_mlpclis_is_the_one_that_is_meant(tmp_path: Path) -> None:
    """Specs and runs from before mlpcli had a layer of this name stay what they are."""
    from mlpcli.keras_import import import_keras

    import_keras()
    from mlpcli.model.components import make_instance
    from mlpcli.model.plugins import import_plugins

    parts = PARTS.replace("class Scaled", "class Scale")
    spec = _write(tmp_path, parts, SPEC.replace("Scaled", "Scale"))
    loaded = load_spec(spec)
    plugins = import_plugins(loaded.catalog)
    layer = loaded.spec.layers[0]
    made = make_instance("layers", layer.class_name, layer.arguments, ("layers", 0), plugins)
    assert type(made).__module__.startswith("mlpcli_plugin_")


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    spec = _write(tmp_path / "specs")
    (spec.parent / "my_parts.py").rename(tmp_path / "outside.py")
    (spec.parent / "my_parts.py").symlink_to(tmp_path / "outside.py")
    with pytest.raises(SpecError, match="is a link to a file outside the spec's own folder"):
        load_spec(spec)


def test_a_plug_in_that_fails_to_import_shows_its_own_last_lines(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    broken = PARTS + "\n\ndef _table():\n    return {}['missing']\n\n\nVALUES = _table()\n"
    spec = _write(tmp_path, broken)
    result = mlpcli("train", spec, "--runs-dir", tmp_path / "runs")
    assert result.status == 2
    line = broken.splitlines().index("    return {}['missing']") + 1
    headline, source, _ = result.err.splitlines()
    assert headline.startswith(f"{tmp_path}/my_parts.py:{line}:1: the plug-in cannot be imported: File")
    assert headline.endswith("KeyError: 'missing'")
    assert "VALUES = _table()" in headline
    assert "model/plugins.py" not in result.err
    assert source.endswith("return {}['missing']")
    assert not (tmp_path / "runs").exists()


def test_a_class_whose_base_cannot_be_told_may_stand_anywhere(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    parts = "import importlib\nK = importlib.import_module('keras')\nclass Odd(K.layers.Dense):\n    pass\n"
    spec = """\
name: odd
plugins: [my_parts.py]
dataset: {name: iris}
layers: [Odd: {units: 3, activation: softmax}]
loss: sparse_categorical_crossentropy
fit: {epochs: 1, engine: graph}
"""
    path = _write(tmp_path, parts, spec)
    run = train_bare(path, tmp_path / "runs")
    result = mlpcli("evaluate", run.folder, "--json", "--no-figures")
    assert result.status == 0, result.err
