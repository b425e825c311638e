"""Losses of a network of members: each member has one of its own, for each row."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mlpcli.checks.output_views import OutputView, canonical
from mlpcli.data.types import Array
from mlpcli.errors import Problem
from mlpcli.keras_import import keras
from mlpcli.model.components import plain_reason
from mlpcli.model.member_loss import MemberLoss

OF_BATCHES = ("circle", "dice", "tversky")
"""Losses that compare, or add up, the rows of a batch."""


def member_loss_problems(view: OutputView, probabilities: bool) -> Iterator[Problem]:
    """Yield what is wrong with the loss of an output that is the mean of members.

    Args:
        view: the output.
        probabilities: its loss takes probabilities, or logits with `from_logits`.
    """
    name, received, values = canonical(view.loss, "losses"), view.loss.class_name, view.output_range
    if name == "ctc":
        rule = "this loss is of sequences, and members predict one value, or one class, for each row"
        yield Problem(rule, path=view.loss_path, received=received, hint="leave the members out")
    elif name in OF_BATCHES and view.loss.arguments.get("axis") is None:
        rule = "this loss is of all rows of a batch together, and each member needs a loss for each row"
        hint = "leave the members out, or use another loss"
        yield Problem(rule, path=view.loss_path, received=received, hint=hint)
    elif values is not None and values.steps:
        rule = f"the mean of the members' predictions has no meaning where these are steps ({values.name})"
        hint = "leave the activation of the last MemberDense out"
        yield Problem(rule, path=values.path, received=values.name, hint=hint)
    elif probabilities and (view.loss.arguments.get("from_logits") or not _are_probabilities(view)):
        word = "sigmoid" if view.units == 1 or view.output.kind == "labels" else "softmax"
        rule = "the members must predict probabilities: the mean of logits is not that of probabilities"
        hint = f"write activation: {word} in the last MemberDense"
        if view.loss.arguments.get("from_logits") and view.loss_path[0] == "loss":
            hint += ", and remove from_logits"
        place, shown = (values.path, values.name) if values else (view.path, received)
        yield Problem(rule, path=place, received=shown, hint=hint)


def _are_probabilities(view: OutputView) -> bool:
    return view.output_range is None or view.output_range.is_probability


def member_trial_problems(
    view: OutputView, made: object, members: keras.KerasTensor, truth: Array
) -> Iterator[Problem]:
    """Yield what is wrong with a loss of members, tried on some rows as in training.

    Args:
        view: the output.
        made: its loss, as `compile` takes it.
        members: the members' predictions, (rows, members, units), of an even number of rows.
        truth: the targets.
    """
    loss = MemberLoss(made)
    mean = keras.ops.mean(members, axis=1)
    mean.of_members = members
    try:
        loss(truth, mean)
    except Exception as error:  # whatever Keras, TensorFlow or a plug-in objects to
        rule = f"this loss cannot be computed for each member: {plain_reason(error)}"
        yield Problem(rule, path=view.loss_path, received=view.loss.class_name)
        return
    if not canonical(view.loss, "losses") and not _is_of_rows(loss, truth, members[:, 0]):
        rule = "this loss is not the mean of a loss of each row, and each member needs one"
        hint = "return one value for each row, or leave the members out"
        yield Problem(rule, path=view.loss_path, received=view.loss.class_name, hint=hint)


def _is_of_rows(loss: MemberLoss, truth: Array, outputs: keras.KerasTensor) -> bool:
    """Return whether a loss of some rows is the mean of the losses of its halves."""
    half = len(truth) // 2
    cuts = (slice(0, 2 * half), slice(0, half), slice(half, 2 * half))
    whole, *halves = (float(np.sum(loss(truth[cut], outputs[cut]))) for cut in cuts)
    parts = np.sum(halves) if loss.reduction in ("sum", "none", None) else np.mean(halves)
    return bool(np.isclose(whole, parts, rtol=1e-3, atol=1e-6))
