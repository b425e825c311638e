"""The command line itself: help, usage errors, pipes, interruption."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.main import get_command

from mlpcli.cli.program import app
from tests.conftest import TINY, Result


@pytest.mark.parametrize("verb", [command.name for command in app.registered_commands])
def test_help_ends_with_an_example_whose_options_the_command_has(
    verb: str, mlpcli: Callable[..., Result]
) -> None:
    result = mlpcli(verb, "--help")
    assert (result.status, result.err) == (0, "")
    last = result.out.strip().splitlines()[-1].strip()
    assert last.startswith(f"Example: mlpcli {verb}")
    arguments = shlex.split(last.removeprefix(f"Example: mlpcli {verb}").split(">")[0])
    get_command(app).commands[verb].make_context(verb, arguments)  # type: ignore[attr-defined]
    assert {"--json", "--debug"} <= {*result.out.split()}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train"], "Missing argument 'SPEC'; see mlpcli train --help\n"),
        (["trian"], "No such command 'trian'. Did you mean 'train'? see mlpcli --help\n"),
        (["train", "a.yaml", "--qqq", "3"], "No such option: --qqq; see mlpcli train --help\n"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(
    arguments: list[str], message: str, mlpcli: Callable[..., Result]
) -> None:
    assert mlpcli(*arguments) == Result(2, "", message)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["evaluate", "digits", "new.csv"], "a file is given with --data: mlpcli evaluate RUN --data FILE"),
        (["predict", "digits", "a.csv", "b.csv"], "several files are given as one pattern in quotes"),
        (["train", "a.yaml", "fit.epochs=5"], "with --set: mlpcli train SPEC --set PATH=VALUE"),
    ],
)
def test_an_argument_too_many_is_told_with_its_option(
    arguments: list[str], hint: str, mlpcli: Callable[..., Result]
) -> None:
    result = mlpcli(*arguments)
    assert (result.status, hint in result.err, arguments[-1] in result.err) == (2, True, True)


def test_debug_adds_the_traceback(mlpcli: Callable[..., Result], spec_file: Callable[[str], Path]) -> None:
    spec = spec_file("loss: 3\n")
    assert "Traceback" not in mlpcli("train", spec).err
    assert "Traceback (most recent call last)" in mlpcli("train", spec, "--debug").err


@pytest.mark.slow
def test_an_interrupted_training_keeps_what_it_has(tmp_path: Path) -> None:
    spec = tmp_path / "long.yaml"
    spec.write_text(TINY.replace("epochs: 5", "epochs: 1000000"), encoding="utf-8")
    runs_dir = tmp_path / "runs"
    command = [sys.executable, "-m", "mlpcli", "train", str(spec), "--runs-dir", str(runs_dir)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch"):
            break
    time.sleep(1.5)  # past the first second, after which files are kept
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    (run_dir,) = (runs_dir / "tiny").iterdir()
    assert json.loads((run_dir / "run.json").read_text())["status"] == "interrupted"
    assert "interrupted: saving the state after epoch " in out
    assert f"resume with: mlpcli train --resume tiny/{run_dir.name} --runs-dir {runs_dir}" in " ".join(
        out.split()
    )
    assert err == "interrupted\n"  # neither a traceback nor what XLA logs while it compiles
    for name in (
        "history.csv",
        "checkpoints/last.keras",
        "checkpoints/best.keras",
        "plots/learning_curves.png",
    ):
        assert (run_dir / name).exists(), name


@pytest.mark.slow
def test_nothing_of_tensorflows_log_reaches_the_user(tmp_path: Path) -> None:
    spec = tmp_path / "tiny.yaml"
    spec.write_text(TINY, encoding="utf-8")
    command = [sys.executable, "-m", "mlpcli", "train", str(spec), "--runs-dir", str(tmp_path / "runs")]
    command += ["--set", "fit.epochs=1", "--set", "fit.engine=graph"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
