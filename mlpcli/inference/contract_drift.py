"""Compare new rows with what a run folder holds of its training rows, where these are gone."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from mlpcli.data.column_values import ColumnValues
from mlpcli.data.dataset import Contract
from mlpcli.data.features.encoders import CategoryEncoder, DateEncoder, Encoder, NumericEncoder
from mlpcli.data.features.text_encoder import TextEncoder
from mlpcli.data.quantiles import Quantiles
from mlpcli.inference.column_drift import ALPHA, INDEX_LIMITS, OUTSIDE_LIMITS, short, size_of
from mlpcli.inference.text_drift import unknown_rows
from mlpcli.printable import counted
from mlpcli.runs.drift_results import ColumnDrift, Size, largest
from mlpcli.spec.schema import Spec
from mlpcli.statistics.drift import outside_p, stability_index

SHIFT_LIMITS = (0.5, 0.8)
"""Of the shift of the mean in standard deviations: from here on it is moderate, and large (Cohen 1988)."""

LEAST_SHIFT = 0.2
"""Below it, Cohen calls a shift less than small."""


GRID = 1001
"""Places at which kept quantiles say how many training rows are in each bin."""


def compare_with_contract(
    contract: Contract, spec: Spec, new: Mapping[str, ColumnValues], known_rows: int
) -> list[ColumnDrift]:
    """Return how columns differ from what the preprocessor knows: ranges, categories, mean or quantiles.

    Args:
        contract: of the run.
        spec: of the run, which says how its columns are scaled.
        new: the columns of new rows.
        known_rows: how many training rows there were.
    """
    if contract.preprocessor is None:
        return []
    features = spec.dataset.features
    found = []
    for encoder in contract.preprocessor.encoders:
        if encoder.name not in new:
            continue
        stated = features.get(encoder.name) if isinstance(features, dict) else None
        scaling = stated.scaling if stated is not None else None
        found.append(_compare(encoder, new[encoder.name], scaling or "", known_rows))
    return found


def _compare(encoder: Encoder, new: ColumnValues, scaling: str, known_rows: int) -> ColumnDrift:
    strange, findings = _strange_rows(encoder, new, known_rows)
    sizes: list[Size] = [size_of(strange, OUTSIDE_LIMITS)] if strange else []
    index, strength = None, strange
    if isinstance(encoder, NumericEncoder) and len(new.known):
        if encoder.quantiles is not None:
            index = stability(encoder.quantiles, new.known, known_rows)
            beyond = index - 2 * 9 * (1 / max(known_rows, 1) + 1 / len(new.known))  # twice what chance gives
            sizes += [size_of(beyond, INDEX_LIMITS)] if beyond > 0 else []
            strength = max(strength, index)
        elif scaling == "standardize" and not encoder.log:
            shift = abs(float(new.known.mean() - encoder.offset)) / encoder.scale
            if shift >= max(LEAST_SHIFT, 4 / math.sqrt(len(new.known))):
                sizes.append(size_of(shift, SHIFT_LIMITS))
                findings.append(f"mean {encoder.offset:.4g} to {new.known.mean():.4g}")
                strength = max(strength, shift)
    if new.unreadable.any():
        sizes.append(size_of(float(new.unreadable.mean()), OUTSIDE_LIMITS))
        findings.append(f"{counted(int(new.unreadable.sum()), 'cell')} cannot be read{new.examples}")
    return ColumnDrift(
        encoder.name,
        "used",
        new.kind,
        largest(sizes),
        stability=index,
        missing=(None, float(new.missing.mean())),
        findings=tuple(findings),
        unreadable=int(new.unreadable.sum()),
        strength=strength,
    )


def _strange_rows(encoder: Encoder, new: ColumnValues, known_rows: int) -> tuple[float, list[str]]:
    """Return the share of rows with a new category, or a value out of range, and what they hold.

    Some new rows always are out of range: where chance explains them the share is 0, and they are counted.
    """
    if isinstance(encoder, TextEncoder):
        return unknown_rows(encoder, new)
    if isinstance(encoder, CategoryEncoder):
        counts = np.bincount(new.codes, minlength=len(new.texts))
        learned = {None, *encoder.values, *encoder.rare}
        unseen = {t: int(n) for t, n in zip(new.texts, counts, strict=True) if t not in learned and n}
        frequent = sorted(unseen, key=lambda each: -unseen[each])[:3]
        findings = [f"new category {text!r} in {counted(unseen[text], 'row')}" for text in frequent]
        return sum(unseen.values()) / max(len(new), 1), findings
    if not isinstance(encoder, NumericEncoder | DateEncoder) or not len(new.known):
        return 0.0, []
    low, high = float(encoder.lowest), float(encoder.highest)
    late = new.known >= high + 1 if new.kind == "dates" else new.known > high  # days have hours
    outside = (new.known < low) | late
    if not outside.any():
        return 0.0, []
    chance = outside_p(int(outside.sum()), known_rows, len(new.known)) >= ALPHA
    ends = [short(new, float(end)) for end in (low, high, new.known.min(), new.known.max())]
    many = counted(int(outside.sum()), "row")
    share = 0.0 if chance else float(outside.mean())
    return share, [f"{many} outside {ends[0]} to {ends[1]}: from {ends[2]} to {ends[3]}"]


def stability(quantiles: Quantiles, values: np.ndarray, known_rows: int) -> float:
    """Return the stability index over the deciles of the training rows, which a preprocessor has kept."""
    bounds = np.unique(np.quantile(quantiles.table, np.arange(1, 10) / 10))  # few where many rows are equal
    learned = np.quantile(quantiles.table, np.linspace(0, 1, GRID))
    known, counts = (
        np.bincount(np.searchsorted(bounds, each), minlength=len(bounds) + 1) for each in (learned, values)
    )
    return stability_index(known * (known_rows / GRID), counts)
