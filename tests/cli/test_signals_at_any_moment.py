"""Ctrl-C, SIGTERM and SIGHUP end a command with status 130 and no traceback, from its first import on."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import TINY

WRONG = "dataset: {name: digits}\nlayers: [Flaten]\nloss: msee\n"


def _interrupted(
    arguments: list[str], number: signal.Signals, after: int, module: str = "signal"
) -> tuple[int, str]:
    """Send a signal when so many modules were imported after one; returns status and stderr."""
    command = [sys.executable, "-X", "importtime", "-m", "mlpcli", *arguments]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.split("|")[-1].strip() == module:
                break
        for _ in range(after):
            process.stderr.readline()
        process.send_signal(number)
        rest = process.stderr.read()
        process.wait(timeout=120)
    return process.returncode, "".join(
        line for line in rest.splitlines(keepends=True) if not line.startswith("import time:")
    )


@pytest.mark.parametrize(
    ("number", "after"),
    [
        (signal.SIGINT, 1),
        (signal.SIGTERM, 2),
        (signal.SIGINT, 30),
        (signal.SIGHUP, 60),
        (signal.SIGINT, 100),
    ],
    ids=str,
)
def test_a_signal_while_the_command_line_is_imported(number: signal.Signals, after: int) -> None:
    assert _interrupted(["--help"], number, after) == (130, "interrupted\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=str)
def test_a_signal_while_a_wrong_spec_is_checked(number: signal.Signals, tmp_path: Path) -> None:
    spec = tmp_path / "wrong.yaml"
    spec.write_text(WRONG)
    for module in ("mlpcli.spec.schema", "mlpcli.cli.program"):
        assert _interrupted(["check", str(spec)], number, 0, module) == (130, "interrupted\n")


@pytest.mark.slow
def test_a_signal_while_tensorflow_is_imported(tmp_path: Path) -> None:
    spec = tmp_path / "tiny.yaml"
    spec.write_text(TINY)
    arguments = ["train", str(spec), "--runs-dir", str(tmp_path / "runs")]
    status, text = _interrupted(arguments, signal.SIGINT, 40, "numpy")
    assert (status, text.splitlines()[-1]) == (130, "interrupted")
    assert "Traceback" not in text
    assert not (tmp_path / "runs").exists()


DROPPED = """
import builtins, os, signal, sys
sys.argv = ["mlpcli", "check", {spec!r}]
stock = builtins.__import__

def hostile(name, *arguments, **keywords):
    if name == {module!r}:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            for _ in range(1000): pass
        except BaseException:
            {reaction}
    return stock(name, *arguments, **keywords)

builtins.__import__ = hostile
from mlpcli.cli import run
run()
"""


@pytest.mark.slow
@pytest.mark.parametrize("reaction", ["pass", "raise ImportError('numpy failed to import')"])
def test_an_interruption_that_a_library_drops_or_turns_into_another_error(
    reaction: str, tmp_path: Path
) -> None:
    spec = tmp_path / "tiny.yaml"
    spec.write_text(TINY)
    code = DROPPED.format(spec=str(spec), module="tensorflow", reaction=reaction)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (130, "interrupted"), done.stderr
    assert "Traceback" not in done.stderr


def test_a_process_told_to_ignore_a_signal_goes_on() -> None:
    code = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nimport os, sys\n"
    code += "sys.argv = ['mlpcli', '--version']\n"
    code += "from mlpcli.cli import program, run\n"
    code += "stock = program.main\n"
    code += "program.main = lambda: (os.kill(os.getpid(), signal.SIGINT), stock())[1]\nrun()\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("mlpcli ")
