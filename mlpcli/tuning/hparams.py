"""Write a trial's values for TensorBoard's HPARAMS tab."""

from __future__ import annotations

from pathlib import Path

from mlpcli import runs
from mlpcli.spec.search_space import Values


def write_hparams(run_dir: Path, values: Values) -> None:
    """Write the hyperparameters of a trial next to its TensorBoard logs.

    TensorBoard joins them with the scalars of `train` and `validation` in the same folder. Where the trial
    is a single training, its own TensorBoard adds to this file what describes the run.

    Args:
        run_dir: the trial's folder.
        values: the values of its hyperparameters; without any, nothing is written.
    """
    if not values:
        return
    from tensorboard.compat.proto import event_pb2

    from mlpcli.training.boards.event_files import write_whole
    from mlpcli.training.boards.run_texts import hparams_summary, session_name

    summary = hparams_summary(values, session_name(run_dir))
    write_whole(run_dir / runs.TENSORBOARD, [event_pb2.Event(summary=summary)])
