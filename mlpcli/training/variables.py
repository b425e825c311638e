"""A checkpoint's state put back into a model, its optimizer, the callbacks and the random generators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlpcli.data.types import Array
from mlpcli.errors import Problem, RunError

if TYPE_CHECKING:
    from mlpcli.training.training_state import TrainingState

START_AGAIN = "start a new run"


def check_fits(model: Any, state: TrainingState) -> None:
    """Make sure that a checkpoint's variables are those of a model and its optimizer; nothing is changed.

    Raises:
        RunError: they are not.
    """
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    check_variables(model.variables, state.model, "model")
    check_variables(model.optimizer.variables, state.optimizer, "optimizer")
    values = state.best.values
    shapes = [tuple(variable.shape) for variable in model.variables]
    if values is not None and [value.shape for value in values] != shapes:
        raise RunError(Problem("the checkpoint's best epoch does not fit the model", hint=START_AGAIN))


def restore_variables(variables: Sequence[Any], kept: dict[str, Array], of: str) -> None:
    """Give variables their values, in their order; names and shapes must be the same.

    Raises:
        RunError: they are not.
    """
    check_variables(variables, kept, of)
    for variable, value in zip(variables, kept.values(), strict=True):
        variable.assign(value)


def check_variables(variables: Sequence[Any], kept: dict[str, Array], of: str) -> None:
    """Make sure that variables have the names and shapes of kept values, in their order.

    Raises:
        RunError: they have not.
    """
    found = [(_bare(variable.path), tuple(variable.shape)) for variable in variables]
    wanted = [(_bare(path.split("#")[0]), value.shape) for path, value in kept.items()]
    if found != wanted:
        rule = f"the checkpoint's {of} is not the one of the spec: it has {len(wanted)} variables of other "
        raise RunError(Problem(rule + "names or shapes", hint=START_AGAIN))


def _bare(path: str) -> str:
    """The last name of a path: the first names count models of a process, and differ between two."""
    return path.rsplit("/", 1)[-1]


def assign(model: Any, values: Sequence[Array]) -> None:
    """Give every variable of a model its value."""
    for variable, value in zip(model.variables, values, strict=True):
        variable.assign(value)
