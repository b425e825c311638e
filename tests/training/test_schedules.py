"""Schedules that say their length as a share of the training or in epochs, and ours among them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlpcli.errors import Problem, SpecError
from mlpcli.model.schedule_steps import for_epochs, with_steps
from mlpcli.runs.folder import find_run
from mlpcli.spec.load import LoadedSpec, load_spec, load_text
from tests.conftest import Result

BASE = """\
dataset: {name: iris, test: null, validation: null}
layers: [Normalization, Dense: {units: 3, activation: softmax}]
loss: sparse_categorical_crossentropy
fit: {epochs: 4, batch_size: 30}
"""


def _rate(schedule: str, *, text: str = BASE) -> LoadedSpec:
    return load_text(f"{text}optimizer: {{SGD: {{learning_rate: {schedule}}}}}\n", Path("spec.yaml"))


def _arguments(loaded: LoadedSpec, rows: int = 150) -> Any:
    """The arguments of the rate's schedule, in steps: 5 an epoch, 20 in all."""
    ((_, found),) = with_steps(loaded.spec, rows).optimizer.arguments["learning_rate"].items()
    return found


@pytest.mark.parametrize(
    ("schedule", "steps"),
    [
        ("{CosineDecay: {initial_learning_rate: 0.1, decay_steps: {share: 1}}}", {"decay_steps": 20}),
        ("{CosineDecay: {initial_learning_rate: 0.1, decay_steps: {share: 0.33}}}", {"decay_steps": 7}),
        ("{CosineDecay: {initial_learning_rate: 0.1, decay_steps: {share: 0.001}}}", {"decay_steps": 1}),
        ("{CosineDecay: {initial_learning_rate: 0.1, decay_steps: 7.5}}", {"decay_steps": 7.5}),
        (
            "{CosineDecay: {initial_learning_rate: 0, decay_steps: {epochs: 2.5}, warmup_steps: {share: 0}}}",
            {"decay_steps": 12, "warmup_steps": 0},
        ),
        (
            "{CosineDecayRestarts: {initial_learning_rate: 0.1, first_decay_steps: {epochs: 1}}}",
            {"first_decay_steps": 5},
        ),
        (
            "{PiecewiseConstantDecay: {boundaries: [3, {share: 0.5}, {epochs: 3}], values: [1, 2, 3, 4]}}",
            {"boundaries": [3, 10, 15]},
        ),
        ("{Warmup: {steps: {epochs: 1}, to: 1}}", {"steps": 5}),
        ("{FlatCosine: {initial: 0.1}}", {"training_steps": 20, "initial": 0.1}),
        ("{CosineCycles: {peak: 0.1, training_steps: {epochs: 2}}}", {"training_steps": 10}),
    ],
)
def test_a_length_with_a_unit_becomes_steps(schedule: str, steps: dict[str, Any]) -> None:
    found = _arguments(_rate(schedule))
    assert {name: found[name] for name in steps} == steps


def _problems(text: str) -> list[Problem]:
    try:
        load_text(text, Path("spec.yaml"))
    except SpecError as error:
        return list(error.problems)
    return []


def test_every_length_of_every_schedule_takes_a_unit() -> None:
    from mlpcli.spec import keras_signatures

    names = {
        (space, class_name, name)
        for space in ("optimizers.schedules", "optimizers")
        for class_name in keras_signatures.class_names(space)
        for name in keras_signatures.signature(space, class_name).names
        if "steps" in name or name == "boundaries"
    }
    others = ("gradient_accumulation_steps", "dynamic_growth_steps", "ns_steps")  # of one batch, of a scale
    lengths = {key for key in names if key[2] not in others}
    assert ("optimizers", "ScheduleFreeAdamW", "warmup_steps") in lengths
    for space, class_name, name in lengths:
        value = "[{share: 0.5}]" if name == "boundaries" else "{share: 0.5}"
        inner = f"{{{class_name}: {{{name}: {value}}}}}"
        optimizer = inner if space == "optimizers" else f"{{SGD: {{learning_rate: {inner}}}}}"
        problems = _problems(f"{BASE}optimizer: {optimizer}\n")
        assert not [problem for problem in problems if name in problem.path], (class_name, name)


