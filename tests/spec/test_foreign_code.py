"""A spec makes no class that runs foreign code or opens a file, wherever in the spec the class stands."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlpcli.runs.folder import find_run
from mlpcli.spec import keras_effects, keras_signatures, keras_source
from mlpcli.spec.component_rules import forbidden
from mlpcli.spec.json_schema import spec_schema
from tests.conftest import ROOT, TINY, Result
from tests.spec.refusals import headlines

pytestmark = pytest.mark.slow

REFUSED = {
    "layers": {
        *("FlaxLayer", "InputLayer", "InputSpec", "JaxLayer", "Lambda", "TFSMLayer", "TorchModuleWrapper"),
        "Wrapper",
    },
    "losses": {"Loss"},
    "metrics": {"MeanMetricWrapper", "Metric"},
    "optimizers.schedules": {"LearningRateSchedule"},
    "initializers": {"Initializer"},
    "callbacks": {"CallbackList", "LambdaCallback", "OrbaxCheckpoint"},
}
"""What Keras 3.15 exports and a spec may not name; this list only shows what reading its source finds."""

ABSTRACT = {"callbacks.ProgbarLogger", "losses.Quantile"}
"""Classes that nothing can be built from as they are: Quantile needs its quantiles."""

FOREIGN = "TFSMLayer: {filepath: SAVED, call_endpoint: serve}"
STORED = "{class_name: TFSMLayer, module: keras.layers, config: {filepath: SAVED}, registered_name: null}"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel that writes the file `ran` beside itself when it is called."""
    from mlpcli.keras_import import import_keras

    import_keras()
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("foreign")
    mark = str(folder / "ran")

    class Loud(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32)])  # type: ignore[untyped-decorator]
        def serve(self, x: tf.Tensor) -> tf.Tensor:
            tf.io.write_file(mark, "ran")
            return x

    loud = Loud()
    tf.saved_model.save(loud, str(folder / "saved"), signatures={"serve": loud.serve})
    tf.saved_model.load(str(folder / "saved")).serve(tf.zeros((1, 4)))
    Path(mark).unlink()  # which was there: it does what it says
    return folder / "saved"


def test_every_class_of_keras_is_refused_or_opens_and_runs_nothing(tmp_path: Path) -> None:
    """Constructed, built, and given a path for every argument: see `keras_walk.py`."""
    for namespace in keras_signatures.NAMESPACES:
        names = keras_signatures.class_names(namespace)
        assert {name for name in names if forbidden(namespace, name)} == REFUSED.get(namespace, set())
    (tmp_path / "bait.txt").write_text("a secret line\n")
    command = [sys.executable, "-m", "tests.keras_walk", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=True)
    result = json.loads(done.stdout)
    assert result["seen"] == {}
    assert set(result["not_built"]) == ABSTRACT
    total = sum(len(keras_signatures.class_names(namespace)) for namespace in keras_signatures.NAMESPACES)
    assert result["made"] == total - sum(map(len, REFUSED.values()))
    assert "a secret line" not in done.stdout + done.stderr


SOURCE = """\
import os
from keras.src.layers.layer import Layer
from keras.src.utils.module_utils import tensorflow as tf
from keras.src.layers.elsewhere import Reader

def _help(path):
    return open(path)

class Opens(Layer):
    def __init__(self, path):
        _help(path)

class Imports(Layer):
    def call(self, x):
        from torch import nn
        return x

class Reads(Layer):
    def build(self, shape):
        self.table = tf.io.read_file("x")

class Removes(Layer):
    def adapt(self, x):
        remove = os.remove

class Inherits(Removes):
    pass

class Makes(Layer):
    def __init__(self):
        self.inner = Reader("x")

class Adds(Layer):
    def call(self, x):
        return tf.strings.lower(tf.cast(x, "string"))

    def get_config(self):
        return {"text": open("x").read()}
"""
ELSEWHERE = """\
import numpy as np
from keras.src.layers.layer import Layer

class Reader(Layer):
    def __init__(self, path):
        self.rows = np.load(path)
"""


