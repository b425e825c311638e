"""Run and search folders: their files, lists and comparisons; and what commands return, as plain values.

`from mlpcli import runs` gives file names and functions of `folder`, `guard` and `lock`.

A run: `folder` creates and finds it, `guard` keeps to it, `lock` is held by one process, `own_files` are
what it holds, `trust` knows its plug-ins. Its records are read by `record_models` with `network_record`
and `disk_record`, and by `leaking_columns`, its epochs by `run_epochs`; `notes` are people's.
`search_folder` is the same of a search. `watcher` is told what happens while they are trained.

Many runs: `subfolders` lists them, `run_values` are what they are sorted and filtered by (`choose_runs`),
`scores` and `best_run` choose one among those of the `same_rows`, `comparison` and `main_metric` put them
side by side, `judge_baseline` compares one with models without a network, `remove` deletes them, and
`cache` what is kept beside them. `shell_options` writes the commands that name them.

What commands return: `results` of most, `evaluation_results`, `group_results`, `paired_results`,
`label_results`, `drift_results`, `more_data`, `explanation`, `diagnosis`, `exported`; `result_texts` shows
them in a notebook.
"""

from mlpcli.runs.cache import CACHE
from mlpcli.runs.folder import (
    BEST_CHECKPOINT,
    CHECKPOINTS,
    COMPLETED,
    DECISION_BOUNDARY,
    DIVERGED,
    FAILED,
    HELD_OUT,
    HISTORY,
    INTERRUPTED,
    LAST_CHECKPOINT,
    LEARNING_CURVES,
    METRICS,
    MODEL,
    MODEL_PICTURE,
    OUT_OF_FOLD,
    PLOTS,
    PLUGINS,
    RECORD,
    RELIABILITY,
    RESOLVED,
    RUNNING,
    SAVED_MODEL,
    SPEC,
    STATE,
    SUMMARY,
    TENSORBOARD,
    create_run,
    data_facts,
    new_run,
    open_run,
    resume_command,
    write_last_record,
    write_record,
)
from mlpcli.runs.guard import FOLDS, SEEDS, check_inside, empty_folder, remove_inside
from mlpcli.runs.lock import LOCK, is_locked, locked

__all__ = [
    "BEST_CHECKPOINT",
    "CACHE",
    "CHECKPOINTS",
    "COMPLETED",
    "DECISION_BOUNDARY",
    "DIVERGED",
    "FAILED",
    "FOLDS",
    "HELD_OUT",
    "HISTORY",
    "INTERRUPTED",
    "LAST_CHECKPOINT",
    "LEARNING_CURVES",
    "LOCK",
    "METRICS",
    "MODEL",
    "MODEL_PICTURE",
    "OUT_OF_FOLD",
    "PLOTS",
    "PLUGINS",
    "RECORD",
    "RELIABILITY",
    "RESOLVED",
    "RUNNING",
    "SAVED_MODEL",
    "SEEDS",
    "SPEC",
    "STATE",
    "SUMMARY",
    "TENSORBOARD",
    "check_inside",
    "create_run",
    "data_facts",
    "empty_folder",
    "is_locked",
    "locked",
    "new_run",
    "open_run",
    "remove_inside",
    "resume_command",
    "write_last_record",
    "write_record",
]
