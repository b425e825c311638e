"""The formats of `mlpcli export`: their files, and what they need installed. Imports nothing heavy."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlpcli.errors import Problem, UsageError


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        name: as in `--format`.
        suffix: of its file, or of its folder.
        runtime: what loads it, in words.
        extra: the extra of mlpcli that installs what it needs; empty for none.
        packages: what is imported, by the name of the package to install.
    """

    name: str
    suffix: str
    runtime: str
    extra: str = ""
    packages: tuple[tuple[str, str], ...] = ()


FORMATS = {
    each.name: each
    for each in (
        Format("saved_model", "_saved_model", "TensorFlow"),
        Format(
            "onnx",
            ".onnx",
            "ONNX Runtime",
            "onnx",
            (("tf2onnx", "tf2onnx"), ("onnx", "onnx"), ("onnxruntime", "onnxruntime")),
        ),
        Format("litert", ".tflite", "LiteRT", "litert", (("ai-edge-litert", "ai_edge_litert"),)),
        Format("openvino", ".xml", "OpenVINO", "openvino", (("openvino", "openvino"),)),
        Format("keras", ".keras", "Keras"),
    )
}


FOLDERS = ("saved_model", "docker")
"""What is written as a folder; the others are files."""


def check_installed(formats: Sequence[str]) -> None:
    """Check that what some formats need is installed, without importing it.

    Raises:
        UsageError: something is not.
    """
    problems = []
    for name in formats:
        wanted = FORMATS[name]
        missing = [package for package, module in wanted.packages if importlib.util.find_spec(module) is None]
        if missing:
            rule = f"--format {name} needs {', '.join(missing)}, not installed here"
            problems.append(Problem(rule, hint=f'install with: pip install "mlpcli[{wanted.extra}]"'))
    if problems:
        raise UsageError(*problems)


def target_of(name: str, stem: str, output: Path | None, *, several: bool) -> Path:
    """Return the path of a format's file.

    Args:
        name: of the format.
        stem: of the file, where the output does not say it.
        output: as given with -o.
        several: whether there are several formats, of which the output is the folder.

    Raises:
        UsageError: the output has another suffix than the format.
    """
    wanted = FORMATS[name]
    if output is None or several or (output.is_dir() and name != "saved_model"):
        return (output or Path()) / f"{stem}{wanted.suffix}"
    if wanted.suffix.startswith(".") and output.suffix != wanted.suffix:
        rule = f"-o: a file of the format {name} ends in {wanted.suffix}"
        raise UsageError(Problem(rule, received=str(output)))
    return output


def sidecar_of(target: Path) -> Path:
    """Return the path of the description beside a file."""
    return target.with_name(f"{target.name}.json")


def files_of(name: str, target: Path) -> tuple[Path, ...]:
    """Return every file of an export: its own, and the description."""
    if name == "docker":
        return (target,)
    weights = (target.with_suffix(".bin"),) if name == "openvino" else ()
    return (target, *weights, sidecar_of(target))
