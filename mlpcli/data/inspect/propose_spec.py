"""Propose a first spec for a table, which `mlpcli init` writes."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from mlpcli.data.features.profiles import Profile
from mlpcli.data.inspect.effort import Effort
from mlpcli.data.inspect.find_warnings import MAX_LEAKS, find_leaks, leak_warnings, rare_categories
from mlpcli.data.inspect.long_tail import has_long_tail
from mlpcli.data.inspect.near_leak import find_near_leak
from mlpcli.data.inspect.propose_network import Apart, propose_network, validation_share
from mlpcli.data.inspect.propose_pictures import Pictures, picture_features
from mlpcli.data.inspect.propose_splits import ProposedSplit, uncovered_parts, used_columns
from mlpcli.data.inspect.propose_text import text_note, text_settings
from mlpcli.data.inspect.rare_class import positive_lines
from mlpcli.data.inspect.survey import Survey, invalid_cells
from mlpcli.data.readers.reading import AS_RECORDED, Reading
from mlpcli.errors import DataError, Problem, listing
from mlpcli.printable import counted, quoted, shortened, verb
from mlpcli.spec.features import FeatureSpec
from mlpcli.spec.load import WRITTEN_BY_INIT

PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
RESERVED = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "none"])

MAX_COMMENT, MAX_NOTES = 200, 50
MAX_KEY = 1000
"""YAML allows no key of more than 1024 characters without a `?` before it."""

MAX_CLASS_COUNT = 1000
MIN_ROWS = 5
"""Fewer rows cannot be split in three."""

SMALL_ROWS = 50
"""With fewer rows, what is measured on the test rows is mostly chance."""

MAX_SPELLINGS, MAX_REASONS = 10, 3
MOST_LISTED = 1000
"""Columns that a proposed spec lists one by one; a spec is a short text file."""

MIN_CLASS_ROWS = 4
"""So that each split can have a row of the class."""

ROWS_PER_CLASS = 3
"""Text with fewer rows than this for a distinct value is no target of classes."""


def propose_spec(
    survey: Survey,
    *,
    name: str,
    path: str,
    command: str,
    effort: Effort = "good",
    division: ProposedSplit | None = None,
    pictures: Pictures | None = None,
    reading: Reading = AS_RECORDED,
    many_classes: bool = False,
) -> str:
    """Return a commented spec for a surveyed table, as YAML text.

    Args:
        survey: of the table, with a target.
        name: of the experiment.
        path: of the table, relative to the spec's folder.
        command: that trains the spec.
        effort: how much time the training may take.
        division: by what the rows are divided; None for at random.
        pictures: the columns of images, which the survey is without.
        reading: what was said of how the table is read.
        many_classes: allow as many classes as there are, also of one row each.

    Returns:
        The text of the spec.

    Raises:
        DataError: a model cannot be trained on the target, or on the other columns.
    """
    assert survey.target is not None
    assert survey.task is not None
    profile = survey.profiles[survey.target]
    _check(survey, profile, many_classes=many_classes, pictures=bool(pictures))
    usable = _usable(survey, division)
    texts = [scalar(name) for name, spec in usable.items() if spec.kind == "text"]
    lines = [
        *_head(survey, name, command, effort),
        *_dataset(survey, path, profile, reading, division),
        *_features(survey, division, pictures or {}, effort),
        *propose_network(survey, usable.values(), Apart(texts, pictures or {}, effort)),
    ]
    return "\n".join([*lines, ""])


def _head(survey: Survey, name: str, command: str, effort: Effort) -> Iterator[str]:
    """Yield what the spec is, how it is trained, and its name and seed."""
    yield f"# {_comment(survey.path)}: {survey.table.rows:,} rows. Train with: {_comment(command)}"
    for rows in _few(survey):
        yield f"# Only {counted(rows, 'row')}: what the test rows show is mostly chance."
    yield f"{WRITTEN_BY_INIT} --effort {effort}. Any field can be overridden: --set fit.epochs=50"
    yield f"name: {scalar(name)}"
    yield "seed: 42"


def _dataset(
    survey: Survey, path: str, profile: Profile, reading: Reading, division: ProposedSplit | None
) -> Iterator[str]:
    """Yield the section `dataset` up to its features.

    Args:
        survey: of the table.
        path: of the table.
        profile: of the target.
        reading: what was said of how the table is read.
        division: by what the rows are divided.
    """
    yield "dataset:"
    yield f"  path: {scalar(path)}"
    for note in survey.table.notes[:MAX_NOTES]:
        yield f"  # {_comment(note)}"
    yield from _words(reading)
    if survey.table.dialect.decimal == "," and not reading.decimal:
        yield "  decimal: ','"
    if survey.table.dialect.header is False:
        yield "  header: false"
    yield from _gaps(survey)
    yield from _target(survey, profile)
    yield from _splits(survey, division)
    yield "  scaling: quantile           # numbers to a normal distribution, by the training rows"


def _words(reading: Reading) -> Iterator[str]:
    """Yield what was said of how the table is read, but for its header, which the survey knows."""
    for name, value in vars(reading).items():
        if value and isinstance(value, str):
            yield f"  {name}: {scalar(value)}"
    if reading.header is True:
        yield "  header: true"


def _splits(survey: Survey, division: ProposedSplit | None) -> Iterator[str]:
    """Yield how the rows are divided, and why, where that is not at random."""
    share = validation_share(survey)
    test, validation = "0.2                ", f"{share}             "
    if division is not None:
        yield f"  # {_comment(division.reason)}"
        test, validation = (f"{division.amount(each)} " for each in (0.2, share))
    yield f"  test: {test}# split off first, not trained on; measured after each training"
    yield f"  validation: {validation}# of the rest; decides when to stop"


def scalar(text: str) -> str:
    """Return a text as a YAML scalar."""
    return text if PLAIN_NAME.fullmatch(text) and text.lower() not in RESERVED else quoted(text)


def _comment(text: str) -> str:
    """Return a text on a single line."""
    return shortened(" ".join(text.split()), MAX_COMMENT)


def _few(survey: Survey) -> list[int]:
    """Return the number of rows if it is small."""
    rows = survey.table.rows - survey.rows_without_target
    return [rows] if rows < SMALL_ROWS else []


def find_risks(survey: Survey, division: ProposedSplit | None = None) -> list[str]:
    """Return what makes a proposed spec worth less than it looks: a sentence each.

    Args:
        survey: of the table.
        division: how its rows are divided; None for at random.
    """
    risks = [
        f"only {counted(rows, 'row')}: what the test rows show is mostly chance" for rows in _few(survey)
    ]
    risks += [*survey.features.notes, *rare_categories(survey, division)]
    if survey.target:
        leaks = find_leaks(survey)
        warnings = leak_warnings(leaks, survey.target)
        risks += [
            f"{warning} If not, write {scalar(name)}: ignore under features"
            for name, warning in zip(leaks[:MAX_LEAKS], warnings[:MAX_LEAKS], strict=True)
        ]
        risks += warnings[MAX_LEAKS:]
        if not leaks and (near := find_near_leak(survey)) is not None:
            risks.append(f"{near.question} If not, write {scalar(near.column)}: ignore under features")
    if survey.target and survey.profiles[survey.target].identifier:
        risks.append(f"the target {survey.target!r} looks like an identifier, which nothing can predict")
    if rare := rare_classes(survey):
        shown = listing([f"{name!r} ({count})" for name, count in rare.items()], 5)
        pooled = f"target_min_count: {MIN_CLASS_ROWS} in the spec makes them one class, 'other'"
        risks.append(f"classes of fewer than {MIN_CLASS_ROWS} rows are not in every split: {shown}; {pooled}")
    return risks


def rare_classes(survey: Survey) -> dict[str, int]:
    """Return the classes that have too few rows to be in every split, with their rows."""
    return {name: count for name, count in survey.class_counts.items() if count < MIN_CLASS_ROWS}


def _check(survey: Survey, profile: Profile, *, many_classes: bool, pictures: bool) -> None:
    where = f"{survey.path}, target {profile.name!r}"
    problems = []
    rows = survey.table.rows - survey.rows_without_target
    if all(_unreadable(survey, name) for name in survey.features.used) and not pictures:
        rule = f"{survey.path}: there is no usable column besides the target"
        problems.append(Problem(rule, hint=_why_unusable(survey)))
    if profile.content != "nothing" and rows < MIN_ROWS:
        which = " with a target" if survey.rows_without_target else ""
        rule = f"{survey.path}: must have {MIN_ROWS} rows or more{which}"
        problems.append(Problem(rule, received=rows))
    if profile.invalid:
        shown = listing(invalid_cells(survey, profile.name), 5)
        bad = f"{counted(profile.invalid, 'cell')} {verb(profile.invalid, 'are')}"
        rule = f"{where}: {bad} not {profile.content} ({shown})"
        problems.append(Problem(rule, hint="correct them, or empty them: rows without a target are left out"))
    distinct = len(survey.class_counts) if survey.has_classes else profile.distinct
    if profile.content == "nothing":
        problems.append(Problem(f"{where}: is missing in every row", hint="choose another --target"))
    elif profile.content == "others":
        problems.append(Problem(f"{where}: must hold numbers, text or booleans"))
    elif distinct < 2:
        which = " that has it" if survey.rows_without_target else ""
        problems.append(Problem(f"{where}: is the same in every row{which}", hint="choose another --target"))
    elif survey.has_classes and not many_classes:
        problems += _class_problems(where, survey, profile)
    if problems:
        raise DataError(*problems)


def _class_problems(where: str, survey: Survey, profile: Profile) -> Iterator[Problem]:
    counts = survey.class_counts
    rows = sum(counts.values())
    if profile.content != "dates" and len(counts) <= max(2, min(MAX_CLASS_COUNT, rows // ROWS_PER_CLASS)):
        return
    what = "dates" if profile.content == "dates" else "too many distinct values for classes"
    if profile.content == "texts":
        what = f"text with {what}"
    hint = "give a column of numbers, or of few classes"
    if profile.numbers is not None:
        hint = "write --task regression"
    yield Problem(
        f"{where}: holds {what}, {len(counts):,} in {counted(rows, 'row')}",
        received=next(iter(counts)),
        hint=hint,
    )


def _target(survey: Survey, profile: Profile) -> Iterator[str]:
    assert survey.task is not None
    why = _comment(f"{survey.task.kind}: {survey.task.reason}")
    if survey.has_classes:
        yield f"  target: {scalar(profile.name)}  # {counted(len(survey.class_counts), 'class', 'classes')}"
        yield f"  # {why}"
        if rare := rare_classes(survey):
            names = listing([f"{name!r} ({count})" for name, count in rare.items()], 3)
            yield f"  # too few rows to be in every split: {_comment(names)}"
            yield f"  # target_min_count: {MIN_CLASS_ROWS}       # would make them one class, 'other'"
        yield from positive_lines(survey.class_counts)
        yield from _left_out(survey)
        return
    assert profile.numbers is not None
    known = profile.numbers[~np.isnan(profile.numbers)].astype(np.float64)
    yield f"  target: {scalar(profile.name)}  # a number, {known.min():g} to {known.max():g}"
    yield f"  # {why}"
    yield from _left_out(survey)
    mean, deviation = float(np.mean(known)), float(np.std(known))
    if abs(mean) > 3 or not 0.3 < deviation < 3:
        yield "  target_scaling: standardize # for training; predictions are in the original units"
        if has_long_tail(known):
            yield "  # a long tail of large values: with target_scaling: log, errors are shares of the value;"
            yield "  # train both, and mlpcli compare says which is better"


def _left_out(survey: Survey) -> Iterator[str]:
    if missing := survey.rows_without_target:
        yield f"  missing_target: drop        # leaves out {counted(missing, 'row')} without a target"


def _gaps(survey: Survey) -> Iterator[str]:
    """Yield the spellings of a missing value: few words without a digit, in columns of numbers or dates."""
    words = [word for name in survey.features.used for word in invalid_cells(survey, name)]
    words = [*survey.table.dialect.missing, *words]
    if words := [word for word in dict.fromkeys(words) if not _is_a_value(word)][:MAX_SPELLINGS]:
        yield f"  missing: [{', '.join(map(scalar, words))}]  # found in columns of numbers or dates"


def _is_a_value(text: str) -> bool:
    """Return whether an unusual cell holds something: a digit, and none of a spreadsheet's errors."""
    return any(letter.isdigit() for letter in text) and not text.startswith("#")


