"""What several workers cannot train as one process does, found before anything starts."""

from __future__ import annotations

from mlpcli.errors import KeyPath, Problem, SpecError
from mlpcli.keras_import import keras
from mlpcli.keras_internals import all_layers, compiled_losses
from mlpcli.training.compiled.forward import run_network
from mlpcli.training.compiled.row_arrays import Arrays
from mlpcli.training.compiled.xla_programs import is_stock

MEANS = ("sum_over_batch_size", "mean")
ONE_PROCESS = "train it in one process"


def check_can_share(model: keras.Model, train: Arrays) -> None:
    """Check that sums over shares of a batch are what one process computes of all of it.

    Args:
        model: The compiled model.
        train: The training rows.

    Raises:
        SpecError: They are not; with every reason.
    """
    found: list[tuple[str, KeyPath, str]] = []
    if not is_stock(model, "train_step", "test_step", "compute_metrics"):
        rule = "several replicas need Keras's own train_step, test_step and compute_metrics"
        found.append((rule, ("model",), f"{type(model).__name__}, a class with its own"))
    if model.run_eagerly:
        found.append(("several replicas need steps that are graphs", ("model",), "run_eagerly: true"))
    for output, loss in _losses(model):
        reduction = getattr(loss, "reduction", MEANS[0])
        if isinstance(loss, keras.losses.Circle):
            rule = "compares the rows of a batch with each other, which replicas divide"
            found.append((f"the loss{_of(output)} {rule}", ("loss",), "Circle"))
        elif reduction not in MEANS:
            rule = f"the loss{_of(output)} must be a mean over rows for several replicas"
            found.append((rule, ("loss",), f"reduction: {reduction}"))
    if _masks_steps(model, train):
        rule = "the loss is a mean over the steps that no layer masks, whose number differs by replica"
        found.append((rule, ("layers",), "a mask at an output"))
    if found:
        problems = [Problem(rule, path=path, received=got, hint=ONE_PROCESS) for rule, path, got in found]
        raise SpecError(*problems)


def _losses(model: keras.Model) -> list[tuple[str, object]]:
    built = [(output, loss) for output, loss, _ in compiled_losses(model)]
    if built:
        return built
    return [("", loss) for loss in keras.tree.flatten(model.loss) if loss is not None]


def _of(output: str) -> str:
    return f" of {output}" if output else ""


def _masks_steps(model: keras.Model, train: Arrays) -> bool:
    """Return whether an output has a mask."""
    masking = (
        isinstance(layer, keras.layers.Masking) or getattr(layer, "mask_zero", False)
        for layer in all_layers(model)
    )
    if not any(masking):
        return False
    x = keras.tree.map_structure(lambda leaf: leaf[:1], train.x)
    return any(mask is not None for mask in run_network(model, x).masks)
