"""`schema`: accepts every valid spec, rejects what a schema can see, offers the columns of a table."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mlpcli.errors import SpecError
from mlpcli.spec.argument_rules import every_rule
from mlpcli.spec.json_schema import spec_schema
from mlpcli.spec.yaml_reader import parse_text, read_text
from tests.conftest import ROOT, Result
from tests.project.test_docs import CONFIGS, PAGES, _specs
from tests.spec.refusals import GOOD
from tests.spec.test_bad_searches import BASE
from tests.spec.test_bad_searches import WRONG as WRONG_SEARCHES
from tests.spec.test_bad_specs import WRONG
from tests.spec.test_bad_yaml import WRONG_YAML
from tests.spec.test_search_spec import SEARCHED

UNSEEN = {
    "empty": "YAML",
    "only comments": "YAML",
    "not a mapping": "YAML",
    "two documents": "YAML",
    "two merges in one mapping": "YAML",
    "tab": "YAML",
    "colon in a value": "YAML",
    "bracket not closed": "YAML",
    "self-holding anchor": "YAML",
    "alias without anchor": "YAML",
    "billion laughs": "YAML",
    "twice the same key": "YAML",
    "octal": "YAML",
    "same name twice": "two places",
    "a layer reads nothing there": "two places",
    "rows of a table": "two places",
}
"""Wrong specs that a schema cannot tell, and what it would have to see."""


@cache
def _validator() -> jsonschema.Draft202012Validator:
    schema = spec_schema()
    jsonschema.Draft202012Validator.check_schema(schema)  # the schema is one itself
    return jsonschema.Draft202012Validator(schema)


def _errors(data: Any) -> list[str]:
    return [f"{error.json_path}: {error.message[:200]}" for error in _validator().iter_errors(data)]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_config_is_accepted(config: Path) -> None:
    assert _errors(read_text(config).data) == []


DOCUMENTED = {f"{page} {place}": spec for page in PAGES for place, spec in enumerate(_specs(page))}


@pytest.mark.parametrize("place", DOCUMENTED)
def test_every_spec_in_the_docs_is_accepted(place: str) -> None:
    base = {"dataset": {"name": "digits"}, "layers": ["Flatten"], "loss": "mse"}
    assert _errors(base | parse_text(DOCUMENTED[place], place).data) == []


EVERY_WRONG = WRONG | WRONG_YAML


@pytest.mark.parametrize("case", EVERY_WRONG)
def test_a_wrong_spec_is_rejected_where_a_schema_can(case: str) -> None:
    try:
        data = parse_text(EVERY_WRONG[case][0], case).data
    except SpecError:
        assert UNSEEN[case] == "YAML"
    else:
        assert bool(_errors(data)) is (case not in UNSEEN)


@pytest.mark.parametrize(
    "change",
    [
        {"optimizer": "adam"},
        {"optimizer": {"SGD": None}},
        {"optimizer": {"SGD": {"learning_rate": {"ExponentialDecay": {
            "initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.9}}}}},
        {"layers": [{"Dense": {"units": 3, "activation": {"LeakyReLU": {"negative_slope": 0.2}}}}]},
        {"layers": [{"Dense": {"units": 3, "kernel_initializer": {"HeNormal": {"seed": 1}}}}]},
        {"layers": [{"Dense": {"units": {"hp": "int", "min": 1, "max": 9}}}]},
        {"fit": {"batch_size": {"hp": "choice", "values": [16, 32]}}},
        {"callbacks": ["ModelCheckpoint", {"TensorBoard": False}]},
        {"callbacks": [{"ModelCheckpoint": False}]},
        {"callbacks": [{"EarlyStopping": {"patience": 0}}]},
        {"loss": {"SparseCategoricalCrossentropy": {"from_logits": True}}},
        {"dataset": {"name": None, "path": "t.csv"}},
        {"dataset": {"name": "iris", "validation": {"last": 5}, "test": None}},
        {"dataset": {"path": "t.csv", "test": {"share": 0.2, "by": "a"}}},
        {"dataset": {"path": "t.csv", "validation": {"last": 0.2, "by": "b"}}},
        {"dataset": {"path": "t.csv", "split": "part", "validation": {"share": 0.1, "stratify": "quantile"}}},
    ],
)  # fmt: skip
def test_every_way_to_write_a_part_is_accepted(change: dict[str, Any]) -> None:
    assert _errors(parse_text(GOOD, "good").data | change) == []


@pytest.mark.parametrize(
    "change",
    [
        {"optimizer": "Adm"},
        {"callbacks": ["LambdaCallbck"]},
        {"callbacks": [{"EarlyStopping": False}]},
        {"callbacks": [{"TensorBoard": True}]},
        {"layers": ["Dense"]},  # units is required
        {"layers": [{"name": "alone"}]},
        {"layers": ["Lambda"]},
        {"dataset": {"name": "irs"}},
        {"dataset": {"path": "t.csv", "test": {"by": "who"}}},
        {"dataset": {"path": "t.csv", "test": {"share": 2}}},
        {"dataset": {"path": "t.csv", "split": 0.2}},
        {"dataset": {"name": "iris", "path": "t.csv"}},
        {"fit": {"batch_size": {"hp": "float32"}}},
        {"optimizer": {"SGD": {"learning_rate": -1}}},
        {"optimizer": {"SGD": {"nesterov": "yes"}}},
    ],
)
def test_what_is_wrong_by_itself_is_rejected(change: dict[str, Any]) -> None:
    assert _errors(parse_text(GOOD, "good").data | change) != []


def test_what_a_schema_cannot_see_is_among_the_wrong_specs() -> None:
    assert UNSEEN.keys() <= EVERY_WRONG.keys()


def test_a_search_is_accepted_and_its_mistakes_rejected() -> None:
    assert _errors(parse_text(SEARCHED, "searched").data) == []
    for case in ("kind", "key", "no max", "one value", "the name"):
        assert _errors(parse_text(BASE + WRONG_SEARCHES[case][0], case).data) != [], case


def test_a_mistake_is_told_where_it_stands() -> None:
    data = parse_text(GOOD.replace("units: 3", "unit: 3") + "fit: {epochs: 0}\n", "good").data
    wrong_layer, wrong_epochs = sorted(_errors(data), reverse=True)
    assert wrong_layer.startswith("$.layers[0]: {'Dense': {'unit': 3, ")
    assert wrong_epochs == "$.fit.epochs: 0 is less than or equal to the minimum of 0"


RULES = {f"{rule.words}{', or null' * rule.test(None)}": rule for _, rule in every_rule()}
NUMBERS = [-1, -0.5, 0, 1e-9, 0.5, 0.999, 1, 1.5, 2, 3, 20, 21, 10_000, 10_001, True, False, None]
OTHERS: list[Any] = ["", "x", "epoch", "min", "none", "http://x", "https://x.y", ",", "ab", []]
OTHERS += [[0.05, 0.5, 0.95], [0, 0.5], [0.5, 1], [1, 2], ["a"], {}, {"a": "x"}, {"a": 1}, {"epochs": 1}]
OTHERS += [{"share": 0.5}, {"share": 1.0}, {"share": 1.5}, {"share": 0.5, "epochs": 2}]
OTHERS += ["valid", "same", "Same", "ROC", "float32", "lower", "auto", "sum", "rows", "ab,bc->ac", [0, 255]]
OTHERS += [[3, 3], [1], [[1, 0], [0, 1]], [2, 1], [-1, 2], [None, 3], [1, 3], [0.5, 0.9], [1, 1, 1]]
BY_THE_RULE_ALONE = {"must be a batch, or the first and the last of several, such as [2, 5]"}
"""Rules whose numbers a schema does not bound."""


@pytest.mark.parametrize("words", RULES)
def test_the_bounds_that_a_schema_has_are_those_of_the_rule(words: str) -> None:
    """They are written twice, as Python and as a schema: neither moves without the other."""
    rule = RULES[words]
    schema = jsonschema.Draft202012Validator(rule.schema)
    taken = [value for value in [*NUMBERS, *OTHERS, *rule.choices] if rule.test(value)]
    assert taken
    assert [value for value in taken if not schema.is_valid(value)] == []
    if rule.words not in BY_THE_RULE_ALONE:
        assert [value for value in NUMBERS if schema.is_valid(value)] == [
            value for value in NUMBERS if rule.test(value)
        ]
    assert [word for word in rule.choices if rule.test(word)] == [*rule.choices]


def test_what_is_missing_may_be_inherited() -> None:
    assert _errors({"fit": {"epochs": 3}}) != []
    assert _errors({"extends": "base.yaml", "fit": {"epochs": 3}}) == []
    assert _errors({"extends": "base.yaml", "dataset": {"test": 0.3}}) == []


def test_with_a_plug_in_any_part_may_have_its_name() -> None:
    own = {"layers": [{"Doubled": {"units": 3}}], "loss": "my_loss", "metrics": ["mine"]}
    assert _errors(parse_text(GOOD, "good").data | own) != []
    assert _errors(parse_text(GOOD, "good").data | own | {"plugins": ["mine.py"]}) == []


def test_the_columns_of_a_table_are_offered_and_demanded(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    table = tmp_path / "houses.csv"
    table.write_text("rooms;price\n3;100\n")
    result = mlpcli("schema", "--data", table)
    assert (result.status, result.err) == (0, "")
    schema = jsonschema.Draft202012Validator(json.loads(result.out))
    good = parse_text(GOOD, "good").data
    assert all(schema.is_valid(good | {"dataset": {"name": name}}) for name in ("digits", "circles"))
    assert not schema.is_valid(good | {"dataset": {"name": "circle"}})
    assert schema.is_valid(good | {"dataset": {"path": "houses.csv", "target": "price"}})
    assert not schema.is_valid(good | {"dataset": {"path": "houses.csv", "target": "prize"}})
    for features in (["rooms"], {"rooms": "numeric"}, {"rooms": {"scaling": "log"}, "price": "ignore"}):
        assert schema.is_valid(good | {"dataset": {"path": "houses.csv", "features": features}})
    for features in (["room"], {"room": "numeric"}):
        assert not schema.is_valid(good | {"dataset": {"path": "houses.csv", "features": features}})
    for columns, right in (
        (["rooms", 1], True),
        ("0:1", True),
        ("-1:", True),
        (["room"], False),
        ("rooms", False),
    ):
        assert schema.is_valid(good | {"inputs": {"one": {"columns": columns}}}) is right, columns


def test_a_file_without_columns_is_told(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    missing = tmp_path / "house.csv"
    (tmp_path / "houses.csv").write_text("a\n1\n")
    expected = f"{missing}: there is no such file; did you mean 'houses.csv'?\n"
    assert mlpcli("schema", "--data", missing) == Result(2, "", expected)


def test_the_schema_names_what_keras_offers() -> None:
    schema = spec_schema()
    words, classes = schema["$defs"]["layers"]["anyOf"]
    assert "Flatten" in words["enum"]
    assert "Dense" not in words["enum"]
    assert {"Dense", "Dropout", "name"} <= set(classes["properties"])
    assert "Lambda" not in classes["properties"]