def _unreadable(survey: Survey, name: str) -> list[str]:
    """Return cells that are neither valid nor a spelling of a missing value."""
    cells = invalid_cells(survey, name)
    return cells if len(cells) > MAX_SPELLINGS else list(filter(_is_a_value, cells))


def _what_is_wrong(survey: Survey, name: str) -> str:
    """Return why a column that looks usable is not, an empty text if it is."""
    cells = _unreadable(survey, name)
    return f"cells that are not {survey.profiles[name].content}, such as {listing(cells, 3)}" if cells else ""


def _usable(survey: Survey, division: ProposedSplit | None) -> dict[str, FeatureSpec]:
    """Return the columns that the spec uses."""
    used = used_columns(survey, division)
    return {name: spec for name, spec in used.items() if not _what_is_wrong(survey, name)}


def _why_unusable(survey: Survey) -> str:
    """Return why none of the columns is usable; of many, of the first ones."""
    reasons = {name: _what_is_wrong(survey, name) for name in survey.features.used}
    shown = [f"{name!r} is left out: {why}" for name, why in (survey.features.excluded | reasons).items()]
    more = f"; and {len(shown) - MAX_REASONS} more" if len(shown) > MAX_REASONS else ""
    return "; ".join(shown[:MAX_REASONS]) + more if shown else "it is the only column"


