"""What an exported file computes held against what `predict` computes, result by result."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mlpcli.data.dataset import Contract, Output
from mlpcli.data.features.verification_sample import Sample
from mlpcli.data.types import Array
from mlpcli.errors import Problem
from mlpcli.export.converting import ExportError
from mlpcli.export.describe_file import bare_name, output_of

EXACT = ("index", "label", "in_set", "set")
"""Results that are equal or not."""


def differences(
    contract: Contract,
    wanted: Mapping[str, Array],
    found: Mapping[str, Array],
    limit: float,
    sample: Sample,
    *,
    refusing: bool = True,
) -> dict[str, float]:
    """Return the largest difference of each result, as a share of the range of its values.

    Of classes and sets it is the share of rows that differ, without those that are undecided.

    Args:
        contract: of the outputs.
        wanted: what `predict` computes, by name.
        found: what the file computes.
        limit: the largest share that is accepted.
        sample: the rows, for the message.
        refusing: whether a larger difference is an error.

    Raises:
        ExportError: a result is missing, has another shape, or differs by more.
    """
    shares: dict[str, float] = {}
    for name, values in wanted.items():
        if name not in found:
            refuse(f"it has no result {name}")
        if values.shape != found[name].shape:
            refuse(f"{name} has the shape {found[name].shape}, that of predict {values.shape}")
        apart = _apart(contract, name, wanted, found[name], limit)
        if refusing and apart.max(initial=0.0) > limit:
            row = int(apart.reshape(len(apart), -1).max(axis=1).argmax())
            rows = int((apart.reshape(len(apart), -1).max(axis=1) > limit).sum())
            where = f"{sample.label} row {int(sample.positions[row]) + 1}"
            shown = f"{_shown(found[name][row])}, that of predict {_shown(values[row])}"
            refuse(f"for {where} its {name} is {shown}; {rows} of {len(sample)} rows differ")
        shares[name] = float(apart.mean() if bare_name(contract, name) in EXACT else apart.max(initial=0.0))
    return shares


def _apart(contract: Contract, name: str, wanted: Mapping[str, Array], found: Array, limit: float) -> Array:
    """Return how far the values of a result are apart, as a share of their range; 1 for another class."""
    values, bare = wanted[name], bare_name(contract, name)
    if bare in EXACT:
        output = output_of(contract, name)
        undecided = _undecided(output, bare, wanted, limit)
        wrong = values != found
        return np.where(undecided.reshape(undecided.shape + (1,) * (wrong.ndim - undecided.ndim)), 0.0, wrong)
    wide, other = values.astype(np.float64), found.astype(np.float64)
    known = np.where(np.isfinite(wide), wide, 0.0)
    span = np.ptp(known, axis=0) if bare != "probabilities" else np.ones(known.shape[1:])
    # of values far from zero that hardly differ, float32 has no more digits
    span = np.maximum(span, np.abs(known).max(axis=0, initial=0.0) * 1e-2)
    same = np.isnan(wide) & np.isnan(other) | (wide == other)
    apart = np.where(same, 0.0, np.abs(wide - other) / np.where(span > 0, span, 1.0))
    return np.where(np.isnan(apart), np.inf, apart)


def _undecided(output: Output, bare: str, wanted: Mapping[str, Array], limit: float) -> Array:
    """Return (rows, *steps) bool, whether rounding may decide the class, or the set."""
    stem = f"{output.name}_" if output.name else ""
    likely = wanted.get(f"{stem}probabilities", wanted.get(f"{stem}score"))
    assert likely is not None
    if likely.shape[-1] == 1:
        close = np.abs(likely[..., 0]) <= limit * max(1.0, float(np.ptp(likely)))
    elif output.thresholds:
        close = np.abs(likely[..., -1] - output.thresholds[0]) <= limit
    else:
        ordered = np.sort(likely, axis=-1)
        close = ordered[..., -1] - ordered[..., -2] <= 2 * limit
    if bare in ("set", "in_set") and output.intervals is not None:
        bounds = np.reshape(np.array(output.intervals.bounds), (*output.steps, 1))
        close |= (np.abs(likely - bounds) <= limit).any(axis=-1)
    return np.asarray(close)


def _shown(value: Array) -> str:
    flat = np.ravel(value)
    texts = [f"{each:.6g}" if flat.dtype.kind == "f" else str(each) for each in flat[:4]]
    return ", ".join(texts) + (", ..." if len(flat) > 4 else "")


def refuse(reason: str) -> None:
    """Raise an ExportError.

    Raises:
        ExportError: always.
    """
    rule = f"the exported file, loaded by its own runtime, does not compute what predict does: {reason}"
    raise ExportError(Problem(rule, hint="nothing was written; export to saved_model or another format"))
