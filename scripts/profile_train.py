"""Show where the time of a training step is spent in the compiled loop: microseconds per operation.

    KERAS_HOME=... python scripts/profile_train.py [--batch 32]

Fashion MNIST, 784-300-100-10 with SGD, 500 steps. The operations run on as many threads as there are cores,
in parallel where possible, so their sum is more than the time of a step. Profiling adds some
microseconds per operation.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
STEPS = 500


def train(batch: int, data: Path, logs: Path) -> float:
    """Train three epochs, the last one profiled; return the microseconds per step of the second."""
    import keras
    import tensorflow as tf

    from mlpcli.training import compiled
    from scripts import bench_train as bench

    class Watch(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs_: Any = None) -> None:
            self.began = time.perf_counter()
            if epoch == 2:
                tf.profiler.experimental.start(str(logs))

        def on_epoch_end(self, epoch: int, logs_: Any = None) -> None:
            if epoch == 1:
                self.step = (time.perf_counter() - self.began) / STEPS * 1e6
            if epoch == 2:
                tf.profiler.experimental.stop()

    x, y = bench.load_rows(bench.Task("", "fashion", (300, 100), 10, "sgd", rows=batch * STEPS), data)
    model = bench.keras_model(bench.FASHION, x.shape[1])
    watch = Watch()
    how = compiled.FitSettings(epochs=3, batch_size=batch, shuffle=True, seed=0, callbacks=[watch])
    compiled.fit(model, compiled.Arrays(x, y), how)
    return watch.step


def parts(logs: Path) -> Counter[str]:
    """Return the microseconds of every operation, over all steps, on all threads."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace()
    space.ParseFromString(next(logs.rglob("*.xplane.pb")).read_bytes())
    found: Counter[str] = Counter()
    for plane in space.planes:
        names = {number: event.name for number, event in plane.event_metadata.items()}
        for line in plane.lines:
            if len(line.events) >= STEPS:
                for event in line.events:
                    found[names[event.metadata_id]] += event.duration_ps / 1e6
    return found


def instructions(dump: Path) -> dict[str, str]:
    """What each instruction of the program makes, and of what: `f32[784,300] dot(...)`."""
    text = next(dump.glob("*epoch*cpu_after_optimizations.txt")).read_text()
    lines = re.findall(r"^ +(?:ROOT )?%([\w.-]+) = (\S+) ([\w-]+)\(([^)]*)\)", text, re.MULTILINE)
    shapes = {name: re.sub(r"\{[\d,]*\}", "", shape) for name, shape, _, _ in lines}

    def described(kind: str, shape: str, operands: str) -> str:
        taken = [shapes.get(name, "") for name in re.findall(r"%([\w.-]+)", operands)]
        return f"{kind} of {', '.join(taken)}: {shape}" if kind == "dot" else f"{kind}: {shape}"

    return {name: described(kind, shapes[name], operands) for name, _, kind, operands in lines}


def main() -> None:
    """Print the operations that take longest."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=32)
    batch = parser.parse_args().batch
    with tempfile.TemporaryDirectory() as folder:
        dump, logs, data = (Path(folder) / name for name in ("dump", "logs", "data"))
        data.mkdir()
        flags = f" --xla_cpu_enable_xprof_traceme=true --xla_dump_to={dump} --xla_dump_hlo_as_text"
        os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + flags
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        from scripts import bench_train as bench

        if "fashion" not in bench.save_data(data):
            raise SystemExit("no data: set KERAS_HOME")
        step = train(batch, data, logs)
        found, made = parts(logs), instructions(dump)
    print(f"a step, not profiled: {step:.0f} us\n")
    known = Counter({name: spent / STEPS for name, spent in found.items() if name in made})
    for name, spent in known.most_common(16):
        print(f"  {spent:7.1f} us  {name:28} {made[name]}")
    rest = sum(known.values()) - sum(spent for _, spent in known.most_common(16))
    print(f"  {rest:7.1f} us  {len(known) - 16} others")


if __name__ == "__main__":
    main()
