"""How often `compare` calls two settings different: of a setting with itself, and of two that differ."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scripts.check_statistics_runs import Document, Results, Table, small_spec, train_run

SAME, SAME_UNITS = "same", (64, 32)
"""The setting that is compared with itself: its name, and the units of its hidden layers."""


@dataclass(frozen=True)
class Pool:
    """The trainings whose pairs are compared.

    Attributes:
        splits: how many seeds of the splits, which say what the folds are.
        seeds: how many trainings of the setting for each, with other seeds.
        others: how many of the other setting for each.
        folds: of each training.
        epochs: at most.
        units: of the only hidden layer of the other setting.
    """

    splits: int
    seeds: int
    others: int
    folds: int
    epochs: int
    units: int

    @property
    def other(self) -> str:
        """The name of the other setting."""
        return f"{self.units} units"

    def members(self) -> Iterator[tuple[str, int, int]]:
        """Yield each training: its setting, the seed of its splits, its own seed."""
        for split in range(self.splits):
            yield from ((SAME, split, 1000 * split + seed) for seed in range(self.seeds))
            yield from ((self.other, split, 500_000 + 1000 * split + seed) for seed in range(self.others))


def train_pool(table: Table, pool: Pool, folder: Path, results: Results) -> None:
    """Train what is missing of a pool; the runs are kept, since comparisons read them.

    Args:
        table: to train on.
        pool: the trainings.
        folder: for the runs.
        results: where the trainings are listed.
    """
    for setting, split, seed in pool.members():
        if results.has(table.name, setting, split, seed):
            continue
        units = SAME_UNITS if setting == SAME else (pool.units,)
        document = small_spec(table, seed=seed, epochs=pool.epochs, units=units)
        document["dataset"] |= {"test": None, "validation": 0.2, "split_seed": split}
        document["fit"] |= {"folds": pool.folds}
        run = train_run(
            document, folder / f"{table.name}-{setting.replace(' ', '-')}-{split}-{seed}", whole=True
        )
        results.add(table.name, setting, split, seed, folder=str(run.folder))
        print(f"{table.name:16} {setting:6} splits {split}, seed {seed}", flush=True)


def report_compare(results: Results, pairs: int, different: int) -> str:
    """Compare pairs of the trainings that there are; return a table of how many are called different.

    Args:
        results: the trainings.
        pairs: how many pairs of the same setting.
        different: how many pairs of two settings.
    """
    lines = [f"{'':18}{'pairs':34}{'pairs':>6}{'called different':>18}{'share':>8}{'difference':>12}"]
    for name, entries in results.by_first().items():
        for kind, chosen in _kinds(entries, pairs, different):
            called, unclear, sizes = _called(chosen)
            known = len(chosen) - unclear
            note = f", {unclear} not tested" if unclear else ""
            share = called / known if known else float("nan")
            size = float(np.mean(sizes)) if sizes else float("nan")
            lines.append(f"{name:18}{kind:34}{len(chosen):6}{called:18}{share:8.3f}{size:12.4g}{note}")
    lines.append("called different: as compare says, at the 5% level; difference: mean of its absolute value")
    return "\n".join(lines)


Pair = tuple[Document, Document]


def _kinds(entries: Sequence[Document], pairs: int, different: int) -> Iterator[tuple[str, list[Pair]]]:
    """Yield kinds of pairs, and some pairs of each, by chance but always the same."""
    same = [entry for entry in entries if entry["key"][1] == SAME]
    others = sorted({entry["key"][1] for entry in entries} - {SAME})
    every = list(itertools.combinations(same, 2))
    yield "the same setting, the same folds", _some([pair for pair in every if _folds(*pair)], pairs)
    yield "the same setting, other folds", _some([pair for pair in every if not _folds(*pair)], pairs)
    for name in others:
        other = [entry for entry in entries if entry["key"][1] == name]
        apart = [pair for pair in itertools.product(same, other) if _folds(*pair)]
        yield f"against {name}, the same folds", _some(apart, different)


def _folds(first: Document, second: Document) -> bool:
    """Return whether two trainings have the same folds."""
    return bool(first["key"][2] == second["key"][2])


def _some(pairs: list[Pair], count: int) -> list[Pair]:
    random.Random(0).shuffle(pairs)
    return pairs[:count]


def _called(pairs: Sequence[Pair]) -> tuple[int, int, list[float]]:
    """Return how many pairs are called different, how many have no test, and the absolute differences."""
    called, unclear, sizes = 0, 0, []
    for first, second in pairs:
        difference = compared(Path(first["folder"]), Path(second["folder"]))
        if difference is None:
            unclear += 1
            continue
        size, real = difference
        called += real
        sizes.append(size)
    return called, unclear, sizes


def compared(first: Path, second: Path) -> tuple[float, bool] | None:
    """Return the absolute difference of two runs in their first metric, and whether it is called real.

    None where there is no test, or it says nothing.
    """
    from mlpcli.inference.compare_settings import compare_settings
    from mlpcli.runs.folder import open_run

    test, refused = compare_settings([open_run(first), open_run(second)], metric=None)
    if test is None:
        print("; ".join(refused))
        return None
    (pair,) = test.pairs
    return None if pair.is_real is None else (abs(pair.difference), pair.is_real)
