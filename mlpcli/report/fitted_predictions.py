"""What was fitted after a training, and what intervals and sets hold, on the screen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.text import Text

from mlpcli.printable import counted
from mlpcli.report.console import fitting_table, format_number
from mlpcli.report.narrow import wrapped_text
from mlpcli.report.screen import LONGEST_NAME, Screen, cut
from mlpcli.runs.results import Coverage

MOST_LINES = 8
"""Outputs, labels and targets that are shown of each kind; `metrics.json` has all."""

MEASURES = {"ece": "ECE", "brier": "Brier", "log_loss": "log loss"}


def show_fitted(out: Screen, entries: Mapping[str, object]) -> None:
    """Show the entries of `metrics.json` about predictions: `calibration`, `threshold` and `intervals`.

    Args:
        out: the console.
        entries: plain values, as the file has them.
    """
    calibrations = _outputs(entries.get("calibration"))
    for name, found in calibrations:
        out.print(Text(f"temperature  {_named(name)}{format_number(_number(found['temperature']))}"))
    for name, found in _outputs(entries.get("threshold")):
        for text in _threshold(found):
            for line in wrapped_text(f"{_named(name)}{text}", out.room, "threshold    "):
                out.print(Text(line))
        for text in _costs(found):
            out.print(Text(f"cost         {_named(name)}{text}"))
    if calibrations:
        head = [head for word in MEASURES.values() for head in (word, "after")]
        rows = [row for name, found in calibrations for row in _measured(name, found)]
        out.print()
        out.print(fitting_table(out, ("calibration", *head), rows))
    for name, found in calibrations:
        if worse := _made_worse(found):
            for line in wrapped_text(f"{_named(name)}{worse}", out.room):
                out.print(Text(line, style="yellow"))
    show_coverage(out, *_last_coverage(entries.get("intervals")))


def _outputs(entry: object) -> list[tuple[str, Mapping[str, object]]]:
    """Return the parts of an entry by output; a single output has no name."""
    if not isinstance(entry, Mapping):
        return []
    several = entry.get("outputs")
    return [*several.items()][:MOST_LINES] if isinstance(several, Mapping) else [("", entry)]


def _named(output: str) -> str:
    return f"{cut(output, LONGEST_NAME)}: " if output else ""


def _number(value: object) -> float:
    assert isinstance(value, float)
    return value


def _measured(output: str, entry: Mapping[str, object]) -> Iterator[tuple[str, ...]]:
    """Yield a row of the table for each rows that were measured: before and after, by measure."""
    for rows, each in entry.items():
        if isinstance(each, Mapping):
            values = [format_number(each[when][key]) for key in MEASURES for when in ("before", "after")]
            yield (f"{output} {_rows(rows)}".strip(), *values)


def _made_worse(entry: Mapping[str, object]) -> str:
    """Return what the temperature makes worse on rows that it was not fitted on; empty for nothing.

    The log loss decides, which the temperature is fitted by: the ECE is of bins, and moves by chance.
    """
    test = entry.get("test")
    if not isinstance(test, Mapping):
        return ""
    before, after = test["before"], test["after"]
    if format_number(before["log_loss"]) == format_number(after["log_loss"]) or not (
        after["log_loss"] > before["log_loss"]
    ):
        return ""
    worse = [
        f"{MEASURES[key]} {format_number(before[key])} to {format_number(after[key])}"
        for key in reversed(MEASURES)
        if after[key] > before[key]
    ]
    where = _rows(next((rows for rows in entry if rows in ("validation", "out_of_fold")), "other"))
    return (
        f"the temperature, fitted on the {where} rows, makes the probabilities of the test rows worse: "
        f"{', '.join(worse)}; without predict.calibrate they stay as they are"
    )


def _rows(name: str) -> str:
    return name.replace("_", "-")


def _threshold(entry: Mapping[str, object]) -> Iterator[str]:
    labels = entry.get("labels")
    if isinstance(labels, Mapping):
        for name, each in [*labels.items()][:MOST_LINES]:
            yield f"{cut(name, LONGEST_NAME)} from {format_number(each)} on{_worth(entry, name)}"
        return
    name = str(entry["class"])
    at = format_number(_number(entry["probability"]))
    yield f"{cut(name, LONGEST_NAME)} from {at} on{_worth(entry, name)}"


def _worth(entry: Mapping[str, object], name: str) -> str:
    """Return what the threshold of a class is worth on the rows it was chosen on; empty where unknown."""
    scores = entry.get("scores")
    if not isinstance(scores, Mapping):
        return ""
    rows = next((rows for rows in scores if rows != "test"), None)
    found = scores[rows].get(name) if rows is not None else None
    if not isinstance(found, Mapping):
        return ""
    shown = ", ".join(
        f"{word} {found[key]:.2f}"
        for key, word in (("precision", "precision"), ("recall", "recall"), ("f1", "F1"))
    )
    return f"; {_rows(str(rows))}: {shown} ({counted(int(found['rows']), 'row')} of it)"


def _costs(entry: Mapping[str, object]) -> Iterator[str]:
    """Yield what a row costs by the threshold, and what it would by 0.5, for each rows."""
    cost = entry.get("cost")
    for rows, each in cost.items() if isinstance(cost, Mapping) else ():
        usual = f"({format_number(each['usual'])} from 0.5 on)"
        yield f"{format_number(each['chosen'])} a row on the {_rows(rows)} rows {usual}"


def _last_coverage(entry: object) -> tuple[str, list[Coverage]]:
    """Return what is held by the last rows that were measured, the test rows where there are any."""
    measured = (
        {k: v for k, v in entry.items() if isinstance(v, Mapping)} if isinstance(entry, Mapping) else {}
    )
    if not measured:
        return "", []
    rows, targets = [*measured.items()][-1]
    found = []
    for name, each in targets.items():
        kind = "interval" if "mean_width" in each else "set"
        size = each.get("mean_width", each.get("mean_size"))
        found.append(Coverage(name, kind, each["level"], each["coverage"], size))
    return _rows(rows), found


def show_coverage(out: Screen, rows: str, found: Sequence[Coverage]) -> None:
    """Show what intervals and sets hold: the share of the rows inside, and their mean width or size.

    Args:
        out: the console.
        rows: which rows they are.
        found: of each target.
    """
    for kind, size in (("interval", "mean width"), ("set", "mean size")):
        lines = [
            (each.name, f"{each.level:.4g}", f"{each.coverage:.4f}", format_number(each.size))
            for each in found
            if each.kind == kind
        ]
        if lines:
            out.print()
            head = (f"{kind}s, {rows} rows", "level", "inside", size)
            out.print(fitting_table(out, head, lines[:MOST_LINES]))


def coverage_json(found: Sequence[Coverage]) -> dict[str, dict[str, float]]:
    """Return what intervals and sets hold, by target."""
    return {each.name: each.to_json() for each in found}
