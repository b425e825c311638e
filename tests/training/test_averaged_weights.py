"""Averages of the weights (`use_ema`, `SwapEMAWeights`): as in `model.fit`, and exact under stops."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.checks.average_advice import advise_on_averages
from mlpcli.errors import SpecError
from mlpcli.keras_import import import_keras
from mlpcli.runs import new_run
from mlpcli.runs.folder import open_run
from mlpcli.runs.record_models import read_history
from mlpcli.runs.results import Outcome
from mlpcli.spec.load import load_spec, load_text
from mlpcli.training.job import TrainOptions
from tests.training.stopped_runs import Quiet, assert_same_files, weights_of

pytestmark = pytest.mark.slow

QUICK = TrainOptions(saved_model=False, figures=False, baseline=False)

SPEC = """\
name: all
dataset: {name: xor, rows: 60, test: null}
layers: [Dense: {units: 6, activation: tanh}, BatchNormalization, Dense: {units: 1, activation: sigmoid}]
loss: binary_crossentropy
optimizer:
  AdamW: {learning_rate: 0.3, use_ema: true, ema_momentum: 0.8}
  learning_rate_factors: {'*/bias': 0.5}
fit: {epochs: 12, batch_size: 10, checkpoint: {every: 1}}
"""
SWAP, STOP = (
    "SwapEMAWeights: {swap_on_epoch: true}",
    "EarlyStopping: {patience: 2, restore_best_weights: true}",
)
SWAPPED = f"callbacks: [{SWAP}, {STOP}]\n"
CASES = {
    "swapped": SWAPPED,
    "swapped, not stopped": f"callbacks: [{SWAP}]\n",
    "not swapped, not stopped": "",
}


def _prepared(tmp_path: Path, text: str) -> Any:
    from mlpcli.training.prepare import prepare

    (tmp_path / "all.yaml").write_text(text)
    return prepare(load_spec(tmp_path / "all.yaml"))


def _fit(tmp_path: Path, text: str, engine: str) -> Any:
    """Return the model as `train` trains it, without the files of a run."""
    from mlpcli.training.callbacks import make_callbacks
    from mlpcli.training.fit import fit_model

    prepared = _prepared(tmp_path, text.replace("fit: {", f"fit: {{engine: {engine}, "))
    spec, dataset = prepared.completed.spec, prepared.dataset
    (tmp_path / "run").mkdir(exist_ok=True)
    callbacks = make_callbacks(spec, tmp_path / "run")[:-1]  # without TensorBoard
    record = fit_model(prepared.model, spec, dataset, callbacks, Quiet())
    assert record["name"] == engine
    return prepared.model


def _fit_by_keras(tmp_path: Path, text: str) -> Any:
    """Return the model and its validation rows, trained by plain Keras."""
    import keras

    from mlpcli.training.compiled import epoch_order

    prepared = _prepared(tmp_path, text)
    spec, dataset, model = prepared.completed.spec, prepared.dataset, prepared.model
    made = [getattr(keras.callbacks, each.class_name)(**each.arguments) for each in spec.callbacks]
    rows = len(dataset.train)

    class Batches(keras.utils.PyDataset):  # type: ignore[misc]
        order = np.arange(rows)

        def reorder(self, epoch: int, logs: object = None) -> None:
            self.order = epoch_order(spec.seed, epoch, rows)

        def __len__(self) -> int:
            return int(-(-rows // spec.fit.batch_size))

        def __getitem__(self, index: int) -> Any:
            chosen = self.order[index * spec.fit.batch_size : (index + 1) * spec.fit.batch_size]
            return dataset.train.x[chosen], dataset.train.y[chosen]

    batches = Batches()
    validation = dataset.validation.x, dataset.validation.y
    made.append(keras.callbacks.LambdaCallback(on_epoch_begin=batches.reorder))
    model.fit(
        batches, epochs=spec.fit.epochs, shuffle=False, validation_data=validation, callbacks=made, verbose=0
    )
    return model, validation


@pytest.mark.uncounted
@pytest.mark.parametrize("case", ["swapped", "not swapped, not stopped"])
def test_averages_are_validated_kept_and_trained_on_as_in_model_fit(case: str, tmp_path: Path) -> None:
    stock, validation = _fit_by_keras(tmp_path, SPEC + CASES[case])
    expected = stock.history.history
    for engine in ("compiled", "graph") if case == "swapped" else ("compiled",):
        model = _fit(tmp_path, SPEC + CASES[case], engine)
        assert list(model.history.history) == list(expected)
        for name, values in expected.items():
            np.testing.assert_allclose(model.history.history[name], values, atol=1e-4, err_msg=name)
        for ours, theirs in zip(model.get_weights(), stock.get_weights(), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-4)
        assert (len(values) < 12) == ("not stopped" not in case)
        # With the swap, what was validated is what is kept.
        kept = expected["val_loss"][-1] if "not stopped" in case else min(expected["val_loss"])
        measured = model.evaluate(*validation, verbose=0, return_dict=True)["loss"]
        same = measured == pytest.approx(kept, abs=1e-4)
        assert same == case.startswith("swapped")


class Copying(Quiet):
    """A watcher that copies the run folder also when its epochs are done and nothing else is written."""

    def stage(self, text: str) -> None:
        if text.startswith("evaluating"):
            assert self.copies is not None
            shutil.copytree(self.folder, self.copies / "all" / "2026-01-01_00-00-59")


def _train(tmp_path: Path, text: str, watcher: Quiet) -> Outcome:
    from mlpcli.training.session import train_into

    with new_run(tmp_path / "runs", "all") as folder:
        return train_into(_prepared(tmp_path, text).job(folder, watcher, (), QUICK))


@pytest.mark.uncounted
@pytest.mark.parametrize("engine", ["compiled", "keras"])
def test_a_run_killed_at_any_time_ends_with_the_same_averages(engine: str, tmp_path: Path) -> None:
    from mlpcli.training.resume import resume_run

    files = "{patience: 2}, ModelCheckpoint: {filepath: mine.keras}, CSVLogger]\n"
    text = SPEC.replace("fit: {", f"fit: {{engine: {engine}, ") + SWAPPED.split("{patience")[0] + files
    alone = _train(tmp_path, text, Copying(tmp_path / "killed"))
    assert alone.epochs < 12
    rows = [float(line.split(",")[-1]) for line in (alone.run.folder / "log.csv").read_text().split()[1:]]
    validation = _prepared(tmp_path, text).dataset.validation
    for name, kept in [
        ("model.keras", rows[-1]),
        ("mine.keras", rows[-1]),
        ("checkpoints/last.keras", rows[-1]),
        ("checkpoints/best.keras", min(rows)),
    ]:
        model = import_keras().models.load_model(alone.run.folder / name)
        measured = model.evaluate(validation.x, validation.y, verbose=0, return_dict=True)
        assert measured["loss"] == pytest.approx(kept, abs=1e-5), name
    moments = sorted((tmp_path / "killed" / "all").iterdir())
    for killed in (moments[4], moments[-1]) if engine == "compiled" else moments[3:4]:
        assert open_run(killed).describe() == "was killed"
        outcome = resume_run(open_run(killed), watcher=Quiet(), options=QUICK)
        assert (outcome.epochs, outcome.best_epoch) == (alone.epochs, alone.best_epoch)
        assert_same_files(alone.run.folder, killed)


@pytest.mark.uncounted
def test_a_continued_run_trains_on_from_the_weights_that_are_not_averaged(tmp_path: Path) -> None:
    from mlpcli.training.resume import Continuation, continue_run

    text = SPEC.replace("epochs: 12", "epochs: 4") + CASES["swapped, not stopped"]
    short = _train(tmp_path, text, Quiet())
    alone = _train(tmp_path, text.replace("epochs: 4", "epochs: 6"), Quiet())
    last, final = (weights_of(alone.run.folder / name) for name in ("checkpoints/last.keras", "model.keras"))
    for ours, theirs in zip(last, final, strict=True):  # the averages of the last epoch
        np.testing.assert_array_equal(ours, theirs)
    history = (alone.run.folder / "history.csv").read_text()
    for settings in (
        [],
        ["callbacks=[]"],
    ):  # without swap_on_epoch, weights and averages change places at once
        how = Continuation(epochs=2, settings=settings)
        more = continue_run(short.run, runs_dir=tmp_path / "runs", watcher=Quiet(), how=how)
        if not settings:
            assert (more.run.folder / "history.csv").read_text() == history
        trained = [
            [row["loss"] for row in read_history(each.run.folder / "history.csv")] for each in (more, alone)
        ]
        assert trained[0] == trained[1]
        for ours, theirs in zip(
            *(weights_of(each.run.folder / "model.keras") for each in (more, alone)), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)


PART = "{'dense/.*': {Adam: {use_ema: true}}}"
OPTIMIZERS = [
    "Adam: {use_ema: true}",
    "LossScaleOptimizer: {inner_optimizer: {Adam: {use_ema: true}}}",
    f"MultiOptimizer: {{optimizer_map: {{OptimizerMap: {{default_optimizer: SGD, optimizer_map: {PART}}}}}}}",
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_swap_is_exact(optimizer: str, tmp_path: Path) -> None:
    from mlpcli.keras_internals import averages
    from mlpcli.training.averaged_weights import swap_program

    model = _prepared(tmp_path, SPEC.split("optimizer:")[0] + f"optimizer: {{{optimizer}}}\n").model
    model.optimizer.build(model.trainable_variables)
    pairs = averages(model.optimizer)
    assert len(pairs) == (2 if "Multi" in optimizer else 6)
    random = np.random.default_rng(0)
    for variable in (each for pair in pairs for each in pair):
        variable.assign(random.normal(size=variable.shape) * 10 ** random.uniform(-8, 8, variable.shape))
    before = [(np.array(one), np.array(other)) for one, other in pairs]
    swap = swap_program(model.optimizer)
    for swapped in (True, False):
        swap()
        for pair, kept in zip(pairs, before, strict=True):
            for variable, value in zip(pair, kept[::-1] if swapped else kept, strict=True):
                np.testing.assert_array_equal(variable, value)


ADVICE = [
    ("", "optimizer.AdamW.use_ema", "use_ema without SwapEMAWeights"),
    (SWAPPED, "", ""),
    (
        SWAPPED.replace("{swap_on_epoch: true}", "{}"),
        "callbacks.0.SwapEMAWeights",
        "EarlyStopping would keep",
    ),
    ("callbacks: [SwapEMAWeights]", "callbacks.0.SwapEMAWeights", "checkpoints/best.keras would keep"),
    (
        f"callbacks: [{STOP}, ModelCheckpoint: {{filepath: a.keras}}, {SWAP}]",
        "callbacks.2.SwapEMAWeights",
        "EarlyStopping and ModelCheckpoint would keep",
    ),
    ("callbacks: [EarlyStopping, SwapEMAWeights: {swap_on_epoch: true}]", "", ""),
]


@pytest.mark.parametrize(("callbacks", "path", "seen"), ADVICE)
def test_averages_that_are_not_used_everywhere_get_advice(callbacks: str, path: str, seen: str) -> None:
    found = list(advise_on_averages(load_text(SPEC + callbacks, Path("all.yaml")).spec))
    assert [".".join(map(str, each.path)) for each in found] == [path] * bool(path)
    assert all(each.seen.startswith(seen) for each in found)


def test_settings_of_averages_that_are_not_kept_get_advice() -> None:
    text = SPEC.replace("use_ema: true, ", "")
    (found,) = advise_on_averages(load_text(text, Path("all.yaml")).spec)
    assert found.path == ("optimizer", "AdamW", "ema_momentum")


def test_a_second_swap_is_an_error(tmp_path: Path) -> None:
    swap = "SwapEMAWeights: {swap_on_epoch: true}"
    with pytest.raises(SpecError, match=r"all\.yaml:9:52 .*SwapEMAWeights: is listed twice"):
        _prepared(tmp_path, f"{SPEC}callbacks: [{swap}, {swap}]\n")
