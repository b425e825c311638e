"""The mean of several trained networks as one network.

Each member reads its own part of a row, since it has its own preprocessor, and its outputs are brought to
what a user sees: probabilities, or values in the target's own units. Their mean is brought back to what the
spec's loss takes. So the spec's loss and metrics, the export and the predictions are those of any network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mlpcli.data.dataset import Contract, Output
from mlpcli.data.quantiles import to_log
from mlpcli.data.stacked_contract import ONLY, StackedContract
from mlpcli.keras_import import keras
from mlpcli.model.build import output_loss
from mlpcli.model.default_losses import activation_of, gives_scores, output_layers
from mlpcli.model.normal_values import to_normal
from mlpcli.model.outputs import final_outputs, to_probabilities
from mlpcli.model.target_scaling import of_levels
from mlpcli.spec.layer_graph import ONLY_INPUT
from mlpcli.spec.schema import ComponentSpec, Spec

ops = keras.ops

Tensors = list["keras.KerasTensor"]
"""An output of each member, in their order."""

SMALLEST = 1e-37
"""Probabilities below this count as this where their logarithm is taken: float32 has none much smaller."""


@dataclass(frozen=True)
class Member:
    """A trained network of an ensemble.

    Attributes:
        network: as it was trained, with scaled targets.
        spec: its own.
        contract: its own.
    """

    network: keras.Model
    spec: Spec
    contract: Contract


def why_no_mean(contract: Contract) -> str | None:
    """Return why the predictions of several networks for a target have no mean; None where they have one."""
    for output in contract.outputs:
        if output.kind == "sequences":
            return (
                "a sequence of labels has no mean: two networks place a label at different steps, and the "
                "mean of their steps reads as neither"
            )
    return None


def mean_network(name: str, spec: Spec, stacked: StackedContract, members: Sequence[Member]) -> keras.Model:
    """Return the network that predicts the mean of what its members predict.

    Args:
        name: of the network.
        spec: whose loss and metrics the network is compiled with.
        stacked: the contract of its rows and outputs.
        members: one or more; their networks become layers of this one, and are renamed.

    Raises:
        ValueError: their outputs have no mean.
    """
    contract = stacked.contract
    if reason := why_no_mean(contract):
        raise ValueError(reason)
    inputs = _inputs(contract)
    taken = _taken(inputs, stacked, len(members))
    own: dict[str, Tensors] = {output.name: [] for output in contract.outputs}
    final: dict[str, Tensors] = {output.name: [] for output in contract.outputs}
    names = _free_names(len(members), {*inputs, *own})
    for member, rows, free in zip(members, taken, names, strict=True):
        member.network.name = free
        outputs = member.network(rows)
        seen = final_outputs(member.spec, member.contract, outputs)
        for output in contract.outputs:
            own[output.name].append(outputs[output.name] if output.name else outputs)
            final[output.name].append(seen[output.name] if output.name else seen)
    means = {
        output.name: _mean(output, spec, members, own[output.name], final[output.name])
        for output in contract.outputs
    }
    if contract.output.name:  # Keras finds the loss of an output by the name of its last layer
        found = {key: keras.layers.Identity(name=key, dtype="float32")(mean) for key, mean in means.items()}
    return keras.Model(
        inputs if contract.inputs else inputs[ONLY], found if contract.output.name else means[""], name=name
    )


def _free_names(count: int, taken: set[str]) -> list[str]:
    """Return a name for each member that no input or output has."""
    stem = "member"
    while any(name.startswith(stem) for name in taken):
        stem += "_"
    return [f"{stem}_{place}" for place in range(1, count + 1)]


def _inputs(contract: Contract) -> dict[str, keras.KerasTensor]:
    dtype = contract.dtype if contract.dtype == "int64" else None
    if not contract.inputs:
        return {ONLY: keras.Input(contract.shape, name=ONLY_INPUT, dtype=dtype)}
    return {each.name: keras.Input(each.shape, name=each.name, dtype=dtype) for each in contract.inputs}


def _taken(
    inputs: dict[str, keras.KerasTensor], stacked: StackedContract, count: int
) -> list[keras.KerasTensor | dict[str, keras.KerasTensor]]:
    """Return what each of some members reads."""
    pieces: dict[str, Tensors] = {}
    for name, tensor in inputs.items():
        spans = stacked.spans[name]
        if spans is None:
            pieces[name] = [tensor] * count
        else:
            pieces[name] = (
                ops.split(tensor, [span.stop for span in spans[:-1]], axis=1) if count > 1 else [tensor]
            )
    if not stacked.contract.inputs:
        return pieces[ONLY]
    return [{name: found[place] for name, found in pieces.items()} for place in range(count)]


def _mean(
    output: Output, spec: Spec, members: Sequence[Member], own: Tensors, final: Tensors
) -> keras.KerasTensor:
    """Return the mean of an output as the loss of the spec takes it, float32.

    Args:
        output: of the mean.
        spec: of the mean.
        members: the members.
        own: what each member's network returns.
        final: what a user sees of it.

    Raises:
        ValueError: see `mean_network`.
    """
    loss = output_loss(spec, output.name)
    losses = [output_loss(each.spec, output.name) for each in members]
    _check_alike(output, losses, own)
    if output.kind == "groups":  # distances are then the means of the members' distances
        return ops.concatenate([each / math.sqrt(len(own)) for each in own], axis=-1)
    if output.scale is None and loss.arguments.get("from_logits", False):
        return _mean_logits(loss, losses, own)
    mean = _average(final)
    if output.is_scored and gives_scores(loss) and own[0].shape[-1] == 1:
        mean = _vote(activation_of(output_layers(spec).get(output.name)), mean)
    if output.scale is not None:
        mean = of_levels(output, mean, lambda values: to_scaled(values, output))
    return ops.cast(mean, "float32")


def _check_alike(output: Output, losses: Sequence[ComponentSpec], own: Tensors) -> None:
    where = f"output {output.name}: " if output.name else ""
    for place, (loss, tensor) in enumerate(zip(losses, own, strict=True), 1):
        if tensor.shape[1:] != own[0].shape[1:]:
            shapes = f"{tensor.shape[1:]}, the first {own[0].shape[1:]}"
            raise ValueError(f"{where}member {place} predicts rows of the shape {shapes}")
        if output.is_scored and gives_scores(loss) != gives_scores(losses[0]):
            raise ValueError(f"{where}one member gives scores, another probabilities")


def _average(values: Tensors) -> keras.KerasTensor:
    """Return the mean, in float64: a sum of many float32 loses digits."""
    return ops.mean(ops.stack([ops.cast(each, "float64") for each in values]), axis=0)


def _vote(activation: str | None, mean: keras.KerasTensor) -> keras.KerasTensor:
    """Return the vote of outputs that are steps, as one of them is: the class of more than half of them."""
    if activation == "heaviside":
        return ops.cast(mean > 0.5, "float64")
    return ops.sign(mean) if activation == "sign" else mean


def _mean_logits(loss: ComponentSpec, losses: Sequence[ComponentSpec], own: Tensors) -> keras.KerasTensor:
    """Return the logits of the mean of the members' probabilities, from logarithms, so that none is 0."""
    if "Binary" in loss.class_name:
        yes = [_log_of(each, values, ops.log_sigmoid) for each, values in zip(losses, own, strict=True)]
        no = [
            _log_of(each, values, lambda logits: ops.log_sigmoid(-logits), rest=True)
            for each, values in zip(losses, own, strict=True)
        ]
        return ops.logsumexp(ops.stack(yes), axis=0) - ops.logsumexp(ops.stack(no), axis=0)
    logs = [_log_of(each, values, ops.log_softmax) for each, values in zip(losses, own, strict=True)]
    return ops.logsumexp(ops.stack(logs), axis=0) - math.log(len(own))


def _log_of(
    loss: ComponentSpec,
    values: keras.KerasTensor,
    of_logits: Callable[[keras.KerasTensor], keras.KerasTensor],
    *,
    rest: bool = False,
) -> keras.KerasTensor:
    """Return the logarithm of one member's probabilities; with `rest`, of what is missing to 1."""
    values = ops.cast(values, "float32")
    if loss.arguments.get("from_logits", False):
        return of_logits(values)
    found = to_probabilities(loss, values)
    return ops.log(ops.maximum(1 - found if rest else found, SMALLEST))


def to_scaled(values: keras.KerasTensor, output: Output) -> keras.KerasTensor:
    """Return values in a target's own units as a network gives them: `scale_target` with tensors.

    Args:
        values: (rows, ..., targets) float64, within the range of the training rows.
        output: whose target is scaled.
    """
    if output.log is not None:
        values = to_log(ops, values - np.asarray(output.log))
    if output.quantiles is not None:
        flat = ops.reshape(values, (-1, len(output.quantiles)))
        normal = to_normal(flat, output.quantiles)
        values = ops.reshape(normal, (-1, *values.shape[1:]))
    return (values - np.asarray(output.offset)) / np.asarray(output.scale)
