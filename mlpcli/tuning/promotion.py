"""Promote the best trial: train the best again with several seeds, then the winner as the final run."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from mlpcli import runs
from mlpcli.errors import KeyPath, Problem, TrainingError
from mlpcli.files import write_text
from mlpcli.model.transfer import find_start
from mlpcli.printable import shortened
from mlpcli.runs.results import Outcome
from mlpcli.runs.search_folder import BEST, COMPLETED, Promotion, Search, Trial, promotion_folder
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.callback_rules import monitors_validation
from mlpcli.spec.load import LoadedSpec, load_spec, located, with_values
from mlpcli.spec.resolve import dump, inline, portable
from mlpcli.spec.schema import TunerSpec
from mlpcli.spec.search_space import show_label
from mlpcli.spec.values import Value, ValueMap
from mlpcli.spec.yaml_reader import parse_text
from mlpcli.training.job import TRIAL, TrainingJob, TrainOptions
from mlpcli.training.prepare import build_checked, check_callbacks, complete
from mlpcli.training.session import train_locked
from mlpcli.tuning.trials import OnEpoch, TrialRunner

FULL = "full"
LONGEST_COMMENT = 200


def repeat_best(
    search: Search,
    tuner: TunerSpec,
    runner: TrialRunner,
    on_begin: Callable[[Trial, int], None],
    on_epoch: OnEpoch,
) -> None:
    """Train the best trials with several seeds each, except trainings of an earlier session.

    The first seed is the search's own: a trial that ran all epochs has been trained with it already. Results
    of an earlier session for trials that are no longer among the best are dropped.

    Args:
        search: the search, saved after each training.
        tuner: the `tuner` section: how many trials, how many seeds.
        runner: trains them.
        on_begin: called before each training with the trial and the seed.
        on_epoch: called after each epoch.
    """
    first = runner.loaded.spec.seed
    seeds = [seed % 2**32 for seed in range(first, first + tuner.seeds)]
    wanted = [(trial, seed) for trial in search.best_first()[: tuner.promote] for seed in seeds]
    places = [(trial.number, seed) for trial, seed in wanted]
    search.promotions = [kept for kept in search.promotions if (kept.trial, kept.seed) in places]
    done = {(kept.trial, kept.seed) for kept in search.promotions}
    for trial, seed in wanted:
        if (trial.number, seed) not in done:
            search.promotions.append(_repeat(search, trial, seed, runner, on_begin, on_epoch))
            search.save()


def _repeat(
    search: Search,
    trial: Trial,
    seed: int,
    runner: TrialRunner,
    on_begin: Callable[[Trial, int], None],
    on_epoch: OnEpoch,
) -> Promotion:
    """Train a trial with a seed, or return its own training if that had the seed and all epochs."""
    if seed == runner.loaded.spec.seed and trial.epochs is None:
        return Promotion(trial.number, seed, trial.score, trial.best_epoch, trial.folder)
    on_begin(trial, seed)
    name = promotion_folder(trial.number, seed)
    folder = search.folder / name
    runs.empty_folder(folder, search.folder)
    record = {"kind": "promoted", "trial": trial.number, "hyperparameters": trial.values}
    options = replace(TRIAL, record=record, engine=runner.engine_of(trial.folder))
    result = runner.train(folder, trial.proposed, options, on_epoch, epochs=full_epochs(search), seed=seed)
    score = result.score if result.status == COMPLETED else None
    return Promotion(trial.number, seed, score, result.best_epoch, name, result.reason)


def full_epochs(search: Search) -> int | None:
    """Return how many epochs Hyperband trains its best; None if every trial trains the spec's epochs."""
    epochs = search.arguments.get("max_epochs")
    return int(epochs) if epochs else None


def choose_winner(search: Search) -> Trial:
    """Return the trial with the best mean score over its seeds.

    Raises:
        TrainingError: None of the best trials could be trained again.
    """
    found = search.standings()
    if not found:
        reasons = dict.fromkeys(p.reason for p in search.promotions if p.reason)
        text = "; ".join(reasons) or "no trial was completed"
        raise TrainingError(Problem(f"there is no best trial to train again: {text}"))
    return search.trial(found[0].trial)


