"""Keys of a dataset that say how its target is read, checked against what the target is."""

from __future__ import annotations

from collections.abc import Iterable

from mlpcli.data.dataset import Output
from mlpcli.errors import Problem, SpecError
from mlpcli.spec.schema import DatasetSpec


def check_target_keys(spec: DatasetSpec, outputs: Iterable[Output]) -> None:
    """Refuse keys that are for another kind of target than any that there is.

    Args:
        spec: the `dataset` section.
        outputs: all of them.

    Raises:
        SpecError: with a problem for each key.
    """
    found = tuple(outputs)
    problems = []
    if spec.target_min_count is not None and all(each.kind not in ("classes", "groups") for each in found):
        rule, path = "is for a target of classes", ("dataset", "target_min_count")
        problems.append(Problem(rule, path=path, received=spec.target_min_count, hint="remove it"))
    if spec.positive_class is not None and (len(found) > 1 or found[0].kind != "classes"):
        rule, path = "is for a single target of two classes", ("dataset", "positive_class")
        problems.append(Problem(rule, path=path, received=spec.positive_class, hint="remove it"))
    if spec.label_separator is not None and all(each.separator is None for each in found):
        rule, path = "is for a target of labels, this one holds none", ("dataset", "label_separator")
        problems.append(Problem(rule, path=path, received=spec.label_separator, hint="remove it"))
    if problems:
        raise SpecError(*problems)
