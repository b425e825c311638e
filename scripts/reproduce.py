"""Train the specs of configs/chapter and print the chapter's results beside ours, as a Markdown table.

    scripts/reproduce [--quick] [--only ITEM]... [--runs-dir DIR]

Every result is read from a run that `mlpcli` trained, by the command line's own `--json`, and must be within
the tolerance given beside it. Fashion MNIST comes from KERAS_HOME or a download, California housing and MNIST
from MLPCLI_TEST_DATA or a download; an item whose data is not available is left out with a message. `--quick`
trains few epochs on small data only, and compares nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import io
import json
import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CHAPTER = ROOT / "configs" / "chapter"
QUICK_EPOCHS = 2
LARGE = ("fashion_mnist", "mnist", "california_housing")
"""Datasets that a quick run does not use."""


class Failure(Exception):
    """A command that failed, with its message."""


@dataclass
class Workshop:
    """Runs commands, remembers which specs are trained, and reads their results."""

    runs_dir: Path
    quick: bool = False
    trained: dict[str, dict[str, Any]] = field(default_factory=dict)

    def command(self, *arguments: object) -> dict[str, Any]:
        """Run a command in this process; return its JSON document."""
        from mlpcli.cli import main

        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main([*map(str, arguments), "--json", "--runs-dir", str(self.runs_dir)])
        if status != 0:
            raise Failure(err.getvalue().strip() or f"exit status {status}")
        document: dict[str, Any] = json.loads(out.getvalue())
        return document

    def train(self, name: str, *more: str) -> dict[str, Any]:
        """Train a spec of configs/chapter, once; return the outcome."""
        if name not in self.trained:
            quick = ["--set", f"fit.epochs={QUICK_EPOCHS}"] if self.quick else []
            self.trained[name] = self.command("train", CHAPTER / f"{name}.yaml", *quick, *more)
        return self.trained[name]

    def metric(self, name: str, split: str, metric: str) -> float:
        """A metric of a trained spec."""
        return float(self.train(name)["metrics"][split][metric])

    def folder(self, name: str) -> Path:
        """The run folder of a trained spec."""
        return Path(self.train(name)["folder"])

    def predict(self, name: str, header: str, rows: Sequence[str]) -> list[dict[str, Any]]:
        """Predictions for a few rows of a table."""
        self.train(name)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.csv"
            path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
            predictions: list[dict[str, Any]] = self.command("predict", name, path)["predictions"]
        return predictions


@dataclass(frozen=True)
class Item:
    """A row of the table: what the chapter does, its figure, and how ours is found.

    figure: returns our figure as text, and whether it is within tolerance.
    """

    number: str
    title: str
    spec: str
    chapter: str
    figure: Callable[[Workshop], tuple[str, bool]]


def at_least(name: str, split: str, metric: str, wanted: float) -> Callable[[Workshop], tuple[str, bool]]:
    """A metric that must reach a value."""

    def figure(shop: Workshop) -> tuple[str, bool]:
        value = shop.metric(name, split, metric)
        return f"{split} {metric} {value:.4f}", value >= wanted

    return figure


def at_most(name: str, split: str, metric: str, wanted: float) -> Callable[[Workshop], tuple[str, bool]]:
    """A metric that must not pass a value."""

    def figure(shop: Workshop) -> tuple[str, bool]:
        value = shop.metric(name, split, metric)
        return f"{split} {metric} {value:.4f}", value <= wanted

    return figure


RMSE = "root_mean_squared_error"


def perceptron(shop: Workshop) -> tuple[str, bool]:
    """The chapter's two flowers, and whether all rows are learned."""
    rows = shop.predict("perceptron", "petal_length,petal_width", ["2,0.5", "3,1"])
    found = [str(row["predicted_setosa"]) for row in rows]
    accuracy = shop.metric("perceptron", "train", "binary_accuracy")
    return f"{', '.join(found)}; training accuracy {accuracy:.2f}", found == [
        "true",
        "false",
    ] and accuracy == 1


