"""Many runs: listed, filtered, sorted, noted, tagged, removed and cleaned; nothing here is trained."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlpcli.runs import locked
from mlpcli.runs.choose_runs import filtered, parse_condition
from mlpcli.runs.folder import list_runs, open_run, resume_command
from mlpcli.runs.guard import outermost
from mlpcli.runs.notes import add_notes, read_notes
from mlpcli.runs.run_values import RunValues
from mlpcli.runs.trust import is_known, remember
from tests.conftest import Result

Command = Callable[..., Result]
SPEC = "name: {name}\noptimizer: {{Adam: {{learning_rate: 0.5}}}}\nfit: {{epochs: 5, batch_size: {size}}}\n"


def _run(runs_dir: Path, label: str, *, loss: float | None = None, size: int = 32, **record: object) -> Path:
    """Write the records of a run that needs no training."""
    folder = runs_dir / label
    folder.mkdir(parents=True)
    name = folder.parent.name
    metrics = {} if loss is None else {"validation": {"loss": loss, "accuracy": 1 - loss}}
    document = {
        "status": "completed",
        "name": name,
        "started": folder.name.replace("_", "T", 1),
        "epochs": 5,
        "data": {"fingerprint": "same", "contract": {"large": list(range(50))}},
        "best": {"monitor": "val_loss", "value": loss, "epoch": 3, "direction": "min"},
        "hyperparameters": {"lr": 0.01 * size},
        "timings": {"total": 12.5},
        "metrics": metrics,
    }
    (folder / "run.json").write_text(json.dumps(document | record))
    (folder / "resolved.yaml").write_text(SPEC.format(name=name, size=size))
    (folder / "model.keras").write_bytes(b"0" * 1000)
    return folder


@pytest.fixture
def several(tmp_path: Path) -> Path:
    """A runs folder of two experiments."""
    runs_dir = tmp_path / "runs"
    _run(runs_dir, "iris/2026-01-01_10-00-00", loss=0.5)
    _run(runs_dir, "iris/2026-01-02_10-00-00", loss=0.3, size=64)
    _run(runs_dir, "iris/2026-01-03_10-00-00", loss=0.4, size=16)
    _run(runs_dir, "wine/2026-01-01_10-00-00", loss=None, status="failed", error="no space")
    _run(runs_dir, "wine/2026-01-02_10-00-00", loss=0.9, size=8)
    return runs_dir


def _labels(runs_dir: Path, mlpcli: Command, *flags: str) -> list[str]:
    shown = mlpcli("runs", "--runs-dir", runs_dir, "--json", *flags)
    assert shown.status == 0, shown.err
    return [each["run"].replace("2026-01-0", "").replace("_10-00-00", "") for each in json.loads(shown.out)]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ((), ["iris/1", "iris/2", "iris/3", "wine/1", "wine/2"]),
        (("--where", "status=failed"), ["wine/1"]),
        (("--where", "status!=failed", "--where", "name=ir*"), ["iris/1", "iris/2", "iris/3"]),
        (("--where", "val_loss<0.5"), ["iris/2", "iris/3"]),
        (("--where", "val_loss >= 0.5"), ["iris/1", "wine/2"]),
        (("--where", "started>2026-01-02"), ["iris/2", "iris/3", "wine/2"]),
        (("--where", "fit.batch_size=64"), ["iris/2"]),
        (("--where", "optimizer.Adam.learning_rate=0.5"), ["iris/1", "iris/2", "iris/3", "wine/1", "wine/2"]),
        (("--where", "lr<=0.16"), ["iris/3", "wine/2"]),
        (("--where", "error~SPACE"), ["wine/1"]),
        (("--where", "error="), ["iris/1", "iris/2", "iris/3", "wine/2"]),
        (("--sort", "val_loss"), ["iris/2", "iris/3", "iris/1", "wine/2", "wine/1"]),
        (("--sort", "val_accuracy"), ["iris/2", "iris/3", "iris/1", "wine/2", "wine/1"]),
        (("--sort", "val_accuracy", "--reverse"), ["wine/2", "iris/1", "iris/3", "iris/2", "wine/1"]),
        (("--sort", "best", "--limit", "2"), ["iris/2", "iris/3"]),
        (("--sort", "fit.batch_size", "--where", "name=iris"), ["iris/3", "iris/1", "iris/2"]),
        (("--limit", "1"), ["iris/3"]),
        (("--where", "tag=good"), []),
    ],
)
def test_runs_are_filtered_and_sorted(
    several: Path, mlpcli: Command, flags: tuple[str, ...], expected: list[str]
) -> None:
    assert _labels(several, mlpcli, *flags) == expected


def test_links_that_lead_nowhere_hide_no_runs(several: Path, mlpcli: Command) -> None:
    before = mlpcli("runs", "--runs-dir", several).out
    for place in (several, several / "iris"):
        (place / "circle").symlink_to(place / "circle")
        (place / "nowhere").symlink_to(place / "missing")
    assert mlpcli("runs", "--runs-dir", several).out == before


def test_the_value_that_runs_are_sorted_by_is_always_shown(several: Path, mlpcli: Command) -> None:
    for folder in sorted((several / "iris").iterdir()):
        record = json.loads((folder / "run.json").read_text())
        test = {f"a_metric_with_a_long_name_{number}": 0.5 for number in range(6)} | {"mae": 0.125}
        record["metrics"]["test"] = test
        (folder / "run.json").write_text(json.dumps(record))
    for flags in (
        ("--sort", "test_mae"),
        ("--sort", "test_mae", "--columns", "run,started,started,error,test_mae"),
    ):
        shown = mlpcli("runs", "--runs-dir", several, *flags).out.splitlines()
        assert "test_mae" in shown[0].split()
        assert "0.1250" in shown[1].split()
        assert max(map(len, shown)) <= 80


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--where", "val_loss"), "is no condition"),
        (("--where", "val_los<1"), "did you mean 'val_loss'?"),
        (("--where", "accuracy>0.5"), "write val_accuracy"),
        (("--where", "val_loss<small"), "val_loss is a number, 'small' is none"),
        (("--sort", "colour"), "no run has a 'colour'"),
        (("--columns", "run,colour"), "no run has a 'colour'"),
        (("--csv", "."), "is a folder"),
    ],
)
def test_what_no_run_has_is_refused(
    several: Path, mlpcli: Command, flags: tuple[str, ...], message: str
) -> None:
    shown = mlpcli("runs", "--runs-dir", several, *flags)
    assert shown.status == 2
    assert message in shown.err


def test_columns_and_csv_have_what_was_asked_for(several: Path, mlpcli: Command, tmp_path: Path) -> None:
    where = ("--runs-dir", several)
    shown = mlpcli("runs", *where, "--sort", "val_loss", "--columns", "run,val_loss,fit.batch_size,seconds")
    lines = [line.split() for line in shown.out.splitlines()]
    assert lines[0] == ["run", "val_loss", "fit.batch_size", "seconds"]
    assert lines[1] == ["iris/2026-01-02_10-00-00", "0.3000", "64", "12.5", "s"]
    assert max(map(len, shown.out.splitlines())) <= 80
    file = tmp_path / "runs.csv"
    assert mlpcli("runs", *where, "--csv", file).status == 0
    assert mlpcli("runs", *where, "--csv", "-", "--json").status == 2  # stdout is for one of them
    with file.open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["val_loss"] for row in rows] == ["0.5", "0.3", "0.4", "", "0.9"]
    assert rows[3]["error"] == "no space"
    assert mlpcli("runs", *where, "--csv", file).status == 2  # it exists
    assert mlpcli("runs", *where, "--csv", file, "--force", "--columns", "run").status == 0
    assert file.read_text().splitlines()[0] == "run"


def test_a_name_that_looks_like_a_sign_is_read_to_its_first() -> None:
    assert parse_condition("optimizer.Adam.learning_rate<=1e-3").sign == "<="
    assert parse_condition("note~a=b").value == "a=b"


def test_the_lists_records_leave_out_the_contract(several: Path) -> None:
    found = list_runs(several).runs
    assert all(run.record.data is None for run in found)
    assert [values.run.label for values in filtered([RunValues(run) for run in found], ["epochs=5"])]


def test_notes_and_tags_are_kept_shown_and_taken_off(several: Path, mlpcli: Command) -> None:
    where = ("--runs-dir", several)
    assert "has no note and no tag" in mlpcli("note", "iris", *where).out
    assert mlpcli("note", "iris", "with [red]new[/] labels", "--tag", "good", *where).status == 0
    shown = mlpcli("note", "iris", "again", "--tag", "v2", "--untag", "good", "--json", *where)
    document = json.loads(shown.out)
    assert [each["text"] for each in document["notes"]] == ["with [red]new[/] labels", "again"]
    assert document["tags"] == ["v2"]
    assert _labels(several, mlpcli, "--where", "tag=v2") == ["iris/3"]
    listed = mlpcli("runs", *where)
    assert "tags" in listed.out
    assert "v2" in listed.out
    refused = mlpcli("note", "iris", "--untag", "good", *where)
    assert refused.status == 2
    assert "its tags: v2" in refused.err
    assert mlpcli("note", "iris", "--tag", "two words", *where).status == 2
    (several / "iris/2026-01-03_10-00-00/notes.json").write_text("{")
    assert mlpcli("note", "iris", *where).status == 2  # damaged, and told
    assert mlpcli("runs", *where).status == 0


def test_notes_and_tags_of_many_commands_at_once_are_all_kept(several: Path, mlpcli: Command) -> None:
    folder = several / "iris/2026-01-03_10-00-00"
    with locked(folder), ThreadPoolExecutor(8) as pool:  # also while it is being trained
        run = open_run(folder)
        list(pool.map(lambda at: add_notes(run, f"note {at}", tags=[f"tag{at}"]), range(40)))
    found = read_notes(folder)
    assert sorted(each.text for each in found.notes) == sorted(f"note {at}" for at in range(40))
    assert set(found.tags) == {f"tag{at}" for at in range(40)}


def test_plug_ins_that_are_remembered_at_once_are_all_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    sums = [f"{place:064x}" for place in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(remember, sums))
    assert all(map(is_known, sums))


def test_everything_wrong_with_a_note_is_reported_at_once(several: Path, mlpcli: Command) -> None:
    where = ("--runs-dir", several)
    refused = mlpcli("note", "iris", "x" * 10_001, "--tag", "two words", "--tag", "", *where)
    assert refused.status == 2
    assert "this one has 10,001" in refused.err
    assert "--tag 'two words'" in refused.err
    assert "--tag ''" in refused.err
    refused = mlpcli("note", "iris", "--untag", "one", "--untag", "other", *where)
    assert "no tag 'one'" in refused.err
    assert "no tag 'other'" in refused.err


def test_remove_deletes_what_is_named_and_asks_before(several: Path, mlpcli: Command) -> None:
    where = ("--runs-dir", several)
    several_runs = mlpcli("remove", "iris", "nothing", "--yes", *where)
    assert several_runs.status == 2
    assert "iris has 3 runs" in several_runs.err
    assert "nothing" in several_runs.err
    one = "iris/2026-01-02_10-00-00"
    asked = mlpcli("remove", one, *where)
    assert asked.status == 2
    assert "--yes" in asked.err
    assert mlpcli("remove", one, "--dry-run", *where).out.count(one) == 1
    assert (several / one).is_dir()
    with locked(several / one):
        assert "in use" in mlpcli("remove", one, "--yes", *where).err
    gone = json.loads(mlpcli("remove", one, several / one, "--yes", "--json", *where).out)
    assert [each["run"] for each in gone["runs"]] == [one]
    assert gone["bytes"] > 1000
    assert not (several / one).exists()
    assert len(_labels(several, mlpcli)) == 4


def test_an_empty_name_is_that_of_no_run(tmp_path: Path, mlpcli: Command) -> None:
    """As of a variable that a script has not set."""
    only = _run(tmp_path, "iris/2026-01-01_10-00-00", loss=0.5)
    for command in (("remove", "", "--yes"), ("runs", "")):
        refused = mlpcli(*command, "--runs-dir", tmp_path)
        assert refused.status == 2
        assert refused.err.startswith("there is no experiment ''")
    assert only.is_dir()


def test_remove_keeps_to_the_runs_folder(several: Path, mlpcli: Command, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (several / "iris").rename(elsewhere)
    (several / "iris").symlink_to(elsewhere)
    assert mlpcli("remove", "iris/2026-01-02_10-00-00", "--yes", "--runs-dir", several).status == 2
    assert (elsewhere / "2026-01-02_10-00-00" / "run.json").exists()
    trial = _run(several, "wine/2026-01-02_10-00-00/trials/0001", loss=0.2)
    assert "belongs to" in mlpcli("remove", trial, "--yes", "--runs-dir", several).err


def test_a_run_that_has_not_ended_has_the_epochs_that_it_saved(several: Path, mlpcli: Command) -> None:
    killed = _run(several, "iris/2026-01-06_10-00-00", status="running", epochs=0)
    resumed = _run(several, "wine/2026-01-06_10-00-00", status="running", epochs=3)
    begun = _run(several, "wine/2026-01-07_10-00-00", status="running", epochs=0)
    rows = [f"{epoch},{1 / epoch}\n" for epoch in range(1, 2101)]
    (killed / "history.csv").write_text("".join(["epoch,loss\n", *rows]))
    (resumed / "history.csv").write_text("".join(["epoch,loss\n", *rows[:7]]))
    folder = ("--runs-dir", several)
    shown = {each["folder"]: each["epochs"] for each in json.loads(mlpcli("runs", "--json", *folder).out)}
    assert [shown[str(each)] for each in (killed, resumed, begun)] == [2100, 7, 0]
    assert "2100" in mlpcli("runs", *folder).out
    assert json.loads(mlpcli("runs", "--where", "epochs>2000", "--json", *folder).out)[0]["folder"] == str(
        killed
    )
    compared = mlpcli("compare", killed, resumed, "--json", *folder)
    assert json.loads(compared.out)["facts"]["epochs"] == [2100, 7]


def test_clean_deletes_what_is_of_no_more_use(several: Path, mlpcli: Command) -> None:
    runs_dir = several
    _run(runs_dir, "iris/2026-01-04_10-00-00", loss=0.4, size=16)  # repeats the third
    _run(runs_dir, "wine/2026-01-01_11-00-00", status="interrupted", size=4)
    _run(runs_dir, "wine/2026-01-03_10-00-00", status="running", size=2)  # killed, can be resumed
    _run(runs_dir, "wine/2026-01-04_10-00-00", loss=0.8, size=1, parent={"run": "wine/2026-01-02_10-00-00"})
    (runs_dir / "iris/2026-01-05_10-00-00").mkdir()
    killed = runs_dir / "wine/2026-01-05_10-00-00"  # a search, as it wrote its first files
    (killed / ".search.json.x7_ab.part").mkdir(parents=True)
    for name in ("spec.yaml", "search.yaml", "lock"):
        (killed / name).write_text("a")
    where = ("--runs-dir", runs_dir, "--json")
    planned = json.loads(mlpcli("clean", "--dry-run", *where).out)
    reasons = {each["run"]: each["reason"] for each in planned["runs"]}
    assert reasons == {
        "iris/2026-01-03_10-00-00": "iris/2026-01-04_10-00-00 repeated it",
        "iris/2026-01-05_10-00-00": "never started",
        "wine/2026-01-01_10-00-00": "it failed",
        "wine/2026-01-01_11-00-00": "it was stopped, wine/2026-01-04_10-00-00 is finished",
        "wine/2026-01-02_10-00-00": "wine/2026-01-04_10-00-00 continued it",
        "wine/2026-01-03_10-00-00": "it was stopped, wine/2026-01-04_10-00-00 is finished",
        "wine/2026-01-05_10-00-00": "never started",
    }
    assert mlpcli("note", "wine/2026-01-01_10-00-00", "why it failed", "--runs-dir", runs_dir).status == 0
    assert mlpcli("clean", *where).status == 2
    assert not json.loads(mlpcli("clean", "--dry-run", *where).out)["removed"]
    assert json.loads(mlpcli("clean", "--yes", *where).out)["removed"]
    kept = ["iris/1", "iris/2", "iris/4", "wine/1", "wine/4"]
    assert _labels(runs_dir, mlpcli) == kept
    older = json.loads(mlpcli("clean", "--older", "--yes", *where).out)
    assert [each["run"] for each in older["runs"]] == ["iris/2026-01-01_10-00-00"]  # not best, not newest
    assert "nothing to delete" in mlpcli("clean", "--runs-dir", runs_dir).out


def test_folders_that_are_no_runs_are_left_alone(several: Path, mlpcli: Command) -> None:
    photos = several / "photos" / "2024-05-01_10-20-30"
    photos.mkdir(parents=True)
    (photos / "a.jpg").write_text("x")
    lost = several / "iris" / "2026-01-03_10-00-00"
    (lost / "run.json").unlink()  # a finished run that has only lost its record
    planned = json.loads(mlpcli("clean", "--dry-run", "--json", "--runs-dir", several).out)
    assert {each["run"] for each in planned["runs"]} == {"wine/2026-01-01_10-00-00"}
    refused = mlpcli("remove", photos, "--yes", "--runs-dir", several)
    assert refused.status == 2
    assert "a.jpg" in refused.err
    assert (photos / "a.jpg").exists()


def test_a_run_that_another_began_with_is_kept(several: Path, mlpcli: Command) -> None:
    used = "iris/2026-01-03_10-00-00"
    _run(several, "iris/2026-01-04_10-00-00", loss=0.4, size=16)  # repeats it
    _run(several, "new/2026-01-04_10-00-00", loss=0.1, start_from={"run": f"{used}/folds/01"})
    planned = json.loads(mlpcli("clean", "--dry-run", "--json", "--runs-dir", several).out)
    assert used not in [each["run"] for each in planned["runs"]]
    assert f"began with {used}" in mlpcli("remove", used, "--dry-run", "--runs-dir", several).err


def test_an_experiment_may_have_the_name_of_a_folder_of_runs(tmp_path: Path) -> None:
    for name in ("folds", "trials", "plain"):
        whole = tmp_path / "runs" / name / "2026-11-29_01-02-03"
        assert outermost(whole) == whole
        assert outermost(whole / "folds" / "01") == whole
        assert f"--resume {name}/2026-11-29_01-02-03" in resume_command(whole)
