"""A path or a run that does not exist: what is meant, by what is there, in every command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlpcli.near_paths import near_path
from tests.conftest import Result

MEANT = {
    "houses.cvs": "did you mean 'houses.csv'?",
    "data/huoses.csv": "did you mean 'houses.csv'?",
    "dta/houses.csv": "did you mean 'data/houses.csv'?",
    "dta/other.csv": "did you mean the folder 'data'? it has no other.csv",
    "zzz/other.csv": "there is no folder 'zzz'",
    "houses.csv/x": "'houses.csv' is a file, not a folder",
}


def test_the_path_that_is_meant_is_found_by_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    for name in ("houses.csv", "data/houses.csv", "digits.yaml", ".houses.cvs"):
        Path(name).write_text("a\n1\n")
    assert {path: near_path(Path(path)) for path in MEANT} == MEANT
    assert near_path(Path("digits.csv"), (".yaml",)) == "did you mean 'digits.yaml'?"
    assert near_path(Path("nofile.csv")).startswith("looked in ")  # the ending makes names no more alike
    assert near_path(Path("quite other")) == f"looked in {str(tmp_path)!r}"


LINKS = {
    "loop.csv": "'loop.csv' is a link that leads in a circle",
    "gone.csv": "'gone.csv' is a link that leads nowhere: there is no 'nowhere.csv'",
    "away/rows.csv": "'away' is a link that leads nowhere: there is no 'folder'",
    "lop.csv": "did you mean 'top.csv'?",  # not loop.csv, which is none
}


def test_a_link_that_leads_nowhere_is_named(
    mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for link, target in {"loop.csv": "loop.csv", "gone.csv": "nowhere.csv", "away": "folder"}.items():
        Path(link).symlink_to(target)
    Path("top.csv").write_text("a\n1\n")
    assert {path: near_path(Path(path)) for path in LINKS} == LINKS
    for path in ("loop.csv", "gone.csv"):
        result = mlpcli("inspect", path)
        assert (result.status, result.err.strip()) == (2, f"{path}: there is no such file; {LINKS[path]}")
    dataset = "dataset: {name: iris}\nlayers: [Dense: {units: 3}]\n"
    Path("own.py").symlink_to("lost.py")
    Path("spec.yaml").write_text(f"name: a\n{dataset}plugins: [own.py]\n")
    result = mlpcli("check", "spec.yaml")
    assert (result.status, "is a link that leads nowhere: there is no 'lost.py'" in result.err) == (2, True)


SAID = {
    "check dgits.yaml": "did you mean 'digits.yaml'?",
    "train confgs/digits.yaml": "did you mean 'configs/digits.yaml'?",
    "inspect confgs/rows.csv": "did you mean 'configs/rows.csv'?",
    "init confgs/rows.csv --target a": "did you mean 'configs/rows.csv'?",
    "schema --data configs/rwos.csv": "did you mean 'rows.csv'?",
    "unpack tiny.zp": "did you mean 'tiny.zip'?",
    "evaluate tinny": "did you mean 'tiny'?",
    "predict tinny configs/rows.csv": "did you mean 'tiny'?",
    "export tinny --format keras": "did you mean 'tiny'?",
    "compare tinny tiny": "did you mean 'tiny'?",
    "runs tinny": "did you mean 'tiny'?",
    "report tinny": "did you mean 'tiny'?",
    "tensorboard tinny": "did you mean 'tiny'?",
    "evaluate tiny --runs-dir rns": "did you mean --runs-dir 'runs'?",
    "export tiny --format tflit": "did you mean 'litert'?",
    "export tiny --format savedmodel": "did you mean 'saved_model'?",
    "export tiny --format h5": "did you mean 'keras'?",
    "train configs/digits.yaml --log-to mlfow": "did you mean 'mlflow'?",
}


def test_every_command_says_what_is_meant(
    tiny_run: Path, mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs").symlink_to(tiny_run)
    Path("configs").mkdir()
    for name in ("digits.yaml", "configs/digits.yaml", "configs/rows.csv", "tiny.zip"):
        Path(name).write_text("a,b\n1,2\n")
    for command, said in SAID.items():
        result = mlpcli(*command.split())
        assert (result.status, said in result.err) == (2, True), (command, result.err)