def test_what_a_class_may_do_is_read_off_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes that Keras does not have yet, with each of the ways to reach for a file or for code."""
    (tmp_path / "src" / "layers").mkdir(parents=True)
    (tmp_path / "src" / "layers" / "unheard_of.py").write_text(SOURCE)
    (tmp_path / "src" / "layers" / "elsewhere.py").write_text(ELSEWHERE)
    names = ("Opens", "Imports", "Reads", "Removes", "Inherits", "Makes", "Adds")
    imports = (f"from keras.src.layers.unheard_of import {name} as {name}" for name in names)
    (tmp_path / "unheard_of.py").write_text("\n".join(imports))
    monkeypatch.setattr(keras_source, "_root", lambda: tmp_path)
    found = {name: set(keras_effects.unguarded("unheard_of", name)) for name in names}
    assert found == {
        "Opens": {"builtins.open"},
        "Imports": {"torch.nn"},
        "Reads": {"tensorflow.io.read_file"},
        "Removes": {"os.remove"},
        "Inherits": {"os.remove"},
        "Makes": {"numpy.load"},
        "Adds": set(),
    }


LAYER_PLACES = {
    "alone": "  - {FOREIGN}",
    "as a word": "  - TFSMLayer",
    "named": "  - {FOREIGN, name: x}",
    "in a wrapper": "  - TimeDistributed: {layer: {FOREIGN}}",
    "in two wrappers": "  - TimeDistributed: {layer: {Bidirectional: {layer: {FOREIGN}}}}",
    "as a cell": "  - RNN: {cell: {FOREIGN}}",
    "in a list": "  - Pipeline: {layers: [{FOREIGN}]}",
    "in lists of lists": "  - Pipeline: {layers: [[[{FOREIGN}]]]}",
    "as an activation": "  - Dense: {units: 3, activation: {FOREIGN}}",
    "as a word of an activation": "  - Dense: {units: 3, activation: TFSMLayer}",
    "as a number": "  - Dense: {units: {FOREIGN}}",
    "as a rate": "  - Dropout: {rate: {FOREIGN}}",
    "as any argument": "  - Dense: {units: 3, dtype: {FOREIGN}}",
    "as an initializer": "  - Dense: {units: 3, kernel_initializer: {FOREIGN}}",
    "in an initializer": "  - Dense: {units: 3, kernel_initializer: {GlorotUniform: {seed: {FOREIGN}}}}",
    "as a choice": "  - {hp: choice, values: [Flatten, {FOREIGN}]}",
    "as a choice of an argument": "  - Dense: {units: {hp: choice, values: [3, {FOREIGN}]}}",
    "as a choice in a wrapper": "  - TimeDistributed: {layer: {hp: choice, values: [Flatten, {FOREIGN}]}}",
    "stored by Keras": "  - STORED",
    "stored, in a wrapper": "  - TimeDistributed: {layer: STORED}",
    "stored, as a dtype": "  - Dense: {units: 3, dtype: STORED}",
    "stored, as a seed": "  - Dense: {units: 3, kernel_initializer: {GlorotUniform: {seed: STORED}}}",
    "stored, as a mask": "  - Masking: {mask_value: STORED}",
    "stored, in a list": "  - Pipeline: {layers: [STORED]}",
    "stored, in a choice": "  - Masking: {mask_value: {hp: choice, values: [1, STORED]}}",
}


FOR_THIS_REASON = re.compile(
    r"is not allowed in a spec, received 'TFSMLayer'|received 'TFSMLayer'; TFSMLayer is a layer"
    r"|(cannot be a mapping|must name one layer|must be a layer).*(TFSMLayer|class_name)"
)
"""What a foreign model is refused for, and not for another mistake of the line that holds it."""


def _filled(text: str, saved: Path) -> str:
    return text.replace("FOREIGN", FOREIGN).replace("STORED", STORED).replace("SAVED", str(saved))


@pytest.mark.parametrize("place", LAYER_PLACES)
def test_a_foreign_model_is_refused_wherever_it_stands(
    place: str, saved: Path, mlpcli: Callable[..., Result], spec_file: Callable[[str], Path]
) -> None:
    line = _filled(LAYER_PLACES[place], saved)
    spec = spec_file(TINY.replace("  - Normalization", f"  - Normalization\n{line}"))
    result = mlpcli("check", spec)
    assert result.status == 2
    said = headlines(result.err)
    assert all(line.startswith(f"{spec}:6:") for line in said)
    assert any(re.search(FOR_THIS_REASON, line) for line in said)
    assert not (saved.parent / "ran").exists()


def test_the_message_says_why_and_what_instead(
    saved: Path, mlpcli: Callable[..., Result], spec_file: Callable[[str], Path]
) -> None:
    spec = spec_file(TINY.replace("  - Normalization", _filled("  - {FOREIGN}", saved)))
    first = mlpcli("check", spec).err.splitlines()[0]
    assert first == (
        f"{spec}:5:6 layers[0].TFSMLayer: is not allowed in a spec, received 'TFSMLayer'; a spec runs no "
        "code and loads no file, and TFSMLayer uses tensorflow.saved_model.load: use other layers, or "
        "write one in a plug-in"
    )


def test_it_is_refused_in_other_keys_too(
    mlpcli: Callable[..., Result], spec_file: Callable[[str], Path]
) -> None:
    foreign = "{" + FOREIGN + "}"
    for line in (
        f"optimizer: {{Adam: {{learning_rate: {foreign}}}}}",
        f"optimizer: {{Adam: {{learning_rate: 0.1, name: {foreign}}}}}",
        f"optimizer: {{LossScaleOptimizer: {{inner_optimizer: {{Adam: {{name: {foreign}}}}}}}}}",
        f"loss: {{MeanSquaredError: {{name: {foreign}}}}}",
        f"metrics: [{{Mean: {{name: {foreign}}}}}]",
        f"callbacks: [{{EarlyStopping: {{baseline: {foreign}}}}}]",
        f"callbacks: [{{LearningRateScheduler: {{schedule: {foreign}}}}}]",
    ):
        key = line.partition(":")[0]
        text = "".join(kept for kept in TINY.splitlines(keepends=True) if not kept.startswith(f"{key}:"))
        spec = spec_file(text + line)
        result = mlpcli("check", spec)
        assert result.status == 2, line
        place = f"{spec}:{len(text.splitlines()) + 1}:"
        assert any(each.startswith(place) and "TFSMLayer" in each for each in headlines(result.err)), line


def test_it_is_refused_from_a_base_spec_and_from_the_command_line(
    saved: Path, mlpcli: Callable[..., Result], spec_file: Callable[[str, str], Path]
) -> None:
    foreign = _filled("{FOREIGN}", saved)
    base = spec_file(TINY.replace("  - Normalization", f"  - {foreign}"), "base.yaml")
    for spec, options in (
        (spec_file("extends: base.yaml\nname: child\n", "child.yaml"), []),
        (spec_file(TINY, "tiny.yaml"), ["--set", f"layers[0]={foreign}"]),
        (spec_file(TINY, "tiny.yaml"), ["--set", f"layers[1].Dense.activation={foreign}"]),
    ):
        result = mlpcli("check", spec, *options)
        assert result.status == 2
        assert "TFSMLayer: is not allowed in a spec" in result.err
    assert str(base) in mlpcli("check", base.with_name("child.yaml")).err
    assert not (saved.parent / "ran").exists()


def test_it_is_refused_in_a_run(
    saved: Path, tiny_run: Path, tmp_path: Path, mlpcli: Callable[..., Result]
) -> None:
    """A stranger's run folder, whose `resolved.yaml` names what its spec could not."""
    shutil.copytree(tiny_run, tmp_path / "runs")
    run = find_run("tiny", tmp_path / "runs").folder
    for name in ("resolved.yaml", "spec.yaml"):
        text, places = re.subn(r"( *)- Normalization", r"\1- {FOREIGN}\n\g<0>", (run / name).read_text())
        assert places == 1
        (run / name).write_text(_filled(text, saved))
    start = tmp_path / "start.yaml"
    start.write_text(TINY.replace("name: tiny", "name: begun") + f"start_from: {{run: {run}}}\n")
    rows = tmp_path / "rows.csv"
    rows.write_text("1,2,3,4\n")
    for command in (
        ("evaluate", run),
        ("predict", run, rows),
        ("inspect", run),
        ("code", run),
        ("reproduce", run),
        ("train", run / "resolved.yaml"),
        ("train", "--resume", run),
        ("train", "--continue", run, "--epochs", "9"),
        ("train", start, "--runs-dir", tmp_path / "runs"),
    ):
        if "--resume" in command:  # a finished run has nothing to resume, and is not opened further
            record = json.loads((run / "run.json").read_text())
            (run / "run.json").write_text(json.dumps(record | {"status": "interrupted"}))
        result = mlpcli(*command)
        assert not (saved.parent / "ran").exists(), command
        assert result.status == 2 or command[0] == "inspect", (command, result)


