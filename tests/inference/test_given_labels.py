"""What folds wrote of each row is read back: its name, its target as it was given, and what was predicted."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import yaml

from mlpcli.data.dataset import Contract, Output
from mlpcli.data.readers.tables import open_tables
from mlpcli.data.row_names import RowName, name_rows
from mlpcli.data.sources.kept_rows import KeptOrigin
from mlpcli.data.written_targets import written_targets
from mlpcli.errors import RunError, UsageError
from mlpcli.inference.given_labels import read_given_labels
from mlpcli.inference.label_check import check_labels
from mlpcli.model.prediction_columns import prediction_columns
from mlpcli.runs.folder import Run
from mlpcli.runs.record_models import RunRecord
from mlpcli.spec.load import load_spec
from mlpcli.spec.schema import ComponentSpec
from mlpcli.training.find_data import find_opened


def test_rows_are_named_by_file_row_and_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('a,b\n1,"two\nlines"\n\n2,x\n3,y\n')
    (tmp_path / "b.csv").write_text("a,b\n4,z\n")
    one = open_tables([tmp_path / "a.csv"], "a.csv").origin
    assert name_rows(one, [2, 0, 1]) == [
        RowName("a.csv", 3, 6),
        RowName("a.csv", 1, 2),
        RowName("a.csv", 2, 5),
    ]
    kept = KeptOrigin(one, np.array([0, 2]))
    assert name_rows(kept, [1]) == [RowName("a.csv", 3, 6)]


def _run_of(
    folder: Path,
    outputs: tuple[Output, ...],
    columns: dict[str, object],
    contract: Contract | None = None,
) -> Run:
    """A run with these outputs, and out-of-fold predictions of four rows."""
    contract = contract or Contract("table", ("a",), (1,), "float32", outputs)
    data = {"fingerprint": "", "source": "rows.csv", "contract": contract.to_json()}
    record = {"status": "completed", "spec": str(folder / "houses.yaml"), "data": data}
    (folder / "run.json").write_text(json.dumps(record))
    columns = {"row": [3, 1, 7, 2], "fold": [1, 2, 1, 2]} | columns
    with (folder / "out_of_fold.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*(np.asarray(each).tolist() for each in columns.values()), strict=True))
    return Run(folder, RunRecord.model_validate_json(json.dumps(record)))


def _predicted(output: Output, values: object, loss: str) -> dict[str, object]:
    """The columns that `predict` writes for a network's outputs."""
    found = prediction_columns(output, np.array(values, np.float32), ComponentSpec(class_name=loss))
    return {name: np.asarray(column) for name, column in found.items()}


CLASSES, CHANCES = Output(("color",), "classes", ("blue", "red")), [[0.75], [0.25], [0.5], [0]]
LABELS, OF_EACH = ("round", "soft"), [[0.75, 0.25], [0.5, 0], [1, 0.25], [0, 1]]
ONES = {"round": [1, 0, 1, 0], "soft": [0, 0, 1, 1]}

