"""What `predict:` asks for and these outputs, or these rows, cannot give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.checks.output_views import OutputView, output_views
from mlpcli.data.dataset import Dataset, Split
from mlpcli.data.named_arrays import of_name
from mlpcli.data.stored.stored_array import blocks_of
from mlpcli.data.targets import class_indices
from mlpcli.errors import KeyPath, Problem, SpecError, listing
from mlpcli.model.default_losses import gives_scores, target_text
from mlpcli.model.fit_outputs import counted_rows
from mlpcli.model.probability_form import has_probabilities, takes_intervals, takes_threshold
from mlpcli.spec.load import LoadedSpec
from mlpcli.spec.predictions import PredictSpec, ThresholdSpec
from mlpcli.spec.schema import Spec
from mlpcli.statistics.conformal import rows_needed

if TYPE_CHECKING:
    from mlpcli.keras_import import keras


def check_predict(model: keras.Model, loaded: LoadedSpec, dataset: Dataset) -> None:
    """Check the section of a spec that is trained several times.

    Args:
        model: of one of its trainings.
        loaded: the spec, with its losses filled in.
        dataset: the data of all of its folds.

    Raises:
        SpecError: with every problem found.
    """
    problems = list(predict_problems(list(output_views(model, loaded, dataset)), loaded.spec, dataset))
    if problems:
        raise SpecError(*problems)


def predict_problems(views: Sequence[OutputView], spec: Spec, dataset: Dataset) -> Iterator[Problem]:
    """Yield what cannot be fitted; an output that has no use for a key is left as it is if another has.

    Args:
        views: of every output.
        spec: with its losses filled in.
        dataset: the data.
    """
    section = spec.predict
    if section is None:
        return
    given = {key: getattr(section, key) for key in type(section).model_fields if getattr(section, key)}
    takes = {"calibrate": has_probabilities, "threshold": takes_threshold, "intervals": takes_intervals}
    fitting = {key: [view for view in views if takes[key](view.output, view.loss)] for key in given}
    for key in given:
        path: KeyPath = ("predict", key)
        if not fitting[key]:
            yield _unfit(key, views, path)
            continue
        odd = [view for view in fitting[key] if not _are_probabilities(view)]
        if odd and len(odd) == len(fitting[key]):
            values = odd[0].output_range
            assert values is not None
            rule = f"is for probabilities, and {values.name} gives other numbers"
            yield Problem(rule, path=path, hint="end with softmax or sigmoid, or use a loss from logits")
    folds = spec.fit.folds is not None  # then each training row is held out once
    split = dataset.train if folds else dataset.validation
    yield from _row_problems(section, fitting, split, folds=folds)


def _unfit(key: str, views: Sequence[OutputView], path: KeyPath) -> Problem:
    """Return the problem with a key that no output has a use for."""
    view = views[0]
    scores = view.output.is_scored and gives_scores(view.loss)
    has = f"outputs of {view.loss.class_name} are scores" if scores else f"this is {target_text(view.output)}"
    if len(views) > 1:
        has = "these are " + " and ".join(target_text(each.output) for each in views)
    if scores:
        hint = "use a cross-entropy, whose outputs are probabilities"
        return Problem(f"is for probabilities of classes or labels, {has}", path=path, hint=hint)
    if key == "calibrate":
        return Problem(f"is for probabilities of classes or labels, {has}", path=path, hint="remove it")
    if key == "threshold":
        names = f" ({listing(view.output.classes)})" if view.output.classes and len(views) == 1 else ""
        hint = "remove it: the most probable class is predicted" if names else "remove it"
        return Problem(f"is for two classes or for labels, {has}{names}", path=path, hint=hint)
    hint = "remove it" if view.output.kind != "labels" else "give each label a threshold instead"
    return Problem(f"is for numbers and classes, {has}", path=path, hint=hint)


def _are_probabilities(view: OutputView) -> bool:
    """Return whether an output's values are probabilities, or logits of some; true where it is not known."""
    values = view.output_range
    if view.output.kind == "numbers" or values is None or view.loss.arguments.get("from_logits"):
        return True
    return values.is_probability


def _row_problems(
    section: PredictSpec, fitting: dict[str, list[OutputView]], split: Split | None, *, folds: bool
) -> Iterator[Problem]:
    """Yield keys for which there are too few rows with known targets that the network does not learn from."""
    for key in section.fitted_keys:
        path: KeyPath = ("predict", key)
        if split is None:
            hint = "set dataset.validation: 0.2, or fit.folds: 5"
            yield Problem("is fitted on validation rows, and this dataset has none", path=path, hint=hint)
        elif key == "intervals":
            assert section.intervals is not None
            yield from _too_few(section.intervals, fitting[key], split, folds=folds)
        elif key == "threshold":
            yield from _one_class(section, fitting[key], split)


def _too_few(level: float, views: Sequence[OutputView], split: Split, *, folds: bool) -> Iterator[Problem]:
    needed = rows_needed(level)
    for view in views:
        weights = of_name(split.weights, view.output.name)
        rows = counted_rows(view.output, len(split), weights)
        if rows < needed:
            which = "held-out" if folds else "validation"
            rule = f"a level of {level:g} needs {needed:,} {which} rows at least, there are {rows:,}"
            larger = "" if folds else "make the validation split larger"
            lower = f"write intervals: {_reached(rows):g}" if rows else ""
            hint = ", or ".join(each for each in (larger, lower) if each)
            yield Problem(rule, path=("predict", "intervals"), received=level, hint=hint)
            return


def _reached(rows: int) -> float:
    """Return the highest level, in steps of a hundredth, that some rows reach."""
    levels = [level for level in np.round(np.arange(0.99, 0.49, -0.01), 2) if rows_needed(level) <= rows]
    return float(levels[0]) if levels else 0.5


def _one_class(section: PredictSpec, views: Sequence[OutputView], split: Split) -> Iterator[Problem]:
    """Yield a threshold by a metric where all validation rows are of one class."""
    if not isinstance(section.threshold, ThresholdSpec) or section.threshold.cost is not None:
        return
    for view in views:
        if view.output.kind == "labels":
            continue
        y = split.y[view.output.name] if view.output.name else split.y
        found = np.unique(np.concatenate([np.unique(class_indices(block)) for block in blocks_of(y)]))
        if len(found) < 2:
            name = (view.output.classes or ())[int(found[0])]
            rule = f"is chosen on validation rows of both classes, every one is {name!r}"
            hint = "make the validation split larger, or write a number"
            yield Problem(rule, path=("predict", "threshold"), hint=hint)
