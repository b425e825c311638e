"""The ready specs inside the package: list them, and copy one with the files that it names.

They are the files of `configs/`, to which `examples` beside this package is a link.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import typer

from mlpcli.errors import Problem, UsageError, nearest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

COMMAND = re.compile(r"scripts/run (\S+) configs/(?:chapter/)?(\S+\.yaml)")
"""How the comment of an example says that it is run in a clone of the repository."""


def _specs() -> list[Path]:
    """Return the specs: the plain ones first, then those of the chapter."""
    return [*sorted(EXAMPLES.glob("*.yaml")), *sorted(EXAMPLES.glob("chapter/*.yaml"))]


def complete_example(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Offer the names of the examples to the shell's Tab key."""
    return [(path.stem, _about(path)) for path in _specs() if path.stem.startswith(incomplete)]


def described_examples() -> list[tuple[str, str]]:
    """Return each example's name and what it shows."""
    return [(path.stem, _about(path)) for path in _specs()]


def _about(path: Path) -> str:
    """Return the first sentence of the comment at the top of a spec."""
    lines = path.read_text(encoding="utf-8").splitlines()
    comment = []
    for line in lines:
        if not line.startswith("#") or COMMAND.search(line):
            break
        comment.append(line.lstrip("# "))
    return re.split(r"(?<=\.)\s", " ".join(comment), maxsplit=1)[0].rstrip(".")


def example_files(name: str, spec: Path) -> dict[Path, str]:
    """Return the files of an example with their texts, by where they are to be written.

    Args:
        name: of the example.
        spec: where the spec is to be written; the files that it names keep their place beside it.

    Raises:
        UsageError: there is no such example.
    """
    found = {path.stem: path for path in _specs()}
    if name not in found:
        rule = "--example: there is no such example"
        hint = nearest(name, found) or "mlpcli init --example lists them"
        raise UsageError(Problem(rule, received=name, hint=hint))
    source = found[name]
    text = source.read_text(encoding="utf-8")
    text = COMMAND.sub(lambda match: f"mlpcli {match[1]} {shlex.quote(str(spec))}", text)
    files = {spec: text.replace("scripts/run ", "mlpcli ")}
    for named in _named_files(source):
        files[spec.parent / named] = (source.parent / named).read_text(encoding="utf-8")
    return files


def _named_files(source: Path) -> Iterator[str]:
    """Yield the files that a spec names, relative to it: data, plug-ins, the spec that it extends."""
    from mlpcli.spec.yaml_reader import read_text

    def texts(value: object) -> Iterator[str]:
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list):
            for inner in value:
                yield from texts(inner)
        elif isinstance(value, str):
            yield value

    for text in texts(read_text(source).data):
        if (source.parent / text).is_file():
            yield text


def write_example(name: str, spec: Path, *, force: bool) -> list[Path]:
    """Write an example's spec and the files that it names.

    Args:
        name: of the example.
        spec: where the spec is to be written.
        force: replace files that differ.

    Returns:
        the files, the spec first.

    Raises:
        UsageError: there is no such example, or another file is in the way.
    """
    from mlpcli.files import write_text

    files = example_files(name, spec)
    differing = [
        path for path, text in files.items() if path.exists() and path.read_bytes() != text.encode("utf-8")
    ]
    if differing and not force:
        rule = f"{', '.join(map(str, differing))}: the file exists already"
        raise UsageError(Problem(rule, hint="add --force to replace it, or choose another with -o"))
    for path, text in reversed(files.items()):  # the spec last: with it, all is there
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    return list(files)
