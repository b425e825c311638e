"""The command line: each verb loads, calls one function, reports, and exits."""

from __future__ import annotations

from mlpcli.cli.main import app, main, run

__all__ = ["app", "main", "run"]
