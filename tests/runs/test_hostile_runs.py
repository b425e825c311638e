"""Run folders that are damaged, or that a stranger wrote: an error with file and field, and no other harm."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli import runs
from mlpcli.errors import RunError
from mlpcli.files import UnsafePathError, open_ordinary, remove_below, sha256_of
from mlpcli.runs.folder import find_run
from mlpcli.runs.record_models import read_history
from mlpcli.runs.search_folder import load_search
from mlpcli.training.checkpoint_file import DIGEST_BYTES, MAGIC, read_checkpoint, write_checkpoint
from tests.conftest import Result

STAMP = "2026-01-01_00-00-00"
BRACKETS = "[" * 100_000


@pytest.fixture
def copied(tiny_run: Path, tmp_path: Path) -> Path:
    """A copy of the tiny run, the newer of two in its runs folder."""
    shutil.copytree(tiny_run, tmp_path / "runs")
    run = find_run("tiny", tmp_path / "runs").folder
    shutil.copytree(run, run.parent / STAMP)
    return run


@pytest.fixture
def search(searched: Path, tmp_path: Path) -> Path:
    """A copy of the small search, as if its last trial had been cut off."""
    shutil.copytree(searched, tmp_path / "runs")
    folder = next((tmp_path / "runs" / "small").iterdir())
    document = json.loads((folder / "search.json").read_text())
    document |= {"finished": False, "winner": None, "promotions": []}
    document["trials"][2] |= {"status": "running", "score": None, "worker": "this process"}
    document["events"] = [event for event in document["events"] if event != ["end", 3]]
    (folder / "search.json").write_text(json.dumps(document))
    return folder


def _change(path: Path, **fields: Any) -> None:
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | fields))


def _everything(folder: Path) -> dict[str, bytes]:
    """The files below a folder with their contents, except a search's or run's lock."""
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


DAMAGED = [
    ({"timings": None}, "timings must be an object, received null"),
    ({"timings": {"total": "1"}}, "timings.total must be a valid number, received '1'"),
    ({"metrics": 5}, "metrics must be an object, received 5"),
    ({"metrics": {"test": {"loss": [1]}}}, "metrics.test.loss must be a valid number, received [1]"),
    ({"status": "[/]"}, "status must be 'running', 'completed', 'interrupted', 'diverged' or 'failed'"),
    ({"resumed": 5}, "resumed must be a valid array, received 5"),
    ({"plugins": "x"}, "plugins must be a valid array, received 'x'"),
    ({"plugins": [{"file": "plugins/../../x.py", "sha256": ""}]}, "plugins[0].file "),
    ({"epochs": True}, "epochs must be a valid integer, received true"),
    ({"best": {"monitor": 1}}, "best.monitor must be a valid string, received 1"),
    ({"search": {"objective": None}}, "search.objective must be a valid string, received null"),
    ({"seed": 10**4000}, "seed "),
]


@pytest.mark.parametrize(("fields", "rule"), DAMAGED, ids=lambda value: str(value)[:40])
def test_one_damaged_record_does_not_hide_the_other_runs(
    fields: dict[str, Any], rule: str, copied: Path, mlpcli: Callable[..., Result]
) -> None:
    runs_dir = copied.parent.parent
    _change(copied / "run.json", **fields)
    listed = mlpcli("runs", "--runs-dir", runs_dir)
    assert listed.status == 0
    assert f"tiny/{STAMP}" in listed.out
    assert copied.name not in listed.out
    assert listed.err.startswith(f"left out: {copied / 'run.json'} is damaged: {rule}")
    document = json.loads(mlpcli("runs", "--json", "--runs-dir", runs_dir).out)
    assert [each["run"] for each in document] == [f"tiny/{STAMP}"]
    named = mlpcli("compare", copied, f"tiny/{STAMP}", "--runs-dir", runs_dir)
    assert named.status == 2
    assert named.err.startswith(f"{copied / 'run.json'} is damaged: {rule}")
    older = find_run("tiny", runs_dir)
    assert older.label == f"tiny/{STAMP}"
    assert [problem.rule.split(" is damaged")[0] for problem in older.left_out] == [str(copied / "run.json")]


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (BRACKETS.encode(), "Invalid JSON: recursion limit exceeded"),
        (b'{"status": "completed", "name": "\\ud800"}', "Invalid JSON"),
        (b"\xff\xfe", "Invalid JSON"),
        (b"", "Invalid JSON"),
        (b"[]", "must be an object, received []"),
    ],
    ids=["brackets", "surrogate", "bytes", "empty", "list"],
)
def test_a_record_that_is_no_document_is_a_damaged_run(
    content: bytes, rule: str, copied: Path, mlpcli: Callable[..., Result]
) -> None:
    (copied / "run.json").write_bytes(content)
    listed = mlpcli("runs", "--runs-dir", copied.parent.parent)
    assert (listed.status, listed.err.split(": ")[2:][0][:20]) == (0, rule.split(": ")[0][:20])
    named = mlpcli("evaluate", copied)
    assert named.status == 2
    assert named.err.startswith(f"{copied / 'run.json'} is damaged: {rule}")


@pytest.mark.parametrize("command", [["evaluate"], ["compare", "tiny"]])
def test_a_resolved_spec_that_is_no_mapping_is_told(
    command: list[str], copied: Path, mlpcli: Callable[..., Result]
) -> None:
    (copied / runs.RESOLVED).write_text("[1, 2]\n")
    result = mlpcli(*command, copied, "--runs-dir", copied.parent.parent)
    assert result.status == 2
    assert result.err.startswith(f"{copied / runs.RESOLVED}:1:1: a spec must be a mapping")


def test_a_choice_among_runs_of_a_name_reports_the_damaged_ones(
    copied: Path, mlpcli: Callable[..., Result]
) -> None:
    _change(copied / "run.json", timings=None)
    result = mlpcli("train", "--resume", "tiny", "--runs-dir", copied.parent.parent)
    assert result.status == 0
    assert result.out.startswith(f"run tiny/{STAMP} is finished")
    assert result.err.startswith(f"left out: {copied / 'run.json'} is damaged: timings")


def test_pipes_and_devices_in_a_run_are_not_waited_for(copied: Path, mlpcli: Callable[..., Result]) -> None:
    runs_dir = copied.parent.parent
    for name in ("run.json", "metrics.json", "history.csv"):
        whole = (copied / name).read_bytes()
        (copied / name).unlink()
        os.mkfifo(copied / name)
        result = mlpcli("compare", copied, f"tiny/{STAMP}", "--runs-dir", runs_dir)
        assert result.status == 2
        assert result.err.startswith(f"{copied / name} cannot be read (is a pipe, not an ordinary file)")
        (copied / name).unlink()
        (copied / name).write_bytes(whole)
    with pytest.raises(OSError, match="a device"):
        open_ordinary(Path("/dev/zero"))


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_a_lock_that_is_no_file_is_refused(
    kind: str, copied: Path, tmp_path: Path, mlpcli: Callable[..., Result]
) -> None:
    _change(copied / "run.json", status="running")
    (tmp_path / "precious").write_text("keep me")
    lock = copied / "lock"
    lock.unlink(missing_ok=True)
    {"pipe": os.mkfifo, "folder": os.mkdir, "link": lambda path: path.symlink_to(tmp_path / "precious")}[
        kind
    ](lock)
    assert mlpcli("runs", "--runs-dir", copied.parent.parent).status == 0
    result = mlpcli("train", "--resume", copied)
    assert result.status == 2
    assert str(lock) in result.err
    assert (tmp_path / "precious").read_text() == "keep me"


def test_a_lock_with_another_name_elsewhere_is_not_written(copied: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("keep me")
    (copied / "lock").unlink(missing_ok=True)
    (copied / "lock").hardlink_to(tmp_path / "precious")
    with runs.locked(copied):
        assert runs.is_locked(copied)
    assert (tmp_path / "precious").read_text() == "keep me"


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"epoch,loss\n1,\xff\n", "history.csv is damaged: it is not UTF-8 (byte 14)"),
        (b"epoch,loss\n1,[/]\n", "history.csv:2 is damaged: could not convert string to float: '[/]'"),
        (
            b"epoch,loss\n1,0.5,7\n",
            "history.csv:2 is damaged: the number of cells is not that",
        ),
        (b"loss\n0.5\n", "history.csv:2 is damaged: no number in the column epoch"),
    ],
)
def test_a_damaged_history_is_named_with_its_line(
    content: bytes, rule: str, copied: Path, mlpcli: Callable[..., Result]
) -> None:
    (copied / "history.csv").write_bytes(content)
    result = mlpcli("compare", copied, f"tiny/{STAMP}", "--runs-dir", copied.parent.parent)
    assert result.status == 2
    assert result.err.startswith(f"{copied}/{rule}")


def test_our_own_history_reads_back(copied: Path) -> None:
    rows = read_history(copied / "history.csv")
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5]


def _set_in(tree: Any, path: tuple[str | int, ...], value: Any) -> Any:
    for step in path[:-1]:
        tree = tree[step]
    tree[path[-1]] = value
    return tree


def test_epochs_of_a_checkpoint_may_have_other_metrics_than_earlier_ones(copied: Path) -> None:
    from mlpcli.training.training_state import read_state

    state = read_checkpoint(copied / "checkpoints/state.ckpt")
    state["history"][0]["another"] = state["history"][0].pop("accuracy")  # --continue with --set metrics=...
    write_checkpoint(copied / "checkpoints/state.ckpt", state)
    assert read_state(copied / "checkpoints/state.ckpt").history == state["history"]


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        (("epoch",), "x", "epoch must be a valid integer, received 'x'"),
        (("epoch",), -1, "epoch must be greater than or equal to 0, received -1"),
        (("stopped",), 1, "stopped must be a valid boolean, received 1"),
        (("identity", "spec"), None, "spec must be a valid string, received null"),
        (("best", "values"), [1], "best.values[0] must be an instance of ndarray, received 1"),
        (("model",), [], "model must be a valid dictionary, received []"),
        (("history", 0), {}, "the history does not fit 5 epochs"),
        (("history", 4, "loss\x1b[31m"), 1.0, "the history has a name that cannot be shown"),
        (("history", 4, "loss"), 10**400, "the history has a number that is too large"),
        (("epoch",), 2**62, f"the history does not fit {2**62} epochs"),
        (("generators", "numpy"), 5, "generators.numpy must be a valid tuple, received 5"),
        (("callbacks",), [{"class": "EarlyStopping", "state": 5}], "callbacks[0].state must be a valid dict"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_well_formed_checkpoint_of_something_else_is_refused(
    path: tuple[str | int, ...], value: Any, rule: str, copied: Path, mlpcli: Callable[..., Result]
) -> None:
    state_file = copied / "checkpoints/state.ckpt"
    state = read_checkpoint(state_file)
    _set_in(state, path, value)
    write_checkpoint(state_file, state)
    result = mlpcli("train", "--continue", copied, "--epochs", 1, "--runs-dir", copied.parent.parent)
    assert result.status == 2
    assert result.err.startswith(f"{state_file} is damaged: ")
    assert rule in result.err


def test_weights_that_are_no_numbers_are_in_no_checkpoint(
    copied: Path, mlpcli: Callable[..., Result]
) -> None:
    state_file = copied / "checkpoints/state.ckpt"
    state = read_checkpoint(state_file)
    name = next(name for name in state["model"] if name.endswith("kernel"))
    state["model"][name][:] = np.nan
    write_checkpoint(state_file, state)
    result = mlpcli("train", "--continue", copied, "--epochs", 1, "--runs-dir", copied.parent.parent)
    assert result.status == 2
    assert f"the weight {name} has values that are not finite" in result.err


def test_a_checkpoint_does_not_say_where_a_callback_writes(tmp_path: Path) -> None:
    from mlpcli.keras_import import import_keras
    from mlpcli.training.callback_state import restore_callback

    keras = import_keras()
    saving = keras.callbacks.ModelCheckpoint(str(tmp_path / "mine.keras"))
    restore_callback(saving, {"attributes": {"filepath": "/elsewhere", "best": 0.5}})
    assert (saving.filepath, saving.best) == (str(tmp_path / "mine.keras"), 0.5)

    class Mine(keras.callbacks.CSVLogger):  # type: ignore[misc, name-defined]
        turns = 0

    logging = Mine(str(tmp_path / "log.csv"))
    restore_callback(logging, {"attributes": {"filename": "/elsewhere", "turns": 3}})
    assert (logging.filename, logging.turns) == (str(tmp_path / "log.csv"), 3)
    stopping = keras.callbacks.EarlyStopping()
    for name, value in (("wait", "x"), ("wait", None), ("best", "x"), ("best_weights", "x")):
        with pytest.raises(RunError, match=f"EarlyStopping is damaged: {name}, received"):
            restore_callback(stopping, {"attributes": {name: value}})


def _spoil_weights(run: Path) -> None:
    """Weights that are NaN in `model.keras`, and the checksum that goes with it."""
    import h5py

    path = run / "model.keras"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    weights = run.parent / "weights.h5"
    weights.write_bytes(members["model.weights.h5"])
    with h5py.File(weights, "r+") as file:
        for name in _datasets(file):
            if file[name].ndim == 2:
                file[name][...] = np.nan
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, weights.read_bytes() if name == "model.weights.h5" else content)
    weights.unlink()
    _change(run / "run.json", sha256={"model.keras": sha256_of(path)})


def _datasets(file: Any) -> list[str]:
    found: list[str] = []
    file.visititems(lambda name, item: found.append(name) if hasattr(item, "shape") else None)
    return found


def test_weights_that_are_no_numbers_predict_no_class(
    copied: Path, tmp_path: Path, mlpcli: Callable[..., Result]
) -> None:
    _spoil_weights(copied)
    np.save(tmp_path / "rows.npy", np.ones((2, 4), np.float32))
    for command in (["evaluate", copied], ["predict", copied, tmp_path / "rows.npy"]):
        result = mlpcli(*command)
        assert (result.status, result.out) == (2, "")
        assert result.err.startswith(f"{copied / 'model.keras'}: the weight ")
        assert " has values that are not finite" in result.err


@pytest.mark.parametrize("dtype", ["<M8[ns]", "<U4", "S4", "V4"])
def test_a_checkpoint_holds_numbers_alone(dtype: str, copied: Path, mlpcli: Callable[..., Result]) -> None:
    """The arrays of a well-formed file are said to be dates, texts or raw bytes of the same length."""
    state_file = copied / "checkpoints/state.ckpt"
    raw = state_file.read_bytes()[len(MAGIC) : -DIGEST_BYTES]
    length = int.from_bytes(raw[:8], "little")
    head = json.loads(raw[8 : 8 + length])
    for kind in head["arrays"]:
        kind["dtype"] = dtype if kind["dtype"] == "float32" else kind["dtype"]
    written = json.dumps(head).encode()
    body = MAGIC + len(written).to_bytes(8, "little") + written + raw[8 + length :]
    state_file.write_bytes(body + hashlib.sha256(body).digest())
    result = mlpcli("train", "--continue", copied, "--epochs", 1, "--runs-dir", copied.parent.parent)
    assert result.status == 2
    assert str(state_file) in result.err


def test_weights_of_another_type_are_not_restored(copied: Path, mlpcli: Callable[..., Result]) -> None:
    state_file = copied / "checkpoints/state.ckpt"
    state = read_checkpoint(state_file)
    name = next(name for name, value in state["model"].items() if value.dtype == np.float32)
    state["model"][name] = state["model"][name].view(np.int32)
    write_checkpoint(state_file, state)
    result = mlpcli("train", "--continue", copied, "--epochs", 1, "--runs-dir", copied.parent.parent)
    assert result.status == 2
    assert "variables of other names, shapes or types" in result.err


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        (("outputs", 0, "classes"), ["a", "b"], "it names 2 classes, the network has 3"),
        (("outputs", 0, "name"), "x", "its outputs are not those of the network"),
        (("outputs", 0, "kind"), "numbers", "outputs: classes do not fit the kind numbers"),
        (("outputs",), [], "data.contract.outputs "),
        (("shape",), [9], "does not"),
        (("shape",), [700_000_000], "model.keras holds"),
        (("shape",), [-1], "data.contract.shape[0] must be greater than or equal to 0, received -1"),
        (
            ("dtype",),
            "object",
            "data.contract.dtype must be 'float32', 'uint8' or 'int64', received 'object'",
        ),
        (("inputs",), [{"name": "a", "columns": [7], "shape": [1]}], "takes columns that rows do not have"),
    ],
    ids=str,
)
def test_a_contract_that_does_not_fit_predicts_nothing(
    path: tuple[str | int, ...], value: object, rule: str, copied: Path, mlpcli: Callable[..., Result]
) -> None:
    document = json.loads((copied / "run.json").read_text())
    _set_in(document["data"]["contract"], path, value)
    (copied / "run.json").write_text(json.dumps(document))
    result = mlpcli("evaluate", copied)
    assert result.status == 2
    assert rule in result.err


FORGED = [
    {"folder": "../../../victim"},
    {"folder": "trials/../../../../victim"},
    {"folder": "trials/0003/.."},
    {"folder": "trials"},
    {"folder": "."},
    {"folder": "trials/0001"},
    {"folder": "trials/0003\n"},
    {"source": 1, "source_folder": "../../../victim"},
    {"source": 1, "source_folder": ""},
    {"source": 3, "source_folder": "trials/0003"},
    {"number": 7},
    {"status": "begun"},
    {"proposed": {"units": "x"}},
    {"proposed": {"nothing": 1}},
    {"starts": -1},  # 0 is a trial whose time was up
    {"values": 5},
]


@pytest.mark.parametrize("fields", FORGED, ids=str)
def test_a_forged_trial_deletes_nothing(
    fields: dict[str, Any], search: Path, tmp_path: Path, mlpcli: Callable[..., Result]
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "precious").write_text("keep me")
    document = json.loads((search / "search.json").read_text())
    document["trials"][2] |= fields
    (search / "search.json").write_text(json.dumps(document))
    before = _everything(tmp_path)
    result = mlpcli("tune", "--resume", search, "--runs-dir", search.parent.parent)
    assert result.status == 2
    assert result.err.startswith(f"{search / 'search.json'} is damaged: ")
    after = _everything(tmp_path)
    assert {**before, str(search / "lock"): b""} == {**after, str(search / "lock"): b""}


def test_forged_absolute_and_promoted_folders_delete_nothing(
    search: Path, tmp_path: Path, mlpcli: Callable[..., Result]
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    whole = json.loads((search / "search.json").read_text())
    trials = [*whole["trials"][:2], whole["trials"][2] | {"folder": str(victim)}]
    promotion = {
        "trial": 1,
        "seed": 7,
        "score": 0.5,
        "best_epoch": 1,
        "folder": "promoted/../../../../victim",
    }
    forged: list[dict[str, Any]] = [
        {"trials": trials},
        {"promotions": [promotion]},
        {"promotions": [promotion | {"trial": 9, "folder": "promoted/0009-seed-7"}]},
        {"winner": 9},
        {"events": [["start", 1], ["start", 1]]},
        {"events": [["end", 1]]},
        {"arguments": {"max_trials": 2.5}},
        {"arguments": {"overwrite": 1}},
        {"algorithm": "Lambda"},
        {"space": {"units": 5}},
        {"spec": "a\0b"},
    ]
    for fields in forged:
        (search / "search.json").write_text(json.dumps(whole | fields))
        result = mlpcli("tune", "--resume", search, "--runs-dir", search.parent.parent)
        assert result.status == 2, fields
        assert result.err.startswith(f"{search / 'search.json'} is damaged: "), result.err
    assert victim.is_dir()


def test_an_undamaged_search_still_reads(search: Path) -> None:
    found = load_search(search)
    assert [trial.folder for trial in found.trials] == ["trials/0001", "trials/0002", "trials/0003"]
    found.trials[2].folder = "trials/0003-2"
    found.save()
    assert load_search(search).trials == found.trials


def test_nothing_is_deleted_outside_or_through_a_link(tmp_path: Path) -> None:
    root, victim = tmp_path / "runs", tmp_path / "victim"
    (root / "a" / "b").mkdir(parents=True)
    victim.mkdir()
    (victim / "precious").write_text("keep me")
    (root / "a" / "link").symlink_to(victim)
    for path in (
        root,
        root / "." / "",
        tmp_path,
        victim,
        root / ".." / "victim",
        root / "a" / ".." / ".." / "victim",
        root / "a" / "link",
        root / "a" / "link" / "precious",
    ):
        with pytest.raises(UnsafePathError):
            remove_below(path, root)
    assert (victim / "precious").read_text() == "keep me"
    (root / "a" / "b" / "link").symlink_to(victim)
    remove_below(root / "a" / "b", root)  # with a link in it, which is deleted itself
    assert not (root / "a" / "b").exists()
    assert (victim / "precious").read_text() == "keep me"
    remove_below(root / "nothing", root)


@pytest.mark.parametrize("where", ["run", "experiment", "inside"])
def test_a_run_behind_a_link_is_not_written_into(
    where: str, copied: Path, tmp_path: Path, mlpcli: Callable[..., Result]
) -> None:
    """The user's own link to the whole runs folder is followed; one inside it may be a stranger's."""
    elsewhere = tmp_path / "elsewhere"
    linked = {"run": copied, "experiment": copied.parent, "inside": copied / "checkpoints"}[where]
    _change(copied / "run.json", status="interrupted")
    linked.rename(elsewhere)
    linked.symlink_to(elsewhere)
    before = _everything(elsewhere)
    result = mlpcli("train", "--resume", copied, "--runs-dir", copied.parent.parent)
    assert result.status == 2
    assert "is a link, and may point" in result.err
    assert _everything(elsewhere) == before
    if where == "experiment":
        with pytest.raises(RunError, match="is a link, and may point elsewhere"):
            runs.create_run(copied.parent.parent, "tiny")


def test_the_runs_folder_itself_may_be_a_link(copied: Path, tmp_path: Path) -> None:
    (tmp_path / "shortcut").symlink_to(copied.parent.parent)
    runs.check_inside(tmp_path / "shortcut" / "tiny" / copied.name)
    runs.remove_inside(
        tmp_path / "shortcut" / "tiny" / copied.name / "history.csv", tmp_path / "shortcut/tiny" / copied.name
    )
    assert not (copied / "history.csv").exists()


def test_a_trials_folder_behind_a_link_is_not_deleted(
    search: Path, tmp_path: Path, mlpcli: Callable[..., Result]
) -> None:
    (search / "trials").rename(tmp_path / "elsewhere")
    (search / "trials").symlink_to(tmp_path / "elsewhere")
    before = _everything(tmp_path / "elsewhere")
    assert mlpcli("tune", "--resume", search).status == 2
    with pytest.raises(RunError, match="is a link"):
        runs.empty_folder(search / "trials" / "0003", search)
    assert _everything(tmp_path / "elsewhere") == before


def test_a_run_that_was_killed_before_it_began_is_reported_as_that(
    tmp_path: Path, mlpcli: Callable[..., Result]
) -> None:
    folder = tmp_path / "runs" / "k" / STAMP
    folder.mkdir(parents=True)
    (folder / "spec.yaml").write_text("name: k\n")
    message = (
        f"{folder} is not a run yet: it was stopped before its training started (it has no run.json); "
        "start it again: mlpcli train SPEC, or mlpcli tune SPEC\n"
    )
    for command in (
        ["train", "--resume", "k"],
        ["train", "--resume", f"k/{STAMP}"],
        ["evaluate", "k"],
        ["tune", "--resume", "k"],
        ["train", "--resume", folder],
    ):
        result = mlpcli(*command, "--runs-dir", tmp_path / "runs")
        assert (result.status, result.err) == (2, message), command
    result = mlpcli("evaluate", "kk", "--runs-dir", tmp_path / "runs")
    assert result.err == f"there is no run 'kk' under {tmp_path / 'runs'}; did you mean 'k'?\n"
    (tmp_path / "runs" / "empty").mkdir()
    result = mlpcli("evaluate", "empty", "--runs-dir", tmp_path / "runs")
    assert result.err == f"{tmp_path / 'runs/empty'} contains no runs; available: k\n"


def test_a_repository_beside_a_spec_runs_no_program(tmp_path: Path) -> None:
    """Its settings may name commands for `git status`: a watcher of files, filters of their contents."""
    from mlpcli.training.run_record import commit_of

    def git(*arguments: str) -> None:
        settings = ["-c", "user.name=a", "-c", "user.email=a", "-c", "core.fsmonitor=false"]
        subprocess.run(["git", "-C", str(tmp_path), *settings, *arguments], check=True, capture_output=True)

    program = tmp_path.with_name("program")
    program.write_text('#!/bin/sh\ntouch "$(dirname "$0")/ran-$1"\ncat\n')
    program.chmod(0o755)
    git("init", "-q")
    for name in ("one", "two", "three"):
        (tmp_path / name).write_text("a")
    git("add", ".")
    git("commit", "-qm", "first")
    (tmp_path / ".gitattributes").write_text("one filter=a\ntwo filter=b=c\nthree filter=d\n")
    git("config", "core.fsmonitor", f"{program} watcher")
    git("config", "filter.a.clean", f"{program} clean")
    git("config", "filter.b=c.clean", f"{program} equals")
    git("config", "filter.d.process", f"{program} process")
    git("config", "filter.d.required", "true")
    for name in ("one", "two", "three"):
        (tmp_path / name).write_text("b")
        os.utime(tmp_path / name, (1, 1))
    commit = commit_of(tmp_path)
    assert commit is not None
    assert commit.endswith("+changes")
    assert not list(tmp_path.parent.glob("ran-*"))