def _features(
    survey: Survey, division: ProposedSplit | None, pictures: Pictures, effort: Effort
) -> Iterator[str]:
    """Yield a line for each column; where there are many, for those alone that differ from the inferred."""
    used, excluded = used_columns(survey, division), survey.features.excluded
    wide, leaks = len(used) + len(excluded) > MOST_LISTED, find_leaks(survey)
    leaks = leaks[:MAX_LEAKS] if wide else leaks
    lines = [*picture_features(pictures, effort)]
    for name, spec in used.items():
        if what := _what_is_wrong(survey, name):
            lines.append(f"    {_key(name)}: ignore  # {_comment(what)}")
            continue
        divides = division is not None and name == division.column
        if not wide or divides or name in leaks or spec.kind == "text":
            if division is not None and divides:
                lines += _uncovered(survey, division, spec)
            if name in leaks:
                lines.append("    # determines the target by itself; if it is not known beforehand: ignore")
            lines.append(f"    {_key(name)}: {{{_settings(spec)}}}{_note(survey.profiles[name], spec.kind)}")
    if wide:
        yield f"  # {len(used):,} columns, whose kind and encoding are inferred: see mlpcli check --resolved"
    else:
        lines += [f"    {_key(name)}: ignore  # {_comment(why)}" for name, why in excluded.items()]
    if division is not None and division.column in survey.features.used.keys() - used.keys():
        lines.append(f"    {_key(division.column)}: ignore  # new rows are of other groups")
    if lines:
        yield "  features:                   # kind and encoding; what is left out is inferred"
        yield from lines