def write_best(search: Search, loaded: LoadedSpec, winner: Trial, *, refit: str) -> LoadedSpec:
    """Write `best.yaml`, a spec that trains the winner, and load it.

    Args:
        search: the search.
        loaded: its spec.
        winner: the best trial.
        refit: `full` to train on training and validation rows together.
    """
    chosen = with_values(loaded, winner.proposed)
    epochs = full_epochs(search)
    given = {key: value for key, value in chosen.text.data.items() if key != "tuner"}
    given = {"name": chosen.spec.name, "seed": chosen.spec.seed} | given
    document: ValueMap = portable(given, chosen.folder)
    if (start := find_start(chosen).spec.start_from) is not None:
        document = _with_entry(document, "start_from", "run", start.run)
    if refit == FULL:
        document, epochs = _on_all_rows(document), _best_epoch(search, winner)
    if epochs is not None:
        document = _with_entry(document, "fit", "epochs", epochs)
    values = _commented(document, chosen, winner)
    if parse_text(values, BEST).data != parse_text(dump(document), BEST).data:
        values = dump(document)  # a text over several lines would include the comment
    write_text(search.folder / BEST, _head(search, winner, refit) + values)
    return load_spec(search.folder / BEST)


def _with_entry(document: ValueMap, section: str, key: str, value: Value) -> ValueMap:
    """Return the document with one entry of a section set."""
    entries = document.get(section) or {}
    assert isinstance(entries, dict)
    return document | {section: entries | {key: value}}


def _on_all_rows(document: ValueMap) -> ValueMap:
    """Return the spec without a validation split and without callbacks that need one."""
    callbacks = document.get("callbacks") or []
    assert isinstance(callbacks, list)
    kept: list[Value] = [callback for callback in callbacks if not _needs_validation(callback)]
    document = _with_entry(document, "dataset", "validation", None)
    return document | ({"callbacks": kept} if "callbacks" in document else {})


def _needs_validation(callback: Value) -> bool:
    """Return whether a callback of a spec monitors a metric of the validation split, and is not left out."""
    name, arguments = next(iter(callback.items())) if isinstance(callback, dict) else (callback, None)
    return arguments is not False and monitors_validation(str(name), arguments)


def _best_epoch(search: Search, winner: Trial) -> int:
    """Return the best number of epochs for a training without validation: the median over the seeds."""
    epochs = [p.best_epoch for p in search.promotions if p.trial == winner.number and p.best_epoch]
    return int(statistics.median_low(epochs))


def _head(search: Search, winner: Trial, refit: str) -> str:
    """Return the comment at the top of `best.yaml`."""
    label = f"{search.folder.parent.name}/{search.folder.name}"
    objective = search.objective.name
    lines = [
        f"The best of search {label}: trial {winner.number} of {len(search.trials)}, {search.algorithm}.",
        f"Its {objective} was {winner.score:.6g}, in epoch {winner.best_epoch} of {winner.trained}.",
    ]
    standing = next((s for s in search.standings() if s.trial == winner.number), None)
    if standing is not None and standing.deviation is not None:
        seeds = len(standing.scores)
        lines.append(
            f"Over {seeds:,} seeds: mean {standing.mean:.6g}, standard deviation {standing.deviation:.2g}."
        )
    if refit == FULL:
        lines.append("It trains on the training and validation rows together, for the best number of epochs.")
    lines += [f"  {name} = {show_label(value)}" for name, value in winner.values.items()]
    lines.append(f"  mlpcli train {search.folder / BEST}")
    return "".join(f"# {shortened(line, LONGEST_COMMENT)}\n" for line in lines)


