"""The formats of `mlpcli export`: their files, and what they need installed. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlpcli.errors import Problem, UsageError
from mlpcli.extras import needed
from mlpcli.files import output_problem, why_not_writable
from mlpcli.runs.folder import Run


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        name: as in `--format`.
        suffix: of its file, or of its folder.
        runtime: what loads it, in words.
        extra: the extra of mlpcli that installs what it needs; empty for none.
    """

    name: str
    suffix: str
    runtime: str
    extra: str = ""


FORMATS = {
    each.name: each
    for each in (
        Format("saved_model", "_saved_model", "TensorFlow"),
        Format("onnx", ".onnx", "ONNX Runtime", "onnx"),
        Format("litert", ".tflite", "LiteRT", "litert"),
        Format("openvino", ".xml", "OpenVINO", "openvino"),
        Format("keras", ".keras", "Keras"),
    )
}


FOLDERS = ("saved_model", "docker")
"""What is written as a folder; the others are files."""

OTHER_WORDS = {
    **dict.fromkeys(("tf", "tensorflow", "savedmodel", "pb", "serving"), "saved_model"),
    **dict.fromkeys(("tflite", "tensorflow_lite", "lite"), "litert"),
    **dict.fromkeys(("h5", "hdf5", "keras_v3"), "keras"),
    **dict.fromkeys(("ov", "ir", "xml"), "openvino"),
    "onnxruntime": "onnx",
}
"""What others call the formats."""


def check_installed(formats: Sequence[str]) -> None:
    """Check that what some formats need is installed, without importing it.

    Raises:
        UsageError: something is not.
    """
    extras = {name: FORMATS[name].extra for name in formats}
    found = [needed(extra, f"--format {name}") for name, extra in extras.items() if extra]
    if problems := [problem for problem in found if problem is not None]:
        raise UsageError(*problems)


def target_of(name: str, stem: str, output: Path | None, *, several: bool) -> Path:
    """Return the path of a format's file.

    Args:
        name: of the format.
        stem: of the file, where the output does not say it.
        output: as given with -o: the file or, if it is one or has no ending, its folder.
        several: whether there are several formats, of which the output is the folder.

    Raises:
        UsageError: the output has another suffix than the format.
    """
    wanted = FORMATS[name]
    is_file = wanted.suffix.startswith(".")
    if output is None or several or (is_file and (output.is_dir() or not output.suffix)):
        return (output or Path()) / f"{stem}{wanted.suffix}"
    if is_file and output.suffix != wanted.suffix:
        rule = f"-o: a file of the format {name} ends in {wanted.suffix}"
        hint = f"name a file {stem}{wanted.suffix}, or a folder"
        raise UsageError(Problem(rule, received=str(output), hint=hint))
    return output


def targets_of(formats: Sequence[str], run: Run, output: Path | None) -> dict[str, Path]:
    """Return the path of each format's file, or of its folder.

    Args:
        formats: their names.
        run: the run, after which files are named.
        output: as given with -o.

    Raises:
        UsageError: the output does not fit the format.
    """
    several = len(formats) > 1
    return {name: target_of(name, stem_of(run), output, several=several) for name in formats}


def docker_target(run: Run, output: Path | None) -> Path:
    """Return the folder that `--docker` writes."""
    return output or Path(f"{stem_of(run)}_docker")


def stem_of(run: Run) -> str:
    """Return what the files of a run are called: its name."""
    return run.label.split("/")[0]


def check_targets(targets: Mapping[str, Path], *, force: bool) -> None:
    """Check that everything can be written and nothing would be replaced, before any work begins.

    Raises:
        UsageError: a file exists, and `force` is not set; or there is a file where a folder must be, or a
            folder where a file must be.
    """
    wanted = {
        path: name in FOLDERS and path == t for name, t in targets.items() for path in files_of(name, t)
    }
    reasons = {path: _why_not_written(path, is_folder=is_folder) for path, is_folder in wanted.items()}
    if any(reasons.values()):
        hint = "choose another path with -o"
        raise UsageError(*(Problem(f"-o: {path} {why}", hint=hint) for path, why in reasons.items() if why))
    found = [path for path in wanted if path.exists()]
    if found and not force:
        rule = f"{found[0]} exists already"
        raise UsageError(Problem(rule, hint="choose another path with -o, or add --force to replace it"))


def _why_not_written(path: Path, *, is_folder: bool) -> str:
    """Return why a file, or a folder, cannot be written at a path, whatever may be replaced."""
    if why := why_not_writable(path.parent):
        return f"cannot be written: {why}"
    if not is_folder:
        return output_problem(path)
    return "is a file, and this format is a folder" if path.exists() and not path.is_dir() else ""


def sidecar_of(target: Path) -> Path:
    """Return the path of the description beside a file."""
    return target.with_name(f"{target.name}.json")


def files_of(name: str, target: Path) -> tuple[Path, ...]:
    """Return every file of an export: its own, and the description."""
    if name == "docker":
        return (target,)
    weights = (target.with_suffix(".bin"),) if name == "openvino" else ()
    return (target, *weights, sidecar_of(target))
