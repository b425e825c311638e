"""`tune` from the command line: a search is a run, its trials are runs, and its best is a model."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.runs.folder import find_run, open_run
from mlpcli.runs.search_folder import Search, Trial, find_search, load_search
from mlpcli.spec.load import load_spec
from mlpcli.tuning.trials import TrialRunner
from tests.conftest import SMALL_SEARCH as SPEC
from tests.conftest import Result

pytestmark = pytest.mark.slow


def _search(runs_dir: Path, name: str = "small") -> Search:
    return load_search(find_search(name, runs_dir).folder)


def _scores(search: Search) -> list[tuple[dict[str, Any], float | None]]:
    return [(trial.proposed, trial.score) for trial in search.trials]


@pytest.fixture
def own(searched: Path, tmp_path: Path) -> Path:
    """A copy of the finished search for a test that resumes it."""
    shutil.copytree(searched, tmp_path / "own")
    return tmp_path / "own"


def _history(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "history.csv").read_text(encoding="utf-8").splitlines()))


def test_each_trial_is_a_run_with_its_values_and_without_what_it_does_not_need(searched: Path) -> None:
    search = _search(searched)
    assert [trial.status for trial in search.trials] == ["completed"] * 3
    for trial in search.trials:
        run = find_run(f"small/{search.folder.name}/trials/{trial.number:04d}", searched)
        assert (run.status, run.record.to_json()["kind"]) == ("completed", "trial")
        assert run.record.to_json()["hyperparameters"] == trial.values
        resolved = load_spec(run / "resolved.yaml").spec
        assert resolved.layers[1].arguments["units"] == trial.values["units"]
        assert resolved.optimizer.class_name == trial.values["optimizer"]
        assert (run / "model.keras").exists()
        assert not (run / "saved_model").exists()
        assert set(json.loads((run / "metrics.json").read_text())) == {"train", "validation"}


def test_a_finished_search_says_so_and_leaves_everything_as_it_is(
    own: Path, mlpcli: Callable[..., Result]
) -> None:
    folder = _search(own).folder
    files = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != "lock"}
    result = mlpcli("tune", "--resume", "small", "--runs-dir", own)
    assert result.status == 0, result.err
    assert "the search is finished: nothing to do" in result.out + result.err
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != "lock"}
    changed = {path.name for path in {*files, *after} if files.get(path) != after.get(path)}
    assert changed <= {"search.json", folder.name}


def test_a_score_is_the_best_epochs(searched: Path) -> None:
    search = _search(searched)
    for trial in search.trials:
        values = [float(row["val_accuracy"]) for row in _history(search.folder / trial.folder)]
        assert trial.score == max(values)
        assert trial.best_epoch == values.index(max(values)) + 1


def test_the_best_are_trained_again_and_the_winner_is_a_run_of_its_own(searched: Path) -> None:
    search = _search(searched)
    best = search.best_first()[:2]
    assert [(p.trial, p.seed) for p in search.promotions] == [(t.number, s) for t in best for s in (7, 8)]
    standing = search.standings()[0]
    assert search.winner == standing.trial
    assert standing.mean == pytest.approx(np.mean(standing.scores))
    run = find_run("small", searched)
    assert run.record.to_json()["search"]["winner"] == search.winner
    parts = {"train", "validation", "test", "baseline"}
    assert set(json.loads((run / "metrics.json").read_text())) >= parts
    for name in (
        "model.keras",
        "saved_model",
        "plots/scores.png",
        "plots/parameters.png",
        "plots/parallel.png",
    ):
        assert (run / name).exists(), name
    winner = search.trial(search.winner)
    assert _history(run.folder) == _history(search.folder / winner.folder)  # same seed, same training


def test_best_yaml_is_a_plain_spec_that_says_where_it_comes_from(searched: Path) -> None:
    search = _search(searched)
    winner = search.trial(search.winner or 0)
    path = search.folder / "best.yaml"
    loaded = load_spec(path)
    assert len(loaded.space) == 0
    assert loaded.spec.layers[1].arguments["units"] == winner.values["units"]
    assert loaded.spec.optimizer.arguments["learning_rate"] == winner.values["lr"]
    text = path.read_text(encoding="utf-8")
    assert f"# The best of search small/{search.folder.name}: trial {winner.number} of 3" in text
    assert "# units: int 4 to 16, step 4" in text
    assert "# optimizer: one of SGD, Adam; lr: float 0.001 to 0.1, log" in text


def test_a_search_is_evaluated_and_predicts_like_any_run(
    searched: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    result = mlpcli("evaluate", "small", "--runs-dir", searched, "--json")
    assert result.status == 0
    recorded = find_run("small", searched).record.to_json()["metrics"]["test"]
    assert json.loads(result.out)["metrics"] == pytest.approx(recorded)
    np.save(tmp_path / "rows.npy", np.zeros((2, 4), dtype=np.float32))
    assert mlpcli("predict", "small", tmp_path / "rows.npy", "--runs-dir", searched).status == 0


def test_tensorboard_gets_the_values_of_each_trial(searched: Path) -> None:
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.plugins.hparams import plugin_data_pb2

    search = _search(searched)
    for trial in search.trials:
        (file,) = (search.folder / trial.folder / "tensorboard").glob("events.*")
        values = [v for event in EventFileLoader(str(file)).Load() for v in event.summary.value]
        data = plugin_data_pb2.HParamsPluginData.FromString(values[0].metadata.plugin_data.content)
        noted = data.session_start_info.hparams
        assert noted["units"].number_value == trial.values["units"]
        assert noted["optimizer"].string_value == trial.values["optimizer"]


def test_more_trials_continue_the_search(own: Path, mlpcli: Callable[..., Result]) -> None:
    before = _search(own)
    began = open_run(before.folder).record.started
    later = own / "small" / "2100-01-01_00-00-00"  # best.yaml was trained meanwhile: a run of the same name
    shutil.copytree(before.folder / "trials/0001", later)
    result = mlpcli("tune", "--resume", "small", "--trials", 4, "--runs-dir", own, "--json")
    assert result.status == 0
    document = json.loads(result.out)
    assert [trial["trial"] for trial in document["trials"]] == [1, 2, 3, 4]
    after = _search(own)
    assert _scores(after)[:3] == _scores(before)
    assert after.folder == before.folder
    assert document["winner"] == after.winner
    kept = [promotion for promotion in after.promotions if promotion in before.promotions]
    assert kept  # what is among the best still is not trained again
    assert {p.trial for p in after.promotions} == {trial.number for trial in after.best_first()[:2]}
    assert set(document["metrics"]) == {"train", "validation", "test"}
    assert isinstance(document["findings"], list)
    record = open_run(after.folder).record
    assert record.network is not None  # what they are of
    assert record.started == began
    assert [entry["was"] for entry in record.to_json()["resumed"]] == ["completed"]


@pytest.mark.uncounted
def test_a_changed_space_is_refused_with_the_difference_or_taken_when_it_is_wider(
    own: Path, mlpcli: Callable[..., Result], spec_file: Callable[..., Path]
) -> None:
    wider = spec_file(
        SPEC.replace("max: 16", "max: 32").replace("max_trials: 3", "max_trials: 4, promote: 0")
    )
    again = ("--resume", "small", "--runs-dir", own)
    result = mlpcli("tune", wider, *again)
    assert (result.status, "search " in result.out) == (2, False)  # it has started, and has no search
    assert "units: max was 16, is 32\n" in result.err
    assert "accept it with --extend-space, or start a new search with --fresh" in result.err
    narrower = spec_file(SPEC.replace("max: 16", "max: 8"), "narrower.yaml")
    assert "units must not become narrower" in mlpcli("tune", narrower, *again, "--extend-space").err
    other = mlpcli("tune", spec_file(SPEC.replace("epochs: 2", "epochs: 3"), "other.yaml"), *again)
    assert (other.status, "fit.epochs was 2, is 3" in other.err) == (2, True)
    before = _search(own)
    more = "batch_size: {hp: choice, values: [16, 32], name: batch}"
    text = wider.read_text().replace("batch_size: 32", more)
    refused = mlpcli("tune", spec_file(text, "more.yaml"), *again, "--extend-space")
    assert (refused.status, "fit.batch_size was 32, is searched" in refused.err) == (2, True)
    assert "give each new hyperparameter its old value as its default" in refused.err
    wider = spec_file(text.replace("[16, 32]", "[16, 32], default: 32"), "wider.yaml")
    assert mlpcli("tune", wider, *again, "--extend-space").status == 0
    after = _search(own)
    assert len(after.trials) == 4
    assert "batch" in after.trials[3].values
    assert _scores(after)[: len(before.trials)] == _scores(before)


def test_a_trial_that_cannot_be_built_costs_that_trial_only(
    mlpcli: Callable[..., Result], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    text = SPEC.replace(
        "  - Normalization\n", "  - {hp: choice, name: first, values: [Normalization, SHAPE]}\n"
    )
    text = text.replace("SHAPE", "{Reshape: {target_shape: [7]}}")
    text = text.replace("hp: int, min: 4, max: 16, step: 4", "hp: choice, values: [4]")
    text = text[: text.index("optimizer:")] + text[text.index("metrics:") :]
    text = text.replace("max_trials: 3", "algorithm: GridSearch, promote: 0")
    result = mlpcli("tune", spec_file(text), "--runs-dir", tmp_path / "runs")
    assert result.status == 0
    search = _search(tmp_path / "runs")
    assert [trial.status for trial in search.trials] == ["completed", "failed"]
    assert "layers[0]" in search.trial(2).reason
    assert "spec.yaml:5:" in search.trial(2).reason  # at the option, in the file
    assert "trial 2  failed: " in result.out
    assert find_run(str(search.folder / "trials/0002"), tmp_path).status == "failed"


@pytest.mark.uncounted
def test_too_many_failures_stop_the_search_with_advice_and_it_can_be_taken_up(
    mlpcli: Callable[..., Result], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    text = SPEC.replace("fit: {epochs: 2", "fit: {epochs: {hp: int, min: 1, max: 3, name: epochs}")
    shape = "{hp: int, min: 2, max: 9, default: 4, name: shape}"
    text = text.replace("  - Norm", f"  - Reshape: {{target_shape: [{shape}]}}\n  - Norm")
    text = text.replace("max_trials: 3", "max_trials: 30, max_consecutive_failed_trials: 2")
    result = mlpcli("tune", spec_file(text), "--runs-dir", tmp_path / "runs")
    assert result.status == 1
    assert "2 trials in a row failed, and the search has stopped; narrow the ranges" in result.err
    run = find_run("small", tmp_path / "runs", unfinished=True)
    assert run.status == "failed"
    trials = len(load_search(run.folder).trials)
    mlpcli("tune", "--resume", run.folder)
    assert len(load_search(run.folder).trials) > trials


@pytest.fixture
def interrupted_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return a function that simulates Ctrl-C when the trial of a number starts; 0 for never."""
    run = TrialRunner.run

    def choose(number: int) -> None:
        def running(*arguments: Any) -> Any:
            if arguments[1].number == number:
                raise KeyboardInterrupt
            return run(*arguments)

        monkeypatch.setattr(TrialRunner, "run", running)

    return choose


