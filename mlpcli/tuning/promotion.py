"""The best of a search trained again: with several seeds to choose, and once more to keep."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from mlpcli import runs
from mlpcli.errors import Problem, TrainingError
from mlpcli.files import write_text
from mlpcli.model.transfer import find_start
from mlpcli.printable import shortened
from mlpcli.runs.results import Outcome
from mlpcli.runs.search_folder import BEST, COMPLETED, Promotion, Search, Trial, promotion_folder
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.load import LoadedSpec, load_spec, located, with_values
from mlpcli.spec.resolve import dump, inline, portable
from mlpcli.spec.schema import TunerSpec
from mlpcli.spec.search_space import show_label
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
    """Train the best trials with several seeds each; what was done in an earlier session is not done again.

    The first seed is the search's own: a trial that went the whole way has that training behind it. What an
    earlier session found of trials that are no longer among the best does not count.
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
    if seed == runner.loaded.spec.seed and trial.epochs is None:
        return Promotion(trial.number, seed, trial.score, trial.best_epoch, trial.folder)
    on_begin(trial, seed)
    name = promotion_folder(trial.number, seed)
    folder = search.folder / name
    runs.empty_folder(folder, search.folder)
    record = {"kind": "promoted", "trial": trial.number, "hyperparameters": trial.values}
    options = replace(TRIAL, record=record)
    result = runner.train(folder, trial.proposed, options, on_epoch, epochs=full_epochs(search), seed=seed)
    score = result.score if result.status == COMPLETED else None
    return Promotion(trial.number, seed, score, result.best_epoch, name, result.reason)


def full_epochs(search: Search) -> int | None:
    """How far Hyperband trains its best; None where every trial goes the spec's whole way."""
    epochs = search.arguments.get("max_epochs")
    return int(epochs) if epochs else None


def choose_winner(search: Search) -> Trial:
    """The trial with the best mean over its seeds.

    Raises:
        TrainingError: none of the best could be trained again.
    """
    found = search.standings()
    if not found:
        reasons = (
            "; ".join(dict.fromkeys(p.reason for p in search.promotions if p.reason)) or "no trial ended well"
        )
        raise TrainingError(Problem(f"there is no best trial to train again: {reasons}"))
    return search.trial(found[0].trial)


def write_best(search: Search, loaded: LoadedSpec, winner: Trial, *, refit: str) -> LoadedSpec:
    """Write `best.yaml`, a spec that trains the winner, and read it back."""
    made = with_values(loaded, winner.proposed)
    epochs = full_epochs(search)
    document = {key: value for key, value in made.text.data.items() if key != "tuner"}
    document = {"name": made.spec.name, "seed": made.spec.seed} | document
    document = portable(document, made.folder)
    if (start := find_start(made).spec.start_from) is not None:
        document["start_from"] = dict(document["start_from"]) | {"run": start.run}
    if refit == FULL:
        document, epochs = _on_all_rows(document), _best_epoch(search, winner)
    if epochs is not None:
        document["fit"] = dict(document.get("fit") or {}) | {"epochs": epochs}
    values = _commented(document, made, winner)
    if parse_text(values, BEST).data != parse_text(dump(document), BEST).data:
        values = dump(document)  # a long text goes over several lines, and a comment would be of it
    write_text(search.folder / BEST, _head(search, winner, refit) + values)
    return load_spec(search.folder / BEST)


def _on_all_rows(document: dict[str, Any]) -> dict[str, Any]:
    """The spec without a validation split, and without what needs one."""
    kept = [part for part in document.get("callbacks") or [] if not _needs_validation(part)]
    document = document | {"dataset": document["dataset"] | {"validation": None}}
    return document | ({"callbacks": kept} if "callbacks" in document else {})


