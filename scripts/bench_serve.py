"""Time `mlpcli serve` under load, beside `predict` on the same rows.

    python scripts/bench_serve.py [--clients 50] [--requests 5000]

Trains the network that `init` writes for a made table of 2,000 rows and ten columns, starts the server, and
lets clients send requests, each the next as soon as the last is answered. All answers are compared with those
of `predict`. Clients and server share the machine's cores.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

ROOT = Path(__file__).resolve().parent.parent
NUMBERS, ROWS = 8, 2000


def write_table(path: Path) -> None:
    """Write a made table with a target of numbers."""
    draw = np.random.default_rng(0)
    numbers = draw.normal(size=(ROWS, NUMBERS)).round(4)
    towns, days = draw.integers(5, size=ROWS), draw.integers(1, 28, size=ROWS)
    target = numbers[:, 0] * numbers[:, 1] + towns + draw.normal(size=ROWS)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"n{place}" for place in range(NUMBERS)), "town", "day", "y"])
        for row, town, day, y in zip(numbers, towns, days, target, strict=True):
            writer.writerow([*row, f"town {town}", f"2026-03-{day:02d}", round(float(y), 4)])


def run_mlpcli(folder: Path, *arguments: str) -> None:
    """Run a command in a folder."""
    command = [sys.executable, "-m", "mlpcli", *arguments]
    subprocess.run(command, cwd=folder, env=_settings(), check=True, capture_output=True)


def _settings() -> dict[str, str]:
    import os

    return os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> list[object]:
    """Send one request on an open connection and return its predictions."""
    head = f"POST /predict HTTP/1.1\r\nHost: local\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    status = await reader.readline()
    length = 0
    while (line := await reader.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    document = json.loads(await reader.readexactly(length))
    if b" 200 " not in status:
        raise RuntimeError(f"{status!r}: {document}")
    return list(document["predictions"])


async def load(
    port: int, rows: list[dict[str, object]], wanted: list[float], args: argparse.Namespace, size: int
) -> None:
    """Let clients ask for all requests, and print the speed and the largest difference from `predict`."""
    bodies = [
        (start, json.dumps({"rows": rows[start : start + size]}).encode())
        for start in (np.arange(args.requests) * size % (len(rows) - size)).tolist()
    ]
    times: list[float] = []
    errors: list[float] = []
    waiting = iter(bodies)

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for start, body in waiting:
            began = time.perf_counter()
            answer = await ask(reader, writer, body)
            times.append(time.perf_counter() - began)
            found = [row["predicted_y"] for row in answer]  # type: ignore[index]
            errors.append(float(np.abs(np.array(found) - wanted[start : start + size]).max()))
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(args.clients)))
    seconds = time.perf_counter() - began
    middle, late = np.quantile(times, [0.5, 0.99]) * 1000
    speed, difference = len(times) / seconds, max(errors) / (max(wanted) - min(wanted))
    print(
        f"{size:4} rows  {speed:8.0f} requests/s  {speed * size:9.0f} rows/s  median {middle:6.1f} ms"
        f"  99% {late:6.1f} ms\n           largest difference from predict {difference:.0e} of the range"
    )
    if len(times) != len(bodies):
        raise RuntimeError("requests were lost")


def main() -> None:
    """Train, serve, and print a line for requests of one row and of a hundred."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--requests", type=int, default=5000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_table(folder / "made.csv")
        run_mlpcli(folder, "init", "made.csv", "--target", "y", "--effort", "fast")
        run_mlpcli(folder, "train", "made.yaml")
        began = time.perf_counter()
        run_mlpcli(folder, "predict", "made", "made.csv", "-o", "predictions.csv")
        print(f"predict: {ROWS} rows in {time.perf_counter() - began:.1f} s, with the start of the process")
        with (folder / "predictions.csv").open(encoding="utf-8", newline="") as file:
            wanted = [float(row["predicted_y"]) for row in csv.DictReader(file)]
        with (folder / "made.csv").open(encoding="utf-8", newline="") as file:
            rows = [
                {name: float(cell) if name.startswith("n") else cell for name, cell in row.items()}
                for row in csv.DictReader(file)
            ]
        command = [sys.executable, "-m", "mlpcli", "serve", "made", "--port", "0", "--json"]
        server = subprocess.Popen(command, cwd=folder, env=_settings(), stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        began = time.perf_counter()
        text = ""
        while "}" not in text:
            text += server.stdout.readline()
        port = int(json.loads(text)["url"].rsplit(":", 1)[1])
        print(f"serve: ready after {time.perf_counter() - began:.1f} s; {args.clients} clients")
        try:
            for size in (1, 100):
                asyncio.run(load(port, rows, wanted, args, size))
        finally:
            server.terminate()
            print(f"ended with {server.wait()}")


if __name__ == "__main__":
    main()
