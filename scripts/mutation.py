"""Change the code in one place at a time and count how often the tests notice: mutation testing.

    pip install cosmic-ray       # in the environment of the tests, or name theirs by --python
    python scripts/mutation.py [--groups spec,loop] [--sample 60] [--folder mutation]

Each group is a few modules and the tests that are meant to hold them. Of all mutations of a group a random
sample with a fixed seed is tried, one for each place in the code, in a copy of the repository. A mutation
that no test notices survives; the diff of every survivor is in FOLDER/GROUP.txt. The score is the share that
was noticed. A run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray.commands import init  # type: ignore[import-not-found]
from cosmic_ray.mutating import mutate_and_test  # type: ignore[import-not-found]
from cosmic_ray.work_db import use_db  # type: ignore[import-not-found]
from cosmic_ray.work_item import WorkItem, WorkResult  # type: ignore[import-not-found]

ROOT = Path(__file__).resolve().parent.parent
SEED = 1


@dataclass(frozen=True)
class Group:
    """Modules of the package, and the tests that are to notice a change in them, the quickest first."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    seconds: int


GROUPS = {
    "spec": Group(
        (
            "spec/load",
            "spec/yaml_reader",
            "spec/validate",
            "spec/extends",
            "spec/overrides",
            "spec/key_forms",
        ),
        (
            "spec/meant_components",
            "spec/meant_values",
            "spec/meant_keys",
            "spec/meant_yaml",
            "spec/spec_edges",
            "spec/bad_specs",
            "spec/bad_yaml",
            "spec/bad_settings",
            "spec/spec_properties",
            "spec/extends",
            "spec/override_paths",
            "spec/schema",
            "spec/resolved_properties",
        ),
        600,
    ),
    "splits": Group(
        (
            "data/splits",
            "data/splitter",
            "data/random_split",
            "data/group_split",
            "data/folds",
            "data/split_by_column",
        ),
        (
            "data/folds_by_column",
            "checks/leakage",
            "data/data_load",
            "data/folds",
            "data/splits_by_column",
        ),
        600,
    ),
    "encoders": Group(
        (
            "data/features/encoders",
            "data/features/preprocessor",
            "data/features/unknown_values",
            "data/features/instants",
        ),
        (
            "data/encoders",
            "data/data_load",
            "data/dates",
            "data/scaling",
            "data/numbers",
            "model/inputs_by_kind",
        ),
        900,
    ),
    "loop": Group(
        (
            "training/compiled/loop",
            "training/compiled/row_arrays",
            "training/compiled/randomness",
            "training/compiled/step_losses",
            "training/compiled/xla_programs",
        ),
        (
            "training/loop_edges",
            "training/lr_find",
            "training/compiled",
            "training/compiled_callbacks",
            "training/engine",
        ),
        1800,
    ),
    "statistics": Group(
        (
            "statistics/bootstrap",
            "statistics/paired",
            "statistics/resampled",
            "statistics/student_t",
            "statistics/spread",
            "statistics/calibration",
            "statistics/conformal",
            "statistics/thresholds",
            "statistics/curves",
        ),
        (
            "statistics/statistic_edges",
            "statistics/paired_statistics",
            "statistics/calibration_numbers",
            "statistics/spread",
            "statistics/intervals",
            "statistics/row_values",
        ),
        600,
    ),
}
TRIED = re.compile(
    r"core/(ReplaceComparisonOperator_(Eq_NotEq|NotEq_Eq|Lt_LtE|LtE_Lt|Gt_GtE|GtE_Gt|Lt_Gt|Gt_Lt|LtE_GtE|GtE_LtE"
    r"|Is_IsNot|IsNot_Is|In_NotIn|NotIn_In)|ReplaceBinaryOperator_(Add_Sub|Sub_Add|Mul_Div|Div_Mul|FloorDiv_Mul"
    r"|Mod_FloorDiv|Pow_Mul|BitAnd_BitXor)|AddNot|NumberReplacer|ExceptionReplacer|ZeroIterationForLoop"
    r"|Replace(And|Or|True|False|Break|Continue)With.*|ReplaceUnaryOperator_.*)"
)
"""The mutations that a person could make by mistake; the others mostly stop the program at once, as `a << b`
of two texts does. `|` is not one of them: it stands in annotations, which nothing evaluates."""


def main() -> None:
    """Try the mutations of each group and print the scores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--groups", default=",".join(GROUPS), help="which, with commas between")
    parser.add_argument("--sample", type=int, default=60, help="mutations of a group that are tried")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that runs the tests")
    parser.add_argument("--folder", type=Path, default=Path("mutation"), help="where the results are kept")
    chosen = parser.parse_args()
    folder = chosen.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / "copy"
    if not copy.exists():
        _copy_repository(copy)
    os.chdir(copy)
    for name in chosen.groups.split(","):
        _try_group(name, GROUPS[name], folder, chosen)


def _copy_repository(copy: Path) -> None:
    """Copy the tracked files, so that a stopped run leaves no mutation in the repository."""
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout
    for name in filter(None, names.split("\0")):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name, follow_symlinks=False)


def _try_group(name: str, group: Group, folder: Path, chosen: argparse.Namespace) -> None:
    tests = " ".join(f"tests/{test.replace('/', '/test_')}.py" for test in group.tests)
    command = f"{chosen.python} -m pytest -q -x -p no:cacheprovider {tests}"
    os.environ["PYTHONPATH"] = str(folder / "copy")
    if subprocess.run(shlex.split(command), capture_output=True, check=False).returncode:
        sys.exit(f"{name}: the tests fail without a mutation: cd {folder / 'copy'}; {command}")
    survivors: list[str] = []
    noticed = 0
    with use_db(str(folder / f"{name}.sqlite")) as database:
        if not database.num_work_items:
            init([Path(f"mlpcli/{module}.py") for module in group.modules], database, {})
        done = dict(database.results)
        for item in _sample(database.work_items, chosen.sample):
            result = done.get(item.job_id) or mutate_and_test(item.mutations, command, group.seconds)
            database.set_result(item.job_id, result)
            noticed += result.is_killed
            survivors += [] if result.is_killed else [_diff(result)]
            (folder / f"{name}.txt").write_text("\n\n".join(survivors), encoding="utf-8")
            print(f"{name}: {noticed} of {noticed + len(survivors)} noticed", file=sys.stderr, flush=True)
    tried = noticed + len(survivors)
    print(f"{name:<10} {noticed:>4} of {tried:>4} noticed  {noticed / max(tried, 1):.0%}", flush=True)


def _sample(items: tuple[WorkItem, ...], count: int) -> list[WorkItem]:
    """Return a random sample of the mutations, at most one for each place in the code."""
    usual = [item for item in items if TRIED.fullmatch(_operator(item))]
    usual.sort(key=lambda item: (*_place(item), _operator(item), item.mutations[0].occurrence))
    random.Random(SEED).shuffle(usual)
    one_each = {_place(item): item for item in usual}
    return list(one_each.values())[:count]


def _place(item: WorkItem) -> tuple[str, tuple[int, int]]:
    return str(item.mutations[0].module_path), tuple(item.mutations[0].start_pos)


def _operator(item: WorkItem) -> str:
    return str(item.mutations[0].operator_name)


def _diff(result: WorkResult) -> str:
    return str(result.diff)


if __name__ == "__main__":
    main()
