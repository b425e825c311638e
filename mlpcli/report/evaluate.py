"""An evaluation as tables and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.table import Table
from rich.text import Text

from mlpcli.printable import counted
from mlpcli.report.console import fits, format_number, show_sentence
from mlpcli.report.fitted_predictions import coverage_json, show_coverage
from mlpcli.report.group_tables import groups_json, show_groups
from mlpcli.report.interval_words import ends_text, interval_notes, interval_text, split_note, value_text
from mlpcli.report.narrow import wrapped_text
from mlpcli.report.predict import cells_json, unusual_cells
from mlpcli.report.screen import Screen, console, table
from mlpcli.runs.folder import Run
from mlpcli.runs.results import Evaluation, OutputScores, QuantileScores


def show_evaluation(run: Run, evaluation: Evaluation) -> None:
    """Show the metrics, and for each class one line with precision, recall and F1."""
    out = console()
    out.print(Text(f"{run.label} on {evaluation.source}: {counted(evaluation.rows, 'row')}", style="bold"))
    _show_metrics(run, evaluation)
    if evaluation.cells is not None and (unusual := unusual_cells(evaluation.cells)):
        show_sentence("; ".join(unusual))
    for scores in evaluation.scores:
        out.print()
        out.print(_score_table(out, scores))
    for quantiles in evaluation.quantiles:
        _show_quantiles(quantiles)
    show_coverage(out, evaluation.source, evaluation.coverage)
    show_groups(evaluation.groups, evaluation.rows, evaluation.metrics, evaluation.intervals)


def _score_table(out: Screen, scores: OutputScores) -> Table:
    """Return the scores of each class or label, with the intervals of F1 where there is room for them."""
    rows = [
        (
            score.name,
            format_number(score.precision),
            format_number(score.recall),
            format_number(score.f1),
            f"{score.rows:,}",
            ends_text(score.intervals.get("f1")),
        )
        for score in scores.classes
    ]
    kind = "class" if scores.confusion is not None else "label"
    title = f"{scores.name}: {kind}" if scores.name else kind
    columns = (title, "precision", "recall", "f1", "rows", "f1, 95%")
    whole = table(columns, rows)
    if any(row[-1] for row in rows) and fits(out, whole):
        return whole
    return table(columns[:-1], [row[:-1] for row in rows])


def _show_metrics(run: Run, evaluation: Evaluation) -> None:
    """Show the metrics, with their intervals where there are some."""
    out, found = console(), evaluation.intervals
    if found is None or not found.bounds:
        values = [(k, value_text(found, k, v)) for k, v in evaluation.metrics.items()]
        out.print(table(("metric", "value"), values))
    else:
        rows = [(k, value_text(found, k, v), interval_text(found, k)) for k, v in evaluation.metrics.items()]
        out.print(table(("metric", "value", f"{found.method['level']:.0%} interval"), rows))
    divided = split_note(run, evaluation.source) if found is not None and found.bounds else ""
    for note in [*([] if found is None else interval_notes(found)), *([divided] if divided else [])]:
        for line in wrapped_text(note, out.room):
            out.print(Text(line, style="dim"))


def _show_quantiles(scores: QuantileScores) -> None:
    """Show the share of rows below each quantile of a target, and between the outer ones."""
    out = console()
    rows = [(str(level), f"{share:.4f}") for level, share in zip(scores.levels, scores.below, strict=True)]
    out.print()
    out.print(table((f"{scores.target}: quantile", "rows below"), rows))
    if len(scores.levels) > 1:
        ends = f"{scores.levels[0]} to {scores.levels[-1]}"
        line = f"from quantile {ends} lie {scores.within:.1%} of the rows, {scores.expected:.1%} expected"
        out.print(Text(line))


def _quantiles_json(scores: QuantileScores) -> dict[str, object]:
    below = {str(level): share for level, share in zip(scores.levels, scores.below, strict=True)}
    return {"rows_below": below, "within": scores.within, "expected_within": scores.expected}


def evaluation_json(label: str, folder: Path, evaluation: Evaluation) -> dict[str, object]:
    """Return an evaluation for scripts."""
    document: dict[str, object] = {
        "run": label,
        "folder": str(folder),
        "data": evaluation.source,
        "rows": evaluation.rows,
        "metrics": evaluation.metrics,
    }
    if evaluation.intervals is not None:
        document |= evaluation.intervals.to_json()
    if evaluation.rows_without_target:
        document["rows_without_target"] = evaluation.rows_without_target
    if evaluation.cells is not None:
        document["counts"] = cells_json(evaluation.cells)
    if evaluation.figures:
        document["figures"] = [str(file) for file in evaluation.figures]
    if evaluation.groups:
        document["groups"] = groups_json(evaluation.groups)
    if evaluation.quantiles:
        document["quantiles"] = {each.target: _quantiles_json(each) for each in evaluation.quantiles}
    if evaluation.coverage:
        document["intervals"] = coverage_json(evaluation.coverage)
    found = {scores.name: _scores_json(scores) for scores in evaluation.scores}
    return document | found[""] if "" in found else document | ({"outputs": found} if found else {})


def _lists(ends: Mapping[str, tuple[float, float]]) -> dict[str, list[float]]:
    return {name: [*each] for name, each in ends.items()}


def _scores_json(scores: OutputScores) -> dict[str, object]:
    classes = {
        score.name: {
            "precision": score.precision,
            "recall": score.recall,
            "f1": score.f1,
            "rows": score.rows,
            **({"confidence_intervals": _lists(score.intervals)} if score.intervals else {}),
        }
        for score in scores.classes
    }
    if scores.confusion is None:
        return {"labels": classes}
    return {"classes": classes, "confusion": scores.confusion.tolist()}