def test_hyperband_goes_on_from_where_a_trial_stood(
    mlpcli: Callable[..., Result],
    spec_file: Callable[[str], Path],
    tmp_path: Path,
    interrupted_at: Callable[[int], None],
) -> None:
    text = SPEC.replace("max_trials: 3", "algorithm: Hyperband, max_epochs: 2, factor: 2, promote: 0")
    interrupted_at(4)  # what is to be seen has been seen by then
    assert mlpcli("tune", spec_file(text), "--runs-dir", tmp_path / "runs").status == 130
    interrupted_at(0)
    search = _search(tmp_path / "runs")
    further = next(trial for trial in search.trials if trial.source is not None)
    source = search.trial(further.source or 0)
    rows, first = _history(search.folder / further.folder), _history(search.folder / source.folder)
    assert (len(first), len(rows)) == (source.epochs, 2)
    assert rows[: len(first)] == first
    straight = load_spec(search.folder / further.folder / "resolved.yaml")
    assert straight.spec.fit.epochs == 2
    TrialRunner(straight, tmp_path / "straight", search.objective).run(Trial(1, {}, {}))
    assert _history(tmp_path / "straight/trials/0001") == rows  # as if it had never stopped


def test_refit_full_trains_on_validation_rows_too_for_as_many_epochs_as_were_best(
    mlpcli: Callable[..., Result], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    text = SPEC.replace("max_trials: 3", "max_trials: 1, promote: 1, seeds: 1, refit: full")
    (tmp_path / "parts.py").write_text("import keras\n\n\nclass Idle(keras.callbacks.Callback):\n    pass\n")
    text += "callbacks: [{EarlyStopping: {patience: 5}}, Idle]\nplugins: [parts.py]\n"
    assert mlpcli("tune", spec_file(text), "--runs-dir", tmp_path / "runs").status == 0
    run = find_run("small", tmp_path / "runs")
    search = load_search(run.folder)
    assert run.record.to_json()["data"]["rows"] == {"train": 120, "test": 30}
    assert len(_history(run.folder)) == search.trial(search.winner or 0).best_epoch
    (tmp_path / "parts.py").unlink()
    best = load_spec(run / "best.yaml")
    assert [part.class_name for part in best.spec.callbacks] == ["Idle"]
    assert [plugin.name for plugin in best.catalog.plugins] == ["plugins/parts.py"]


@pytest.mark.uncounted
def test_an_unfinished_search_of_the_same_spec_is_in_the_way_until_it_is_said_what_to_do(
    mlpcli: Callable[..., Result],
    spec_file: Callable[[str], Path],
    tmp_path: Path,
    interrupted_at: Callable[[int], None],
) -> None:
    spec = spec_file(SPEC.replace("max_trials: 3", "max_trials: 2, promote: 0"))
    interrupted_at(2)
    result = mlpcli("tune", spec, "--runs-dir", tmp_path)
    assert result.status == 130
    search = _search(tmp_path)
    assert f"resume with: mlpcli tune --resume {search.label}" in result.out
    interrupted_at(0)
    refused = mlpcli("tune", spec, "--runs-dir", tmp_path)
    assert refused.status == 2
    assert f"search {search.label} of this spec is not finished: 1 trial done, 1 started" in refused.err
    began = open_run(search.folder).record.started
    assert mlpcli("tune", "--resume", search.label, "--runs-dir", tmp_path).status == 0
    assert open_run(search.folder).record.started == began
    assert [trial.status for trial in _search(tmp_path).trials] == ["completed", "completed"]
    interrupted_at(1)
    assert mlpcli("tune", spec, "--runs-dir", tmp_path, "--fresh").status == 130
    fresh = _search(tmp_path)
    assert fresh.folder != search.folder  # beside it, not over it
    assert [len(load_search(folder).trials) for folder in (search.folder, fresh.folder)] == [2, 1]


WRONG_USE = {
    "nothing to search": (
        ("--set", "units=4", "--set", "optimizer=SGD", "--set", "lr=0.01"),
        "there is nothing to search",
    ),
    "objective": (
        ("--set", "tuner.objective=val_acuracy"),
        "tuner.objective: no metric has this name, received 'val_acuracy'; did you mean 'val_accuracy'?",
    ),
    "trials of Hyperband": (
        ("--set", "tuner={algorithm: Hyperband}", "--trials", "5"),
        "Hyperband decides on the number of its trials itself",
    ),
    "resume and fresh": (("--resume", "x", "--fresh"), "--resume and --fresh cannot be combined"),
    "role without address": (("--role", "chief"), "--role and --address must be given together"),
}


@pytest.mark.parametrize("case", WRONG_USE)
def test_wrong_use_is_refused_and_nothing_is_written(
    case: str, mlpcli: Callable[..., Result], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    arguments, message = WRONG_USE[case]
    result = mlpcli("tune", spec_file(SPEC), *arguments, "--runs-dir", tmp_path / "runs")
    assert result.status == 2
    assert message in result.err
    assert not (tmp_path / "runs").exists()
    assert ("starting TensorFlow" in result.out) == (case in ("objective", "trials of Hyperband"))


def test_two_processes_cannot_run_one_search(searched: Path, mlpcli: Callable[..., Result]) -> None:
    from mlpcli.runs.lock import locked

    with locked(_search(searched).folder):
        result = mlpcli("tune", "--resume", "small", "--runs-dir", searched)
    assert (result.status, "is in use by" in result.err) == (2, True)


FRAGILE = """\
import os
import signal

import keras


class DieOnce(keras.callbacks.Callback):
    # The first process that comes to the end of an epoch of its Nth training is killed there.
    trainings = 0

    def on_train_begin(self, logs=None):
        DieOnce.trainings += 1

    def on_epoch_end(self, epoch, logs=None):
        if DieOnce.trainings == NTH:
            try:
                with open("KILLED", "x") as file:
                    file.write(str(os.getpid()))
            except FileExistsError:
                return
            os.kill(os.getpid(), signal.SIGKILL)
"""


def fragile_spec(folder: Path, nth: int) -> Path:
    """The small search, a process of which kills itself in its Nth training, once; then `killed` is there."""
    text = FRAGILE.replace("NTH", str(nth)).replace("KILLED", str(folder / "killed"))
    (folder / "fragile.py").write_text(text, encoding="utf-8")
    text = SPEC.replace("max_trials: 3", "max_trials: 3, promote: 0")
    (folder / "spec.yaml").write_text(
        text + "plugins: [fragile.py]\ncallbacks: [DieOnce]\n", encoding="utf-8"
    )
    return folder / "spec.yaml"


def test_a_search_that_was_killed_ends_with_the_trials_and_scores_of_one_left_alone(
    searched: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "mlpcli", "tune", str(fragile_spec(tmp_path, 2))]
    killed = subprocess.run([*command, "--runs-dir", str(tmp_path / "runs")], capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert [trial.status for trial in _search(tmp_path / "runs").trials] == ["completed", "running"]
    for name in ("spec.yaml", "fragile.py"):
        (tmp_path / name).unlink()  # the search has its own
    assert mlpcli("tune", "--resume", "small", "--runs-dir", tmp_path / "runs").status == 0
    search = _search(tmp_path / "runs")
    assert _scores(search) == _scores(_search(searched))
    assert [trial.starts for trial in search.trials] == [1, 2, 1]
    assert [number for event, number in search.events if event == "end"] == [1, 2, 3]
