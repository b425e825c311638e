"""The resolved spec of any spec loads to the same spec, data and network: generated specs and tables."""

from __future__ import annotations

import csv
import datetime
import os
import random
import shutil
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from mlpcli.errors import DataError, SpecError
from mlpcli.model.default_losses import data_request
from mlpcli.spec.load import Kept, LoadedSpec, load_spec
from mlpcli.spec.resolve import dump, resolve_spec
from mlpcli.spec.yaml_reader import parse_text
from mlpcli.training.find_data import find_data
from mlpcli.training.prepare import complete

NAMES = [
    "a",
    "b c",
    "x:y",
    "# n",
    "'q'",
    'd"q',
    "no",
    "null",
    "1",
    "1.0",
    "01",
    "hp",
    "é",
    "日本",
    "a,b",
    "[x]",
]
NAMES += [
    "{y}",
    "*s",
    "&t",
    "!u",
    "%v",
    "@w",
    "yes",
    "~",
    "-",
    "? k",
    "y.npy",
    "<<",
    "2024-01-01",
    "1e-7",
    ".inf",
]
NAMES += ["Dense", "0:2", "true", "=", "|", "> g", "tab\tin", "x\u2028y", "n" * 140]

TOWNS = ["Ulm", "no", "null", "1e3x", "Bonn: am Rhein", "# 1", "日本", "'"]
LABELS = [
    ["no", "yes"],
    ["01", "1"],
    ["null ", "x"],
    ["2024-01-01", "2024-02-01"],
    ["true", "false"],
    ["1", "2"],
]
LABELS += [["1.0", "2.0", "3.0"], [".inf x", "1e-7 x"], ["a: b", "# c"]]

ROWS = 40


