# ruff: noqa: E501 (a message stands on one line, as it is shown)
"""Pipes, devices, folders and files without end, wherever a command takes the name of a file."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlpcli.files import open_ordinary, read_ordinary, replacing
from tests.conftest import TINY, Result

Run = Callable[..., Result]

NEEDS_PIPES = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
pytestmark = NEEDS_PIPES

SPEC_HINT = "; save the spec in a file"


@pytest.fixture
def pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A pipe in the current folder that nobody writes to: a plain `open` waits for ever."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    for ending in ("csv", "csv.gz", "parquet", "npy", "npz"):
        os.mkfifo(f"pipe.{ending}")
        Path(f"zero.{ending}").symlink_to("/dev/zero")
    os.mkfifo("pipe.py")
    return "pipe"


def test_only_ordinary_files_are_opened_and_no_more_is_read_than_is_asked_for(pipe: str) -> None:
    Path("file").write_bytes(b"12345")
    Path("folder").mkdir()
    assert read_ordinary(Path("file"), 5) == b"12345"
    for name, most, message in [
        ("file", 4, "is larger than 4 bytes"),
        ("folder", 4, "is a folder, not a file"),
        (pipe, 4, "is a pipe, not an ordinary file"),
        ("/dev/zero", 4, "is a device, not an ordinary file"),
        ("missing", 4, "No such file or directory"),
    ]:
        with pytest.raises(OSError, match=re.escape(message)) as caught:
            read_ordinary(Path(name), most)
        assert caught.value.strerror == message
    with open_ordinary(Path("file")) as file:
        assert file.read() == b"12345"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("sales", "sales: is a folder, not a spec; did you mean 'sales.yaml'?"),
        ("sales/", "sales: is a folder, not a spec; did you mean 'sales.yaml'?"),
        ("photos", "photos: is a folder, not a spec"),
        ("rows.csv", "rows.csv: is no spec; did you mean 'rows.yml'?"),
        ("rows.parquet", "rows.parquet: is no spec; did you mean 'rows.yml'?"),
    ],
)
def test_data_in_place_of_a_spec_names_the_spec_beside_it(
    mlpcli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("sales", "photos"):
        Path(folder).mkdir()
    Path("rows.csv").write_text("a,b\n1,2\n")
    Path("rows.parquet").write_bytes(b"PAR1\xff\x00")
    for spec in ("sales.yaml", "rows.yml"):
        Path(spec).write_text("loss: mse\n")
    result = mlpcli("train", given)
    assert (result.status, result.err.strip()) == (2, message)


@pytest.mark.parametrize("command", ["check", "train", "tune", "code", "lr-find", "more-data"])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pipe", f"pipe: is a pipe, not an ordinary file{SPEC_HINT}"),
        ("/dev/zero", f"/dev/zero: is a device, not an ordinary file{SPEC_HINT}"),
        ("large.yaml", "large.yaml: is larger than 1,000,000 bytes; a spec is a short text file: is this a data file?"),
        (".", ".: is a folder, not a spec"),
    ],
)  # fmt: skip
def test_a_spec_is_an_ordinary_file(mlpcli: Run, pipe: str, command: str, name: str, message: str) -> None:
    with Path("large.yaml").open("wb") as file:
        file.truncate(10**12)  # takes no room on the disk
    result = mlpcli(command, name)
    assert (result.status, result.err.strip()) == (2, message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: pipe\n", "pipe: is a pipe, not an ordinary file"),
        ("extends: /dev/zero\n", "/dev/zero: is a device, not an ordinary file"),
        (TINY + "plugins: [pipe.py]\n", "plugins[0]: must be an ordinary file, received 'pipe.py'"),
        (TINY.replace("name: iris", "path: pipe.csv, target: y"), "must be an ordinary file, this is a pipe"),
        (TINY.replace("name: iris", "path: zero.csv, target: y"), "must be an ordinary file, this is a device"),
        (TINY.replace("name: iris", "path: zero.npz"), "must be an ordinary file, this is a device"),
        (TINY.replace("name: iris", "path: pipe.npy, target: pipe.npy"), "must be an ordinary file, this is a pipe"),
        (TINY.replace("name: iris", "path: x.npy, target: pipe.npy"), "dataset.target: must be an ordinary file, this is a pipe"),
        (TINY.replace("name: iris", "path: t.csv, target: y, test: pipe.csv"), "dataset.test: must be an ordinary file, this is a pipe"),
        (TINY.replace("name: iris", "path: t.csv, target: y, validation: zero.parquet"), "dataset.validation: must be an ordinary file, this is a device"),
    ],
)  # fmt: skip
def test_a_file_that_a_spec_names_is_an_ordinary_one(
    mlpcli: Run, spec_file: Callable[[str], Path], pipe: str, text: str, message: str
) -> None:
    Path("t.csv").write_text("a,y\n" + "1,0\n2,1\n3,2\n" * 20, encoding="utf-8")
    np.save("x.npy", np.ones((60, 2)))
    result = mlpcli("check", spec_file(text).name)
    assert result.status == 2
    assert message in result.err


@pytest.mark.parametrize("name", ["pipe.csv", "zero.csv", "zero.csv.gz", "pipe.csv.gz", "pipe.parquet"])
@pytest.mark.parametrize("command", ["inspect", "init", "schema", "test"])
def test_a_table_is_an_ordinary_file(mlpcli: Run, pipe: str, command: str, name: str) -> None:
    Path("t.csv").write_text("a,y\n" + "1,0\n2,1\n" * 20, encoding="utf-8")
    arguments = {
        "inspect": ("inspect", name),
        "init": ("init", name, "--target", "y"),
        "schema": ("schema", "--data", name),
        "test": ("inspect", "t.csv", "--test", name),
    }
    result = mlpcli(*arguments[command])
    kind = "a pipe" if name.startswith("pipe") else "a device"
    assert result.status == 2
    assert f"{name}: must be an ordinary file, this is {kind}" in result.err


@pytest.mark.parametrize("name", ["pipe.csv", "zero.npz", "pipe.npy"])
def test_rows_for_a_model_are_an_ordinary_file(mlpcli: Run, pipe: str, tiny_run: Path, name: str) -> None:
    for arguments in (("predict", "tiny", name), ("evaluate", "tiny", "--data", name)):
        result = mlpcli(*arguments, "--runs-dir", tiny_run)
        assert result.status == 2
        assert f"{name}: must be an ordinary file, this is" in result.err


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_no_output_takes_the_place_of_a_pipe_a_device_or_a_folder(
    mlpcli: Run, spec_file: Callable[[str], Path], pipe: str, tiny_run: Path, force: tuple[str, ...]
) -> None:
    spec = spec_file(TINY)
    Path("t.csv").write_text("a,y\n" + "1,0\n2,1\n" * 20, encoding="utf-8")
    Path("folder.csv").mkdir()
    Path("null.csv").symlink_to("/dev/null")
    before = sorted(Path().iterdir())
    for arguments, message in [
        (("code", spec, "-o", "pipe"), "-o pipe: is a pipe, not an ordinary file; leave -o out for standard output"),
        (("code", spec, "-o", "/dev/null"), "-o /dev/null: is a device, not an ordinary file; leave -o out for standard output"),
        (("code", spec, "-o", "folder.csv"), "-o folder.csv: is a folder, not a file; leave -o out for standard output"),
        (("init", "t.csv", "--target", "y", "-o", "pipe"), "-o pipe: is a pipe, not an ordinary file; write - for standard output"),
        (("init", "t.csv", "--target", "y", "-o", "null.csv"), "-o null.csv: is a device, not an ordinary file; write - for standard output"),
        (("predict", "tiny", "t.csv", "-o", "pipe.csv"), "-o pipe.csv: is a pipe, not an ordinary file; leave -o out for standard output"),
        (("predict", "tiny", "t.csv", "-o", "folder.csv"), "-o folder.csv: is a folder, not a file; leave -o out for standard output"),
        (("predict", "tiny", "t.csv", "--rejects", "pipe"), "--rejects pipe: is a pipe, not an ordinary file"),
    ]:  # fmt: skip
        runs = ("--runs-dir", tiny_run) if arguments[0] == "predict" else ()
        result = mlpcli(*arguments, *runs, *force)
        assert (result.status, result.err.splitlines()[0]) == (2, message)
    assert sorted(Path().iterdir()) == before
    assert Path("pipe").is_fifo()
    assert Path("/dev/null").is_char_device()


def test_a_file_is_never_moved_over_a_pipe(pipe: str) -> None:
    with pytest.raises(OSError, match="is a pipe"), replacing(Path("pipe")) as path:
        path.write_text("x", encoding="utf-8")
    assert Path("pipe").is_fifo()
