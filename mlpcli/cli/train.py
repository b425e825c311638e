"""`mlpcli train`."""

from __future__ import annotations

import sys

from mlpcli.cli.options import (
    RUNS_DIR,
    AdviceOption,
    DebugOption,
    JsonOption,
    RunsDirOption,
    SetOption,
    SpecArgument,
)


def train(
    spec: SpecArgument,
    settings: SetOption = None,
    runs_dir: RunsDirOption = RUNS_DIR,
    advice: AdviceOption = True,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Train what a spec says, into a new run folder."""
    from mlpcli import report
    from mlpcli.spec.load import load_spec

    loaded = load_spec(spec, settings=settings or ())
    from mlpcli.engine.training import train as train_spec

    with report.TrainingReport(stderr=json) as watcher:
        outcome = train_spec(loaded, runs_dir=runs_dir, watcher=watcher, command=sys.argv, advice=advice)
    if json:
        report.show_json(report.outcome_json(outcome))
    else:
        report.show_outcome(outcome, runs_dir)
