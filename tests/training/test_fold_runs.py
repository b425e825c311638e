"""A spec trained over folds: one run of several, each equal to a run of its own; stopped, it goes on."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from mlpcli.errors import RunError
from mlpcli.report.run_list import run_json
from mlpcli.runs.folder import Run, find_run, open_run, resume_command
from mlpcli.runs.results import Outcome
from mlpcli.runs.run_epochs import epochs_text
from mlpcli.runs.run_values import RunValues
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.load import load_spec
from mlpcli.spec.repeats import repeats_of, spec_of_repeat
from mlpcli.training.checkpoint_file import read_checkpoint
from tests.conftest import Result

pytestmark = pytest.mark.slow

SPEC = """\
name: folded
seed: 7
dataset: {name: iris, test: 31}
layers:
  - Normalization
  - Dense: {units: 6, activation: relu}
  - Dropout: {rate: 0.2}
  - Dense: {units: 3, activation: softmax}
loss: sparse_categorical_crossentropy
optimizer: {Adam: {learning_rate: 0.05}}
metrics: [accuracy]
fit: {epochs: 3, batch_size: 16, checkpoint: {every: 1}}
callbacks:
  - EarlyStopping: {patience: 2, restore_best_weights: true}
  - TensorBoard: false
"""
FOLDS = 3
SETTINGS = [f"fit.folds={FOLDS}", "predict={calibrate: temperature, intervals: 0.8}"]


@dataclass(frozen=True)
class Trained:
    """A finished run over folds, and how often a program was compiled for it."""

    spec: Path
    outcome: Outcome
    compiled: int

    @property
    def folder(self) -> Path:
        return self.outcome.run.folder

    @property
    def folds(self) -> list[Path]:
        return [self.folder / "folds" / f"{number:02d}" for number in range(1, FOLDS + 1)]


class Stopping(Watcher):
    """A watcher at which a signal arrives as an epoch of the second fold ends."""

    def __init__(self) -> None:
        self.place = 0

    def member_begins(self, place: int, count: int, label: str) -> None:
        self.place = place

    def epoch(self, epoch: int, epochs: int, logs: Mapping[str, float], seconds: float) -> None:
        if (self.place, epoch) == (2, 2):
            raise KeyboardInterrupt("SIGINT")


class StoppingAtTheEnd(Watcher):
    """A watcher at which a signal arrives when all folds are trained."""

    def stage(self, text: str) -> None:
        if text.startswith("building the mean"):
            raise KeyboardInterrupt("SIGINT")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    from mlpcli.training.compiled import loop
    from mlpcli.training.compiled.xla_programs import EpochProgram, compile_epoch
    from mlpcli.training.start import start_run

    folder = tmp_path_factory.mktemp("folded")
    spec = folder / "folded.yaml"
    spec.write_text(SPEC)
    calls: list[object] = []

    def counted(program: EpochProgram, leaves: list[object], order: object) -> None:
        calls.append(program)
        compile_epoch(program, leaves, order)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "compile_epoch", counted)
        loaded = load_spec(spec, settings=SETTINGS)
        outcome = start_run(loaded, runs_dir=folder / "runs", watcher=Watcher())
    return Trained(spec, outcome, len(calls))


def test_one_program_is_compiled_for_all_folds(trained: Trained) -> None:
    assert trained.compiled == 1


def test_the_time_of_each_stage_is_that_of_the_folds_together(trained: Trained) -> None:
    whole, *folds = (open_run(folder).record.timings for folder in (trained.folder, *trained.folds))
    assert {"data", "import", "build", "begin", "fit", "checkpoints", "metrics"} <= set(whole)
    for stage in ("fit", "checkpoints", "probe"):
        assert whole[stage] == pytest.approx(sum(each[stage] for each in folds), abs=0.01)
    assert sum(whole.values()) - whole["total"] <= 1.01 * whole["total"]


def test_a_fold_is_the_run_of_its_own_spec(trained: Trained, tmp_path: Path) -> None:
    from mlpcli.training.job import TrainOptions
    from mlpcli.training.prepare import prepare
    from mlpcli.training.session import train_into

    loaded = load_spec(trained.spec, settings=["dataset.fold={number: 2, of: 3}"])
    options = TrainOptions(saved_model=False, figures=False, baseline=False)
    alone = train_into(prepare(loaded).job(tmp_path, Watcher(), options=options))
    fold = open_run(trained.folder / "folds" / "02")
    assert alone.metrics == fold.record.metrics
    assert (tmp_path / "history.csv").read_text() == (fold / "history.csv").read_text()
    one, other = (read_checkpoint(each / "checkpoints" / "state.ckpt") for each in (tmp_path, fold.folder))
    for part in ("model", "optimizer", "history", "best"):
        np.testing.assert_equal(one[part], other[part])
    assert (fold.record.kind, fold.record.fold) == ("fold", 2)


def test_every_row_that_is_no_test_row_is_predicted_by_a_fold_that_held_it_out(trained: Trained) -> None:
    with (trained.folder / "out_of_fold.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:4] == ["row", "fold", "target", "predicted_target"]
    assert list(rows[0])[4:7] == [f"probability_{name}" for name in ("setosa", "versicolor", "virginica")]
    assert list(rows[0])[7:] == ["target_set", "target_set_size"]
    assert len({row["row"] for row in rows}) == len(rows) == 119
    right = [row["target"] == row["predicted_target"] for row in rows]
    repeated = trained.outcome.repeated
    assert repeated is not None
    assert repeated.out_of_fold["accuracy"] == pytest.approx(np.mean(right))
    for number, value in enumerate(repeated.spreads["held_out"]["accuracy"].values, 1):
        of_fold = [hit for hit, row in zip(right, rows, strict=True) if row["fold"] == str(number)]
        assert np.mean(of_fold) == pytest.approx(value)


def test_the_metrics_of_the_folds_are_beside_plain_ones(trained: Trained) -> None:
    document = json.loads((trained.folder / "metrics.json").read_text())
    folds = [open_run(trained.folder / "folds" / f"{number:02d}") for number in range(1, FOLDS + 1)]
    values = [fold.record.metrics["validation"]["loss"] for fold in folds]
    assert document["validation"]["loss"] == pytest.approx(np.mean(values))
    spread = document["folds"]["held_out"]["accuracy"]
    assert spread["standard_deviation"] == pytest.approx(np.std(spread["values"], ddof=1))
    half = 4.302653 * spread["standard_deviation"] / np.sqrt(3)  # Student's t with 2 degrees of freedom
    assert spread["interval"] == pytest.approx([spread["mean"] - half, spread["mean"] + half], rel=1e-5)
    assert set(document["folds"]) == {"held_out", "test"}
    record = trained.outcome.run.record
    assert record.members is not None
    assert record.members.folders == ["folds/01", "folds/02", "folds/03"]


def test_what_predictions_need_is_fitted_on_the_rows_that_were_held_out(
    trained: Trained, mlpcli: Callable[..., Result]
) -> None:
    from mlpcli.model.run_contract import run_contract
    from mlpcli.statistics.calibration import fit_temperature

    output = run_contract(trained.outcome.run).output
    assert output.fitted is not None
    with (trained.folder / "out_of_fold.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert (output.fitted.source, output.fitted.rows) == ("out_of_fold", len(rows))
    classes = output.classes or ()
    likely = np.array([[float(row[f"probability_{name}"]) for name in classes] for row in rows])
    truth = np.array([classes.index(row["target"]) for row in rows])
    assert output.fitted.temperature != pytest.approx(1.0, rel=1e-2)
    assert fit_temperature(truth, likely) == pytest.approx(1.0, rel=1e-3)  # it is in the file
    document = json.loads((trained.folder / "metrics.json").read_text())
    calibration, intervals = document["calibration"], document["intervals"]
    assert calibration["out_of_fold"]["after"]["log_loss"] < calibration["out_of_fold"]["before"]["log_loss"]
    assert intervals["out_of_fold"]["target"]["coverage"] >= 0.8
    assert all(run_contract(open_run(each)).output.fitted is None for each in trained.folds)
    found = mlpcli("evaluate", trained.folder, "--json")
    assert "has changed" not in found.err
    measured = json.loads(found.out)
    assert measured["metrics"] == document["test"]
    assert measured["intervals"] == intervals["test"]


def test_what_training_says_of_the_scores_of_folds_the_doctor_and_the_report_say(
    trained: Trained, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    copy = tmp_path / "runs" / "folded" / trained.folder.name
    shutil.copytree(trained.folder, copy)
    document = json.loads((copy / "metrics.json").read_text())
    assert document["baseline"]["network"] > document["baseline"]["majority"]
    document["baseline"]["linear"] = document["baseline"]["network"]
    (copy / "metrics.json").write_text(json.dumps(document))
    (note,) = json.loads(mlpcli("doctor", copy, "--json").out)["notes"]
    assert note.startswith("a linear model is as good on the test rows: accuracy ")
    page = tmp_path / "page.html"
    assert mlpcli("report", copy, "-o", page).status == 0
    assert f"<p>A{note[1:]}.</p>" in page.read_text()


def test_a_class_that_trainings_never_predict_may_be_one_of_the_runs_threshold(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from mlpcli.doctor import from_records
    from mlpcli.runs.diagnosis import Finding

    lost = Finding("class-never-predicted", "warning", "a is never predicted", "so", {}, "do")
    monkeypatch.setattr(from_records, "_of_members", lambda run: ([(lost,)] * 3, ()))
    copy = tmp_path / "run"
    shutil.copytree(trained.folder, copy)
    assert "class-never-predicted" in [e.code for e in from_records.diagnose_records(open_run(copy)).findings]
    document = json.loads((copy / "metrics.json").read_text())
    (copy / "metrics.json").write_text(
        json.dumps(document | {"threshold": {"class": "b", "probability": 0.1}})
    )
    assert "class-never-predicted" not in [
        each.code for each in from_records.diagnose_records(open_run(copy)).findings
    ]


def _same_results(one: Path, other: Path) -> None:
    for name in ("history.csv", "metrics.json", "out_of_fold.csv"):
        assert (one / name).read_text() == (other / name).read_text(), name
    for number in range(1, FOLDS + 1):
        ends = [each / "folds" / f"{number:02d}" / "checkpoints" / "state.ckpt" for each in (one, other)]
        np.testing.assert_equal(read_checkpoint(ends[0]), read_checkpoint(ends[1]))


def test_a_run_that_was_interrupted_ends_as_the_one_left_alone(trained: Trained, tmp_path: Path) -> None:
    from mlpcli.training.start import resume, start_run

    loaded = load_spec(trained.spec, settings=SETTINGS)
    with pytest.raises(KeyboardInterrupt):
        start_run(loaded, runs_dir=tmp_path, watcher=Stopping())
    run = find_run("folded", tmp_path, unfinished=True)
    assert run.status == "interrupted"
    assert open_run(run.folder / "folds" / "01").status == "completed"
    assert open_run(run.folder / "folds" / "02").record.epochs == 2
    assert resume_command(run.folder / "folds" / "02") == resume_command(run.folder)
    _check_listed(run, "2 (fold 2 of 3)", 2, finished=1)
    with pytest.raises(KeyboardInterrupt):
        resume(run, watcher=StoppingAtTheEnd())
    run = open_run(run.folder)
    assert run.status == "interrupted"
    assert open_run(run.folder / "folds" / "03").status == "completed"
    _check_listed(run, "(3 of 3 folds)", None, finished=3)
    resume(run, watcher=Watcher())
    _same_results(trained.folder, run.folder)
    assert open_run(run.folder).status == "completed"


def _check_listed(run: Run, shown: str, epochs: int | None, *, finished: int) -> None:
    """Check the epochs in a list of runs, of the run as it is and of the same one if it had been killed."""
    record = (run.folder / "run.json").read_text()
    for status in ("interrupted", "killed"):
        killed = record.replace('"status": "interrupted"', '"status": "running"')
        (run.folder / "run.json").write_text(record if status == "interrupted" else killed)
        found = open_run(run.folder)
        document = run_json(RunValues(found))
        assert (document["status"], document["epochs"]) == (status, epochs)
        assert document["trainings"] == {"finished": finished, "of": FOLDS}
        assert epochs_text(found) == shown
    (run.folder / "run.json").write_text(record)


def test_what_is_resumed_with_another_spec_says_with_which(tmp_path: Path) -> None:
    from mlpcli.training.start import resume, start_run

    spec = tmp_path / "folded.yaml"
    spec.write_text(SPEC.replace("  - Normalization\n", "").replace("  - Dropout: {rate: 0.2}\n", ""))
    settings = ["fit.folds=2", "fit.engine=graph"]
    with pytest.raises(KeyboardInterrupt):
        start_run(load_spec(spec, settings=settings), runs_dir=tmp_path, watcher=Stopping())
    run = find_run("folded", tmp_path, unfinished=True)
    started = run.record.started
    other = load_spec(spec, settings=[*settings, "seed=8", "optimizer.Adam.learning_rate=0.01"])
    resume(run, other, watcher=Watcher(), force=True)
    rates = [load_spec(each / "resolved.yaml") for each in (run.folder, *sorted(run.folder.glob("folds/0?")))]
    given = [each.spec.optimizer.arguments["learning_rate"] for each in rates]
    assert given == [0.01, 0.05, 0.01]  # the first fold was trained with the old one
    record = open_run(run.folder).record
    assert (record.seed, record.started) == (8, started)


def test_folds_share_their_time_and_go_on_to_the_same_numbers(trained: Trained, tmp_path: Path) -> None:
    from mlpcli.training.start import resume, start_run

    notes: list[str] = []

    class Noting(Watcher):
        def note(self, text: str) -> None:
            notes.append(text)

    watcher = Noting()
    loaded = load_spec(trained.spec, settings=[*SETTINGS, "fit.max_minutes=1e-6"])
    folder = start_run(loaded, runs_dir=tmp_path, watcher=watcher).run.folder
    assert "time is up: of 3 epochs, trainings ended early: 01 after 1, 02 after 1, 03 after 1" in notes
    run = open_run(folder)
    assert (run.status, run.record.ended_by) == ("completed", "time")
    ended = resume(run, watcher=watcher, max_minutes=60.0)
    assert ended.run.record.ended_by is None
    for name in ("history.csv", "metrics.json", "out_of_fold.csv", "folds/02/history.csv"):
        assert (folder / name).read_text() == (trained.folder / name).read_text(), name


def test_damaged_folds_are_all_named_before_any_is_trained(trained: Trained, tmp_path: Path) -> None:
    from mlpcli.training.start import resume

    folder = tmp_path / "runs" / "folded" / "2026-01-01_00-00-00"
    shutil.copytree(trained.folder, folder)
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(record | {"status": "interrupted"}))
    (folder / "folds/01/model.keras").write_bytes(b"damaged")
    shutil.rmtree(folder / "folds/02")
    (folder / "folds/03/history.csv").unlink()
    watcher = Stopping()
    with pytest.raises(RunError) as caught:
        resume(open_run(folder), watcher=watcher)
    first, second = (problem.headline() for problem in caught.value.problems)
    assert "folds/01/model.keras is not what was saved" in first
    assert "has no history.csv" in second
    assert f"delete the folder {folder / 'folds/03'} and resume" in second
    assert watcher.place == 0


def test_a_fold_cannot_be_resumed_without_its_run(trained: Trained) -> None:
    from mlpcli.training.resume import resume_run

    with pytest.raises(RunError, match="is one of the trainings of folded/"):
        resume_run(open_run(trained.folder / "folds" / "01"), watcher=Watcher())


def test_folds_are_evaluated_by_their_labels(trained: Trained, mlpcli: Callable[..., Result]) -> None:
    runs_dir = trained.folder.parent.parent
    label = f"folded/{trained.folder.name}/folds/02"
    result = mlpcli("evaluate", label, "--split", "held_out", "--runs-dir", runs_dir, "--json")
    found = json.loads(result.out)
    held_out = open_run(trained.folder / "folds" / "02").record.metrics["held_out"]
    assert (result.status, found["run"]) == (0, label)
    assert found["metrics"]["accuracy"] == pytest.approx(held_out["accuracy"])


def test_a_run_of_folds_is_reproduced_as_one(trained: Trained, mlpcli: Callable[..., Result]) -> None:
    done = mlpcli("reproduce", trained.folder, "--runs-dir", trained.folder.parents[1] / "again", "--json")
    assert done.status == 0, done.err
    told = json.loads(done.out)
    assert told["verdict"] == "equal"
    again = open_run(next((trained.folder.parents[1] / "again").glob("*/*")))
    assert again.record.members is not None
    assert len(again.record.members.folders) == FOLDS
    assert again.record.reproduces is not None


RETRAINED = """\
name: retrained
dataset: {name: moons, rows: 60, seed: 3}
layers: [Dense: {units: 2, activation: softmax}]
metrics: [accuracy, F1Score: {average: null}]
fit: {epochs: 2, folds: 2, seeds: 2, after_folds: retrain}
callbacks:
  - EarlyStopping: {patience: 1}
  - TensorBoard: false
  - ModelCheckpoint: false
