"""An evaluation as tables and as JSON."""

from __future__ import annotations

from pathlib import Path

from rich.text import Text

from mlpcli.report.console import format_number
from mlpcli.report.screen import console, table
from mlpcli.runs.results import Evaluation, OutputScores


def show_evaluation(label: str, evaluation: Evaluation) -> None:
    """Show the metrics, and for each class one line with precision, recall and F1."""
    out = console()
    out.print(Text(f"{label} on {evaluation.source}: {evaluation.rows:,} rows", style="bold"))
    out.print(table(("metric", "value"), [(k, format_number(v)) for k, v in evaluation.metrics.items()]))
    for scores in evaluation.scores:
        rows = [
            (
                score.name,
                format_number(score.precision),
                format_number(score.recall),
                format_number(score.f1),
                f"{score.rows:,}",
            )
            for score in scores.classes
        ]
        out.print()
        kind = "class" if scores.confusion is not None else "label"
        title = f"{scores.name}: {kind}" if scores.name else kind
        out.print(table((title, "precision", "recall", "f1", "rows"), rows))


def evaluation_json(label: str, folder: Path, evaluation: Evaluation) -> dict[str, object]:
    """Return an evaluation for scripts."""
    document: dict[str, object] = {
        "run": label,
        "folder": str(folder),
        "data": evaluation.source,
        "rows": evaluation.rows,
        "metrics": evaluation.metrics,
    }
    if evaluation.rows_without_target:
        document["rows_without_target"] = evaluation.rows_without_target
    found = {scores.name: _scores_json(scores) for scores in evaluation.scores}
    return document | found[""] if "" in found else document | ({"outputs": found} if found else {})


def _scores_json(scores: OutputScores) -> dict[str, object]:
    classes = {
        score.name: {
            "precision": score.precision,
            "recall": score.recall,
            "f1": score.f1,
            "rows": score.rows,
        }
        for score in scores.classes
    }
    if scores.confusion is None:
        return {"labels": classes}
    return {"classes": classes, "confusion": scores.confusion.tolist()}
