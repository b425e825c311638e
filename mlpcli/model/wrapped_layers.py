"""What may be inside a layer that applies another: Keras's own refusals name neither of the two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlpcli.errors import KeyPath, Problem
from mlpcli.spec.keras_roles import is_cell

ANY_LAYER = ("TimeDistributed", "SpectralNormalization")


def wrapped_problems(class_name: str, values: Mapping[str, object], path: KeyPath) -> Iterator[Problem]:
    """Yield what is wrong with the layers inside one of Keras's.

    Args:
        class_name: of the outer layer.
        values: its arguments, with the layers inside created.
        path: of the outer layer.
    """
    if class_name == "Bidirectional":
        for key in ("layer", "backward_layer"):
            if (inner := values.get(key)) is not None and not hasattr(inner, "go_backwards"):
                hint = "it reads the steps in both orders: use LSTM, GRU, SimpleRNN, RNN or a ConvLSTM"
                yield _problem("must be a recurrent layer", inner, (*path, key), hint)
                return
        yield from _same_direction(values, path)
    elif class_name == "RNN":
        for place, cell in _cells(values.get("cell")):
            if not hasattr(cell, "state_size"):
                hint = "use LSTMCell, GRUCell or SimpleRNNCell"
                yield _problem("must be a recurrent cell", cell, (*path, "cell", *place), hint)
    elif class_name in ANY_LAYER and is_cell(type(inner := values.get("layer")).__name__):
        name = type(inner).__name__
        hint = f"write {{RNN: {{cell: {{{name}: ...}}}}}}"
        yield _problem("is a recurrent cell, which an RNN calls", inner, (*path, "layer"), hint)


def _cells(value: object) -> Iterator[tuple[KeyPath, object]]:
    if isinstance(value, list | tuple):
        yield from (((place,), cell) for place, cell in enumerate(value))
    else:
        yield (), value


def _same_direction(values: Mapping[str, object], path: KeyPath) -> Iterator[Problem]:
    """Yield the problem of two recurrent layers that both read the steps in the same order."""
    forward, backward = values.get("layer"), values.get("backward_layer")
    if backward is None or getattr(forward, "go_backwards", None) != getattr(backward, "go_backwards", None):
        return
    rule = "must read the steps in the other order than layer does"
    hint = "write go_backwards: true in it, and not in layer"
    yield _problem(rule, backward, (*path, "backward_layer"), hint)


def _problem(rule: str, layer: object, path: KeyPath, hint: str) -> Problem:
    return Problem(rule, path=path, received=type(layer).__name__, hint=hint)
