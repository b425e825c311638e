"""What comes from a file or a stranger is shown as text: no markup, no escape code, no mathematics."""

from __future__ import annotations

import ast
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.progress import Progress
from rich.text import Text

from mlpcli.errors import Place, Problem, excerpt
from mlpcli.plots.drawing import save_figure
from mlpcli.plots.text import plot_label
from mlpcli.printable import json_text, printable, quoted, shortened
from mlpcli.report.screen import Screen, WordsColumn, cut, table
from mlpcli.spec.resolve import dump
from tests.conftest import ROOT
from tests.report.hostile_text import HOSTILE, foreign, unclean, with_surrogates

pytestmark = [pytest.mark.slow, pytest.mark.uncounted]


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
    whole = printable(text) == text == text.strip()  # a heap of marks on one letter is escaped
    if encoding == "utf-8" and whole and 0 < Text(text).cell_len < 40:
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
