"""The Tab key in real shells: what stands in the line after it."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bare_runs import train_bare
from tests.conftest import Result

pytestmark = pytest.mark.slow

Cli = Callable[..., Result]
SPEC = """\
name: rents
dataset: {path: rents.csv, target: rent, features: {size m2: {kind: numeric}, "zone:nr": {kind: numeric}}}
layers: [Dense: {units: 1}]
loss: mse
fit: {epochs: 1, engine: graph}
"""
FIELD = "dataset.features.zone:nr.kind"
BREAKS = " \t\n\"'><=;|&(:"
"""At which bash divides words, unless one tells it otherwise."""

READY, SECONDS = "ready-to-type", 60
STARTS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "PATH={bin}:$PATH; "),
    "zsh": (["zsh", "-f", "-i"], "PATH={bin}:$PATH; autoload -Uz compinit; compinit -u -D; "),
    "fish": (["fish", "--no-config", "-i"], "set -x PATH {bin} $PATH; "),
}
NEXT = "7"
"""Typed after the Tab key, so that a blank before it shows. Zsh takes that blank back before some signs."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with a blank in a name and a colon in another, a spec, a run, and the program."""
    made = tmp_path_factory.mktemp("tab")
    rows = "\n".join(f"{place},{place % 5},{place % 7},{3 * place}" for place in range(40))
    (made / "rents.csv").write_text(f"size m2,rooms,zone:nr,rent\n{rows}\n", encoding="utf-8")
    (made / "zones.csv").write_text("zone:a1,zone:a2,rent\n1,2,3\n", encoding="utf-8")
    (made / "rents.yaml").write_text(SPEC, encoding="utf-8")
    train_bare(made / "rents.yaml", made / "runs")
    program = made / "bin" / "mlpcli"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mlpcli "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return made


@pytest.mark.parametrize("shell", STARTS)
@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("mlpcli init rents.csv --target si", "--target size\\ m2 "),
        ("mlpcli check rents.yaml --set fit.ep", "--set fit.epochs="),
        ("mlpcli evaluate rents --by roo", "--by rooms "),
        ("mlpcli evaluate rents --by size\\ m", "--by size\\ m2 "),
        ("mlpcli evaluate rents --by zo", "--by zone:nr "),
        ("mlpcli evaluate rents --by zone:", "--by zone:nr "),
        ("mlpcli evaluate rents --by 'zone:", "--by 'zone:nr' "),
        ("mlpcli init zones.csv --target zo", "--target zone:a"),
        ("echo; mlpcli evaluate rents --by zone:", "--by zone:nr "),
        ("mlpcli check --set seed=3 rents.yaml --set dataset.features.zone:n", f"--set {FIELD}="),
        ("mlpcli check rents.yaml --set 'dataset.features.zone:nr.", f"--set '{FIELD}="),
    ],
)  # fmt: skip
def test_the_tab_key_in_a_shell(
    mlpcli: Cli, monkeypatch: pytest.MonkeyPatch, folder: Path, shell: str, typed: str, line: str
) -> None:
    start, before = STARTS[shell]
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    monkeypatch.setattr("typer.completion._get_shell_name", lambda: shell)
    (folder / "script").write_text(mlpcli("--show-completion").out, encoding="utf-8")
    wanted = typed[: typed.rindex("--")] + line + NEXT
    before = before.format(bin=folder / "bin")
    setup = f"cd {folder}; {before}source ./script; echo {READY[:5]}''{READY[5:]}"
    assert wanted in _typed(start, setup, typed + "\t", wanted)


def _typed(start: list[str], setup: str, keys: str, wanted: str) -> str:
    """What a shell on a terminal shows once some keys were pressed; at most until what is wanted is there."""
    process, terminal = pty.fork()
    if not process:
        os.environ.update(PS1="> ", TERM="dumb", LC_ALL="C.UTF-8", COLUMNS="200")
        os.execvp(start[0], start)
    try:
        os.write(terminal, f"{setup}\n".encode())
        _read(terminal, READY, SECONDS)
        os.write(terminal, keys.encode())
        shown = _read(terminal, wanted.removesuffix(NEXT), SECONDS)
        os.write(terminal, NEXT.encode())
        return re.sub("[^\b]\b", "", shown + _read(terminal, NEXT, 10))
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(terminal)


def _read(terminal: int, until: str, seconds: float) -> str:
    shown, end = "", time.monotonic() + seconds
    while until not in shown and time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            shown += os.read(terminal, 65536).decode(errors="replace").replace("\a", "")
    return shown


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("mlpcli evaluate rents --by ", ["size\\ m2", "rooms", "zone:nr", "rent"]),
        ("mlpcli predict rents rents.csv --keep r", ["rooms", "rent"]),
        ("mlpcli predict rents other.csv --keep ", ["note"]),
        ("mlpcli label-check rents --keep roo", ["rooms"]),
        ("mlpcli evaluate nothing --by r", []),
        ("mlpcli evaluate rents --by=zo", ["zone:nr"]),
        ("mlpcli evaluate rents --by=zone:", ["nr"]),
        ("mlpcli evaluate rents --by 'size ", ["size m2"]),
        ("mlpcli evaluate 'rents' --by zone:'n", ["nr"]),
        ("mlpcli evaluate rents --by 'zone':n", ["nr"]),
        ("mlpcli evaluate rents --by zone\\:n", ["zone:nr"]),
        ("mlpcli check --set a=1 rents.yaml --set dataset.features.zone:nr.k", ["nr.kind="]),
        ("mlpcli check rents.yaml --set 'fit.memo", ["fit.memory=", "fit.memory=..."]),
    ],
)  # fmt: skip
def test_columns_of_a_run_are_offered(
    mlpcli: Cli, monkeypatch: pytest.MonkeyPatch, folder: Path, line: str, offered: list[str]
) -> None:
    (folder / "other.csv").write_text("note\n1\n", encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("_MLPCLI_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("COMP_POINT", str(len(line)))
    monkeypatch.setenv("COMP_WORDBREAKS", BREAKS)
    assert mlpcli().out.split("\n")[:-1] == (offered or [""])
