"""The tables that specs of the tests read, and scripts run in this process."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np

TABLE = "a;b;n;kind;tags;w;price\n" + "".join(
    f"{i % 7}.25;{i * 13 % 11};{i};{('red', 'green', 'blue')[i // 2 % 3]};"
    f"{('x', 'x, y', '', 'z,y')[i % 4]};{1 + i % 3};{i * 0.5 - 7}\n"
    for i in range(60)
)
SOFTMAX = "layers: [Dense: {units: 3, activation: softmax}]\nloss: sparse_categorical_crossentropy\n"
NUMBER = "layers: [Dense: {units: 1}]\nloss: mse\n"


MIXED_COLUMNS = "age;city;price;weight;member;day;at;grade;y"


def _mixed_row(i: int) -> str:
    city = ("Bonn", "Köln", "", "Ulm", "Rom")[i * 7 % 5] if i % 19 else "rare"
    age = "" if i % 11 == 3 else f"{i * 17 % 50}"
    price = f"{i % 4 + 1}.{i * 37 % 1000:03d},{i % 10}"
    member = ("yes", "No", "", "YES")[i % 4]
    day = "" if i % 13 == 5 else f"{i % 28 + 1:02d}.{i % 12 + 1:02d}.{2019 + i % 5}"
    at = f"2024-03-{i % 28 + 1:02d} {i % 24:02d}:{i * 7 % 60:02d}:30.5"
    return f"{age};{city};{price};{i * 3 % 40} kg;{member};{day};{at};{'ABCD?'[i % 5]};{i * 31 % 23},5"


MIXED = "".join(f"{line}\n" for line in (MIXED_COLUMNS, *(_mixed_row(i) for i in range(120))))
"""A table with all kinds of columns but texts and images, in German notation, some cells missing."""


def _note(i: int) -> str:
    words = ("Größe", "don't", "東京", "straße", "😀", "the", "The end", "IŞIK", "x-y", "a\tb", 'say "no"')
    text = " ".join(words[(i * step + step) % len(words)] for step in range(1, 3 + i % 4))
    return "" if i % 17 == 5 else text.replace('"', '""')


NOTES = "note,size,y\n" + "".join(f'"{_note(i)}",{i % 9},{i * 7 % 13}\n' for i in range(90))
"""A table with a column of texts."""


def write_tables(folder: Path) -> None:
    """Write a table in every form that a script can read."""
    import pyarrow.csv
    import pyarrow.parquet

    (folder / "run").mkdir()
    (folder / "t.csv").write_text(TABLE)
    (folder / "mixed.csv").write_text(MIXED)
    (folder / "notes.csv").write_text(NOTES)
    _write_typed(folder / "typed.parquet")
    lines, many = TABLE.splitlines(), folder / "many"
    many.mkdir()
    for name, start, stop in (("1", 1, 21), ("2", 21, 21), ("3", 21, 61)):  # the second has a header alone
        (many / f"{name}.csv").write_text("\n".join([lines[0], *lines[start:stop]]) + "\n")
    one_hot = "a,p,q\n" + "".join(f"{i},{i % 2},{1 - i % 2}\n" for i in range(40))
    (folder / "onehot.csv").write_text(one_hot)
    options = pyarrow.csv.ParseOptions(delimiter=";")
    table = pyarrow.csv.read_csv(folder / "t.csv", parse_options=options)
    pyarrow.parquet.write_table(table, folder / "t.parquet")
    pyarrow.parquet.write_table(table.slice(0, 25), many / "1.parquet")
    pyarrow.parquet.write_table(table.slice(25).select(table.column_names[::-1]), many / "2.parquet")
    place = np.arange(45)
    x = np.stack([place % 7, place % 4, place / 9], axis=1)
    np.savez(folder / "a.npz", x=x, y=(place % 3)[:, None], w=1 + place % 2)
    np.savez(folder / "text.npz", x=x, y=np.array(["2", "0", "1"])[place % 3])
    images = (place[:, None, None] * np.ones((3, 3))).astype("uint8")
    splits = {
        "x_train": images,
        "x_test": images[:9],
        "y_train": place % 2 == 0,
        "y_test": place[:9] % 2 == 1,
    }
    np.savez(folder / "split.npz", **splits, w=1 + place % 2)
    np.savez(folder / "onehot.npz", x=x, y=np.eye(3)[place % 3])
    sequences = np.stack([x, x + 1, x * 2, x - 1], axis=1)
    letters = np.array(["b", "a", "c"])[sequences.sum(axis=-1).astype(int) % 3]
    np.savez(folder / "steps.npz", x=sequences, y=letters)
    np.savez(folder / "columns.npz", x=sequences, y=sequences)
    np.savez(folder / "flat.npz", x=x, y=x)
    np.savez(folder / "labels.npz", x=sequences, y=np.stack([1 + place % 3, place % 2], axis=1))
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", x.sum(axis=1))


def _write_typed(file: Path) -> None:
    """Write a table whose columns have types, with a cell missing in each."""
    from datetime import date, datetime

    import pyarrow as pa
    import pyarrow.parquet

    def column(values: list[object], kind: pa.DataType) -> pa.Array:
        return pa.array([None if i == 7 else values[i % len(values)] for i in range(60)], kind)

    words = column(["a", "b", "c"], pa.string())
    columns = {
        "whole": column([1, 2, 3, 5, 8], pa.int64()),
        "part": column([0.5, 2.0, -3.25, float("nan")], pa.float64()),
        "flag": column([True, False, True], pa.bool_()),
        "code": column([10.0, 20.0, 30.0], pa.float64()),
        "word": words.dictionary_encode(),
        "day": column([date(2020, 1, 31), date(2021, 5, 2)], pa.date32()),
        "at": column([datetime(2020, 1, 31, 12, 30), datetime(2021, 5, 2)], pa.timestamp("us")),
        "y": pa.array([i % 3 for i in range(60)]),
    }
    pyarrow.parquet.write_table(pa.table(columns), file)


def run_script(script: str) -> dict[str, Any]:
    """Run a script, or its beginning; return its names.

    A script registers its layers under the names of ours, which later tests load.
    """
    import keras
    from keras.src.saving.object_registration import GLOBAL_CUSTOM_NAMES

    ast.parse(script)
    names: dict[str, Any] = {"__name__": "script"}
    registered: list[dict[Any, Any]] = [keras.saving.get_custom_objects(), GLOBAL_CUSTOM_NAMES]
    before = [dict(each) for each in registered]
    try:
        exec(compile(script, "script.py", "exec"), names)
    finally:
        for each, known in zip(registered, before, strict=True):
            each.clear()
            each.update(known)
    return names


def assert_same_rows(names: dict[str, Any], dataset: Any) -> None:
    """The rows that a script has read are those of a dataset, of the same types."""
    import keras

    for split, rows in dataset.splits().items():
        for letter, expected in (("x", rows.x), ("y", rows.y), ("w", rows.weights)):
            if expected is None:
                continue
            found = names[f"{letter}_{split}"]
            keras.tree.map_structure(np.testing.assert_array_equal, found, expected)
            kinds = keras.tree.map_structure(lambda array: array.dtype, (found, expected))
            assert kinds[0] == kinds[1], (letter, split)
