"""What each row adds to a loss: a numerator and a denominator, of which the loss is the ratio."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlpcli.data.types import Array
from mlpcli.keras_import import keras
from mlpcli.keras_internals import mask_of
from mlpcli.model.member_loss import MemberLoss
from mlpcli.model.row_addends import NotOfRows, plain, same_rank

Tensor = Any
"""A tensor of TensorFlow, which has no types."""

COMPARES_ROWS = (keras.losses.Circle,)
"""Losses of pairs of rows: with other rows in its batch a row has another loss."""


def inner_loss(loss: keras.losses.Loss) -> keras.losses.Loss:
    """Return the loss of an evaluation: that of the mean of the members where a loss is one of members."""
    if isinstance(loss, MemberLoss) and isinstance(loss.of_rows, keras.losses.Loss):
        return loss.of_rows
    return loss


def loss_addends(loss: keras.losses.Loss, y_true: Tensor, y_pred: Tensor, weights: Tensor | None) -> Array:
    """Return what rows add to a loss over all of them, (rows, 2): numerators and denominators.

    Args:
        loss: As `compile` has it.
        y_true: (rows, ...).
        y_pred: (rows, ...), with its logits and its mask.
        weights: (rows,) or (rows, *steps); None where all count equally.

    Raises:
        NotOfRows: The loss is none of a mean over rows.
    """
    loss = inner_loss(loss)
    name = type(loss).__name__
    if isinstance(loss, COMPARES_ROWS):
        raise NotOfRows(f"{name} compares the rows of a batch with each other")
    marks = [mask_of(y_pred)]
    given = [keras.ops.convert_to_tensor(each, dtype=loss.dtype) for each in (y_true, y_pred)]
    values = loss.call(*given)
    marks.append(mask_of(values))
    array = plain(values)
    if not array.ndim or len(array) != len(y_true):
        raise NotOfRows(f"{name} gives one value for a whole batch, not one for each row")
    weight = np.ones(array.shape)
    for mark in marks:
        if mark is not None:
            weight = weight * same_rank(array, plain(mark))[1]
    counted = weight
    if weights is not None:
        array, own = same_rank(array, plain(weights))
        weight = weight.reshape(array.shape) * own
    if loss.reduction == "mean_with_sample_weight":
        counted = weight
    numerator = (array * weight).reshape(len(array), -1).sum(axis=1)
    if loss.reduction == "sum":
        return np.stack([numerator, np.ones(len(array))], axis=1)
    return np.stack([numerator, counted.reshape(len(array), -1).sum(axis=1)], axis=1)
