"""Decide how each column is used: its kind is inferred from its values unless the spec states it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from mlpcli.data.features.profiles import Profile, profile_column
from mlpcli.data.features.text_columns import holds_sentences, text_keys, text_problems
from mlpcli.data.features.value_notes import date_notes
from mlpcli.data.readers.dialect import Notation
from mlpcli.data.readers.parse_cells import ParsedColumn
from mlpcli.errors import KeyPath, Problem, SpecError, show_value
from mlpcli.printable import counted
from mlpcli.spec.features import DATE_SCALINGS, KEYS_OF_KIND, FeatureSpec
from mlpcli.spec.resolve import inline
from mlpcli.spec.values import Value

MAX_ONE_HOT = 30
"""Up to this many categories are one-hot encoded; more use an embedding."""

MAX_CATEGORIES = 10_000
"""A column with more distinct values is not categorical, unless the spec says so."""

MAX_CATEGORY_LENGTH = 50
"""Texts whose mean length is above this, in characters, are prose and not categories."""

ROWS_PER_SENTENCE = 5
"""Sentences with fewer rows each in the mean are texts for `init`, also where few enough for categories."""

MAX_EMBEDDING_WIDTH = 50

MAX_PLAIN = 1e15
"""Whole numbers below this are shown without a decimal point."""

NUMBER_FILLS = ("mean", "median", "indicator", "error")


@dataclass(frozen=True)
class Features:
    """How the columns of a table are used.

    Attributes:
        used: the columns that the model takes, in its order, each with every key of its kind filled in.
        excluded: the columns that it does not take, each with the reason; the spec did not ignore them.
        ignored: the columns that the spec ignores.
        notes: what to know of the columns that are used: a format that was guessed, zones that are missing.
    """

    used: dict[str, FeatureSpec]
    excluded: dict[str, str]
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def resolved(self) -> dict[str, Value]:
        """Return `dataset.features` for `resolved.yaml`, which selects the same columns again."""
        stated: dict[str, Value] = {name: spec.given() for name, spec in self.used.items()}
        return stated | dict.fromkeys((*self.excluded, *self.ignored), "ignore")


def choose_features(
    columns: Mapping[str, ParsedColumn],
    wanted: Sequence[str] | Mapping[str, FeatureSpec] | None,
    *,
    scaling: str,
    clip: str = "none",
    decimal: str = ".",
    sentences: bool = False,
) -> Features:
    """Decide how each column is used.

    Args:
        columns: the columns by name in the file's order, without the targets.
        wanted: `dataset.features`: listed columns are used whatever they hold; a mapping describes some
            columns, and the others are inferred.
        scaling: of numbers, unless their spec names one; of dates too where it is `quantile`.
        clip: of numbers and dates, unless their spec names one.
        decimal: the decimal sign that the spec names for the table; the spec of a column states another.
        sentences: use columns of sentences as texts; a spec has to say that it does.

    Returns:
        The columns that are used, excluded and ignored.

    Raises:
        SpecError: the spec of a column contradicts its content; one problem for each such column.
    """
    named = dict.fromkeys(wanted or ())
    mapping = wanted if isinstance(wanted, Mapping) else {}
    listed = wanted is not None and not isinstance(wanted, Mapping)
    choice = _Choice(_Defaults(scaling, clip, decimal), {*named}, sentences)
    for place, name in enumerate(named if listed else named | dict.fromkeys(columns)):
        given = mapping.get(name, FeatureSpec())
        if given.kind != "ignore":
            path: KeyPath = ("dataset", "features", place if listed else name)
            choice.decide(name, columns[name], given, path)
    if choice.problems:
        raise SpecError(*choice.problems)
    ignored = tuple(name for name in columns if name not in choice.used and name not in choice.excluded)
    return Features(choice.used, choice.excluded, ignored, tuple(choice.notes))


@dataclass
class _Choice:
    """The columns that have been decided on; see `Features`.

    Attributes:
        defaults: of columns whose spec says nothing else.
        named: the columns that the spec names, which are not left out without a word.
        sentences: use columns of sentences as texts.
        used: those that the model takes.
        excluded: those that it does not take.
        problems: of their specs.
        notes: on those that are used.
    """

    defaults: _Defaults
    named: set[str]
    sentences: bool
    used: dict[str, FeatureSpec] = field(default_factory=dict)
    excluded: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def decide(self, name: str, column: ParsedColumn, given: FeatureSpec, path: KeyPath) -> None:
        """Decide how a column is used: as its spec says, or as its values are.

        Args:
            name: of the column.
            column: its cells.
            given: its spec, empty where there is none.
            path: of the spec.
        """
        profile = profile_column(name, column)
        why = "" if given.kind else _reason_to_exclude(profile, named=name in self.named)
        if why and holds_sentences(profile):
            words = f"sentences, {len(profile.counts):,} distinct in {profile.rows:,} rows"
            given = FeatureSpec(kind="text") if self.sentences else given
            why = "" if self.sentences else f"{words}; {{kind: text}} would use their words"
        elif self.sentences and not (why or given.kind) and _are_rare_sentences(profile):
            given = FeatureSpec(kind="text")
        if not why:
            self._use(name, column, given, profile, path)
        elif name in self.named:
            self.problems.append(_unusable(path, why))
        else:
            self.excluded[name] = why

    def _use(
        self, name: str, column: ParsedColumn, given: FeatureSpec, profile: Profile, path: KeyPath
    ) -> None:
        """Complete the spec of a column that is used; keep what is wrong with it, and what to know of it."""
        used = _complete(given, profile, column.dialect.notation, self.defaults)
        self.used[name] = used
        self.problems += _spec_problems(given, used, path)
        if self.sentences and not given.kind and used.kind == "categorical" and holds_sentences(profile):
            self.notes.append(_of_few_sentences(name, profile))
        if used.kind == "date":
            self.notes += date_notes(profile, column, used.format or "", guessed=not given.format)


def _are_rare_sentences(profile: Profile) -> bool:
    """Return whether a column holds sentences that few rows share, of which only the words tell more."""
    return holds_sentences(profile) and profile.present < ROWS_PER_SENTENCE * len(profile.counts)


def _of_few_sentences(name: str, profile: Profile) -> str:
    """Return the line on sentences that are so few and short that they are taken for categories."""
    counts = f"{len(profile.counts):,} distinct sentences in {counted(profile.rows, 'row')}"
    way = f"{{{inline(name)}: {{kind: text}}}}"
    return f"column {name!r}: {counts} are taken for categories; for their words: features: {way}"


def _unusable(path: KeyPath, why: str) -> Problem:
    hint = "remove it, or state its kind: {kind: categorical, encoding: embedding, min_count: 5}"
    if "kind: text" in why:
        why, hint = why.split(";")[0], "remove it, or use its words: {kind: text}"
    return Problem(f"cannot be a feature by itself, it is {why}", path=path, hint=hint)


def _reason_to_exclude(profile: Profile, *, named: bool) -> str:
    """Return why a column is no feature, or an empty text; some reasons do not apply to `named` columns."""
    if profile.content == "nothing":
        unusable = "of infinite numbers, numbers beyond 3.4e38, or dates beyond the year 9999"
        return unusable if profile.invalid else "empty in every row"
    if profile.content == "others":
        return "neither numbers, text nor dates"
    if profile.content == "texts" and not _is_category(profile):
        if profile.identifier and not named:
            return f"like an identifier, {len(profile.counts):,} distinct values in {profile.rows:,} rows"
        distinct = f"{len(profile.counts):,} distinct in {counted(profile.rows, 'row')}"
        return f"text with too many distinct values for a category ({distinct})"
    if named:
        return ""
    if profile.constant:
        if profile.numbers is None:
            return f"the same in every row ({show_value(next(iter(profile.counts), None))})"
        value = profile.known[0]
        whole = int(value) == value and (profile.exact is not None or abs(value) < MAX_PLAIN)
        return f"the same in every row ({show_value(int(value) if whole else float(value))})"
    if profile.identifier:
        return "like an identifier, distinct in every row"
    return ""


def _is_category(profile: Profile) -> bool:
    """Return whether texts are few enough, and short enough, to be categories."""
    distinct = len(profile.counts)
    if distinct <= MAX_ONE_HOT and profile.length <= MAX_CATEGORY_LENGTH:
        return not profile.identifier
    return distinct <= min(MAX_CATEGORIES, profile.present // 2) and profile.length <= MAX_CATEGORY_LENGTH


_KIND_OF = {
    "numbers": "numeric",
    "booleans": "boolean",
    "dates": "date",
    "texts": "categorical",
    "nothing": "numeric",
    "others": "categorical",
}


class _Defaults(NamedTuple):
    """What holds for the columns of a table unless their own spec says otherwise."""

    scaling: str
    clip: str
    decimal: str


def _complete(given: FeatureSpec, profile: Profile, notation: Notation, defaults: _Defaults) -> FeatureSpec:
    """Return the column's spec, completed from the data and the defaults."""
    kind = given.kind or _KIND_OF[profile.content]
    filled: dict[str, object] = {"kind": kind}
    if kind == "numeric":
        filled |= {"scaling": defaults.scaling}
        filled |= {"decimal": notation.decimal} if notation.decimal != defaults.decimal else {}
        filled |= {"thousands": notation.thousands} if notation.thousands else {}
        filled |= {"unit": notation.unit} if notation.unit else {}
    if kind in ("numeric", "boolean", "date"):
        filled |= {"missing": "indicator" if profile.missing else "mean"}
    if kind in ("numeric", "date"):
        filled |= {"clip": defaults.clip} if defaults.clip != "none" else {}
    if kind == "date":
        filled |= {"scaling": "quantile"} if defaults.scaling == "quantile" else {}
        filled |= {"format": profile.format or "%Y-%m-%d"}
        filled |= {"parts": ["elapsed", "month", "weekday", *(["hour"] if profile.with_time else [])]}
    if kind == "categorical":
        filled |= {"missing": "bucket", "unseen": "bucket", "min_count": 1}
        filled |= {"encoding": "one_hot" if profile.distinct <= MAX_ONE_HOT else "embedding"}
        if (given.encoding or filled["encoding"]) == "embedding":
            filled |= {"width": embedding_width(profile.distinct), "min_count": 2}
    if kind == "text":
        filled |= text_keys(given, profile)
    return FeatureSpec.model_validate(filled | given.given())