def _needs_validation(part: Any) -> bool:
    name, arguments = next(iter(part.items())) if isinstance(part, dict) else (part, None)
    monitors = name in ("EarlyStopping", "ReduceLROnPlateau", "ModelCheckpoint")
    return monitors and str((arguments or {}).get("monitor", "val_loss")).startswith("val_")


def _best_epoch(search: Search, winner: Trial) -> int:
    """How many epochs are best without a validation split to say so: the median over the seeds."""
    epochs = [p.best_epoch for p in search.promotions if p.trial == winner.number and p.best_epoch]
    return int(statistics.median_low(epochs))


def _head(search: Search, winner: Trial, refit: str) -> str:
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
            f"Over {seeds} seeds: mean {standing.mean:.6g}, standard deviation {standing.deviation:.2g}."
        )
    if refit == FULL:
        lines.append(
            "It trains on the training and validation rows together, for as many epochs as were best."
        )
    lines += [f"  {name} = {show_label(value)}" for name, value in winner.values.items()]
    lines.append(f"  mlpcli train {search.folder / BEST}")
    return "".join(f"# {shortened(line, LONGEST_COMMENT)}\n" for line in lines)


def _commented(document: dict[str, Any], loaded: LoadedSpec, winner: Trial) -> str:
    """The document as YAML, with what was searched behind each value that was found."""
    marks: dict[str, tuple[Any, str]] = {}
    lines = []
    for line in dump(_mark(document, _places(loaded, winner), marks), flow=None).splitlines():
        found = [key for key in marks if re.search(rf"\b{key}\b", line)]
        for key in found:
            line = line.replace(key, inline(marks[key][0]))
        notes = dict.fromkeys(f"{marks[key][1]}: {loaded.space[marks[key][1]].range_text()}" for key in found)
        lines.append(line + (f"  # {shortened('; '.join(notes), LONGEST_COMMENT)}" if notes else ""))
    return "\n".join(lines) + "\n"


def _places(loaded: LoadedSpec, winner: Trial) -> dict[tuple[str | int, ...], str]:
    """Where in the spec each value that was found stands, and the parameter's name."""
    chosen = loaded.space
    found: dict[tuple[str | int, ...], str] = {}
    for path, name in chosen.nodes.items():
        if name in winner.values:
            found.setdefault(_after_choices(path, loaded), name)  # the outer choice of two in one place
    return found


def _after_choices(path: Sequence[str | int], loaded: LoadedSpec) -> tuple[str | int, ...]:
    """The path once choices on the way are made: `values` and the option's position fall away."""
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
    value: Any,
    places: dict[tuple[str | int, ...], str],
    marks: dict[str, tuple[Any, str]],
    path: tuple[str | int, ...] = (),
) -> Any:
    """The document with a word in the place of each value found; of a mapping, of its first key."""
    if path in places and not isinstance(value, list):
        key = f"searched{len(marks)}value"  # no such word begins another
        if not isinstance(value, dict):
            marks[key] = (value, places[path])
            return key
        first = next(iter(value), None)
        if isinstance(first, str):
            marks[key] = (first, places[path])
            rest = _mark(value, {p: n for p, n in places.items() if p != path}, marks, path)
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
) -> Outcome:
    """Train the winner into the search's own folder, with everything a run has, and measure it on test."""
    best = replace(best, raw=loaded.raw, file=loaded.file)
    with located(best):
        dataset = runner.dataset(best)
        completed = complete(best, dataset)
        model = build_checked(completed, dataset)
        check_callbacks(completed)
    for left in (runs.CHECKPOINTS, runs.TENSORBOARD):
        runs.remove_inside(search.folder / left, search.folder)  # of a process that was killed
    record = {"kind": "search", "hyperparameters": winner.values, "search": summary(search)}
    job = TrainingJob(
        completed,
        dataset,
        model,
        search.folder,
        watcher,
        command=command,
        options=TrainOptions(record=record),
    )
    return train_locked(job)


def summary(search: Search) -> dict[str, Any]:
    """What `run.json` says of a search."""
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
