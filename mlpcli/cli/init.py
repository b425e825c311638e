"""`mlpcli init`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlpcli.cli.completion import complete_column
from mlpcli.cli.data_options import (
    CharsetOption,
    CommentOption,
    DecimalOption,
    DelimiterOption,
    HeaderOption,
    QueryOption,
    SheetOption,
    ThousandsOption,
    reading_of,
)
from mlpcli.cli.examples import complete_example
from mlpcli.cli.help_text import Command
from mlpcli.cli.inspect import TABLE_HELP, TaskOption
from mlpcli.cli.options import DebugOption, JsonOption, check_output
from mlpcli.cli.spec_file import data_path
from mlpcli.errors import AllAtOnce, Problem, Step, UsageError
from mlpcli.spec.file_words import is_server

if TYPE_CHECKING:
    from typer._click import Context

    from mlpcli.data.readers.reading import Reading
    from mlpcli.report.init import Proposal

_ENDING = re.compile(
    r"(\.(csv|tsv|txt|data|parquet|feather|arrow|jsonl|ndjson|xlsx|xlsm|db|sqlite3?|duckdb))?"
    r"(\.(gz|bz2|xz|zst|zip))?$",
    re.IGNORECASE,
)

SplitOption = Annotated[
    str | None,
    typer.Option(metavar="SPLIT", help="random, or a column of dates or groups, where the guess is wrong."),
]
EXAMPLE = "--example"


DataArgument = Annotated[str | None, typer.Argument(metavar="DATA", help=TABLE_HELP)]
TargetOption = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="The column to predict.", autocompletion=complete_column)
]
ExampleOption = Annotated[
    str | None,
    typer.Option(
        EXAMPLE,
        metavar="NAME",
        help="Instead of DATA: copy a ready spec; without a name, list them.",
        autocompletion=complete_example,
    ),
]
OutputOption = Annotated[
    str | None,
    typer.Option(
        "-o", "--output", metavar="FILE", help="Where to write; - for stdout. Default: named after DATA."
    ),
]
EffortOption = Annotated[
    str,
    typer.Option(
        metavar="EFFORT", help="fast: seconds; good: the default; best: the strongest there is, minutes."
    ),
]


class InitCommand(Command):
    """`init`, whose option --example may stand without a value."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Parse the arguments, with an empty value where --example has none."""
        for place, argument in enumerate(args):
            if argument == EXAMPLE and (place + 1 == len(args) or args[place + 1].startswith("-")):
                args = [*args[: place + 1], "", *args[place + 1 :]]
        return super().parse_args(ctx, args)


