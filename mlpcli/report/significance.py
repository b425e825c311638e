"""Tests of the difference between runs, in words, tables and JSON."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Sequence

from rich.text import Text

from mlpcli.errors import listing
from mlpcli.report.console import format_number
from mlpcli.report.narrow import whole_table
from mlpcli.report.screen import Screen, console, cut
from mlpcli.runs.paired_results import (
    CHANCE,
    Breakdown,
    GroupScore,
    ModelsTest,
    RunDifference,
    SettingsTest,
    Significance,
)

MOST_GROUPS = 20
"""Classes or labels that are shown; of more, those with the largest differences."""

WIDEST_GROUP = 24
"""Columns of the name of a class in a table."""


def show_significance(found: Significance, names: Sequence[str]) -> None:
    """Show in words, and for several runs in a table, which differences are more than chance.

    Args:
        found: the tests.
        names: a short name for each run that is compared: A, B.
    """
    out = console()
    if found.refused:
        out.print()
    for reason in found.refused.get("settings", ()):
        _say(out, f"{_refused(found.settings)} of the settings: {reason}", "yellow")
    if found.settings is not None:
        _show_settings(out, found.settings, names)
    for reason in found.refused.get("models", ()):
        _say(out, f"{_refused(found.models)} of the models: {reason}", "yellow")
    if found.models is not None:
        _show_models(out, found.models, names, settings=found.settings is not None)


def _refused(test: ModelsTest | SettingsTest | None) -> str:
    return "no test" if test is None else "left out of the test"


def _say(out: Screen, text: str, style: str = "") -> None:
    """Show some sentences in lines of the width of a table; a p-value stays on one."""
    kept = re.sub(r"\bp ([=<]) ", "p\u00a0\\1\u00a0", text)
    for line in textwrap.wrap(kept, max(20, out.room - 1), break_on_hyphens=False):
        out.print(Text(line.replace("\u00a0", " "), style=style), soft_wrap=True)


def _show_settings(out: Screen, test: SettingsTest, names: Sequence[str]) -> None:
    out.print()
    out.print(Text(f"settings, over {test.over}", style="bold"))
    means = [math.fsum(values) / len(values) for values in test.values]
    if len(test.runs) > 2:
        _show_table(out, test, means, names)
    _say(out, settings_text(test, names))
    _show_breakdowns(out, test, names)


def _show_models(out: Screen, test: ModelsTest, names: Sequence[str], *, settings: bool) -> None:
    out.print()
    rows = f"{test.rows:,} rows of {test.data}" if test.data else f"{test.rows:,} {test.split} rows"
    out.print(Text(f"models, on {rows} that {_all(len(test.runs))} predict", style="bold"))
    if len(test.runs) > 2:
        _show_table(out, test, test.values, names)
    _say(out, models_text(test, names, settings=settings))
    _show_breakdowns(out, test, names)


def _show_breakdowns(out: Screen, test: ModelsTest | SettingsTest, names: Sequence[str]) -> None:
    if test.breakdowns and isinstance(test, SettingsTest):
        out.print()
        out.print(Text("all rows that the folds held out", style="bold"))
    for breakdown in test.breakdowns:
        if isinstance(test, ModelsTest) or breakdown is not test.breakdowns[0]:
            out.print()
        _show_breakdown(out, breakdown, [names[place] for place in test.runs])


def _all(count: int) -> str:
    return "both" if count == 2 else "all"


def settings_text(test: SettingsTest, names: Sequence[str]) -> str:
    """Return what the test of the settings says, in sentences."""
    means = [math.fsum(values) / len(values) for values in test.values]
    said = _difference_text(test, means, names, "on average", "it is the same in each")
    if test.split == "held_out":
        about = "This is about the settings, on other rows of this kind too."
    else:
        about = (
            f"This is about the settings on these rows alone, since all seeds have the same {test.split} "
            "rows: train with --folds 5 for other rows."
        )
    matched = "" if test.matched else " The folds or seeds differ, so that less is found than with the same."
    return f"{said} {about}{matched}"


def models_text(test: ModelsTest, names: Sequence[str], *, settings: bool) -> str:
    """Return what the test of the models says, in sentences.

    Args:
        test: of the models.
        names: a short name for each run that is compared.
        settings: whether the settings are tested too.
    """
    reason = "it is undefined in too many resamples of the rows"
    said = _difference_text(test, test.values, names, "", reason)
    which = "these two models" if len(test.runs) == 2 else "these models"
    if settings or test.data:
        about = f"This is about {which} alone."
    else:
        about = f"This is about {which}, not about their settings: train {_all(len(test.runs))} with "
        about += "--folds 5 for that."
    if test.chosen:
        whose = _and([names[position] for position in test.chosen])
        verb, own = ("has", "its") if len(test.chosen) == 1 else ("have", "their")
        about += (
            f" {whose} {verb} classes predicted by a threshold of {own} own, which {test.metric} depends on: "
            "the loss and AUC compare the probabilities (--metric loss)."
        )
    if test.split == "validation":
        about += " The validation rows may have chosen the epoch that each kept."
    elif test.split == "train":
        about += " The models have seen these rows: what they do on others may differ."
    return f"{said} {about}"


def _difference_text(
    test: ModelsTest | SettingsTest,
    values: Sequence[float],
    names: Sequence[str],
    average: str,
    unknown: str,
) -> str:
    if len(test.pairs) == 1:
        return _pair_text(test, test.pairs[0], names, average, unknown)
    best = names[test.best]
    word = {True: "best", False: "best", None: "highest"}[test.more_is_better]
    real = [names[pair.second] for pair in test.pairs if pair.is_real]
    others = [names[pair.second] for pair in test.pairs if not pair.is_real]
    said = [f"{best} has the {word} {test.metric}, {format_number(values[test.runs.index(test.best)])}."]
    if real:
        said.append(
            f"By more than chance it is {'better' if word == 'best' else 'higher'} than {_and(real)}."
        )
    if others:
        said.append(f"Against {_and(others)} it may be chance.")
    count = len(test.runs) * (len(test.runs) - 1) // 2
    said.append(
        f"The p-values ({_tests(test.pairs)}) are corrected for all {count} pairs by Holm's method, since "
        "the best was chosen by the same values; each interval is for itself."
    )
    return " ".join(said)


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{listing(names[:-1], 20)} and {names[-1]}"


def _tests(pairs: Iterable[RunDifference]) -> str:
    return ", ".join(dict.fromkeys(pair.test for pair in pairs))


def _pair_text(
    test: ModelsTest | SettingsTest, pair: RunDifference, names: Sequence[str], average: str, unknown: str
) -> str:
    """Return the sentence about two runs: who has the better metric, by how much, and whether by chance."""
    first, second = names[pair.first], names[pair.second]
    average = f" {average}" if average else ""
    higher = pair.difference > 0
    low, high = (pair.low, pair.high) if higher else (-pair.high, -pair.low)
    by, low_text, high_text = alike((abs(pair.difference), low, high))
    if pair.difference == 0:
        said = f"{first} and {second} have the same {test.metric}{average}"
    else:
        said = f"{first}'s {test.metric} is {'higher' if higher else 'lower'} by {by}{average}"
    if pair.is_real is None:
        return f"{said}; whether by chance cannot be said: {unknown}."
    if low == high == 0:
        return (
            f"{said}, and in each of the trainings." if average else f"{said}, with no difference on any row."
        )
    interval = f"95% interval {low_text} to {high_text}; {p_text(pair.corrected)}, {pair.test}"
    return f"{said} ({interval}): {_verdict(pair)}."


def _verdict(pair: RunDifference) -> str:
    if pair.is_real:
        return "more than chance"
    agree = (pair.corrected < CHANCE) == (not pair.low <= 0 <= pair.high)
    return "not more than chance" if agree else "not clearly more than chance"


def alike(values: Sequence[float]) -> list[str]:
    """Return numbers that belong together with the same number of decimals, those of the largest."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    if largest and not 1e-3 <= largest < 1e9:
        return [f"{value:.3e}" for value in values]
    decimals = 4 if largest < 100 else 2 if largest < 1e5 else 0
    return [f"{round(value, decimals) + 0.0:.{decimals}f}" for value in values]  # never -0.00


