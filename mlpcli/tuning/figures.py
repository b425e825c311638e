"""The figures of a search: scores over trials, each parameter, all of them together, and their importance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlpcli import runs
from mlpcli.plots.drawing import save_figure
from mlpcli.plots.style import (
    BEST,
    FAINT,
    INK,
    LABEL_FONT,
    LINE_WIDTH,
    MARKER_SIZE,
    PAPER,
    POINT,
    RED,
    new_figure,
    panel_grid,
    style_panel,
    whole_numbers,
)
from mlpcli.plots.text import plot_label, title_figure, title_panel
from mlpcli.printable import counted
from mlpcli.runs.search_folder import FAILED, Search, Trial
from mlpcli.spec.search_space import BOOLEAN, CHOICE, Parameter, Space, show_label
from mlpcli.tuning.importance import position

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

SCORES, PARAMETERS = f"{runs.PLOTS}/scores.png", f"{runs.PLOTS}/parameters.png"
PARALLEL, IMPORTANCE = f"{runs.PLOTS}/parallel.png", f"{runs.PLOTS}/importance.png"
MOST_LABELS = 8


def all_drawn(search: Search, importance: dict[str, float]) -> bool:
    """Return whether a search's folder has every figure; a kill at the very end may leave some out."""
    names = (SCORES, PARAMETERS, PARALLEL, *([IMPORTANCE] if importance else []))
    return all((search.folder / name).is_file() for name in names)


def draw_search(search: Search, space: Space, importance: dict[str, float]) -> None:
    """Draw all four into `plots/`; an empty `importance` has no figure."""
    draw_scores(search, search.folder / SCORES)
    draw_parameters(search, space, search.folder / PARAMETERS)
    draw_parallel(search, space, search.folder / PARALLEL)
    if importance:
        draw_importance(importance, search.folder / IMPORTANCE, title=_title(search))


def draw_scores(search: Search, target: Path) -> None:
    """Draw the score of each trial in order, and the best so far."""
    figure, axes = _figure(7.2, 4.0)
    done = [trial for trial in search.trials if trial.score is not None]
    numbers, scores = [trial.number for trial in done], [trial.score or 0.0 for trial in done]
    best: list[float] = []
    for trial in done:
        score = trial.score or 0.0
        best.append(score if not best or search.objective.better(score, best[-1]) else best[-1])
    axes.step(numbers, best, where="post", color=BEST, linewidth=LINE_WIDTH, label="best so far")
    axes.plot(numbers, scores, "o", color=POINT, markersize=5, label="trial")
    _mark_failed(axes, search)
    axes.set(xlabel="trial", ylabel=plot_label(search.objective.name))
    title_panel(axes, _title(search), 6.4)
    whole_numbers(axes.xaxis)
    axes.margins(x=0.04, y=0.08)
    axes.legend(frameon=False)
    save_figure(figure, target)


def _mark_failed(axes: Axes, search: Search) -> None:
    failed = [trial.number for trial in search.trials if trial.status == FAILED]
    if failed:
        low, _ = axes.get_ylim()
        axes.plot(failed, [low] * len(failed), "x", color=RED, markersize=6, label="failed", clip_on=False)


def draw_parameters(search: Search, space: Space, target: Path) -> None:
    """Draw score against value, a panel for each parameter; trials in which it was inactive are left out."""
    rows, columns = panel_grid(len(space), 3)
    figure = new_figure(3.6 * columns + 0.6, 3.0 * rows + 0.5)
    trials = search.best_first()
    for index, parameter in enumerate(space):
        axes = figure.add_subplot(rows, columns, index + 1)
        _style(axes)
        active = [trial for trial in trials if parameter.name in trial.values]
        places = [position(parameter, trial.values[parameter.name]) for trial in active]
        scores = [trial.score or 0.0 for trial in active]
        axes.plot(places, scores, "o", color=POINT, markersize=4.5, alpha=0.8)
        if active and active[0] is trials[0]:
            axes.plot(places[:1], scores[:1], "s", color=BEST, markersize=7)
        axes.set_xlabel(_shortened(parameter.name))
        if index % columns == 0:
            axes.set_ylabel(plot_label(search.objective.name))
        _label_axis(axes.xaxis, parameter)
        _margins(axes, parameter)
    title_figure(figure, _title(search), "square: the best")
    save_figure(figure, target)