"""


def test_folds_with_seeds_and_one_model_of_all_their_rows(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "retrained.yaml").write_text(RETRAINED)
    result = mlpcli("train", tmp_path / "retrained.yaml", "--runs-dir", tmp_path / "runs", "--json")
    assert result.status == 0, result.err
    document = json.loads(result.out)
    run = find_run("retrained", tmp_path / "runs")
    assert run.record.members is not None
    assert run.record.members.folders == [f"folds/{number:02d}" for number in range(1, 5)]
    members = [open_run(run.folder / folder) for folder in run.record.members.folders]
    assert [(each.record.fold, each.record.seed) for each in members] == [(1, 42), (1, 43), (2, 42), (2, 43)]
    assert len(document["folds"]["held_out"]["loss"]["values"]) == 4
    with (run / "out_of_fold.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 48
    own = np.log([float(row[f"probability_{row['target']}"]) for row in rows])  # of the mean over seeds
    assert document["out_of_fold"]["loss"] == pytest.approx(-own.mean(), rel=1e-5)
    for name in dict.fromkeys(row["target"] for row in rows):  # a metric of a value for each class
        right = sum(row["target"] == row["predicted_target"] == name for row in rows)
        named = sum((row["target"] == name) + (row["predicted_target"] == name) for row in rows)
        assert document["out_of_fold"][f"f1_score_{name}"] == pytest.approx(2 * right / named, abs=1e-5)
    whole = open_run(run.folder / "folds" / "retrained").record
    assert not list((run.folder / "folds").rglob("last.keras"))  # ModelCheckpoint: false holds there too
    best = sorted(each.record.best.epoch or 0 for each in members if each.record.best is not None)
    assert whole.epochs == round((best[1] + best[2]) / 2 + 1e-9)
    assert whole.data is not None
    assert whole.data.rows == {"train": 48, "test": 12}
    assert document["metrics"]["test"] == pytest.approx(whole.metrics["test"])


def test_rows_that_were_held_out_are_predicted_as_the_run_predicts(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    text = RETRAINED.replace("retrained", "chosen").replace(
        "seeds: 2, after_folds: chosen", "after_folds: mean"
    )
    text = text.replace("units: 2, activation: softmax", "units: 1, activation: sigmoid")
    text = text.replace("[accuracy, F1Score: {average: null}]", "[accuracy]")
    (tmp_path / "chosen.yaml").write_text(text + "predict: {threshold: 0.8, calibrate: temperature}\n")
    shown = mlpcli("train", tmp_path / "chosen.yaml", "--runs-dir", tmp_path / "runs")
    assert shown.status == 0, shown.err
    note = (
        "mean: each training without the temperature and the threshold of the run, so by 0.5; all rows: with"
    )
    assert note in " ".join(shown.out.split())
    alone = "each training without the temperature and the threshold of the run, so by 0.5"
    assert " ".join(shown.out.split()).count(alone) == 2  # on the held-out rows, and on the test rows
    run = find_run("chosen", tmp_path / "runs")
    document = json.loads((run / "metrics.json").read_text())
    assert document["calibration"]["temperature"] != 1.0
    with (run / "out_of_fold.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    first, second = (name.removeprefix("probability_") for name in rows[0] if name.startswith("probability"))
    likely = np.array([float(row[f"probability_{second}"]) for row in rows])
    assert [row["predicted_target"] for row in rows] == [second if p >= 0.8 else first for p in likely]
    right = np.mean([row["predicted_target"] == row["target"] for row in rows])
    assert document["out_of_fold"]["accuracy"] == pytest.approx(right)
    assert document["folds"]["held_out"]["accuracy"]["mean"] != pytest.approx(right)
    log_loss = document["calibration"]["out_of_fold"]["after"]["log_loss"]
    assert document["out_of_fold"]["loss"] == pytest.approx(log_loss, rel=1e-4)
    measured = json.loads(mlpcli("evaluate", run.folder, "--split", "held_out", "--json").out)
    assert measured["metrics"] == pytest.approx(document["out_of_fold"], rel=1e-5)


SCALED = """\
name: scaled
dataset: {path: d.csv, target: y, target_scaling: standardize}
layers: [Dense: {units: 4}, Dense: {units: 1}]
loss: mse
metrics: [mae]
fit: {epochs: 2, folds: 2, seeds: 2, after_folds: mean}
callbacks:
  - TensorBoard: false
