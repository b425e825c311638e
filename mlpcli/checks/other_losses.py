"""What the losses of embeddings (`Circle`) and of sequences (`CTC`) need of an output and its target."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mlpcli.checks.output_views import OutputView
from mlpcli.data.sequences import needed_steps
from mlpcli.data.types import Array
from mlpcli.errors import Problem
from mlpcli.printable import counted


def embedding_problems(view: OutputView) -> Iterator[Problem]:
    """Yield what is wrong with the output of a loss that compares the embeddings of a batch."""
    if view.output.steps:
        rule = "this loss takes an embedding for each row, not for each step"
        yield Problem(rule, path=view.loss_path, received=view.loss.class_name)
    elif view.units == 1:
        rule = "an embedding of one number has only a sign"
        yield Problem(rule, path=view.units_path, received=1, hint="use 2 units or more")


def length_problems(view: OutputView, outputs: Array) -> Iterator[Problem]:
    """Yield embeddings that are not of length 1: their products would not be the cosines of their angles.

    Args:
        view: the output.
        outputs: of some rows, (rows, units).
    """
    lengths = np.linalg.norm(np.asarray(outputs, np.float64), axis=-1)
    wrong = (np.abs(lengths - 1) > 1e-2) & (lengths > 1e-6)
    if view.output.kind == "groups" and wrong.any():
        rule = "this loss takes embeddings of length 1, those of this output are longer or shorter"
        yield Problem(rule, path=view.path, hint="end with UnitNormalization")


def sequence_problems(view: OutputView) -> Iterator[Problem]:
    """Yield what is wrong with the output of a loss that finds the steps of labels by itself."""
    name = view.loss.class_name
    if len(view.shape) != 2:
        rule = "this loss takes outputs of (rows, steps, classes)"
        hint = "set return_sequences: true in the last recurrent layer, and put no Flatten behind it"
        yield Problem(rule, path=view.loss_path, received=name, hint=hint)
        return
    steps, units = view.shape
    values = view.output_range
    if values is not None and values.is_probability:
        rule = f"this loss takes logits, {values.name} gives probabilities"
        yield Problem(rule, path=values.path, received=values.name, hint="leave the activation out")
    largest = max(int(each.max()) for each in view.targets)
    if largest >= units:
        rule = (
            f"the labels go up to {largest}: the output must have {largest + 1:,} units, the first for none"
        )
        yield Problem(rule, path=view.units_path, received=units)
    longest = max(int(np.max(needed_steps(each))) for each in view.targets)
    if longest > steps:
        rule = f"the labels of a row need {counted(longest, 'step')}, with one between equal neighbours"
        hint = f"the output has {steps}: use fewer strides, or shorter targets"
        yield Problem(rule, path=view.path, received=steps, hint=hint)
