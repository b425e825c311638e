"""Which logged value is meant by a name that none has."""

from __future__ import annotations

from collections.abc import Collection

from mlpcli.checks.output_views import canonical
from mlpcli.errors import nearest
from mlpcli.spec.component_forms import class_meant
from mlpcli.spec.plugins import KERAS
from mlpcli.spec.schema import ComponentSpec

VALIDATION = "val_"


def meant_name(name: str, known: Collection[str]) -> str:
    """Return `did you mean 'x'?` for the name that is meant, or an empty text.

    A metric has several names, `mean_absolute_error` and `mae`, and is logged under that of the spec; with
    several outputs the output's name comes first.

    Args:
        name: as a callback or a search has it.
        known: the names of an epoch's values.
    """
    same = [each for each in known if each.startswith(VALIDATION) == name.startswith(VALIDATION)]
    bare = name.removeprefix(VALIDATION)
    for each in same:
        if _metric(each) and _metric(each) == _metric(name):
            return f"did you mean {each!r}?"
    near = nearest(name, known)
    return near or next((f"did you mean {each!r}?" for each in same if each.endswith(f"_{bare}")), "")


def _metric(name: str) -> str:
    """Return one spelling for all the names of a metric of Keras's; empty for other values."""
    word = name.removeprefix(VALIDATION)
    word = class_meant(word, "metrics", KERAS) or word
    return canonical(ComponentSpec(class_name=word), "metrics")