def gates(shop: Workshop) -> tuple[str, bool]:
    """How many of the truth tables are learned in full."""
    names = ("logic_and", "logic_or", "logic_not", "logic_xor")
    learned = [name for name in names if shop.metric(name, "train", "binary_accuracy") == 1.0]
    return f"all rows learned: {', '.join(learned) or 'none'}", len(learned) == len(names)


def rival(shop: Workshop) -> tuple[str, bool]:
    """Validation RMSE of the best epoch."""
    value = shop.metric("housing_rival", "validation", RMSE)
    return f"validation RMSE {value:.4f}", value <= 0.505 + 0.05


def output_choices(shop: Workshop) -> tuple[str, bool]:
    """Test RMSE of each choice, in the target's own units."""
    names = ("output_softplus", "output_relu", "output_sigmoid", "output_tanh")
    values = {name.removeprefix("output_"): shop.metric(name, "test", RMSE) for name in names}
    return ", ".join(f"{k} {v:.3f}" for k, v in values.items()), all(v < 0.8 for v in values.values())


def classifications(shop: Workshop) -> tuple[str, bool]:
    """Test accuracy of the three kinds."""
    values = {
        "binary": shop.metric("binary", "test", "accuracy"),
        "multilabel": shop.metric("multilabel", "test", "binary_accuracy"),
        "multiclass": shop.metric("multiclass", "test", "accuracy"),
    }
    return ", ".join(f"{k} {v:.3f}" for k, v in values.items()), all(v > 0.9 for v in values.values())


def fashion(shop: Workshop) -> tuple[str, bool]:
    """Validation and test accuracy after 30 epochs."""
    validation, test = (shop.metric("fashion_mnist", split, "accuracy") for split in ("validation", "test"))
    met = validation >= 0.8894 - 0.01 and test >= 0.8864 - 0.01
    return f"validation accuracy {validation:.4f}, test {test:.4f}", met


def parameters(shop: Workshop) -> tuple[str, bool]:
    """The summary's parameters."""
    run = json.loads((shop.folder("fashion_named") / "run.json").read_text(encoding="utf-8"))
    picture = (shop.folder("fashion_named") / "plots" / "model.png").exists()
    count = run["model"]["parameters"]
    return f"{count:,} parameters, {'a diagram' if picture else 'no diagram'}", count == 266_610 and picture


def mixed_up(shop: Workshop) -> tuple[str, bool]:
    """Check that a wrong loss for one-hot labels is reported, without training."""
    value = shop.metric("one_hot", "test", "accuracy")
    try:
        shop.command("check", CHAPTER / "one_hot.yaml", "--set", "loss=sparse_categorical_crossentropy")
    except Failure as failure:
        reported = "use categorical_crossentropy" in str(failure)
        return f"test accuracy {value:.3f}; the wrong loss is reported before training", reported
    return "the wrong loss was not reported", False


def continued(shop: Workshop) -> tuple[str, bool]:
    """Validation accuracy after as many epochs again."""
    shop.train("fashion_mnist")
    more = shop.command("train", "--continue", shop.folder("fashion_mnist"), "--epochs", 30)
    value = float(more["metrics"]["validation"]["accuracy"])
    return f"validation accuracy {value:.4f}", value >= 0.898 - 0.01


def first_images(shop: Workshop) -> tuple[str, bool]:
    """The names of the first three test images."""
    import numpy as np

    from mlpcli.data.sources.builtin import open_builtin

    shop.train("fashion_mnist")
    test = open_builtin("fashion_mnist").test
    assert test is not None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        np.save(path, test.x[:3])
        rows = shop.command("predict", shop.folder("fashion_mnist"), path)["predictions"]
    found = [row["predicted_target"] for row in rows]
    return ", ".join(found), found == ["Ankle boot", "Pullover", "Trouser"]


