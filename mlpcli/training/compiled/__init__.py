"""The compiled loops: Keras models trained by one program per epoch, with the numbers of `model.fit`.

The program is XLA's, or a graph of TensorFlow's own kernels.

`fit`, `evaluate` and `predict` take an ordinary compiled `keras.Model` and rows in memory.
"""

from mlpcli.training.compiled.fit_settings import CHUNK_BYTES, GRAPH, QUICK_XLA, XLA, FitSettings, Loop
from mlpcli.training.compiled.fixed_batches import FixedBatches
from mlpcli.training.compiled.forward import Outputs, batch_rows, evaluate, predict, run_network
from mlpcli.training.compiled.graph_loop import why_graph
from mlpcli.training.compiled.kept_programs import keep_programs
from mlpcli.training.compiled.loop import fit
from mlpcli.training.compiled.row_arrays import Arrays, epoch_order, take_rows
from mlpcli.training.compiled.xla_programs import CannotCompile, is_stock

__all__ = [
    "CHUNK_BYTES",
    "GRAPH",
    "QUICK_XLA",
    "XLA",
    "Arrays",
    "CannotCompile",
    "FitSettings",
    "FixedBatches",
    "Loop",
    "Outputs",
    "batch_rows",
    "epoch_order",
    "evaluate",
    "fit",
    "is_stock",
    "keep_programs",
    "predict",
    "run_network",
    "take_rows",
    "why_graph",
]
