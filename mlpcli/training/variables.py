"""The variables of a model and its optimizer: check, restore and assign their values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlpcli.data.types import Array
from mlpcli.errors import Problem, RunError

if TYPE_CHECKING:
    from mlpcli.keras_import import keras
    from mlpcli.training.training_state import TrainingState

START_AGAIN = "start a new run"


def check_fits(model: keras.Model, state: TrainingState) -> None:
    """Check that a checkpoint's variables are those of a model and its optimizer; change nothing.

    Args:
        model: The compiled model.
        state: The checkpoint's.

    Raises:
        RunError: They are not.
    """
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    check_variables(model.variables, state.model, "model")
    check_variables(model.optimizer.variables, state.optimizer, "optimizer")
    values = state.best.values
    shapes = [tuple(variable.shape) for variable in model.variables]
    if values is not None and [value.shape for value in values] != shapes:
        raise RunError(Problem("the checkpoint's best epoch does not fit the model", hint=START_AGAIN))


def restore_learned(model: keras.Model, state: TrainingState) -> None:
    """Restore what layers had learned from data, before a program is traced that holds it as constants.

    Only where a training goes on with other rows is it another than the layers have learned from these.

    Args:
        model: The compiled model.
        state: The checkpoint's.

    Raises:
        RunError: The checkpoint's variables are not those of the model.
    """
    from mlpcli.keras_internals import all_layers
    from mlpcli.model.learned_values import follow_weights

    check_variables(model.variables, state.model, "model")
    layers = [each for each in all_layers(model) if hasattr(each, "finalize_state")]
    learned = {id(weight) for layer in layers for weight in layer.weights}
    for variable, value in zip(model.variables, state.model.values(), strict=True):
        if id(variable) in learned:
            variable.assign(value)
    follow_weights(layers)


def restore_variables(variables: Sequence[keras.Variable], saved: dict[str, Array], of: str) -> None:
    """Assign saved values to variables, in their order.

    Args:
        variables: The variables.
        saved: Values by path.
        of: What the variables belong to, for the message.

    Raises:
        RunError: Names, shapes or types differ.
    """
    check_variables(variables, saved, of)
    for variable, value in zip(variables, saved.values(), strict=True):
        variable.assign(value)


def check_variables(variables: Sequence[keras.Variable], saved: dict[str, Array], of: str) -> None:
    """Check that variables have the names, shapes and types of saved values, in their order.

    Args:
        variables: The variables.
        saved: Values by path.
        of: What the variables belong to, for the message.

    Raises:
        RunError: Names, shapes or types differ.
    """
    found = [(_bare(each.path), tuple(each.shape), str(each.dtype)) for each in variables]
    wanted = [(_bare(path.split("#")[0]), value.shape, str(value.dtype)) for path, value in saved.items()]
    if found != wanted:
        rule = f"the checkpoint's {of} is not the one of the spec: it has {len(wanted)} variables of other "
        raise RunError(Problem(rule + "names, shapes or types", hint=START_AGAIN))


def _bare(path: str) -> str:
    """Return the last name of a path: the first ones number the models of a process."""
    return path.rsplit("/", 1)[-1]


def assign(model: keras.Model, values: Sequence[Array]) -> None:
    """Assign values to all variables of a model.

    Args:
        model: The model.
        values: In the variables' order.
    """
    for variable, value in zip(model.variables, values, strict=True):
        variable.assign(value)