def two_outputs(name: str) -> Callable[[Workshop], tuple[str, bool]]:
    """Test RMSE of the main output and of the auxiliary one."""

    def figure(shop: Workshop) -> tuple[str, bool]:
        main, other = (shop.metric(name, "test", f"{each}_{RMSE}") for each in ("output", "aux_output"))
        return f"test RMSE {main:.4f}, auxiliary {other:.4f}", main <= 0.5815 + 0.1 and other <= 0.6349 + 0.1

    return figure


def reloaded(shop: Workshop) -> tuple[str, bool]:
    """Largest difference between a model in this run, reloaded by plain Keras, and served."""
    import keras
    import numpy as np
    import tensorflow as tf

    folder = shop.folder("early_stopping")
    rows = np.random.default_rng(0).uniform(1, 30, (50, 8)).astype(np.float32)
    model = keras.models.load_model(folder / "model.keras", compile=False)
    served = tf.saved_model.load(str(folder / "saved_model"))
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "rows.npy"
        np.save(path, rows)
        found = shop.command("predict", folder, path)["predictions"]
    ours = np.array([row["predicted_MedHouseVal"] for row in found])
    others = (np.asarray(model(rows)).reshape(-1), np.asarray(served.serve(rows)).reshape(-1))
    worst = max(float(np.abs(other - ours).max() / np.abs(ours).max()) for other in others)
    return f"largest relative difference {worst:.0e}", worst < 1e-5


def stopped(shop: Workshop) -> tuple[str, bool]:
    """When early stopping came, and whether the best epoch was restored."""
    outcome = shop.train("early_stopping")
    best, epochs = outcome["best"], outcome["epochs"]
    kept = abs(outcome["metrics"]["validation"]["loss"] - best["value"]) < 1e-4 * best["value"]
    text = f"stopped after epoch {epochs}, best was {best['epoch']}{', restored' if kept else ''}"
    return text, kept and (epochs == 100 or epochs == best["epoch"] + 10)


def own_callback(shop: Workshop) -> tuple[str, bool]:
    """Check that the run ends with a valid JSON document although the callback prints."""
    return f"{shop.train('own_callback')['epochs']} epochs", True


def playground(shop: Workshop) -> tuple[str, bool]:
    """Test accuracy of each cloud, and a picture of each boundary."""
    names = ("circles", "xor_clouds", "gaussians", "spirals")
    values = {name: shop.metric(f"playground_{name}", "test", "accuracy") for name in names}
    folders = (shop.folder(f"playground_{name}") for name in names)
    drawn = all((folder / "plots" / "decision_boundary.png").exists() for folder in folders)
    return ", ".join(f"{k} {v:.2f}" for k, v in values.items()), drawn and all(
        v > 0.85 for v in values.values()
    )


def reuse(shop: Workshop) -> tuple[str, bool]:
    """Test accuracy on digits with a frozen layer of the Fashion MNIST network."""
    shop.train("fashion_mnist")
    value = shop.metric("reuse", "test", "accuracy")
    return f"test accuracy {value:.4f} with the first layer frozen", value > 0.9


