"""Export ten runs and hold each file against `predict`: python scripts/check_exports.py [NAME ...].

Trains each config briefly into a temporary folder, exports it, and prints the largest difference of each
format as a share of a result's range. Ends with status 1 where ONNX or LiteRT differ by more than 1e-5.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from mlpcli.cli import main

ROOT = Path(__file__).parent.parent
LIMIT = 1e-5
FORMATS = ("onnx", "litert")

QUICK = ("--set", "fit.epochs=3")

MIXED = """
name: {name}
dataset: {{path: "{root}/configs/data/flats.csv", target: {target}, validation: 0.1, test: 0.2{more}}}
layers:
  - {{Dense: {{units: 16, activation: relu}}}}
  - {{Dense: {{units: {units}{activation}}}}}
loss: {loss}
fit: {{epochs: 3, batch_size: 64}}
{rest}
"""

# Specs of the table of flats, with categories, a date and empty cells.
WRITTEN = {
    "quantiles_of_a_table": {
        "target": "rent",
        "more": ", target_scaling: quantile, scaling: quantile",
        "units": 3,
        "activation": "",
        "loss": "{Quantile: {quantiles: [0.1, 0.5, 0.9]}}",
        "rest": "",
    },
    "calibrated_classes": {
        "target": "district",
        "more": "",
        "units": 5,
        "activation": ", activation: softmax",
        "loss": "sparse_categorical_crossentropy",
        "rest": "predict: {calibrate: temperature, intervals: 0.9}",
    },
    "threshold_of_two_classes": {
        "target": "balcony",
        "more": "",
        "units": 1,
        "activation": ", activation: sigmoid",
        "loss": "binary_crossentropy",
        "rest": "predict: {threshold: {metric: f1}}",
    },
    "intervals_of_numbers": {
        "target": "rent",
        "more": ", target_scaling: log",
        "units": 1,
        "activation": "",
        "loss": "mse",
        "rest": "predict: {intervals: 0.9}",
    },
}
SEVERAL = """
name: several_inputs_and_outputs
dataset:
  path: "{root}/configs/data/flats.csv"
  target: {{rent: rent, sort: district}}
inputs: {{size: {{columns: [area, rooms]}}, rest: {{columns: [built, heating, floor, balcony, listed]}}}}
layers:
  - {{Dense: {{units: 8, activation: relu}}, name: first, from: size}}
  - {{Dense: {{units: 8, activation: relu}}, name: second, from: rest}}
  - {{Concatenate: {{}}, name: both, from: [first, second]}}
  - {{Dense: {{units: 1}}, name: rent, from: both}}
  - {{Dense: {{units: 5, activation: softmax}}, name: sort, from: both}}
loss: {{rent: mse, sort: sparse_categorical_crossentropy}}
fit: {{epochs: 3, batch_size: 64}}
"""


CONFIGS = {
    "images": "configs/digits.yaml",
    "members_embeddings_dates": "configs/flats.yaml",
    "iris": "configs/chapter/iris.yaml",
    "multilabel": "configs/chapter/multilabel.yaml",
    "two_targets": "configs/chapter/two_targets.yaml",
}


def specs(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the name and the file of each spec."""
    for name, config in CONFIGS.items():
        yield name, ROOT / config
    texts = {name: MIXED.format(name=name, root=ROOT, **values) for name, values in WRITTEN.items()}
    texts["several_inputs_and_outputs"] = SEVERAL.format(root=ROOT)
    for name, text in texts.items():
        path = folder / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        yield name, path


def quiet(*arguments: str) -> str:
    """Run a command and return what it prints."""
    with redirect_stdout(StringIO()) as printed:
        status = main(arguments)
    if status:
        raise SystemExit(f"mlpcli {' '.join(arguments)} ended with status {status}")
    return printed.getvalue()


def check(name: str, spec: Path, folder: Path) -> dict[str, float]:
    """Train a spec, export it, and return the largest difference of each format."""
    runs = folder / name
    quiet("train", str(spec), *QUICK, "--runs-dir", str(runs))
    (run,) = (each for each in runs.iterdir() if each.is_dir())
    wanted = [part for each in FORMATS for part in ("--format", each)]
    target = str(folder / f"{name}_exported")
    text = quiet("export", run.name, *wanted, "-o", target, "--runs-dir", str(runs), "--json")
    return {each["format"]: each["difference"] for each in json.loads(text)["exported"]}


def run(wanted: list[str]) -> int:
    """Check each config, or those that are named; return the exit status."""
    worst = 0.0
    print(f"{'config':28}{'ONNX':>10}{'LiteRT':>10}")
    with tempfile.TemporaryDirectory() as temporary:
        for name, spec in specs(Path(temporary)):
            if wanted and name not in wanted:
                continue
            found = check(name, spec, Path(temporary))
            worst = max(worst, *found.values())
            print(f"{name:28}" + "".join(f"{found[each]:>10.1e}" for each in FORMATS), flush=True)
    print(f"largest difference {worst:.1e}, as a share of a result's range; the limit is {LIMIT:g}")
    return int(worst > LIMIT)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a config; default: all ten")
    raise SystemExit(run(parser.parse_args().names))
