"""What the results of bench_tables.py say: scores, ranks, wins with their intervals, lost tables, seconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from scripts.bench_tables_data import Floats
from scripts.bench_tables_results import OURS, Result, predictions_of, read_results

COLUMNS = 5
"""Models beside each other in 80 columns."""

SAMPLES = 10_000

Pair = tuple[str, int]
"""A table and a split of it."""


@dataclass(frozen=True)
class Results:
    """The results of some models on some tables and splits.

    Attributes:
        path: Their file.
        found: A result of each pair and model that has one.
        models: The models, ours first.
        tables: The tables, in the order of the file.
    """

    path: Path
    found: dict[tuple[Pair, str], Result]
    models: list[str]
    tables: list[str]

    @cached_property
    def splits(self) -> list[int]:
        """The splits that have results."""
        return sorted({split for (_, split), _ in self.found})

    def error(self, pair: Pair, model: str) -> float:
        """Return the compared error of a result."""
        return next(iter(self.found[pair, model]["scores"].values()))

    def pairs(self, *models: str, timed: bool = False) -> list[Pair]:
        """Return the pairs on which all the models have results, or results whose seconds count."""
        return [
            (table, split)
            for table in self.tables
            for split in self.splits
            if all(
                (result := self.found.get(((table, split), model))) is not None
                and (result["timed"] or not timed)
                for model in models
            )
        ]

    def ours(self) -> list[str]:
        """Return the models that are mlpcli's."""
        return [model for model in self.models if model.startswith(OURS)]

    def resampled(self, pair: Pair, model: str) -> Floats:
        """Return the errors on resampled test rows: the same rows for all models of a pair."""
        key = (*pair, model)
        if key not in _RESAMPLED:
            with np.load(predictions_of(self.path, key)) as kept:
                _RESAMPLED[key] = kept["resampled"]
        return _RESAMPLED[key]


_RESAMPLED: dict[tuple[str, int, str], Floats] = {}


def choose(
    path: Path, splits: Sequence[int], tables: Sequence[str] | None, models: Sequence[str] | None
) -> Results:
    """Read the results asked for; `ours` stands for all that are mlpcli's."""
    found = {
        ((table, split), model): result
        for (table, split, model), result in read_results(path).items()
        if split in splits and (not tables or table in tables) and _wanted(model, models)
    }
    names = {model: None for _, model in found}
    ordered = sorted(names, key=lambda model: (not model.startswith(OURS), model != "linear", model))
    return Results(path, found, ordered, list({table: None for (table, _), _ in found}))


def _wanted(model: str, models: Sequence[str] | None) -> bool:
    return not models or model in models or (OURS in models and model.startswith(OURS))


def report(
    path: Path,
    splits: Sequence[int],
    tables: Sequence[str] | None = None,
    models: Sequence[str] | None = None,
    against: Sequence[str] = ("linear", "catboost"),
) -> str:
    """Return the report on a file of results, in lines of at most 80 columns.

    Args:
        path: The results.
        splits: Those that are reported.
        tables: Those that are reported; all for None.
        models: Those that are reported; all for None.
        against: Models that ours are compared with table by table.
    """
    results = choose(path, splits, tables, models)
    if not results.found:
        return f"{path}: no results of splits {', '.join(map(str, splits))}"
    parts = [scores(results), ranks(results), wins(results)]
    parts += [differences(results, model) for model in against if model in results.models]
    texts = ["\n".join(part).rstrip() for part in (*parts, seconds(results))]
    return "\n\n".join(text for text in texts if text)


def scores(results: Results) -> Iterator[str]:
    """Yield the mean error of each model on each table."""
    yield "1 - AUC, or RMSE / deviation of the target: mean over splits, * the lowest,"
    yield f"' of fewer splits than {len(results.splits)}"
    means = {
        (table, model): (float(np.mean(values)), len(values))
        for table in results.tables
        for model in results.models
        if (values := [results.error(pair, model) for pair in _of_table(results, table, model)])
    }
    for first in range(0, len(results.models), COLUMNS):
        models = results.models[first : first + COLUMNS]
        yield f"\n{'table':16}" + "".join(f"{model[:11]:>12}" for model in models)
        for table in results.tables:
            lowest = min(mean for (name, _), (mean, _) in means.items() if name == table)
            cells = [_cell(means.get((table, model)), lowest, len(results.splits)) for model in models]
            yield f"{table[:15]:16}" + "".join(cells)


def _of_table(results: Results, table: str, *models: str) -> list[Pair]:
    return [pair for pair in results.pairs(*models) if pair[0] == table]


def _cell(mean: tuple[float, int] | None, lowest: float, splits: int) -> str:
    if mean is None:
        return f"{'-':>10}  "
    marks = ("*" if mean[0] == lowest else "") + ("'" if mean[1] < splits else "")
    return f"{mean[0]:10.4f}{marks:2}"


def ranks(results: Results) -> Iterator[str]:
    """Yield the mean rank of each model over tables, again without models that lack pairs of the others."""
    counts = {model: len(results.pairs(model)) for model in results.models}
    whole = [model for model in results.models if counts[model] == max(counts.values())]
    yield from _ranks(results, whole)
    if len(whole) < len(results.models):
        yield ""
        yield from _ranks(results, results.models)


