"""Metrics that do not fit their output: they would fail in the first epoch, or give a meaningless number."""

from __future__ import annotations

from collections.abc import Iterator

from mlpcli.checks.iou_rules import IOU, iou_problems
from mlpcli.checks.loss_rules import LOSSES, metric_loss_problems
from mlpcli.checks.output_views import OutputView, canonical
from mlpcli.errors import KeyPath, Problem
from mlpcli.printable import counted
from mlpcli.spec.schema import ComponentSpec

ACCURACY = {"accuracy"}
"""Keras reads this word as binary, sparse or categorical accuracy, depending on the shapes."""

LARGEST = {"categoricalaccuracy": "dense", "topkcategoricalaccuracy": "dense"}
LARGEST |= {"sparsecategoricalaccuracy": "sparse", "sparsetopkcategoricalaccuracy": "sparse"}
"""Metrics of the unit with the largest output, and whether they take one-hot vectors or class indices."""

THRESHOLDED = {"binaryaccuracy", "precision", "recall", "binaryiou"}
THRESHOLDED |= {"truepositives", "truenegatives", "falsepositives", "falsenegatives"}
RANKED = {"auc", "precisionatrecall", "recallatprecision"}
RANKED |= {"sensitivityatspecificity", "specificityatsensitivity"}
SCORED = {"f1score", "fbetascore"}
PER_UNIT = THRESHOLDED | RANKED | SCORED
"""Metrics of a 0 or 1 for every unit: at a threshold, over all thresholds, by class."""

OF_EACH_CLASS = (PER_UNIT | set(IOU)) - {"binaryaccuracy"}
"""Metrics that a model which always predicts the most frequent class does badly in."""

BASES = {"metric", "mean", "sum", "meanmetricwrapper"}
"""Classes that other metrics are made of."""

OF_NO_METRIC = {
    "groups": "this metric compares outputs with targets, the outputs of this loss are embeddings",
    "sequences": "this metric compares each output with a target, the labels of this loss have no steps",
}
"""The kinds of targets that no metric of Keras measures, each with the reason."""

OF_NUMBERS = {"rootmeansquarederror", "r2score", "pearsoncorrelation", "concordancecorrelation"}
OF_NUMBERS |= {name for name, takes in LOSSES.items() if takes.labels == "numbers"}
OF_CLASSES = ACCURACY | set(LARGEST) | PER_UNIT | set(IOU)
OF_CLASSES |= {name for name, takes in LOSSES.items() if takes.labels != "numbers"}


def _losses_of(labels: str) -> set[str]:
    return {name for name, takes in LOSSES.items() if takes.labels == labels}


SPARSE_OF = {
    "categoricalaccuracy": "sparse_categorical_accuracy",
    "topkcategoricalaccuracy": "SparseTopKCategoricalAccuracy",
    "sparsecategoricalaccuracy": "categorical_accuracy",
    "sparsetopkcategoricalaccuracy": "TopKCategoricalAccuracy",
}
"""The same metric for labels of the other kind."""


def metric_problems(view: OutputView) -> Iterator[Problem]:
    """Yield what is wrong between an output's metrics, its target and its activation."""
    for path, component in view.metrics:
        name = canonical(component, "metrics")
        if not name:
            continue
        if unfit := OF_NO_METRIC.get(view.output.kind):
            hint = "leave it out: the loss and val_loss are logged"
            yield Problem(unfit, path=path, received=component.class_name, hint=hint)
            continue
        if component.class_name == "Accuracy" and not (view.has_steps):
            rule = "Accuracy counts outputs that equal the target exactly"
            hint = "use accuracy" if view.output.kind != "numbers" else "use RootMeanSquaredError or mae"
            yield Problem(rule, path=path, received=component.class_name, hint=hint)
            continue
        found = list(_by_argument(view, path, component, name)) or list(_by_kind(view, path, component, name))
        yield from found or metric_loss_problems(view, component, path)


