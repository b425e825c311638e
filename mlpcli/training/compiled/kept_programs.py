"""Traced and compiled programs that several trainings of one network share.

A program has as many rows as the arrays that it was traced for. Where programs are kept, arrays are therefore
padded to a common number of rows: how many of them are used is an argument of the program.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import keras
import numpy as np

from mlpcli.training.compiled.randomness import same_python_draws
from mlpcli.training.compiled.row_arrays import Structure, take_rows, tensor_dtype

P = TypeVar("P")


@dataclass
class _Kept:
    """The programs of one model, and the rows that they are made for.

    Attributes:
        rows: the most rows, by what they are used for.
        model: the model.
        programs: its programs, by all that they depend on.
    """

    rows: Mapping[str, int]
    model: keras.Model | None = None
    programs: dict[Hashable, object] = field(default_factory=dict)


_current: list[_Kept] = []


@contextmanager
def keep_programs(rows: Mapping[str, int]) -> Iterator[None]:
    """Keep the programs of a model for the next training of the same model, inside a `with`.

    Args:
        rows: the most rows of any of the trainings, for `train` and `validation`.
    """
    _current.append(_Kept(rows))
    try:
        yield
    finally:
        _current.pop()


def padded(structure: Structure, use: str) -> Structure:
    """Return arrays with as many rows as the programs have; unchanged where none are kept, or they have more.

    Args:
        structure: arrays of (rows, ...) each.
        use: `train` or `validation`.
    """
    leaves: list[np.ndarray] = keras.tree.flatten(structure)
    rows = _current[-1].rows.get(use, 0) if _current else 0
    if not leaves or rows <= len(leaves[0]):
        return structure
    wider: Structure = keras.tree.map_structure(lambda leaf: take_rows(leaf, slice(None), rows), structure)
    return wider


def kept_or_traced(
    model: keras.Model, structure: Structure, key: Hashable, seed: int, trace: Callable[[], P]
) -> tuple[P, bool]:
    """Return a program that is kept, or trace it, and whether it is new.

    Args:
        model: whose variables the program uses.
        structure: the arrays that it takes.
        key: what else it depends on.
        seed: of the random numbers that Python draws while it is traced.
        trace: traces it.
    """
    leaves = keras.tree.flatten(structure)
    shapes = tuple((leaf.shape, str(tensor_dtype(leaf))) for leaf in leaves)
    kept = _of(model)
    whole = (key, repr(keras.tree.map_structure(lambda _: 0, structure)), shapes)
    for known in ((*whole, None), (*whole, seed)):
        if kept is not None and known in kept.programs:
            program: P = kept.programs[known]  # type: ignore[assignment]
            return program, False
    with same_python_draws(seed):
        before = random.getstate()
        program = trace()
        drawn = random.getstate() != before
    if kept is not None:
        kept.programs[(*whole, seed if drawn else None)] = program
    return program, True


def forget_programs(model: keras.Model) -> None:
    """Forget the programs of a model, which turned out not to run."""
    kept = _of(model)
    if kept is not None:
        kept.programs.clear()


def _of(model: keras.Model) -> _Kept | None:
    """Return where the programs of a model are kept, without those of another; None where none are."""
    if not _current:
        return None
    kept = _current[-1]
    if kept.model is not model:
        kept.model, kept.programs = model, {}
    return kept
