"""Keys by another name or in another place, as a newcomer writes them: each is corrected or moved."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlpcli.spec.load import load_text
from mlpcli.spec.resolve import dump
from mlpcli.spec.yaml_reader import parse_text
from tests.spec.meant import GOOD, Replaced, assert_corrected, load_corrected, refusals

REPLACED: Replaced = {
    "a dataset's name alone": ("{name: iris}", "iris", "1:10 dataset", "dataset: {name: iris}"),
    "a file's name": ("name: iris", "name: a/iris.csv", "1:17 dataset.name", "path: a/iris.csv"),
    "another word for a path": ("name: iris", "csv: a.csv", "1:11 dataset.csv", "path: a.csv"),
    "another word for a split": (
        "iris}",
        "iris, val_split: 0.2}",
        "1:23 dataset.val_split",
        "validation: 0.2",
    ),
    "a key of Keras's fit": ("fit: {", "fit: {nb_epoch: 7, ", "9:7 fit.nb_epoch", "epochs: 7"),
    "another word for a kind": (
        "name: iris",
        "path: a.csv, target: y, features: {a: number}",
        "1:49 dataset.features.a",
        "numeric",
    ),
    "no space after a key": (
        "loss: sparse_categorical_crossentropy",
        "loss:mse",
        "6:1",
        "loss: mse",
    ),
    "no comma": ("{batch_size: 16}", "{epochs: 3 batch_size: 16}", "9:27", "a comma before batch_size"),
    "assignments": (
        "{batch_size: 16}",
        "epochs=3, batch_size=16",
        "9:6 fit",
        "fit: {epochs: 3, batch_size: 16}",
    ),
    "another word for a scaling": (
        "name: iris",
        "path: a.csv, target: y, scaling: StandardScaler",
        "1:44 dataset.scaling",
        "standardize",
    ),
    "columns in one text": (
        "name: iris",
        "path: a.csv, target: y, features: 'a, b'",
        "1:45 dataset.features",
        "features: [a, b]",
    ),
    "half precision": ("fit: {", "fit: {precision: fp16, ", "9:18 fit.precision", "mixed_float16"),
    "a scaling of the target": (
        "name: iris",
        "path: a.csv, target: y, target_scaling: true",
        "1:51 dataset.target_scaling",
        "standardize",
    ),
    "a column's type": (
        "name: iris",
        "path: a.csv, target: y, features: {a: {type: category}}",
        "1:50 dataset.features.a.type",
        "kind: categorical",
    ),
    "an encoding of a column": (
        "name: iris",
        "path: a.csv, target: y, features: {a: {kind: categorical, encoding: onehot}}",
        "1:79 dataset.features.a.encoding",
        "one_hot",
    ),
    "an encoding of a file": (
        "name: iris",
        "path: a.csv, target: y, encoding: latin-1",
        "1:35 dataset.encoding",
        "charset: latin-1",
    ),
    "Lightning's epochs": (
        "fit: {batch_size: 16}",
        "max_epochs: 7",
        "9:1 max_epochs",
        "fit: {epochs: 7}",
    ),
    "Lightning's trainer": ("fit: {", "trainer: {", "9:1 trainer", "fit: {batch_size: 16}"),
}

SHORTENED = {"no space after a key", "no comma"}
"""Whose texts are no YAML, so that nothing can be put at their places."""

SCHEDULED = (
    "write it as the learning rate: optimizer: "
    "{Adam: {learning_rate: {CosineDecay: {initial_learning_rate: 0.01, decay_steps: 1000}}}}"
)

# name: (lines after the good spec, place, what is to be done)
ADDED: dict[str, tuple[str, str, str]] = {
    "epochs": ("epochs: 5", "10:1 epochs", "write it inside fit: epochs: 5"),
    "epochs that are there": (
        "batch_size: 5",
        "10:1 batch_size",
        "fit has batch_size: 16 already: remove one of them",
    ),
    "target": ("target: y", "10:1 target", "write it inside dataset: target: y"),
    "validation_split": (
        "validation_split: 20%",
        "10:1 validation_split",
        "write it inside dataset: validation: 0.2",
    ),
    "learning_rate": ("lr: 0.1", "10:1 lr", "write optimizer: {Adam: {learning_rate: 0.1}}"),
    "max_trials": ("max_trials: 9", "10:1 max_trials", "write tuner: {max_trials: 9}"),
    "random_state": ("random_state: 1", "10:1 random_state", "write seed: 1"),
    "patience": ("patience: 3", "10:1 patience", "write callbacks: [EarlyStopping: {patience: 3}]"),
    "one callback": ("callbacks: EarlyStopping", "10:12 callbacks", "write callbacks: [EarlyStopping]"),
    "a mapping of callbacks": (
        "callbacks: {EarlyStopping: {patience: 3}}",
        "10:12 callbacks",
        "write callbacks: [EarlyStopping: {patience: 3}]",
    ),
    "a callback's call": (
        "callbacks: [EarlyStopping(patience=5, restore_best=True)]",
        "10:13 callbacks[0]",
        "write EarlyStopping: {patience: 5, restore_best_weights: true}",
    ),
    "a callback's number": (
        "callbacks: [EarlyStopping: 5]",
        "10:13 callbacks[0]",
        "write EarlyStopping: {patience: 5}",
    ),
    "a scheduler": (
        "lr_scheduler: StepLR",
        "10:1 lr_scheduler",
        SCHEDULED,
    ),
    "folds": (
        "k_fold: 5",
        "10:1 k_fold",
        "write it inside fit: folds: 5",
    ),
    "folds that have no number": (
        "cross_validation: true",
        "10:1 cross_validation",
        "write it inside fit: folds: 5",
    ),
    "a split": (
        "split: [0.6, 0.2, 0.2]",
        "10:1 split",
        "write it inside dataset: test: 0.2, validation: 0.2; the other rows are for training",
    ),
    "the rest of a split": (
        "train: 0.8",
        "10:1 train",
        "leave it out: the rows that test and validation leave are for training",
    ),
    "dropped columns": (
        "drop: [id]",
        "10:1 drop",
        "write it inside dataset: features: {COLUMN: ignore}",
    ),
    "verbose": (
        "verbose: 1",
        "10:1 verbose",
        "leave it out: a terminal shows a bar, a pipe a line for each epoch",
    ),
    "input_shape": (
        "input_shape: [4]",
        "10:1 input_shape",
        "leave it out: the input's shape comes from the data",
    ),
}


@pytest.mark.parametrize("name", REPLACED)
def test_a_key_by_another_name_is_corrected(name: str) -> None:
    assert_corrected(*REPLACED[name])


@pytest.mark.parametrize("name", [name for name in REPLACED if name not in SHORTENED])
def test_the_correction_is_a_spec(name: str) -> None:
    right, wrong, place, written = REPLACED[name]
    load_corrected(GOOD.replace(right, wrong, 1), place, written)


@pytest.mark.parametrize("name", ADDED)
def test_a_key_in_another_place_is_moved(name: str) -> None:
    line, place, advice = ADDED[name]
    (said,) = refusals(GOOD + line + "\n")
    assert said.startswith(f"s.yaml:{place}: ")
    assert said.endswith(f"; {advice}")


MOVED = re.compile(r"write (?:it inside (\w+): |it as the learning rate: )?(\w+: .+?)(?:; the other .*)?")
WHOLE_KEYS = [
    name for name, (_, place, advice) in ADDED.items() if MOVED.fullmatch(advice) and "[" not in place
]
"""Whose advice is a key with its value, not an item of a list or a key to leave out."""


@pytest.mark.parametrize("name", WHOLE_KEYS)
def test_what_is_moved_is_a_spec(name: str) -> None:
    _, _, advice = ADDED[name]
    found = MOVED.fullmatch(advice)
    assert found is not None
    section, pair = found.groups()
    tree = parse_text(GOOD, "s.yaml").data
    moved = parse_text(f"{{{pair}}}", "s.yaml").data
    tree |= moved if section is None else {section: tree.get(section, {}) | moved}
    load_text(dump(tree), Path("s.yaml"))


def test_columns_of_one_wrong_kind_are_one_problem() -> None:
    columns = ", ".join(f"c{n}: {{kind: str}}" for n in range(40))
    said = refusals(GOOD.replace("name: iris", f"path: a.csv, target: y, features: {{{columns}}}"))
    (message,) = said
    assert message.startswith("s.yaml:1:57 dataset.features.c0.kind: must be one of numeric, ")
    assert message.endswith(
        "received 'str'; write categorical; also for the columns c1, c2, c3, c4, c5, c6, c7, c8 and 31 more"
    )
