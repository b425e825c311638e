"""The learning-rate range test, and the rate it writes into a spec."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlpcli.errors import SpecError
from mlpcli.spec.load import load_spec
from mlpcli.spec.write_learning_rate import write_rate, yaml_number
from tests.conftest import TINY, Result

FAST = ("--steps", "80")


def test_lr_find_suggests_a_rate_a_tenth_of_where_the_loss_turns_and_draws_it(
    mlpcli: Callable[..., Result], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    result = mlpcli("lr-find", spec_file(TINY), *FAST, "--max", 100, "--runs-dir", tmp_path, "--json")
    assert result.status == 0
    found = json.loads(result.out)
    rates, smoothed = np.array(found["rates"]), np.array(found["smoothed"])
    assert rates[0] == pytest.approx(1e-5)
    factors = rates[1:] / rates[:-1]
    assert factors == pytest.approx(np.full(len(factors), (100 / 1e-5) ** (1 / 79)))
    assert found["turning_point"] == rates[smoothed.argmin()]
    assert found["suggestion"] == pytest.approx(found["turning_point"] / 10, rel=0.05)
    assert smoothed.min() < 0.7 * smoothed[0]  # it has learned something on the way
    assert (found["exploded"], len(rates) < 80) == (True, True)
    assert Path(found["picture"]).read_bytes().startswith(b"\x89PNG")
    assert found["current"] == 0.02


@pytest.mark.slow
def test_the_losses_are_those_of_stock_training_steps(spec_file: Callable[[str], Path]) -> None:
    from mlpcli.training import compiled
    from mlpcli.training.compiled.step_losses import _order, step_losses
    from mlpcli.training.prepare import prepare

    prepared = prepare(load_spec(spec_file(TINY)))
    dataset, model = prepared.dataset, prepared.model
    x, y = dataset.train.x, dataset.train.y
    losses = np.concatenate(list(step_losses(model, compiled.Arrays(x, y), batch_size=16, steps=9, seed=7)))
    again = prepare(load_spec(spec_file(TINY))).model
    order = _order(7, len(x), 16, 9).reshape(9, 16)
    stock = [again.train_on_batch(x[rows], y[rows], return_dict=True)["loss"] for rows in order[:1]]
    for rows in order[1:]:
        again.reset_metrics()
        stock.append(again.train_on_batch(x[rows], y[rows], return_dict=True)["loss"])
    np.testing.assert_allclose(losses, np.array(stock, dtype=np.float64), rtol=1e-5)
    assert sorted(order[:6].ravel()) == list(range(96))  # an epoch sees each row once


def test_a_curve_that_ends_early_is_smoothed_in_its_own_length(tmp_path: Path) -> None:
    from mlpcli.training.lr_finder import _evaluate, draw_rate_test, smooth

    losses = np.concatenate([np.linspace(2, 1, 20), np.linspace(1.5, 4, 5)])  # it explodes within one window
    found = _evaluate(1e-5 * 1.1 ** np.arange(500), losses, None, 500)
    assert len(found.rates) == len(found.smoothed) == 25
    weights = np.maximum(0, 1 - np.abs(np.arange(25)[:, None] - np.arange(25)) / 20)
    np.testing.assert_allclose(found.smoothed, weights @ losses / weights.sum(axis=1))
    np.testing.assert_allclose(smooth(np.full(7, 3.0), 20), np.full(7, 3.0))
    draw_rate_test(found, tmp_path / "curve.png", title="early")
    assert (tmp_path / "curve.png").is_file()


@pytest.mark.parametrize(("current", "said"), [(0.004, True), (0.0006, False), (None, False)])
def test_a_larger_rate_of_the_spec_may_be_meant(
    current: float | None, said: bool, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from dataclasses import replace

    from mlpcli.report.lr_find import show_rate_test
    from mlpcli.training.lr_finder import _evaluate

    losses = np.concatenate([np.linspace(2, 1, 40), np.linspace(1.1, 4, 10)])
    test = replace(
        _evaluate(1e-5 * 1.1 ** np.arange(500), losses, None, 500), suggestion=4.1e-4, current=current
    )
    show_rate_test(test, tmp_path / "curve.png", None, json=False)
    shown = " ".join(capsys.readouterr().out.split())
    assert ("the spec's 0.004 is larger, which may be meant" in shown) is said


@pytest.mark.slow
def test_weights_and_optimizer_are_put_back(
    spec_file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlpcli.training import lr_finder

    made = []
    build = vars(lr_finder)["build_checked"]

    def keep(*arguments: object) -> object:
        made.append(build(*arguments))
        model = made[0]
        model.optimizer.build(model.trainable_variables)
        made.append([np.array(v.numpy()) for v in [*model.variables, *model.optimizer.variables]])
        return model

    monkeypatch.setattr(lr_finder, "build_checked", keep)
    lr_finder.find_rate(load_spec(spec_file(TINY)), steps=40)
    model, before = made
    after = [v.numpy() for v in [*model.variables, *model.optimizer.variables]]
    assert all(np.array_equal(old, new) for old, new in zip(before, after, strict=True))


@pytest.mark.slow
def test_write_puts_the_suggestion_into_the_spec_and_touches_nothing_else(
    mlpcli: Callable[..., Result], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    text = "# my experiment\n" + TINY.replace("0.02}}", "0.02}}   # a guess")
    spec = spec_file(text)
    result = mlpcli("lr-find", spec, *FAST, "--runs-dir", tmp_path, "--write")
    assert result.status == 0
    rate = load_spec(spec).spec.optimizer.arguments["learning_rate"]
    assert rate != 0.02
    assert spec.read_text() == text.replace("0.02}}", f"{yaml_number(rate)}}}}}")
    assert f"suggested learning rate  {rate:g} (the spec has 0.02)" in result.out
    assert f"written  {spec}:10:35" in result.out


BASE = "dataset: {name: iris}  # data\r\nlayers: [{Dense: {units: 3, activation: softmax}}]\r\nloss: mse\r\n"

REWRITTEN = {
    "a class alone": ("optimizer: Adam # best\n", "optimizer: {Adam: {learning_rate: 0.003}} # best\n"),
    "a short name": ("optimizer: sgd # plain\n", "optimizer: {SGD: {learning_rate: 0.003}} # plain\n"),
    "no optimizer": ("", "optimizer: {Adam: {learning_rate: 0.003}}\n"),
    "another argument": (
        "optimizer: {SGD: {momentum: 0.9}}\n",
        "optimizer: {SGD: {learning_rate: 0.003, momentum: 0.9}}\n",
    ),
    "block style": (
        "optimizer:\n  SGD:\n    # fast\n    momentum: 0.9\n",
        "optimizer:\n  SGD:\n    # fast\n    learning_rate: 0.003\r\n    momentum: 0.9\n",
    ),
    "a schedule": (
        "optimizer: {SGD: {learning_rate: {CosineDecay: {initial_learning_rate: 1e-2, decay_steps: 9}}}}\n",
        "optimizer: {SGD: {learning_rate: {CosineDecay: {initial_learning_rate: 0.003, decay_steps: 9}}}}\n",
    ),
    "a schedule of ours, beside factors": (
        "optimizer: {AdamW: {learning_rate: {FlatCosine: {initial: 1e-2}}}, weight_decay_factors: {b: 2}}\n",
        "optimizer: {AdamW: {learning_rate: {FlatCosine: {initial: 0.003}}}, weight_decay_factors: {b: 2}}\n",
    ),
    "a rate that is searched": (
        "optimizer: {SGD: {learning_rate: &lr {hp: float, min: 1e-4, max: 1e-1, default: 0.01}}}\n",
        "optimizer: {SGD: {learning_rate: &lr {hp: float, min: 1e-4, max: 1e-1, default: 0.003}}}\n",
    ),
    "a searched rate without a default": (
        "optimizer: {SGD: {learning_rate: &lr {hp: float, min: 1e-4, max: 1e-1}}}\n",
        "optimizer: {SGD: {learning_rate: &lr {default: 0.003, hp: float, min: 1e-4, max: 1e-1}}}\n",
    ),
    "a choice of optimizers": (
        "optimizer: {hp: choice, values: [{SGD: {learning_rate: 0.5}}, Adam]}\n",
        "optimizer: {hp: choice, values: [{SGD: {learning_rate: 0.003}}, Adam]}\n",
    ),
}


@pytest.mark.parametrize("case", REWRITTEN)
def test_a_rate_is_written_where_it_belongs(case: str, tmp_path: Path) -> None:
    before, after = REWRITTEN[case]
    spec = tmp_path / "spec.yaml"
    spec.write_bytes((BASE + before).encode())
    write_rate(spec, load_spec(spec), 0.003)
    assert spec.read_bytes().decode() == BASE + after
    load_spec(spec)


def test_a_rate_is_not_written_where_an_alias_would_change_something_else(tmp_path: Path) -> None:
    text = "layers: [{Dropout: {rate: &x 0.1}}, {Dense: {units: 3, activation: softmax}}]\n"
    aliased = "dataset: {name: iris}\n" + text + "loss: mse\noptimizer: {SGD: {learning_rate: *x}}\n"
    spec = tmp_path / "spec.yaml"
    for written in (aliased, BASE + "...\n"):  # after the end of a document no line may follow
        spec.write_text(written, newline="")
        with pytest.raises(
            SpecError, match=r"cannot be changed in place; write learning_rate: 0\.003 yourself"
        ):
            write_rate(spec, load_spec(spec), 0.003)
        assert spec.read_bytes().decode() == written


def test_a_rate_is_not_written_where_it_is_not_among_those_that_are_searched(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    for searched in ("{hp: float, min: 1e-2, max: 1e-1}", "{hp: choice, values: [0.01, 0.1]}"):
        text = BASE + f"optimizer: {{SGD: {{learning_rate: {searched}}}}}\n"
        spec.write_text(text, newline="")
        with pytest.raises(SpecError, match=r"not among the values .*; write learning_rate: 0\.003 yourself"):
            write_rate(spec, load_spec(spec), 0.003)
        assert spec.read_bytes().decode() == text


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--min", "1", "--max", "0.1"), "--min must be above 0 and below --max, received [1.0, 0.1]"),
        (("--steps", "3"), "--steps must be at least 20, received 3"),
    ],
)
def test_bounds_that_do_not_fit_are_told(
    flags: tuple[str, ...], told: str, mlpcli: Callable[..., Result], spec_file: Callable[[str], Path]
) -> None:
    result = mlpcli("lr-find", spec_file(TINY), *flags)
    assert (result.status, told in result.err) == (2, True)


@pytest.mark.slow
def test_callbacks_do_not_matter(
    mlpcli: Callable[..., Result], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    callbacks = (
        "callbacks: [ReduceLROnPlateau: {monitor: val_accuracy}, EarlyStopping: {monitor: val_loss}]\n"
    )
    options = ("--steps", 20, "--max", 0.01, "--runs-dir", tmp_path)
    result = mlpcli("lr-find", spec_file(TINY + callbacks), *options)
    assert result.status == 0
    assert "the loss was measured for all 20 steps, up to a rate of 0.01" in result.out


@pytest.mark.parametrize(
    ("exploded", "diverged", "words"),
    [
        (False, False, "the loss was measured for all 3 steps, up to a rate of 0.1"),
        (True, False, "the loss rose far above its lowest after 3 steps, at a rate of 0.1: the test ended"),
        (True, True, "the loss diverged (no finite number) after 3 steps, above a rate of 0.1"),
    ],
)
def test_a_loss_that_only_rises_has_not_diverged(
    exploded: bool, diverged: bool, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlpcli.report.lr_find import show_rate_test
    from mlpcli.runs.results import RateTest

    rates, losses = np.array([0.001, 0.01, 0.1]), np.array([1.0, 0.5, 4.0])
    test = RateTest(rates, losses, losses, 0.01, 0.001, exploded, 0.01, diverged)
    show_rate_test(test, Path("p.png"), None, json=False)
    assert capsys.readouterr().out.splitlines()[0] == words
