"""Names from a file or a stranger in every command: shown as text, and the same in what is written."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from mlpcli.printable import printable, quoted
from mlpcli.spec.load import load_spec
from mlpcli.spec.yaml_reader import parse_text
from tests.conftest import Result
from tests.report.hostile_text import HOSTILE, foreign, unclean

pytestmark = [pytest.mark.slow, pytest.mark.uncounted]


def _write_table(path: Path, names: list[str], classes: list[str], rows: int = 48) -> None:
    rng = np.random.default_rng(0)
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(names)
        for row in range(rows):
            label = classes[row % len(classes)]
            cells = (f"{rng.normal(row % len(classes)):.3f}" for _ in names[2:])
            writer.writerow([*cells, classes[(row * 7) % len(classes)], label])


def _clean(result: Result) -> Result:
    """What a command showed, which must hold nothing that acts."""
    assert not unclean(result.out + result.err)
    assert "Traceback" not in result.err
    assert "internal error" not in result.err
    return result


@settings(
    max_examples=int(os.environ.get("MLPCLI_FUZZ", "10")),
    derandomize="MLPCLI_FUZZ" not in os.environ,
    phases=[Phase.explicit, Phase.generate],  # a command is slow to shrink with
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    names=st.lists(foreign.filter(str.strip), min_size=3, max_size=5, unique_by=str.strip),
    classes=st.lists(foreign.filter(str.strip), min_size=2, max_size=3, unique_by=str.strip),
)
@example(names=HOSTILE[:16], classes=HOSTILE[:3])
@example(names=HOSTILE[16:], classes=["a\x1ab", "L" * 1500, "$"])
def test_names_of_columns_and_classes_in_light_commands(
    names: list[str], classes: list[str], tmp_path: Path, mlpcli: Callable[..., Result]
) -> None:
    data = tmp_path / "names.csv"
    _write_table(data, names, classes)
    target = names[-1].strip()
    _clean(mlpcli("inspect", data))
    _clean(mlpcli("inspect", data, f"--target={target}"))
    shown = _clean(mlpcli("inspect", data, "--json"))
    if shown.status == 0:
        assert list(json.loads(shown.out)["columns"]) == [name.strip() for name in names]
    assert _clean(mlpcli("schema", "--data", data)).status in (0, 2)
    spec = tmp_path / "names.yaml"
    made = _clean(mlpcli("init", data, f"--target={target}", "-o", spec, "--force"))
    assert made.status in (0, 2)
    if made.status == 0:
        assert not unclean(spec.read_text(encoding="utf-8"))
        dataset = load_spec(spec).spec.dataset
        assert dataset.target == target
        assert set(dataset.features or ()) == {name.strip() for name in names[:-1]}


@pytest.mark.parametrize("name", ["x\x1b[31m[/]", "\udce9", "a\nforged: line", "[red]hot", "\u202e"])
def test_what_was_typed_is_text_too(name: str, mlpcli: Callable[..., Result]) -> None:
    for command in (
        ("evaluate", name),
        ("check", name),
        ("train", "x.yaml", "--set", f"{name}=1"),
        ("evaluate", f"--{name}"),
        ("tensorboard", "--port", name),
        ("runs", "--runs-dir", name),
        ("compare", name, name),
        ("inspect", name),
        ("predict", name, name),
        (name,),
    ):
        shown = _clean(mlpcli(*command))
        assert "forged" not in [line[:6] for line in (shown.out + shown.err).splitlines()]


def test_records_of_a_stranger_are_text(
    tiny_run: Path, tmp_path: Path, mlpcli: Callable[..., Result]
) -> None:
    shutil.copytree(tiny_run, tmp_path / "runs")
    (run_json,) = (tmp_path / "runs").glob("tiny/*/run.json")
    record = json.loads(run_json.read_text(encoding="utf-8"))
    record["metrics"]["test"] = dict.fromkeys(HOSTILE, 0.5) | {"loss": 1.0}
    record["best"] = {"monitor": "[/]\x1b[31m", "value": 0.5, "epoch": 1}
    run_json.write_text(json.dumps(record), encoding="utf-8")
    (tmp_path / "runs" / "tiny" / "[red]\x1b").mkdir()
    for command in (
        ("runs",),
        ("runs", "--json"),
        ("compare", "tiny", "tiny"),
        ("train", "--resume", "tiny"),
    ):
        _clean(mlpcli(*command, "--runs-dir", tmp_path / "runs"))


@pytest.mark.skipif(os.name != "posix", reason="names of bytes")
def test_a_file_name_that_is_not_utf8(tmp_path: Path, mlpcli: Callable[..., Result]) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    data, spec = folder / os.fsdecode(b"d\xff.csv"), folder / os.fsdecode(b"s\xfe.yaml")
    _write_table(data, ["a", "b", "y"], ["u", "v"])
    assert r"caf\udce9/d\udcff.csv" in _clean(mlpcli("inspect", data)).out
    assert _clean(mlpcli("init", data, "--target", "y", "-o", spec)).status == 0
    assert load_spec(spec).spec.dataset.path == str(data)
    for flags in ((), ("--json",), ("--resolved",)):
        assert _clean(mlpcli("check", spec, *flags)).status == 0
    assert parse_text(mlpcli("check", spec, "--resolved").out, "").data["dataset"]["path"] == str(data)
    refused = _clean(mlpcli("train", spec, "--runs-dir", folder / "runs"))
    assert refused.status == 2
    assert "UTF-8" in refused.err


NAMED = """\
name: named
seed: 7
dataset: {path: %s, target: %s, test: 0.25, validation: 0.25}
layers:
  - Dense: {units: {hp: int, min: 2, max: 3, name: "a[red]"}}
  - Dense: {units: %d, activation: softmax}