KINDS: dict[str, tuple[Output, str, object, Mapping[str, object], Mapping[str, object]]] = {
    "classes by one unit": (
        CLASSES, "BinaryCrossentropy", CHANCES, {"color": ["red", "red", "blue", "blue"]},
        {"": ([1, 1, 0, 0], [0.75, 0.25, 0.5, 1])},
    ),
    "classes by the score of a hinge loss": (
        CLASSES, "Hinge", [[0], [0], [100], [-100]], {"color": ["red", "red", "blue", "blue"]},
        {"": ([1, 1, 0, 0], [0.5, 0.5, 0, 1])},
    ),
    "classes with a column that is named as ours": (
        Output(("fold",), "classes", ("7", "8")), "SparseCategoricalCrossentropy",
        [[0.25, 0.75], [1, 0], [0, 1], [0.5, 0.5]], {"fold_input": ["7", "7", "8", "8"]},
        {"": ([0, 0, 1, 1], [0.25, 1, 1, 0.5])},
    ),
    "pooled classes": (
        Output(("color",), "classes", ("other", "red"), pooled=("blue", "green")), "BinaryCrossentropy",
        CHANCES, {"color": ["red", "green", "blue", "red"]}, {"": ([1, 0, 0, 1], [0.75, 0.75, 0.5, 0])},
    ),
    "one-hot columns": (
        Output(LABELS, "one_hot", LABELS), "CategoricalCrossentropy", OF_EACH,
        {"round": [1, 0, 0, 1], "soft": [0, 1, 1, 0]}, {"": ([0, 1, 1, 0], [0.75, 0, 0.25, 0])},
    ),
    "one-hot rows of an array": (
        Output(("target",), "one_hot", ("0", "1")), "CategoricalCrossentropy", OF_EACH,
        {"target_0": [1, 0, 0, 1], "target_1": [0, 1, 1, 0]}, {"": ([0, 1, 1, 0], [0.75, 0, 0.25, 0])},
    ),
    "several labels": (
        Output(LABELS, "labels", LABELS), "BinaryCrossentropy", OF_EACH, ONES,
        {"round": ([1, 0, 1, 0], [0.75, 0.5, 1, 1]), "soft": ([0, 0, 1, 1], [0.75, 1, 0.25, 1])},
    ),
    "several labels in one cell": (
        Output(("tags",), "labels", LABELS, separator=";"), "BinaryCrossentropy", OF_EACH,
        {"tags": ["round", "", "soft;round", "soft"]},
        {"round": ([1, 0, 1, 0], [0.75, 0.5, 1, 1]), "soft": ([0, 0, 1, 1], [0.75, 1, 0.25, 1])},
    ),
    "numbers of a named output": (
        Output(("a", "b"), name="both"), "MeanSquaredError", [[1, 2], [3, 4], [5, 6], [7, 8]],
        {"a": [1, 3, 5, 7.5], "b": [0, 4, 6, 8]},
        {"a": ([1, 3, 5, 7.5], [1, 3, 5, 7]), "b": ([0, 4, 6, 8], [2, 4, 6, 8])},
    ),
    "quantiles": (
        Output(("a",), levels=(0.25, 0.5, 0.75)), "MeanSquaredError", [[0, 1, 2]] * 4, {"a": [1, 2, 3, 4]},
        {"": ([1, 2, 3, 4], [1, 1, 1, 1])},
    ),
    "a class for each step": (
        Output(("target",), "classes", ("no", "yes"), steps=(2,)), "BinaryCrossentropy",
        [[[0.75], [0.25]]] * 4,
        {"target_0": ["no", "yes", "yes", "yes"], "target_1": ["no", "no", "no", "yes"]},
        {"step 1": ([0, 1, 1, 1], [0.25, 0.75, 0.75, 0.75]),
         "step 2": ([0, 0, 0, 1], [0.75, 0.75, 0.75, 0.25])},
    ),
    "two numbers for each step": (
        Output(("u", "v"), steps=(2,)), "MeanSquaredError", [[[1, 2], [3, 4]]] * 4,
        {"u_0": [1] * 4, "v_0": [2] * 4, "u_1": [3] * 4, "v_1": [9] * 4},
        {"u step 1": ([1] * 4, [1] * 4), "v step 1": ([2] * 4, [2] * 4), "u step 2": ([3] * 4, [3] * 4),
         "v step 2": ([9] * 4, [4] * 4)},
    ),
}  # fmt: skip
"""An output, its loss, what the network gives, the target as it is written, and what is asked of each row:
what was given, and the probability of that class or the predicted number."""


@pytest.mark.parametrize("kind", KINDS)
def test_what_folds_wrote_is_read_for_every_kind_of_target(kind: str, tmp_path: Path) -> None:
    output, loss, values, target, wanted = KINDS[kind]
    found = read_given_labels(_run_of(tmp_path, (output,), {**target, **_predicted(output, values, loss)}))
    assert (found.rows.tolist(), found.folds.tolist()) == ([3, 1, 7, 2], [1, 2, 1, 2])
    asked = {}
    for each in found.questions:
        chances = each.chances()
        asked[each.label] = (
            each.given.tolist(),
            (each.predicted if chances is None else chances[0]).tolist(),
        )
    assert asked == wanted


def _write_sources(folder: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(40, 4, 2))
    words = np.array(["a", "b", "c"])[np.arange(160).reshape(40, 4) % 3]
    np.savez(folder / "steps.npz", x=rows, y=words)
    np.savez(folder / "one_hot.npz", x=rows[:, 0], y=np.eye(3)[np.arange(40) % 3])
    cells = [f"{row};{row * 1.5:.2f}".replace(".", ",") for row in range(40)]
    (folder / "commas.csv").write_text("\n".join(["u;y", *cells]) + "\n")
    (folder / "names.csv").write_text(
        "\n".join(["u,y", *(f"{r},{'NA' if r % 3 else 'EU'}" for r in range(40))])
    )


