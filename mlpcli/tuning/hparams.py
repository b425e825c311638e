"""Write a trial's values for TensorBoard's HPARAMS tab."""

from __future__ import annotations

from pathlib import Path

from mlpcli import runs
from mlpcli.keras_import import tf
from mlpcli.printable import printable
from mlpcli.spec.search_space import Values


def write_hparams(run_dir: Path, values: Values) -> None:
    """Write the hyperparameters of a run next to its TensorBoard logs.

    TensorBoard joins them with the scalars of `train` and `validation` in the same folder.

    Args:
        run_dir: the run's folder.
        values: the values of its hyperparameters; without any, nothing is written.
    """
    if not values:
        return
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
