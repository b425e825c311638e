"""Tables with columns of sentences: found, trained on, predicted, served, and compared with new rows."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.bare_runs import BARE, train_bare
from tests.conftest import Result

Cli = Callable[..., Result]

GOOD = ["sauber", "freundlich", "ruhig", "schön", "hell", "😀"]
BAD = ["schmutzig", "laut", "teuer", "Ärger", "dunkel", "東京"]
FILLING = ["Das Zimmer war", "und die Küche", "das Bad", "im Haus", "am Abend"]
UNKNOWN = "quite unlike anything"


def _rows(count: int, seed: int) -> list[dict[str, object]]:
    random = np.random.default_rng(seed)
    rows = []
    for place in range(count):
        happy = bool(random.integers(0, 2))
        words = random.choice(GOOD if happy else BAD, 4)
        parts = [f"{start} {word}" for start, word in zip(FILLING, words, strict=False)]
        review = ", ".join(parts) + (f"!\nZimmer {place % 7}" if place % 3 else ".")
        review = ["", "NA", "!!!"][place % 3] if place % 20 == 7 else review
        stars = ("good" if happy else "bad") if review else "good"
        rows.append({"review": review, "nights": int(random.integers(1, 9)), "stars": stars})
    return rows


def _write(path: Path, rows: list[dict[str, object]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table with a column of sentences, in a folder of its own."""
    return _write(tmp_path / "hotels.csv", _rows(80, 1))


def test_init_and_inspect_propose_to_use_the_words_of_sentences(mlpcli: Cli, table: Path) -> None:
    assert "text" in mlpcli("inspect", table, "--target", "stars").out.split("review")[1].split()[0]
    made = mlpcli("init", table, "--target", "stars", "-o", table.parent / "a.yaml")
    assert made.status == 0, made.err
    spec = yaml.safe_load((table.parent / "a.yaml").read_text(encoding="utf-8"))
    assert spec["dataset"]["features"]["review"]["kind"] == "text"
    assert {"kinds": ["text"]} in spec["inputs"].values()
    checked = mlpcli("check", table.parent / "a.yaml")
    assert checked.status == 0, checked.err


def test_the_proposed_inputs_read_sentences_that_become_texts_as_a_note_of_init_says(
    mlpcli: Cli, tmp_path: Path
) -> None:
    rows = [
        row | {"review": f"{FILLING[place % 5]} wirklich sehr {GOOD[place % 3]}"}
        for place, row in enumerate(_rows(150, 2))
    ]
    spec = tmp_path / "s.yaml"
    made = mlpcli("init", _write(tmp_path / "t.csv", rows), "--target", "stars", "-o", spec, "--json")
    assert "for their words: features: {review: {kind: text}}" in made.out
    inputs = yaml.safe_load(spec.read_text(encoding="utf-8"))["inputs"]
    assert inputs["others"]["kinds"] == ["categorical", "boolean", "text", "missing"]


def test_sentences_that_few_rows_share_are_texts_though_they_are_few(mlpcli: Cli, tmp_path: Path) -> None:
    rows = [
        row | {"review": f"{FILLING[place % 5]} wirklich sehr {GOOD[place % 4]}"}
        for place, row in enumerate(_rows(60, 2))
    ]
    spec = tmp_path / "s.yaml"
    made = mlpcli("init", _write(tmp_path / "t.csv", rows), "--target", "stars", "-o", spec, "--json")
    assert made.status == 0, made.err
    assert "taken for categories" not in made.out
    assert yaml.safe_load(spec.read_text(encoding="utf-8"))["dataset"]["features"]["review"]["kind"] == "text"


def test_a_spec_that_does_not_name_sentences_leaves_them_out_and_says_how_to_use_them(
    mlpcli: Cli, table: Path
) -> None:
    spec = table.parent / "b.yaml"
    spec.write_text(
        "dataset: {path: hotels.csv, target: stars}\nlayers: [Dense: {units: 1, activation: sigmoid}]\n"
    )
    shown = mlpcli("check", spec)
    assert "kind: text" in " ".join((shown.out + shown.err).split())