def _uncovered(survey: Survey, division: ProposedSplit, spec: FeatureSpec) -> Iterator[str]:
    """Yield what to try where later rows hold months, or others of its parts, that the training rows lack."""
    lacking = uncovered_parts(survey, division, 0.2, validation_share(survey))
    rest = [part for part in spec.parts or () if part not in lacking]
    advice = f"parts: [{', '.join(rest)}]" if rest else "kind: ignore"
    for part, count in lacking.items():
        missing = f"the training rows lack {counted(count, 'value')} of later rows"
        yield f"    # {part}: {missing}; compare with {advice}"


def _key(name: str) -> str:
    """Return a column's name as the key of a YAML mapping."""
    key = scalar(name)
    return key if len(key) < MAX_KEY else f"? {key}\n    "


def _settings(spec: FeatureSpec) -> str:
    if spec.kind == "text":
        return text_settings(spec)
    parts = []
    for key, value in spec.given().items():
        if key == "scaling":
            continue  # that of all columns
        if isinstance(value, list):
            parts.append(f"{key}: [{', '.join(value)}]")
        else:
            parts.append(f"{key}: {scalar(value) if isinstance(value, str) else value}")
    return ", ".join(parts)


def _note(profile: Profile, kind: str | None) -> str:
    parts = [f"{profile.distinct:,} distinct"] if profile.numbers is None else []
    parts += [text_note(profile)] if kind == "text" else []
    parts += [f"{profile.missing:,} missing"] if profile.missing else []
    if profile.twin is not None:
        parts.append(f"day and month cannot be told apart: it may be {profile.twin}")
    return f"  # {', '.join(parts)}" if parts else ""
