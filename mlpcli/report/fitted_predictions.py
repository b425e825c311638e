"""What was fitted after a training, and what intervals and sets hold, in lines for the screen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mlpcli.report.console import format_number
from mlpcli.report.screen import LONGEST_NAME, cut
from mlpcli.runs.results import Coverage

MOST_LINES = 8
"""Outputs, labels and targets that are shown of each kind; `metrics.json` has all."""


def fitted_lines(entries: Mapping[str, object]) -> list[str]:
    """Return lines on the entries of `metrics.json`: `calibration`, `threshold` and `intervals`.

    Args:
        entries: plain values, as the file has them.
    """
    lines = []
    for name, found in _outputs(entries.get("calibration")):
        lines += [f"calibration  {name}{text}" for text in _calibration(found)]
    for name, found in _outputs(entries.get("threshold")):
        lines += [f"threshold    {name}{text}" for text in _threshold(found)]
    return lines + [f"intervals    {text}" for text in _intervals(entries.get("intervals"))]


def _outputs(entry: object) -> list[tuple[str, Mapping[str, object]]]:
    """Return the parts of an entry, of one output or several, each with how its lines begin."""
    if not isinstance(entry, Mapping):
        return []
    several = entry.get("outputs")
    if not isinstance(several, Mapping):
        return [("", entry)]
    return [(f"{cut(name, LONGEST_NAME)}: ", each) for name, each in several.items()][:MOST_LINES]


def _calibration(entry: Mapping[str, object]) -> Iterator[str]:
    temperature = entry.get("temperature")
    assert isinstance(temperature, float)
    measured = {rows: each for rows, each in entry.items() if isinstance(each, Mapping)}
    yield f"temperature {format_number(temperature)}"
    for rows, each in measured.items():
        texts = [
            f"{word} {_pair(each, key)}"
            for key, word in (("ece", "ECE"), ("brier", "Brier"), ("log_loss", "log loss"))
        ]
        yield f"{_rows(rows)} {', '.join(texts)}"


def _pair(measured: Mapping[str, Mapping[str, float]], key: str) -> str:
    before, after = (format_number(measured[when][key]) for when in ("before", "after"))
    return f"{before} to {after}"


def _rows(name: str) -> str:
    return name.replace("_", "-")


def _threshold(entry: Mapping[str, object]) -> Iterator[str]:
    labels = entry.get("labels")
    if isinstance(labels, Mapping):
        for name, each in [*labels.items()][:MOST_LINES]:
            yield f"{cut(name, LONGEST_NAME)} from a probability of {format_number(each)} on"
        return
    probability = entry["probability"]
    assert isinstance(probability, float)
    yield f"{cut(str(entry['class']), LONGEST_NAME)} from a probability of {format_number(probability)} on"


def _intervals(entry: object) -> Iterator[str]:
    if not isinstance(entry, Mapping):
        return
    rows = [name for name, each in entry.items() if isinstance(each, Mapping)]
    for name in rows[-1:]:  # those of the test split, where there are any
        for target, found in [*entry[name].items()][:MOST_LINES]:
            kind = "interval" if "mean_width" in found else "set"
            size = found.get("mean_width", found.get("mean_size"))
            held = Coverage(target, kind, found["level"], found["coverage"], size)
            yield coverage_text(held, f"{_rows(name)} rows")


def coverage_text(held: Coverage, rows: str) -> str:
    """Return one line on what the intervals of a target, or the sets of an output, hold."""
    size = f"mean width {format_number(held.size)}"
    if held.kind == "set":
        size = f"mean size {held.size:.2f}"
    name = cut(held.name, LONGEST_NAME)
    return f"{name}: {held.coverage:.1%} of the {rows} inside ({held.level:.4g} asked for), {size}"


def coverage_json(found: Sequence[Coverage]) -> dict[str, dict[str, float]]:
    """Return what intervals and sets hold, by target."""
    return {each.name: each.to_json() for each in found}
