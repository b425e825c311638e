"""However a run is cut at its end, resuming it redoes the end, and what is said of it is true."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mlpcli import runs
from mlpcli.errors import TrainingError
from mlpcli.files import Displaced, holding, overwrite, write_text
from mlpcli.runs.folder import find_run, open_run
from mlpcli.spec.load import load_spec
from mlpcli.training.checkpoint_file import read_checkpoint
from mlpcli.training.job import TrainOptions
from mlpcli.training.resume import resume_run
from mlpcli.training.session import train
from scripts.kill_at_write import Writes
from scripts.same_runs import differences
from scripts.torture_writes import CALLBACKS, IRIS, Moments
from tests.conftest import TINY, Result
from tests.training.stopped_runs import Quiet, Stopping

pytestmark = [pytest.mark.slow, pytest.mark.uncounted]


@pytest.mark.parametrize("engine", ["compiled", "keras"])
def test_a_run_killed_at_a_write_near_its_end_is_finished_by_resuming(
    engine: str, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    """`scripts/torture --writes` tries all writes of six kinds of runs."""
    spec, runs_dir = tmp_path / "it.yaml", tmp_path / "runs"
    text = (IRIS + CALLBACKS).replace("epochs: 2", "epochs: 1")
    spec.write_text(text.replace("fit: {", f"fit: {{engine: {engine}, "))
    runs_dir.mkdir()
    moments = EndMoments(runs_dir, tmp_path / "copies")
    with Writes(runs_dir, before=moments.take):
        assert mlpcli("train", spec, "--runs-dir", runs_dir).status == 0
    alone = find_run("it", runs_dir).folder
    copies = [*moments.found.values()]
    assert len(copies) >= 5
    for copy in [copies[0], copies[3], copies[-1]] if engine == "compiled" else copies[:1]:
        result = mlpcli("train", "--resume", "it", "--runs-dir", copy)
        assert result.status == 0, result.err
        assert differences(find_run("it", copy).folder, alone) == [], copy


END = (runs.STATE, runs.LAST_CHECKPOINT, runs.BEST_CHECKPOINT, runs.MODEL, runs.METRICS, runs.SUMMARY)


class EndMoments(Moments):
    """The moments after the epoch: when each file of the end is there, and when only the record lacks."""

    seen: frozenset[str] = frozenset()

    def take(self, number: int, kind: str, path: str) -> None:
        folder = next(self.runs_dir.glob("it/*"), self.runs_dir)
        there = frozenset(name for name in END if (folder / name).exists())
        if there - self.seen or (runs.SUMMARY in there and path.endswith(runs.RECORD)):
            super().take(number, kind, path)
        self.seen |= there


class StoppedAtOnce(Quiet):
    """A watcher at which a signal arrives when the run has been described, or at a step of an epoch."""

    def __init__(self, when: str) -> None:
        super().__init__()
        self.when = when

    def plan(self, plan: object, run_dir: Path) -> None:
        if self.when == "before the first epoch":
            raise KeyboardInterrupt("SIGTERM")

    def step(self, epoch: int, epochs: int, done: int, total: int, logs: Mapping[str, float]) -> None:
        raise KeyboardInterrupt("SIGTERM")


@pytest.mark.parametrize("when", ["before the first epoch", "within the first epoch"])
def test_a_signal_right_after_a_resume_keeps_what_there_was(when: str, interrupted: Path) -> None:
    before = read_checkpoint(interrupted / runs.STATE)
    for name in (runs.METRICS, runs.LAST_CHECKPOINT, runs.HISTORY):
        (interrupted / name).unlink()
    watcher = StoppedAtOnce(when)
    with pytest.raises(KeyboardInterrupt):
        resume_run(open_run(interrupted), watcher=watcher)
    assert "interrupted: saving the state after epoch 3" in watcher.notes
    record = open_run(interrupted).record.to_json()
    assert (record["status"], record["error"], record["epochs"]) == ("interrupted", "SIGTERM", 3)
    assert read_checkpoint(interrupted / runs.STATE)["epoch"] == before["epoch"]
    if when == "within the first epoch":
        measured = json.loads((interrupted / runs.METRICS).read_text())
        assert record["metrics"] == {split: measured[split] for split in record["metrics"]}
        assert measured["confidence_intervals"]
        assert (interrupted / runs.LAST_CHECKPOINT).exists()
        assert (interrupted / runs.HISTORY).read_text().count("\n") == 4


def test_a_log_that_was_cut_is_not_continued_as_if_it_were_whole(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    spec = tmp_path / "tiny.yaml"
    spec.write_text(TINY + "callbacks: [CSVLogger]\n")
    with pytest.raises(KeyboardInterrupt):
        train(load_spec(spec), runs_dir=tmp_path / "runs", watcher=Stopping(3, KeyboardInterrupt("SIGINT")))
    log = find_run("tiny", tmp_path / "runs", unfinished=True) / "log.csv"
    log.write_bytes(log.read_bytes()[:-1])
    result = mlpcli("train", "--resume", "tiny", "--runs-dir", tmp_path / "runs")
    assert result.status == 2
    assert f"{log} does not hold the rows that were logged before the run was stopped" in result.err


class Acting(Quiet):
    """A watcher that does something to the run folder as an epoch ends, or as a stage begins."""

    def __init__(self, action: Callable[[Path], object], at: object) -> None:
        super().__init__()
        self.action, self.at = action, at

    def stage(self, text: str) -> None:
        if text == self.at:
            self.action(self.folder)

    def epoch(self, epoch: int, epochs: int, logs: Mapping[str, float], seconds: float) -> None:
        if epoch == self.at:
            self.action(self.folder)


def _link(name: str) -> Callable[[Path], object]:
    def replace(folder: Path) -> None:
        elsewhere = folder.parent.parent.parent / "elsewhere"
        shutil.move(folder / name, elsewhere)
        (folder / name).symlink_to(elsewhere)

    return replace


def _replaced(folder: Path) -> None:
    folder.rename(folder.parent.parent.parent / "elsewhere")
    folder.mkdir()
    (folder / "spec.yaml").write_text("somebody's")


def _emptied(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


TAKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "deleted": (shutil.rmtree, "{run} was moved or deleted while"),
    "moved": (lambda folder: folder.rename(folder.parent.parent.parent / "elsewhere"), "{run} was moved or"),
    "replaced": (_replaced, "{run} was replaced while"),
    "emptied": (_emptied, "{run} was replaced while"),
    "spec deleted": (lambda folder: (folder / "resolved.yaml").unlink(), "{run}/resolved.yaml was moved or"),
    "lock deleted": (lambda folder: (folder / "lock").unlink(), "the lock file of {run} was deleted"),
    "curves deleted": (
        lambda folder: shutil.rmtree(folder / "tensorboard"),
        "{run}/tensorboard was moved or",
    ),
    "checkpoints a link": (_link("checkpoints"), "{run}/checkpoints was replaced by a link"),
    "record a link": (_link("run.json"), "{run}/run.json was replaced by a link"),
}


MOMENTS: list[tuple[str, object]] = [(what, 2) for what in TAKEN]
MOMENTS += [("moved", "saving the model"), ("checkpoints a link", "evaluating every split")]


QUICK = TrainOptions(saved_model=False, figures=False, baseline=False, intervals=False)


@pytest.mark.parametrize(("what", "at"), MOMENTS)
def test_a_run_whose_folder_is_taken_away_fails_and_writes_nowhere_else(
    what: str, at: object, tmp_path: Path
) -> None:
    action, message = TAKEN[what]
    spec = tmp_path / "tiny.yaml"
    # A graph's epochs are so short that a folder would be replaced while its checkpoint is being written.
    engine = "auto" if "link" in what else "graph"
    spec.write_text(TINY.replace("epochs: 5", f"epochs: 3, engine: {engine}"))
    watcher = Acting(action, at)
    with pytest.raises(TrainingError, match=re.escape(message.split("{run}")[-1])) as caught:
        train(load_spec(spec), runs_dir=tmp_path / "runs", watcher=watcher, options=QUICK)
    assert caught.value.exit_status == 1
    assert "nothing was written elsewhere" in str(caught.value)
    folder = watcher.folder
    if what in ("deleted", "moved"):
        assert list(folder.parent.iterdir()) == []
    elif what == "replaced":
        assert [path.name for path in folder.iterdir()] == ["spec.yaml"]
    elif what == "emptied":
        assert not folder.exists() or list(folder.iterdir()) == []
    elif what != "record a link":
        assert open_run(folder).status == "failed"


FULL = {"error": "ENOSPC", "lasting": True}


def _failing(
    mlpcli: Callable[..., Result], tmp_path: Path, path: str, kind: str, nth: int, **fault: object
) -> tuple[Result, Path]:
    """Train tiny with its n-th write of a kind at a path failing."""
    runs_dir = tmp_path / "runs"
    runs_dir.mkdir(exist_ok=True)
    text = TINY.replace("batch_size: 16", "batch_size: 16, engine: graph, checkpoint: {every: 1}")
    (tmp_path / "tiny.yaml").write_text(text)
    writes = Writes(runs_dir, **fault)  # type: ignore[arg-type]
    seen = [0]

    def before(number: int, found: str, where: str) -> None:
        seen[0] += found == kind and where.endswith(path)
        if seen[0] == nth and not writes.at:
            writes.at = number

    writes._before = before
    with writes:
        result = mlpcli("train", tmp_path / "tiny.yaml", "--runs-dir", runs_dir)
    return result, runs_dir


FORBIDDEN = {"error": "EACCES", "lasting": True}


@pytest.mark.parametrize(
    ("path", "kind", "nth", "epoch", "fault"),
    [
        ("state.ckpt", "write", 1, 0, FULL),
        ("state.ckpt", "write", 10, 3, FORBIDDEN),
        ("last.keras", "open", 1, 5, FULL),
        ("saved_model.pb", "replace", 1, 5, {"error": "EIO"}),
        ("run.json", "replace", 3, 5, FORBIDDEN),
    ],
)
def test_what_cannot_be_written_leaves_a_failed_run_and_its_last_saved_epoch_is_named(
    path: str,
    kind: str,
    nth: int,
    epoch: int,
    fault: dict[str, object],
    mlpcli: Callable[..., Result],
    tmp_path: Path,
) -> None:
    result, runs_dir = _failing(mlpcli, tmp_path, path, kind, nth, **fault)
    assert result.status == 1, result
    run = find_run("tiny", runs_dir, unfinished=True)
    state = run / runs.STATE
    saved = read_checkpoint(state)["epoch"] if state.exists() else 0
    assert saved == epoch
    whole = f"the checkpoint of epoch {saved} is intact" if saved else "no epoch was saved"
    code = getattr(errno, str(fault["error"]))
    assert re.match(rf"a file could not be written: {re.escape(os.strerror(code))}.*; {whole}; ", result.err)
    assert f"resume with: mlpcli train --resume {run.label}" in result.err
    assert run.status == "failed"
    assert not list(run.folder.rglob("*.part")) or fault["error"] == "EACCES"


def test_a_run_that_cannot_begin_leaves_nothing(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    for path, kind in (("lock", "open"), ("resolved.yaml", "write"), ("run.json", "write")):
        result, runs_dir = _failing(mlpcli, tmp_path, path, kind, 1, **FULL)
        assert result.status == 1
        assert "No space left on device" in result.err
        assert "internal error" not in result.err
        assert "--resume" not in result.err
        assert list(runs_dir.rglob("*")) == [runs_dir / "tiny"]


def test_a_signal_before_a_run_has_begun_leaves_nothing(tmp_path: Path) -> None:
    spec, runs_dir = tmp_path / "tiny.yaml", tmp_path / "runs"
    spec.write_text(TINY)
    runs_dir.mkdir()

    def stop(number: int, kind: str, path: str) -> None:
        if path.endswith("resolved.yaml") and kind == "open":
            raise KeyboardInterrupt("SIGTERM")

    watcher = Quiet()
    with Writes(runs_dir, before=stop), pytest.raises(KeyboardInterrupt):
        train(load_spec(spec), runs_dir=runs_dir, watcher=watcher)
    assert list(runs_dir.rglob("*")) == [runs_dir / "tiny"]
    assert not any("resume with" in note for note in watcher.notes)


def test_a_signal_after_the_last_write_leaves_the_run_complete(tmp_path: Path) -> None:
    spec, runs_dir = tmp_path / "tiny.yaml", tmp_path / "runs"
    spec.write_text(TINY.replace("epochs: 5", "epochs: 1, engine: graph"))
    runs_dir.mkdir()

    def stop(number: int, kind: str, path: str) -> None:
        record = next(runs_dir.glob("tiny/*/run.json"), None)
        if kind == "ftruncate" and record and json.loads(record.read_text())["status"] == "completed":
            raise KeyboardInterrupt("SIGTERM")

    with Writes(runs_dir, before=stop), pytest.raises(KeyboardInterrupt):
        train(load_spec(spec), runs_dir=runs_dir, watcher=Quiet(), options=QUICK)
    assert find_run("tiny", runs_dir).status == "completed"


def test_resuming_a_finished_run_deletes_what_a_kill_has_left(
    tiny_run: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    shutil.copytree(tiny_run, tmp_path / "runs")
    folder = find_run("tiny", tmp_path / "runs").folder
    (folder / ".run.json.abc.part").mkdir()
    result = mlpcli("train", "--resume", "tiny", "--runs-dir", tmp_path / "runs")
    assert (result.status, result.err) == (0, "")
    assert not list(folder.rglob("*.part"))


IRIS_ROWS = "".join(f"{5 + n % 7 / 10},{3 + n % 5 / 10},{1 + n % 11 / 10},{n % 3 / 10}\n" for n in range(60))
IRIS_COLUMNS = ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)")


@pytest.mark.parametrize("stage", ["saving the model", "evaluating every split"])
def test_a_run_stopped_while_it_saves_its_result_is_finished_by_resuming(
    stage: str, tiny_run: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)

    def stop(folder: Path) -> None:
        raise KeyboardInterrupt("SIGTERM")

    with pytest.raises(KeyboardInterrupt):
        train(load_spec(tmp_path / "tiny.yaml"), runs_dir=tmp_path / "runs", watcher=Acting(stop, stage))
    run = find_run("tiny", tmp_path / "runs", unfinished=True)
    assert (run.status, run.record.epochs) == ("interrupted", 5)
    assert mlpcli("train", "--resume", "tiny", "--runs-dir", tmp_path / "runs").status == 0
    assert differences(run.folder, find_run("tiny", tiny_run).folder) == []


def test_a_continued_run_that_is_killed_goes_on_from_where_it_began(
    tiny_run: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    shutil.copytree(tiny_run, tmp_path / "runs")
    moments = Moments(tmp_path / "runs", tmp_path / "copies")
    with Writes(tmp_path / "runs", before=moments.take):
        command = ["train", "--continue", "tiny", "--epochs", "1", "--runs-dir"]
        assert mlpcli(*command, tmp_path / "runs").status == 0
    alone = find_run("tiny", tmp_path / "runs").folder
    begun = next(
        n for n, copy in moments.found.items() if (copy / "tiny" / alone.name / runs.RECORD).exists()
    )
    copy = moments.found[begun]
    result = mlpcli("train", "--resume", f"tiny/{alone.name}", "--runs-dir", copy)
    assert "after epoch 5" in result.out, result.err
    assert differences(copy / "tiny" / alone.name, alone) == []


def test_an_output_is_whole_or_as_it_was_whatever_is_cut_or_fails(
    tiny_run: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    rows, out = tmp_path / "rows.csv", tmp_path / "out"
    rows.write_text(",".join(IRIS_COLUMNS) + "\n" + IRIS_ROWS)
    out.mkdir()
    commands = {
        "made.csv": ["predict", "tiny", rows, "-o", out / "made.csv", "--force", "--runs-dir", tiny_run],
        "made.yaml": ["init", rows, "--target", IRIS_COLUMNS[0], "-o", out / "made.yaml", "--force"],
    }
    for name, command in commands.items():
        target = out / name
        with Writes(out) as writes:
            assert mlpcli(*command).status == 0
        new = target.read_text()
        for at in range(1, writes.count + 1):
            target.write_text("old")

            def check(number: int, kind: str, path: str, target: Path = target, new: str = new) -> None:
                assert target.read_text() in ("old", new)

            with Writes(out, at, error="ENOSPC", before=check):
                result = mlpcli(*command)
            assert target.read_text() in ("old", new)
            assert [path.name for path in out.iterdir() if path.suffix == ".part"] == []
            if result.status:
                assert result.status == 1
                assert result.err.startswith("No space left on device (")
                assert result.err.endswith("no incomplete file was left; free disk space and try again\n")
        target.unlink()


def test_overwriting_keeps_a_file_that_is_too_short_for_the_text_on_a_full_disk(tmp_path: Path) -> None:
    target = tmp_path / "record"
    write_text(target, "a long text that was here")
    overwrite(target, "short")
    assert target.read_text() == "short" + " " * 20
    with Writes(tmp_path, 1, error="ENOSPC", lasting=True) as writes:
        writes.at = 2  # after it is opened
        with pytest.raises(OSError, match="No space left"):
            overwrite(target, "x" * 26)
        overwrite(target, "y" * 25)
    assert target.read_text() == "y" * 25


def test_a_held_folder_is_written_in_or_nowhere(tmp_path: Path) -> None:
    folder = tmp_path / "held"
    (folder / "inside").mkdir(parents=True)
    with holding(folder):
        write_text(folder / "inside" / "one", "1")
        shutil.move(folder, tmp_path / "moved")
        with pytest.raises(Displaced, match="held was moved or deleted"):
            write_text(folder / "inside" / "two", "2")
        assert not folder.exists()
        (tmp_path / "moved").rename(folder)
        write_text(folder / "inside" / "two", "2")
        (folder / "inside").rename(tmp_path / "other")
        (folder / "inside").symlink_to(tmp_path / "other")
        with pytest.raises(Displaced, match="inside was replaced by a link"):
            write_text(folder / "inside" / "three", "3")
    assert not (tmp_path / "other" / "three").exists()
