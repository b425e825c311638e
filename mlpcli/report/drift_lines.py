"""How new rows differ from training rows, as lines and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from mlpcli.printable import counted
from mlpcli.report.console import fits, show_line
from mlpcli.report.narrow import wrapped
from mlpcli.report.screen import console, table
from mlpcli.runs.drift_results import ColumnDrift, Drift, Separation

MOST_SHOWN = 10
"""Changed columns that are shown; of more, the rest is counted."""

STYLES = {"large": "bold red", "moderate": "yellow", "small": "", "none": "dim"}


def show_drift(label: str, drift: Drift) -> None:
    """Show all columns together, then those that changed with what changed, then the others by name."""
    out = console()
    new, known = counted(drift.rows, "row"), counted(drift.known_rows, "training row")
    title = f"{drift.source}: {new} against {known} of {label}"
    out.print(Text(title, style="bold"))
    if drift.separation is not None:
        for line in _separation_lines(drift.separation, out.room):
            show_line(line, style=STYLES[drift.separation.size])
    changed = [each for each in drift.columns if each.size != "none"]
    if changed:
        _show_changed(changed[:MOST_SHOWN])
        if (rest := len(changed) - MOST_SHOWN) > 0:
            show_line(f"and {rest:,} more changed columns; --json has all")
    _show_same([each for each in drift.columns if each.size == "none"], out.room)
    if drift.added:
        _show_names("only in the new rows", drift.added, out.room)


def _show_same(columns: Sequence[ColumnDrift], room: int) -> None:
    """Show columns whose difference may be chance: wrong cells, values out of range, the others."""
    wrong = [each for each in columns if each.unreadable]
    _show_findings(wrong[:MOST_SHOWN])
    if (rest := len(wrong) - MOST_SHOWN) > 0:
        show_line(f"and {rest:,} more columns with cells that cannot be read; --json has all")
    read = [each for each in columns if not each.unreadable]
    outside = [each for each in read if each.findings and each.kind != "categories"]
    if same := [each.name for each in read if each not in outside]:
        _show_names("no change found", same, room)
    if outside:
        show_line("no change found, but values out of the training rows' range:")
        _show_findings(outside[:MOST_SHOWN], indent="  ")
    if (rest := len(outside) - MOST_SHOWN) > 0:
        show_line(f"  and {rest:,} more; --json has all")


def _show_names(words: str, names: Sequence[str], room: int) -> None:
    shown = [*names[:MOST_SHOWN], *([f"and {len(names) - MOST_SHOWN:,} more"] if names[MOST_SHOWN:] else [])]
    for line in wrapped([f"{words}:", *shown], room, indent="  "):
        show_line(line)


def _separation_lines(found: Separation, room: int) -> list[str]:
    if found.area is None:
        return [f"all columns together: not tried, {found.reason}"]
    low, high = found.interval
    words = [
        f"all columns together: {found.size};",
        "a small model distinguishes new rows from training rows with",
    ]
    words += [f"an AUC of {found.area:.3f}", f"({low:.3f} to {high:.3f}; 0.5 is chance)"]
    if found.left_out:
        names = ", ".join(map(repr, found.left_out[:3]))
        more = len(found.left_out) - 3
        dates = "date" if len(found.left_out) == 1 else "dates"
        words[-1] += ","
        words.append(f"leaving out the {dates} {names}{f' and {more} more' if more > 0 else ''}")
    return _filled(" ".join(words).split(" "), room)


def _filled(words: Sequence[str], room: int) -> list[str]:
    """Return words in lines of at most `room` columns, later ones indented."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + 1 + len(word) <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(("  " if lines else "") + word)
    return lines


def _show_changed(columns: Sequence[ColumnDrift]) -> None:
    out = console()
    header = ("column", "change", "PSI", "distance", "p", "")
    rows = [
        (
            each.name,
            each.size,
            _number(each.stability),
            _number(each.distance),
            _p_text(each.p),
            "" if each.role == "used" else each.role,
        )
        for each in columns
    ]
    shown = table(header, rows, longest=30)
    out.print(shown if fits(out, shown) else table(header[:3], [row[:3] for row in rows], longest=30))
    _show_findings(columns)


def _show_findings(columns: Sequence[ColumnDrift], *, indent: str = "") -> None:
    room = console().room - len(indent)
    for each in columns:
        words = f"{each.name}: {'; '.join(each.findings) or 'other shares'}"
        for line in _filled(words.split(" "), room):
            show_line(indent + line)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _p_text(p: float | None) -> str:
    return "" if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"


def drift_json(label: str, folder: str, drift: Drift, figures: Sequence[str]) -> dict[str, object]:
    """Return the differences for scripts."""
    document: dict[str, object] = {
        "data": drift.source,
        "run": label,
        "folder": folder,
        "rows": drift.rows,
        "training_rows": drift.known_rows,
        "change": drift.size,
        "columns": {each.name: _column_json(each) for each in drift.columns},
        "added_columns": list(drift.added),
        "warnings": list(drift.warnings),
        "figures": list(figures),
    }
    if drift.separation is not None:
        document["together"] = _separation_json(drift.separation)
    return document


def _separation_json(found: Separation) -> dict[str, object]:
    if found.area is None:
        return {"auc": None, "reason": found.reason}
    return {
        "auc": found.area,
        "confidence_interval": [*found.interval],
        "change": found.size,
        "rows": [*found.rows],
        "left_out": list(found.left_out),
    }


def _column_json(each: ColumnDrift) -> dict[str, object]:
    document: dict[str, object] = {"role": each.role, "kind": each.kind, "change": each.size}
    if each.unreadable:
        document["unreadable"] = each.unreadable
    if each.p is not None:
        document["p_corrected"] = each.p
    if each.stability is not None:
        document["stability_index"] = each.stability
    if each.distance is not None:
        document["total_variation" if each.kind == "categories" else "kolmogorov_smirnov"] = each.distance
    if each.missing is not None:
        document["missing"] = {"training": each.missing[0], "new": each.missing[1]}
    document["findings"] = list(each.findings)
    if each.histogram is not None:
        known = None if each.histogram.known is None else list(each.histogram.known)
        document["bins"] = {
            "labels": list(each.histogram.labels), "training": known, "new": list(each.histogram.new),
        }  # fmt: skip
    return document
