"""What several workers, or devices, cannot train as one does, found before anything starts."""

from __future__ import annotations

from collections.abc import Iterator

from mlpcli.errors import KeyPath, Problem, SpecError
from mlpcli.keras_import import keras
from mlpcli.keras_internals import all_layers, compiled_losses, wrapped_function
from mlpcli.model.build import output_metrics
from mlpcli.spec.schema import Spec
from mlpcli.training.compiled.forward import run_network
from mlpcli.training.compiled.row_arrays import Arrays
from mlpcli.training.compiled.xla_programs import is_stock
from mlpcli.training.replicas.row_sums import without_sums

MEANS = ("sum_over_batch_size", "mean")
ONE_PROCESS = "train it in one process"
ONE_DEVICE = "remove fit.distribute, to train on one device"


def check_can_share(
    model: keras.Model,
    train: Arrays,
    *,
    spec: Spec | None = None,
    who: str = "replicas",
    hint: str = ONE_PROCESS,
) -> None:
    """Check that sums over shares of a batch are what one process computes of all of it.

    Args:
        model: The compiled model.
        train: The training rows.
        spec: Where the model is from, for the places of what is wrong.
        who: Computes the shares: replicas or devices.
        hint: What to do instead.

    Raises:
        SpecError: They are not; with every reason.
    """
    found = [
        Problem(rule, path=path, received=got, hint=hint) for rule, path, got in _faults(model, train, who)
    ]
    rule = f"averages over the rows of the whole batch, which {who} divide"
    advice = f"remove synchronized: true, and each averages over its share; or {hint}"
    found += [
        Problem(f"layer {name!r} {rule}", path=path, hint=advice) for path, name in _synchronized(model, spec)
    ]
    rule = f"the variables of a metric are added over {who}, and this one's are no sums over rows"
    advice = f"write a function that returns a value for each row, or keep sums and counts; or {hint}"
    found += [
        Problem(rule, path=path, received=name, hint=advice)
        for path, name in _without_sums(model, train, spec)
    ]
    if found:
        raise SpecError(*found)


def _faults(model: keras.Model, train: Arrays, who: str) -> Iterator[tuple[str, KeyPath, str]]:
    """Yield what of the model and its losses cannot be divided: the rule, the place, what was received."""
    if not is_stock(model, "train_step", "test_step", "compute_metrics"):
        rule = f"several {who} need Keras's own train_step, test_step and compute_metrics"
        yield rule, ("model",), f"{type(model).__name__}, a class with its own"
    if model.run_eagerly:
        yield f"several {who} need steps that are graphs", ("model",), "run_eagerly: true"
    for output, loss in _losses(model):
        reduction = getattr(loss, "reduction", MEANS[0])
        if joined := _joins_rows(loss):
            rule = f"is computed from the rows of a batch together, which {who} divide"
            yield f"the loss{_of(output)} {rule}", ("loss",), joined
        elif reduction not in MEANS:
            rule = f"the loss{_of(output)} must be a mean over rows for several {who}"
            yield rule, ("loss",), f"reduction: {reduction}"
    if _masks_steps(model, train):
        rule = f"the loss is a mean over the steps that no layer masks, whose number differs among {who}"
        yield rule, ("layers",), "a mask at an output"


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


def _synchronized(model: keras.Model, spec: Spec | None) -> Iterator[tuple[KeyPath, str]]:
    """Yield the layers that average over the whole batch while they compute: their places and their names."""
    inside: set[int] = set()
    named = {layer.name: layer for layer in model.layers}
    written = (
        []
        if spec is None or spec.model is not None
        else [(node, spec.layers[node.index]) for node in spec.graph.nodes if node.name in named]
    )
    for node, component in written:
        for layer in all_layers(named[node.name]):
            inside.add(id(layer))
            if _averages_batch(layer):
                path: KeyPath = ("layers", node.index, component.class_name)
                path += ("synchronized",) if "synchronized" in component.arguments else ()
                yield path, layer.name
    for layer in all_layers(model):
        if _averages_batch(layer) and id(layer) not in inside:
            yield ("model",) if spec is not None and spec.model is not None else ("layers",), layer.name


def _averages_batch(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.BatchNormalization) and bool(layer.synchronized)


def _without_sums(model: keras.Model, train: Arrays, spec: Spec | None) -> Iterator[tuple[KeyPath, str]]:
    """Yield the metrics that cannot be added over shares: their places and their names."""
    for output, place, metric in without_sums(model, train):
        found = list(output_metrics(spec, output)) if spec is not None else []
        yield found[place][0] if place < len(found) else ("metrics",), metric.name


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
