"""Inputs that are chosen by the kind of their columns."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml

from mlpcli.checks.unread_columns import advise_on_unread_columns
from mlpcli.data.columns import select_inputs
from mlpcli.data.dataset import Contract
from mlpcli.data.features.feature_kinds import choose_features
from mlpcli.data.features.preprocessor import Preprocessor, fit_preprocessor
from mlpcli.data.readers.dialect import PLAIN
from mlpcli.data.readers.parse_cells import ParsedColumn
from mlpcli.errors import KeyPath, SpecError
from mlpcli.spec.features import FeatureSpec, InputSpec
from tests.bare_runs import BARE, train_bare
from tests.conftest import Result

Cli = Callable[..., Result]

RANDOM = np.random.default_rng(5)
ROWS = 60
TABLE: dict[str, list[Any]] = {
    "town": [("Ulm", "Bonn", "Trier")[place] for place in RANDOM.integers(0, 3, ROWS)],
    "size": [
        None if place % 8 == 3 else float(value) for place, value in enumerate(RANDOM.exponential(9, ROWS))
    ],
    "built": [
        None if place % 9 == 2 else str(np.datetime64("2001-01-01") + int(day))
        for place, day in enumerate(RANDOM.integers(0, 900, ROWS))
    ],
    "lift": [("yes", "no", None)[place] for place in RANDOM.integers(0, 3, ROWS)],
    "rooms": [int(value) for value in RANDOM.integers(1, 6, ROWS)],
}
FEATURES = {
    "town": {"kind": "categorical", "encoding": "embedding", "width": 2},
    "built": {"kind": "date", "parts": ["elapsed", "year"]},
}


def preprocessor_of(names: list[str]) -> Preprocessor:
    """The preprocessor of some columns of the table."""
    columns = {name: ParsedColumn(pa.array(TABLE[name]), PLAIN) for name in names}
    wanted = {name: FeatureSpec.model_validate(FEATURES.get(name, {})) for name in names}
    chosen = choose_features(columns, wanted, scaling="quantile", clip="smooth")
    return fit_preprocessor(columns, chosen.used, np.arange(ROWS), PLAIN)


def selected(names: list[str], **kinds: list[str]) -> dict[str, tuple[int, ...] | range | None]:
    """The values of a row that each input takes."""
    preprocessor = preprocessor_of(names)
    inputs = {name: InputSpec.model_validate({"kinds": each}) for name, each in kinds.items()}
    found = select_inputs(inputs, names, (preprocessor.width,), preprocessor)
    assert all(each.shape == (len(each.columns or ()),) for each in found)
    return {each.name: each.columns for each in found}


def test_inputs_take_the_values_of_their_kinds() -> None:
    """The values are town, size and its mark, elapsed days, year and their mark, lift and its mark, rooms."""
    found = selected(list(TABLE), a=["numeric", "date"], b=["boolean", "categorical"])
    assert found == {"a": (1, 2, 3, 4, 5, 8), "b": (0, 6, 7)}
    found = selected(list(TABLE), a=["numeric", "date"], b=["boolean", "categorical", "missing"])
    assert found == {"a": (1, 3, 4, 8), "b": (0, 2, 5, 6, 7)}
    assert selected(["size"], a=["numeric"], b=["missing"]) == {"a": (0,), "b": (1,)}


@pytest.mark.parametrize(
    ("names", "kinds", "there"),
    [
        (["rooms", "size"], ["categorical", "date"], "numeric (3)"),
        (["rooms", "town"], ["missing"], "numeric (1), categorical (1)"),
        (["town", "lift"], ["numeric"], "categorical (1), boolean (2)"),
    ],
)
def test_kinds_that_no_column_has_are_an_error_that_says_which_there_are(
    names: list[str], kinds: list[str], there: str
) -> None:
    with pytest.raises(SpecError) as caught:
        selected(names, a=kinds)
    (problem,) = caught.value.problems
    assert problem.path == ("inputs", "a", "kinds")
    assert f"its values by kind: {there};" in str(problem.hint)


WORDS = [f"{word} flat near the {place}" for word in ("quiet", "large") for place in ("sea", "park")] * 15


def unread(
    inputs: dict[str, dict[str, list[Any]]], *, texts: str = "tf_idf"
) -> list[tuple[KeyPath, str, str]]:
    """Place, finding and first part of the way out of the advice on a table with texts."""
    specs: dict[str, Any] = {**FEATURES, "lift": {}, "rooms": {}}
    specs["note"] = {"kind": "text", "output_mode": texts}
    columns = {name: ParsedColumn(pa.array({**TABLE, "note": WORDS}[name]), PLAIN) for name in specs}
    wanted = {name: FeatureSpec.model_validate(each) for name, each in specs.items()}
    chosen = choose_features(columns, wanted, scaling="quantile")
    preprocessor = fit_preprocessor(columns, chosen.used, np.arange(ROWS), PLAIN)
    given = {name: InputSpec.model_validate(each) for name, each in inputs.items()}
    shape = (preprocessor.width,)
    taken = select_inputs(given, list(specs), shape, preprocessor)
    contract = Contract("table", tuple(specs), shape, "float32", (), taken, preprocessor=preprocessor)
    return [(each.path, each.seen, each.fix) for each in advise_on_unread_columns(given, contract)]


def test_a_feature_that_no_input_reads_is_advised_on_at_the_input_that_could() -> None:
    numbers, rest = ["numeric", "date"], ["categorical", "boolean", "missing"]
    found = unread({"numbers": {"kinds": numbers}, "rest": {"kinds": rest}})
    fix = "add text to these kinds, or leave it out on purpose: features: {note: ignore}"
    assert found == [(("inputs", "rest", "kinds"), "column 'note' (text) is read by no input", fix)]
    assert unread({"numbers": {"kinds": numbers}, "rest": {"kinds": [*rest, "text"]}}) == []
    ((path, _, fix),) = unread({"a": {"kinds": numbers}, "b": {"kinds": rest}}, texts="int")
    assert path == ("inputs",)  # ids of words are no amounts
    assert fix.startswith("add an input, more: {columns: [note]}, and a layer that reads it, from: more, or")
    found = unread({"a": {"kinds": ["numeric"]}, "b": {"columns": ["note", "lift"]}})
    assert [(path, seen) for path, seen, _ in found] == [
        (("inputs",), "column 'town' (categorical) is read by no input"),
        (("inputs", "a", "kinds"), "column 'built' (date) is read by no input"),
    ]
    found = unread({"a": {"columns": ["built", "rooms", "note"]}, "b": {"kinds": ["missing"]}})
    assert [seen for _, seen, _ in found] == [
        "column 'town' (categorical) is read by no input",
        "column 'lift' (boolean) is read by no input",  # the mark of its missing cells alone is in `b`
    ]


def test_values_of_arrays_are_numbers_and_images_have_no_kinds() -> None:
    inputs = {"a": InputSpec(kinds=["numeric"])}
    (found,) = select_inputs(inputs, (), (3,))
    assert found.columns == (0, 1, 2)
    with pytest.raises(SpecError, match="is for flat rows, one row here holds 8 x 8"):
        select_inputs(inputs, (), (8, 8))


SPEC = """\
name: flats
dataset:
  path: t.csv
  target: rent
  target_scaling: quantile
  scaling: quantile
  clip: smooth
  features: {town: {kind: categorical, encoding: embedding, width: 2}}
