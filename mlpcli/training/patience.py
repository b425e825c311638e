"""How long a training has waited for a better value before it stops early."""

from __future__ import annotations

from collections.abc import Sequence

from mlpcli.keras_import import keras


def epochs_waited(callbacks: Sequence[keras.callbacks.Callback]) -> tuple[int, int] | None:
    """Return how many epochs EarlyStopping has waited for a better value, and how many it waits.

    Args:
        callbacks: Those of a training; of several that stop it, the one that is nearest to it counts.
    """
    found = [each for each in callbacks if isinstance(each, keras.callbacks.EarlyStopping)]
    if not found:
        return None
    nearest = min(found, key=lambda each: each.patience - each.wait)
    return int(nearest.wait), int(nearest.patience)
