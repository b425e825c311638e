"""Every non-public name of Keras Tuner that we need; see `keras_internals`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np


class TunerOracle(Protocol):
    """What we use of Keras Tuner's oracles in addition to their public methods."""

    populate_space: Callable[[str], Mapping[str, object]]
    save: Callable[[], None]


def keep_quiet(oracle: TunerOracle) -> None:
    """Make an oracle print nothing and write no files: we store a search's state ourselves."""
    oracle._display.verbose = 0  # type: ignore[attr-defined]
    oracle.save = lambda: None
    oracle._save_trial = lambda trial: None  # type: ignore[attr-defined]


def seed_proposal(oracle: TunerOracle, seed: int, state: np.random.RandomState | None) -> None:
    """Make the next proposal a function of a seed.

    Args:
        oracle: the oracle.
        seed: the seed.
        state: what `BayesianOptimization` draws from; None for the other algorithms.
    """
    oracle._seed_state = seed  # type: ignore[attr-defined]
    if state is not None:
        oracle._random_state = state  # type: ignore[attr-defined]


def hyperband_trials(oracle: TunerOracle) -> int:
    """Return the trials of one iteration of Hyperband: the sum over its brackets and their rounds."""
    sizes = (
        oracle._get_size(bracket, number)  # type: ignore[attr-defined]
        for bracket in range(oracle._get_num_brackets())  # type: ignore[attr-defined]
        for number in range(oracle._get_num_rounds(bracket))  # type: ignore[attr-defined]
    )
    return int(sum(sizes))


def parent_condition(name: str, values: list[str | int | float | bool]) -> object:
    """Return Keras Tuner's condition that a parameter is active only while another has one of these values.

    Args:
        name: the other hyperparameter.
        values: its values.
    """
    from keras_tuner.src.engine.conditions import Parent

    return Parent(name, values)