def init(
    data: DataArgument = None,
    target: TargetOption = None,
    example: ExampleOption = None,
    output: OutputOption = None,
    task: TaskOption = None,
    effort: EffortOption = "good",
    split: SplitOption = None,
    sheet: SheetOption = None,
    query: QueryOption = None,
    delimiter: DelimiterOption = None,
    comment: CommentOption = None,
    charset: CharsetOption = None,
    header: HeaderOption = None,
    decimal: DecimalOption = None,
    thousands: ThousandsOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write a first spec for a table or a folder of images: columns, a network for the target, splits."""
    if example is not None:
        _refuse_beside_example(data, target)
        _copy_example(example, output, force=force, json=json)
        return
    at_once = AllAtOnce()
    path = Path(f"{experiment_name(data or '')}.yaml" if output in (None, "-") else str(output))
    new = path if output != "-" else None
    at_once.of(_check_file, new, force=force, default=output is None)
    read = at_once.of(reading_of, sheet, query, delimiter, comment, charset, header, decimal, thousands)
    data = _check_first(at_once, data, read, {"target": target, "task": task, "split": split}, effort)
    reading = read.value
    if target is None:
        from mlpcli.cli.init_images import Written, propose_folder

        written = Written(path, experiment_name(path.stem), effort)
        proposal = propose_folder(data, {"--task": task, "--split": split}, reading, written)
    else:
        proposal = _propose(data, target, task, effort, split, reading, path)
    if output == "-":
        proposal = replace(proposal, file=None)
    else:
        from mlpcli.files import write_text

        write_text(path, proposal.spec)
    _show(proposal, data, json=json)


def _show(proposal: Proposal, data: str, *, json: bool) -> None:
    from mlpcli.report import console
    from mlpcli.report import init as report

    if json:
        console.show_json(report.proposal_json(proposal))
    elif proposal.file is None:
        console.show_text(proposal.spec)
    else:
        report.show_proposal(proposal, data)


def _check_first(
    at_once: AllAtOnce,
    data: str | None,
    reading: Step[Reading],
    options: Mapping[str, str | None],
    effort: str,
) -> str:
    """Return the data, checked as far as that is possible before all of it is read.

    Args:
        at_once: what is wrong already.
        data: the argument.
        reading: how it is read.
        options: `target`, `task` and `split`.
        effort: that of the network.

    Raises:
        MlpcliError: with everything that is wrong.
    """
    from mlpcli.data.inspect.effort import check_effort
    from mlpcli.data.inspect.target_task import check_task
    from mlpcli.data.inspect.wanted_columns import check_columns_wanted
    from mlpcli.data.readers.find_files import named_files

    target = options["target"]
    needed = at_once.of(_needed, data, target)
    at_once.of(check_effort, effort)
    if target is not None:
        at_once.of(check_task, options["task"])
        if needed and reading:
            at_once.of(check_columns_wanted, needed.value, target, options["split"], reading.value)
        elif needed:
            at_once.of(named_files, needed.value)
    at_once.finish()
    return needed.value


def _needed(data: str | None, target: str | None) -> str:
    """Return the data; say what is missing. A folder of images has its target in the names of sub-folders."""
    if data is None:
        rule = "Missing argument 'DATA'"
        raise UsageError(Problem(rule, hint="see mlpcli init --help; for a ready spec mlpcli init --example"))
    from mlpcli.data.readers.find_files import is_image_folder

    folder = is_image_folder(Path(data))
    if target is None and not folder:
        raise UsageError(Problem("Missing option '--target'", hint=_target_hint(data)))
    if target is not None and folder:
        hint = "leave it out: the class of an image is the sub-folder that it is in"
        raise UsageError(Problem("--target: is for tables", received=target, hint=hint))
    return data


def _target_hint(data: str) -> str:
    """Return which columns a target may be.

    Raises:
        DataError: there is no such file.
    """
    from mlpcli.data.inspect.completions import column_names
    from mlpcli.data.readers.find_files import as_path, named_files
    from mlpcli.errors import DataError, listing

    named_files(data)
    try:
        return f"the columns are {listing(column_names(as_path(data)))}"
    except DataError:  # arrays, a database
        return "see mlpcli init --help"


def _check_file(path: Path | None, *, force: bool, default: bool) -> None:
    """Refuse a file that the spec cannot be written to.

    Raises:
        UsageError: it cannot.
    """
    hint = "write - for standard output"
    check_output(path, "-o", hint=hint, force=force, in_folder=True, default=default)


def _refuse_beside_example(data: str | None, target: str | None) -> None:
    beside = [name for name, value in (("DATA", data), ("--target", target)) if value is not None]
    if beside:
        rule = f"{EXAMPLE} cannot be combined with {' and '.join(beside)}"
        raise UsageError(Problem(rule, hint="an example has data of its own"))


def _copy_example(name: str, output: str | None, *, force: bool, json: bool) -> None:
    """Write an example, or list them."""
    from mlpcli.cli.examples import described_examples, example_files, write_example
    from mlpcli.report import console
    from mlpcli.report import init as report

    if not name:
        report.show_examples(described_examples(), json=json)
        return
    spec = Path(f"{name}.yaml" if output in (None, "-") else str(output))
    if output == "-":
        text = next(iter(example_files(name, spec).values()))
        if json:
            console.show_json({"file": None, "spec": text})
        else:
            console.show_text(text)
        return
    _check_file(spec, force=True, default=output is None)
    report.show_example(write_example(name, spec, force=force), json=json)


def _propose(
    data: str, target: str, task: str | None, effort: str, split: str | None, reading: Reading, path: Path
) -> Proposal:
    """Return the spec for a table, to be written to `path`."""
    from mlpcli.cli.init_images import Written, check_pictures, propose_table
    from mlpcli.data.inspect.check_proposal import propose_checked
    from mlpcli.data.inspect.effort import check_effort
    from mlpcli.data.inspect.propose_spec import find_risks, propose_spec
    from mlpcli.data.inspect.regular_times import series_notes
    from mlpcli.data.inspect.survey import survey_table
    from mlpcli.data.inspect.survey_images import image_warnings
    from mlpcli.data.inspect.table_images import survey_table_images, without_images
    from mlpcli.report.init import Proposal

    wanted = check_effort(effort)
    survey = survey_table(data, target, task, reading)
    assert survey.task is not None
    images, found_task = survey_table_images(survey), survey.task
    survey = without_images(survey, images)
    if len(images) == 1 and not survey.features.used:
        (found,) = images.items()
        return propose_table(survey, *found, data, Written(path, experiment_name(path.stem), effort))
    propose = partial(
        propose_spec,
        survey,
        name=experiment_name(path.stem),
        path=data_path(data, path.parent),
        reading=reading,
        command=f"mlpcli train {path}",
        effort=wanted,
        pictures=check_pictures(images),
    )
    text, division, splits = propose_checked(lambda division: propose(division=division), path, survey, split)
    left_out = survey.rows_without_target
    return Proposal(
        file=str(path),
        target=target,
        task=found_task.kind,
        why=found_task.reason,
        rows=survey.table.rows - left_out,
        rows_without_target=left_out,
        notes=(*survey.table.notes, *series_notes(survey)),
        splits=splits,
        warnings=[*find_risks(survey, division), *chain(*map(image_warnings, images.values()))],
        spec=text,
    )


def experiment_name(data: str) -> str:
    """Return a name for an experiment from its data file: `Houses_2024` for `Houses 2024.csv.gz`."""
    name = Path(data.partition("?")[0] if is_server(data) else data).name
    stem = _ENDING.sub("", name)
    return re.sub(r"[^A-Za-z0-9._-]+", "_", stem).strip("._-")[:64] or "experiment"
