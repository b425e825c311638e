"""Intersection over union: Keras's metrics of it read outputs as numbers of classes, if nothing is said."""

from __future__ import annotations

from collections.abc import Iterator

from mlpcli.checks.output_views import OutputView
from mlpcli.errors import KeyPath, Problem
from mlpcli.model.default_losses import gives_scores
from mlpcli.spec.schema import ComponentSpec
from mlpcli.spec.values import Value

IOU = {"iou": "IoU", "meaniou": "MeanIoU", "onehotiou": "IoU", "onehotmeaniou": "MeanIoU"}
"""By `canonical` name, the class that measures the same of class indices; `BinaryIoU` is for thresholds."""

ONE_HOT = ("onehotiou", "onehotmeaniou")


def iou_problems(view: OutputView, path: KeyPath, component: ComponentSpec, name: str) -> Iterator[Problem]:
    """Yield why such a metric would not be the overlap of the true and the predicted classes."""
    received = component.class_name
    one_of_many = view.output.kind in ("classes", "one_hot") or (view.has_one_each and view.units > 1)
    if view.units == 1 or not one_of_many:
        rule = "this metric takes the class with the largest output, here every unit stands for itself"
        if name not in ONE_HOT:
            rule = "this metric reads an output as the number of a class: probabilities below 1 are class 0"
        yield Problem(rule, path=path, received=received, hint=_binary_hint(view, component))
        return
    sparse = view.output.kind == "classes"
    wrong = _reads_wrongly(component, name, sparse)
    if wrong:
        yield Problem(wrong, path=path, received=received, hint=_hint(view, component, name, sparse))
        return
    yield from _class_problems(view, path, component)


def _reads_wrongly(component: ComponentSpec, name: str, sparse: bool) -> str:
    """Return why targets or outputs would be misread; an empty text where they are not."""
    given = component.arguments
    if name in ONE_HOT and sparse:
        return "the labels are class indices, this metric takes one-hot vectors"
    takes_indices = False if name in ONE_HOT else bool(given.get("sparse_y_true", True))
    if takes_indices != sparse:
        what = "class indices" if takes_indices else "one-hot vectors"
        return f"the labels are {'class indices' if sparse else 'one-hot vectors'}, this metric takes {what}"
    if given.get("sparse_y_pred", name not in ONE_HOT):
        return "this metric reads an output as the number of a class, here each class has a unit"
    if given.get("axis", -1) not in (-1, 1):
        return "the classes are on the last axis"
    return ""


def _hint(view: OutputView, component: ComponentSpec, name: str, sparse: bool) -> str:
    ids = component.arguments.get("target_class_ids")
    chosen = f", target_class_ids: {ids}" if ids is not None else ""
    if sparse:
        return f"write {{{IOU[name]}: {{num_classes: {view.classes}{chosen}, sparse_y_pred: false}}}}"
    return f"write {{OneHot{IOU[name]}: {{num_classes: {view.classes}{chosen}}}}}"


def _binary_hint(view: OutputView, component: ComponentSpec) -> str:
    ids: Value = component.arguments.get("target_class_ids", [0, 1])
    logits = gives_scores(view.loss) or bool(view.loss.arguments.get("from_logits"))
    return f"write {{BinaryIoU: {{target_class_ids: {ids}, threshold: {0.0 if logits else 0.5}}}}}"


def _class_problems(view: OutputView, path: KeyPath, component: ComponentSpec) -> Iterator[Problem]:
    inside: KeyPath = (*path, component.class_name)
    count, ids = component.arguments.get("num_classes"), component.arguments.get("target_class_ids")
    if isinstance(count, int) and count < view.classes:
        rule = f"the target has {view.classes} classes, rows of the others would not count"
        hint = f"write num_classes: {view.classes}"
        yield Problem(rule, path=(*inside, "num_classes"), received=count, hint=hint)
    if isinstance(ids, list) and any(isinstance(each, int) and each >= view.classes for each in ids):
        rule = f"the target has the classes 0 to {view.classes - 1}"
        yield Problem(rule, path=(*inside, "target_class_ids"), received=ids)
