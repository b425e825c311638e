"""Patches: the changes of a spec that treat a finding."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from mlpcli.doctor.bounds import USUAL_RATE_FACTOR
from mlpcli.doctor.case import Case
from mlpcli.errors import KeyPath
from mlpcli.spec.edit_spec import Edit
from mlpcli.spec.plugins import KERAS
from mlpcli.spec.predictions import threshold_metric
from mlpcli.spec.schema import Spec
from mlpcli.spec.values import Value, ValueMap
from mlpcli.spec.write_learning_rate import INITIAL, RATE

SATURATING = ("sigmoid", "tanh", "hard_sigmoid", "hard_tanh", "softsign")
CLIPS = ("clipnorm", "clipvalue", "global_clipnorm")
PENALTIES = ("kernel_regularizer", "bias_regularizer", "activity_regularizer")

Patch = tuple[Edit, ...]


def usual_rate(spec: Spec) -> float | None:
    """Return the default learning rate of the spec's optimizer."""
    try:
        found = KERAS.signature("optimizers", spec.optimizer.class_name).defaults.get(RATE)
    except KeyError:
        return None
    return float(found) if isinstance(found, int | float) else None


def set_rate(spec: Spec, rate: float) -> Patch:
    """Return what sets the learning rate, or the first rate of a schedule; nothing where that is unknown."""
    name = spec.optimizer.class_name
    path: KeyPath = ("optimizer", name, RATE)
    given = spec.optimizer.arguments.get(RATE)
    if usual_rate(spec) is None and given is None:
        return ()
    value = float(f"{rate:.3g}")
    if isinstance(given, dict):
        for schedule, arguments in given.items():
            known = arguments if isinstance(arguments, dict) else {}
            for key in INITIAL:
                if isinstance(known.get(key), int | float):
                    return (Edit((*path, schedule, key), value),)
        return ()
    return (Edit(path, value),)


def lower_rate(case: Case) -> Patch:
    """Return what lowers the rate: to the optimizer's default where it is far above, else to a tenth."""
    if case.spec is None or not case.rate:
        return ()
    usual = usual_rate(case.spec)
    far = usual is not None and case.rate >= USUAL_RATE_FACTOR / 2 * usual
    return set_rate(case.spec, usual if far and usual is not None else case.rate / 10)


def raise_rate(case: Case) -> Patch:
    """Return what sets the optimizer's default rate, or ten times the rate where that is no more."""
    if case.spec is None or not case.rate:
        return ()
    usual = usual_rate(case.spec) or 0.0
    return set_rate(case.spec, max(usual, 10 * case.rate))


def stop_early(case: Case, patience: int = 10) -> Patch:
    """Return what ends the training when the validation loss no longer falls, and keeps the best epoch."""
    if case.spec is None or not case.values("val_loss"):
        return ()
    found = case.callback("EarlyStopping")
    if found is None:
        arguments: ValueMap = {"patience": patience, "restore_best_weights": True}
        return (Edit(("callbacks", 0), {"EarlyStopping": arguments}, insert=True),)
    at, _ = found
    return (Edit(("callbacks", at, "EarlyStopping", "restore_best_weights"), True),)


def train_longer(case: Case, factor: int = 4) -> Patch:
    """Return what trains for more epochs, ended by early stopping where there are validation rows."""
    if case.spec is None:
        return ()
    more = (Edit(("fit", "epochs"), factor * case.spec.fit.epochs),)
    return more if case.callback("EarlyStopping") else (*more, *stop_early(case))


def wait_longer(case: Case, patience: int = 10) -> Patch:
    """Return what makes early stopping wait."""
    found = case.callback("EarlyStopping")
    if found is None:
        return ()
    edits = [Edit(("callbacks", found[0], "EarlyStopping", "patience"), patience)]
    if found[1].arguments.get("restore_best_weights") is not True:
        edits.append(Edit(("callbacks", found[0], "EarlyStopping", "restore_best_weights"), True))
    return tuple(edits)


def scale_inputs(case: Case) -> Patch:
    """Return what scales the inputs: a layer before all others, or `scaling` of a table's numbers.

    Pixels are scaled alike: some are the same in all training rows, so that Normalization would divide them
    by nearly 0.
    """
    spec = case.spec
    if spec is None:
        return ()
    if _is_table(spec):
        return (Edit(("dataset", "scaling"), "standardize"),) if spec.dataset.scaling != "standardize" else ()
    plain = spec.model is None and not spec.inputs and all(each.sources is None for each in spec.layers)
    if not plain or not spec.layers:
        return ()
    place = 0
    while place < len(spec.layers) and spec.layers[place].class_name in ("Flatten", "Reshape"):
        place += 1
    if place == len(spec.layers) or spec.layers[place].class_name == "Normalization":
        return ()
    layer: Value = "Normalization"
    if case.pixels:
        layer = {"Rescaling": {"scale": 1 / 255}}
    elif len(case.shape) > 1:
        layer = {"Normalization": {"axis": None}}
    return (Edit(("layers", place), layer, insert=True),)


