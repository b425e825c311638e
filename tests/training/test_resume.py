"""A run that was stopped at any epoch and resumed ends as the one left alone, in every number and file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlpcli.errors import RunError
from mlpcli.runs.folder import find_run, open_run
from mlpcli.spec.load import load_spec
from mlpcli.training.checkpoint_file import read_checkpoint
from mlpcli.training.job import TrainOptions
from tests.conftest import TINY, Result
from tests.training.stopped_runs import Quiet, Stopping, assert_same_files, scalars_of, weights_of

pytestmark = [pytest.mark.slow, pytest.mark.uncounted]

QUICK = TrainOptions(saved_model=False, figures=False)

EVERYTHING = """\
name: all
seed: 3
dataset: {name: iris}
layers:
  - Normalization
  - Members: {count: 2}
  - Dense: {units: 8, activation: relu}
  - BatchNormalization
  - Dropout: {rate: {FlatCosine: {initial: 0.3}}}
  - GaussianNoise: {stddev: 0.1}
  - MemberDense: {units: 3, activation: softmax}
  - MemberMean
loss: sparse_categorical_crossentropy
optimizer:
  Adam: {learning_rate: 0.3, use_ema: true, weight_decay: {FlatCosine: {initial: 0.01}}}
  learning_rate_factors: {'*/bias': 0.5, 'member_dense/*': 0.8}
  weight_decay_factors: {'*/bias': 0, '*/gamma': 0, '*/beta': 0}
metrics: [accuracy]
fit: {epochs: 40, batch_size: 16, checkpoint: {every: 1}}
callbacks:
  - EarlyStopping: {patience: 5, restore_best_weights: true}
  - ReduceLROnPlateau: {patience: 1, factor: 0.5, cooldown: 1}
  - ModelCheckpoint: {filepath: 'mine.keras', save_best_only: true, monitor: val_accuracy}
  - CSVLogger
  - TensorBoard: {update_freq: 4, write_graph: false}
