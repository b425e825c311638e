"""A search: its progress and its result. A live table on a terminal, plain lines elsewhere, JSON."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping

from rich.console import Group
from rich.live import Live
from rich.status import Status
from rich.table import Table
from rich.text import Text

from mlpcli.printable import counted
from mlpcli.program_name import as_called
from mlpcli.report.console import fits, fitting_table, format_duration, format_number, show_json, show_line
from mlpcli.report.narrow import wrapped
from mlpcli.report.screen import Screen, console, cut, table
from mlpcli.runs.results import SearchOutcome
from mlpcli.runs.search_folder import BEST, COMPLETED, RUNNING, Search, Trial
from mlpcli.runs.shell_options import runs_dir_option
from mlpcli.runs.watcher import SearchWatcher
from mlpcli.spec.load import LoadedSpec
from mlpcli.spec.search_space import show_label

ROWS = 14
"""Rows of the live table; the best trial is always among them."""


class SearchReport(SearchWatcher):
    """Shows the progress of a search. A context."""

    def __init__(self, *, stderr: bool = False) -> None:
        self.console = console(stderr=stderr)
        self.search: Search | None = None
        self.planned: int | None = None
        self.progress: dict[int, str] = {}  # of running trials by number
        self.started: dict[int, float] = {}
        self.line = ""  # under the table: what the search is doing
        self.created = time.monotonic()
        self._live: Live | None = None
        self._status: Status | None = None

    def __enter__(self) -> SearchReport:
        return self

    def __exit__(self, *error: object) -> None:
        self._quiet()
        if self._live is not None:
            self.line = ""
            self.progress.pop(0, None)
            self._live.stop()
            self._live = None

    def stage(self, text: str) -> None:
        """Show in a few words what is done; in a pipe, only before the first trial."""
        self._quiet()
        if self.search is None and text and not self.console.is_terminal:
            self.console.print(Text(text))
        self.line = text
        if self._live is not None:
            self._refresh()
        elif self.console.is_terminal and text:
            self._status = self.console.status(text)
            self._status.start()

    def seconds(self) -> float:
        """Return the seconds since the command began."""
        return time.monotonic() - self.created

    def note(self, text: str) -> None:
        """Print one line above the table."""
        self.console.print(Text(as_called(text), style="yellow"))

    def begin(self, search: Search, loaded: LoadedSpec, planned: int | None) -> None:
        """Show what is searched, how, and where."""
        self._quiet()
        self.search, self.planned = search, planned
        objective = search.objective
        count = f", {counted(planned, 'trial')}" if planned else ""
        self.console.print(
            Text(f"search   {search.algorithm}{count}: {objective.direction} {objective.name}")
        )
        for parameter in loaded.space:
            self.console.print(Text(f"         {parameter.name}: {parameter.range_text()}"))
        self.console.print(Text(f"folder   {search.folder}"))
        done = [trial for trial in search.trials if trial.status != RUNNING]
        if done:
            self.console.print(Text(f"resumed  {len(done)} {'trial' if len(done) == 1 else 'trials'} done"))
        if self.console.is_terminal:
            self._live = Live(console=self.console, get_renderable=self._table, refresh_per_second=4)
            self._live.start()

    def trial_begins(self, trial: Trial) -> None:
        """Show that a trial starts."""
        self.progress[trial.number] = "starting"
        self.started[trial.number] = time.monotonic()
        self._refresh()

    def trial_epoch(self, number: int, epoch: int, epochs: int, logs: Mapping[str, float]) -> None:
        """Show that an epoch of a trial is done; trial 0 is the training of the best."""
        name = self.search.objective.name if self.search else ""
        value = f"  {name} {format_number(logs[name])}" if name in logs else ""
        self.progress[number] = f"epoch {epoch} of {epochs}{value}"

    def trial_ends(self, trial: Trial) -> None:
        """Show a trial's result: a line in a pipe, a row on a terminal."""
        self.progress.pop(trial.number, None)
        if self._live is None and self.search is not None:
            of = f" of {self.planned}" if self.planned else ""
            self.console.print(Text(f"trial {trial.number}{of}  {_outcome(self.search, trial)}"))
        self._refresh()

    def promotes(self, trial: Trial, seed: int | None) -> None:
        """Show that one of the best trials is trained again."""
        self.progress.pop(0, None)
        what = f"with seed {seed}" if seed is not None else "for the final model"
        self.line = f"training trial {trial.number} again {what}"
        if self._live is None:
            self.console.print(Text(self.line))
        self._refresh()

    def _quiet(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _refresh(self) -> None:
        """Draw at once what happens rarely; the epochs of a trial wait for the next drawing."""
        if self._live is not None:
            self._live.refresh()

    def _table(self) -> Group:
        """Return the newest trials and the best, then one line: best so far and time left."""
        assert self.search is not None
        search = self.search
        best = next(iter(search.best_first()), None)
        shown = search.trials[-ROWS:]
        if best is not None and best not in shown:
            shown = [best, *shown[1:]]
        names = list(dict.fromkeys(name for trial in shown for name in trial.values))
        rows = [self._row(trial, names, best) for trial in shown]
        content = table(("trial", *names, search.objective.name, "epochs", "time"), rows)
        if not fits(self.console, content):
            content = self._narrow(rows, shown)
        return Group(content, Text(self._foot(best), style="dim"))

    def _narrow(self, rows: list[tuple[str, ...]], shown: list[Trial]) -> Table:
        """Return the table with all values in one last column, cut off where the console ends."""
        assert self.search is not None
        columns = ("trial", self.search.objective.name, "epochs", "time")
        short = [(row[0], row[-3], cut(row[-2], 24), row[-1]) for row in rows]
        widths = (max(map(len, column)) + 2 for column in zip(columns, *short, strict=True))
        room = max(6, self.console.width - sum(widths))
        values = [Text(_values(trial), no_wrap=True) for trial in shown]
        for text in values:
            text.truncate(room, overflow="ellipsis")
        narrow = table((*columns, "values"), [])
        narrow.columns[-1].justify = "left"
        for row, text in zip(short, values, strict=True):
            narrow.add_row(*row, text)
        return narrow

    def _row(self, trial: Trial, names: list[str], best: Trial | None) -> tuple[str, ...]:
        mark = " *" if trial is best else ""
        values = [show_label(trial.values[name]) if name in trial.values else "" for name in names]
        if trial.status == RUNNING:
            passed = format_duration(time.monotonic() - self.started.get(trial.number, time.monotonic()))
            return (str(trial.number), *values, "", self.progress.get(trial.number, ""), passed)
        score = format_number(trial.score) if trial.score is not None else "failed"
        epochs = (
            f"{trial.best_epoch} of {trial.trained}" if trial.status == COMPLETED else cut(trial.reason, 40)
        )
        return (f"{trial.number}{mark}", *values, score, epochs, format_duration(trial.seconds))

    def _foot(self, best: Trial | None) -> str:
        assert self.search is not None
        parts = [
            f"best {format_number(best.score)} (trial {best.number})"
            if best and best.score is not None
            else ""
        ]
        done = [trial for trial in self.search.trials if trial.status != RUNNING]
        if self.planned and done and len(done) < self.planned:
            together = max(1, len(self.search.trials) - len(done))
            each = sum(trial.seconds for trial in done) / len(done)
            parts.append(f"about {format_duration(each * (self.planned - len(done)) / together)} left")
        parts += [self.line, self.progress.get(0, "")]
        return "   ".join(part for part in parts if part)


class WorkerReport(SearchWatcher):
    """Shows what a worker does, one line per trial; the rest is shown by the chief. A context."""

    def __init__(self, *, stderr: bool = False) -> None:
        self.console = console(stderr=stderr)

    def __enter__(self) -> WorkerReport:
        return self

    def __exit__(self, *error: object) -> None:
        """Do nothing: there is nothing to remove."""

    def note(self, text: str) -> None:
        """Print one line."""
        self.console.print(Text(as_called(text), style="yellow"))

    def trial_begins(self, trial: Trial) -> None:
        """Show that a trial starts."""
        values = _values(trial)
        self.console.print(Text(f"trial {trial.number}  {values}"))

    def trial_ends(self, trial: Trial) -> None:
        """Show a trial's result."""
        score = (
            f"score {format_number(trial.score)}" if trial.score is not None else f"failed: {trial.reason}"
        )
        self.console.print(Text(f"trial {trial.number}  {score}  ({format_duration(trial.seconds)})"))


def _values(trial: Trial) -> str:
    return "  ".join(f"{name} {show_label(value)}" for name, value in trial.values.items())


def _outcome(search: Search, trial: Trial) -> str:
    values = _values(trial)
    if trial.score is None:
        return f"failed: {trial.reason}  ({values})"
    how = f"epoch {trial.best_epoch} of {trial.trained}, {format_duration(trial.seconds)}"
    return f"{search.objective.name} {format_number(trial.score)}  ({how})  {values}"


def show_search(outcome: SearchOutcome, total: float) -> None:
    """Show the best three trials, the metrics, hyperparameter importance, and what to type next.

    Args:
        outcome: the search's.
        total: the seconds of this command.
    """
    out = console()
    search = outcome.search
    out.print()
    _show_top(out, search)
    if outcome.importance:
        shares = "  ".join(f"{name} {share:.0%}" for name, share in outcome.importance.items())
        out.print()
        out.print(
            Text(f"hyperparameter importance, from {counted(len(search.best_first()), 'trial')}  {shares}")
        )
    _show_promotions(out, search)
    if outcome.metrics:
        names = list(next(iter(outcome.metrics.values())))
        rows = [(split, *(format_number(v[name]) for name in names)) for split, v in outcome.metrics.items()]
        out.print()
        out.print(fitting_table(out, ("split", *names), rows))
    failed = sum(trial.status != COMPLETED for trial in search.trials)
    lost = f", {failed} of them failed" if failed else ""
    out.print()
    out.print(Text(f"{counted(len(search.trials), 'trial')}{lost}"))
    for line in _time_lines(out, outcome, total):
        out.print(Text(line))
    out.print(Text(f"run  {search.folder}"))
    where = runs_dir_option(search.folder.parent.parent)
    following = []
    if outcome.run is not None:
        following.append(f"evaluate {search.folder.parent.name}{where}")
        following.append(f"train {shlex.quote(str(search.folder / BEST))}")
    exhausted = len(search.trials) < _as_number(search.arguments.get("max_trials"))
    if search.algorithm != "Hyperband" and not exhausted:
        following.append(f"tune --resume {search.label} --trials {2 * len(search.trials)}{where}")
    for word, line in zip(("next", "    ", "    "), following, strict=False):
        out.print(Text(as_called(f"{word} mlpcli {line}")))


def _as_number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _time_lines(out: Screen, outcome: SearchOutcome, total: float) -> list[str]:
    """Return where the time of this command went, and that of earlier sessions of the search."""
    rest = max(0.0, total - sum(outcome.parts.values()))
    parts = {**outcome.parts, "starting and drawing": rest}
    pairs = [f"{name} {format_duration(seconds)}" for name, seconds in parts.items()]
    first, *more = wrapped(pairs, out.room - 14, indent="     ")
    lines = [f"time {format_duration(total)}: {first}", *more] if outcome.parts else []
    before = outcome.seconds - sum(outcome.parts.values())
    return [*lines, f"     and {format_duration(before)} in earlier sessions"] if before > 1 else lines


def _why_kept(search: Search) -> str:
    """Return why the promoted trial is the one that is kept, best in the search or not."""
    best = next(iter(search.best_first()), None)
    standings = search.standings()
    if best is None or search.winner is None or not standings:
        return ""
    if search.members:
        return f"the mean of the trials {', '.join(map(str, search.members))} is kept"
    kept = standings[0]
    runs = counted(len(kept.scores), "training")
    if best.number == search.winner:
        return f"trial {best.number} is kept: it was best in the search, and is best over {runs}"
    other = next((each for each in standings if each.trial == best.number), None)
    against = "" if other is None else f", against {format_number(other.mean)} of trial {best.number}"
    return (
        f"trial {search.winner} is kept: its mean over {runs} is {format_number(kept.mean)}{against}, "
        "which was best in the search with one seed"
    )


def show_worker(trials: int, *, json: bool) -> None:
    """Show how many trials a worker ran."""
    if json:
        show_json({"role": "worker", "trials": trials})
    else:
        show_line(f"the search has ended; this worker ran {counted(trials, 'trial')}")


def _show_top(out: Screen, search: Search) -> None:
    best = search.best_first()[:3]
    if not best:
        return
    names = list(dict.fromkeys(name for trial in best for name in trial.values))
    rows = [
        (
            f"{rank}.",
            str(trial.number),
            format_number(trial.score or 0.0),
            f"{trial.best_epoch} of {trial.trained}",
            *(show_label(trial.values[name]) if name in trial.values else "" for name in names),
        )
        for rank, trial in enumerate(best, 1)
    ]
    out.print(fitting_table(out, ("", "trial", search.objective.name, "epoch", *names), rows))
    metrics = "  ".join(f"{name} {format_number(value)}" for name, value in best[0].metrics.items())
    out.print()
    out.print(Text(f"trial {best[0].number}  {metrics}"))


def _show_promotions(out: Screen, search: Search) -> None:
    """Show the mean and deviation of each of the best trials over its seeds."""
    rows = []
    for standing in search.standings():
        deviation = "" if standing.deviation is None else format_number(standing.deviation)
        kept = standing.trial in search.members if search.members else standing.trial == search.winner
        mark = " *" if kept else ""
        scores = ", ".join(format_number(score) for score in standing.scores)
        rows.append((f"{standing.trial}{mark}", format_number(standing.mean), deviation, scores))
    if rows:
        out.print()
        out.print(table(("promoted trial", "mean", "deviation", "by seed"), rows))
        if why := _why_kept(search):
            out.print(Text(why))


def _standings_json(search: Search) -> list[dict[str, object]]:
    """Return the promoted trials with their scores, the best mean first."""
    return [
        {"trial": s.trial, "mean": s.mean, "deviation": s.deviation, "scores": list(s.scores)}
        for s in search.standings()
    ]


def search_json(outcome: SearchOutcome) -> dict[str, object]:
    """Return a search's outcome for scripts."""
    search = outcome.search
    best = search.best_first()
    return {
        "run": search.label,
        "folder": str(search.folder),
        "algorithm": search.algorithm,
        "objective": {"name": search.objective.name, "direction": search.objective.direction},
        "trials": [_trial_json(trial) for trial in search.trials],
        "best": [trial.number for trial in best[:3]],
        "importance": outcome.importance,
        "promoted": _standings_json(search),
        "winner": search.winner,
        "members": search.members,
        "metrics": outcome.metrics,
        "seconds": outcome.seconds,
    }


def _trial_json(trial: Trial) -> dict[str, object]:
    document: dict[str, object] = {
        "trial": trial.number,
        "status": trial.status,
        "values": trial.values,
        "score": trial.score,
        "best_epoch": trial.best_epoch,
        "epochs": trial.trained,
        "seconds": trial.seconds,
        "metrics": trial.metrics,
        "folder": trial.folder,
    }
    return document | ({"reason": trial.reason} if trial.reason else {})
