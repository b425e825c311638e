"""Run a converter quietly: its warnings and logs are not shown, and its failure becomes one of our errors."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from mlpcli.errors import Problem, TrainingError
from mlpcli.keras_import import quiet_stderr

T = TypeVar("T")

LOGGERS = ("tensorflow", "tf2onnx", "absl", "openvino")


class ExportError(TrainingError):
    """A format cannot hold a network, or its file does not compute what the network computes."""


@contextmanager
def quiet_converters() -> Iterator[None]:
    """Show no warnings and logs of converters meanwhile."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [each.level for each in loggers]
    with quiet_stderr(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for each in loggers:
            each.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for each, level in zip(loggers, levels, strict=True):
                each.setLevel(level)


def convert_quietly(form: str, convert: Callable[[], T]) -> T:
    """Return what a converter returns.

    Args:
        form: the format.
        convert: the call.

    Raises:
        ExportError: the converter failed.
    """
    failure: Exception | None = None
    with quiet_converters():
        try:
            return convert()
        except Exception as error:  # converters raise many kinds
            failure = error
    assert failure is not None
    rule = f"the network cannot be converted to {form}: {_reason(failure)}"
    raise ExportError(Problem(rule, hint="export to saved_model, keras or another format")) from failure


def _reason(error: Exception) -> str:
    """Return what a converter could not do: operations that it lacks, or the first line of its message."""
    text = str(error)
    lacking = sorted({*re.findall(r"'tf\.(\w+)' op is neither", text), *re.findall(r"op: (\w+)", text)})
    if lacking:
        return f"it has no operation {', '.join(lacking)}"
    lines = [line for line in text.splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__
