"""Choose among many runs: filter them by conditions, sort them by a value."""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlpcli.errors import AllAtOnce, Problem, UsageError
from mlpcli.runs.run_values import ALIASES, FACTS, WRITTEN, RunValues, Value, is_known, unknown_hint
from mlpcli.runs.scores import more_is_better

CONDITION = re.compile(r"\s*(?P<name>[^=!<>~]+?)\s*(?P<sign>!=|>=|<=|==|=|<|>|~)\s*(?P<value>.*?)\s*")
HOW = "write NAME=VALUE, or with !=, <, <=, >, >= or ~ (contains): --where 'val_loss<0.3'"
SIGNS: dict[str, Callable[[float | str, float | str], bool]] = {
    "<": lambda left, right: left < right,  # type: ignore[operator]
    "<=": lambda left, right: left <= right,  # type: ignore[operator]
    ">": lambda left, right: left > right,  # type: ignore[operator]
    ">=": lambda left, right: left >= right,  # type: ignore[operator]
}


@dataclass(frozen=True)
class Condition:
    """A condition on runs, such as `val_loss<0.3`.

    Attributes:
        text: as it was written.
        name: of the value.
        sign: how it is compared.
        value: with what.
    """

    text: str
    name: str
    sign: str
    value: str

    def holds(self, values: RunValues) -> bool:
        """Return whether it holds for a run; a value that the run does not have equals nothing but ''."""
        found = values.get(self.name)
        if self.sign in SIGNS:
            return found is not None and self._in_order(found)
        if self.sign == "~":
            return any(self.value.casefold() in each.casefold() for each in _texts(found))
        equal = any(_equal(each, self.value) for each in _texts(found)) or (found is None and not self.value)
        return equal is (self.sign != "!=")

    def _in_order(self, found: Value) -> bool:
        """Compare as numbers; two texts, such as dates, by their letters.

        Raises:
            UsageError: only one of them is a number.
        """
        if isinstance(found, tuple) or found is None:
            found = " ".join(_texts(found))
        wanted = _number(self.value)
        if isinstance(found, str):
            return SIGNS[self.sign](found, self.value)
        if wanted is None:
            raise UsageError(
                Problem(f"--where {self.text!r}: {self.name} is a number, {self.value!r} is none", hint=HOW)
            )
        return not math.isnan(found) and SIGNS[self.sign](found, wanted)


def parse_condition(text: str) -> Condition:
    """Parse a condition.

    Raises:
        UsageError: it is none.
    """
    found = CONDITION.fullmatch(text)
    if found is None:
        raise UsageError(Problem(f"--where {text!r} is no condition", hint=HOW))
    sign = "=" if found["sign"] == "==" else found["sign"]
    return Condition(text, found["name"], sign, found["value"].strip("'\""))


def choose_values(
    found: Sequence[RunValues], conditions: Sequence[str], sort: str | None, *, reverse: bool = False
) -> list[RunValues]:
    """Return the runs for which all conditions hold, in an order.

    Args:
        found: the runs.
        conditions: such as `val_loss<0.3`.
        sort: the name of the value to sort by; None to leave the order.
        reverse: the other way round.

    Raises:
        UsageError: a condition that is none, or a value that no run has.
    """
    at_once = AllAtOnce()
    chosen = at_once.of(filtered, found, conditions)
    if sort is not None:
        at_once.of(check_name, sort, found, f"--sort {sort}")
    at_once.finish()
    if sort is not None:
        return in_order(chosen.value, sort, reverse=reverse)
    return chosen.value[::-1] if reverse else chosen.value


def filtered(found: Sequence[RunValues], conditions: Sequence[str]) -> list[RunValues]:
    """Return the runs for which all conditions hold.

    Raises:
        UsageError: a condition that is none, or is about a value that no run has.
    """
    at_once, parsed = AllAtOnce(), list[Condition]()
    for text in conditions:
        with at_once:
            parsed.append(parse_condition(text))
            check_name(parsed[-1].name, found, f"--where {text!r}")
    at_once.finish()
    return [values for values in found if all(each.holds(values) for each in parsed)]


def check_name(name: str, found: Sequence[RunValues], option: str) -> None:
    """Refuse a name of which no run has a value.

    Raises:
        UsageError: none has; with the nearest names.
    """
    if found and not is_known(name, found):
        raise UsageError(Problem(f"{option}: no run has a {name!r}", hint=unknown_hint(name, found)))


def in_order(found: Sequence[RunValues], name: str, *, reverse: bool = False) -> list[RunValues]:
    """Sort runs by a value: metrics the best first, all else ascending; runs without it come last.

    Args:
        found: the runs.
        name: of the value.
        reverse: the other way round, those without it still last.
    """
    known = [each for each in found if not _is_missing(each.get(name))]
    missing = [each for each in found if _is_missing(each.get(name))]
    descending = _is_metric(name, found) and more_is_better(name)
    if name == "best":
        descending = all(more_is_better(str(each.get("monitor"))) for each in known)
    return sorted(known, key=lambda each: _key(each.get(name)), reverse=descending is not reverse) + missing


def _is_metric(name: str, found: Sequence[RunValues]) -> bool:
    name = ALIASES.get(name, name)
    return name not in FACTS and name not in WRITTEN and any(name in each.metrics for each in found)


def _is_missing(value: Value) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _key(value: Value) -> tuple[int, float, str]:
    """Return a key that orders numbers by value, and texts after them by their letters."""
    if isinstance(value, int | float):
        return (0, float(value), "")
    return (1, 0.0, " ".join(_texts(value)).casefold())


def _texts(value: Value) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, tuple):
        return value
    return (value if isinstance(value, str) else f"{value:.12g}",)


def _equal(text: str, wanted: str) -> bool:
    """Return whether two texts are equal: as numbers, as a pattern with * or ?, or letter by letter."""
    left, right = _number(text), _number(wanted)
    if left is not None and right is not None:
        return left == right
    if any(sign in wanted for sign in "*?"):
        return fnmatch.fnmatchcase(text.casefold(), wanted.casefold())
    return text.casefold() == wanted.casefold()


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
