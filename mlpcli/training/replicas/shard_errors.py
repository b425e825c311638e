"""What several workers, or devices, cannot train as one does, found before anything starts."""

from __future__ import annotations

from mlpcli.errors import KeyPath, Problem, SpecError
from mlpcli.keras_import import keras
from mlpcli.keras_internals import all_layers, compiled_losses, wrapped_function
from mlpcli.training.compiled.forward import run_network
from mlpcli.training.compiled.row_arrays import Arrays
from mlpcli.training.compiled.xla_programs import is_stock

MEANS = ("sum_over_batch_size", "mean")
ONE_PROCESS = "train it in one process"
ONE_DEVICE = "remove fit.distribute, to train on one device"


def check_can_share(
    model: keras.Model, train: Arrays, *, who: str = "replicas", hint: str = ONE_PROCESS
) -> None:
    """Check that sums over shares of a batch are what one process computes of all of it.

    Args:
        model: The compiled model.
        train: The training rows.
        who: Computes the shares: replicas or devices.
        hint: What to do instead.

    Raises:
        SpecError: They are not; with every reason.
    """
    found: list[tuple[str, KeyPath, str]] = []
    if not is_stock(model, "train_step", "test_step", "compute_metrics"):
        rule = f"several {who} need Keras's own train_step, test_step and compute_metrics"
        found.append((rule, ("model",), f"{type(model).__name__}, a class with its own"))
    if model.run_eagerly:
        found.append((f"several {who} need steps that are graphs", ("model",), "run_eagerly: true"))
    for output, loss in _losses(model):
        reduction = getattr(loss, "reduction", MEANS[0])
        if joined := _joins_rows(loss):
            rule = f"is computed from the rows of a batch together, which {who} divide"
            found.append((f"the loss{_of(output)} {rule}", ("loss",), joined))
        elif reduction not in MEANS:
            rule = f"the loss{_of(output)} must be a mean over rows for several {who}"
            found.append((rule, ("loss",), f"reduction: {reduction}"))
    if _masks_steps(model, train):
        rule = f"the loss is a mean over the steps that no layer masks, whose number differs among {who}"
        found.append((rule, ("layers",), "a mask at an output"))
    if found:
        problems = [Problem(rule, path=path, received=got, hint=hint) for rule, path, got in found]
        raise SpecError(*problems)


def _joins_rows(loss: object) -> str:
    """Return the name of a loss whose value for a batch is no mean of values of its rows; empty for others.

    Circle compares rows; Dice and Tversky are ratios of sums over all axes, or over those that are given.
    """
    function = wrapped_function(loss)
    name = loss if isinstance(loss, str) else getattr(function, "__name__", type(loss).__name__)
    if name.lower() == "circle":
        return "Circle"
    axis = getattr(loss, "axis", None)
    of_rows = axis is not None and 0 not in keras.tree.flatten(axis)
    return name.capitalize() if name.lower() in ("dice", "tversky") and not of_rows else ""


def embedding_note(model: keras.Model) -> str:
    """Return a line on embeddings, whose weights become others than one process's; else nothing.

    In one process Keras squares, and clips, the gradient of each place of a batch where an entry occurs, and
    adds then; shares of a batch are added first.

    Args:
        model: The compiled model.
    """
    embeds = any(isinstance(layer, keras.layers.Embedding) for layer in all_layers(model))
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    clips = any(getattr(optimizer, name, None) for name in ("clipnorm", "global_clipnorm", "clipvalue"))
    if not embeds or (type(optimizer) is keras.optimizers.SGD and not clips):
        return ""
    return (
        "the weights will not be those of one process: where an entry of an embedding occurs several times "
        "in a batch, its gradients are added before the optimizer squares or clips them"
    )


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