ITEMS = (
    Item("1", "Perceptron", "perceptron", "(2, 0.5) True, (3, 1) False; converges", perceptron),
    Item("2", "AND, OR, NOT, XOR", "logic_xor", "4 of 4", gates),
    Item("3", "Regression with scikit-learn", "housing_rival", "validation RMSE 0.505", rival),
    Item("4", "Regression output choices", "output_tanh", "works", output_choices),
    Item("5", "Multivariate regression", "two_targets", "works", at_most("two_targets", "test", RMSE, 0.3)),
    Item("6", "Classification output choices", "multilabel", "works", classifications),
    Item("7", "Iris with an MLP", "iris", "test accuracy 1.0", at_least("iris", "test", "accuracy", 1.0)),
    Item("8", "Fashion MNIST", "fashion_mnist", "validation 0.8894, test 0.8864; within 0.01", fashion),
    Item("9", "Summary, weights, diagram", "fashion_named", "266,610 parameters", parameters),
    Item("10", "Loss and labels", "one_hot", "a clear message", mixed_up),
    Item("11", "Weights", "weights", "works", at_least("weights", "test", "accuracy", 0.7)),
    Item(
        "12",
        "Validation from a file",
        "validation_file",
        "works",
        at_least("validation_file", "test", "accuracy", 0.9),
    ),
    Item(
        "14", "Continue training", "fashion_mnist", "validation accuracy about 0.898; within 0.01", continued
    ),
    Item("15", "Evaluate, predict", "fashion_mnist", "Ankle boot, Pullover, Trouser", first_images),
    Item(
        "16",
        "Regression, Sequential",
        "housing",
        "test RMSE 0.5297; within 0.05",
        at_most("housing", "test", RMSE, 0.5297 + 0.05),
    ),
    Item(
        "17",
        "Wide & Deep",
        "wide_and_deep",
        "test RMSE at most 0.7565",
        at_most("wide_and_deep", "test", RMSE, 0.7565),
    ),
    Item(
        "18",
        "Two inputs",
        "two_inputs",
        "test RMSE 0.5821; within 0.1",
        at_most("two_inputs", "test", RMSE, 0.5821 + 0.1),
    ),
    Item(
        "19",
        "Auxiliary output",
        "auxiliary_output",
        "test RMSE 0.5815, auxiliary 0.6349; within 0.1",
        two_outputs("auxiliary_output"),
    ),
    Item("20", "Subclassed model", "subclassed", "as item 19", two_outputs("subclassed")),
    Item("21", "Save, restore", "early_stopping", "identical predictions after a reload", reloaded),
    Item("22", "Checkpoints, early stopping", "early_stopping", "stops, restores the best epoch", stopped),
    Item("23", "Custom callback", "own_callback", "prints the ratio each epoch", own_callback),
    Item(
        "34",
        "Large batches, warm-up",
        "large_batch",
        "works",
        at_least("large_batch", "validation", "accuracy", 0.87),
    ),
    Item("36", "Playground", "playground_circles", "plots of the decision boundary", playground),
    Item("37", "Reuse of layers", "reuse", "works", reuse),
)


def rows_of(items: Sequence[Item], shop: Workshop) -> list[tuple[str, ...]]:
    """Return a row of the table for each item; train its runs when they are needed."""
    found: list[tuple[str, ...]] = []
    for item in items:
        print(f"item {item.number}: {item.title}", file=sys.stderr, flush=True)
        try:
            ours, met = item.figure(shop)
            verdict = "not compared" if shop.quick else "yes" if met else "**no**"
        except Failure as failure:
            ours, verdict = " ".join(str(failure).split())[:200], "**failed**"
        spec = f"[{item.spec}](../configs/chapter/{item.spec}.yaml)"
        found.append((item.number, item.title, spec, item.chapter, ours, verdict))
    return found


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table."""
    head = ("item", "what", "spec", "the chapter", "ours", "within tolerance")
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def is_small(item: Item) -> bool:
    """Whether an item's spec is on small data."""
    text = (CHAPTER / f"{item.spec}.yaml").read_text(encoding="utf-8")
    return not any(f"name: {name}" in text for name in LARGE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; return 1 if a result is not within its tolerance."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few epochs, small data, nothing compared")
    parser.add_argument("--only", action="append", metavar="ITEM", help="this item; repeatable")
    parser.add_argument("--runs-dir", type=Path, help="keep the runs here (default: a temporary folder)")
    args = parser.parse_args(arguments)
    items = [item for item in ITEMS if not args.only or item.number in args.only]
    if args.quick:
        items = [item for item in items if is_small(item)]
    with tempfile.TemporaryDirectory() as scratch:
        shop = Workshop(args.runs_dir or Path(scratch) / "runs", args.quick)
        rows = rows_of(items, shop)
    print(table(rows))
    today = datetime.datetime.now().astimezone().date().isoformat()
    print(f"\n{today}, Python {platform.python_version()}, {platform.machine()}, {platform.system()}.")
    return int(any(row[-1].startswith("**") for row in rows))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