def test_lengths_inside_other_optimizers_and_in_callbacks() -> None:
    loaded = load_text(
        BASE
        + """\
optimizer: {MultiOptimizer: {optimizer_map: {OptimizerMap: {default_optimizer: {ScheduleFreeAdamW:
  {warmup_steps: {share: 0.1}}}, optimizer_map: {'dense/.*': {Adam: {learning_rate: {FlatCosine:
  {initial: 0.1}}}}}}}}}
callbacks: [LearningRateScheduler: {schedule: {CosineDecay: {initial_learning_rate: 0.1, decay_steps:
  {share: 0.5}}}}]
""",
        Path("spec.yaml"),
    )
    found = with_steps(loaded.spec, 150)
    inside = found.optimizer.arguments["optimizer_map"]["OptimizerMap"]
    assert inside["default_optimizer"] == {"ScheduleFreeAdamW": {"warmup_steps": 2}}
    flat = {"FlatCosine": {"training_steps": 20, "initial": 0.1}}
    assert inside["optimizer_map"] == {"dense/.*": {"Adam": {"learning_rate": flat}}}
    assert found.callbacks[0].arguments["schedule"]["CosineDecay"]["decay_steps"] == 2  # of 4 epochs


def test_a_trial_of_hyperband_is_the_beginning_of_a_whole_training() -> None:
    loaded = _rate("{Warmup: {steps: {epochs: 1}, to: {FlatCosine: {initial: 0.1}}}}")
    short = for_epochs(loaded.spec, 2, 4)
    assert short.fit.epochs == 2
    assert short.optimizer.arguments["learning_rate"]["Warmup"]["to"] == {
        "FlatCosine": {"training_steps": {"epochs": 4.0}, "initial": 0.1}
    }
    assert with_steps(short, 150).optimizer == with_steps(loaded.spec, 150).optimizer


def test_a_unit_replaces_another_in_a_spec_that_extends(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(
        BASE
        + "optimizer: {SGD: {learning_rate: {FlatCosine: {initial: 0.1, training_steps: {share: 0.5}}}}}\n"
    )
    (tmp_path / "own.yaml").write_text(
        "extends: base.yaml\noptimizer: {SGD: {learning_rate: {FlatCosine: {training_steps: {epochs: 2}}}}}\n"
    )
    loaded = load_spec(tmp_path / "own.yaml")
    assert _arguments(loaded) == {"initial": 0.1, "training_steps": 10}


@pytest.mark.parametrize(
    ("length", "told"),
    [
        ("100%", "write {share: 1}"),
        ("5 epochs", "write {epochs: 5}"),
        ("{share: 50}", "for 50% write {share: 0.5}"),
        ("{share: 50%}", "write {share: 0.5}"),
        ("{share: 0}", ""),
        ("{epochs: -1}", ""),
        ("{epoch: 5}", "did you mean 'epochs'?"),
        ("{percent: 5}", "write {share: 0.5} (of the training) or {epochs: 5}"),
        ("{share: 0.5, epochs: 2}", "keep one: share, or epochs"),
        ("[1, 2]", ""),
        ("0", ""),
        (".nan", ""),
    ],
)
def test_a_wrong_length_is_told_at_its_place(length: str, told: str) -> None:
    with pytest.raises(SpecError) as caught:
        _rate(f"{{CosineDecay: {{initial_learning_rate: 0.1, decay_steps: {length}}}}}")
    (problem,) = caught.value.problems
    assert problem.path[-2:] == ("CosineDecay", "decay_steps")
    assert problem.place is not None
    assert (problem.place.line, problem.place.column) == (5, 90)
    assert told in str(problem)
    assert "{share: 0.5} (of the training) or {epochs: 5}" in str(problem)


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        ("{PiecewiseConstantDecay: {boundaries: [50%], values: [1, 2]}}", "write {share: 0.5}"),
        ("{PiecewiseConstantDecay: {boundaries: {share: 0.5}, values: [1, 2]}}", "must be a list of numbers"),
        ("{CosineCycles: {peak: 0.1, cycles: 0}}", "must be an integer from 1 to 20"),
        ("{CosineCycles: {cycles: 2}}", "CosineCycles needs the argument 'peak'"),
        ("{FlatCosine: {initial: 0.1, flat: 1}}", "must be a number from 0 up to but not including 1"),
        ("{FlatCosine: {initial: -1}}", "must be a number of at least 0"),
        ("{FlatCosine: {initial_learning_rate: 0.1}}", "write initial: 0.1"),
        ("{coslog4: {peak: 0.1}}", "CosineCycles"),
    ],
)
def test_wrong_arguments_of_schedules(schedule: str, told: str) -> None:
    with pytest.raises(SpecError) as caught:
        _rate(schedule)
    assert told in str(caught.value)


