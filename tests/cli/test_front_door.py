"""What a newcomer meets first: the program without arguments, its help, examples, Tab completion."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlpcli.cli.examples import EXAMPLES, described_examples
from mlpcli.spec.load import load_spec
from tests.conftest import Result

ROOT = Path(__file__).resolve().parents[2]


def test_without_arguments_the_first_steps_are_shown(mlpcli: Callable[..., Result]) -> None:
    result = mlpcli()
    assert (result.status, result.err) == (0, "")
    for step in ("mlpcli init --example digits", "mlpcli train digits.yaml", "mlpcli --help"):
        assert step in result.out
    assert all(len(line) <= 80 for line in result.out.splitlines())


def test_the_help_lists_every_command_by_what_it_is_for(mlpcli: Callable[..., Result]) -> None:
    from mlpcli.cli.help_text import GROUPS
    from mlpcli.cli.program import app

    out = mlpcli("--help").out
    headings = [line.removesuffix(":") for line in out.splitlines() if re.fullmatch(r"[A-Z][a-z ]+:", line)]
    assert headings == ["Options", *GROUPS]
    names = [command.name for command in app.registered_commands]
    assert [name for name in names if not re.search(rf"(?m)^  {name} ", out)] == []
    assert "..." not in out.replace("[ARGS]...", "")  # nothing is cut off
    assert all(len(line) <= 80 for line in out.splitlines())


def test_on_a_terminal_the_help_is_in_panels(tmp_path: Path) -> None:
    """Square brackets in a help text would be read as colours there."""
    shown = "import pty, sys\nsys.exit(pty.spawn([sys.executable, '-m', 'mlpcli', *sys.argv[1:]]) >> 8)\n"
    settings = {"TERM": "xterm", "COLUMNS": "80", "NO_COLOR": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", shown, "--help"],
        capture_output=True,
        text=True,
        env=os.environ | settings,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
    plain = re.sub("\x1b\\[[0-9;]*m", "", done.stdout)
    assert "╭─ Start ─" in plain
    assert max(len(line) for line in plain.splitlines()) <= 80


def test_no_help_has_text_that_panels_would_hide() -> None:
    from typer.main import get_command

    from mlpcli.cli.program import app

    program = get_command(app)
    texts = [
        getattr(parameter, "help", None) or ""
        for command in program.commands.values()  # type: ignore[attr-defined]
        for parameter in command.params
    ]
    assert [text for text in texts if re.search(r"\[[a-z/]", text)] == []


def test_the_version_names_what_results_depend_on(mlpcli: Callable[..., Result]) -> None:
    import keras
    import tensorflow as tf

    out = mlpcli("--version").out
    assert f"TensorFlow {tf.__version__}\n" in out
    assert f"Keras {keras.__version__}\n" in out


def test_the_examples_are_the_configs() -> None:
    configs = {path.stem for path in (ROOT / "configs").rglob("*.yaml")}
    names = [name for name, _ in described_examples()]
    assert set(names) == configs
    assert len(names) == len(configs)  # no two of one name
    assert EXAMPLES.resolve() == ROOT / "configs"


def test_every_example_is_a_valid_spec_where_it_is_copied_to(
    mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    listed = {each["name"] for each in json.loads(mlpcli("init", "--example", "--json").out)["examples"]}
    assert listed == {name for name, _ in described_examples()}
    for name in listed:
        made = mlpcli("init", "--example", name, "-o", f"{name}/spec.yaml")
        assert (made.status, "there is no folder" in made.err) == (2, True)
        (tmp_path / name).mkdir()
        made = mlpcli("init", "--example", name, "-o", f"{name}/spec.yaml", "--json")
        assert made.status == 0, made.err
        spec = load_spec(tmp_path / name / "spec.yaml")
        files = json.loads(made.out)["files"]
        assert all(Path(file).is_file() for file in files)
        assert all(f"{name}/{plugin}" in files for plugin in spec.spec.plugins)
        assert "scripts/run" not in (tmp_path / name / "spec.yaml").read_text(encoding="utf-8")


def test_the_list_of_examples_says_what_its_numbers_are(mlpcli: Callable[..., Result]) -> None:
    lines = mlpcli("init", "--example").out.splitlines()
    heading = next(place for place, line in enumerate(lines) if line.startswith("chapter 10 of a textbook"))
    assert lines[heading + 3].split(maxsplit=2)[:2] == ["perceptron", "1:"]
    items = [line.split()[1] for line in lines[heading + 3 :] if line and not line.startswith(" ")][:-1]
    assert all(item[0].isdigit() for item in items)
    assert "Chapter item" not in "".join(lines)


def test_a_file_in_the_way_is_told_without_an_option_that_was_not_given(
    mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("a,y\n" + "1,2\n2,3\n" * 9)
    Path("t.yaml").write_text("")
    told = mlpcli("init", "t.csv", "--target", "y").err
    assert told == "t.yaml: the file exists already; add --force to replace it, or choose another with -o\n"


def test_an_example_replaces_no_other_file(
    mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert mlpcli("init", "--example", "weights").status == 0
    assert mlpcli("init", "--example", "weights").status == 0  # the same files
    data = tmp_path / "data" / "skewed.csv"
    data.write_text("mine", encoding="utf-8")
    (tmp_path / "weights.yaml").unlink()
    refused = mlpcli("init", "--example", "weights")
    assert refused.status == 2
    assert refused.err.startswith("data/skewed.csv: the file exists already; add --force")
    assert (data.read_text(encoding="utf-8"), (tmp_path / "weights.yaml").exists()) == ("mine", False)
    assert mlpcli("init", "--example", "weights", "--force").status == 0
    assert data.read_text(encoding="utf-8") != "mine"
    shown = mlpcli("init", "--example", "weights", "-o", "-").out
    assert json.loads(mlpcli("init", "--example", "weights", "-o", "-", "--json").out)["spec"] == shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["init", "--example", "digts"], "received 'digts'; did you mean 'digits'?"),
        (["init", "--example", "iris", "--target", "x"], "--example cannot be combined with --target"),
        (["init"], "Missing argument 'DATA'; see mlpcli init --help; for a ready spec"),
        (["init", "houses.csv"], "Missing option '--target'; the columns are size, price"),
        (["init", "photo"], "photo: there is no such file; did you mean 'photos'?"),
        (["init", "rows.npy"], "Missing option '--target'; see mlpcli init --help"),
        (
            ["export", "x", "--format", "onxx"],
            "keras, received 'onxx'; did you mean 'onnx'? see mlpcli export",
        ),
        (["train", "x.yaml", "--log-to", "w"], "--log-to: must be mlflow, received 'w'; see mlpcli train"),
        (["train", "x.yaml", "--replicas", "two"], "--replicas: must be a whole number, received 'two'; see"),
        (["train", "x.yaml", "--max-minutes", "x"], "--max-minutes: must be a number, received 'x'; see"),
        (
            ["more-data", "x.yaml", "--repeats", "0"],
            "--repeats: must be greater than or equal to 1, received '0'; see",
        ),
    ],
)
def test_arguments_that_are_wrong_or_missing_say_what_to_write(
    arguments: list[str],
    message: str,
    mlpcli: Callable[..., Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "houses.csv").write_text("size,price\n1,2\n", encoding="utf-8")
    np.save(tmp_path / "rows.npy", np.zeros((3, 2)))
    monkeypatch.chdir(tmp_path)
    result = mlpcli(*arguments)
    assert (result.status, message in result.err) == (2, True), result.err


@pytest.fixture
def complete(
    mlpcli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[str], list[str]]:
    """Return what bash is offered for a line, in a folder with runs, a spec and a table."""
    for run in ("digits/2026-11-28_10-00-00", "digits/2026-11-29_10-00-00", "houses/2026-11-28_10-00-00"):
        (tmp_path / "runs" / run).mkdir(parents=True)
        (tmp_path / "runs" / run / "run.json").write_text("{}", encoding="utf-8")
    (tmp_path / "runs" / "digits_not_a_run").mkdir()
    shutil.copy(ROOT / "configs" / "digits.yaml", tmp_path)
    (tmp_path / "wrong.yaml").write_text("a: [", encoding="utf-8")
    (tmp_path / "houses.csv").write_text("size,price\n1,2\n3,4\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("_MLPCLI_COMPLETE", "complete_bash")

    def offered(line: str) -> list[str]:
        monkeypatch.setenv("COMP_LINE", line)
        monkeypatch.setenv("COMP_POINT", str(len(line)))
        result = mlpcli()
        assert (result.status, result.err) == (0, "")
        return result.out.split()

    return offered


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("mlpcli eval", ["evaluate"]),
        ("mlpcli evaluate d", ["digits"]),
        ("mlpcli evaluate digits/", ["digits/2026-11-29_10-00-00", "digits/2026-11-28_10-00-00"]),
        ("mlpcli compare digits h", ["houses"]),
        ("mlpcli train --resume h", ["houses"]),
        ("mlpcli train --runs-dir nowhere --resume h", []),
        ("mlpcli train digits.yaml --set optimizer.A", ["optimizer.Adam.learning_rate="]),
        (
            "mlpcli train digits.yaml --set layers[2]",
            ["layers[2].Dense.units=", "layers[2].Dense.activation="],
        ),
        ("mlpcli check wrong.yaml --set fit.ep", ["fit.epochs="]),
        ("mlpcli tune digits.yaml --set tuner.max_t", ["tuner.max_trials="]),
        ("mlpcli train digits.yaml --set fit.epochs=", []),
        ("mlpcli init houses.csv --target p", ["price"]),
        ("mlpcli init nothing.csv --target p", []),
        ("mlpcli init --example fashion_n", ["fashion_named"]),
    ],
)
def test_the_tab_key_offers_what_fits(
    line: str, offered: list[str], complete: Callable[[str], list[str]]
) -> None:
    assert complete(line) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(
    shell: str, mlpcli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typer.completion._get_shell_name", lambda: shell)
    result = mlpcli("--show-completion")
    assert result.status == 0
    assert f"complete_{shell}" in result.out


def test_tensorboard_listens_on_an_address_of_this_machine(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    refused = mlpcli("tensorboard", "--host", "192.0.2.1", "--port", "0", "--runs-dir", tmp_path)
    assert refused.status == 2
    assert refused.err.startswith("--host: is no address of this machine (")