def _ranks(results: Results, models: list[str]) -> Iterator[str]:
    from scipy.stats import rankdata

    pairs = results.pairs(*models)
    if len(models) < 2 or not pairs:
        return
    tables = list(dict.fromkeys(table for table, _ in pairs))
    ranked = rankdata([[results.error(pair, model) for model in models] for pair in pairs], axis=1)
    by_table = np.array([ranked[[pair[0] == table for pair in pairs]].mean(axis=0) for table in tables])
    yield f"mean rank of {len(models)} over {len(tables)} tables ({len(pairs)} pairs of table and split),"
    yield "and its 95% interval over tables"
    low, high = _interval(by_table[_drawn(len(tables))].mean(axis=1))
    for place in np.argsort(by_table.mean(axis=0), kind="stable"):
        yield f"  {models[place]:20} {by_table[:, place].mean():6.2f}  [{low[place]:.2f}, {high[place]:.2f}]"


def _drawn(count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Return the places of resampled tables: (samples, count)."""
    return np.random.default_rng(0).integers(count, size=(SAMPLES, count))


def _interval(samples: Floats) -> Floats:
    """Return the bounds of the 95% interval of samples, (samples, ...) -> (2, ...)."""
    return np.asarray(np.nanpercentile(samples, [2.5, 97.5], axis=0))


def wins(results: Results) -> Iterator[str]:
    """Yield the share of pairs that each of ours wins against each other model."""
    for ours in results.ours():
        lines = [line for other in results.models if (line := _wins(results, ours, other))]
        if lines:
            yield f"pairs (table, split) that {ours} wins, a tie counting half, with 95% intervals"
            yield f"  {'against':16} {'won':>13} {'share':>6}  {'binomial':12}  {'over tables':12}"
            yield from lines
            yield ""


def _wins(results: Results, ours: str, other: str) -> str:
    pairs = results.pairs(ours, other)
    if ours == other or not pairs:
        return ""
    gains = np.array([results.error(pair, other) - results.error(pair, ours) for pair in pairs])
    won = (np.sign(gains) + 1) / 2
    tables = list(dict.fromkeys(table for table, _ in pairs))
    places = [[place for place, pair in enumerate(pairs) if pair[0] == table] for table in tables]
    sums, counts = (np.array([value[each].sum() for each in places]) for value in (won, np.ones(len(won))))
    drawn = _drawn(len(tables))
    low, high = _interval(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
    text = f"{won.sum():g} of {len(won)}"
    by_pair = "[{:.2f}, {:.2f}]".format(*wilson(won.mean(), len(won)))
    return f"  {other:16} {text:>13} {won.mean():6.2f}  {by_pair:12}  [{low:.2f}, {high:.2f}]"


def wilson(share: float, count: int) -> tuple[float, float]:
    """Return Wilson's 95% interval of a share."""
    z = 1.959964
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return float(middle - half), float(middle + half)


def differences(results: Results, other: str) -> Iterator[str]:
    """Yield the difference of each of ours to another model on each table, with its interval over rows."""
    for ours in results.ours():
        if ours == other or not results.pairs(ours, other):
            continue
        yield f"{ours} less {other}: mean over splits and its 95% interval over test rows"
        worse, better = [], []
        for table in results.tables:
            pairs = _of_table(results, table, ours, other)
            if not pairs:
                continue
            mean = np.mean([results.error(pair, ours) - results.error(pair, other) for pair in pairs])
            low, high = row_interval(results, pairs, ours, other)
            worse += [table] if low > 0 else []
            better += [table] if high < 0 else []
            mark = "worse" if low > 0 else "better" if high < 0 else ""
            yield f"  {table[:16]:16} {mean:+.4f}  [{low:+.4f}, {high:+.4f}]  {mark}"
        yield f"tables better beyond the interval: {len(better)}, worse: {len(worse)}"
        yield f"lost beyond the interval: {', '.join(worse) or 'none'}"
        yield f"lost beyond it on one split: {', '.join(_lost_pairs(results, ours, other)) or 'none'}"
        yield ""


def row_interval(results: Results, pairs: list[Pair], ours: str, other: str) -> tuple[float, float]:
    """Return the 95% interval over test rows of the mean difference on some pairs."""
    samples = [results.resampled(pair, ours) - results.resampled(pair, other) for pair in pairs]
    low, high = _interval(np.mean(samples, axis=0))
    return float(low), float(high)


def _lost_pairs(results: Results, ours: str, other: str) -> list[str]:
    return [
        f"{pair[0]} {pair[1]}"
        for pair in results.pairs(ours, other)
        if row_interval(results, [pair], ours, other)[0] > 0
    ]


def seconds(results: Results) -> Iterator[str]:
    """Yield the seconds of each model, and their ratio to CatBoost's on the pairs that both have."""
    untimed = [
        model for model in results.models if len(results.pairs(model, timed=True)) < len(results.pairs(model))
    ]
    if not any(results.pairs(model, timed=True) for model in results.models):
        yield "no seconds: all results were made with --untimed"
        return
    yield "seconds of fitting, CatBoost's on the same pairs, their ratio and its median"
    yield f"  {'':20} {'pairs':>6} {'seconds':>10} {'CatBoost':>10} {'ratio':>7} {'median':>7}"
    for model in results.models:
        alone = results.pairs(model, timed=True)
        both = results.pairs(model, "catboost", timed=True)
        pairs = both or alone
        if not pairs:
            continue
        times = np.array([results.found[pair, model]["seconds"] for pair in pairs])
        line = f"  {model:20} {len(pairs):6} {times.sum():10.1f}"
        if both:
            theirs = np.array([results.found[pair, "catboost"]["seconds"] for pair in both])
            line += (
                f" {theirs.sum():10.1f} {times.sum() / theirs.sum():7.2f} {np.median(times / theirs):7.2f}"
            )
        yield line
    if untimed:
        yield f"not counted are results made with --untimed, of {', '.join(untimed)}"
