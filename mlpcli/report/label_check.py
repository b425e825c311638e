"""The most doubtful labels of a run's data, as tables and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.text import Text

from mlpcli.printable import counted
from mlpcli.report.console import fits, format_number
from mlpcli.report.narrow import wrapped
from mlpcli.report.screen import Screen, console, cut, table, width_of
from mlpcli.report.worst_rows import short_paths
from mlpcli.runs.label_results import CheckedTarget, DoubtfulLabel, LabelCheck

MOST_TARGETS = 12
"""Targets whose numbers are shown, of several; the others are counted."""

WIDTHS = (30, 24, 20, 17, 14, 12, 10, 9, 8, 7, 6, 5)
"""Of names and labels in the table: the first with which it fits."""

LONGEST_CLASS = 20
"""Columns of a class's name outside the table."""

Column = tuple[str, Callable[[DoubtfulLabel], str]]


def show_label_check(label: str, check: LabelCheck) -> None:
    """Show how many labels stand out, and the most doubtful ones."""
    out = console()
    rows = f"{label}: {counted(check.rows, 'row')} of {_short(check.source)},"
    for line in _in_room(rows, "each predicted by models that had not seen it", out.room):
        out.print(Text(line, style="bold"), soft_wrap=True)
    _show_numbers(out, check.targets)
    if check.worst:
        out.print()
        _show_worst(out, check.worst)
    out.print()
    if check.written is not None:
        out.print(f"{counted(check.checked, 'label')} written to {check.written}")
    elif check.checked > len(check.worst):
        out.print(f"{len(check.worst):,} of {check.checked:,}; all of them with -o FILE.csv")


def _short(source: str) -> str:
    return Path(source).name or source


def _short_files(worst: Sequence[DoubtfulLabel]) -> dict[str, str]:
    """Return what is shown of each file: its name, and of files of the same name what differs in the path."""
    files = list(dict.fromkeys(each.file for each in worst))
    names = [_short(file) for file in files]
    return dict(zip(files, names if len({*names}) == len(names) else short_paths(files), strict=True))


def _in_room(first: str, second: str, room: int) -> list[str]:
    """Return two parts of a sentence in one line, or in two where there is no room."""
    whole = f"{first} {second}"
    return [whole] if width_of(whole) <= room else [first, f"    {second}"]


def _show_numbers(out: Screen, targets: Sequence[CheckedTarget]) -> None:
    """Show how many labels of each target stand out."""
    if len(targets) == 1:
        for line in _in_room(*_sentence(targets[0]), out.room):
            out.print(line.rstrip(), soft_wrap=True)
        for line in _swap_lines(targets[0], out.room):
            out.print(line, soft_wrap=True)
        return
    shown = sorted(targets, key=lambda each: -each.wrong[0] if each.wrong else 1)[:MOST_TARGETS]
    rows = [
        (_title(each), f"{each.labels:,}", f"{each.wrong[0]:,.0f}" if each.wrong else "-", _interval(each))
        for each in shown
    ]
    out.print(table(("target", "labels", "stand out", "95% interval"), rows))
    if len(targets) > len(shown):
        out.print(f"and {len(targets) - len(shown):,} more targets")
    out.print("what stands out is wrong, or not explained by the columns")


def _title(target: CheckedTarget) -> str:
    return " ".join(filter(None, (target.output, target.label)))


def _interval(target: CheckedTarget) -> str:
    if target.wrong is None:
        return "-"
    _, low, high = target.wrong
    return f"{low:,.0f} to {high:,.0f}"


def _sentence(target: CheckedTarget) -> tuple[str, str]:
    """Return how many labels stand out, in two parts."""
    what = "labels" if target.kind == "classes" else "numbers"
    if target.wrong is None:
        return f"no estimate of wrong {what}:", "the models know too little of them"
    number, _, high = target.wrong
    if round(number) == 0:
        return f"no sign of wrong {what}", f"(95% interval: at most {high:,.0f} of {target.labels:,})"
    share = f"{100 * number / target.labels:.1f}%"
    first = f"about {number:,.0f} {what} stand out: wrong, or not explained by the columns"
    return first, f"({share}; 95% interval {_interval(target)})"


def _swap_lines(target: CheckedTarget, room: int) -> list[str]:
    """Return what was given for what, in lines of the room that there is."""
    if len(target.swaps) < 2:
        return []
    pairs = [
        f"{cut(given, LONGEST_CLASS)} ({cut(said, LONGEST_CLASS)}) {count:,}"
        for given, said, count in target.swaps
    ]
    return wrapped(["most often given (predicted):", *pairs], room, indent="    ")


def _show_worst(out: Screen, worst: Sequence[DoubtfulLabel]) -> None:
    """Show the most doubtful labels in a table that fits the screen."""
    columns = _columns(worst)
    texts = NAMES if any(isinstance(each.given, str) for each in worst) else NAMES[:2]
    names = [place for place, (title, _) in enumerate(columns) if title in texts]
    rows = [[cell(each) for _, cell in columns] for each in worst]
    for width in WIDTHS:
        shown = table([title for title, _ in columns], rows, names=names, longest=width)
        if fits(out, shown):
            break
    out.print(shown)


NAMES = ("file", "target", "given", "predicted")
"""Columns with texts from outside, which are cut where there is little room."""


def _columns(worst: Sequence[DoubtfulLabel]) -> list[Column]:
    """Return the columns of the table: those that say something."""
    columns: list[Column] = [("row", lambda each: f"{each.row}")]
    if any(each.line is not None for each in worst):
        columns.append(("line", lambda each: "" if each.line is None else f"{each.line}"))
    if len({each.file for each in worst}) > 1:
        shown = _short_files(worst)
        columns.append(("file", lambda each: shown[each.file]))
    if any(each.output or each.label for each in worst):
        columns.append(("target", lambda each: " ".join(filter(None, (each.output, each.label)))))
    columns.append(("given", lambda each: _value(each.given)))
    columns.append(("predicted", lambda each: _value(each.predicted)))
    if any(each.predicted_probability is not None for each in worst):
        columns.append(("probability", lambda each: _number(each.predicted_probability)))
    if any(each.deviations is not None for each in worst):
        columns.append(("deviations", lambda each: _deviations(each.deviations)))
    columns.append(("doubt", lambda each: f"{each.doubt:.4f}"))
    return columns


def _value(value: str | float) -> str:
    return value if isinstance(value, str) else format_number(value)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _deviations(value: float | None) -> str:
    return "" if value is None else f"{value:+.1f}"


def label_check_json(label: str, folder: Path, check: LabelCheck) -> dict[str, object]:
    """Return a check of labels for scripts."""
    estimates = [each.wrong[0] for each in check.targets if each.wrong is not None]
    document: dict[str, object] = {
        "run": label,
        "folder": str(folder),
        "data": check.source,
        "rows": check.rows,
        "folds": check.folds,
        "labels": check.checked,
        "likely_wrong": round(sum(estimates), 1) if estimates else None,
        "targets": [_target_json(each) for each in check.targets],
        "doubtful": [asdict(each) for each in check.worst],
    }
    return document | ({"output": str(check.written)} if check.written is not None else {})


def _target_json(target: CheckedTarget) -> dict[str, object]:
    wrong = None if target.wrong is None else [round(each, 1) for each in target.wrong]
    return {
        "output": target.output,
        "label": target.label,
        "kind": target.kind,
        "labels": target.labels,
        "likely_wrong": None if wrong is None else wrong[0],
        "interval": None if wrong is None else wrong[1:],
        "swaps": [{"given": given, "predicted": said, "count": count} for given, said, count in target.swaps],
    }
