"""Warn about a table before training on it: what to know of its columns, its rows and its target."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np

from mlpcli.data.features.preprocessor import fit_preprocessor
from mlpcli.data.features.profiles import Profile
from mlpcli.data.features.value_notes import lost_digit_notes
from mlpcli.data.inspect.find_copies import copies_in, groups_in, shared_with
from mlpcli.data.inspect.near_leak import find_near_leak
from mlpcli.data.inspect.propose_splits import ProposedSplit, propose_split, used_columns
from mlpcli.data.inspect.survey import Survey, are_imbalanced, invalid_cells
from mlpcli.data.inspect.value_codes import value_codes
from mlpcli.data.types import Array
from mlpcli.errors import listing
from mlpcli.printable import counted, verb
from mlpcli.spec.resolve import inline

MAX_DUPLICATES = 10
"""Columns that are the same as others are named up to this number, and then counted."""

MAX_LEAKS = 10
"""Columns that determine the target are named up to this number, and then counted."""

LEAK_CORRELATION = 0.99999

CLASS_ROWS = 10
"""Rows of each class from which on a column that separates them is no accident: of 20 rows, 1 in 92,000."""

MOST_DISTINCT = 20
"""Distinct values of a column up to which it is one of codes, of which each may have one class only."""

LEFT_OUT = "training rejects them unless dataset.missing_target is drop, as init writes"


def find_warnings(survey: Survey, test: str | None = None, images: Collection[str] = ()) -> list[str]:
    """Return what to know about a table before training on it.

    Args:
        survey: of the table.
        test: a file whose rows should not be in the table.
        images: the columns that name image files, of which the caller says how they are used.

    Returns:
        A sentence for each finding.
    """
    found = list(survey.table.notes)
    excluded = {name: why for name, why in survey.features.excluded.items() if name not in images}
    found += [f"column {name!r} would be left out: {why}" for name, why in excluded.items()]
    found += survey.features.notes
    found += _lost_digits(survey)
    found += _column_warnings(survey)
    found += rare_categories(survey, propose_split(survey, None) if survey.target is not None else None)
    found += copies_in(survey)
    found += _same_columns(survey)
    found += groups_in(survey)
    if survey.target is not None:
        leaks = find_leaks(survey)
        found += leak_warnings(leaks, survey.target)
        if not leaks and (near := find_near_leak(survey)) is not None:
            found.append(near.question)
        found += _imbalance(survey, survey.target)
    if test is not None:
        found += shared_with(survey, test)
    return found


def _lost_digits(survey: Survey) -> Iterator[str]:
    """Yield a line for each column of numbers that stay indistinct even once they are scaled."""
    numeric = {name: spec for name, spec in survey.features.used.items() if spec.kind == "numeric"}
    columns = survey.table.columns
    rows = np.arange(survey.table.rows)
    fitted = fit_preprocessor(columns, numeric, rows, survey.table.dialect)
    target = survey.profiles.get(survey.target or "")
    exact = target is not None and target.exact is not None and not survey.has_classes
    yield from lost_digit_notes(fitted, columns, rows, [survey.target] if exact and survey.target else ())


def _column_warnings(survey: Survey) -> Iterator[str]:
    for name, profile in survey.profiles.items():
        if profile.invalid and profile.content != "nothing":
            shown, one = listing(invalid_cells(survey, name), 5), profile.invalid == 1
            what = f"is not a {profile.content.removesuffix('s')}" if one else f"are not {profile.content}"
            yield (
                f"column {name!r}: {counted(profile.invalid, 'cell')} {what} ({shown}), and training rejects "
                f"{'it' if one else 'them'}; list spellings of a missing value under dataset.missing"
            )
        if name == survey.target and profile.distinct == 1 and not profile.missing:
            yield f"target {name!r} is the same in every row"
        if name == survey.target and survey.rows_without_target:
            yield f"target {name!r}: {counted(survey.rows_without_target, 'row')} without one, {LEFT_OUT}"
        elif profile.rows > profile.missing > 0.5 * profile.rows:
            yield f"column {name!r}: {profile.missing / profile.rows:.0%} of its cells are missing"


def rare_categories(survey: Survey, division: ProposedSplit | None) -> Iterator[str]:
    """Yield a line for each used column of so many categories that a network sees few rows of each.

    Args:
        survey: of the table.
        division: how its rows are divided, by which a column may not be used; None for at random.
    """
    for name, spec in used_columns(survey, division).items():
        profile = survey.profiles[name]
        if (
            name == survey.target
            or spec.encoding != "embedding"
            or profile.present >= FEW_ROWS * profile.distinct
        ):
            continue
        rows = profile.present / profile.distinct
        few = f"{profile.distinct:,} categories in {profile.present:,} rows, about {rows:.0f} rows each"
        pooled = "min_count: 10 under features makes the rare ones one"
        others = "a column of something coarser (a street's district) says more, and ignore leaves it out"
        yield f"column {name!r}: {few}: little is learned of each; {pooled}, {others}"


def _same_columns(survey: Survey) -> Iterator[str]:
    """Yield a line for each column that is the same as another."""
    found: list[str] = []
    keys: dict[bytes, str] = {}
    for name in survey.features.used:
        profile = survey.profiles[name]
        plain = profile.numbers if profile.exact is None else None
        key = (plain if plain is not None else value_codes(survey, name)).tobytes()
        same = key in keys and _values(survey, name) == _values(survey, keys[key])
        if same and survey.profiles[name].distinct > 1:
            found.append(f"column {name!r} is a duplicate of {keys[key]!r}")
        keys.setdefault(key, name)
    yield from found[:MAX_DUPLICATES]
    if more := len(found[MAX_DUPLICATES:]):
        yield f"{counted(more, 'more column')} {verb(more, 'are')} duplicates of others"


def _values(survey: Survey, name: str) -> list[str | None]:
    """Return the distinct texts, or exact numbers, in the order of `value_codes`; none for other numbers."""
    profile = survey.profiles[name]
    if profile.exact is not None:
        return [str(int(value)) for value in np.unique(profile.exact)]
    if profile.numbers is not None:
        return []
    return survey.table.columns[name].texts.values


FEW_ROWS = 5
"""Rows of a category below which, on average, its embedding is mostly where it began."""


def find_leaks(survey: Survey) -> list[str]:
    """Return the columns that determine the target, each by itself."""
    if survey.target is None:
        return []
    aim = survey.profiles[survey.target]
    return [name for name in survey.features.used if _determines(survey, name, aim)]


def leak_warnings(leaks: Sequence[str], target: str) -> list[str]:
    """Return a sentence on each column that determines the target; of many, the first ones and a number."""
    found = [
        f"column {name!r} determines the target {target!r} by itself; is it known when predicting?"
        for name in leaks[:MAX_LEAKS]
    ]
    if more := len(leaks[MAX_LEAKS:]):
        found.append(f"{counted(more, 'more column')} {verb(more, 'determine')} the target by themselves")
    return found


def _determines(survey: Survey, name: str, aim: Profile) -> bool:
    profile = survey.profiles[name]
    if aim.distinct < 2 or profile.distinct < 2:
        return False
    if survey.has_classes and _separates(survey, name, aim):
        return True
    if profile.numbers is not None and aim.numbers is not None:
        both = ~np.isnan(profile.numbers) & ~np.isnan(aim.numbers)
        a, b = profile.numbers[both].astype(np.float64), aim.numbers[both].astype(np.float64)
        if len(a) > 2 and a.std() > 0 and b.std() > 0:
            return bool(abs(np.corrcoef(a, b)[0, 1]) > LEAK_CORRELATION)
        return False
    if profile.distinct != aim.distinct or 2 * aim.distinct > aim.rows:
        return False
    pairs = set(zip(value_codes(survey, name).tolist(), value_codes(survey, aim.name).tolist(), strict=True))
    return len(pairs) == aim.distinct


def _separates(survey: Survey, name: str, aim: Profile) -> bool:
    """Return whether each class has values of its own: a range of numbers, or some of few distinct ones.

    Every class must have so many rows that this is no accident.
    """
    profile = survey.profiles[name]
    there = _is_there(survey, aim)
    classes, values = value_codes(survey, aim.name)[there], value_codes(survey, name)[there]
    rows = np.unique(classes, return_counts=True)[1]
    if len(rows) < 2 or rows.min() < CLASS_ROWS:
        return False
    distinct = len(np.unique(values))
    if distinct <= MOST_DISTINCT and len(values) >= FEW_ROWS * distinct:
        return len(np.unique(np.stack([values, classes]), axis=1).T) == distinct
    if profile.numbers is None or not _is_there(survey, profile)[there].all():
        return False
    order = np.argsort(values, kind="stable")
    classes, values = classes[order], values[order]
    changes = np.flatnonzero(np.diff(classes))
    return len(changes) == len(rows) - 1 and bool((values[changes] < values[changes + 1]).all())


def _is_there(survey: Survey, profile: Profile) -> Array:
    """Return (rows,) bool, whether a column has a value."""
    if profile.numbers is not None:
        return ~np.isnan(profile.numbers)
    return ~survey.table.columns[profile.name].texts.mask((None,))


def _imbalance(survey: Survey, target: str) -> Iterator[str]:
    counts = survey.class_counts
    if not 2 <= len(counts) <= 100:
        return
    total = sum(counts.values())
    most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    if are_imbalanced(counts):
        shares = f"{most!r} has {counts[most] / total:.1%} of the rows, {least!r} {counts[least] / total:.1%}"
        ways = []
        if len(counts) == 2:
            first = next(iter(counts)) == least
            positive = f"dataset: {{positive_class: {inline(least)}}} with " if first else ""
            ways = [f"{positive}predict: {{threshold: {{metric: f1}}}}"]
        fix = " or ".join([*ways, "fit: {class_weight: balanced}"])
        yield f"classes of {target!r} are imbalanced: {shares}; try {fix}"