def _is_table(spec: Spec) -> bool:
    path = spec.dataset.path
    return path is not None and not str(path).lower().endswith((".npy", ".npz"))


def scale_targets(case: Case) -> Patch:
    """Return what scales the targets."""
    if case.spec is None or case.spec.dataset.target_scaling is not None:
        return ()
    return (Edit(("dataset", "target_scaling"), "standardize"),)


def clip_gradients(case: Case) -> Patch:
    """Return what bounds the norm of the gradients; nothing where something bounds them already."""
    if case.spec is None or usual_rate(case.spec) is None:
        return ()
    if any(case.spec.optimizer.arguments.get(each) is not None for each in CLIPS):
        return ()  # Keras takes one of them
    return (Edit(("optimizer", case.spec.optimizer.class_name, "clipnorm"), 1.0),)


def set_argument(
    case: Case, layers: Iterable[str], argument: str, value: Value, *, when: tuple[str, ...] = ()
) -> Patch:
    """Return what gives an argument to some layers of the network, by their names.

    Args:
        case: the run.
        layers: names of layers of the network; the copies of a repeated layer are one of the spec's.
        argument: the argument.
        value: its value.
        when: the values that it replaces; empty for any.
    """
    return tuple(
        Edit((*path, argument), value)
        for path, arguments in spec_layers(case.spec, layers)
        if not when or arguments.get(argument) in when
    )


def spec_layers(spec: Spec | None, names: Iterable[str] | None = None) -> Iterator[tuple[KeyPath, ValueMap]]:
    """Yield the layers of a spec that layers of the network are made of: their place, and their arguments."""
    if spec is None or spec.model is not None:
        return
    wanted = None if names is None else set(names)
    places = [node.index for node in spec.graph.nodes if wanted is None or node.name in wanted]
    for index in dict.fromkeys(places):
        layer = spec.layers[index]
        yield ("layers", index, layer.class_name), layer.arguments


def learnable_activation(case: Case, layers: Iterable[str]) -> Patch:
    """Return what gives layers an activation whose gradient is 0 nowhere, and weights that suit it."""
    edits: list[Edit] = []
    for path, arguments in spec_layers(case.spec, layers):
        if "activation" in arguments:
            edits.append(Edit((*path, "activation"), "leaky_relu"))
        if "kernel_initializer" in arguments:
            edits.append(Edit((*path, "kernel_initializer"), "he_normal"))
        if arguments.get("bias_initializer", "zeros") != "zeros":
            edits.append(Edit((*path, "bias_initializer"), "zeros"))
    return tuple(edits)


def relax(case: Case) -> Patch:
    """Return what weakens dropout, penalties and the decay of weights that are strong."""
    spec = case.spec
    if spec is None:
        return ()
    edits: list[Edit] = []
    for path, arguments in spec_layers(spec):
        rate = arguments.get("rate")
        if "Dropout" in str(path[-1]) and isinstance(rate, int | float) and rate > 0.5:
            edits.append(Edit((*path, "rate"), 0.2))
        edits += [Edit((*path, key), None) for key in PENALTIES if arguments.get(key) is not None]
    decay = spec.optimizer.arguments.get("weight_decay")
    if isinstance(decay, int | float) and decay > 0.01:
        edits.append(Edit(("optimizer", spec.optimizer.class_name, "weight_decay"), 0.004))
    return tuple(edits)


def smaller_batches(case: Case) -> Patch:
    """Return what makes some thirty steps of an epoch, of at least 16 rows."""
    rows = case.rows.get("train", 0)
    if case.spec is None or not rows:
        return ()
    size = max(16, 2 ** int(math.log2(max(1, rows / 30))))
    return (Edit(("fit", "batch_size"), size),) if size < case.spec.fit.batch_size else ()


def balance_classes(case: Case) -> Patch:
    """Return what makes every class count the same in the loss."""
    if case.spec is None or case.spec.fit.class_weight is not None:
        return ()
    return (Edit(("fit", "class_weight"), "balanced"),)


def choose_threshold(case: Case, rare: int) -> Patch:
    """Return what chooses the probability from which on the second of two classes is predicted.

    Args:
        case: the run.
        rare: which of the two is the rare one, 0 or 1.
    """
    spec = case.spec
    if spec is None or not (case.rows.get("validation") or spec.fit.folds):
        return ()
    metric: ValueMap = {"metric": threshold_metric(rare)}
    if spec.predict is None:
        return (Edit(("predict",), {"threshold": metric}),)
    return () if spec.predict.threshold is not None else (Edit(("predict", "threshold"), metric),)


def ignore_column(case: Case, column: str) -> Patch:
    """Return what leaves a column of a table out; nothing where an input of the network names its columns."""
    spec = case.spec
    if spec is None or not _is_table(spec) or any(each.columns is not None for each in spec.inputs.values()):
        return ()
    return (Edit(("dataset", "features", column), "ignore"),)
