"""What is kept beside the runs, to be computed once: decoded images."""

from __future__ import annotations

CACHE = ".cache"
"""The folder in a runs folder."""
