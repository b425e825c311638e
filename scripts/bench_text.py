"""Compare ways to read a column of texts, also scikit-learn's TF-IDF with logistic regression.

    python scripts/bench_text.py texts.tsv                      # everything; appends as it goes
    python scripts/bench_text.py texts.tsv --ways init,sklearn --splits 3
    python scripts/bench_text.py --report                       # print what the results say

The list is TSV with a header: name, path (of a CSV file, from the list's folder), target (a column of
classes), text (the column of texts). Of each table only the text is read. Every way gets the same rows: 20%
are the test rows, drawn with the number of the split, a tenth of the others stops the training.

The first way is what `mlpcli init` writes for a table of texts; the others change one thing. `sklearn` is
`TfidfVectorizer()` and `LogisticRegression(max_iter=1000)`, everything else their defaults, and
`sklearn+bigrams` the same with `ngram_range=(1, 2)`, `sublinear_tf=True` and `C=10`. They learn from the rows
that stop our trainings too. Scores are errors of the test rows, lower is better: the share of wrong classes.
Seconds are those of the training alone, after the data was read and before anything is measured; with other
work on the machine they mean little.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import numpy.typing as npt

Texts = npt.NDArray[np.object_]
Result = Mapping[str, object]

SPEC = """
seed: {split}
dataset:
  path: {path}
  target: {target}
  test: 0.2
  validation: 0.1
  features: {{{text}: {{kind: text{keys}}}}}
layers:
{layers}loss: {loss}
metrics: [accuracy]
optimizer:
  AdamW:
    {{learning_rate: 0.004, weight_decay: 3e-4, global_clipnorm: 1.0, use_ema: true, ema_momentum: 0.98}}
fit: {{epochs: 60, batch_size: 128}}
callbacks:
  - SwapEMAWeights: {{swap_on_epoch: true}}
  - EarlyStopping: {{patience: {patience}, min_delta: 1e-4, restore_best_weights: true}}
"""

OUTPUT = "  - Dense: {{units: {units}, activation: {activation}}}\n"
LINEAR = f"  - UnitNormalization\n{OUTPUT}"
DROPOUT = "  - Dropout: {{rate: 0.5}}\n"
HIDDEN = f"  - UnitNormalization\n{DROPOUT}  - Dense: {{{{units: 64, activation: relu}}}}\n{DROPOUT}{OUTPUT}"
DEEP = HIDDEN.replace(
    OUTPUT,
    "  - Dense: {{units: 128, activation: relu}}\n  - Dropout: {{rate: 0.1}}\n"
    f"  - Dense: {{{{units: 128, activation: relu}}}}\n  - Dropout: {{{{rate: 0.1}}}}\n{OUTPUT}",
)
POOLED = (
    "  - Embedding: {{input_dim: 5000, output_dim: 64, mask_zero: true}}\n"
    f"  - GlobalAveragePooling1D\n{DROPOUT}{OUTPUT}"
)

WAYS: dict[str, tuple[str, str]] = {
    "tf_idf": ("", HIDDEN),
    "embedding": (", output_mode: int", POOLED),
    "multi_hot": (", output_mode: multi_hot", HIDDEN),
    "tf_idf linear": ("", LINEAR),
    "tf_idf deep": ("", DEEP),
    "tf_idf bigrams": (", ngrams: 2", HIDDEN),
    "tf_idf 1,000 tokens": (", max_tokens: 1000", HIDDEN),
    "tf_idf 10,000 tokens": (", max_tokens: 10000, min_count: 1", HIDDEN),
    "tf_idf as Keras": (", standardize: lower_and_strip_punctuation", HIDDEN),
    "tf_idf 3 characters": (", split: character, ngrams: [3]", HIDDEN),
}


class Table:
    """A table of the list: its texts and its classes."""

    def __init__(self, folder: Path, row: Mapping[str, str], most: int, scratch: Path) -> None:
        """Read a table, and write the two columns of as many of its rows as are used.

        Args:
            folder: of the list.
            row: of the list.
            most: rows, drawn from all of them; 0 for all.
            scratch: the folder for the file.
        """
        self.name, self.target, self.text = row["name"], row["target"], row["text"]
        with (folder / row["path"]).open(encoding="utf-8", errors="replace", newline="") as file:
            rows = [each for each in csv.DictReader(file) if each[self.target]]
        if most and most < len(rows):
            rows = [rows[place] for place in np.random.default_rng(0).permutation(len(rows))[:most]]
        self.path = scratch / f"{self.name}.csv"
        with self.path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, [self.target, self.text], extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
        self.classes = np.array([each[self.target] for each in rows], object)
        self.texts = np.array([each[self.text] for each in rows], object)

    def spec(self, way: str, split: int) -> str:
        """Return the spec of a way to read the texts, as YAML."""
        keys, layers = WAYS[way]
        classes = len({*self.classes})
        output = (
            {"units": 1, "activation": "sigmoid"}
            if classes == 2
            else {"units": classes, "activation": "softmax"}
        )
        return SPEC.format(
            split=split,
            path=json.dumps(str(self.path)),
            target=self.target,
            text=self.text,
            keys=keys,
            layers=layers.format(**output),
            loss="binary_crossentropy" if classes == 2 else "sparse_categorical_crossentropy",
            patience=8,
        )


def train(table: Table, way: str, split: int) -> dict[str, object]:
    """Train one of our ways; return its error on the test rows."""
    from mlpcli.spec.load import load_text, located
    from mlpcli.training.find_data import find_opened
    from mlpcli.training.job import TRIAL, TrainingJob
    from mlpcli.training.prepare import build_checked, complete
    from mlpcli.training.session import train_into

    loaded = load_text(table.spec(way, split), table.path.with_suffix(".yaml"))
    with located(loaded), tempfile.TemporaryDirectory() as folder:
        found = find_opened(loaded)
        completed = complete(found.spec, found.dataset)
        model = build_checked(completed, found.dataset)
        options = replace(TRIAL, splits=("test",))
        job = TrainingJob(completed, found.dataset, model, Path(folder), options=options)
        began = time.monotonic()
        outcome = train_into(job)
        seconds = time.monotonic() - began
    return {
        "error": 1 - outcome.metrics["test"]["accuracy"],
        "seconds": round(seconds, 1),
        "epochs": outcome.epochs,
        "width": found.dataset.contract.shape[0],
    }


def test_rows(table: Table, split: int) -> npt.NDArray[np.int64]:
    """Return the positions of the test rows of a split."""
    from mlpcli.spec.load import load_text
    from mlpcli.training.find_data import find_opened

    loaded = load_text(table.spec("tf_idf", split), table.path.with_suffix(".yaml"))
    test = find_opened(loaded).dataset.test
    assert test is not None
    return np.asarray(test.rows)


def rival(table: Table, split: int, vectorizer: Mapping[str, object], strength: float) -> dict[str, object]:
    """Fit scikit-learn's TF-IDF and logistic regression; return the error on the test rows."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    held_out = test_rows(table, split)
    others = np.setdiff1d(np.arange(len(table.texts)), held_out)
    model = make_pipeline(TfidfVectorizer(**vectorizer), LogisticRegression(max_iter=1000, C=strength))
    began = time.monotonic()
    model.fit(table.texts[others], table.classes[others])
    seconds = time.monotonic() - began
    wrong = model.predict(table.texts[held_out]) != table.classes[held_out]
    return {"error": float(np.mean(wrong)), "seconds": round(seconds, 1), "width": len(model[0].vocabulary_)}


