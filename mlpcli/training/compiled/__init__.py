"""The compiled loop: Keras models trained by one XLA program per epoch, with the numbers of `model.fit`.

`fit`, `evaluate` and `predict` take an ordinary compiled `keras.Model` and rows in memory.
"""

from mlpcli.training.compiled.forward import evaluate, predict
from mlpcli.training.compiled.loop import fit
from mlpcli.training.compiled.row_arrays import Arrays, epoch_order
from mlpcli.training.compiled.xla_programs import CannotCompile

__all__ = ["Arrays", "CannotCompile", "epoch_order", "evaluate", "fit", "predict"]
