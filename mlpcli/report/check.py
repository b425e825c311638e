"""The plan of a training as text and as JSON, advice, and the problems of a spec as JSON."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from mlpcli.errors import ABSENT, MlpcliError, Place, Problem, Various, show_path
from mlpcli.machine import format_bytes
from mlpcli.printable import counted
from mlpcli.report.console import format_duration, show_line
from mlpcli.report.narrow import (
    MOST_LAYERS,
    SHOWN_LAYERS,
    collapsed,
    layer_table,
    shape_text,
    shares_text,
    wrapped_text,
)
from mlpcli.report.screen import console, table
from mlpcli.runs.results import Advice, Forecast
from mlpcli.spec.load import LoadedSpec

MOST_TRAININGS = 20
DEFAULT_RUNS = Path("runs")


def show_forecast(forecast: Forecast, loaded: LoadedSpec, settings: Sequence[str] = ()) -> None:
    """Show the data, the layers with their lines in the spec, steps, memory, files, and advice.

    Args:
        forecast: what is shown.
        loaded: the spec.
        settings: its `--set` flags, which the command to go on with repeats.
    """
    out = console()
    plan = forecast.plan
    show_line(f"{loaded.file}: no problems found", style="bold")
    _labelled("data", plan.source)
    out.print(table(("split", "rows"), [(name, f"{count:,}") for name, count in plan.rows.items()]))
    if forecast.trainings:
        _labelled("trains", f"{len(forecast.trainings)} times; above, and below, the first")
        splits = list(forecast.trainings[0][1])
        shown = forecast.trainings[:MOST_TRAININGS]
        rows = [(label, *(f"{of.get(name, 0):,}" for name in splits)) for label, of in shown]
        out.print(table(("training", *splits), rows))
        if (rest := len(forecast.trainings) - len(shown)) > 0:
            out.print(Text(f"and {rest} more"))
    for output, counts in forecast.classes.get("train", {}).items():
        _labelled("classes", f"{output + ': ' if output else ''}{shares_text(counts)}")
    out.print()
    out.print(_layer_table(forecast, loaded))
    fixed = plan.parameters - plan.trainable
    out.print(
        f"{counted(plan.parameters, 'parameter')}"
        + (f" ({plan.trainable:,} of them trained)" if fixed else "")
    )
    out.print()
    _labelled("epochs", f"{forecast.epochs:,} of {counted(plan.steps, 'step')}{_time(forecast)}")
    _labelled("memory", _memory(forecast))
    _labelled("files", f"{loaded.runs_dir}/{plan.name}/<date>_<time>/: {' '.join(forecast.files)}")
    for note in forecast.notes:
        _labelled("note", note)
    show_advice(forecast.advice, loaded)
    _labelled("next", _next_command(loaded, settings))


def _next_command(loaded: LoadedSpec, settings: Sequence[str]) -> str:
    """Return the command that trains, or searches, what was checked, as a shell reads it."""
    words = ["mlpcli", "tune" if loaded.spec.tuner else "train", str(loaded.file)]
    for setting in settings:
        words += ["--set", setting]
    if loaded.runs_dir != DEFAULT_RUNS:
        words += ["--runs-dir", str(loaded.runs_dir)]
    return shlex.join(words)


def _labelled(label: str, text: str, style: str = "") -> None:
    """Show a label and a text; lines that do not fit go on below the text."""
    out = console()
    for line in wrapped_text(text, out.room, f"{label:<8}"):
        out.print(Text(line, style=style), soft_wrap=True)


def show_advice(advice: tuple[Advice, ...], loaded: LoadedSpec) -> None:
    """Show each piece of advice in two lines: the place, what was found and what to do; then why."""
    for item in advice:
        _labelled("advice", item.headline(loaded.text.place(item.path)), "yellow")
        _labelled("", f"because {item.reason}")


def _layer_table(forecast: Forecast, loaded: LoadedSpec) -> Table:
    rows: list[tuple[str, ...]] = []
    for layer, path in zip(forecast.plan.layers, forecast.layer_paths, strict=True):
        place = loaded.text.place(path)
        shape, parameters = shape_text(layer.shape), f"{layer.parameters:,}"
        rows.append((_line(place, loaded), layer.name, layer.kind, shape, parameters))
    rows = collapsed(rows, MOST_LAYERS, SHOWN_LAYERS)
    return layer_table(console(), ("line", "layer", "class", "output", "parameters"), rows, 3)


def _line(place: Place, loaded: LoadedSpec) -> str:
    """Return the line number; with the name of the file, or `--set`, where it is not the spec's own."""
    if place.flag:
        return "--set"
    return str(place.line) if place.file == loaded.text.file else f"{Path(place.file).name}:{place.line}"


def _time(forecast: Forecast) -> str:
    seconds = forecast.seconds_per_epoch
    if seconds is None:
        return ""
    most = format_duration(seconds * forecast.epochs * max(1, len(forecast.trainings)))
    return f", {format_duration(seconds)} each: at most {most} of training, without the start and the export"


def _memory(forecast: Forecast) -> str:
    memory = forecast.memory
    sizes = (memory.total, memory.data, memory.state, memory.batch)
    total, data, state, batch = map(format_bytes, sizes)
    return f"{total} over TensorFlow's own: data {data}, weights and optimizer {state}, one batch {batch}"


def forecast_json(forecast: Forecast, loaded: LoadedSpec) -> dict[str, object]:
    """Return the plan for scripts and editors; `problems` is empty, since there is a plan."""
    plan, memory = forecast.plan, forecast.memory
    layers = [
        {
            "name": layer.name,
            "class": layer.kind,
            "output": list(layer.shape[1:]),
            "parameters": layer.parameters,
            "place": _place_json(loaded.text.place(path)),
        }
        for layer, path in zip(plan.layers, forecast.layer_paths, strict=True)
    ]
    return {
        "spec": str(loaded.file),
        "valid": True,
        "problems": [],
        "name": plan.name,
        "data": plan.source,
        "rows": plan.rows,
        "classes": {
            split: {output or "target": counts for output, counts in outputs.items()}
            for split, outputs in forecast.classes.items()
            if outputs
        },
        "layers": layers,
        "parameters": plan.parameters,
        "trainable": plan.trainable,
        "epochs": forecast.epochs,
        "steps": plan.steps,
        "trainings": [{"label": label, "rows": of} for label, of in forecast.trainings],
        "seconds_per_epoch": forecast.seconds_per_epoch,
        "memory": {"data": memory.data, "state": memory.state, "batch": memory.batch},
        "files": list(forecast.files),
        "notes": list(forecast.notes),
        "advice": [
            {
                "path": show_path(item.path),
                "place": _place_json(loaded.text.place(item.path)),
                "seen": item.seen,
                "mend": item.fix,
                "reason": item.reason,
            }
            for item in forecast.advice
        ],
    }


def problems_json(error: MlpcliError, spec: str) -> dict[str, object]:
    """Return every problem of a spec for scripts and editors."""
    return {"spec": spec, "valid": False, "problems": [_problem_json(problem) for problem in error.problems]}


def _problem_json(problem: Problem) -> dict[str, object]:
    document: dict[str, object] = {
        "path": show_path(problem.path),
        "place": _place_json(problem.place) if problem.place else None,
        "rule": problem.rule,
        "hint": problem.advice(),
        "message": problem.headline(),
    }
    received = list(problem.received) if isinstance(problem.received, Various) else problem.received
    return document if received is ABSENT else document | {"received": received}


def _place_json(place: Place) -> dict[str, object]:
    if place.flag:
        return {"flag": place.flag}
    return {"file": place.file, "line": place.line, "column": place.column}
