"""The extras of mlpcli: what each installs, and what is said where it is missing. Imports none of it."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping

from mlpcli.errors import Problem, UsageError

EXTRAS: Mapping[str, Mapping[str, str]] = {
    "serve": {"starlette": "starlette", "uvicorn": "uvicorn"},
    "mlflow": {"mlflow-skinny": "mlflow"},
    "onnx": {"tf2onnx": "tf2onnx", "onnx": "onnx", "onnxruntime": "onnxruntime"},
    "litert": {"ai-edge-litert": "ai_edge_litert"},
    "openvino": {"openvino": "openvino"},
    "excel": {"python-calamine": "python_calamine"},
    "duckdb": {"duckdb": "duckdb"},
    "postgres": {"psycopg": "psycopg"},
}
"""By extra: the packages that are imported, as they are installed, with the names of their modules."""


def missing(extra: str) -> list[str]:
    """Return the packages of an extra that are not installed, without importing one."""
    return [package for package, module in EXTRAS[extra].items() if importlib.util.find_spec(module) is None]


def install(extra: str) -> str:
    """Return the command that installs an extra."""
    return f'run: pip install "mlpcli[{extra}]"'


def check_extra(extra: str, what: str) -> None:
    """Refuse something whose extra is not installed; see `needed`.

    Raises:
        UsageError: it is not.
    """
    if (problem := needed(extra, what)) is not None:
        raise UsageError(problem)


def needed(extra: str, what: str) -> Problem | None:
    """Return the problem of something whose extra is not installed; None if it is.

    Args:
        extra: its name.
        what: needs it: `serve`, `an Excel file`.
    """
    if not (packages := missing(extra)):
        return None
    *others, last = packages
    names = f"{', '.join(others)} and {last}, which are" if others else f"{last}, which is"
    return Problem(f"{what} needs {names} not installed", hint=install(extra))
