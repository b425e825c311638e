"""The compiled loop: Keras models trained by one XLA program an epoch, with `model.fit`'s numbers.

`fit`, `evaluate` and `predict` take an ordinary compiled `keras.Model` and rows in memory.
"""

from mlpcli.engine.compiled.arrays import Arrays, epoch_order
from mlpcli.engine.compiled.inference import evaluate, predict
from mlpcli.engine.compiled.loop import fit
from mlpcli.engine.compiled.programs import CannotCompile

__all__ = ["Arrays", "CannotCompile", "epoch_order", "evaluate", "fit", "predict"]
