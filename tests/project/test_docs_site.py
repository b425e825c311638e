"""The documentation as a site: it builds without a warning, and holds every page, spec, command and key."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts import build_docs
from tests.conftest import Result

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "80")
        return build_docs.pages()


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    build_docs.write_source(tmp_path / "source")
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    settings = settings.replace("build/docs_source", "source").replace("build/docs", "site")
    (tmp_path / "mkdocs.yml").write_text(settings, encoding="utf-8")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    env = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "site" / "index.html").is_file()
    whole = (tmp_path / "site" / "llms-full.txt").read_text(encoding="utf-8")
    listed = (tmp_path / "site" / "llms.txt").read_text(encoding="utf-8")
    for name in re.findall(r"\]\((\S+\.md)\)", listed):
        assert f"<!-- {name} -->" in whole


def test_every_page_is_in_the_menu(pages: dict[str, str]) -> None:
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    menu = re.findall(r"\S+\.md$", settings.split("\nnav:")[1], re.M)
    assert sorted(menu) == sorted(pages)


def test_the_course_shows_every_spec_of_the_chapter(pages: dict[str, str]) -> None:
    course = (ROOT / "docs" / "course.md").read_text(encoding="utf-8")
    items = [
        int(number) for line in re.findall(r"^### ([\d, to]+)\.", course, re.M) for number in _numbers(line)
    ]
    assert items == list(range(1, 39))
    specs = {path.stem for path in (ROOT / "configs" / "chapter").glob("*.yaml")}
    missing = {name for name in specs if not re.search(rf"\b{name}\b|{{{{ spec {name} }}}}", course)}
    assert missing == {"playground_circles", "playground_gaussians", "playground_xor_clouds"}
    assert "{{" not in pages["course.md"]


def test_what_the_course_says_to_try_can_be_tried(mlpcli: Callable[..., Result]) -> None:
    from mlpcli.spec.load import load_spec

    course = (ROOT / "docs" / "course.md").read_text(encoding="utf-8")
    tried = []
    for section in course.split("\n### ")[1:]:
        names = re.findall(r"\{\{ spec (\w+) \}\}", section)
        for setting in re.findall(r"`--set ([^`]+)`", section):
            spec = ROOT / "configs" / "chapter" / f"{names[0]}.yaml"
            load_spec(spec, settings=[setting])
            if "name: california_housing" not in spec.read_text(encoding="utf-8"):
                wanted = 2 if "read the message" in section else 0
                assert mlpcli("check", spec, "--set", setting).status == wanted, (names, setting)
            tried.append(names[0])
    assert tried == ["perceptron", "housing_rival", "one_hot", "weights", "validation_file"]


def _numbers(text: str) -> list[int]:
    if "to" in text:
        first, last = map(int, text.split(" to "))
        return list(range(first, last + 1))
    return [int(word) for word in text.split(",")]


def test_the_reference_lists_every_command_and_key(pages: dict[str, str]) -> None:
    from mlpcli.cli.program import app
    from mlpcli.spec.schema import Spec

    for command in app.registered_commands:
        assert f"\n### {command.name}\n" in pages["commands.md"]
    assert "\x1b" not in pages["commands.md"]
    listed = {"Top level": Spec} | dict(build_docs.sections(Spec))
    assert {"dataset.features.COLUMN", "dataset.test and validation", "fit.checkpoint"} <= {*listed}
    for place, section in listed.items():
        table = pages["keys.md"].split(f"\n## {place}\n")[1].split("\n## ")[0]
        for key in _keys(section):
            assert f"\n| `{key}` | " in table


def test_every_key_has_a_meaning_which_editors_show() -> None:
    from mlpcli.spec.json_schema import spec_schema
    from mlpcli.spec.meanings import DEFAULTS, MEANINGS
    from mlpcli.spec.schema import Spec

    models = {model.__name__: model for _, model in build_docs.sections(Spec)} | {"Spec": Spec}
    wanted = {name: keys for name, model in models.items() if (keys := _keys(model))}
    assert {name: {*keys} for name, keys in MEANINGS.items()} == wanted
    assert all({*keys} <= {*MEANINGS[name]} for name, keys in DEFAULTS.items())
    shown = spec_schema()["$defs"]["FitSpec"]["properties"]["batch_size"]["description"]
    assert shown == "How many rows one step sees: a positive number of rows"


def _keys(model: type) -> set[str]:
    """Return the keys of a model that a spec may give; a component's class is no key."""
    from mlpcli.spec.schema import ComponentSpec

    fields: dict[str, Any] = model.model_fields  # type: ignore[attr-defined]
    return {field.alias or name for name, field in fields.items() if name not in ComponentSpec.model_fields}


@pytest.mark.slow
def test_the_tutorials_commands_work_in_their_order(
    pages: dict[str, str], mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```sh\n(.*?)^```", pages["tutorial.md"], re.S | re.M)
    commands = [line.split()[1:] for block in blocks for line in block.splitlines()]
    assert len(commands) >= 11
    for command in commands:
        if command[0] == "train":  # two epochs and folds show that the command works, compiled or not
            command = ["2" if word == "5" else word for word in command]
            command += ["--set", "fit.epochs=2", "--set", "callbacks=[]", "--set", "fit.engine=graph"]
            command += ["--set", "optimizer.AdamW.use_ema=false"]
        result = mlpcli(*command)
        assert (result.status, command) == (0, command), result.err
    assert "area" in mlpcli("explain", "rents").out
    assert (tmp_path / "rents.html").is_file()


def test_the_flats_are_what_init_writes(
    mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert mlpcli("init", "--example", "flats").status == 0
    made = mlpcli("init", "data/flats.csv", "--target", "rent", "--effort", "fast", "-o", "flats2.yaml")
    assert made.status == 0
    shown, written = (yaml.safe_load((tmp_path / f"{name}.yaml").read_text()) for name in ("flats", "flats2"))
    assert shown | {"name": "flats2"} == written
