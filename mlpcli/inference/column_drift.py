"""How the values of a column in new rows differ from those in the training rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mlpcli.data.column_values import ColumnValues
from mlpcli.data.types import Array
from mlpcli.data.value_groups import FEW_VALUES, cut_points
from mlpcli.printable import counted, verb
from mlpcli.runs.drift_results import ColumnDrift, Histogram, Role, Size, largest
from mlpcli.statistics.drift import (
    bonferroni,
    chi_square,
    kolmogorov_smirnov,
    outside_p,
    stability_index,
    total_variation,
)
from mlpcli.statistics.resampled import holm

ALPHA = 0.05
BINS = 10
"""Deciles of the training rows."""

MOST_CATEGORIES = 20
"""The most frequent categories have a bin each, the others of the training rows share one, as new ones do."""

INDEX_LIMITS = (0.1, 0.25)
"""Of the stability index: from here on a change is moderate, and large (Siddiqi 2006)."""

OUTSIDE_LIMITS = (0.01, 0.05)
"""Of the share of new rows outside the range of the training rows."""

EXAMPLES = 3
OTHERS, NEW, MISSING, UNREADABLE = "(others)", "(new)", "(missing)", "(unreadable)"


@dataclass(frozen=True)
class Compared:
    """A column before the p-values are corrected for the number of columns.

    Attributes:
        drift: with the size that it has if the difference is more than chance.
        p: of all tests of the column together.
    """

    drift: ColumnDrift
    p: float


def size_of(value: float, limits: tuple[float, float]) -> Size:
    """Return the word for a difference.

    Args:
        value: from 0.
        limits: from which on it is moderate, and large.
    """
    return "small" if value < limits[0] else "moderate" if value < limits[1] else "large"


def corrected(found: Sequence[Compared]) -> list[ColumnDrift]:
    """Return columns, the most different first; those whose difference may be chance have no size."""
    drifts = []
    for each, p in zip(found, holm([each.p for each in found]), strict=True):
        own = replace(each.drift, p=p)
        drifts.append(own if p < ALPHA else replace(own, size="none", findings=own.certain))
    return ordered(drifts)


def ordered(drifts: Sequence[ColumnDrift]) -> list[ColumnDrift]:
    """Return columns, the most different first."""
    order = ("large", "moderate", "small", "none")
    return sorted(drifts, key=lambda each: (order.index(each.size), -each.strength))


def compare_columns(known: ColumnValues, new: ColumnValues, role: Role) -> Compared:
    """Compare the values of a column.

    Args:
        known: of the training rows.
        new: of new rows, of the same kind.
        role: of the column.
    """
    if known.kind == "categories":
        binned, distance, extra, findings = _categories(known, new)
    else:
        binned, distance, extra, findings = _numbers(known, new)
    counts = np.array([binned.known, binned.new])
    judged = np.array([binned.judged_known, binned.judged_new])
    share = _expected_index(judged)
    index = stability_index(*judged)
    gaps = [np.array([(~each.missing).sum(), each.missing.sum()]) for each in (known, new)]
    p = bonferroni([binned.p, chi_square(*gaps)[1], *([extra.p] if extra.p < 1 else [])])
    missing = (float(known.missing.mean()), float(new.missing.mean()))
    if abs(missing[0] - missing[1]) >= 0.005:
        findings.append(f"missing {missing[0]:.1%} to {missing[1]:.1%}")
    unreadable = _unreadable(new)
    findings += unreadable
    beyond = max(0.0, index - share)
    size = largest([size_of(beyond, INDEX_LIMITS), extra.size])
    known_shares, new_shares = (tuple((row / row.sum()).tolist()) for row in counts)
    drift = ColumnDrift(
        known.name,
        role,
        known.kind,
        size,
        stability=index,
        distance=distance,
        missing=missing,
        findings=tuple(findings),
        certain=(*unreadable, *extra.findings),
        unreadable=int(new.unreadable.sum()),
        histogram=Histogram(binned.labels, known_shares, new_shares),
        strength=beyond,
    )
    return Compared(drift, p)


def _unreadable(new: ColumnValues) -> list[str]:
    """Return how many cells are no numbers or dates, as a phrase; none where all are."""
    bad = int(new.unreadable.sum())
    what = "date" if new.kind == "dates" else "number"
    return [f"{counted(bad, 'cell')} {verb(bad, 'are')} no {what}{new.examples}"] if bad else []


def _expected_index(counts: Array) -> float:
    """Return the stability index that chance alone gives: (bins - 1) (1 / known + 1 / new).

    Yurdakul and Naranjo, Statistical properties of the population stability index, Journal of Risk Model
    Validation 14 (4), 2020.
    """
    return float((counts.shape[1] - 1) * (1 / counts.sum(axis=1)).sum())


@dataclass(frozen=True)
class _Binned:
    """Counts of known and new rows by value, and the p-value of a test of all values.

    `judged_known` and `judged_new` are those that the stability index is computed from: a category is new
    because no known row has it, so that new rows are compared with what known rows would be if each were left
    out. By chance as large a share of rows is of new categories as of known rows that are alone in theirs
    (Good, The population frequencies of species, Biometrika 40, 1953).
    """

    labels: tuple[str, ...]
    known: Array
    new: Array
    p: float
    judged_known: Array
    judged_new: Array


@dataclass(frozen=True)
class _Beyond:
    """Values that no training row has: out of range, with how many there are, or of no kind that it knows."""

    p: float = 1.0
    size: Size = "none"
    findings: tuple[str, ...] = ()


def _numbers(known: ColumnValues, new: ColumnValues) -> tuple[_Binned, float, _Beyond, list[str]]:
    one, other = known.known, new.known
    findings: list[str] = []
    beyond: list[str] = []
    extra, p, distance = _Beyond(), 1.0, 0.0
    bounds, few = np.empty(0), False
    if len(one):
        distinct = np.unique(one)
        few = len(distinct) <= FEW_VALUES
        bounds = distinct[:-1] if few else cut_points(one, BINS)
        few = few or len(bounds) < BINS - 1  # some of its values are frequent
    counts = [np.bincount(np.searchsorted(bounds, each), minlength=len(bounds) + 1) for each in (one, other)]
    if len(one) and len(other):
        distance, p = kolmogorov_smirnov(one, other)
        if few:
            p = chi_square(*counts)[1]
        low, high = float(one.min()), float(one.max())
        below, above = other[other < low], other[other > high]
        outside = len(below) + len(above)
        extra_p = outside_p(outside, len(one), len(other))
        size = size_of(outside / len(other), OUTSIDE_LIMITS) if outside and extra_p < ALPHA else "none"
        middle = [short(known, float(np.median(values))) for values in (one, other)]
        if middle[0] != middle[1]:
            findings.append(f"median {middle[0]} to {middle[1]}")
        after, before = ("later than", "earlier than") if known.kind == "dates" else ("above", "below")
        for word, values, end, most in ((after, above, high, np.max), (before, below, low, np.min)):
            if len(values):
                to = short(known, float(most(values)))
                beyond.append(f"{counted(len(values), 'row')} {word} {short(known, end)}, to {to}")
        extra = _Beyond(extra_p, size, tuple(beyond))
        findings += beyond
    labels = _bin_labels(known, bounds, one)
    binned = _with_gaps(known, new, _Binned(tuple(labels), counts[0], counts[1], p, counts[0], counts[1]))
    return binned, distance, extra, findings


def short(values: ColumnValues, number: float) -> str:
    """Return a number with four digits, a whole one with all of them; of dates the day."""
    if values.kind == "dates":
        return values.shown(float(np.floor(number)))
    return values.shown(number) if number == int(number) and abs(number) < 1e9 else f"{number:.4g}"


def _bin_labels(known: ColumnValues, bounds: Array, values: Array) -> list[str]:
    """Return the upper end of each bin as a text; of a bin of one value, the value."""
    if not len(values):
        return [""]
    ends = [*bounds.tolist(), float(values.max())]
    if len(np.unique(values)) <= FEW_VALUES:
        return [known.shown(end) for end in ends]
    texts = [short(known, end) for end in ends]
    beyond = "after" if known.kind == "dates" else "above"
    return [*(f"to {text}" for text in texts[:-1]), f"{beyond} {texts[-2]}" if len(texts) > 1 else texts[0]]


def _with_gaps(known: ColumnValues, new: ColumnValues, binned: _Binned) -> _Binned:
    """Return counts with a bin for missing and one for unreadable cells, where there are any."""
    for name, mine, theirs in (
        (MISSING, known.missing, new.missing),
        (UNREADABLE, known.unreadable, new.unreadable),
    ):
        if not mine.any() and not theirs.any():
            continue
        p = binned.p
        if name == UNREADABLE:
            p = bonferroni([p, chi_square(*(np.array([(~m).sum(), m.sum()]) for m in (mine, theirs)))[1]])
        binned = _Binned(
            (*binned.labels, name),
            np.append(binned.known, mine.sum()),
            np.append(binned.new, theirs.sum()),
            p,
            np.append(binned.judged_known, mine.sum()),
            np.append(binned.judged_new, theirs.sum()),
        )
    return binned


def _categories(known: ColumnValues, new: ColumnValues) -> tuple[_Binned, float, _Beyond, list[str]]:
    one, other = _counts(known), _counts(new)
    frequent = sorted(one, key=lambda text: -one[text])
    shown, rest = frequent[:MOST_CATEGORIES], frequent[MOST_CATEGORIES:]
    unseen = {text: count for text, count in other.items() if text not in one}
    single = sum(count == 1 for count in one.values())
    rows, strange = (sum(one.values()), sum(other.values())), sum(unseen.values())
    more = strange * max(rows[0], 1) > single * max(rows[1], 1)
    labels = [*shown, *([OTHERS] if rest else []), *([NEW] if unseen else [])] or [""]
    counts = [_binned(each, shown, rest, unseen) or [0] for each in (one, other)]
    first, second = (np.array(each) for each in counts)
    judged = first, second
    if more:  # as if each known row that is alone in its category had been left out
        kept = {text: count for text, count in one.items() if count > 1}
        judged = np.array([*_binned(kept, shown, rest, {}), single]), second
    elif unseen:
        judged = np.append(first[:-2], first[-2:].sum()), np.append(second[:-2], second[-2:].sum())
    distance, p, extra = 0.0, 1.0, _Beyond()
    if all(rows):
        distance, p = total_variation(first, second), chi_square(*judged)[1]
    if more and all(rows):
        pairs = [
            np.array([count - apart, apart]) for count, apart in zip(rows, (single, strange), strict=True)
        ]
        extra = _Beyond(chi_square(*pairs)[1])
    binned = _with_gaps(known, new, _Binned(tuple(labels), first, second, p, *judged))
    return binned, distance, extra, _category_findings(shown, first, second, unseen)


def _binned(
    counts: Mapping[str, int], shown: Sequence[str], rest: Sequence[str], unseen: Collection[str]
) -> list[int]:
    """Return rows by category: those that have a bin, the others, and new ones, where there are such."""
    found = [counts.get(text, 0) for text in shown]
    for some in (rest, unseen):
        if some:
            found.append(sum(counts.get(text, 0) for text in some))
    return found


def _counts(values: ColumnValues) -> dict[str, int]:
    counts = np.bincount(values.codes, minlength=len(values.texts)).tolist()
    return {text: n for text, n in zip(values.texts, counts, strict=True) if text is not None and n}


def _category_findings(shown: Sequence[str], known: Array, new: Array, unseen: dict[str, int]) -> list[str]:
    findings = []
    for text in sorted(unseen, key=lambda each: -unseen[each])[:EXAMPLES]:
        findings.append(f"new category {text!r} in {counted(unseen[text], 'row')}")
    if (more := len(unseen) - EXAMPLES) > 0:
        rows = sum(sorted(unseen.values())[:more])
        findings.append(f"{more:,} more new categories in {counted(rows, 'row')}")
    if len(shown) and known.sum() and new.sum():
        p, q = known / known.sum(), new / new.sum()
        moved = np.argsort(-np.abs(q - p)[: len(shown)], kind="stable")[:2]
        findings += [f"{shown[at]!r} {p[at]:.1%} to {q[at]:.1%}" for at in moved if abs(q[at] - p[at]) > 0.01]
    return findings
