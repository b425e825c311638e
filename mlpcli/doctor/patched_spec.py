"""The spec of a run with the patch of its findings: as a diff, and as a file that trains."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlpcli import runs
from mlpcli.errors import Problem, RunError, SpecError
from mlpcli.files import read_ordinary_text, write_text
from mlpcli.runs.folder import Run
from mlpcli.runs.run_values import is_changed
from mlpcli.spec.edit_spec import Edit, edit_text
from mlpcli.spec.extends import EXTENDS
from mlpcli.spec.hyperparameters import unread_places
from mlpcli.spec.load import load_text
from mlpcli.spec.locations import absolute, with_files
from mlpcli.spec.values import ValueMap
from mlpcli.spec.yaml_reader import MAX_BYTES, MAX_RESOLVED_BYTES, parse_text

ENDING = ".doctor.yaml"
FEATURES = ("dataset", "features")


@dataclass(frozen=True)
class Patched:
    """A spec with a patch.

    Attributes:
        base: the name of the file that was changed, in the run folder.
        text: the whole text, with absolute paths of data files.
        diff: what the patch changes, as a unified diff; without the paths.
        comments: whether the comments of the text are still there.
        target: where it is written by default.
    """

    base: str
    text: str
    diff: tuple[str, ...]
    comments: bool
    target: Path


def patch_spec(run: Run, patch: Sequence[Edit], target: Path | None = None) -> Patched | None:
    """Return the spec of a run with a patch; None where there is nothing to change, or no spec.

    The text is that of the spec that was given, with its comments. Where that alone does not say what
    was trained (`extends`, `--set`, values that a search chose) it is the resolved one.

    Args:
        run: the run.
        patch: the changes.
        target: where it will be written; None for a file beside the spec that was given.

    Raises:
        RunError: the run has no spec.
        SpecError: with the patch it would not be valid.
    """
    if not patch:
        return None
    given = _text(run, runs.SPEC)
    base = runs.SPEC if given is not None and _says_all(run, given) else runs.RESOLVED
    text = given if base == runs.SPEC else _text(run, base)
    if text is None:
        hint = "train again"
        raise RunError(Problem(f"run {run.label} has no {base} to change", hint=hint))
    original = Path(run.record.spec) if run.record.spec else run.folder / runs.SPEC
    folder = original.parent if base == runs.SPEC else run.folder
    place = target or _beside(original)
    patch = _for_text(patch, parse_text(text, base).data)
    changed, comments = edit_text(text, base, patch)
    whole, still = edit_text(changed, base, _moves(changed, base, folder, run, given))
    load_text(whole, place)  # a problem is reported before anything is written
    lines = difflib.unified_diff(
        text.splitlines(), changed.splitlines(), fromfile=base, tofile=place.name, lineterm="", n=2
    )
    return Patched(base, whole, tuple(lines), comments and still, place)


def _for_text(patch: Sequence[Edit], data: ValueMap) -> list[Edit]:
    """Return a patch for a text in which `features` may be a list, or have columns with their own scaling.

    Args:
        patch: for a spec whose `features` is a mapping.
        data: the text's plain values.
    """
    section = data.get("dataset")
    features = section.get("features") if isinstance(section, dict) else None
    found: list[Edit] = []
    for edit in patch:
        if isinstance(features, list) and edit.path[:2] == FEATURES and edit.value == "ignore":
            features = [each for each in features if each != edit.path[2]]
            found.append(Edit(FEATURES, features))
            continue
        found.append(edit)
        if edit.path == ("dataset", "scaling") and isinstance(features, dict):
            own = [k for k, each in features.items() if isinstance(each, dict) and each.get("scaling")]
            found += [Edit((*FEATURES, name, "scaling"), edit.value) for name in own]
    return found


def _text(run: Run, name: str) -> str | None:
    try:
        return read_ordinary_text(run / name, MAX_RESOLVED_BYTES if name == runs.RESOLVED else MAX_BYTES)
    except (OSError, UnicodeDecodeError):
        return None


def _says_all(run: Run, text: str) -> bool:
    """Return whether the text of the spec that was given says what was trained."""
    if is_changed(run) or run.record.kind != "run" or run.record.parent is not None:
        return False
    try:
        data = parse_text(text, runs.SPEC).data
    except SpecError:
        return False
    return EXTENDS not in data and not any(True for _ in unread_places(data))


def _beside(original: Path) -> Path:
    """Return a file beside the spec that was given; in the current folder where that folder is gone."""
    name = f"{original.stem}{ENDING}"
    return original.parent / name if original.parent.is_dir() else Path(name)


def _moves(text: str, file: str, folder: Path, run: Run, given: str | None) -> list[Edit]:
    """Return what makes a copy of a spec independent of the folder that it was in."""
    data = parse_text(text, file).data
    edits = [] if "name" in data else [Edit(("name",), run.record.name)]
    section = data.get("dataset")
    if isinstance(section, dict):
        moved = with_files(section, lambda path: absolute(path, folder), choices=True)
        edits += [Edit(("dataset", key), value) for key, value in moved.items() if value != section.get(key)]
    if file == runs.RESOLVED and data.get("plugins") and given is not None:
        edits.append(Edit(("plugins",), parse_text(given, runs.SPEC).data.get("plugins", data["plugins"])))
    return edits


def write_patched(patched: Patched) -> Path:
    """Write a spec with a patch; return its file."""
    write_text(patched.target, patched.text)
    return patched.target
