"""The cache of compiled programs: the same numbers with it, and only our own undamaged files are used."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TRAIN = """
import hashlib, json
from mlpcli.keras_import import keras
from mlpcli.training.compiled import program_cache
program_cache.open_cache()
import numpy as np
keras.utils.clear_session()  # for equal names in a process that has trained before
from mlpcli.training import compiled
keras.utils.set_random_seed(3)
x = np.random.default_rng(0).normal(size=(70, 5)).astype("float32")
layers = keras.layers
hidden = [layers.Dense(6, activation="tanh"), layers.BatchNormalization(), layers.Dropout(0.3)]
model = keras.Sequential([keras.Input((5,)), *hidden, layers.Dense(1)])
model.compile(optimizer="adam", loss="mse")
rows = compiled.Arrays(x, x[:, :1] * 2)
how = compiled.FitSettings(epochs=3, batch_size=16, shuffle=True, seed=1, validation=rows)
history = compiled.fit(model, rows, how)
digest = hashlib.sha256(b"".join(variable.numpy().tobytes() for variable in model.variables)).hexdigest()
print(json.dumps([digest, history.history]))
"""


def _train(folder: Path) -> object:
    """The weights' digest and the history of a training in a process of its own, with a cache in a folder."""
    done = subprocess.run(
        [sys.executable, "-c", TRAIN],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"XDG_CACHE_HOME": str(folder), "MLPCLI_CACHE": "on"},
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    found: object = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
def test_a_training_is_the_same_in_every_process_whether_its_program_is_compiled_or_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = _train(tmp_path)
    (program,) = tmp_path.glob("mlpcli/programs/*/*.pb")
    kept, written = program.read_bytes(), program.stat().st_ino
    assert _train(tmp_path) == first
    assert program.stat().st_ino == written  # it was used: a program that is compiled is written again
    program.write_bytes(kept[: len(kept) // 2])
    assert _train(tmp_path) == first
    assert len(program.read_bytes()) == len(kept)
    assert program.with_name(program.name + ".sha256").exists()
    assert program.parent.stat().st_mode & 0o777 == 0o700
    exec(TRAIN, {})  # in this process, whose cache is off
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == first


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    return tmp_path / "caches"


def _add(folder: Path, name: str, content: bytes, sum_of: bytes | None) -> Path:
    """Add a program, with the checksum of some bytes beside it."""
    path = folder / f"{name}.pb"
    path.write_bytes(content)
    if sum_of is not None:
        path.with_name(f"{name}.pb.sha256").write_text(hashlib.sha256(sum_of).hexdigest(), encoding="ascii")
    return path


def test_only_whole_programs_of_our_own_are_kept(caches: Path) -> None:
    from mlpcli.training.compiled.program_cache import _open_folder

    folder = _open_folder()
    assert folder is not None
    whole = _add(folder, "whole", b"program", b"program")
    bad = [_add(folder, "cut", b"prog", b"program"), _add(folder, "new", b"program", None)]
    shared = _add(folder, "shared", b"program", b"program")
    shared.chmod(0o666)
    assert _open_folder() == folder
    assert sorted(path.name for path in folder.iterdir()) == [whole.name, "whole.pb.sha256"]
    assert not any(path.exists() for path in [*bad, shared])


def test_the_oldest_programs_go_when_there_are_too_many(
    caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlpcli.training.compiled import program_cache

    monkeypatch.setattr(program_cache, "MOST_BYTES", 25)
    folder = program_cache._open_folder()
    assert folder is not None
    other = folder.parent / "another machine"
    other.mkdir()
    for age, place, name in ((3, other, "oldest"), (1, folder, "newest"), (2, folder, "middle")):
        path = _add(place, name, b"0123456789", b"0123456789")
        os.utime(path, (1_000_000 - age, 1_000_000 - age))
    program_cache._open_folder()
    left = {path.name for path in folder.parent.glob("*/*")}
    assert left == {"newest.pb", "newest.pb.sha256", "middle.pb", "middle.pb.sha256"}


UNSAFE = ["shared", "link", "link inside", "file", "no folder", "off", "spaces", "other flags"]


@pytest.mark.parametrize("unsafe", UNSAFE)
def test_an_unsafe_or_unwanted_cache_is_not_used(
    unsafe: str, caches: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlpcli.training.compiled import program_cache

    monkeypatch.setenv("MLPCLI_CACHE", "on")
    own = caches / "mlpcli"
    if unsafe == "shared":
        own.mkdir(parents=True)
        own.chmod(0o777)
    elif unsafe == "link":
        caches.mkdir()
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        own.symlink_to(tmp_path / "elsewhere")
    elif unsafe == "link inside":
        folder = program_cache._open_folder()
        assert folder is not None
        (folder / "one.pb").symlink_to(_add(tmp_path, "elsewhere", b"program", b"program"))
    elif unsafe == "file":
        own.parent.mkdir()
        own.write_text("in the way", encoding="utf-8")
    elif unsafe == "no folder":
        monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    elif unsafe == "off":
        monkeypatch.setenv("MLPCLI_CACHE", "off")
    elif unsafe == "spaces":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "two words"))
    else:
        monkeypatch.setenv("TF_XLA_FLAGS", f"{program_cache.DIRECTORY_FLAG}={tmp_path}")
    monkeypatch.setattr(program_cache, "_opened", [])
    flags = os.environ.get("TF_XLA_FLAGS")
    program_cache.open_cache.__wrapped__()
    assert program_cache._opened == []
    assert os.environ.get("TF_XLA_FLAGS") == flags
    assert unsafe == "link inside" or list(tmp_path.rglob("programs/*")) == []
    calls: list[int] = []
    program_cache.compile_with_cache(lambda: calls.append(1))
    assert calls == [1]


def test_a_file_that_vanishes_while_a_program_is_compiled_is_compiled_again(
    caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    from mlpcli.training.compiled import program_cache

    folder = program_cache._open_folder()
    assert folder is not None
    monkeypatch.setattr(program_cache, "_opened", [folder])
    folder.rmdir()
    calls: list[bool] = []

    def compiling() -> None:
        calls.append(folder.exists())
        if not folder.exists():
            raise tf.errors.NotFoundError(None, None, "no folder")

    program_cache.compile_with_cache(compiling)
    assert calls == [False, True]
