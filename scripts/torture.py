"""Kill trainings at random moments and feed the program bad inputs; print how it handled them.

    scripts/torture [--kills 100] [--inputs 10000] [--seed 1]
    scripts/torture --kills 0 --inputs 0 --writes all [--every 1] [--kinds "a table,a plug-in"]

Writes: a run of each kind is killed at every one of its writes (`kills`), a resumption at every one of its
own (`twice`), or every write fails (`ENOSPC`, `EIO`, `EACCES`; with `+` to the end, as on a full disk);
all files and numbers are then compared with an uninterrupted run. `copies` kills nothing: it copies
the run folder before every write that finds it changed, which is what a kill there would leave, and resumes
the copies; that takes a tenth of the time. `--every 10` tries every tenth write.

Kills: each run is a process of its own, killed with SIGKILL at a random moment between its start and its
end, and resumed in another; history, metrics and every number of the checkpoint are compared with an
uninterrupted run. The processes are forked from one that has imported TensorFlow, which saves five seconds
each.

Inputs: random bytes, mutated specs, mutated tables and mutated checkpoints and models, through the command
line. An input is handled if the exit status is 0 or 2, without a traceback or a half-written file.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from mlpcli.cli import main
from mlpcli.keras_import import import_keras
from mlpcli.runs.folder import find_run

SPEC = """\
name: tiny
seed: 7
dataset: {name: iris}
layers:
  - Normalization
  - Dense: {units: 8, activation: relu}
  - Dropout: {rate: 0.2}
  - Dense: {units: 3, activation: softmax}
loss: sparse_categorical_crossentropy
optimizer: {Adam: {learning_rate: 0.02}}
metrics: [accuracy]
fit: {epochs: 200, batch_size: 16, checkpoint: {every: 1}}
callbacks:
  - CSVLogger
  - ReduceLROnPlateau: {patience: 3, factor: 0.7}
  - EarlyStopping: {patience: 150, restore_best_weights: true}
"""
LOG = "log.csv"


def start(*arguments: str) -> int:
    """Run the program in a forked process; return its process id."""
    child = os.fork()
    if child:
        return child
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os._exit(main(list(arguments)))


def wait(child: int) -> int:
    """Return the exit status of a forked process; negative for the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def differences(one: Path, other: Path) -> list[str]:
    """Return what differs between two finished runs."""
    from mlpcli.training.checkpoint_file import read_checkpoint

    found = [
        name
        for name in ("history.csv", "metrics.json", LOG)
        if (one / name).read_bytes() != (other / name).read_bytes()
    ]
    states = tuple(read_checkpoint(folder / "checkpoints" / "state.ckpt") for folder in (one, other))
    for state in states:  # TensorBoard counts chunks of steps, which go by the clock
        state["callbacks"] = [kept for kept in state["callbacks"] if kept["class"] != "TensorBoard"]
    try:
        np.testing.assert_equal(states[0], states[1])
    except AssertionError:
        found.append("state.ckpt")
    found += [str(path) for path in one.rglob("*.part")]
    return found


