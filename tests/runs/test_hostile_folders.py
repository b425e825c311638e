"""Forged searches, links and paths that lead elsewhere: nothing outside is written or deleted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlpcli import runs
from mlpcli.errors import RunError
from mlpcli.files import UnsafePathError, remove_below
from mlpcli.runs.search_folder import load_search
from tests.conftest import Result
from tests.runs.conftest import everything_below, with_fields

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
    before = everything_below(tmp_path)
    result = mlpcli("tune", "--resume", search, "--runs-dir", search.parent.parent)
    assert result.status == 2
    assert result.err.startswith(f"{search / 'search.json'} is damaged: ")
    after = everything_below(tmp_path)
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
    with_fields(copied / "run.json", status="interrupted")
    linked.rename(elsewhere)
    linked.symlink_to(elsewhere)
    before = everything_below(elsewhere)
    result = mlpcli("train", "--resume", copied, "--runs-dir", copied.parent.parent)
    assert result.status == 2
    assert "is a link, and may point" in result.err
    assert everything_below(elsewhere) == before
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
    before = everything_below(tmp_path / "elsewhere")
    assert mlpcli("tune", "--resume", search).status == 2
    with pytest.raises(RunError, match="is a link"):
        runs.empty_folder(search / "trials" / "0003", search)
    assert everything_below(tmp_path / "elsewhere") == before
