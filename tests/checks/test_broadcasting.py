"""Losses and metrics of plug-ins that compare each label with the outputs of all rows are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mlpcli.errors import SpecError
from mlpcli.spec.load import load_spec
from tests.bare_runs import train_bare
from tests.conftest import Result

pytestmark = pytest.mark.slow

SPEC = """\
name: costly
dataset: {name: diabetes}
plugins: [costly.py]
layers:
  - Dense: {units: 8, activation: relu}
  - Dense: {units: 1}
loss: mse
optimizer: Adam
fit: {epochs: 2, batch_size: 32, engine: graph}
"""

HEAD = """\
import keras
from keras import ops


"""

LOSS = """\
class Own(keras.losses.Loss):
    def call(self, y_true, y_pred):
"""

METRIC = """\
class Own(keras.metrics.Metric):
    def __init__(self, name="own", **kwargs):
        super().__init__(name=name, **kwargs)
        self.total = self.add_weight(shape=(), initializer="zeros")

    def result(self):
        return self.total

    def update_state(self, y_true, y_pred, sample_weight=None):
"""

FUNCTION = "def Own(y_true, y_pred):\n"


def _problems(folder: Path, code: str, body: str, place: str, spec: str = SPEC) -> list[str]:
    """Return what `check` says of code that is used as a loss or a metric."""
    from mlpcli.training.prepare import prepare

    indent = "    " if code == FUNCTION else "        "
    lines = "".join(f"{indent}{line}\n" for line in body.splitlines())
    (folder / "costly.py").write_text(HEAD + code + lines, encoding="utf-8")
    text = spec.replace("loss: mse", "loss: Own") if place == "loss" else f"{spec}metrics: [Own]\n"
    (folder / "costly.yaml").write_text(text, encoding="utf-8")
    try:
        prepare(load_spec(folder / "costly.yaml"))
    except SpecError as error:
        return [str(each) for each in error.problems]
    return []


WRONG = {
    "a mean for each row": "return ops.mean(ops.square(y_true - y_pred), axis=-1)",
    "one value": "return ops.mean(ops.abs(y_true - y_pred))",
    "no mean at all": "return ops.square(y_true - y_pred)",
    "the root of a mean": "return ops.sqrt(ops.mean(ops.square(y_true - y_pred)))",
    "the other order": "return ops.mean(ops.maximum(y_pred - y_true, 0.1 * (y_true - y_pred)), axis=0)",
    "a correlation": "one, two = y_true - ops.mean(y_true), y_pred - ops.mean(y_pred)\n"
    "return 1 - ops.mean(one * two) / (ops.std(y_true) * ops.std(y_pred))",
}

RIGHT = {
    "reshaped": "y_true = ops.reshape(y_true, ops.shape(y_pred))\n"
    "return ops.mean(ops.square(y_true - y_pred), axis=-1)",
    "the column": "return ops.square(y_true - y_pred[:, 0])",
    "a correlation": "one, two = y_true - ops.mean(y_true), y_pred[:, 0] - ops.mean(y_pred)\n"
    "return 1 - ops.mean(one * two) / (ops.std(y_true) * ops.std(y_pred) + 1e-6)",
    "the root of a mean": "return ops.sqrt(ops.mean(ops.square(y_true - y_pred[:, 0])))",
    "pairs of rows": "one, two = ops.reshape(y_true, (-1,)), ops.reshape(y_pred, (-1,))\n"
    "near = ops.cast(ops.abs(one[:, None] - one[None]) < 50.0, 'float32')\n"
    "return ops.mean(near * ops.square(two[:, None] - two[None]))",
    "the order of rows": "one, two = (ops.sort(ops.reshape(y, (-1,))) for y in (y_true, y_pred))\n"
    "return ops.mean(ops.abs(one - two))",
    "means of all rows": "return ops.abs(ops.mean(y_true) - ops.mean(y_pred))",
    "no labels": "return ops.mean(ops.square(y_pred), axis=-1)",
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG)
def test_a_loss_that_compares_all_rows_with_all_is_refused(body: str, tmp_path: Path) -> None:
    (said,) = _problems(tmp_path, LOSS, body, "loss")
    assert "costly.yaml:7:7 loss: compares the label of each row with the outputs of all rows" in said
    assert (
        "begin its call (costly.py:6) with y_true = keras.ops.reshape(y_true, keras.ops.shape(y_pred))"
        in said
    )


@pytest.mark.parametrize("body", RIGHT.values(), ids=RIGHT)
def test_a_loss_of_rows_or_of_a_whole_batch_passes(body: str, tmp_path: Path) -> None:
    assert _problems(tmp_path, LOSS, body, "loss") == []


@pytest.mark.parametrize("scaling", ["", ", target_scaling: standardize"], ids=["plain", "scaled"])
def test_a_metric_that_compares_all_rows_with_all_is_refused(scaling: str, tmp_path: Path) -> None:
    spec = SPEC.replace("diabetes", f"diabetes{scaling}")
    wrong = "self.total.assign_add(ops.mean(ops.square(y_true - y_pred)))"
    right = "self.total.assign_add(ops.sum(ops.square(y_true - y_pred[:, 0])))"
    (said,) = _problems(tmp_path, METRIC, wrong, "metrics", spec)
    assert "metrics[0]: compares the label of each row" in said
    assert "its update_state (costly.py:13)" in said
    assert _problems(tmp_path, METRIC, right, "metrics", spec) == []


@pytest.mark.parametrize("place", ["loss", "metrics"])
def test_a_function_gets_labels_as_a_column_wherever_it_is_used(place: str, tmp_path: Path) -> None:
    assert _problems(tmp_path, FUNCTION, WRONG["a mean for each row"], place) == []
    (said,) = _problems(tmp_path, FUNCTION, RIGHT["the column"], place)
    assert "y_true and y_pred are (rows, 1), and one of them is used as (rows,)" in said
    assert "Own (costly.py:5), such as y_true[:, 0] beside y_pred[:, 0]" in said


def test_classes_of_one_unit_are_looked_at_too(tmp_path: Path) -> None:
    spec = SPEC.replace("diabetes", "breast_cancer").replace("units: 1}", "units: 1, activation: sigmoid}")
    spec = spec.replace("loss: mse", "loss: binary_crossentropy")
    (said,) = _problems(
        tmp_path, METRIC, "self.total.assign_add(ops.sum(ops.abs(y_true - y_pred)))", "metrics", spec
    )
    assert "metrics[0]: compares" in said
    assert _problems(tmp_path, FUNCTION, "return ops.equal(y_true, y_pred > 0.5)", "metrics", spec) == []


SAME = """\
def too_low_costs_more(y_true, y_pred):
    error = y_true - y_pred
    return ops.mean(ops.where(error > 0, 4 * error, -error), axis=-1)