loss: sparse_categorical_crossentropy
optimizer: Adam
metrics: [{SparseCategoricalAccuracy: {name: %s}}]
fit: {epochs: 1, batch_size: 16, engine: graph}
%s
"""


@pytest.mark.filterwarnings("error:Glyph", "error:.*label")
def test_names_through_a_whole_experiment(tmp_path: Path, mlpcli: Callable[..., Result]) -> None:
    classes = ["[/]", "$\\frac{", "_c", "\x1b]0;t\x07"]
    metric = "[/] $\\frac{ \x1b[31m"
    data, spec, runs_dir = tmp_path / '$x$ """.csv', tmp_path / '""" $.yaml', tmp_path / "runs"
    _write_table(data, [*HOSTILE[:14], "cat", "[/] $y$\x1b"], classes, rows=64)
    init = _clean(mlpcli("init", data, "--target", "[/] $y$\x1b", "-o", spec))
    assert init.status == 0
    quick = (
        "--set",
        "fit={epochs: 1, batch_size: 32, engine: graph}",
        "--set",
        f"metrics=[{{SparseCategoricalAccuracy: {{name: {quoted(metric)}}}}}]",
    )
    where = ("--runs-dir", runs_dir)
    assert _clean(mlpcli("check", spec, *quick)).status == 0
    assert _clean(mlpcli("train", spec, *quick, *where)).status == 0
    assert _clean(mlpcli("evaluate", "no_such_run", *where)).status == 2
    name = load_spec(spec).spec.name
    shown = _clean(mlpcli("evaluate", name, *where))
    assert shown.status == 0
    assert all(printable(each) in shown.out for each in (*classes, metric))
    shown = _clean(mlpcli("evaluate", name, *where, "--json"))
    assert set(json.loads(shown.out)["classes"]) == set(classes)
    assert metric in json.loads(shown.out)["metrics"]
    predicted = tmp_path / "p.csv"
    assert _clean(mlpcli("predict", name, data, "-o", predicted, *where)).status == 0
    with predicted.open(encoding="utf-8", newline="") as handle:
        assert {row["predicted_[/] $y$\x1b"] for row in csv.DictReader(handle)} <= set(classes)
    assert _clean(mlpcli("predict", name, data, "--json", *where)).status == 0
    assert _clean(mlpcli("runs", *where)).status == 0
    (run_dir,) = (runs_dir / name).iterdir()
    again = _clean(mlpcli("compare", name, run_dir, *where, "-o", tmp_path / "c.png"))
    assert again.status in (0, 2)
    assert not unclean((run_dir / "summary.txt").read_text(encoding="utf-8"))
    assert not unclean((run_dir / "resolved.yaml").read_text(encoding="utf-8"))


def test_names_through_a_search_and_a_script(tmp_path: Path, mlpcli: Callable[..., Result]) -> None:
    metric, classes = "$\\frac{[/]\x1b", ["[/]", "_b", "$x$"]
    data, spec, runs_dir = tmp_path / "# d: [x]'.csv", tmp_path / '""" + oops.yaml', tmp_path / "runs"
    _write_table(data, ["$x$", "_\x1b", "cat", "y"], classes)
    tuner = f"tuner: {{objective: {{name: {quoted('val_' + metric)}, direction: max}}, max_trials: 2}}"
    features = 'features: {"$x$": numeric, "_\\e": numeric, cat: ignore}'
    text = NAMED % (quoted(data.name), f"y, {features}", 3, quoted(metric), tuner)
    spec.write_text(text, encoding="utf-8")
    searched = _clean(mlpcli("tune", spec, "--runs-dir", runs_dir))
    assert searched.status == 0, searched.err
    (best,) = runs_dir.glob("named/*/best.yaml")
    assert not unclean(best.read_text(encoding="utf-8"))
    assert load_spec(best).spec.dataset.target == "y"
    script = tmp_path / "script.py"
    assert _clean(mlpcli("code", best, "-o", script)).status == 0
    assert not unclean(script.read_text(encoding="utf-8"))
    compile(script.read_text(encoding="utf-8"), "script", "exec")


@pytest.mark.parametrize("name", ["[red]hot", "a b", "\\u202e", "$x$", "_x", "\\udcff", "a\\0b"])
def test_a_layer_that_tensorflow_cannot_name_is_refused_at_once(
    name: str, spec_file: Callable[..., Path], mlpcli: Callable[..., Result]
) -> None:
    layers = f'[{{Dense: {{units: 4}}, name: "{name}"}}, {{Dense: {{units: 3, activation: softmax}}}}]'
    rest = "loss: sparse_categorical_crossentropy\noptimizer: Adam\n"
    text = f"name: n\ndataset: {{name: iris}}\nlayers: {layers}\n{rest}"
    shown = _clean(mlpcli("check", spec_file(text)))
    assert shown.status == 2
    assert "layers[0].name: must be letters" in shown.err