def test_the_schema_does_not_offer_what_is_refused() -> None:
    definitions = spec_schema()["$defs"]
    for namespace, names in REFUSED.items():
        words, classes = definitions[namespace]["anyOf"]
        assert not names & {*words["enum"], *classes["properties"]}
        assert not any(f"{namespace}.{name}" in definitions for name in names)
    for name in ("StringLookup", "IntegerLookup", "TextVectorization"):
        vocabulary = definitions[f"layers.{name}"]["properties"]["vocabulary"]
        assert vocabulary["else"] == {"type": ["array", "null"]}


@pytest.mark.parametrize("layer", ["StringLookup", "IntegerLookup", "TextVectorization"])
@pytest.mark.parametrize(
    "form", ["{0}: {{vocabulary: {1}}}", "TimeDistributed: {{layer: {{{0}: {{vocabulary: {1}}}}}}}"]
)
def test_a_vocabulary_is_no_file(
    layer: str, form: str, tmp_path: Path, mlpcli: Callable[..., Result], spec_file: Callable[[str], Path]
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("password\npassword\n")  # Keras quotes a repeated term
    line = form.format(layer, secret)
    result = mlpcli("check", spec_file(TINY.replace("  - Normalization", f"  - {line}")))
    assert result.status == 2
    assert "must be a list, not the path of a file" in result.err
    assert "write the words as a list" in result.err
    assert "password" not in result.err


@pytest.mark.parametrize(
    ("callbacks", "said"),
    [
        (
            "{CallbackList: {callbacks: [{CSVLogger: {filename: OUT}}]}}",
            "CallbackList: is not allowed in a spec",
        ),
        ("{OrbaxCheckpoint: {directory: OUT}}", "OrbaxCheckpoint: is not allowed in a spec"),
        (
            "{LambdaCallback: {on_epoch_end: print}}",
            "a spec runs no code: write a callback class in a plug-in",
        ),
        ("{LearningRateScheduler: {schedule: print}}", "must be a plug-in class"),
        (
            "{EarlyStopping: {baseline: {CSVLogger: {filename: OUT}}}}",
            "CSVLogger: is not allowed as an argument",
        ),
        ("{EarlyStopping: {baseline: {RemoteMonitor: {}}}}", "RemoteMonitor: is not allowed as an argument"),
        ("{CSVLogger: {filename: OUT}}", "must be a path inside the run folder"),
        ("{TensorBoard: {log_dir: OUT}}", "must be a path inside the run folder"),
        ("{TensorBoard: {embeddings_metadata: OUT}}", "must be a path inside the run folder"),
        ("{TensorBoard: {embeddings_metadata: {a: ../x}}}", "must be a path inside the run folder"),
        ("{ModelCheckpoint: {filepath: '../{epoch}.keras'}}", "must be a path inside the run folder"),
        ("{ModelCheckpoint: {filepath: '{epoch.__doc__[127]}.keras'}}", "only the numbers of an epoch"),
        ("{ModelCheckpoint: {filepath: '{epoch:c}.keras'}}", "only the numbers of an epoch"),
        ("{ModelCheckpoint: {filepath: '{epoch!r:.>3}.keras'}}", "only the numbers of an epoch"),
        ("{ModelCheckpoint: {filepath: '{.keras'}}", "only the numbers of an epoch"),
        ("{ModelCheckpoint: {filepath: '{}.keras'}}", "only the numbers of an epoch"),
        ("{ModelCheckpoint: {filepath: '{val_acc}.keras'}}", "no number is called 'val_acc'"),
        ("{ModelCheckpoint: {filepath: '{batch}.keras'}}", "no number is called 'batch'"),
        ("{ModelCheckpoint: {filepath: '{val_loss}.keras', save_freq: 2}}", "no number is called 'val_loss'"),
        ("{ModelCheckpoint: {filepath: '{val_loss:d}.keras'}}", "format code 'd'"),
    ],
)
def test_a_callback_writes_inside_the_run_alone(
    callbacks: str, said: str, tmp_path: Path, mlpcli: Callable[..., Result], spec_file: Callable[[str], Path]
) -> None:
    spec = spec_file(TINY + f"callbacks: [{callbacks.replace('OUT', str(tmp_path / 'out'))}]\n")
    before = sorted(tmp_path.rglob("*"))
    result = mlpcli("train", spec, "--runs-dir", tmp_path / "runs")
    assert result.status == 2
    assert said in result.err
    left = [path for path in sorted(tmp_path.rglob("*")) if not path.is_relative_to(tmp_path / "runs")]
    assert left == before


def test_placeholders_of_numbers_are_filled_in(
    tmp_path: Path, mlpcli: Callable[..., Result], spec_file: Callable[[str], Path]
) -> None:
    file = "'kept/{{x}}-{epoch:02d}-{val_loss:.2f}.keras'"
    text = (
        TINY.replace("epochs: 5", "epochs: 1") + f"callbacks: [{{ModelCheckpoint: {{filepath: {file}}}}}]\n"
    )
    assert mlpcli("train", spec_file(text), "--runs-dir", tmp_path / "runs").status == 0
    (kept,) = (find_run("tiny", tmp_path / "runs").folder / "kept").iterdir()
    assert kept.name.startswith("{x}-01-")


def test_plain_arguments_still_pass(mlpcli: Callable[..., Result], spec_file: Callable[[str], Path]) -> None:
    """Components, lists and the one plain mapping that Keras takes."""
    text = TINY.replace(
        "  - Normalization", "  - Normalization\n  - Pipeline: {layers: [{Rescaling: {scale: 2}}]}"
    )
    text += "callbacks: [{RemoteMonitor: {headers: {token: x}}}]\n"
    assert mlpcli("check", spec_file(text)).status == 0


def test_it_is_refused_in_an_argument_of_a_plug_in(
    saved: Path, mlpcli: Callable[..., Result], spec_file: Callable[[str, str], Path]
) -> None:
    """A plug-in may have been read and trusted; what a stranger's spec gives it as arguments was not."""
    spec_file("from elsewhere import Base\n\n\nclass Holder(Base):\n    pass\n", "holder.py")
    for arguments in ("{inner: {FOREIGN}}", "{inner: [[{FOREIGN}]]}", "{log: {CSVLogger: {filename: /x}}}"):
        line = _filled(f"  - Holder: {arguments}", saved)
        text = TINY.replace("  - Normalization", line) + "plugins: [holder.py]\n"
        result = mlpcli("check", spec_file(text, "spec.yaml"))
        assert result.status == 2
        assert ": is not allowed " in result.err
    assert not (saved.parent / "ran").exists()