@st.composite
def tables(draw: st.DrawFn) -> dict[str, tuple[str, list[str]]]:
    """Columns by name, each with its kind and its cells; more rows than anything needs."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=3, max_size=6, unique=True))
    seed = random.Random(draw(st.integers(0, 3)))
    columns = {}
    for place, name in enumerate(names):
        kind = "numeric" if place == 0 else draw(st.sampled_from(["numeric", "text", "boolean", "date"]))
        cells = [_cell(kind, seed) for _ in range(ROWS)]
        if place > 0 and draw(st.booleans()):
            cells = ["" if row % 7 == 3 else cell for row, cell in enumerate(cells)]
        columns[name] = kind, cells
    return columns


def _cell(kind: str, draw: random.Random) -> str:
    if kind == "numeric":
        return str(round(draw.uniform(-5, 5), 3))
    if kind == "text":
        return draw.choice(TOWNS)
    if kind == "boolean":
        return draw.choice(["yes", "no"])
    return (datetime.date(2024, 1, 1) + datetime.timedelta(days=draw.randrange(300))).isoformat()


def write_table(path: Path, columns: dict[str, tuple[str, list[str]]], start: int = 0) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(list(zip(*(cells for _, cells in columns.values()), strict=True))[start:])


@st.composite
def features(draw: st.DrawFn, columns: dict[str, str]) -> Any:
    """All forms of `dataset.features` over columns with their kinds; None where it is left out."""
    form = draw(st.sampled_from(["none", "list", "mapping", "whole"]))
    if form == "none":
        return None
    names = draw(st.permutations(list(columns)))
    some = names if form == "whole" else names[: draw(st.integers(1, len(names)))]
    if form == "list":
        return list(some)
    return {name: draw(feature(columns[name])) for name in some}


@st.composite
def feature(draw: st.DrawFn, kind: str) -> Any:
    ours = {"numeric": "numeric", "text": "categorical", "boolean": "boolean", "date": "date"}[kind]
    by_kind: dict[str, dict[str, st.SearchStrategy[Any]]]
    by_kind = {"numeric": NUMBER, "categorical": CATEGORY, "date": DATE}
    keys = by_kind.get(ours, {})
    if ours == "boolean":
        keys = {"missing": st.sampled_from(["mean", "median", 0.5, 1, "indicator"])}
    settings = draw(st.fixed_dictionaries({}, optional=keys))
    if ours == "categorical" and settings.get("encoding") == "embedding" and draw(st.booleans()):
        settings["width"] = 3
    short = st.sampled_from([ours, {}, "ignore", {"kind": ours}])
    return draw(short) if draw(st.booleans()) else {"kind": ours, **settings}


NUMBER = {
    "scaling": st.sampled_from(["standardize", "minmax", "robust", "log", "none"]),
    "missing": st.sampled_from(["mean", "median", 0, 1e-7, -3.5, "indicator"]),
}
CATEGORY = {
    "encoding": st.sampled_from(["one_hot", "embedding"]),
    "missing": st.sampled_from(["bucket", "no", "null", "1", "mean"]),
    "min_count": st.integers(1, 3),
    "unseen": st.sampled_from(["bucket", "error", "null", None]),
}
DATE = {
    "missing": st.sampled_from(["mean", "indicator"]),
    "parts": st.lists(
        st.sampled_from(["elapsed", "year", "month", "day"]), min_size=1, max_size=3, unique=True
    ),
    "format": st.just("%Y-%m-%d"),
}

SPLITS = st.sampled_from([None, 0.25, 8, {"last": 6}, "file"])
LAYERS = [
    "Flatten",
    {"Dense": {"units": 4, "activation": "relu", "kernel_regularizer": {"L2": {"l2": 1e-7}}}},
    {"Dense": {"units": 3}, "name": "hidden", "repeat": 2},
    {"Dense": {"units": 3}, "repeat": 0},
    {"Dropout": {"rate": 0.5, "seed": None}},
    "BatchNormalization",
    {"Dense": {"units": 2, "kernel_initializer": {"RandomNormal": {"stddev": 1e-3}}, "name": "inside"}},
]
OPTIMIZERS = [
    "adam",
    "SGD",
    {
        "SGD": {
            "momentum": 0.9,
            "learning_rate": {
                "ExponentialDecay": {"initial_learning_rate": 1e-2, "decay_steps": 10, "decay_rate": 0.9}
            },
        }
    },
    {"Adam": {"learning_rate": 1e-7, "clipnorm": None}},
    {"SGD": {"learning_rate": {"Warmup": {"steps": 5, "to": 0.1}}}},
]
CALLBACKS = [
    "CSVLogger",
    {"EarlyStopping": {"patience": 2, "baseline": 1e-7}},
    {"TensorBoard": False},
    {"ModelCheckpoint": {"filepath": "no", "save_best_only": True}},
    {"ReduceLROnPlateau": {"min_lr": 1e-9}},
    "TerminateOnNaN",
]
FITS = {
    "epochs": st.just(2),
    "batch_size": st.just(8),
    "shuffle": st.booleans(),
    "engine": st.sampled_from(["auto", "compiled", "graph", "keras"]),
    "precision": st.sampled_from(["float32", "mixed_bfloat16"]),
    "checkpoint": st.sampled_from([{"every": 2}, {"minutes": 0.5}, {"every": 1, "minutes": 2}, {}]),
}


@st.composite
def documents(draw: st.DrawFn, columns: dict[str, tuple[str, list[str]]]) -> dict[str, Any]:
    """A spec over a table, as plain values."""
    kinds = {name: kind for name, (kind, _) in columns.items()}
    first, *others = kinds  # the first is a number without surprises
    task = draw(st.sampled_from(["number", "numbers", "classes", "by output"]))
    dataset: dict[str, Any] = {"path": "rows.csv"}
    document: dict[str, Any] = {"dataset": dataset}
    layers = draw(st.lists(st.sampled_from(LAYERS), max_size=3, unique_by=repr))
    taken = [first]
    if task == "number":
        dataset["target"] = draw(st.sampled_from([first, [first]]))
        document |= draw(st.sampled_from([{"loss": "mse"}, {}, {"loss": {"Huber": {"delta": 0.5}}}]))
        layers.append({"Dense": {"units": 1}})
    elif task == "numbers":
        second = next((name for name in others if kinds[name] == "numeric"), None)
        assume(second is not None and len(kinds) > 2)
        taken = [first, str(second)]
        columns[taken[1]] = "numeric", columns[first][1][::-1]
        dataset["target"], document["loss"] = taken, "mae"
        layers.append({"Dense": {"units": 2}})
    elif task == "classes":
        labels = draw(st.sampled_from(LABELS))
        columns[first] = "label", [labels[row % len(labels)] for row in range(ROWS)]
        dataset["target"] = first
        document["loss"] = draw(
            st.sampled_from(["sparse_categorical_crossentropy", {"SparseCategoricalCrossentropy": {}}])
        )
        layers.append({"Dense": {"units": len(labels), "activation": "softmax"}})
    else:
        dataset["target"] = {"out": first, "Dense": [first]}
        document["loss"] = draw(st.sampled_from([{"out": "mse", "Dense": {"Huber": {"delta": 2.0}}}, "mse"]))
        layers += [
            {"Dense": {"units": 1}, "name": "Dense"},
            {"Dense": {"units": 1}, "name": "out", "from": "Dense"},
        ]
        document |= draw(st.sampled_from([{"loss_weights": {"out": 1, "Dense": 0.5}}, {}]))
        document |= draw(
            st.sampled_from([{"metrics": {"out": ["mae"], "Dense": "mse"}}, {"metrics": {"out": []}}, {}])
        )
    if task in ("number", "numbers") and draw(st.booleans()):
        dataset["target_scaling"] = draw(st.sampled_from(["standardize", "minmax"]))
    if task != "by output":
        document |= draw(
            st.sampled_from([{}, {"metrics": []}, {"metrics": ["mae", {"MeanSquaredError": {"name": "no"}}]}])
        )
    rest = {name: kind for name, kind in kinds.items() if name not in taken}
    assume(rest)
    weight = next((name for name, kind in rest.items() if kind == "numeric"), None)
    if weight is not None and len(rest) > 1 and draw(st.booleans()):
        columns[weight] = "weight", [str(0.5 + row % 3) for row in range(ROWS)]
        dataset["weights"] = weight
        del rest[weight]
    chosen = draw(features(rest))
    if chosen is not None:
        dataset["features"] = chosen
    document |= draw(inputs(chosen, rest, layers))
    dataset |= {key: value for key in ("test", "validation") if (value := draw(SPLITS)) != "out"}
    if draw(st.booleans()):
        dataset.pop(draw(st.sampled_from(["test", "validation"])))
    for split in ("test", "validation"):
        dataset |= {split: f"{split}.csv"} if dataset.get(split) == "file" else {}
    dataset |= draw(
        st.fixed_dictionaries(
            {}, optional={"scaling": NUMBER["scaling"], "missing": st.just(["Ulm", 99, -1.5, "no"])}
        )
    )
    document["layers"] = layers
    return document | draw(
        st.fixed_dictionaries(
            {},
            optional={
                "seed": st.integers(0, 5),
                "name": st.sampled_from(["no", "1", "1.0", "null", "1e-7", "x"]),
                "optimizer": st.sampled_from(OPTIMIZERS),
                "callbacks": st.lists(st.sampled_from(CALLBACKS), max_size=3, unique_by=repr),
                "fit": st.fixed_dictionaries({}, optional=FITS),
            },
        )
    )


@st.composite
def inputs(draw: st.DrawFn, chosen: Any, rest: dict[str, str], layers: list[Any]) -> dict[str, Any]:
    form = draw(st.sampled_from(["none", "none", "row", "names", "positions", "range"]))
    names = [name for name in chosen or rest if not isinstance(chosen, dict) or chosen[name] != "ignore"]
    if form == "none" or not names:
        return {}
    column = {
        "row": {},
        "names": {"columns": names[:1]},
        "positions": {"columns": [0]},
        "range": {"columns": "0:1"},
    }
    layers[:0] = [
        {"Dense": {"units": 2}, "name": "wide", "from": "one"},
        {"Concatenate": {}, "from": ["two", "wide"]},
    ]
    return {"inputs": {"one": column[form], "two": {"columns": None}}}


def load_whole(loaded: LoadedSpec) -> tuple[LoadedSpec, Any, str]:
    found, dataset = find_data(loaded)
    completed = complete(found, dataset)
    return completed, dataset, resolve_spec(completed, dataset.settled, dataset.features)


FUZZ = os.environ.get("MLPCLI_FUZZ")


@pytest.mark.slow
def test_a_resolved_spec_loads_to_itself_its_data_and_its_network() -> None:
    """Of any generated spec that can be trained, as most of them must be, or nothing is tested."""
    outcomes: Counter[str] = Counter()

    @settings(
        max_examples=int(FUZZ or 60),
        derandomize=FUZZ is None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(st.data())
    def each(data: st.DataObject) -> None:
        columns = data.draw(tables())
        document = data.draw(documents(columns))
        with tempfile.TemporaryDirectory() as folder:
            outcomes[_resolve_and_load_again(document, columns, Path(folder))] += 1

    each()
    assert outcomes["loaded"] >= outcomes.total() * 3 / 4 > 0, outcomes


def _resolve_and_load_again(
    document: dict[str, Any], columns: dict[str, tuple[str, list[str]]], folder: Path
) -> str:
    """Return that the spec was loaded and resolved, and its resolved spec loaded to the same; or why not."""
    spec, run = folder / "project [1]" / "spec.yaml", folder / "runs" / "x"
    spec.parent.mkdir()
    run.mkdir(parents=True)
    for file in ("rows.csv", "test.csv", "validation.csv"):
        write_table(spec.parent / file, columns)
    spec.write_text(dump(document), encoding="utf-8")
    try:
        loaded = load_spec(spec)
        completed, dataset, resolved = load_whole(loaded)
    except (SpecError, DataError) as error:
        return "refused: " + error.problems[0].rule[:60]
    (run / "resolved.yaml").write_text(resolved, encoding="utf-8")
    again, same, text = load_whole(load_spec(run / "resolved.yaml"))
    assert text == resolved
    assert same.fingerprint == dataset.fingerprint
    assert again.spec.name == completed.spec.name
    assert again.spec.graph == completed.spec.graph
    assert data_request(again.spec) == data_request(completed.spec)
    # and with the run's folder: also when the table has more columns by now, and lies elsewhere
    columns["new"] = "numeric", [str(row) for row in range(ROWS)]
    shutil.move(spec.parent, folder / "moved")
    for file in ("rows.csv", "test.csv", "validation.csv"):
        write_table(folder / "moved" / file, columns)
    shutil.move(run, folder / "moved" / "x")
    kept = Kept(folder / "moved" / "x", dataset.fingerprint)
    own = replace(load_spec(folder / "moved" / "x" / "resolved.yaml"), kept=kept)
    assert find_data(own)[1].fingerprint == dataset.fingerprint
    return "loaded"


plain = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=12)
odd = st.sampled_from(
    ["", " ", "no", "NO", "on", "08", "+1", "1_000", "0x1f", "0o7", "1:30", "1e-7", "1E5", ".5", ".inf"]
)
odd |= st.sampled_from(
    ["-.INF", ".nan", "~", "null", "<<", "=", "2024-01-01", "a: b", "a #b", "- a", "? a", "!!str a"]
)
odd |= st.sampled_from(
    ["a\nb", "a\r\nb", "\x85", "\u2028x", "\ufeffx", "\x1a", "\x00", "\t", "a\t", "&a", "*a", "%a", "@a", "`"]
)
texts = (
    odd
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.text("a b", min_size=90, max_size=200)
)
values = st.recursive(
    plain | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300)
@given(st.dictionaries(texts, values, min_size=1, max_size=3), st.sampled_from([False, None, True]))
@example(
    {"a": "\x1f.0", "b": "a\\\x1f.csv", "c": '"\x00.txt'}, False
)  # no path of Windows, though in double quotes
@example({"a": "C:\new\table.csv", "b": "a\tb.5", "c": "\u2028x.0"}, False)
@example({"a": "\a.csv\n", "b": "\t"}, False)
@example({"a": "1e-4", "no": ["yes", "on"], "1": "010", "~": "null", "b": [1e300, "0x1F", "-"]}, None)
def test_plain_values_read_back_as_they_were_written(document: dict[str, Any], flow: bool | None) -> None:
    read = parse_text(dump(document, flow=flow), "spec.yaml")
    assert not read.problems
    assert repr(read.data) == repr(document)