def _commented(document: ValueMap, loaded: LoadedSpec, winner: Trial) -> str:
    """Return the document as YAML, with a comment on the searched range behind each value of the winner."""
    marks: dict[str, tuple[Value, str]] = {}
    lines = []
    for line in dump(_mark(document, _places(loaded, winner), marks), flow=None).splitlines():
        found = [key for key in marks if re.search(rf"\b{key}\b", line)]
        for key in found:
            line = line.replace(key, inline(marks[key][0]))
        notes = dict.fromkeys(f"{marks[key][1]}: {loaded.space[marks[key][1]].range_text()}" for key in found)
        lines.append(line + (f"  # {shortened('; '.join(notes), LONGEST_COMMENT)}" if notes else ""))
    return "\n".join(lines) + "\n"


def _places(loaded: LoadedSpec, winner: Trial) -> dict[KeyPath, str]:
    """Return the name of the parameter at each path of a winner's value in the new spec."""
    found: dict[KeyPath, str] = {}
    for path, name in loaded.space.nodes.items():
        if name in winner.values:
            found.setdefault(_after_choices(path, loaded), name)  # of two choices at one path the outer
    return found


def _after_choices(path: KeyPath, loaded: LoadedSpec) -> KeyPath:
    """Return a path in the spec without its choices: without `values` and the option's position."""
    kept: list[str | int] = []
    index = 0
    while index < len(path):
        if path[index] == "values" and tuple(path[:index]) in loaded.space.nodes:
            index += 2
            continue
        kept.append(path[index])
        index += 1
    return tuple(kept)


def _mark(
    value: Value, places: dict[KeyPath, str], marks: dict[str, tuple[Value, str]], path: KeyPath = ()
) -> Value:
    """Replace each value of the winner by a unique word; in a mapping, its first key.

    Args:
        value: the document, or a value in it.
        places: the name of the parameter at each path.
        marks: receives, by word, the replaced value and the parameter's name.
        path: of `value` in the document.
    """
    if path in places and not isinstance(value, list):
        key = f"searched{len(marks)}value"  # no such word is the start of another
        if not isinstance(value, dict):
            marks[key] = (value, places[path])
            return key
        first = next(iter(value), None)
        if isinstance(first, str):
            marks[key] = (first, places[path])
            rest = _mark(value, {p: n for p, n in places.items() if p != path}, marks, path)
            assert isinstance(rest, dict)
            return {key if name == first else name: item for name, item in rest.items()}
    if isinstance(value, dict):
        return {key: _mark(item, places, marks, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_mark(item, places, marks, (*path, index)) for index, item in enumerate(value)]
    return value


def train_winner(
    search: Search,
    loaded: LoadedSpec,
    best: LoadedSpec,
    runner: TrialRunner,
    *,
    winner: Trial,
    watcher: Watcher,
    command: Sequence[str],
    begun: Mapping[str, object],
) -> Outcome:
    """Train the winner as a complete run in the search's folder, and measure it on every split.

    Args:
        search: the search.
        loaded: its spec.
        best: the spec of the winner.
        runner: has the data.
        winner: the trial.
        watcher: receives the progress.
        command: the command line, for `run.json`.
        begun: when the search was started and resumed, for `run.json`.
    """
    best = replace(best, raw=loaded.raw, file=loaded.file)
    with located(best):
        dataset = runner.dataset(best)
        completed = complete(best, dataset)
        model = build_checked(completed, dataset)
        check_callbacks(completed)
    for left in (runs.CHECKPOINTS, runs.TENSORBOARD):
        runs.remove_inside(search.folder / left, search.folder)  # from a process that was killed
    record = {"kind": "search", "hyperparameters": winner.values, "search": summary(search), **begun}
    job = TrainingJob(
        completed,
        dataset,
        model,
        search.folder,
        watcher,
        command=command,
        options=TrainOptions(record=record, engine=runner.engine_of(winner.folder)),
    )
    return train_locked(job)


def summary(search: Search) -> dict[str, object]:
    """Return the entry of `run.json` about a search."""
    best = next(iter(search.best_first()), None)
    return {
        "algorithm": search.algorithm,
        "objective": search.objective.name,
        "direction": search.objective.direction,
        "trials": len(search.trials),
        "best": {"trial": best.number, "score": best.score} if best else None,
        "winner": search.winner,
        "seconds": round(search.seconds, 1),
    }
