"""The README's commands and examples, the docs' specs and the configs are run, so that they cannot rot."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mlpcli.cli.program import app
from mlpcli.spec.load import load_spec
from tests.conftest import ROOT, Result

README = (ROOT / "README.md").read_text(encoding="utf-8")
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.S | re.M)


def _commands() -> list[list[str]]:
    lines = "".join(_blocks(README, "sh")).splitlines()
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("mlpcli ")]


NOT_RUN = {"tensorboard", "serve", "export", "label-check", "log", "unpack", "remove"}
"""Commands that the README does not run; each is on a page of its own."""


def test_the_readme_runs_every_command_but_those_on_pages_of_their_own() -> None:
    every = {str(command.name) for command in app.registered_commands}
    assert every - {command[0] for command in _commands()} == NOT_RUN
    pages = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))
    assert [name for name in NOT_RUN if f"mlpcli {name}" not in pages] == []


SHORTER = {
    r"epochs: \d+": "epochs: 3",
    r"max_trials: \d+": "max_trials: 2",
    r"^fit: {": "fit: {engine: graph, ",
}


def _shorter(spec: str) -> str:
    """A spec that is trained quickly, with nothing compiled; it is what the commands do that is tried."""
    for old, new in SHORTER.items():
        spec = re.sub(old, new, spec, flags=re.M)
    return spec


@pytest.mark.slow
@pytest.mark.uncounted
def test_the_readmes_commands_work_in_their_order(
    mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.datasets import load_digits

    images = load_digits().images[:5]
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    for config in (tmp_path / "configs").glob("*.yaml"):
        config.write_text(_shorter(config.read_text(encoding="utf-8")), encoding="utf-8")
    np.save(tmp_path / "rows.npy", images)
    header = ",".join(["id", *(f"pixel_{index}" for index in range(64))])
    lines = [",".join(map(str, [f"i{number}", *image.ravel()])) for number, image in enumerate(images)]
    (tmp_path / "rows.csv").write_text("\n".join([header, *lines]) + "\n")
    houses = [f"{size},{'Ulm' if size % 3 else 'Bonn'},{1000 * size + size % 7}" for size in range(40, 140)]
    (tmp_path / "houses.csv").write_text("\n".join(["size,town,price", *houses]) + "\n")
    monkeypatch.chdir(tmp_path)
    for command in _commands():
        result = mlpcli(*command)
        assert (result.status, command) == (0, command), result.err
        if command[0] == "init":
            written = tmp_path / "houses.yaml"
            written.write_text(_shorter(written.read_text(encoding="utf-8")), encoding="utf-8")
    assert (tmp_path / "out.csv").read_text().startswith("id,predicted_target,probability_0,")


def test_the_readmes_spec_is_the_digits_config_in_twelve_lines(tmp_path: Path) -> None:
    from mlpcli.spec.resolve import resolved_document

    shown = _blocks(README, "yaml")[0]
    assert len(shown.splitlines()) == 12
    (tmp_path / "digits.yaml").write_text(shown, encoding="utf-8")
    short, config = (load_spec(folder / "digits.yaml") for folder in (tmp_path, ROOT / "configs"))
    assert resolved_document(short, {}) == resolved_document(config, {})
    assert short.spec.dataset == config.spec.dataset  # with its splits


def test_the_readmes_mistakes_are_told_as_it_shows(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    (shown,) = (block for block in _blocks(README, "text") if "wrong.yaml" in block)
    lines = ["dataset: {name: digits}", "optimizer: Adam", "layers:"]  # lines 1 to 3
    lines += ["  - Flaten", "  - Dense: {units: 0}", "loss: msee"]
    spec = tmp_path / "wrong.yaml"
    spec.write_text("\n".join(lines) + "\n")
    result = mlpcli("train", spec)
    assert result.err.replace(f"{tmp_path}/", "") == shown.split("\n", 1)[1]


def test_the_pages_with_specs_are_found() -> None:
    assert {"spec.md", "tables.md", "tune.md", "cluster.md"} <= {page for page in PAGES if _specs(page)}
    assert not list((ROOT / "docs").glob("*/*.md"))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_config_is_valid_and_opens_with_its_command(config: Path) -> None:
    load_spec(config)
    head = config.read_text(encoding="utf-8").split("\nname:", 1)[0]
    assert f"scripts/run train {config.relative_to(ROOT)}" in head


def _specs(page: str) -> list[str]:
    """The specs of a page, and parts of specs; what else is YAML is for other programs."""
    blocks = _blocks((ROOT / "docs" / page).read_text(encoding="utf-8"), "yaml")
    return [block for block in blocks if "apiVersion:" not in block]


WITH_FILES = {"howto.md"}
"""Pages whose specs need files beside them, and are loaded by tests of their own."""
PAGES = sorted({path.name for path in (ROOT / "docs").glob("*.md")} - WITH_FILES)


@pytest.mark.parametrize(("page", "index"), [(page, i) for page in PAGES for i in range(len(_specs(page)))])
def test_the_specs_in_the_docs_are_valid(page: str, index: int, tmp_path: Path) -> None:
    block = _specs(page)[index]
    base = {"dataset": {"name": "digits"}, "layers": ["Flatten"], "loss": "mse"}
    missing = {key: value for key, value in base.items() if not re.search(rf"^{key}:", block, re.M)}
    spec = tmp_path / "fragment.yaml"
    if "extends:" in block:
        shutil.copy(ROOT / "configs" / "digits.yaml", tmp_path)
    spec.write_text((yaml.safe_dump(missing) if missing else "") + block, encoding="utf-8")
    load_spec(spec)


@pytest.mark.slow
@pytest.mark.uncounted
def test_the_page_of_the_network_shows_what_init_writes(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    rows = [
        f"{size / 7:.3f},{'Ulm' if size % 3 else 'Bonn'},{1000 * size + size % 7}" for size in range(5000)
    ]
    (tmp_path / "houses.csv").write_text("\n".join(["size,town,price", *rows]) + "\n")
    made = mlpcli("init", tmp_path / "houses.csv", "--target", "price", "-o", tmp_path / "houses.yaml")
    assert made.status == 0, made.err
    written = yaml.safe_load((tmp_path / "houses.yaml").read_text(encoding="utf-8"))
    shown = yaml.safe_load(_specs("network.md")[0])
    del written["dataset"]["path"], shown["dataset"]["path"], written["dataset"]["features"]
    assert shown == written


GRAPH = "fit.engine=graph"


def _settings(*changes: str) -> list[str]:
    return [part for change in changes for part in ("--set", change)]


@pytest.mark.slow
@pytest.mark.uncounted
def test_the_page_of_tables_works_as_it_stands(
    mlpcli: Callable[..., Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
    rows = []
    for size in range(40, 140):
        town, lift = "Ulm" if size % 3 else "Bonn", "yes" if size % 2 else "no"
        rows.append(f"{size},{town},{lift},19{size % 90 + 10}-05-11,{9 * size}")
    monkeypatch.chdir(tmp_path)
    for name in ("flats.csv", "later.csv"):
        Path(name).write_text("\n".join(["size,town,lift,built,rent", *rows]) + "\n")
    for line in "".join(_blocks(page, "sh")).splitlines():
        command = shlex.split(line, comments=True)[1:]
        result = mlpcli(*command, *(_settings("fit.epochs=3", GRAPH) if command[0] == "train" else []))
        assert result.status == 0, (command, result.err)
    assert len(Path("rents.csv").read_text().splitlines()) == 101
    (run,) = Path("runs/flats").iterdir()
    (code,) = _blocks(page, "python")
    names: dict[str, Any] = {}
    exec(code.replace("<date>_<time>", run.name), names)
    assert names["outputs"]["value"].shape == (2, 1)


@pytest.mark.slow
@pytest.mark.uncounted
def test_the_page_of_formats_works_as_it_stands(
    mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.data.row_files import make_rows, write_json, write_pipes, write_sheet, write_sqlite

    monkeypatch.chdir(tmp_path)
    rows = make_rows(60)
    write_sheet(Path("shop.xlsx"), rows)
    write_sqlite(Path("shop.db"), rows)
    write_json(Path("later.jsonl"), rows)
    write_pipes(Path("later.txt"), rows)
    page = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    for line in "".join(_blocks(page, "sh")).splitlines():
        quick = ["--no-figures"] if line.startswith("mlpcli evaluate") else []
        result = mlpcli(*shlex.split(line)[1:], *quick)
        assert result.status == 0, (line, result.err)
        if line.startswith("mlpcli init"):
            train = mlpcli("train", "shop.yaml", *_settings("fit.epochs=2", "callbacks=[]", GRAPH))
            assert train.status == 0, train.err
    assert len(Path("prices.csv").read_text(encoding="utf-8").splitlines()) == 61


@pytest.mark.slow
@pytest.mark.uncounted
def test_the_page_of_images_works_as_it_stands(
    mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.photos import write_photos

    monkeypatch.chdir(tmp_path)
    write_photos(Path("photos"), 6)
    write_photos(Path("later"), 2, seed=1)
    Path("new").mkdir()
    for place, file in enumerate(sorted(Path("later").glob("*/*.png")), 1):
        shutil.copy(file, f"new/{place}.png")
    page = (ROOT / "docs" / "photos.md").read_text(encoding="utf-8")
    changes = _settings("fit.epochs=1", "callbacks=[]", GRAPH)
    quick = {"train": changes, "evaluate": ["--no-figures", "--no-intervals"]}
    for line in "".join(_blocks(page, "sh")).splitlines():
        command = shlex.split(line)[1:]
        result = mlpcli(*command, *quick.get(command[0], []))
        assert result.status == 0, (command, result.err)
    assert Path("out.csv").read_text(encoding="utf-8").startswith("file,predicted_class,probability_cats,")
    assert len(Path("all.csv").read_text(encoding="utf-8").splitlines()) == 4
    (run,) = Path("runs/photos").iterdir()
    (code,) = _blocks(page, "python")
    names: dict[str, Any] = {}
    exec(code.replace("<date>_<time>", run.name), names)
    assert names["probabilities"].shape == (1, 3)


@pytest.mark.slow
@pytest.mark.uncounted
def test_the_page_of_bad_inputs_says_what_the_program_says() -> None:
    """Write it again with: python scripts/bad_inputs.py > docs/bad_inputs.md"""
    import runpy

    page: str = runpy.run_path(str(ROOT / "scripts" / "bad_inputs.py"))["page"]()
    assert page.splitlines() == (ROOT / "docs" / "bad_inputs.md").read_text(encoding="utf-8").splitlines()
    assert page.count("\n| ") - 4 >= 44
    assert "exit status 0" not in page
    assert "Traceback" not in page