def torture_kills(count: int, chance: random.Random) -> bool:
    """Kill and resume `count` runs; return whether all ended as the uninterrupted one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spec = folder / "tiny.yaml"
        spec.write_text(SPEC)
        began = time.monotonic()
        if status := wait(start("train", str(spec), "--runs-dir", str(folder / "alone"))):
            raise SystemExit(f"the uninterrupted run ended with status {status}")
        whole = time.monotonic() - began
        alone = find_run("tiny", folder / "alone").folder
        equal, stages = 0, Counter[str]()
        for number in range(count):
            runs_dir = folder / f"killed{number}"
            stages[_kill_once(spec, runs_dir, chance.uniform(0.1, 1.0) * whole)] += 1
            equal += _resume(spec, runs_dir, alone)
        print(f"| runs killed with SIGKILL and resumed | {count} |")
        print(f"| of them equal to the uninterrupted run in history, metrics and every number | {equal} |")
        shown = ", ".join(f"{stage} {found}" for stage, found in sorted(stages.items()))
        print(f"| killed while | {shown} |", flush=True)
        return equal == count


def _kill_once(spec: Path, runs_dir: Path, seconds: float) -> str:
    """Start a run, kill it after some seconds, and return how far it had come."""
    child = start("train", str(spec), "--runs-dir", str(runs_dir))
    time.sleep(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    if wait(child) == 0:
        return "finished"
    folders = list((runs_dir / "tiny").iterdir()) if (runs_dir / "tiny").is_dir() else []
    if not folders or not (folders[0] / "run.json").exists():
        return "not yet started"
    if not (folders[0] / "checkpoints" / "state.ckpt").exists():
        return "before the first epoch's end"
    epochs = len((folders[0] / "history.csv").read_text().splitlines()) - 1
    return "saving what they had reached" if epochs == 200 else "between epochs"


def _resume(spec: Path, runs_dir: Path, alone: Path) -> bool:
    try:
        find_run("tiny", runs_dir, unfinished=True)
        command = ["--resume", "tiny"]
    except Exception:  # killed before there was a run: begin
        command = [str(spec)]
    status = wait(start("train", *command, "--runs-dir", str(runs_dir)))
    if status:
        print(f"resumed in {runs_dir}: status {status}", file=sys.stderr)
        return False
    found = differences(find_run("tiny", runs_dir).folder, alone)
    if found:
        print(f"{runs_dir} differs in {', '.join(found)}", file=sys.stderr)
    return not found


PIECES = [*"{}[]:,-#&*!|>'\"%@`\t\n?0", "\n  ", ": ", "- ", "&a ", "*a", "<<: *a", "!!str ", "1e400", "-1"]
PIECES += ["null", "true", ".nan", "no", "Dense", "units", "Lambda", "\x00", "\u2028", "é", "../", "~"]
PIECES += ["[" * 60, "999999999999"]


def mutated(text: str, chance: random.Random) -> str:
    """Return a text with a few pieces inserted, deleted or replaced."""
    for _ in range(chance.randint(1, 4)):
        begin = chance.randrange(len(text) + 1)
        end = min(len(text), begin + chance.choice([0, 0, 1, 3, 12]))
        text = text[:begin] + chance.choice(PIECES) + text[end:]
    return text


def mutated_bytes(raw: bytes, chance: random.Random) -> bytes:
    """Return bytes with one flipped, with some cut off, or with others inserted."""
    place = chance.randrange(len(raw))
    kind = chance.randrange(3)
    if kind == 0:
        return raw[:place] + bytes([raw[place] ^ (1 << chance.randrange(8))]) + raw[place + 1 :]
    return raw[:place] if kind == 1 else raw[:place] + chance.randbytes(9) + raw[place:]


SMALL = """\
name: small
dataset: {path: rows.csv, target: y, test: 0.2, validation: 0.2}
layers: [{Dense: {units: 2, activation: relu}}, {Dense: {units: 1}}]
loss: mse
fit: {epochs: 2, batch_size: 4}
"""
ROWS = "a,b,y\n" + "".join(f"{n % 7},{n % 3 / 2},{n % 5}\n" for n in range(20))


def bad_inputs(folder: Path, chance: random.Random, run: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield bad inputs endlessly, each with its kind and its command; the files are in `folder`."""
    state, model, record = (
        (run / name).read_bytes() for name in ("checkpoints/state.ckpt", "model.keras", "run.json")
    )
    spec, rows, again = folder / "spec.yaml", folder / "rows.csv", folder / "again.csv"
    while True:
        rows.write_text(ROWS)
        kind = chance.choices(["spec", "bytes", "table", "rows", "run"], [40, 20, 20, 15, 5])[0]
        if kind == "spec":
            spec.write_text(mutated(SMALL, chance), encoding="utf-8", errors="surrogatepass")
            yield kind, ["check", str(spec), "--no-advice"]
        elif kind == "bytes":
            spec.write_bytes(chance.randbytes(chance.randrange(200)))
            yield kind, ["check", str(spec)]
        elif kind == "table":
            spec.write_text(SMALL)
            raw = mutated(ROWS, chance).encode("utf-8", errors="surrogatepass")
            rows.write_bytes(mutated_bytes(raw, chance) if chance.random() < 0.5 else raw)
            yield kind, ["check", str(spec), "--no-advice"]
        elif kind == "rows":
            again.write_bytes(mutated_bytes(ROWS.encode(), chance))
            yield kind, ["predict", str(run), str(again), "-o", str(folder / "out.csv"), "--force"]
        else:
            name, whole = chance.choice(
                [("checkpoints/state.ckpt", state), ("model.keras", model), ("run.json", record)]
            )
            (run / name).write_bytes(mutated_bytes(whole, chance))
            if "state" in name:
                yield kind, ["train", "--continue", str(run), "--runs-dir", str(folder / "more")]
            else:
                yield kind, ["evaluate", str(run)]
            (run / name).write_bytes(whole)


def torture_inputs(count: int, chance: random.Random) -> bool:
    """Give the program `count` bad inputs; return whether it handled all of them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "spec.yaml").write_text(SMALL)
        (folder / "rows.csv").write_text(ROWS)
        if _quietly(["train", str(folder / "spec.yaml"), "--runs-dir", str(folder / "runs")])[0]:
            raise SystemExit("the run that the bad inputs are made from could not be trained")
        run = find_run("small", folder / "runs").folder
        statuses, kinds, tracebacks, left = Counter[int](), Counter[str](), 0, 0
        inputs = bad_inputs(folder, chance, run)
        for kind, command in (next(inputs) for _ in range(count)):
            status, text = _quietly(command)
            statuses[status] += 1
            kinds[kind] += 1
            if status not in (0, 2) or "Traceback" in text or "internal error" in text:
                tracebacks += 1
                _keep(folder, command, text)
            left += len(list(folder.rglob("*.part")))
        print(f"| bad inputs | {count} ({', '.join(f'{k} {n}' for k, n in sorted(kinds.items()))}) |")
        print(f"| exit status 2, with a message | {statuses[2]} |")
        print(f"| exit status 0: the change was harmless | {statuses[0]} |")
        print(f"| tracebacks, or another exit status | {tracebacks} |")
        print(f"| files left half-written | {left} |", flush=True)
        return not tracebacks and not left


def _quietly(command: list[str]) -> tuple[int, str]:
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        status = main(command)
    return status, text.getvalue()


def _keep(folder: Path, command: list[str], text: str) -> None:
    """Show what was not handled, with the input that caused it."""
    print(f"not handled: {command}: {text[-500:]}", file=sys.stderr)
    for path in (folder / "spec.yaml", folder / "rows.csv", folder / "again.csv"):
        if path.exists():
            print(f"{path.name}: {path.read_bytes()[:600]!r}", file=sys.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--writes", default="", help="kills, copies, twice, ENOSPC, ENOSPC+, EIO...; all")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--kinds", default="", help="of runs; default: all")
    wanted = parser.parse_args()
    import_keras()
    handled = []
    if wanted.writes:
        from scripts import torture_writes

        handled += torture_writes.torture(wanted.writes, wanted.kinds, wanted.every)
    print("| what | |\n|---|---|", flush=True)
    handled += [torture_kills(wanted.kills, random.Random(wanted.seed))] if wanted.kills else []
    handled += [torture_inputs(wanted.inputs, random.Random(wanted.seed))] if wanted.inputs else []
    sys.stdout.flush()
    os._exit(0 if all(handled) else 1)
