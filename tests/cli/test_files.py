"""Files are whole whatever fails, and a checkpoint that is not what was written is refused."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlpcli.errors import RunError
from mlpcli.files import replacing, sweep, write_text
from mlpcli.runs.lock import is_locked, locked
from mlpcli.training.checkpoint_file import read_checkpoint, write_checkpoint

STATE = {
    "epoch": 3,
    "texts": ["a", "é", ""],
    "numbers": (1, -2.5, float("inf"), None, True),
    "arrays": {"w": np.arange(12, dtype=np.float32).reshape(3, 4), "none": np.zeros((0, 2))},
    "scalar": np.float32(0.1),
    "by number": {1: np.array(7, np.int64)},
}

REFUSED = r"damaged|not a checkpoint"


class Faults:
    """Makes the `fail_at`-th write, fsync or replace fail, counted from 1; `calls` is how many there were."""

    def __init__(self, error: BaseException) -> None:
        self.error, self.calls, self.fail_at = error, 0, 0

    def count(self) -> None:
        self.calls += 1
        if self.calls == self.fail_at:
            raise self.error

    @contextmanager
    def failing(self, fail_at: int) -> Iterator[None]:
        self.calls, self.fail_at = 0, fail_at
        try:
            yield
        finally:
            self.fail_at = 0


@pytest.fixture(params=[OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()], ids=repr)
def faults(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Faults:
    made = Faults(request.param)

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            made.count()
            return function(*arguments, **keywords)

        return call

    stock_open = Path.open

    def opened(path: Path, *arguments: Any, **keywords: Any) -> Any:
        file = stock_open(path, *arguments, **keywords)
        if file.writable():
            return _Counted(file, made)
        return file

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, counted(getattr(os, name)))
    monkeypatch.setattr(Path, "open", opened)
    return made


class _Counted:
    def __init__(self, file: Any, faults: Faults) -> None:
        self.file, self.faults = file, faults

    def write(self, data: Any) -> Any:
        self.faults.count()
        return self.file.write(data)

    def __enter__(self) -> _Counted:
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()


def _write_folder(target: Path, text: str) -> None:
    with replacing(target) as path:
        path.mkdir()
        (path / "one").write_text(text)
        (path / "two").write_text(text)


WRITERS: dict[str, tuple[Callable[[Path, str], None], Callable[[Path], object]]] = {
    "a text": (write_text, lambda path: path.read_text()),
    "a folder": (
        _write_folder,
        lambda path: " and ".join(sorted({(path / name).read_text() for name in ("one", "two")})),
    ),
    "a checkpoint": (
        lambda path, text: write_checkpoint(path, {"text": text, "weights": np.ones(9)}),
        lambda path: read_checkpoint(path)["text"],
    ),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_whatever_call_fails_the_old_file_is_there_or_the_new(
    kind: str, faults: Faults, tmp_path: Path
) -> None:
    write, read = WRITERS[kind]
    target = tmp_path / "target"
    with faults.failing(0):
        write(target, "old")
        total = faults.calls
    assert total >= 3  # a write, an fsync and a replace
    failed = 0
    for fail_at in range(1, total + 2):  # one more, for the step that puts an old folder aside
        write(target, "old")
        with faults.failing(fail_at):
            try:
                write(target, "new")
            except type(faults.error):
                failed += 1
                assert read(target) in ("old", "new")
            else:
                assert read(target) == "new"
        assert [path.name for path in tmp_path.iterdir()] == ["target"]  # no scratch is left
    assert failed >= total  # each was an error, none was passed over


@pytest.mark.parametrize("name", ["a" * 251 + ".txt", "é" * 125 + ".txt", "表" * 83 + ".txt"], ids="aé表")
def test_a_file_may_have_the_longest_name_that_the_disk_takes(name: str, tmp_path: Path) -> None:
    assert len(os.fsencode(name)) > 250
    write_text(tmp_path / name, "old")
    write_text(tmp_path / name, "whole")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "whole")]


def test_what_a_killed_writer_leaves_is_swept(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    held = replacing(tmp_path / "checkpoints" / "state.ckpt")
    scratch = held.__enter__()
    scratch.write_text("half")  # and here the process is killed
    write_text(tmp_path / "kept", "whole")
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["checkpoints", "kept"]


def test_a_checkpoint_reads_back_as_it_was_written(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "state.ckpt", STATE)
    found = read_checkpoint(tmp_path / "state.ckpt")
    np.testing.assert_equal(found, STATE)
    assert [type(value) for value in found["numbers"]] == [int, float, float, type(None), bool]
    assert found["arrays"]["w"].dtype == np.float32
    assert isinstance(found["scalar"], np.float32)


@pytest.mark.parametrize("value", [{"a": object()}, {"a": np.array([{}])}, {(1, 2): 3}, {"a": {1.5: 2}}])
def test_a_checkpoint_holds_no_objects(value: dict[Any, Any], tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_checkpoint(tmp_path / "state.ckpt", value)
    assert list(tmp_path.iterdir()) == []


def test_a_flipped_byte_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.ckpt"
    write_checkpoint(path, STATE)
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :])
        with pytest.raises(RunError, match=REFUSED):
            read_checkpoint(path)


def test_a_checkpoint_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.ckpt"
    write_checkpoint(path, STATE)
    whole = path.read_bytes()
    for length in range(0, len(whole), 3):
        path.write_bytes(whole[:length])
        with pytest.raises(RunError, match=REFUSED):
            read_checkpoint(path)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(head=st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
def test_a_checkpoint_that_somebody_made_up_is_refused(head: bytes, tmp_path: Path) -> None:
    """Its checksum is right, its contents are not: a stranger's file must not do more than be refused."""
    import hashlib

    from mlpcli.training.checkpoint_file import MAGIC

    body = MAGIC + len(head).to_bytes(8, "little") + head
    path = tmp_path / "state.ckpt"
    path.write_bytes(body + hashlib.sha256(body).digest())
    with pytest.raises(RunError, match="damaged"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    "arrays",
    [
        [{"dtype": "object", "shape": [1]}],
        [{"dtype": "float32", "shape": [2**40]}],
        [{"dtype": "float32", "shape": [-1]}],
        [{"dtype": "no such", "shape": [1]}],
    ],
    ids=["objects", "terabytes", "negative", "unknown"],
)
def test_a_header_cannot_claim_what_is_not_there(arrays: list[Any], tmp_path: Path) -> None:
    import hashlib

    from mlpcli.training.checkpoint_file import MAGIC

    head = json.dumps({"state": {"$mapping": [["a", {"$array": 0}]]}, "arrays": arrays}).encode()
    body = MAGIC + len(head).to_bytes(8, "little") + head + b"\0" * 16
    path = tmp_path / "state.ckpt"
    path.write_bytes(body + hashlib.sha256(body).digest())
    with pytest.raises(RunError, match="damaged"):
        read_checkpoint(path)


def test_a_lock_is_for_one_and_is_given_back(tmp_path: Path) -> None:
    assert not is_locked(tmp_path)
    with locked(tmp_path):
        assert is_locked(tmp_path)
        with pytest.raises(RunError, match=f"{tmp_path} is in use by process {os.getpid()}"):
            with locked(tmp_path):
                pass
    assert not is_locked(tmp_path)


def test_a_process_that_is_killed_lets_go_of_its_lock(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys, time; from pathlib import Path; from mlpcli.runs.lock import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    assert is_locked(tmp_path)
    process.kill()
    process.communicate()
    assert not is_locked(tmp_path)
    with locked(tmp_path):
        pass