def _by_argument(view: OutputView, path: KeyPath, component: ComponentSpec, name: str) -> Iterator[Problem]:
    """Check what a metric needs whatever the target is: its class, and arguments about the output's units."""
    given, received = component.arguments, component.class_name
    inside: KeyPath = (*path, component.class_name)
    if name in BASES:
        rule = "other metrics are made of this class, it measures nothing by itself"
        yield Problem(rule, path=path, received=received, hint="leave it out, or name one of those")
    elif name == "r2score" and given.get("num_regressors"):
        rule = "Keras cannot compute the adjusted R2 score in a training"
        hint = "leave num_regressors out"
        yield Problem(rule, path=(*inside, "num_regressors"), received=given["num_regressors"], hint=hint)
    elif given.get("thresholds") == []:
        hint = "write a number from 0 to 1, or leave it out"
        yield Problem("needs a threshold at least", path=(*inside, "thresholds"), received=[], hint=hint)
    class_id, top = given.get("class_id"), given.get("top_k")
    if isinstance(class_id, int) and not 0 <= class_id < view.units:
        rule = f"the output has {counted(view.units, 'unit')}, counted from 0"
        yield Problem(rule, path=(*inside, "class_id"), received=class_id)
    labels, weights = given.get("num_labels"), given.get("label_weights")
    if isinstance(labels, int) and labels != view.units:
        rule = f"must be the number of the output's units, {view.units}"
        yield Problem(rule, path=(*inside, "num_labels"), received=labels)
    if isinstance(weights, list) and len(weights) != view.units:
        rule = f"must have a number for each unit of the output, of which there {_are(view.units)}"
        yield Problem(rule, path=(*inside, "label_weights"), received=weights)
    if name in THRESHOLDED and isinstance(top, int) and top >= view.units:
        rule = f"all units are among the {top} largest of {view.units}: each would count as positive"
        hint = f"use a top_k below {view.units}" if view.units > 1 else "leave it out"
        yield Problem(rule, path=(*inside, "top_k"), received=top, hint=hint)


def _are(count: int) -> str:
    return "is 1" if count == 1 else f"are {count}"


def _by_kind(view: OutputView, path: KeyPath, component: ComponentSpec, name: str) -> Iterator[Problem]:
    kind = view.output.kind
    if name in IOU and (kind != "numbers" or view.is_binary):
        yield from iou_problems(view, path, component, name)
    elif kind != "numbers" and name in ("meanabsolutepercentageerror", "cosinesimilarity"):
        yield from _of_labels_as_numbers(view, path, component, name)
    elif kind == "numbers":
        yield from _of_numbers(view, path, component, name)
    elif kind == "classes" and view.units > 1:
        yield from _of_classes(view, path, component, name)
    elif kind == "classes":
        yield from _of_two_classes(view, path, component, name)
    elif kind == "one_hot":
        yield from _of_one_hot(view, path, component, name)
    else:
        yield from _of_labels(view, path, component, name)


def _of_numbers(view: OutputView, path: KeyPath, component: ComponentSpec, name: str) -> Iterator[Problem]:
    takes = LOSSES.get(canonical(view.loss, "losses"))
    about_classes = takes is None or takes.labels != "numbers"  # rows of probabilities are numbers too
    if name in OF_CLASSES and not about_classes and not view.is_binary:
        hint = "use RootMeanSquaredError or mae"
        yield Problem(
            "this metric counts classes, the target is numbers",
            path=path,
            received=component.class_name,
            hint=hint,
        )


def _of_labels_as_numbers(
    view: OutputView, path: KeyPath, component: ComponentSpec, name: str
) -> Iterator[Problem]:
    """Check metrics of numbers that have no meaning for labels of 0 and 1."""
    received = component.class_name
    if view.output.kind == "classes" and view.units > 1:
        yield from _of_classes(view, path, component, name)
    elif name == "meanabsolutepercentageerror":
        rule = "this metric divides by the target, which is 0 in some rows"
        yield Problem(rule, path=path, received=received, hint="use mae")
    elif view.units == 1:
        rule = "this metric compares directions, and a single number has only a sign"
        yield Problem(rule, path=path, received=received, hint="use accuracy or mae")
    elif view.output.kind == "labels":
        yield from _of_labels(view, path, component, name)


def _of_classes(view: OutputView, path: KeyPath, component: ComponentSpec, name: str) -> Iterator[Problem]:
    """Check a metric of class indices and several units."""
    rule = hint = ""
    if name in OF_NUMBERS:
        rule, hint = "this metric measures numbers, the target is classes", "use accuracy"
    elif LARGEST.get(name) == "dense":
        rule = "the labels are class indices, this metric takes one-hot vectors"
        hint = f"use {SPARSE_OF[name]}"
    elif name in (PER_UNIT - SCORED) | _losses_of("binary"):
        rule = "this metric takes 0 or 1 for every unit, the labels are class indices"
        hint = "use accuracy; evaluate shows precision, recall and F1 of each class"
    elif name == "sparsetopkcategoricalaccuracy":
        yield from _too_many(view, path, component)
    if rule:
        yield Problem(rule, path=path, received=component.class_name, hint=hint)


