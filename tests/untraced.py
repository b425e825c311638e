"""While coverage is measured, it looks away where libraries draw figures, save models and trace programs.

Python tells its tracer of every line of theirs too, which makes a training take half as long again. Where
they write, nothing of mlpcli is called. Where they trace a program, our losses, layers and loops are: that
is looked away from in tests marked `slow` alone, since others train, too.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

WRITERS = (
    ("matplotlib.figure", "Figure", "savefig"),
    ("keras.export", "ExportArchive", "write_out"),
)
POLYMORPHIC = "tensorflow.python.eager.polymorphic_function.polymorphic_function"
TRACERS = ((POLYMORPHIC, "Function", "get_concrete_function"),)
"""Module, class and method."""

_traces = [False]
"""Whether to look away from tracing, too."""


def look_away(*, traces: bool) -> None:
    """Let these methods run without a tracer, as far as their modules are imported by now.

    Args:
        traces: Those that trace programs, too.
    """
    _traces[0] = traces
    for module, class_name, name in (*WRITERS, *TRACERS):
        owner = getattr(sys.modules.get(module), class_name, None)
        if owner is not None and not hasattr(getattr(owner, name), "untraced"):
            setattr(owner, name, _untraced(getattr(owner, name), always=module != POLYMORPHIC))


def _untraced(function: Callable[..., Any], *, always: bool) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        tracer = sys.gettrace()
        if tracer is None or not (always or _traces[0]):
            return function(*arguments, **options)
        sys.settrace(None)
        try:
            return function(*arguments, **options)
        finally:
            sys.settrace(tracer)

    call.untraced = True  # type: ignore[attr-defined]
    return call