def of_the_batch(y_true, y_pred):
    return ops.mean(too_low_costs_more(y_true, y_pred))
"""


@pytest.mark.parametrize("engine", ["graph", "keras", "compiled"])
@pytest.mark.parametrize("function", ["too_low_costs_more", "of_the_batch"])
def test_a_function_has_one_value_as_a_loss_and_as_a_metric(
    function: str, engine: str, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "costly.py").write_text(HEAD + SAME, encoding="utf-8")
    text = SPEC.replace("loss: mse", f"loss: {function}").replace("engine: graph", f"engine: {engine}")
    (tmp_path / "costly.yaml").write_text(text + f"metrics: [{function}]\n", encoding="utf-8")
    run = train_bare(tmp_path / "costly.yaml", tmp_path / "runs")
    rows = [line.split(",") for line in (run.folder / "history.csv").read_text().splitlines()]
    places = {name: place for place, name in enumerate(rows[0])}
    for split in ("", "val_"):
        pairs = [
            (float(row[places[f"{split}loss"]]), float(row[places[split + function]])) for row in rows[1:]
        ]
        assert all(one == pytest.approx(two, rel=1e-5) for one, two in pairs)
    shown = json.loads(mlpcli("evaluate", run.folder, "--json").out)["metrics"]
    assert shown["loss"] == pytest.approx(shown[function], rel=1e-5)
