"""A trial's values for TensorBoard's HPARAMS tab."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlpcli import runs
from mlpcli.keras_import import import_keras
from mlpcli.printable import printable


def write_hparams(run_dir: Path, values: dict[str, Any]) -> None:
    """Note the hyperparameters of a run beside its TensorBoard logs.

    TensorBoard joins them with the scalars of `train` and `validation` below the same folder.
    """
    if not values:
        return
    import_keras()
    import tensorflow as tf
    from tensorboard.plugins.hparams import summary_v2

    writer = tf.summary.create_file_writer(str(run_dir / runs.TENSORBOARD))
    plain = {
        name: value if isinstance(value, bool | int | float) else printable(str(value))
        for name, value in values.items()
    }
    with writer.as_default(step=0):
        summary = summary_v2.hparams_pb(plain, trial_id=f"{run_dir.parent.parent.name}/{run_dir.name}")
        tf.summary.experimental.write_raw_pb(summary.SerializeToString(), step=0)
    writer.close()
