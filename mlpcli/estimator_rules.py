"""What a spec must be like for an estimator: its network predicts classes, or numbers."""

from __future__ import annotations

from mlpcli.errors import Problem, SpecError, UsageError
from mlpcli.model.default_losses import data_request
from mlpcli.model.run_contract import run_contract
from mlpcli.runs.folder import Run
from mlpcli.spec.load import LoadedSpec, located

WANTED = {"classification": ("classes", "labels"), "regression": ("numbers",)}
"""The targets that a loss may be for, by the task: labels too, for binary cross-entropy is for them."""

PREDICTED = {"classification": "classes", "regression": "numbers"}
"""What the network then predicts."""

LOSSES = {"classification": "sparse_categorical_crossentropy", "regression": "mse"}


USUAL_EFFORT = "good"


def check_parameters(spec: object, effort: str) -> None:
    """Check that an effort is asked for only where the spec is one that `init` writes.

    Args:
        spec: That was given; None for a proposed one.
        effort: That was given.

    Raises:
        UsageError: It would have no effect.
    """
    if spec is not None and effort != USUAL_EFFORT:
        rule = "effort: is for the spec that is proposed for the rows, and spec is given"
        raise UsageError(Problem(rule, received=effort, hint="leave out effort, or leave out spec"))


def check_spec(loaded: LoadedSpec, task: str, estimator: str) -> None:
    """Check that a spec is for the targets of an estimator, as far as its text says.

    Args:
        loaded: The spec.
        task: classification or regression.
        estimator: The name of its class.

    Raises:
        SpecError: It is not.
    """
    with located(loaded):
        request = data_request(loaded.spec, loaded.catalog)
        stated = [kind for name, kind in request.target_kinds.items() if name not in request.inferred]
        if any(kind is not None and kind not in WANTED[task] for kind in stated):
            raise _wrong_loss(task, estimator)
        if loaded.spec.dataset.target_min_count is not None:
            rule = f"would predict a class that is not in y, which {estimator} cannot name"
            hint = "remove it, and put rare classes together in y"
            raise SpecError(Problem(rule, path=("dataset", "target_min_count"), hint=hint))
        if loaded.spec.dataset.positive_class is not None:
            rule = f"would put classes in another order than the sorted classes_ of {estimator}"
            hint = "remove it: the second of classes_ is the positive class"
            raise SpecError(Problem(rule, path=("dataset", "positive_class"), hint=hint))


def check_outputs(run: Run, task: str, estimator: str) -> None:
    """Check what a trained network predicts: only the data tells it where the spec leaves the loss out.

    Raises:
        SpecError: It is not what the estimator predicts.
    """
    if [output.kind for output in run_contract(run).outputs] != [PREDICTED[task]]:
        raise _wrong_loss(task, estimator)


def _wrong_loss(task: str, estimator: str) -> SpecError:
    rule = f"must be for {PREDICTED[task]}, which is what {estimator} predicts"
    return SpecError(Problem(rule, path=("loss",), hint=f"such as {LOSSES[task]}"))
