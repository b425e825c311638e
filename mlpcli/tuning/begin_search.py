"""Start a new search in a folder of its own."""

from __future__ import annotations

from pathlib import Path

from mlpcli import runs
from mlpcli.errors import Problem, SpecError
from mlpcli.files import write_text
from mlpcli.model.plugins import copy_plugins
from mlpcli.model.transfer import find_start
from mlpcli.runs.results import SearchOutcome
from mlpcli.runs.search_folder import SEARCHED, Search
from mlpcli.runs.watcher import SearchWatcher
from mlpcli.spec import tuner_arguments as tuners
from mlpcli.spec.load import LoadedSpec
from mlpcli.spec.resolve import dump, portable
from mlpcli.spec.schema import TunerSpec
from mlpcli.spec.tuner_arguments import OWN_KEYS
from mlpcli.training.disk_space import check_place
from mlpcli.tuning.search import SearchOptions, SearchSession


def begin_search(
    loaded: LoadedSpec,
    *,
    runs_dir: Path,
    watcher: SearchWatcher,
    options: SearchOptions,
) -> SearchOutcome:
    """Search the hyperparameters of a spec, in a new folder.

    Args:
        loaded: the spec.
        runs_dir: the folder of all runs.
        watcher: receives the progress.
        options: how the search is run.

    Raises:
        SpecError: There is nothing to search, or the spec cannot be trained with its defaults.
        DataError: The data cannot be read.
        TooManyFailures: Too many trials in a row failed; the search can be resumed.
        KeyboardInterrupt: The search was interrupted and can be resumed.
    """
    check_place(runs_dir, loaded.spec.name)
    arguments = tuner_arguments(loaded.spec.tuner or TunerSpec(), loaded, options.trials)
    session = SearchSession.prepare(loaded, watcher, options, runs_dir, loaded.spec.name)
    tuner = session.tuner
    search = Search(
        folder=runs.create_run(runs_dir, loaded.spec.name),
        name=loaded.spec.name,
        algorithm=tuner.algorithm,
        arguments=arguments,
        objective=session.objective,
        seed=loaded.spec.seed if tuner.seed is None else tuner.seed,
        space=loaded.space.to_json(),
        spec=str(loaded.file.resolve()),
        data=session.dataset.fingerprint,
        engine="auto",
        ensemble=tuner.ensemble or 0,
    )
    with runs.locked(search.folder):
        write_text(search.folder / runs.SPEC, loaded.raw)
        write_searched(search.folder, loaded)
        session.record["plugins"] = copy_plugins(loaded.catalog, search.folder)
        search.save()
        return session.run(search)


def write_searched(folder: Path, loaded: LoadedSpec) -> None:
    """Write the searched spec into the search's folder, with the run that `start_from` refers to now."""
    document = {"name": loaded.spec.name} | loaded.source.data
    start, given = find_start(loaded).spec.start_from, document.get("start_from")
    if start is not None and isinstance(given, dict) and isinstance(given.get("run"), str):
        document["start_from"] = given | {"run": start.run}
    write_text(folder / SEARCHED, dump(portable(document, loaded.folder), flow=None))


def tuner_arguments(tuner: TunerSpec, loaded: LoadedSpec, trials: int | None = None) -> dict[str, object]:
    """Return the arguments for Keras Tuner's class.

    Args:
        tuner: the `tuner` section of the spec.
        loaded: the spec.
        trials: total number of trials, instead of the tuner's max_trials.

    Raises:
        SpecError: Hyperband does not accept a number of trials.
    """
    ours = ("objective", "seed", "max_retries_per_trial", "max_consecutive_failed_trials", *OWN_KEYS)
    names = [name for name in tuners.arguments(tuner.algorithm) if name not in ours]
    given = {name: value for name in names if (value := getattr(tuner, name)) is not None}
    if tuner.algorithm == "Hyperband":
        given.setdefault("max_epochs", loaded.spec.fit.epochs)
        if trials is not None:
            rule = "Hyperband decides on the number of its trials itself"
            hint = "set tuner.max_epochs, tuner.factor or tuner.hyperband_iterations"
            raise SpecError(Problem(rule, hint=hint))
    return given | ({"max_trials": trials} if trials is not None else {})