def embedding_width(categories: int) -> int:
    """Return the width of an embedding of n categories: 1.6 n ** 0.56, fast.ai's rule, at most 50."""
    return int(min(MAX_EMBEDDING_WIDTH, max(2, round(1.6 * categories**0.56))))


def _spec_problems(given: FeatureSpec, chosen: FeatureSpec, path: KeyPath) -> Iterator[Problem]:
    assert chosen.kind is not None
    known = KEYS_OF_KIND[chosen.kind]
    for key, value in given.given().items():
        if key != "kind" and key not in known:
            kinds = " or ".join(kind for kind, keys in KEYS_OF_KIND.items() if key in keys)
            hint = f"{key} is for {kinds} columns; a {chosen.kind} column takes {', '.join(known)}"
            yield Problem(
                "cannot be used with this kind of column", path=(*path, key), received=value, hint=hint
            )
    missing = chosen.missing
    if "missing" in known and not _fits(chosen, missing):
        choices = {"categorical": "bucket, error, or the name of a category"}.get(
            chosen.kind,
            "mean, indicator or error"
            if chosen.kind == "date"
            else "mean, median, a number, indicator or error",
        )
        yield Problem(f"must be {choices}", path=(*path, "missing"), received=missing)
    if given.scaling and chosen.kind == "date" and given.scaling not in DATE_SCALINGS:
        rule = f"must be one of {', '.join(DATE_SCALINGS)} for a date"
        yield Problem(rule, path=(*path, "scaling"), received=given.scaling)
    if given.thousands and given.thousands == given.decimal:
        rule = "must differ from the decimal separator"
        yield Problem(rule, path=(*path, "thousands"), received=given.thousands)
    if given.width is not None and chosen.encoding != "embedding":
        hint = "add encoding: embedding"
        yield Problem("is for embeddings", path=(*path, "width"), received=given.width, hint=hint)
    yield from text_problems(given, chosen, path)


def _fits(chosen: FeatureSpec, missing: object) -> bool:
    if chosen.kind == "categorical":
        return isinstance(missing, str)
    if chosen.kind == "text":
        return missing in ("empty", "error")
    if chosen.kind == "date":
        return missing in ("mean", "indicator", "error")
    return missing in NUMBER_FILLS or isinstance(missing, int | float)
