"""`mlpcli export`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlpcli.cli.options import (
    RUNS_DIR,
    BestOption,
    DebugOption,
    JsonOption,
    RunArgument,
    RunsDirOption,
    TrustOption,
)

if TYPE_CHECKING:
    from mlpcli.errors import Problem
    from mlpcli.inference.export import ExportOptions
    from mlpcli.runs.folder import Run


class FormatName(StrEnum):
    """The formats, as `--format` takes them."""

    saved_model = "saved_model"
    onnx = "onnx"
    litert = "litert"
    openvino = "openvino"
    keras = "keras"


class Quantization(StrEnum):
    """What `--quantize` takes."""

    int8 = "int8"


FormatOption = Annotated[list[FormatName] | None, typer.Option("--format", help="What to write. Repeatable.")]
OutputOption = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="PATH", help="The file, or the folder of the files."),
]
QuantizeOption = Annotated[
    Quantization | None, typer.Option(help="Layers of the LiteRT file in int8, by rows of the run.")
]
VerifyOption = Annotated[
    bool, typer.Option("--verify/--no-verify", help="Compare each file with predict, on real rows.")
]

DockerOption = Annotated[
    bool,
    typer.Option("--docker", help="Write a folder from which Docker builds a server, with a request."),
]


def export(
    run: RunArgument,
    formats: FormatOption = None,
    output: OutputOption = None,
    quantize: QuantizeOption = None,
    verify: VerifyOption = True,
    docker: DockerOption = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    best: BestOption = False,
    trust_plugins: TrustOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write a run's network as a SavedModel, ONNX, LiteRT, OpenVINO or Keras file."""
    from mlpcli.cli.named import check_data, find_named
    from mlpcli.errors import AllAtOnce, UsageError
    from mlpcli.export.export_formats import check_installed, check_targets, docker_target, targets_of
    from mlpcli.report.console import show_line

    names, at_once = tuple(each.value for each in formats or ()), AllAtOnce()
    with at_once:
        if problems := [*_problems(names, docker=docker, quantize=quantize is not None, verify=verify)]:
            raise UsageError(*problems)
    at_once.of(check_installed, names)
    named = at_once.of(find_named, run, runs_dir, trusted=trust_plugins, best=best)
    if named:
        found = named.value
        at_once.of(_check_model, found, names)
        with at_once:
            targets = {"docker": docker_target(found, output)} if docker else targets_of(names, found, output)
            check_targets(targets, force=force)
        if verify or quantize is not None:
            at_once.of(check_data, found)
    at_once.finish()
    from mlpcli.inference.export import ExportOptions

    def progress(stage: str) -> None:
        show_line(stage, stderr=True)

    options = ExportOptions(names, output, quantize is not None, verify, progress)
    (_write_docker if docker else _write_files)(found, options, json=json)


def _check_model(run: Run, formats: Sequence[str]) -> None:
    """Refuse a run without a model, and formats that have no place for its columns.

    Raises:
        RunError: the run has no model.
        UsageError: a format cannot take a column.
    """
    from mlpcli import runs
    from mlpcli.export.given_columns import check_formats
    from mlpcli.model.run_contract import run_contract

    run.require(runs.MODEL)
    check_formats(run_contract(run).preprocessor, formats)


def _write_files(run: Run, options: ExportOptions, *, json: bool) -> None:
    from mlpcli.inference.export import export_run
    from mlpcli.report.console import show_json
    from mlpcli.report.export import show_exported

    written = export_run(run, options)
    if json:
        show_json({"run": run.label, "exported": [each.to_json() for each in written]})
    else:
        show_exported(run.label, written)


def _write_docker(run: Run, options: ExportOptions, *, json: bool) -> None:
    from mlpcli.inference.export_docker import export_docker
    from mlpcli.report.console import show_json
    from mlpcli.report.export import show_docker

    folder = export_docker(run, options)
    if json:
        show_json(folder)
    else:
        show_docker(folder)


def _problems(names: Sequence[str], *, docker: bool, quantize: bool, verify: bool) -> Iterator[Problem]:
    """Yield why the options do not go together."""
    from mlpcli.errors import Problem
    from mlpcli.export.export_formats import FORMATS

    if docker and (names or quantize or not verify):
        yield Problem("--docker: goes with neither --format, --quantize nor --no-verify")
    if not docker and not names:
        yield Problem(f"--format: say what to write: {', '.join(FORMATS)}")
    if len({*names}) < len(names):
        yield Problem("--format: the same format is given twice")
    if quantize and not docker and "litert" not in names:
        yield Problem("--quantize int8: only a LiteRT file has int8", hint="add --format litert")