inputs:
  numbers: {kinds: [numeric, date]}
  rest: {kinds: [categorical, boolean, missing]}
layers:
  - {Dense: {units: 4, activation: relu}, name: of_numbers, from: numbers}
  - {Concatenate: {}, from: [of_numbers, rest]}
  - Dense: {units: 1}
metrics: [mae]
fit: {epochs: 2, batch_size: 16, engine: graph}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the table and the spec, which is the current folder too."""
    cells = [["" if cell is None else str(cell) for cell in column] for column in TABLE.values()]
    lines = [",".join([*row, str(place**2)]) for place, row in enumerate(zip(*cells, strict=True))]
    (tmp_path / "t.csv").write_text("\n".join([",".join([*TABLE, "rent"]), *lines]) + "\n")
    (tmp_path / "s.yaml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.uncounted
def test_a_run_with_inputs_by_kind_is_verified_evaluates_and_predicts(folder: Path, mlpcli: Cli) -> None:
    options = replace(BARE, saved_model=True)
    run = train_bare(folder / "s.yaml", folder / "runs", options=options).folder
    record = json.loads((run / "run.json").read_text())
    assert record["saved_model"]["difference"] < 1e-5
    resolved = yaml.safe_load((run / "resolved.yaml").read_text())
    assert resolved["inputs"]["rest"] == {"kinds": ["categorical", "boolean", "missing"]}
    scores = json.loads(mlpcli("evaluate", "flats", "--json", "--no-figures").out)["metrics"]
    assert scores == pytest.approx(json.loads((run / "metrics.json").read_text())["test"], rel=1e-5)
    rents = [float(line.split(",")[-1]) for line in mlpcli("predict", "flats", "t.csv").out.splitlines()[1:]]
    assert len(rents) == ROWS
    assert 0 <= min(rents) < max(rents) <= (ROWS - 1) ** 2


MISTAKES = {
    "both": (
        "kinds: [numeric, date]",
        "kinds: [numeric], columns: [size]",
        "10:20 inputs.numbers.kinds: an input takes columns by name, or all columns of some kinds, not both",
    ),
    "twice": ("[numeric, date]", "[numeric, numeric]", "10:30 inputs.numbers.kinds[1]: is listed twice"),
    "a word": ("[numeric, date]", "numeric", "write kinds: [numeric]"),
    "another word": ("[numeric, date]", "[float]", "write numeric"),
    "no kind": (
        "[numeric, date]",
        "[ignore]",
        "must be a list of numeric, date, categorical, boolean, text, image, missing",
    ),
    "none": (
        "[numeric, date]",
        "[]",
        "must be a list of numeric, date, categorical, boolean, text, image, missing",
    ),
    "a scaling of dates": ("width: 2}", "width: 2}, built: {kind: date, scaling: log}", "for a date"),
    "another clip": ("clip: smooth", "clip: true", "dataset.clip: must be smooth"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_have_a_place_and_a_way_out(mistake: str, folder: Path, mlpcli: Cli) -> None:
    before, after, message = MISTAKES[mistake]
    (folder / "s.yaml").write_text(SPEC.replace(before, after, 1))
    result = mlpcli("check", "s.yaml")
    assert result.status == 2
    assert message in result.err.replace("\n", " ")
