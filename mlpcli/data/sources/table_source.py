"""Open the table of a `dataset` section: its targets, its features, and how each is used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mlpcli.data.features.column_notes import text_notes
from mlpcli.data.features.declared_kinds import kind_problems
from mlpcli.data.features.feature_kinds import Features, choose_features
from mlpcli.data.images.image_reading import drops_broken
from mlpcli.data.readers.dialect import Dialect
from mlpcli.data.readers.notations import Stated, read_numbers, with_dialect
from mlpcli.data.readers.parse_cells import python_values, spell_number
from mlpcli.data.readers.tables import ReadTable, Table, TableFile, open_tables, read_table
from mlpcli.data.request import Request
from mlpcli.data.sources.column_problems import (
    feature_problems,
    no_features,
    target_problems,
    weight_problems,
)
from mlpcli.data.sources.image_columns import (
    complete_columns,
    image_columns_of_spec,
    images_of_features,
    paths_of,
)
from mlpcli.data.sources.source_rows import Source, SourceRows
from mlpcli.data.sources.table_rows import Columns, Targets, rows_of_table
from mlpcli.data.split_columns import (
    SplitColumns,
    read_split_columns,
    split_column_problems,
    wanted_columns,
)
from mlpcli.data.types import NumberType, TargetKind
from mlpcli.errors import DataError, Problem, SpecError, show_value
from mlpcli.spec.schema import DatasetSpec

AS_WRITTEN = ("categorical", "date", "text", "image")
"""The kinds of columns whose cells are read as texts."""

ASIDE = "it divides the rows into splits; name it under dataset.features to use it"
IGNORED = "the spec ignores it"


def open_table_source(
    spec: DatasetSpec, paths: Sequence[Path], request: Request, *, read: ReadTable = read_table
) -> Source:
    """Read a table, or several files as one.

    Args:
        spec: the `dataset` section.
        paths: of the files.
        request: what the network requires.
        read: reads the columns.

    Returns:
        The source, whose features are not encoded yet.

    Raises:
        SpecError: a column is not in the table, or no feature is left.
        DataError: the table cannot be used.
    """
    assert spec.path is not None
    file = open_tables(paths, spec.path, dialect_of(spec, request.numbers))
    if spec.header is False:
        file = with_dialect(file, replace(file.dialect, width=len(file.own_names)))
    targets = target_columns(spec, request.target_kinds)
    columns = columns_of_spec(spec, file, targets, request.target_kinds, only_named=request.only_named)
    scaling = spec.scaling or ("none" if request.scales_inputs else "standardize")
    rows, chosen, notes, divided = _first_rows(file, columns, spec, scaling, read, request.kept)
    chosen = _with_others(chosen, columns, file, listed=isinstance(spec.features, list))
    unnamed = [name for name in file.unnamed if name in chosen.used and name not in (spec.features or ())]
    if not chosen.used or unnamed:
        ignored = dict.fromkeys((name for name in chosen.ignored if name in file.names), IGNORED)
        why = {**chosen.excluded, **ignored, **_taken_otherwise(file, spec)}
        raise SpecError(no_features(file, tuple(chosen.used), why))
    only = targets.get("", ())
    return Source(
        rows,
        None,
        "table",
        tuple(chosen.used),
        only,
        spec.path,
        targets={} if only else targets,
        chosen=chosen,
        notes=(*file.notes, *notes),
        split_columns=divided,
        image_columns=images_of_features(chosen.used, drop=drops_broken(spec), kept=request.kept),
    )


def _with_others(chosen: Features, columns: Columns, file: TableFile, *, listed: bool) -> Features:
    """Return the features with the columns that were not looked at: those that divide the rows, and the rest.

    Args:
        chosen: the features.
        columns: those of the spec.
        file: the opened table.
        listed: whether the spec lists its features, so that no other column could have been one.
    """
    used = {*columns.all}
    aside = {} if listed else {name: ASIDE for name in columns.aside if name not in used}
    known = used | {*aside}
    unread = (name for name in file.names if name not in known)  # `resolved.yaml` ignores them
    return replace(chosen, excluded=chosen.excluded | aside, ignored=(*chosen.ignored, *unread))


def _taken_otherwise(file: TableFile, spec: DatasetSpec) -> dict[str, str]:
    """Return why columns are no features which the spec takes for something else."""
    aside = {name: ASIDE for name, _ in wanted_columns(spec) if name in file.names}
    return aside | ({spec.weights: "it is the weight of the rows"} if spec.weights in file.names else {})


def columns_of_spec(
    spec: DatasetSpec,
    file: TableFile,
    targets: Targets,
    target_kinds: Mapping[str, TargetKind | None],
    *,
    only_named: bool,
) -> Columns:
    """Return the columns of a table that are used.

    Args:
        spec: the `dataset` section.
        file: the opened table.
        targets: the target columns of each output.
        target_kinds: what the loss of each output takes, by the output's name.
        only_named: whether a mapping of features names every column that is used.

    Raises:
        SpecError: a column is not in the table, or no feature is left.
    """
    taken = tuple(name for names in targets.values() for name in names)
    named = spec.features
    if only_named and isinstance(named, dict):  # an ignored column may be missing from the file
        named = {name: each for name, each in named.items() if each.kind != "ignore"}
    problems = [
        *target_problems(spec, file),
        *weight_problems(spec, file, taken),
        *feature_problems(named, file.names, taken, spec.weights),
        *split_column_problems(spec, file.names, taken, file.origin.label),
    ]
    if problems:
        raise SpecError(*problems)
    dividing = tuple(dict.fromkeys(name for name, _ in wanted_columns(spec)))
    if isinstance(named, list) or (only_named and named is not None):
        features = tuple(named)
    else:
        left = {*taken, spec.weights, *(name for name in dividing if name not in (named or ()))}
        features = tuple(name for name in file.names if name not in left)
    if not features:
        raise SpecError(no_features(file, features, _taken_otherwise(file, spec)))
    labels = {
        output: len(names) == 1 and target_kinds.get(output) != "numbers" for output, names in targets.items()
    }
    separated = spec.label_separator is not None
    droppable = [
        output for output in targets if spec.drops_missing_targets and not (separated and labels[output])
    ]
    return Columns(features, targets, labels, spec.weights, droppable, dividing)


def dialect_of(spec: DatasetSpec, numbers: NumberType = "float64") -> Dialect:
    """Return how the tables of a spec write their values, and how numbers are kept until they are scaled.

    Raises:
        SpecError: the separator of thousands is the decimal separator.
    """
    missing = tuple(spell_number(each) if not isinstance(each, str) else each for each in spec.missing or ())
    thousands = spec.thousands or ""
    decimal = spec.decimal or ("," if thousands == "." else ".")
    if thousands == decimal:
        rule = "must differ from the decimal separator"
        raise SpecError(Problem(rule, path=("dataset", "thousands"), received=thousands))
    values = spec.not_missing or {}
    return Dialect(
        decimal,
        tuple(text for text in missing if text is not None),
        thousands,
        charset=spec.charset or "",
        header=spec.header,
        delimiter=spec.delimiter or "",
        comment=spec.comment or "",
        sheet=spec.sheet or "",
        query=spec.query or "",
        values={name: tuple(texts) for name, texts in values.items()}
        if isinstance(values, dict)
        else {"": tuple(values)},
        numbers=numbers,
    )


def target_columns(spec: DatasetSpec, outputs: Iterable[str]) -> Targets:
    """Return the target columns of each output: the same for all, unless the spec assigns them."""
    if isinstance(spec.target, dict):
        return {
            name: (columns,) if isinstance(columns, str) else tuple(columns)
            for name, columns in spec.target.items()
        }
    columns = (spec.target,) if isinstance(spec.target, str) else tuple(spec.target or ())
    return dict.fromkeys(outputs, columns)


def _first_rows(
    file: TableFile, columns: Columns, spec: DatasetSpec, scaling: str, read: ReadTable, kept: Path | None
) -> tuple[SourceRows, Features, tuple[str, ...], SplitColumns]:
    """Read the rows of a table, decide how each column is used, and what divides the rows; with notes."""
    wanted = spec.features
    declared = wanted if isinstance(wanted, dict) else {}
    table, notes = read_numbers(
        file,
        columns.read,
        text=[name for name, each in declared.items() if each.kind in AS_WRITTEN],
        labels=columns.text,
        stated={
            name: Stated(each.decimal, each.thousands, each.unit)
            for name, each in declared.items()
            if each.kind == "numeric" or each.decimal or each.thousands or each.unit
        },
        declared=spec.decimal is not None or spec.thousands is not None,
        read=read,
    )
    table = columns.kept(table)
    raw = {name: table.columns[name] for name in columns.features}
    images = image_columns_of_spec(spec, table, paths_of(file), kept)
    chosen = choose_features(
        raw,
        complete_columns(spec, images, declared) if images.readings else wanted,
        scaling=scaling,
        clip=spec.clip or "none",
        decimal=file.dialect.decimal,
    )
    table = _with_notations_of(table, {*columns.all} - {*columns.features} | {*chosen.used})
    numbers = {name for name, each in chosen.used.items() if each.kind == "numeric"}
    numbers |= {name for names in columns.targets.values() for name in names if name not in columns.text}
    told = tuple(note for name, note in notes.items() if not name or name in numbers - {*declared})
    try:
        table, of_images = images.decode(table, paths_of(file))
        rows = rows_of_table(table, columns, chosen)
        texts = text_notes(table.columns, chosen, declared=declared, labels=columns.text)
        return rows, chosen, (*told, *texts, *of_images), read_split_columns(spec, table)
    except DataError:
        _refuse_text_targets(table, columns, file.origin.label)
        if wrong := list(kind_problems(table, declared, chosen.used)):
            raise SpecError(*wrong) from None
        raise


def _with_notations_of(table: Table, used: set[str]) -> Table:
    """Return a table whose dialect has the notations of some columns only, which a run records."""
    kept = {name: each for name, each in table.dialect.notations.items() if name in used}
    return replace(table, dialect=replace(table.dialect, notations=kept))


def _refuse_text_targets(table: Table, columns: Columns, label: str) -> None:
    """Raise if a target of a loss for numbers holds no number at all: then the loss is wrong."""
    for output, names in columns.targets.items():
        for name in () if columns.labels[output] or table.rows < 2 else names:
            if not table.columns[name].numbers.none:
                continue
            value = next(
                (cell for cell in python_values(table.columns[name].arrow) if cell is not None), None
            )
            if value is None:
                continue
            rule = f"is for numbers, column {name!r} of {label} contains text such as {show_value(value)}"
            hint = "for classes use a loss such as sparse_categorical_crossentropy"
            raise SpecError(Problem(rule, path=("loss", output) if output else ("loss",), hint=hint))