def draw_parallel(search: Search, space: Space, target: Path) -> None:
    """Draw a line for each trial over an axis for each parameter and the score, coloured by score."""
    from matplotlib.colors import Normalize

    trials = search.best_first()[::-1]  # the best on top
    scores = [trial.score or 0.0 for trial in trials]
    names = [*(_shortened(name, 16) for name in space.names), plot_label(search.objective.name, 16)]
    figure = new_figure(max(6.0, 1.6 * len(names) + 1.5), 4.4)
    axes = figure.add_subplot()
    low, high = min(scores), max(scores)
    scale = Normalize(low, high if high > low else low + 1e-9)
    for trial, score in zip(trials, scores, strict=True):
        heights = [_height(parameter, trial) for parameter in space]
        points = [(x, y) for x, y in enumerate(heights) if y is not None]
        points.append((len(space), float(scale(score))))
        x, y = zip(*points, strict=True)
        wide = 2.4 if trial is trials[-1] else 1.2
        axes.plot(
            x,
            y,
            color=BEST if trial is trials[-1] else POINT,
            linewidth=wide,
            alpha=1.0 if trial is trials[-1] else 0.15 + 0.7 * float(scale(score)),
            marker="o",
            markersize=MARKER_SIZE,
        )
    for index, parameter in enumerate(space):
        _draw_axis(axes, index, _ticks(parameter))
    _draw_axis(
        axes, len(space), [(0.0, f"{low:.4g}"), (1.0, f"{high:.4g}")] if high > low else [(0.0, f"{low:.4g}")]
    )
    axes.set_xticks(range(len(names)), names, rotation=20 if len(names) > 5 else 0)
    axes.tick_params(length=0)
    axes.set(yticks=[], xlim=(-0.25, len(names) - 0.55), ylim=(-0.06, 1.08))
    title_figure(figure, _title(search), "thick: the best; fainter: lower scores")
    axes.spines[:].set_visible(False)
    save_figure(figure, target)


def _height(parameter: Parameter, trial: Trial) -> float | None:
    """Return where a trial's value lies on its axis, from 0 to 1; None where the parameter was inactive."""
    if parameter.name not in trial.values:
        return None
    low, high = _ends(parameter)
    return (position(parameter, trial.values[parameter.name]) - low) / (high - low) if high > low else 0.5


def _ends(parameter: Parameter) -> tuple[float, float]:
    if parameter.kind in (CHOICE, BOOLEAN):
        return 0.0, float(len(parameter.labels) - 1)
    return position(parameter, parameter.minimum), position(parameter, parameter.maximum)


def _ticks(parameter: Parameter) -> list[tuple[float, str]]:
    """Return heights and texts on an axis of the parallel figure."""
    if parameter.kind in (CHOICE, BOOLEAN):
        last = max(len(parameter.labels) - 1, 1)
        texts = [_shortened(show_label(label), 12) for label in parameter.labels]
        return [(index / last if len(texts) > 1 else 0.5, text) for index, text in enumerate(texts)]
    return [(0.0, f"{parameter.minimum:g}"), (1.0, f"{parameter.maximum:g}")]


def _draw_axis(axes: Axes, x: int, ticks: list[tuple[float, str]]) -> None:
    axes.axvline(x, ymin=0.05, ymax=0.95, color=FAINT, linewidth=1, zorder=0)
    for height, text in ticks:
        box = {"facecolor": PAPER, "edgecolor": "none", "alpha": 0.75, "pad": 0.8}
        axes.text(x + 0.05, height, text, fontsize=LABEL_FONT, color=INK, va="center", bbox=box, zorder=5)


def draw_importance(importance: dict[str, float], target: Path, *, title: str) -> None:
    """Draw a bar for each parameter, the most important on top."""
    figure, axes = _figure(6.4, 0.42 * len(importance) + 1.4)
    names = [_shortened(name) for name in importance][::-1]
    shares = list(importance.values())[::-1]
    bars = axes.barh(range(len(names)), shares, color=POINT, height=0.62)
    axes.bar_label(bars, [f"{share:.0%}" for share in shares], padding=4, fontsize=9, color=INK)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlim=(0, max(shares) * 1.14 or 1), xlabel="share of the scores' variation")
    title_panel(axes, title, 5.0)
    axes.grid(visible=False, axis="y")
    save_figure(figure, target)


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = new_figure(width, height)
    axes = figure.add_subplot()
    _style(axes)
    return figure, axes


def _style(axes: Axes) -> None:
    style_panel(axes)
    axes.ticklabel_format(useOffset=False)


def _label_axis(axis: Axis, parameter: Parameter) -> None:
    """Label an axis with options, powers of ten or whole numbers, depending on the parameter."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    if parameter.kind in (CHOICE, BOOLEAN):
        texts = [_shortened(show_label(label), 12) for label in parameter.labels]
        axis.set_ticks(range(len(texts)), texts if len(texts) <= MOST_LABELS else [""] * len(texts))
    elif parameter.sampling == "log":
        low, high = _ends(parameter)
        axis.set_major_locator(MaxNLocator(4, integer=high - low >= 1.5))
        axis.set_major_formatter(FuncFormatter(lambda exponent, _: f"{10**exponent:.2g}"))
    elif parameter.kind == "int":
        axis.set_major_locator(MaxNLocator(5, integer=True))


def _margins(axes: Axes, parameter: Parameter) -> None:
    low, high = _ends(parameter)
    room = 0.5 if parameter.kind in (CHOICE, BOOLEAN) else 0.06 * (high - low or 1.0)
    axes.set_xlim(low - room, high + room)


def _title(search: Search) -> str:
    return f"{search.name}: {search.algorithm}, {counted(len(search.trials), 'trial')}"


def _shortened(text: str, limit: int = 34) -> str:
    text = plot_label(text, len(text))
    return text if len(text) <= limit else "..." + text[3 - limit :]