def test_ids_of_words_are_refused_as_amounts(mlpcli: Cli, table: Path) -> None:
    spec = table.parent / "c.yaml"
    spec.write_text(
        "dataset: {path: hotels.csv, target: stars, features: {review: {kind: text, output_mode: int}}}\n"
        "layers: [Dense: {units: 1, activation: sigmoid}]\n"
    )
    refused = mlpcli("check", spec)
    assert refused.status == 2
    assert "ids of its words" in " ".join(refused.err.split())
    assert "from: words" in " ".join(refused.err.split())


EMBEDDED = """
  - {Embedding: {input_dim: 5000, output_dim: 4, mask_zero: true}, from: words}
  - GlobalAveragePooling1D
"""


@pytest.mark.parametrize(
    ("keys", "layers"),
    [
        ("ngrams: 2", "  - {UnitNormalization: {}, from: words}\n"),
        pytest.param("output_mode: int", EMBEDDED.lstrip("\n"), marks=pytest.mark.slow),
    ],
    ids=["tf_idf", "int"],
)
def test_a_text_column_is_trained_served_and_predicted_from(
    mlpcli: Cli, table: Path, keys: str, layers: str
) -> None:
    folder = table.parent
    (folder / "hotels.yaml").write_text(
        f"dataset: {{path: hotels.csv, target: stars, features: {{review: {{kind: text, {keys}}}}}}}\n"
        "inputs: {words: {columns: [review]}, others: {columns: [nights]}}\n"
        f"layers:\n{layers}"
        "  - {Dense: {units: 4, activation: relu}, name: text}\n"
        "  - {Concatenate: {}, from: [text, others]}\n"
        "  - Dense: {units: 1, activation: sigmoid}\n"
        "fit: {epochs: 2, engine: graph}\n"
    )
    options = replace(BARE, saved_model=True)
    run = train_bare(folder / "hotels.yaml", folder / "runs", options=options).folder
    record = json.loads((run / "run.json").read_text())
    assert record["saved_model"]["verified"] == "in a clean process"
    kept = json.dumps(record, ensure_ascii=False)
    assert '"schön"' in kept
    assert '"ärger"' in kept  # lower-case in every script
    new = _rows(30, 2)
    for row in new[:5]:
        row["review"] = UNKNOWN
    _write(folder / "new.csv", new)
    found = mlpcli("predict", run, folder / "new.csv", "-o", folder / "p.csv", "--json")
    assert json.loads(found.out)["counts"]["unseen"] == {"review": 5}
    shown = mlpcli("predict", run, folder / "new.csv", "-o", folder / "q.csv", "--on-unknown", "null")
    assert "5 texts without a known word (review 5)" in " ".join((shown.out + shown.err).split())
    assert "5 predictions left empty" in " ".join((shown.out + shown.err).split())
    refused = mlpcli("predict", run, folder / "new.csv", "-o", folder / "r.csv", "--on-unknown", "error")
    assert refused.status != 0
    assert "must have a word that the model knows" in " ".join(refused.err.split())
    if "int" not in keys:
        drift = json.loads(mlpcli("inspect", folder / "new.csv", "--against", run, "--json").out)
        review = drift["columns"]["review"]
        assert review["change"] == "large"
        assert any(text.startswith("unknown words, %") for text in review["findings"])
        exported = mlpcli("export", run, "--format", "keras", "-o", folder / "net.keras", "--json")
        assert exported.status == 0, exported.err
        (written,) = json.loads(exported.out)["exported"]
        assert "Keras loads it only where mlpcli has defined StandardizeText" in written["notes"]
        refused = mlpcli("export", run, "--format", "onnx", "-o", folder / "net.onnx")
        told = "--format: onnx cannot take column 'review' of the kind text"
        assert (refused.status, told in refused.err) == (2, True)
