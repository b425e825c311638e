"""What the shell's Tab key offers for an argument of `mlpcli`: runs, and fields of the spec.

A completion that fails offers nothing: the line that is being typed must not be filled with messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import typer

from mlpcli.errors import KeyPath, show_path

RUN_FILES = ("run.json", "search.json")
"""One of these makes a folder a run."""

SECTIONS = ("dataset", "fit", "predict", "tuner")
"""Parts of a spec whose fields have fixed names."""


def complete_run(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Offer the names of experiments, and after `name/` their runs, the newest first.

    Args:
        ctx: of the command, for its --runs-dir.
        incomplete: what is typed so far.

    Returns:
        pairs of a value and its description.
    """
    runs_dir = _runs_dir(ctx)
    name, slash, _ = incomplete.partition("/")
    try:
        offered = list(_stamps(runs_dir, name) if slash else _names(runs_dir))
    except OSError:
        return []
    return [(value, text) for value, text in offered if value.startswith(incomplete)]


def _runs_dir(ctx: typer.Context) -> Path:
    """Return the value of --runs-dir, also where an unfinished option keeps the line from being parsed."""
    if "--runs-dir" in ctx.args[:-1]:
        return Path(ctx.args[ctx.args.index("--runs-dir") + 1])
    return Path(ctx.params.get("runs_dir") or "runs")


def _argument(ctx: typer.Context, name: str) -> str | None:
    """Return the argument of a command, also where an unfinished option keeps the line from being parsed."""
    given = ctx.params.get(name) or next((word for word in ctx.args if not word.startswith("-")), None)
    return None if given is None else str(given)


def _names(runs_dir: Path) -> Iterator[tuple[str, str]]:
    """Yield the experiments that have runs, with the number of their runs."""
    for folder in sorted(runs_dir.iterdir()):
        if folder.is_dir() and (count := sum(1 for _ in _stamps(runs_dir, folder.name))):
            yield folder.name, f"{count} run{'s' * (count > 1)}"


def _stamps(runs_dir: Path, name: str) -> Iterator[tuple[str, str]]:
    """Yield the runs of an experiment, the newest first."""
    for folder in sorted((runs_dir / name).iterdir(), reverse=True):
        if any((folder / file).is_file() for file in RUN_FILES):
            yield f"{name}/{folder.name}", "search" if (folder / "search.json").is_file() else "run"


def complete_setting(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Offer the fields of a spec for --set: those of the SPEC that is typed already, and those it may have.

    Args:
        ctx: of the command, for its SPEC.
        incomplete: what is typed so far.

    Returns:
        pairs of `path=` and the field's present value.
    """
    if "=" in incomplete:
        return []
    written = dict(_written(_argument(ctx, "spec")))
    offered = dict.fromkeys(_known(), "") | written
    return [(f"{path}=", value) for path, value in offered.items() if path.startswith(incomplete)]


def _written(spec: str | None) -> Iterator[tuple[str, str]]:
    """Yield the fields of a spec file and their values; none if there is no such file, or it has errors."""
    from mlpcli.errors import MlpcliError
    from mlpcli.spec.yaml_reader import read_text

    if spec is None:
        return
    try:
        data = read_text(Path(spec)).data
    except (MlpcliError, OSError):
        return
    yield from _leaves(data, ())


def _leaves(value: object, path: KeyPath) -> Iterator[tuple[str, str]]:
    """Yield the path of each plain value, written as --set takes it, and the value as text."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _leaves(inner, (*path, place))
    else:
        yield (
            show_path(path),
            "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value),
        )


def _known() -> Iterator[str]:
    """Yield the fields that a spec may have: the top level, and those of its sections."""
    from mlpcli.spec.schema import Spec

    for name, field in Spec.model_fields.items():
        if name not in SECTIONS:
            yield name
            continue
        inner = field.annotation
        for section in (inner, *getattr(inner, "__args__", ())):
            for each in getattr(section, "model_fields", {}):
                yield f"{name}.{each}"


def complete_column(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the columns of the table DATA that is typed already.

    Args:
        ctx: of the command, for its DATA.
        incomplete: what is typed so far.

    Returns:
        the columns' names.
    """
    return [name for name in _columns_of(_argument(ctx, "data")) if name.startswith(incomplete)]


def complete_run_column(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the columns of a RUN that is typed already: of its table where that is there, or of its model.

    Args:
        ctx: of the command, for its RUN and --runs-dir, and for DATA or --data, whose columns come first.
        incomplete: what is typed so far.

    Returns:
        the columns' names.
    """
    from mlpcli.errors import MlpcliError
    from mlpcli.model.run_contract import run_contract
    from mlpcli.runs.folder import find_run

    named = _argument(ctx, "run")
    if named is None:
        return []
    try:
        run = find_run(named, _runs_dir(ctx))
        contract = run_contract(run)
        columns = _columns_of(_data(ctx, named) or _table_of(run.folder))
        names = dict.fromkeys(columns or (*contract.features, *contract.target))
    except (MlpcliError, OSError):
        return []
    return [name for name in names if name.startswith(incomplete)]


def _data(ctx: typer.Context, run: str) -> object:
    """Return DATA or --data, also where an unfinished option keeps the line from being parsed."""
    words = list(ctx.args)
    if "--data" in words[:-1]:
        return words[words.index("--data") + 1]
    arguments = [each.name for each in ctx.command.params if each.param_type_name == "argument"]
    given = ctx.params.get("data")
    if given or "data" not in arguments or run not in words:
        return given
    return next((word for word in words[words.index(run) + 1 :] if not word.startswith("-")), None)


def _table_of(run_dir: Path) -> Path | None:
    """Return the table that a run was trained on; None if it has another kind of data."""
    from mlpcli.spec.yaml_reader import read_text

    data = read_text(run_dir / "resolved.yaml").data
    section = data.get("dataset") if isinstance(data, dict) else None
    path = section.get("path") if isinstance(section, dict) else None
    return Path(path) if isinstance(path, str) else None


def _columns_of(data: object) -> tuple[str, ...]:
    """Return the columns of a table; none where it is not there."""
    from mlpcli.data.inspect.completions import column_names
    from mlpcli.errors import MlpcliError

    try:
        return column_names(Path(str(data))) if data else ()
    except (MlpcliError, OSError):
        return ()
