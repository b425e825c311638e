"""What a stranger's files may do: nothing but be read as numbers, and be refused."""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.runs import trust
from mlpcli.runs.folder import find_run
from tests.bare_runs import train_bare
from tests.conftest import TINY, Result

PLUGIN = """\
import pathlib

import keras

MARK = pathlib.Path(__file__).with_name("ran")
MARK.touch()


class Loud(keras.layers.Layer):
    def call(self, inputs):
        return inputs * 2.0
"""


def test_weights_that_were_changed_are_refused(copied: Path, mlpcli: Callable[..., Result]) -> None:
    path = copied / "model.keras"
    whole = path.read_bytes()
    for place in (10, len(whole) // 3, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        result = mlpcli("evaluate", copied)
        assert result.status == 2
        assert result.err == (
            f"{path} is not what was saved: its checksum is not the one in run.json; "
            "the file is damaged or was replaced; train again\n"
        )


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ('"kind"', '"kin`"', " is damaged: data.contract.kind is missing; restore the original, or"),
        (
            '"data"',
            '"date"',
            " has no entry for the run's data (the run is completed); choose a finished",
        ),
        (
            '"sha256": {',
            '"sha256": 3, "x": {',
            " is damaged: sha256 must be an object, received 3; restore the",
        ),
    ],
)
def test_a_record_that_was_changed_is_refused(
    old: str, new: str, rule: str, copied: Path, mlpcli: Callable[..., Result]
) -> None:
    path = copied / "run.json"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    result = mlpcli("evaluate", copied)
    assert result.status == 2
    assert result.err.startswith(f"{path}{rule}")
    assert result.err.endswith(" train again\n")


def test_a_model_file_that_brings_its_own_network_is_not_followed(
    copied: Path, mlpcli: Callable[..., Result]
) -> None:
    """A stranger who mends the checksum too gets no layer built: the spec says what there is."""
    from mlpcli.files import sha256_of
    from mlpcli.keras_import import import_keras

    keras = import_keras()
    assert mlpcli("evaluate", copied, "--no-figures").status == 0
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    other.save(copied / "model.keras")
    record = json.loads((copied / "run.json").read_text())
    record["sha256"]["model.keras"] = sha256_of(copied / "model.keras")
    (copied / "run.json").write_text(json.dumps(record))
    result = mlpcli("evaluate", copied)
    assert result.status == 2
    assert "does not fit the run's spec" in result.err


FORGED = ("external file", "link to a file", "link to a group", "dataset of another file", "link inside")


@pytest.mark.parametrize("forged", FORGED)
def test_weights_that_lie_in_another_file_are_refused(
    forged: str, copied: Path, tmp_path: Path, mlpcli: Callable[..., Result]
) -> None:
    """HDF5 can say of a dataset that its numbers are in another file: a way to read any file as weights."""
    import h5py

    (tmp_path / "secret").write_bytes(np.ones((4, 8), np.float32).tobytes())
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["vars/0"] = np.ones((4, 8), np.float32)

    def forge(file: h5py.File, kernel: str) -> None:
        group = kernel.rpartition("/")[0]
        if forged == "external file":
            del file[kernel]
            file.create_dataset(kernel, (4, 8), "float32", external=[(str(tmp_path / "secret"), 0, 128)])
        elif forged == "link to a file":
            del file[kernel]
            file[kernel] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/vars/0")
        elif forged == "link to a group":
            del file[group]
            file[group] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/vars")
        elif forged == "link inside":
            file.move(kernel, "elsewhere")
            file[kernel] = h5py.SoftLink("/elsewhere")
        else:
            del file[kernel]
            layout = h5py.VirtualLayout((4, 8), "float32")
            layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "vars/0", (4, 8))
            file.create_virtual_dataset(kernel, layout)

    _forge(copied, weights=forge)
    result = mlpcli("evaluate", copied)
    assert result.status == 2
    assert result.err.startswith(f"{copied / 'model.keras'} does not fit the run's spec (")
    assert result.err.count("\n") == 1


def test_layers_and_settings_of_a_model_file_are_not_followed(
    copied: Path, mlpcli: Callable[..., Result]
) -> None:
    """Beside the weights only lists of numbers are read, of the one setting that layers learn."""
    before = mlpcli("evaluate", copied, "--json", "--no-figures").out

    def forge(config: dict[str, Any]) -> None:
        for layer in config["config"]["layers"]:
            layer["class_name"] = "TFSMLayer"
            layer["config"] |= {
                "filepath": str(copied),
                "activation": "tanh",
                "bin_boundaries": "/etc/passwd",
            }
        config["config"]["layers"].append({"class_name": "Lambda", "config": {"function": "print"}})

    _forge(copied, config=forge)
    assert mlpcli("evaluate", copied, "--json", "--no-figures").out == before