@pytest.mark.slow
def test_our_schedules_have_the_published_values() -> None:
    from mlpcli.keras_import import import_keras

    keras = import_keras()
    from mlpcli.model.custom_objects import CosineCycles, FlatCosine

    def coslog4(t: float) -> float:
        return 0.5 * (1 - math.cos(2 * math.pi * math.log2(1 + 15 * t)))

    def flat_cos(t: float) -> float:
        return 0.5 * (1 + math.cos(math.pi * (max(1, 2 * t) - 1)))

    cycles, flat = CosineCycles(0.04, 60), FlatCosine(0.15, 60)
    for step in range(61):
        assert float(cycles(step)) == pytest.approx(0.04 * coslog4(step / 60), abs=2e-7)
        assert float(flat(step)) == pytest.approx(0.15 * flat_cos(step / 60), abs=2e-7)
    assert [float(cycles(step)) for step in (0, 4, 12, 28, 60, 99)] == pytest.approx([0] * 6, abs=1e-6)
    assert float(flat(99)) == pytest.approx(0, abs=1e-7)
    assert float(CosineCycles(1.0, 10, cycles=1)(math.sqrt(2) * 10 - 10)) == pytest.approx(1, abs=1e-5)
    assert [float(FlatCosine(1.0, 10, flat=0.0)(step)) for step in (0, 5, 10)] == pytest.approx([1, 0.5, 0])
    for made in (cycles, flat):
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(made))
        assert float(again(17)) == float(made(17))


@pytest.mark.slow
def test_a_training_follows_the_share_of_its_own_epochs(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    spec = tmp_path / "share.yaml"
    spec.write_text(BASE + "optimizer: {SGD: {learning_rate: {FlatCosine: {initial: 0.1}}}}\n")

    def rates(name: str, *options: object) -> list[float]:
        result = mlpcli("train", *options, "--runs-dir", tmp_path / name)
        assert result.status == 0, result.err
        run = find_run("share", tmp_path / name)
        assert run.record.to_json()["engine"]["name"] == "compiled"
        resolved = load_spec(run / "resolved.yaml").spec.optimizer.arguments["learning_rate"]
        assert resolved == {"FlatCosine": {"initial": 0.1, "training_steps": {"share": 1.0}, "flat": 0.5}}
        return [float(line.rsplit(",", 1)[1]) for line in (run / "history.csv").read_text().splitlines()[1:]]

    assert rates("two", spec, "--set", "fit.epochs=2") == pytest.approx([0.1, 0], abs=1e-7)
    # Continued for two more, it stands where a training of four epochs would.
    assert rates("two", "--continue", "share") == pytest.approx([0.1, 0, 0.05, 0], abs=1e-7)


@pytest.mark.slow
def test_a_dropouts_rate_follows_a_schedule_that_counts_training_steps() -> None:
    from mlpcli.keras_import import import_keras

    keras = import_keras()
    from mlpcli.model.components import make_instance

    rate: Any = {"FlatCosine": {"initial": 0.5, "training_steps": 4}}
    layer: Any = make_instance("layers", "Dropout", {"rate": rate, "seed": 1, "name": "d"}, ("layers", 0))
    ones = keras.ops.ones((500, 20))

    def left_out(*, training: bool = True) -> float:
        found = layer(ones, training=training).numpy()
        assert found.mean() == pytest.approx(1, abs=0.05)  # the others are larger in exchange
        return float((found == 0).mean())

    assert [left_out() for _ in range(4)] == pytest.approx([0.5, 0.5, 0.5, 0.25], abs=0.03)
    assert left_out(training=False) == 0
    assert int(layer.step.numpy()) == 4
    assert [left_out(), left_out()] == [0, 0]
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert (again.get_config()["seed"], again.name, float(again.rate(3))) == (1, "d", float(layer.rate(3)))
    layer.restart()
    assert left_out() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        ("Dropout: {rate: {FlatCosin: {initial: 0.1}}}", "did you mean 'FlatCosine'?"),
        ("Dropout: {rate: {initial: 0.1}}", "rate: cannot be a mapping, other than a component"),
        ("SpatialDropout1D: {rate: {FlatCosine: {initial: 0.1}}}", "only the rate of Dropout may follow"),
    ],
)
def test_a_wrong_rate_of_a_dropout_is_told(layer: str, told: str) -> None:
    assert told in str(_problems(BASE.replace("Normalization,", f"Normalization, {layer},"))[0])