def p_text(p: float) -> str:
    """Return a p-value in words: `p = 0.012`, `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _show_table(
    out: Screen, test: ModelsTest | SettingsTest, values: Sequence[float], names: Sequence[str]
) -> None:
    """Show the best run and how far each other is from it."""
    columns = ("", test.metric, "difference", "95% interval", "p", "more than chance")
    rows = [(names[test.best], format_number(values[test.runs.index(test.best)]), "", "", "", "")]
    for pair in test.pairs:
        value = format_number(values[test.runs.index(pair.second)])
        known = pair.is_real is not None
        away, low, high = alike((-pair.difference, -pair.high, -pair.low))
        interval = f"{low} to {high}" if known else ""
        p = p_text(pair.corrected).removeprefix("p ").removeprefix("= ") if known else ""
        verdict = {True: "yes", False: "no", None: "unknown"}[pair.is_real]
        rows.append((names[pair.second], value, away, interval, p, verdict))
    narrow = [(row[0], *row[1:2], *row[3:]) for row in rows]
    fewer = (columns[0], columns[1], *columns[3:])
    shown = whole_table(out, columns, rows) or whole_table(out, fewer, narrow)
    if shown is not None:
        out.print(shown)


def _show_breakdown(out: Screen, breakdown: Breakdown, names: Sequence[str]) -> None:
    """Show the scores of each run by group, and which run is better by more than chance."""
    heading = f"{breakdown.output}: " if breakdown.output else ""
    if breakdown.by == "decile":
        heading += "mean absolute error by prediction"
    groups = _largest(breakdown.groups)
    tested = all(group.p is not None for group in groups)
    scores = list(groups[0].scores)
    for shown_scores in (scores, scores[:1]):
        columns = [f"{heading}{breakdown.by}" if breakdown.by != "decile" else heading, "rows"]
        short = {"mean absolute error": ""}
        columns += [f"{short.get(score, score)} {name}".strip() for score in shown_scores for name in names]
        rows = [
            [
                cut(group.name, WIDEST_GROUP),
                f"{group.rows:,}",
                *(format_number(value) for score in shown_scores for value in group.scores[score]),
                *([_better(group, names, more=breakdown.more_is_better)] if tested else []),
            ]
            for group in groups
        ]
        left = (len(columns),) if tested else ()
        shown = whole_table(out, [*columns, *(["better"] if tested else [])], rows, left=left)
        if shown is not None:
            out.print(shown)
            break
    _say(out, _groups_text(breakdown, len(groups), tested=tested, several=len(names) > 2))


def _largest(groups: Sequence[GroupScore]) -> list[GroupScore]:
    """Return the groups that are shown, in their order: those with the largest differences."""
    if len(groups) <= MOST_GROUPS:
        return list(groups)

    def spread(group: GroupScore) -> float:
        values = next(iter(group.scores.values()))
        return max(values) - min(values)

    chosen = sorted(range(len(groups)), key=lambda place: -spread(groups[place]))[:MOST_GROUPS]
    return [groups[place] for place in sorted(chosen)]


def _better(group: GroupScore, names: Sequence[str], *, more: bool) -> str:
    first, second = next(iter(group.scores.values()))
    if not group.is_real or first == second:
        return ""
    return names[0] if (first > second) == more else names[1]


def _groups_text(breakdown: Breakdown, shown: int, *, tested: bool, several: bool) -> str:
    count = len(breakdown.groups)
    kinds = {"class": "classes", "label": "labels", "decile": "groups"}[breakdown.by]
    said = []
    if shown < count:
        said.append(f"{count - shown} more {kinds} have smaller differences; --json has all.")
    if breakdown.by == "decile":
        said.append("The groups are deciles of the mean of the predictions.")
    if tested:
        what = "error" if breakdown.by == "decile" else "recall"
        said.append(f"better: whose {what} is better by more than chance, corrected for {count} {kinds}.")
    elif not several:
        said.append("Not tested, since these rows are not independent of each other.")
    return " ".join(said)


def significance_json(found: Significance, labels: Sequence[str]) -> dict[str, object]:
    """Return the tests for scripts; runs by their labels."""
    names = [str(label) for label in labels]
    document: dict[str, object] = {}
    if (settings := found.settings) is not None:
        document["settings"] = {
            "over": settings.over,
            **_test_json(settings, names),
            "values": {names[p]: list(v) for p, v in zip(settings.runs, settings.values, strict=True)},
            "matched": settings.matched,
            "groups": [
                _breakdown_json(each, [names[p] for p in settings.runs]) for each in settings.breakdowns
            ],
            "sentence": settings_text(settings, names),
        }
    if (models := found.models) is not None:
        document["models"] = {
            "rows": models.rows,
            "data": models.data or None,
            **_test_json(models, names),
            "values": {names[p]: v for p, v in zip(models.runs, models.values, strict=True)},
            "sentence": models_text(models, names, settings=settings is not None),
            "groups": _breakdowns_json(models, names),
        }
    return document | {"refused": {name: list(reasons) for name, reasons in found.refused.items()}}


def _test_json(test: ModelsTest | SettingsTest, names: Sequence[str]) -> dict[str, object]:
    return {
        "split": None if isinstance(test, ModelsTest) and test.data else test.split,
        "metric": test.metric,
        "more_is_better": test.more_is_better,
        "best": names[test.best],
        "differences": [
            {
                "first": names[pair.first],
                "second": names[pair.second],
                "difference": pair.difference,
                "interval": [pair.low, pair.high],
                "p": pair.p,
                "corrected_p": pair.corrected,
                "more_than_chance": pair.is_real,
                "test": pair.test,
            }
            for pair in test.pairs
        ],
    }


def _breakdowns_json(test: ModelsTest | SettingsTest, names: Sequence[str]) -> list[dict[str, object]]:
    own = [names[place] for place in test.runs]
    return [_breakdown_json(each, own) for each in test.breakdowns]


def _breakdown_json(breakdown: Breakdown, names: Sequence[str]) -> dict[str, object]:
    return {
        "output": breakdown.output,
        "by": breakdown.by,
        "groups": [
            {
                "name": group.name,
                "rows": group.rows,
                **{score: dict(zip(names, values, strict=True)) for score, values in group.scores.items()},
                **({} if group.p is None else {"corrected_p": group.p, "more_than_chance": group.is_real}),
            }
            for group in breakdown.groups
        ],
    }