def _forge(
    run: Path,
    *,
    weights: Callable[[Any, str], None] | None = None,
    config: Callable[[dict[str, Any]], None] | None = None,
) -> None:
    """Change `model.keras` as somebody would who wrote the checksum too; `weights` gets a kernel's path."""
    import h5py

    from mlpcli.files import sha256_of

    path = run / "model.keras"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if weights:
        scratch = run.parent / "scratch.h5"
        scratch.write_bytes(members["model.weights.h5"])
        with h5py.File(scratch, "r+") as file:
            kernels: list[str] = []
            file.visititems(
                lambda name, item: kernels.append(name) if getattr(item, "shape", 0) == (4, 8) else None
            )
            weights(file, kernels[0])
        members["model.weights.h5"] = scratch.read_bytes()
        scratch.unlink()
    if config:
        settings = json.loads(members["config.json"])
        config(settings)
        members["config.json"] = json.dumps(settings).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    record = json.loads((run / "run.json").read_text())
    record["sha256"]["model.keras"] = sha256_of(path)
    (run / "run.json").write_text(json.dumps(record))


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["Normalization", "{Discretization: {num_bins: 6, output_mode: one_hot}}"])
def test_the_network_built_anew_predicts_as_the_saved_one(
    layer: str, mlpcli: Callable[..., Result], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    from mlpcli.keras_import import import_keras

    flat = "\n  - Flatten" if "one_hot" in layer else ""
    spec = spec_file(TINY.replace("  - Normalization", f"  - {layer}{flat}\n  - BatchNormalization"))
    run = train_bare(spec, tmp_path / "runs", settings=["fit.epochs=2", "fit.engine=graph"]).folder
    rows = np.random.default_rng(0).normal(3, 1, (20, 4)).astype(np.float32)
    np.save(tmp_path / "rows.npy", rows)
    assert mlpcli("predict", run, tmp_path / "rows.npy", "-o", tmp_path / "out.npy").status == 0
    wanted = import_keras().models.load_model(run / "model.keras").predict(rows, verbose=0)
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), wanted, atol=1e-6)
    metrics = json.loads((run / "metrics.json").read_text())["test"]
    found = json.loads(mlpcli("evaluate", run, "--json", "--no-figures").out)["metrics"]
    assert found == pytest.approx(metrics, abs=1e-6)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run with a plug-in, and the memory of the user who trained it."""
    folder = tmp_path_factory.mktemp("theirs")
    (folder / "loud.py").write_text(PLUGIN)
    spec = folder / "tiny.yaml"
    spec.write_text(TINY.replace("  - Normalization", "  - Normalization\n  - Loud") + "plugins: [loud.py]\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "their state"))
        train_bare(spec, folder / "runs", settings=["fit.engine=graph"])
        assert trust.known_file().read_text().count("\n") == 1
    (folder / "loud.py").unlink()
    return folder


@pytest.fixture
def foreign(theirs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a run with a plug-in, trained by somebody else: this user has no memory of it."""
    for name in ("runs", "their state"):
        shutil.copytree(theirs / name, tmp_path / name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "my state"))
    for name in [name for name in sys.modules if name.startswith("mlpcli_plugin_")]:
        monkeypatch.delitem(sys.modules, name)
    return find_run("tiny", tmp_path / "runs").folder


def test_a_run_from_elsewhere_runs_no_code_unless_told_to(
    foreign: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    label = f"tiny/{foreign.name}"
    message = (
        f"run {label} comes from elsewhere, and plugins/loud.py would run code; "
        "read the file, then add --trust-plugins\n"
    )
    np.save(tmp_path / "rows.npy", np.ones((2, 4), np.float32))
    for command in (
        ["evaluate", foreign],
        ["predict", foreign, tmp_path / "rows.npy"],
        ["train", "--continue", foreign, "--runs-dir", tmp_path / "runs"],
    ):
        result = mlpcli(*command)
        assert (result.status, result.err) == (2, message), command
    assert not (foreign / "plugins" / "ran").exists()
    assert mlpcli("evaluate", foreign, "--trust-plugins", "--no-figures").status == 0
    assert (foreign / "plugins" / "ran").exists()
    assert not trust.known_file().exists()  # this once, not for ever


def test_a_run_trained_here_is_known_by_its_plugins_contents(
    foreign: Path, mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "their state"))
    assert mlpcli("evaluate", foreign, "--no-figures").status == 0
    copy = foreign / "plugins" / "loud.py"
    copy.write_text(PLUGIN.replace("2.0", "3.0"))
    result = mlpcli("evaluate", foreign, "--trust-plugins")
    assert result.status == 2
    assert "plugins/loud.py is not the file that the run was trained with" in result.err


def test_what_was_trained_with_is_not_known_without_a_home_or_a_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(trust.FOLDER, str(tmp_path))
    trust.remember("0a")
    assert trust.is_known("0a")
    trust.known_file().write_bytes(b"0a\xff\n")
    trust.remember("0b")
    assert not trust.is_known("0a")
    monkeypatch.delenv(trust.FOLDER)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", _nobody)
    trust.remember("0c")
    assert not trust.is_known("0c")


def _nobody(number: int) -> object:
    raise KeyError(number)