"""


@pytest.mark.parametrize("engine", ["compiled", "keras"])
def test_a_run_killed_after_any_epoch_ends_as_the_one_left_alone(engine: str, tmp_path: Path) -> None:
    from mlpcli.training.resume import resume_run
    from mlpcli.training.session import train

    spec = tmp_path / "all.yaml"
    spec.write_text(EVERYTHING.replace("fit: {", f"fit: {{engine: {engine}, "))
    watcher = Quiet(tmp_path / "killed")
    alone = train(load_spec(spec), runs_dir=tmp_path / "runs", watcher=watcher, options=QUICK)
    assert 4 < alone.epochs < 40  # early stopping has had its say
    moments = sorted((tmp_path / "killed" / "all").iterdir())
    middle = moments[len(moments) // 2]
    # scripts/torture tries all of them.
    for killed in [moments[0], middle, moments[-1]] if engine == "compiled" else [middle]:
        assert open_run(killed).describe() == "was killed"
        outcome = resume_run(open_run(killed), watcher=Quiet(), options=QUICK)
        assert (outcome.epochs, outcome.best, outcome.best_epoch) == (
            alone.epochs,
            alone.best,
            alone.best_epoch,
        )
        assert_same_files(alone.run.folder, killed)
        logged = {"train batch_loss", "train epoch_loss", "validation epoch_accuracy"}
        assert logged <= scalars_of(killed).keys()
        assert open_run(killed).status == "completed"


def test_an_interrupted_run_holds_its_last_whole_epoch(interrupted: Path) -> None:
    record = json.loads((interrupted / "run.json").read_text())
    assert (record["status"], record["epochs"], record["error"]) == ("interrupted", 3, "SIGINT")
    assert read_checkpoint(interrupted / "checkpoints" / "state.ckpt")["epoch"] == 3
    assert {"train", "validation", "test"} <= set(json.loads((interrupted / "metrics.json").read_text()))
    assert (interrupted / "history.csv").read_text().count("\n") == 4
    for name in ("plots/learning_curves.png", "checkpoints/last.keras", "checkpoints/best.keras"):
        assert (interrupted / name).exists(), name


def test_resume_by_name_gives_the_run_left_alone_and_then_says_it_is_finished(
    interrupted: Path, tiny_run: Path, mlpcli: Callable[..., Result]
) -> None:
    runs_dir = interrupted.parent.parent
    result = mlpcli("train", "--resume", "tiny", "--runs-dir", runs_dir)
    assert (result.status, result.err) == (0, "")
    assert f"resuming tiny/{interrupted.name} after epoch 3" in result.out
    alone = find_run("tiny", tiny_run).folder
    for name in ("history.csv", "metrics.json"):
        assert (interrupted / name).read_text() == (alone / name).read_text()
    for ours, theirs in zip(
        weights_of(interrupted / "model.keras"), weights_of(alone / "model.keras"), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    record = json.loads((interrupted / "run.json").read_text())
    assert [entry["after_epoch"] for entry in record["resumed"]] == [3]
    assert "error" not in record

    before = {path: path.stat().st_mtime_ns for path in interrupted.rglob("*") if path.is_file()}
    again = mlpcli("train", "--resume", f"tiny/{interrupted.name}", "--runs-dir", runs_dir)
    assert (again.status, again.err) == (0, "")
    assert "is finished, after 5 epochs: nothing to do" in again.out
    assert {path: path.stat().st_mtime_ns for path in interrupted.rglob("*") if path.is_file()} == before


def test_a_changed_spec_is_refused_with_the_difference_and_taken_with_force(
    interrupted: Path, mlpcli: Callable[..., Result]
) -> None:
    runs_dir = interrupted.parent.parent
    options = ["--resume", "tiny", "--set", "fit.epochs=4", "--set", "optimizer.Adam.learning_rate=0.01"]
    result = mlpcli("train", *options, "--runs-dir", runs_dir)
    assert result.status == 2
    hint = "restore them, start a new run, or add --force to continue anyway"
    assert result.err.splitlines() == [
        f"run tiny/{interrupted.name} was started with other settings, data or plug-ins; {hint}",
        "optimizer.Adam.learning_rate has changed: 0.02 then, 0.01 now",
        "fit.epochs has changed: 5 then, 4 now",
        "3 problems found",
    ]
    assert json.loads((interrupted / "run.json").read_text())["status"] == "interrupted"
    forced = mlpcli("train", *options, "--force", "--runs-dir", runs_dir)
    assert forced.status == 0
    assert json.loads((interrupted / "run.json").read_text())["epochs"] == 4
    assert load_spec(interrupted / "resolved.yaml").spec.fit.epochs == 4


def test_changed_data_is_refused(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    from mlpcli.training.resume import resume_run
    from mlpcli.training.session import train

    rows = "".join(f"{n % 7},{n % 3},{n % 5}\n" for n in range(40))
    (tmp_path / "rows.csv").write_text("a,b,y\n" + rows)
    spec = tmp_path / "line.yaml"
    spec.write_text(
        "dataset: {path: rows.csv, target: y}\nlayers: [{Dense: {units: 1}}]\nloss: mse\nfit: {epochs: 4}\n"
    )
    watcher = Stopping(2, KeyboardInterrupt("SIGTERM"))
    with pytest.raises(KeyboardInterrupt):
        train(load_spec(spec), runs_dir=tmp_path / "runs", watcher=watcher, options=QUICK)
    run = find_run("line", tmp_path / "runs", unfinished=True)
    (tmp_path / "rows.csv").write_text("a,b,y\n" + rows + "1,2,3\n" * 5)
    with pytest.raises(RunError, match=r"the data has changed \(train: 25 rows then, 28 now"):
        resume_run(run, watcher=Quiet())
    (tmp_path / "rows.csv").write_text("a,b,y\n" + rows.replace("6,0,", "6,1,"))
    with pytest.raises(RunError, match=r"the data has changed \(as many rows, other values\)"):
        resume_run(run, watcher=Quiet())
    quiet = Quiet()
    assert resume_run(run, watcher=quiet, force=True, options=QUICK).epochs == 4
    assert any("the data has changed" in note for note in quiet.notes)


def test_a_run_that_is_being_written_is_refused(interrupted: Path, mlpcli: Callable[..., Result]) -> None:
    from mlpcli.runs.lock import locked

    with locked(interrupted):
        result = mlpcli("train", "--resume", "tiny", "--runs-dir", interrupted.parent.parent)
    assert result.status == 2
    assert f"{interrupted} is in use by process " in result.err


def test_a_damaged_checkpoint_is_refused(interrupted: Path, mlpcli: Callable[..., Result]) -> None:
    path = interrupted / "checkpoints" / "state.ckpt"
    path.write_bytes(path.read_bytes()[:-100])
    result = mlpcli("train", "--resume", "tiny", "--runs-dir", interrupted.parent.parent)
    assert result.status == 2
    assert f"{path} is damaged: its contents do not match their checksum" in result.err


def test_a_link_in_a_run_is_refused(interrupted: Path, tmp_path: Path, mlpcli: Callable[..., Result]) -> None:
    shutil.move(interrupted / "plots", tmp_path / "elsewhere")
    (interrupted / "plots").symlink_to(tmp_path / "elsewhere")
    result = mlpcli("train", "--resume", "tiny", "--runs-dir", interrupted.parent.parent)
    assert result.status == 2
    assert f"{interrupted / 'plots'} is a link, and may point outside the run" in result.err


def test_continue_trains_on_in_a_new_folder(
    tiny_run: Path, mlpcli: Callable[..., Result], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    from mlpcli.training.session import train

    runs_dir = tmp_path / "runs"
    shutil.copytree(tiny_run, runs_dir)
    first = find_run("tiny", runs_dir).folder
    result = mlpcli("train", "--continue", "tiny", "--epochs", "3", "--runs-dir", runs_dir)
    assert result.status == 0, result.err
    second = find_run("tiny", runs_dir).folder
    assert second != first
    record = json.loads((second / "run.json").read_text())
    assert record["parent"] == {"run": f"tiny/{first.name}", "folder": str(first), "epoch": 5}
    joined = (second / "history.csv").read_text()
    assert joined.startswith((first / "history.csv").read_text())
    # The same eight epochs in one go: the optimizer's state came along, to the last digit.
    eight = load_spec(spec_file(TINY), settings=["fit.epochs=8"])
    alone = train(eight, runs_dir=tmp_path / "eight", watcher=Quiet(), options=QUICK)
    assert joined == (alone.run / "history.csv").read_text()


def test_continue_wants_a_finished_run(interrupted: Path, mlpcli: Callable[..., Result]) -> None:
    run = f"tiny/{interrupted.name}"
    result = mlpcli("train", "--continue", run, "--runs-dir", interrupted.parent.parent)
    assert result.status == 2
    assert result.err == (
        f"run {run} was interrupted: only a finished run can be continued; "
        f"finish it with mlpcli train --resume {run} --runs-dir {interrupted.parent.parent}\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resume", "a", "--continue", "b"], "--resume and --continue cannot be combined; keep one"),
        (["a.yaml", "--continue", "b"], "--continue uses the run's own spec; leave SPEC out, or use --set"),
        (["a.yaml", "--epochs", "3"], "--epochs is for --continue; use --set fit.epochs=N"),
    ],
)
def test_flags_that_do_not_go_together(
    arguments: list[str], message: str, mlpcli: Callable[..., Result]
) -> None:
    refused = mlpcli("train", *arguments)
    assert (refused.status, refused.err.splitlines()[0]) == (2, message)


def test_every_flag_that_fits_no_other_is_reported_with_the_errors_of_the_spec(
    spec_file: Callable[..., Path], mlpcli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlpcli.extras.missing", lambda extra: ["mlflow-skinny"])
    spec = spec_file(TINY.replace("loss: sparse", "loss: spars"))
    wrong = ("--best", "--epochs", "3", "--max-minutes", "0", "--log-to", "mlflow", "--folds", "1")
    refused = mlpcli("train", spec, *wrong)
    assert refused.status == 2
    for message in ("--best is for", "--epochs is for", "--max-minutes must", "mlflow-skinny", "'spars_cat"):
        assert refused.err.count(message) == 1, refused.err
    assert "--folds 1 fit.folds: must be" in refused.err
    refused = mlpcli("train", "--resume", "none", "--folds", "3", "--best")
    assert refused.status == 2
    for message in ("--folds cannot be combined", "--best is for", "there is no run 'none'"):
        assert message in refused.err, refused.err