"""


@pytest.mark.parametrize(
    ("scaling", "after"), [("standardize", "mean"), ("quantile", "mean"), ("standardize", "retrain")]
)
def test_the_loss_of_the_mean_over_seeds_is_in_the_scale_of_the_runs_model(
    mlpcli: Callable[..., Result], tmp_path: Path, scaling: str, after: str
) -> None:
    generator = np.random.default_rng(5)
    a, b = generator.normal(size=(2, 120))
    rows = np.column_stack([a, b, np.exp(1.5 * a) * 10 + generator.normal(size=120)])
    np.savetxt(tmp_path / "d.csv", rows, delimiter=",", header="a,b,y", comments="")
    spec = SCALED.replace("standardize", scaling).replace("mean}", f"{after}}}")
    (tmp_path / "scaled.yaml").write_text(spec)
    runs_dir = tmp_path / "runs"
    trained = mlpcli("train", tmp_path / "scaled.yaml", "--runs-dir", runs_dir, "--json")
    assert trained.status == 0, trained.err
    found = mlpcli("evaluate", "scaled", "--runs-dir", runs_dir, "--split", "held_out", "--json")
    assert found.status == 0, found.err
    metrics = json.loads(found.out)["metrics"]
    out_of_fold = json.loads(trained.out)["out_of_fold"]
    assert out_of_fold["loss"] == pytest.approx(metrics["loss"], rel=1e-5)
    assert out_of_fold["mae"] == pytest.approx(metrics["mae"], rel=1e-5)


def test_the_trainings_of_a_spec_are_specs(tmp_path: Path) -> None:
    (tmp_path / "retrained.yaml").write_text(RETRAINED)
    loaded = load_spec(tmp_path / "retrained.yaml", settings=["fit.folds=3", "seed=4294967295"])
    repeats = repeats_of(loaded.spec)
    assert [(each.fold, each.seed) for each in repeats[:3]] == [(1, 4294967295), (1, 0), (2, 4294967295)]
    spec = spec_of_repeat(loaded, repeats[3]).spec
    assert (spec.seed, spec.dataset.split_seed) == (0, 4294967295)
    assert spec.dataset.fold is not None
    assert (spec.dataset.fold.number, spec.dataset.fold.of) == (2, 3)
    assert (spec.fit.folds, spec.fit.seeds, spec.fit.after_folds) == (None, None, None)


def test_the_mean_of_folds_is_explained_against_every_row_that_a_fold_was_trained_on(
    trained: Trained, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    from sklearn.datasets import load_iris

    np.save(tmp_path / "rows.npy", load_iris().data[::40])
    given = ("predict", trained.folder, tmp_path / "rows.npy", "--explain", "--background", "1000", "--json")
    shown = mlpcli(*given, "--class", "virginica")
    assert shown.status == 0, shown.err
    found = json.loads(shown.out)
    assert found["explained"]["background_rows"] == 119
    for row in found["predictions"]:
        total = row["base_value"] + sum(row[f"contribution_{name}"] for name in load_iris().feature_names)
        assert total == pytest.approx(row["probability_virginica"], abs=1e-6)  # calibrated
