"""What comes from a file or a stranger is shown as text: no markup, no escape code, no mathematics."""

from __future__ import annotations

import ast
import csv
import io
import json
import os
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from rich.progress import Progress
from rich.text import Text

from mlpcli.errors import Place, Problem, excerpt
from mlpcli.plots.drawing import save_figure
from mlpcli.plots.text import plot_label
from mlpcli.printable import json_text, printable, quoted, shortened
from mlpcli.report.screen import Screen, WordsColumn, cut, table
from mlpcli.spec.load import load_spec
from mlpcli.spec.resolve import dump
from mlpcli.spec.yaml_reader import parse_text
from tests.conftest import ROOT, Result

pytestmark = [pytest.mark.slow, pytest.mark.uncounted]

HOSTILE = [
    "[/]",
    "[red]hot[/red]",
    "\x1b[31mred",
    "\x1b]0;title\x07",
    "\x9b31m",
    "a\x1ab",
    "a\tb",
    "$x$",
    "$\\frac{",
    "_hidden",
    "# c: d",
    "'q\"uote",
    '"""',
    "a\u202eb\u2066",
    "x\u2028y\x85z\ufeff",
    "zero\u200bwidth",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467",
    "\u05e9\u05dc\u05d5\u05dd",
    "e\u0301" + "\u0301" * 40,
    "L" * 1500,
    "\u65e5\u672c" * 40,
    "yes",
    "{a: 1}",
    "<<",
    "- x",
    "&a *b",
    "%s {0}",
    "`",
    "<script>",
    ":smile:",
    "http://x.y",
]
MEAN = "".join(
    chr(code) for code in (*range(1, 32), 127, 133, 155, 0x200B, 0x200F, 0x2028, 0x202E, 0x2066, 0xFEFF)
)
foreign = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(
        st.sampled_from(MEAN + "[]/$\\'\"#:{}&*!|>%@`,- aé日\u0301\u05d0" + "\U0001f469\u200d"), max_size=12
    ),
    st.text(max_size=12),
)
with_surrogates = st.one_of(foreign, st.text(st.characters(categories=["Cs", "Ll", "Cc"]), max_size=6))

ACTING = {*map(chr, (0x200E, 0x200F, 0x061C, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))}
HIDING = {"\u200b", "\u2060", "\ufeff"}


