"""The positive one of two classes: the second, which thresholds, curves and explanations are about."""

from __future__ import annotations

from mlpcli.data.label_keys import label_text
from mlpcli.errors import Problem, SpecError, listing


def with_positive_class(classes: tuple[str, ...], positive: str | int | bool) -> tuple[str, ...]:
    """Return two classes with the positive one as the second.

    Args:
        classes: the class names.
        positive: `dataset.positive_class` of the spec.

    Raises:
        SpecError: there are not two classes, or it is none of them.
    """
    key = label_text(positive)
    key = next((each for each in (key, key.lower()) if each in classes), key)
    path = ("dataset", "positive_class")
    if len(classes) != 2:
        rule = f"is for two classes, the target has {len(classes):,}"
        raise SpecError(Problem(rule, path=path, received=positive, hint="remove it"))
    if key not in classes:
        rule, hint = "must be a class of the target", f"the classes are {listing(classes)}"
        raise SpecError(Problem(rule, path=path, received=positive, hint=hint))
    return (*(each for each in classes if each != key), key)