RIVALS: dict[str, Callable[[Table, int], dict[str, object]]] = {
    "sklearn": lambda table, split: rival(table, split, {}, 1.0),
    "sklearn+bigrams": lambda table, split: rival(
        table, split, {"ngram_range": (1, 2), "sublinear_tf": True}, 10.0
    ),
}


def read(path: Path) -> list[dict[str, object]]:
    """Return the results so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def report(results: list[dict[str, object]]) -> Iterator[str]:
    """Yield the mean error of each way on each table, in %, with its deviation over the splits."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for each in results:
        found[str(each["way"])][str(each["table"])].append(100 * float(str(each["error"])))
    tables = sorted({name for errors in found.values() for name in errors})
    yield "way".ljust(24) + "".join(name.rjust(16) for name in tables) + "mean".rjust(8)
    means = {
        way: [float(np.mean(errors[name])) if errors[name] else math.nan for name in tables]
        for way, errors in found.items()
    }
    for way in sorted(found, key=lambda way: float(np.mean(means[way]))):
        cells = [f"{np.mean(e):.2f} ± {np.std(e):.2f}" if (e := found[way][name]) else "" for name in tables]
        yield way.ljust(24) + "".join(cell.rjust(16) for cell in cells) + f"{np.mean(means[way]):8.2f}"


def main() -> None:
    """Run what is missing, and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("list", type=Path, nargs="?", help="the list of tables, TSV")
    parser.add_argument("--ways", default=",".join([*WAYS, *RIVALS]), help="separated by commas")
    parser.add_argument("--tables", default="", help="names, separated by commas")
    parser.add_argument("--splits", type=int, default=3, help="how many splits")
    parser.add_argument("--rows", type=int, default=5000, help="of a table, at most; 0 for all")
    parser.add_argument(
        "--results", type=Path, default=Path("bench_text.jsonl"), help="the file of the results"
    )
    parser.add_argument("--report", action="store_true", help="only print what there is")
    chosen = parser.parse_args()
    if not chosen.report:
        if chosen.list is None:
            parser.error("give the list of tables")
        with tempfile.TemporaryDirectory() as scratch:
            run(chosen, Path(scratch))
    print("\n".join(report(read(chosen.results))))


def run(chosen: argparse.Namespace, scratch: Path) -> None:
    """Train every way on every table and split that has no result yet."""
    with chosen.list.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    done = {(each["table"], each["way"], each["split"]) for each in read(chosen.results)}
    names = [name for name in chosen.tables.split(",") if name] or [row["name"] for row in rows]
    for split in range(chosen.splits):
        for row in (row for row in rows if row["name"] in names):
            table = Table(chosen.list.parent, row, chosen.rows, scratch)
            for way in chosen.ways.split(","):
                if (table.name, way, split) in done:
                    continue
                found = RIVALS[way](table, split) if way in RIVALS else train(table, way, split)
                line = json.dumps({"table": table.name, "way": way, "split": split, **found})
                print(line, flush=True)
                with chosen.results.open("a") as file:
                    file.write(line + "\n")


if __name__ == "__main__":
    main()
