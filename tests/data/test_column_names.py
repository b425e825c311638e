"""A column may have any name: what it is called between file and served model is not its user's concern."""

from __future__ import annotations

import csv
import json
import keyword
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mlpcli.data.contract_form import read_contract
from mlpcli.data.features.encoders import NumericEncoder
from mlpcli.data.features.preprocessor import Preprocessor
from mlpcli.data.load import Request, load_dataset
from mlpcli.export.signature_names import traced_names
from mlpcli.runs.folder import find_run
from mlpcli.spec.schema import DatasetSpec
from tests.bare_runs import BARE, train_bare
from tests.conftest import Result

ARGUMENTS = "self cls inputs training name kwargs args mask x y dtype signature call columns label value key"
ODD = [
    *keyword.kwlist,
    *ARGUMENTS.split(),
    *("City", "city", "CITY", "lambda_", "self_", "column_0", "column_1", "row", "preprocessing", "dense"),
    *("a b", "a.b", "a/b", "a:b", "a:0", ":0", "0", "2x", "_", "__init__", "名前", "é", "E\u0301", "😀"),
    *("$a$ ^{", "=1+1", "%s", "{x}", "[red]x[/red]", "a\\b", "../x", "'quoted\"", "two\nlines", "n" * 3000),
]
WORDS = {"City", "city", "class", "a/b", "😀"}

SPEC = """\
name: odd
dataset:
  path: odd.csv
  target: in
  features: {City: {encoding: embedding, width: 2}, city: {encoding: embedding, width: 2}}
layers: [{Dense: {units: 4, activation: relu}}, Dense: {units: 1}]
loss: mse
fit: {epochs: 1, engine: graph}
"""


def test_what_notes_say_to_write_is_yaml_with_the_name_of_the_column(tmp_path: Path) -> None:
    lines = [f"{row % 9:03d},{1 + row % 12:02d}/{1 + row % 11:02d}/2024,{row}" for row in range(60)]
    (tmp_path / "odd.csv").write_text("\n".join(['"a: b","[day]",in', *lines]))
    section = {"path": "odd.csv", "target": "in", "test": {"last": 0.2, "by": "[day]"}}
    spec = DatasetSpec.model_validate(section)
    notes = load_dataset(spec, Request({"": "numbers"}), seed=1, folder=tmp_path).notes
    advice = [note.partition("features: ")[2] for note in notes if "features: " in note]
    assert [list(yaml.safe_load(each)) for each in advice] == [["a: b"], ["[day]"]]


def encoder(name: str) -> NumericEncoder:
    return NumericEncoder(
        name, fill=0, offset=0, scale=1, log=False, indicator=False, required=False, lowest=0, highest=1
    )


@given(st.lists(st.text(min_size=1) | st.sampled_from(ODD), unique=True, min_size=1))
def test_every_name_is_an_argument_of_its_own(names: list[str]) -> None:
    served = Preprocessor(tuple(map(encoder, names))).served
    assert list(served) == names
    assert len(set(served.values())) == len(names)
    for name in served.values():
        assert name.isidentifier()
        assert name.isascii()
        assert not keyword.iskeyword(name)
        assert name != "self"
    traced = traced_names(served)
    assert len({name.lower() for name in traced.values()}) == len(names)
    by_traced = sorted(names, key=lambda name: traced[name])
    assert by_traced == sorted(names, key=lambda name: served[name])  # so arguments stay in their order


@pytest.mark.uncounted
@pytest.mark.slow
def test_a_table_of_odd_names_is_trained_served_and_predicted(
    mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(1)
    rows = [
        [draw.choice("ABC") if name in WORDS else f"{draw.random():.4f}" for name in ODD] for _ in range(40)
    ]
    with (tmp_path / "odd.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([ODD, *rows])
    (tmp_path / "odd.yaml").write_text(SPEC, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert mlpcli("init", "odd.csv", "--target", "in", "-o", "first.yaml").status == 0
    assert mlpcli("check", "first.yaml").err == ""
    train_bare(Path("odd.yaml"), Path("runs"), options=replace(BARE, saved_model=True))
    assert mlpcli("evaluate", "odd").status == 0
    assert mlpcli("predict", "odd", "odd.csv", "-o", "out.csv").status == 0
    with (tmp_path / "out.csv").open(encoding="utf-8") as file:
        wanted = [float(row["predicted_in"]) for row in csv.DictReader(file)]
    _check_saved(tmp_path / "runs", wanted, dict(zip(ODD, zip(*rows, strict=True), strict=True)))


def _check_saved(runs_dir: Path, wanted: list[float], columns: dict[str, tuple[str, ...]]) -> None:
    """Both saved models take each column by its name, and give what `predict` gives."""
    from mlpcli.keras_import import keras, tf

    run = find_run("odd", runs_dir)
    data = json.loads((run / "run.json").read_text(encoding="utf-8"))["data"]
    preprocessor = read_contract(data["contract"]).preprocessor
    assert preprocessor is not None
    by_column = {
        each.name: tf.constant(columns[each.name])
        if each.text
        else tf.constant([float(cell) for cell in columns[each.name]], tf.float64)
        for each in preprocessor.encoders
    }
    by_python_name = {preprocessor.served[name]: values for name, values in by_column.items()}
    loaded = tf.saved_model.load(str(run / "saved_model"))
    function = loaded.signatures["serving_default"]
    assert set(function.structured_input_signature[1]) == set(by_python_name)
    np.testing.assert_allclose(function(**by_python_name)["value"][:, 0], wanted, rtol=1e-4, atol=1e-5)
    model = keras.models.load_model(run / "model.keras")
    np.testing.assert_allclose(model(by_python_name)[:, 0], wanted, rtol=1e-4, atol=1e-5)
    # The signature as TensorFlow Serving reads it:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        graph = tf.compat.v1.saved_model.load(session, ["serve"], str(run / "saved_model"))
        signature = graph.signature_def["serving_default"]
        assert set(signature.inputs) == set(by_column)
        fed = {signature.inputs[name].name: columns[name] for name in by_column}
        found = session.run(signature.outputs["value"].name, fed)
    np.testing.assert_allclose(found[:, 0], wanted, rtol=1e-4, atol=1e-5)
