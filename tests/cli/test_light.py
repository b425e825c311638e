"""The light half starts fast: it imports nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"tensorflow", "keras", "keras_tuner", "sklearn", "pyarrow", "matplotlib", "pandas", "scipy"}


def _fresh(code: str) -> dict[str, object]:
    """Run code in a fresh process; it prints one JSON document last."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    document: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return document


MEASURE = """
import json, sys
from mlpcli.cli import main
status = main({arguments!r})
print()
print(json.dumps({{"status": status, "modules": sorted(m.split(".")[0] for m in sys.modules),
                  "whole": sorted(sys.modules)}}))
"""


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 0),
        (["train", "--help"], 0),
        (["train", "missing.yaml"], 2),
        (["check", "missing.yaml"], 2),
        (["schema"], 0),
        (["evaluate", "nothing"], 2),
    ],
)
def test_light_commands_import_nothing_heavy(arguments: list[str], status: int) -> None:
    measured = _fresh(MEASURE.format(arguments=arguments))
    assert measured["status"] == status
    assert not HEAVY & set(measured["modules"])  # type: ignore[call-overload]
    if arguments == ["--help"]:
        needless = {"importlib.metadata", "hashlib", "rich", "pydantic"}
        assert not needless & set(measured["whole"])  # type: ignore[call-overload]


def test_tensorflow_starts_where_its_time_is_measured() -> None:
    """Once, twice and resumed trainings show its start as a stage, and count it as their own time."""
    once, more = "mlpcli.training.start, mlpcli.training.resume", "mlpcli.training.repeated.train_members"
    code = f"import json, sys, {once}, {more}, mlpcli.training.repeated.resume_members\n"
    measured = _fresh(f"{code}print(json.dumps({{'loaded': sorted(sys.modules)}}))")
    assert not {"tensorflow", "keras"} & set(measured["loaded"])  # type: ignore[call-overload]


def test_a_wrong_spec_is_told_without_tensorflow(tmp_path: Path) -> None:
    spec = tmp_path / "wrong.yaml"
    spec.write_text("dataset: {name: digits}\nlayers: [Flaten]\nloss: msee\n", encoding="utf-8")
    measured = _fresh(MEASURE.format(arguments=["train", str(spec)]))
    assert measured["status"] == 2
    assert not HEAVY & set(measured["modules"])  # type: ignore[call-overload]