def _too_many(view: OutputView, path: KeyPath, component: ComponentSpec) -> Iterator[Problem]:
    k = component.arguments.get("k", 5)
    if isinstance(k, int) and k >= view.classes:
        at = (*path, component.class_name, "k") if "k" in component.arguments else path
        rule = f"the correct class is always among the {k} most likely of {view.classes}"
        yield Problem(rule, path=at, received=k, hint=f"use a k below {view.classes}")


def _of_two_classes(
    view: OutputView, path: KeyPath, component: ComponentSpec, name: str
) -> Iterator[Problem]:
    """Check a metric of 0 or 1 and one unit."""
    if name in LARGEST:
        rule = "this metric looks for the largest of several units, this output has one"
        yield Problem(rule, path=path, received=component.class_name, hint="use binary_accuracy")
    elif name in _losses_of("sparse") | _losses_of("dense"):
        rule = "this metric takes a unit for each class, this output has one"
        yield Problem(rule, path=path, received=component.class_name, hint="use binary_crossentropy")
    else:
        yield from _threshold(view, path, component, name)


def _of_one_hot(view: OutputView, path: KeyPath, component: ComponentSpec, name: str) -> Iterator[Problem]:
    if LARGEST.get(name) == "sparse":
        rule = "the labels are one-hot vectors, this metric takes class indices"
        yield Problem(rule, path=path, received=component.class_name, hint=f"use {SPARSE_OF[name]}")
    elif name == "topkcategoricalaccuracy":
        yield from _too_many(view, path, component)
    elif view.loss.arguments.get("from_logits") and not component.arguments.get("from_logits"):
        cut = component.arguments.get("threshold") is not None
        if name in THRESHOLDED | RANKED or (name in SCORED and cut):
            rule = "this metric takes probabilities, these are logits"
            yield Problem(rule, path=path, received=component.class_name, hint="use a softmax output")


def _of_labels(view: OutputView, path: KeyPath, component: ComponentSpec, name: str) -> Iterator[Problem]:
    """Check a metric of any number of labels per row, one unit each."""
    if LARGEST.get(name) == "sparse" or (name in ACCURACY | set(LARGEST) and not view.has_one_each):
        rule = "a row may have several labels, this metric takes one class per row"
        yield Problem(rule, path=path, received=component.class_name, hint="use binary_accuracy")
    elif name in SCORED and component.arguments.get("threshold") is None and not view.has_one_each:
        rule = "a row may have several labels, without a threshold this metric takes one a row"
        hint = f"write {{{_class_name(component)}: {{threshold: 0.5}}}}"
        yield Problem(rule, path=path, received=component.class_name, hint=hint)
    else:
        yield from _threshold(view, path, component, name)


def _threshold(view: OutputView, path: KeyPath, component: ComponentSpec, name: str) -> Iterator[Problem]:
    """Check metrics of probabilities where the outputs are scores or logits, with the threshold 0."""
    takes = LOSSES.get(canonical(view.loss, "losses"))
    scores = takes is not None and takes.scores
    logits = bool(view.loss.arguments.get("from_logits"))
    steps = view.has_steps
    if not (scores or logits) or steps:
        return
    what = "scores" if scores else "logits"
    argument = "threshold" if name in ACCURACY | {"binaryaccuracy", "binaryiou"} else "thresholds"
    if name in ACCURACY | THRESHOLDED and component.arguments.get(argument) is None:
        class_name = "BinaryAccuracy" if name in ACCURACY else _class_name(component)
        rule = f"this metric counts an output above 0.5 as positive, these are {what}, whose threshold is 0"
        hint = f"write {{{class_name}: {{{argument}: 0.0}}}}"
        yield Problem(rule, path=path, received=component.class_name, hint=hint)
    elif name in OF_NUMBERS:
        rule = f"this metric measures numbers, these are {what}"
        yield Problem(
            rule, path=path, received=component.class_name, hint="leave it out, or use a sigmoid output"
        )
    elif name in RANKED | SCORED and not component.arguments.get("from_logits"):
        rule = f"this metric takes probabilities, these are {what}"
        hint = "write {AUC: {from_logits: true}}" if name == "auc" and logits else "use a sigmoid output"
        yield Problem(rule, path=path, received=component.class_name, hint=hint)


def _class_name(component: ComponentSpec) -> str:
    """Return the class of a short name: `BinaryAccuracy` for `binary_accuracy`."""
    name = component.class_name
    return name if name[:1].isupper() else "".join(word.title() for word in name.split("_"))
