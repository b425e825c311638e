"""How long the importance of columns takes, beside scikit-learn's `permutation_importance`; and single rows.

    python scripts/bench_explain.py [--rows 10000] [--columns 20] [--hidden 128,64] [--times 3]

Makes a table, trains a dense network of some layers with mlpcli and scikit-learn's `MLPRegressor` of the same
size, and then measures, in turn, the whole of `explain_run` (reading the data, importance with intervals, of
correlated columns together, and dependence; TensorFlow is already imported) and `permutation_importance`
with the same rows and repeats. Prints seconds and the ratio of the medians.

With --predictions it measures instead what `predict --explain` takes for each 1,000 rows, in processor time:
of so many rows, after the start and the first rows, with which the network is compiled.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

SPEC = """\
name: bench
seed: 1
dataset: {{path: rows.csv, target: y, test: {rows}, validation: 200}}
layers: [{layers}, Dense: {{units: 1}}]
loss: mse
metrics: [RootMeanSquaredError]
fit: {{epochs: 2, batch_size: 256}}
"""

REPEATS = 5


def main() -> None:
    """Make the data, train both, measure both in turn, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000, help="rows that are permuted")
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--hidden", default="128,64", help="units of the hidden layers")
    parser.add_argument("--times", type=int, default=3, help="how often each is measured")
    parser.add_argument("--predictions", type=int, help="rows whose predictions are explained")
    given = parser.parse_args()
    hidden = [int(each) for each in given.hidden.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        x, y = make_table(Path(folder), given.rows, given.columns)
        ours = our_explanation(Path(folder), given.rows, hidden)
        if given.predictions:
            took = explained_predictions(Path(folder), given.predictions)
            print(f"{given.columns} columns, hidden layers {given.hidden}: predict --explain takes")
            print(f"{took:.1f} s of processor time for 1,000 rows")
            return
        theirs = sklearn_importance(x, y, given.rows, hidden)
        found: dict[str, list[float]] = {"mlpcli explain": [], "permutation_importance": []}
        for _ in range(given.times):
            for name, measure in zip(found, (ours, theirs), strict=True):
                began = time.perf_counter()
                measure()
                found[name].append(time.perf_counter() - began)
    print(f"{given.columns} columns, {given.rows:,} rows, {REPEATS} repeats, hidden layers {given.hidden}")
    for name, seconds in found.items():
        each = "  ".join(f"{one:.2f}" for one in seconds)
        print(f"{name:<24} {statistics.median(seconds):6.2f} s   ({each})")
    one, other = (statistics.median(seconds) for seconds in found.values())
    print(f"ratio {one / other:.2f}")


def make_table(folder: Path, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Write a table of numbers with a target; return its features and its target."""
    random = np.random.default_rng(0)
    x = random.normal(size=(rows + 3000, columns)).astype(np.float32)
    x[:, 1] = x[:, 0] + 0.3 * x[:, 1]  # correlated, so that there is a group
    y = x @ np.linspace(1, 0, columns) + np.sin(3 * x[:, 2]) + random.normal(size=len(x))
    names = [f"c{number}" for number in range(columns)]
    table = np.column_stack([x, y])
    np.savetxt(folder / "rows.csv", table, "%.5f", ",", header=",".join([*names, "y"]), comments="")
    return x, y


def our_explanation(folder: Path, rows: int, hidden: list[int]) -> Callable[[], object]:
    """Train with mlpcli; return what explains the run."""
    from mlpcli.inference.explain import explain_run
    from mlpcli.runs.folder import open_run
    from mlpcli.runs.watcher import Watcher
    from mlpcli.spec.load import load_spec
    from mlpcli.training.job import TrainOptions
    from mlpcli.training.prepare import prepare
    from mlpcli.training.session import train_into

    layers = ", ".join(f"Dense: {{units: {units}, activation: relu}}" for units in hidden)
    (folder / "bench.yaml").write_text(SPEC.format(rows=rows, layers=layers), encoding="utf-8")
    run = folder / "run"
    run.mkdir()
    quick = TrainOptions(saved_model=False, figures=False, baseline=False)
    train_into(prepare(load_spec(folder / "bench.yaml")).job(run, Watcher(), options=quick))
    return lambda: explain_run(open_run(run), repeats=REPEATS, rows=rows)


def explained_predictions(folder: Path, rows: int) -> float:
    """Return the seconds of processor time that 1,000 explained rows take."""
    from mlpcli.data.writers import TableWriter
    from mlpcli.inference.predict import PredictOptions, predict_run
    from mlpcli.runs.explanation import ExplainOptions
    from mlpcli.runs.folder import open_run

    lines = (folder / "rows.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "new.csv").write_text("".join(lines[: rows + 1]), encoding="utf-8")
    done: list[tuple[int, float]] = []
    options = PredictOptions(
        explain=ExplainOptions(), progress=lambda rows, _: done.append((rows, time.process_time()))
    )
    predict_run(open_run(folder / "run"), folder / "new.csv", TableWriter(), options=options)
    first = next(place for place, (count, _) in enumerate(done) if count >= rows // 4)
    (start, began), (stop, ended) = done[first], done[-1]
    return 1000 * (ended - began) / (stop - start)


def sklearn_importance(x: np.ndarray, y: np.ndarray, rows: int, hidden: list[int]) -> Callable[[], object]:
    """Train scikit-learn's network; return what measures the importance of its columns."""
    import warnings

    from sklearn.inspection import permutation_importance
    from sklearn.neural_network import MLPRegressor

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two epochs are no convergence
        network = MLPRegressor(hidden_layer_sizes=hidden, max_iter=2, batch_size=256, random_state=1).fit(
            x[rows:], y[rows:]
        )
    return lambda: permutation_importance(
        network,
        x[:rows],
        y[:rows],
        n_repeats=REPEATS,
        random_state=0,
        scoring="neg_root_mean_squared_error",
    )


if __name__ == "__main__":
    main()
