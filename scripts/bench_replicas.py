"""Time one replica against two on this machine: seconds an epoch, and what the workers send each other.

    KERAS_HOME=... python scripts/bench_replicas.py [--quick] [--batch 1024]

The networks are the largest of bench_train.py and wider ones, on Fashion MNIST. One process has all cores;
two share them. A figure is the mean of the epochs after the first; the ratio is one replica's seconds
divided by two's: above 1 two are faster. The sums alone are timed as well, in processes that do nothing else.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

WIDTHS = ((300, 100), (1000, 1000), (2000, 2000))


def spec_of(widths: tuple[int, ...], batch: int, epochs: int) -> str:
    """Return a spec with layers of these widths."""
    layers = "".join(f"  - Dense: {{units: {width}, activation: relu}}\n" for width in widths)
    return (
        "name: replicas\nseed: 1\ndataset: {name: fashion_mnist, validation: 0.1}\n"
        f"layers:\n  - Rescaling: {{scale: 0.00392156862745098}}\n  - Flatten\n{layers}"
        "  - Dense: {units: 10, activation: softmax}\nloss: sparse_categorical_crossentropy\n"
        f"optimizer: {{SGD: {{learning_rate: 0.01}}}}\nfit: {{epochs: {epochs}, batch_size: {batch}}}\n"
    )


def weights_of(widths: tuple[int, ...]) -> int:
    """Return the number of weights of the network."""
    sizes = (784, *widths, 10)
    return sum((first + 1) * second for first, second in itertools.pairwise(sizes))


def epoch_seconds(spec: Path, replicas: int, epochs: int) -> float:
    """Return the seconds of an epoch after the first: of a training of several, less those of one epoch."""
    _fit_seconds(spec, replicas, 1)  # compiles: the others take the compiled programs from the disk
    one, several = (_fit_seconds(spec, replicas, count) for count in (1, epochs))
    return (several - one) / (epochs - 1)


def _fit_seconds(spec: Path, replicas: int, epochs: int) -> float:
    command = [sys.executable, "-m", "mlpcli", "train", str(spec), "--replicas", str(replicas), "--json"]
    command += ["--runs-dir", str(spec.parent / "runs"), "--no-advice", "--set", f"fit.epochs={epochs}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    record = json.loads((Path(json.loads(done.stdout)["folder"]) / "run.json").read_text(encoding="utf-8"))
    return float(record["timings"]["fit"])


def _sum(index: int, addresses: tuple[tuple[str, int], ...], descriptors: list[int], count: int) -> None:
    from mlpcli.training.replicas.cluster import Cluster
    from mlpcli.training.replicas.join import join

    listener = socket.socket(fileno=descriptors[index])
    peers = join(Cluster(index, addresses), listener, lambda text: None)
    values, out = np.ones(count, np.float32), np.empty(count, np.float32)
    times = []
    for _ in range(30):
        begun = time.perf_counter()
        peers.sum_over_workers(values, out)
        times.append(time.perf_counter() - begun)
    if not index:
        print(f"{count:>12,} {4 * count / 1e6:>8.2f} MB {1e3 * statistics.median(times):>10.2f} ms")
    peers.leave(done=True)


def sum_alone(count: int, workers: int = 2) -> None:
    """Print the time of a sum of so many numbers over processes."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(workers)]
    addresses = tuple(("127.0.0.1", each.getsockname()[1]) for each in sockets)
    descriptors = [each.detach() for each in sockets]
    fork = multiprocessing.get_context("fork")
    processes = [
        fork.Process(target=_sum, args=(index, addresses, descriptors, count)) for index in range(workers)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three epochs instead of six")
    parser.add_argument("--batch", type=int, default=1024)
    options = parser.parse_args()
    print(f"sums over two processes, {os.cpu_count()} cores:")
    for count in (1_000, 100_000, 1_000_000, 6_000_000):
        sum_alone(count)
    print(f"\nbatch {options.batch}:   weights  one replica  two replicas  ratio  a step sends")
    with tempfile.TemporaryDirectory() as folder:
        for widths in WIDTHS:
            spec = Path(folder) / "spec.yaml"
            spec.write_text(spec_of(widths, options.batch, 3 if options.quick else 6), encoding="utf-8")
            epochs = 3 if options.quick else 6
            one, two = (epoch_seconds(spec, replicas, epochs) for replicas in (1, 2))
            name = "-".join(map(str, (784, *widths, 10)))
            sent = 4 * weights_of(widths) / 1e6
            ratio = f"{one / two:>6.2f}"
            print(f"{name:<18} {weights_of(widths):>9,} {one:>9.2f} s {two:>11.2f} s {ratio} {sent:>9.1f} MB")


if __name__ == "__main__":
    main()
