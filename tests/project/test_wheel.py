"""What a wheel will hold, by pyproject.toml; `scripts/check_wheel` builds, installs and uses one."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "mlpcli"


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts}


def test_every_file_that_is_no_module_is_named_as_package_data(project: dict[str, Any]) -> None:
    patterns = project["tool"]["setuptools"]["package-data"]["mlpcli"]
    named = {path for pattern in patterns for path in PACKAGE.glob(pattern) if path.is_file()}
    examples = PACKAGE / "examples"
    assert examples.resolve() == ROOT / "configs"
    wanted = {path for path in _files(PACKAGE) if path.suffix != ".py" and examples not in path.parents}
    wanted |= {examples / path.relative_to(ROOT / "configs") for path in _files(ROOT / "configs")}
    assert named == wanted


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {path.parent for path in _files(PACKAGE) if path.suffix == ".py"}
    folders = {folder for folder in folders if PACKAGE / "examples" not in (folder, *folder.parents)}
    assert not {folder for folder in folders if not (folder / "__init__.py").is_file()}


def test_the_versions_of_python_are_the_same_everywhere(project: dict[str, Any]) -> None:
    allowed = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", project["project"]["requires-python"])
    assert allowed
    versions = [f"3.{minor}" for minor in range(int(allowed[1]), int(allowed[2]))]
    classifiers = re.findall(r"Python :: (3\.\d+)$", "\n".join(project["project"]["classifiers"]), re.M)
    assert classifiers == versions
    for name in ("check_wheel.py", "_environment.sh"):
        script = (ROOT / "scripts" / name).read_text(encoding="utf-8")
        assert all(version in script for version in versions), name


def test_every_dependency_has_a_lower_bound_that_can_be_installed_and_an_upper_one(
    project: dict[str, Any],
) -> None:
    from scripts.lowest import lower_bounds

    requirements = project["project"]["dependencies"] + project["project"]["optional-dependencies"]["serve"]
    lowest = lower_bounds(ROOT / "pyproject.toml", extras=["serve"])
    assert [line.split("==")[0] for line in lowest] == [line.split(">=")[0] for line in requirements]
    assert all(",<" in line for line in requirements)


def test_what_is_said_to_install_an_extra_is_what_it_installs(project: dict[str, Any]) -> None:
    from mlpcli.extras import EXTRAS

    written = project["project"]["optional-dependencies"]
    listed = {
        extra: {re.split(r"[\[<>=]", each)[0] for each in several} for extra, several in written.items()
    }
    assert {extra: {*packages} for extra, packages in EXTRAS.items()} == {
        extra: packages for extra, packages in listed.items() if extra != "dev"
    }