def unclean(shown: str) -> list[str]:
    """Characters that a terminal acts on, or that hide or reorder what stands beside them."""
    return [
        char
        for char in shown
        if char != "\n"
        and (unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") or char in ACTING | HIDING)
    ]


class Stream(io.StringIO):
    """A stream in memory with an encoding, a terminal or not."""

    def __init__(self, encoding: str = "utf-8", *, terminal: bool = False) -> None:
        super().__init__()
        self._encoding, self._terminal = encoding, terminal

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self._terminal


# ---------------------------------------------------------------- the one function


@given(with_surrogates)
def test_a_literal_reads_back_in_yaml_python_and_json(text: str) -> None:
    literal = quoted(text)
    assert not unclean(literal)
    assert ast.literal_eval(literal) == text
    assert yaml.safe_load(literal) == text
    assert yaml.safe_load(dump({"key": text, "list": [text]})) == {"key": text, "list": [text]}
    assert not unclean(dump({text: text}, flow=None))
    document = json_text({"key": text, text: [1]})
    assert not unclean(document)
    assert json.loads(document) == {"key": text, text: [1]}


@pytest.mark.parametrize(
    "text",
    [
        "caf\u00e9",
        "cafe\u0301",
        "\u65e5\u672c\u8a9e",
        "\u05e9\u05dc\u05d5\u05dd",
        "\u2764\ufe0f",
        HOSTILE[16],
    ],
)
def test_letters_marks_and_emoji_stay(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m", r"\x1b[31m"),
        ("a\nb\t\r", r"a\nb\t\r"),
        ("\x85\x9b", r"\x85\x9b"),
        ("\u202e\u2066\u200b\ufeff\u2028", r"\u202e\u2066\u200b\ufeff\u2028"),
        ("a\u200db", r"a\u200db"),
        ("\udce9", r"\udce9"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_acts_or_hides_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(with_surrogates, st.integers(4, 30))
def test_a_long_text_is_cut(text: str, limit: int) -> None:
    assert len(shortened(text * 5, limit)) <= limit
    assert Text(cut(text * 5, limit)).cell_len <= limit


@given(with_surrogates, st.integers(1, 30))
def test_a_message_is_one_clean_line(text: str, column: int) -> None:
    problem = Problem(text, Place("f", 1, column, text), (text, 1), received=text, hint=text)
    assert not unclean(problem.headline())
    assert "\n" not in problem.headline()
    assert len(Problem(text * 3000).headline()) < 5000
    line, caret = excerpt(Place("f", 1, column, text))
    assert not unclean(line)
    assert caret.strip() == "^"


def test_the_caret_stands_under_its_column() -> None:
    line, caret = excerpt(Place("f", 1, 5, "\x1b日e\u0301: x"))
    assert Text(line[: line.index(":")]).cell_len == caret.index("^")


# ---------------------------------------------------------------- the one console


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
@given(text=with_surrogates)
@example(text="[/]")
def test_nothing_is_markup_on_any_stream(text: str, encoding: str) -> None:
    stream = Stream(encoding)
    out = Screen(stream)
    out.print(text, Text(text, style="bold"), text)
    out.print(table((text, text), [(text, text)], names=(0,)))
    out.print(table((text, text), [(text, Text(text).plain)], names=()))
    shown = stream.getvalue()
    shown.encode(encoding)
    assert not unclean(shown)
    if encoding == "utf-8" and text.isprintable() and text.strip() == text and 0 < Text(text).cell_len < 40:
        assert f"{text} {text} {text}" in shown


@given(text=with_surrogates)
@settings(max_examples=30)
def test_a_terminal_gets_no_escape_but_its_own(text: str) -> None:
    stream = Stream(terminal=True)
    out = Screen(stream, width=80)
    with out.status(text) as status:
        status.update(text + "[/]")
    with Progress(WordsColumn("{task.description} {task.fields[logs]}"), console=out) as progress:
        progress.add_task(text, total=1.0, logs=text)
    out.print(Text(f"[/]{text}", style="bold red"))
    without = Text.from_ansi(stream.getvalue().replace("\x1b[?25l", "").replace("\x1b[?25h", "")).plain
    assert not unclean(without.replace("\r", "").replace("\x1b[1A", "").replace("\x1b[2K", ""))


@given(st.lists(foreign.filter(bool), min_size=1, max_size=5))
@settings(max_examples=40)
def test_names_give_way_before_figures(names: list[str]) -> None:
    stream = Stream(terminal=True)
    out = Screen(stream, width=80)
    out.print(
        table((names[0] * 30, "precision", "rows"), [(name * 50, "0.1234", "12,345") for name in names])
    )
    lines = Text.from_ansi(stream.getvalue()).plain.rstrip("\n").split("\n")
    assert all(Text(line).cell_len <= 80 for line in lines)
    assert all(line.rstrip().endswith("0.1234  12,345") for line in lines[1:] if "0.1234" in line)
    assert sum("0.1234" in line for line in lines) == len(names)


SHOWN_ELSEWHERE = {
    "print",
    "echo",
    "secho",
    "from_markup",
    "Console",
    "TextColumn",
    "Spinner",
    "Status",
    "rprint",
}
RICH = {"Table", "Column", "Text", "Group", "Live", "Measurement", "BarColumn", "Progress", "TaskID"}
RICH |= {"TimeElapsedColumn", "TimeRemainingColumn", "Status"}  # the last for its type
PRINTS = {("cli/program.py", "print"), ("tuning/worker.py", "print")}  # of the worker, a sentence of its own


def _shows(tree: ast.AST) -> Iterator[str]:
    """Whatever in a module could show a text by another way than the screen."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "rich":
            yield from (alias.name for alias in node.names if alias.name not in RICH)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "rich")
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            of_screen = isinstance(node.func, ast.Attribute) and name == "print"  # out.print(...)
            if name in SHOWN_ELSEWHERE and not of_screen:
                yield name
            yield from (
                f"{key.arg}="
                for key in node.keywords
                if key.arg in ("markup", "highlight", "emoji", "highlighter")
            )


def test_one_module_alone_makes_consoles() -> None:
    found = {
        (file.relative_to(ROOT / "mlpcli").as_posix(), name)
        for file in (ROOT / "mlpcli").rglob("*.py")
        for name in _shows(ast.parse(file.read_text(encoding="utf-8")))
    }
    found = {(file, name) for file, name in found if file != "report/screen.py"}
    assert found <= PRINTS


def test_one_module_alone_writes_figures() -> None:
    for file in (ROOT / "mlpcli").rglob("*.py"):
        if file.name != "drawing.py":
            assert ".savefig(" not in file.read_text(encoding="utf-8"), file


# ---------------------------------------------------------------- figures


@pytest.mark.filterwarnings("error")
def test_a_name_in_a_figure_is_no_mathematics(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 3), layout="constrained")
    axes = figure.add_subplot()
    names = [plot_label(name, 12) for name in HOSTILE]
    for name in names:
        axes.plot([0, 1], [1, 2], label=name)
    axes.set_xticks(range(len(names)), names)
    axes.set(title="$\\frac{", xlabel="$x$", ylabel="a\x1bb", yscale="log")
    legend = axes.legend()
    save_figure(figure, tmp_path / "names.png")
    assert len(legend.get_texts()) == len(HOSTILE)
    assert axes.get_title() == "$\\frac{"
    assert axes.get_ylabel() == r"a\x1bb"
    assert axes.yaxis.get_major_ticks()[0].label1.get_parse_math()


# ---------------------------------------------------------------- commands


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
    import shutil

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
fit: {epochs: 1, batch_size: 16}
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
        "fit.epochs=1",
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
