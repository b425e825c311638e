"""`mlpcli doctor`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlpcli.cli.options import (
    RUNS_DIR,
    DebugOption,
    JsonOption,
    RunArgument,
    RunsDirOption,
    TrustOption,
    check_output,
)

if TYPE_CHECKING:
    from mlpcli.doctor.patched_spec import Patched
    from mlpcli.runs.diagnosis import Diagnosis
    from mlpcli.runs.folder import Run

ApplyOption = Annotated[
    bool, typer.Option("--apply", help="Write a copy of the run's spec with the patch; see -o.")
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "-o", "--output", metavar="FILE", help="Where --apply writes. Default: SPEC.doctor.yaml beside it."
    ),
]


def doctor(
    run: RunArgument,
    apply: ApplyOption = False,
    output: OutputOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the output file if it exists.")] = False,
    records: Annotated[
        bool, typer.Option("--records", help="Look at the records only: no data, no TensorFlow, at once.")
    ] = False,
    trust_plugins: TrustOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show what is wrong with a training, and a patch of its spec."""
    from mlpcli.cli.named import find_named
    from mlpcli.errors import AllAtOnce
    from mlpcli.report import doctor as report
    from mlpcli.report.console import show_json

    at_once = AllAtOnce()
    at_once.of(check_output, output, "-o", force=force, in_folder=True)
    named = at_once.of(find_named, run, runs_dir, unfinished=True, trusted=trust_plugins)
    at_once.finish()
    found = named.value
    diagnosis = _diagnose(found, records=records)
    patched, diagnosis = _patch(found, diagnosis, output, must=apply or output is not None)
    written = _write(patched, force=force) if apply or output is not None else None
    if json:
        diff = "" if patched is None else "\n".join(patched.diff)
        show_json(report.diagnosis_json(found.label, str(found.folder), diagnosis, diff, written))
        return
    report.show_diagnosis(found.label, diagnosis, () if patched is None else patched.diff)
    if written is not None and patched is not None:
        report.show_written(written, comments=patched.comments)
    elif patched is not None:
        report.show_how(run, str(runs_dir))
    elif apply:
        report.show_nothing()


def _diagnose(run: Run, *, records: bool) -> Diagnosis:
    if records:
        from mlpcli.doctor.from_records import diagnose_records

        return diagnose_records(run)
    from mlpcli.doctor.examine import examine_run

    return examine_run(run)


def _patch(
    run: Run, diagnosis: Diagnosis, output: Path | None, *, must: bool
) -> tuple[Patched | None, Diagnosis]:
    """Return the spec with the patch, and the diagnosis, with a line where there can be none.

    Raises:
        SpecError: with the patch the spec is not valid where it is to be written, and it must be written.
    """
    from mlpcli.doctor.find_all import whole_patch
    from mlpcli.doctor.patched_spec import patch_spec
    from mlpcli.errors import RunError, SpecError

    try:
        return patch_spec(run, whole_patch(diagnosis.findings), output), diagnosis
    except (SpecError, RunError) as error:
        if must:
            raise
        note = f"no patch can be shown: {error.problems[0].headline()}"
        return None, replace(diagnosis, notes=(*diagnosis.notes, note))


def _write(patched: Patched | None, *, force: bool) -> Path | None:
    """Write the spec with the patch; None where there is none.

    Raises:
        UsageError: the file exists already, or cannot be written.
    """
    from mlpcli.doctor.patched_spec import write_patched

    if patched is None:
        return None
    check_output(patched.target, "--apply", hint="choose another file with -o", force=force, in_folder=True)
    return write_patched(patched)