WRITTEN: dict[str, tuple[str, dict[str, object], str | None]] = {
    "classes of a built-in dataset as numbers": ("{name: iris}", {"Dense": {"units": 1}}, "mse"),
    "numbers with commas, without a loss": ("{path: commas.csv, target: y}", {"Dense": {"units": 1}}, None),
    "a class that looks like a missing one": (
        "{path: names.csv, target: y, not_missing: [NA]}",
        {"Dense": {"units": 2, "activation": "softmax"}},
        "sparse_categorical_crossentropy",
    ),
    "a word for each step": (
        "{path: steps.npz}",
        {"Dense": {"units": 3, "activation": "softmax"}},
        "sparse_categorical_crossentropy",
    ),
    "one-hot rows": (
        "{path: one_hot.npz}",
        {"Dense": {"units": 3, "activation": "softmax"}},
        "categorical_crossentropy",
    ),
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_the_target_that_folds_write_is_read_back(kind: str, tmp_path: Path) -> None:
    dataset, layer, loss = WRITTEN[kind]
    _write_sources(tmp_path)
    document = {"name": "s", "layers": [layer]} | ({} if loss is None else {"loss": loss})
    text = f"dataset: {dataset}\n{yaml.safe_dump(document)}"
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    found = find_opened(load_spec(tmp_path / "s.yaml"))
    (output,), rows = found.dataset.contract.outputs, np.array([5, 9, 20, 31])
    columns: dict[str, object] = {
        name: column.to_pylist()
        for name, column in written_targets(found.opened.source, found.dataset.contract, rows).items()
    }
    values = np.zeros((4, *output.steps, len(output.classes or ("",))))
    (question, *_) = read_given_labels(
        _run_of(
            tmp_path, (output,), columns | _predicted(output, values, loss or "mse"), found.dataset.contract
        )
    ).questions
    y, _ = found.opened.coded[""]
    first = y[rows].argmax(axis=1) if output.kind == "one_hot" else y[rows].reshape(4, -1)[:, 0]
    np.testing.assert_allclose(question.given, first, rtol=1e-6)


def test_outputs_share_a_column_and_those_without_single_labels_are_named(tmp_path: Path) -> None:
    same = [Output(("a",), name=name) for name in ("first", "second")]
    groups = Output(("a",), "groups", ("1", "2"), name="vectors")
    columns: dict[str, object] = {"a": [1, 2, 1, 2]}
    for output in same:
        columns |= _predicted(output, [[1], [2], [1], [2]], "MeanSquaredError")
    found = read_given_labels(_run_of(tmp_path, (*same, groups), columns))
    assert [each.output for each in found.questions] == ["first", "second"]
    assert found.unchecked == (("vectors", "embeddings"),)
    with pytest.raises(UsageError, match="predicts embeddings, which give no label a probability"):
        check_labels(_run_of(tmp_path, (groups,), columns))


def test_a_damaged_file_of_folds_is_said(tmp_path: Path) -> None:
    columns = {
        "color": ["red", "green", "blue", "blue"],
        **_predicted(CLASSES, CHANCES, "BinaryCrossentropy"),
    }
    with pytest.raises(RunError, match=r"out_of_fold.csv is damaged: row 2 \(line 3\), column 'color'"):
        read_given_labels(_run_of(tmp_path, (CLASSES,), columns))
    with pytest.raises(RunError, match=r"column 'color' is missing.*train again"):
        read_given_labels(_run_of(tmp_path, (CLASSES,), {"row": [1, 2, 3, 4]}))


def test_a_file_of_folds_that_is_none_is_said(tmp_path: Path) -> None:
    run = _run_of(tmp_path, (CLASSES,), {})
    (tmp_path / "out_of_fold.csv").unlink()
    (tmp_path / "out_of_fold.csv").mkdir()
    with pytest.raises(RunError, match=r"out_of_fold.csv cannot be read \(is a folder.*train again"):
        check_labels(run)


@pytest.mark.parametrize("column", ["fold", "row", "file", "predicted_y"])
def test_classes_named_as_missing_are_known_in_a_column_that_is_renamed(column: str, tmp_path: Path) -> None:
    (tmp_path / "names.csv").write_text(
        "\n".join([f"u,{column}", *(f"{row},{'NA' if row % 3 else 'EU'}" for row in range(40))])
    )
    text = f"""name: s
dataset: {{path: names.csv, target: {column}, not_missing: {{{column}: [NA]}}}}
layers: [{{Dense: {{units: 2, activation: softmax}}}}]
loss: sparse_categorical_crossentropy
"""
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    contract = find_opened(load_spec(tmp_path / "s.yaml")).dataset.contract
    (output,) = contract.outputs
    name = column if column in ("file", "predicted_y") else f"{column}_input"
    columns = {name: ["NA", "EU", "NA", "NA"], **_predicted(output, [[0, 1]] * 4, "CategoricalCrossentropy")}
    found = read_given_labels(_run_of(tmp_path, (output,), columns, contract))
    assert found.questions[0].shown_given().tolist() == ["NA", "EU", "NA", "NA"]
    assert found.files is None


def test_a_target_beside_the_one_that_has_its_name_and_input_is_read(tmp_path: Path) -> None:
    output = Output(("x", "x_input"))
    columns = {"x": [1, 2, 3, 4], "x_input": [5, 6, 7, 8]}
    predicted = _predicted(output, [[0, 0]] * 4, "MeanSquaredError")
    found = read_given_labels(_run_of(tmp_path, (output,), columns | predicted))
    assert [each.given.tolist() for each in found.questions] == [[1, 2, 3, 4], [5, 6, 7, 8]]
