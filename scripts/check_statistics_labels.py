"""How many of the labels that were flipped on purpose `label-check` finds."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from scripts.check_statistics_runs import Document, Results, Settings, Table, spec_for, train_run

if TYPE_CHECKING:
    from mlpcli.inference.label_ranking import Ranking

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def check_labels(
    tables: Sequence[Table],
    seeds: int,
    share: float,
    settings: Settings,
    folder: Path,
    results: Results,
) -> None:
    """Flip labels of tables on purpose, train with folds, and see which of them are found.

    A label becomes another one by chance; a number is moved by two standard deviations of its column.

    Args:
        tables: to train on.
        seeds: how many times each, with other labels flipped.
        share: of the labels that are flipped; 0 shows what is found where nothing was flipped.
        settings: what is trained.
        folder: for the flipped tables and the runs, which are deleted again.
        results: where the results are kept.
    """
    from mlpcli.inference.given_labels import read_given_labels
    from mlpcli.inference.label_ranking import rank_labels

    for table in tables:
        title = settings.title(table)
        for seed in range(seeds):
            if results.has(title, seed, share):
                continue
            flipped, wrong = flip(table, share, seed, folder)
            document = spec_for(flipped, folder, settings, seed=seed)
            document["dataset"] |= {"test": None, "validation": 0.2}
            document["fit"] |= {"folds": 5}
            ranking = rank_labels(read_given_labels(train_run(document, folder, whole=True)))
            found = scores(ranking, wrong)
            results.add(title, seed, share, task=table.task, **found)
            print(f"{title:16} {seed:3} {_line(found)}", flush=True)
            shutil.rmtree(folder / "runs")


def flip(table: Table, share: float, seed: int, folder: Path) -> tuple[Table, Bools]:
    """Write a table with flipped labels; return it, and which rows of it were flipped."""
    with table.path.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = list(csv.reader(file))
    rows = [row for row in rows if row]
    place = header.index(table.target)
    rows = [row for row in rows if row[place] not in ("", "NA")]
    generator = np.random.default_rng(seed)
    wrong = generator.random(len(rows)) < share
    if table.regression:
        spread = float(np.std([float(row[place]) for row in rows]))
        for row in np.flatnonzero(wrong):
            moved = float(rows[row][place]) + 2 * spread * generator.choice((-1.0, 1.0))
            rows[row][place] = repr(float(moved))
    else:
        names = sorted({row[place] for row in rows})
        for row in np.flatnonzero(wrong):
            others = [name for name in names if name != rows[row][place]]
            rows[row][place] = str(generator.choice(others))
    path = folder / f"{table.name}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    return replace(table, path=path.resolve()), wrong


def scores(ranking: Ranking, wrong: Bools) -> Document:
    """Return how well the flipped rows are found.

    Args:
        ranking: of one label a row.
        wrong: (rows of the table,) which were flipped.
    """
    from mlpcli.statistics.label_quality import wrong_classes

    (answer,) = ranking.answers
    bad = wrong[ranking.given.rows - 1]
    count = int(bad.sum())
    question = answer.question
    estimate = answer.wrong or wrong_classes(question.given, question.predicted)
    found: Document = {
        "labels": len(bad),
        "flipped": count,
        "estimate": [round(each, 1) for each in estimate],
        "suspected": int(answer.suspected.sum()),
        "precision": _share(int((bad & answer.suspected).sum()), int(answer.suspected.sum())),
        "recall": _share(int((bad & answer.suspected).sum()), count),
        "at_flipped": _share(int(bad[np.argsort(-answer.surprise, kind="stable")[:count]].sum()), count),
    }
    found["average_precision"] = {"ours": average_precision(answer.surprise, bad)}
    if answer.question.names:
        rivals, counted = confident_learning(answer.question.given, answer.question.predicted)
        found["average_precision"] |= {name: average_precision(each, bad) for name, each in rivals.items()}
        found["confident_joint"] = counted
    return found


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def average_precision(doubt: Floats, bad: Bools) -> float | None:
    """Return the mean of the precision at each flipped row, in the order of doubt."""
    ordered = bad[np.argsort(-doubt, kind="stable")]
    precision = np.cumsum(ordered) / np.arange(1, len(ordered) + 1)
    return float(precision[ordered].mean()) if ordered.any() else None


def confident_learning(given: npt.NDArray[np.int64], probabilities: Floats) -> tuple[dict[str, Floats], int]:
    """Return other ways to rank labels, and how many errors the confident joint counts.

    Northcutt, Jiang, Chuang 2021: the normalized margin; self-confidence and margin less the thresholds of
    the classes, which are the mean probability of a class over the rows that are labelled so; and the rows of
    which another class than the given one is above its threshold.

    Args:
        given: (rows,) class indices.
        probabilities: (rows, classes).
    """
    rows, classes = np.arange(len(given)), range(probabilities.shape[1])
    thresholds = np.array([probabilities[given == k, k].mean() if (given == k).any() else 2 for k in classes])
    adjusted = probabilities - thresholds

    def margin(values: Floats) -> Floats:
        others = values.copy()
        others[rows, given] = -np.inf
        return np.asarray(others.max(axis=1) - values[rows, given])

    above = np.where(probabilities >= thresholds, probabilities, -1.0)
    confident = np.where(above.max(axis=1) >= 0, above.argmax(axis=1), given)
    ranks = {
        "margin": margin(probabilities),
        "self less threshold": -adjusted[rows, given],
        "margin less threshold": margin(adjusted),
    }
    return ranks, int((confident != given).sum())


def _line(found: Document) -> str:
    low, high = found["estimate"][1:]
    precision, recall = (_number(found[name]) for name in ("precision", "recall"))
    return (
        f"flipped {found['flipped']} of {found['labels']}, estimated {found['estimate'][0]:.0f} "
        f"({low:.0f} to {high:.0f}); precision {precision}, recall {recall}"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def report_labels(results: Results) -> str:
    """Return a table of the results: of each data table and share of flipped labels the mean over seeds."""
    head = ("flipped", "estimate", "in 95%", "precision", "recall", "at k", "AP", "AP margin", "joint")
    lines = [f"{'':22}{'labels':>7}" + "".join(f"{each:>10}" for each in head)]
    groups: dict[tuple[str, float], list[Document]] = {}
    for entry in results.found.values():
        name, _, share = entry["key"]
        groups.setdefault((name, share), []).append(entry)
    for (name, share), entries in sorted(groups.items()):
        low_high = [(entry["estimate"][1], entry["flipped"], entry["estimate"][2]) for entry in entries]
        cells = [
            _mean([entry["flipped"] for entry in entries], 0),
            _mean([entry["estimate"][0] for entry in entries], 0),
            f"{sum(low <= true <= high for low, true, high in low_high)}/{len(entries)}",
            _mean([entry["precision"] for entry in entries], 2),
            _mean([entry["recall"] for entry in entries], 2),
            _mean([entry["at_flipped"] for entry in entries], 2),
            _mean([entry["average_precision"]["ours"] for entry in entries], 3),
            _mean([entry["average_precision"].get("margin") for entry in entries], 3),
            _mean([entry.get("confident_joint") for entry in entries], 0),
        ]
        labels = f"{entries[0]['labels']:7}"
        lines.append(f"{name:16} {share:5.0%}{labels}" + "".join(f"{cell:>10}" for cell in cells))
    lines += [
        "precision, recall: of the labels marked as `likely_wrong`; at k: precision among as many of the",
        "most doubtful as were flipped; AP: average precision, of label-check and of the normalized margin;",
        "joint: errors that the confident joint counts",
    ]
    return "\n".join(lines)


def _mean(values: Sequence[float | None], digits: int) -> str:
    known = [value for value in values if value is not None]
    return f"{np.mean(known):.{digits}f}" if known else "-"
