"""Which run may be resumed or continued, what it is compared with, and what is said of the differences."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mlpcli import runs
from mlpcli.errors import RunError, UsageError
from mlpcli.runs.folder import Run, find_run
from mlpcli.runs.record_models import MembersRecord, PluginFile, Start
from mlpcli.spec.load import load_spec
from mlpcli.training.resume import (
    Continuation,
    check_same,
    check_unfinished,
    continue_run,
    identity_then,
    owner_of,
    resume_run,
    saved_state,
    spec_to_resume,
)
from tests.bare_runs import BARE, train_bare
from tests.conftest import TINY
from tests.training.stopped_runs import Quiet
from tests.training.test_resume_edges import SPEC, _identity

pytestmark = pytest.mark.slow


def _with(run: Run, **changes: object) -> Run:
    """The run with another record."""
    return replace(run, record=run.record.model_copy(update=changes))


@pytest.fixture
def tiny(tiny_run: Path) -> Run:
    """A finished run of five epochs."""
    return find_run("tiny", tiny_run)


def test_a_finished_or_diverged_run_is_not_resumed(tiny: Run) -> None:
    with pytest.raises(RunError, match=r"is finished; train it for more epochs with --continue"):
        check_unfinished(tiny, force=True)
    check_unfinished(_with(tiny, ended_by="time"), force=False)  # it has epochs left
    for status in ("interrupted", "failed"):
        check_unfinished(_with(tiny, status=status), force=False)
    diverged = _with(tiny, status="diverged")
    with pytest.raises(RunError, match=r"has diverged and would diverge again; change the spec .* --force"):
        check_unfinished(diverged, force=False)
    check_unfinished(diverged, force=True)


def test_what_has_changed_is_refused_or_noted_and_other_versions_are_noted_alone(tiny: Run) -> None:
    then = _identity(versions={"keras": "1"})
    same = _identity(versions={"keras": "2"})
    other = _identity(SPEC.replace("epochs: 3", "epochs: 4"), versions={"keras": "2"})
    noted = "the result may differ from that of an uninterrupted run: "
    watcher = Quiet()
    check_same(tiny, then, same, watcher, force=False)
    assert watcher.notes[1:] == [f"{noted}keras 1 then, 2 now"]
    with pytest.raises(RunError) as caught:
        check_same(tiny, then, other, watcher, force=False)
    first, second = (problem.headline() for problem in caught.value.problems)
    assert first.startswith(f"run {tiny.label} was started with other settings, data or plug-ins; restore")
    assert second == "fit.epochs has changed: 3 then, 4 now"
    watcher = Quiet()
    check_same(tiny, then, other, watcher, force=True)
    assert watcher.notes[1:] == [
        f"{noted}fit.epochs has changed: 3 then, 4 now",
        f"{noted}keras 1 then, 2 now",
    ]


def test_without_a_checkpoint_the_other_files_say_what_a_run_was_started_with(
    tiny: Run, tmp_path: Path
) -> None:
    state = saved_state(tiny)
    assert state is not None
    assert identity_then(tiny, state) == state.identity
    assert identity_then(tiny, None) == state.identity
    own = {"plugins": [PluginFile(file="plugins/mine.py", sha256="0a" * 32)]}
    start = {"start_from": Start(run="a/1", sha256="0b" * 32)}
    found = identity_then(_with(tiny, **own, **start), None)
    assert (found.plugins, found.start_from) == ({"mine.py": "0a" * 32}, "0b" * 32)


def test_a_checkpoint_that_is_a_broken_link_is_not_taken_for_none(tiny: Run, tmp_path: Path) -> None:
    run = replace(tiny, folder=Path(shutil.copytree(tiny.folder, tmp_path / "run")))
    (run / runs.STATE).unlink()
    assert saved_state(run) is None
    (run / runs.STATE).symlink_to(tmp_path / "gone")
    with pytest.raises(RunError):
        saved_state(run)


def test_only_a_finished_single_run_with_a_checkpoint_is_continued_and_for_more_epochs(
    tiny: Run, tmp_path: Path
) -> None:
    def refused(run: Run, *settings: str, epochs: int | None = None) -> str:
        how = Continuation(epochs=epochs, settings=settings)
        with pytest.raises((RunError, UsageError)) as caught:
            continue_run(run, runs_dir=tmp_path / "new", watcher=Quiet(), how=how)
        return str(caught.value)

    for setting in ("fit.epochs=5", "fit.epochs=4"):
        assert "already has 5 epochs, fit.epochs must be greater" in refused(tiny, setting)
    assert "already has 5 epochs" in refused(tiny, epochs=0)
    assert "only a finished run can be continued" in refused(_with(tiny, status="interrupted"))
    members = MembersRecord(after="mean", folders=["folds/01", "folds/02"])
    assert f"--continue {tiny.label}/folds/01" in refused(_with(tiny, members=members))
    without = replace(tiny, folder=Path(shutil.copytree(tiny.folder, tmp_path / "run")))
    (without / runs.STATE).unlink()
    assert f"has no {runs.STATE} to continue from; train again" in refused(without)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("kind", ["fold", "seed", "retrained"])
def test_a_training_belongs_to_the_run_of_several_that_it_lies_in(
    kind: str, tiny: Run, tmp_path: Path
) -> None:
    owner = shutil.copytree(tiny.folder, tmp_path / "tiny" / tiny.folder.name)
    member = replace(tiny, folder=Path(shutil.copytree(tiny.folder, owner / "folds" / "01")))
    assert owner_of(_with(member, kind=kind)) is None  # the other is a run by itself
    document = json.loads((owner / "run.json").read_text())
    several = {"after": "mean", "folders": ["folds/01"]}
    (owner / "run.json").write_text(json.dumps(document | {"members": several}))
    found = owner_of(_with(member, kind=kind))
    assert found is not None
    assert found.folder == owner
    assert owner_of(member) is None
    with pytest.raises(RunError, match=rf"is one of the trainings of {found.label}; resume all of it"):
        resume_run(_with(member, kind=kind), watcher=Quiet())


@pytest.mark.slow
def test_a_resume_by_a_renamed_spec_keeps_the_name_sweeps_and_says_that_there_were_other_workers(
    interrupted: Path,
) -> None:
    half = interrupted / "checkpoints" / ".state.ckpt.1.part"
    half.mkdir()
    document = json.loads((interrupted / "run.json").read_text())
    (interrupted / "run.json").write_text(json.dumps(document | {"replicas": {"count": 2}}))
    spec = interrupted.parent.parent / "renamed.yaml"
    spec.write_text(TINY.replace("name: tiny\n", ""))
    watcher = Quiet()
    outcome = resume_run(runs.open_run(interrupted), load_spec(spec), watcher=watcher, options=BARE)
    assert outcome.epochs == 5
    assert not half.exists()
    assert load_spec(interrupted / "resolved.yaml").spec.name == "tiny"
    assert f"resuming tiny/{interrupted.name} after epoch 3" in watcher.notes
    other = "the result may differ from that of an uninterrupted run: replicas: 2 then, 1 now"
    assert [note for note in watcher.notes if "may differ" in note] == [other]


@pytest.mark.slow
def test_a_run_that_stopped_early_is_continued_with_callbacks_that_begin_again(tmp_path: Path) -> None:
    spec = tmp_path / "early.yaml"
    stops = "callbacks: [EarlyStopping: {monitor: loss, min_delta: 99, patience: 1}]\n"
    spec.write_text(TINY.replace("batch_size: 16", "batch_size: 64, engine: graph") + stops)
    run = train_bare(spec, tmp_path / "runs")
    assert run.record.epochs == 2
    more = continue_run(run, runs_dir=tmp_path / "runs", watcher=Quiet(), how=Continuation(epochs=5))
    assert more.epochs == 4  # one to compare with and one without an improvement, as before
    assert more.run.record.parent is not None
    assert more.run.record.parent.epoch == 2


def test_a_given_spec_has_the_start_of_the_run_and_says_which_files_are_kept(
    tiny: Run, tmp_path: Path
) -> None:
    """A run of the same name that was trained since is another one."""
    run = replace(tiny, folder=Path(shutil.copytree(tiny.folder, tmp_path / "tiny" / "2026-01-02_00-00-00")))
    base = tmp_path / "runs" / "base" / "2026-01-01_00-00-00"
    with (run.folder / "resolved.yaml").open("a", encoding="utf-8") as file:
        file.write(f"start_from: {{run: {base}, layers: [dense]}}\n")
    given = {"base": base, "base/2026-01-01_00-00-00": base, str(base): base, "other": Path("other")}
    for name, meant in given.items():
        file_of_it = tmp_path / "spec.yaml"
        file_of_it.write_text(TINY + f"start_from: {{run: {name}, layers: [dense]}}\n", encoding="utf-8")
        spec, kept = spec_to_resume(run, load_spec(file_of_it))
        assert spec.spec.start_from is not None
        assert (spec.spec.start_from.run, kept) == (str(meant), ())
    own, kept = spec_to_resume(run, None)
    assert kept == ("spec.yaml", "resolved.yaml")
    inside, kept = spec_to_resume(run, load_spec(run.folder / "spec.yaml"))
    assert (inside.numbers, kept) == (own.numbers, ("spec.yaml",))
