"""`mlpcli export`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

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
    typer.Option("-o", "--output", metavar="PATH", help="The file, or for several formats their folder."),
]
QuantizeOption = Annotated[
    Quantization | None, typer.Option(help="Layers of the LiteRT file in int8, by rows of the run.")
]
VerifyOption = Annotated[
    bool, typer.Option("--verify/--no-verify", help="Compare each file with predict, on real rows.")
]


def export(
    run: RunArgument,
    formats: FormatOption = None,
    output: OutputOption = None,
    quantize: QuantizeOption = None,
    verify: VerifyOption = True,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    best: BestOption = False,
    trust_plugins: TrustOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write a run's network as a SavedModel, ONNX, LiteRT, OpenVINO or Keras file."""
    from mlpcli import runs
    from mlpcli.cli.named import check_data, find_named
    from mlpcli.errors import Problem, UsageError
    from mlpcli.export.export_formats import FORMATS, check_installed
    from mlpcli.report import export as report
    from mlpcli.report.console import show_json, show_line

    names = tuple(dict.fromkeys(each.value for each in formats or ()))
    if not names:
        raise UsageError(Problem(f"--format: say what to write: {', '.join(FORMATS)}"))
    if quantize is not None and "litert" not in names:
        raise UsageError(Problem("--quantize int8: only a LiteRT file has int8", hint="add --format litert"))
    check_installed(names)
    found = find_named(run, runs_dir, trusted=trust_plugins, best=best)
    found.require(runs.MODEL)
    if verify or quantize is not None:
        check_data(found)
    from mlpcli.inference.export import ExportOptions, check_targets, export_run, stem_of

    def progress(stage: str) -> None:
        show_line(stage, stderr=True)

    options = ExportOptions(names, output, quantize is not None, verify, progress)
    check_targets(options.targets(stem_of(found)), force=force)
    written = export_run(found, options)
    if json:
        show_json({"run": found.label, "exported": [each.to_json() for each in written]})
    else:
        report.show_exported(found.label, written)
