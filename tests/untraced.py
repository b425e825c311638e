"""While coverage is measured, it looks away where libraries write figures and SavedModels.

Python tells its tracer of every line of theirs too, which makes a training take a third longer. Nothing of
mlpcli is called in there, so that no line of ours is missed.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

LIBRARIES = (("matplotlib.figure", "Figure", "savefig"), ("keras.export", "ExportArchive", "write_out"))
"""Module, class and method."""


def look_away() -> None:
    """Let these methods run without a tracer, as far as their modules are imported by now."""
    for module, class_name, name in LIBRARIES:
        owner = getattr(sys.modules.get(module), class_name, None)
        if owner is not None and not hasattr(getattr(owner, name), "untraced"):
            setattr(owner, name, _untraced(getattr(owner, name)))


def _untraced(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        tracer = sys.gettrace()
        sys.settrace(None)
        try:
            return function(*arguments, **options)
        finally:
            sys.settrace(tracer)

    call.untraced = True  # type: ignore[attr-defined]
    return call
