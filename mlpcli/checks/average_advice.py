"""Advice on averages of the weights: what is validated, kept and saved should be the same weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlpcli.errors import KeyPath, Problem
from mlpcli.runs.results import Advice
from mlpcli.spec.schema import ComponentSpec, Spec

SWAP = "SwapEMAWeights"
WRITTEN = "SwapEMAWeights: {swap_on_epoch: true}"


def advise_on_averages(spec: Spec) -> Iterator[Advice]:
    """Yield advice where averages of the weights are kept and then not used, or not everywhere."""
    place = next(_places(spec.optimizer.arguments, ("optimizer", spec.optimizer.class_name), "use_ema"), None)
    callbacks = [(each, ("callbacks", place)) for place, each in enumerate(spec.callbacks) if not each.off]
    swaps = [place for place, (each, _) in enumerate(callbacks) if each.class_name == SWAP]
    if place is None:
        yield from _unused_settings(spec)
    elif not swaps:
        yield Advice(
            "use_ema without SwapEMAWeights: only the last weights are averaged, after the last epoch",
            f"list {WRITTEN} as the first callback",
            "validation and early stopping are of weights that are not the final ones",
            place,
        )
    else:
        yield from _misplaced([each for each, _ in callbacks], callbacks[swaps[0]], swaps[0])


def _misplaced(
    callbacks: list[ComponentSpec], swap: tuple[ComponentSpec, KeyPath], first: int
) -> Iterator[Advice]:
    """Yield a swap by which callbacks do not see what was validated."""
    component, path = swap
    keepers = [name for each in callbacks if (name := _keeps(each))]
    early = [name for each in callbacks[:first] if (name := _keeps(each))]
    path = (*path, SWAP)
    if component.arguments.get("swap_on_epoch") is not True:
        who = " and ".join(dict.fromkeys(keepers)) or "checkpoints/best.keras"
        yield Advice(
            f"{who} would keep weights that are not averaged: SwapEMAWeights swaps around validation alone",
            f"list {WRITTEN} as the first callback",
            "the weights that were validated are the averages, and only they should be kept",
            path,
        )
    elif early:
        yield Advice(
            f"{' and '.join(dict.fromkeys(early))} would keep weights that are not averaged",
            f"list {WRITTEN} as the first callback",
            "at an epoch's end callbacks are called in their order, and SwapEMAWeights has not swapped yet",
            path,
        )


def _keeps(component: ComponentSpec) -> str:
    """Return the name of a callback that keeps or saves the weights at an epoch's end, else nothing."""
    restores = component.class_name == "EarlyStopping" and component.arguments.get("restore_best_weights")
    saves = component.class_name == "ModelCheckpoint" and component.arguments.get("filepath") is not None
    return component.class_name if restores or saves else ""


def _unused_settings(spec: Spec) -> Iterator[Advice]:
    """Yield settings of an average that the optimizer does not keep."""
    for name in ("ema_momentum", "ema_overwrite_frequency"):
        inside = ("optimizer", spec.optimizer.class_name)
        for path in _places(spec.optimizer.arguments, inside, name):
            yield Advice(
                f"{name} has no effect without use_ema: true",
                f"add use_ema: true, and {WRITTEN} as the first callback",
                "the optimizer keeps no averages of the weights",
                path,
            )


def _places(arguments: Mapping[str, object], path: KeyPath, wanted: str) -> Iterator[KeyPath]:
    """Yield the paths of an argument that is set, of an optimizer and of those inside it."""
    for name, value in arguments.items():
        if name == wanted and value is not None and value is not False:
            yield (*path, name)
        if isinstance(value, Mapping) and name not in ("learning_rate", "weight_decay"):
            yield from _places(value, (*path, name), wanted)


def second_swap(spec: Spec) -> Iterator[Problem]:
    """Yield every `SwapEMAWeights` but the first: a second one would swap back what the first has swapped."""
    places = [(index, each) for index, each in enumerate(spec.callbacks) if each.class_name == SWAP]
    for index, each in [place for place in places if not place[1].off][1:]:
        rule = "is listed twice: the second would undo what the first does"
        yield Problem(
            rule, path=("callbacks", index, SWAP), received=each.class_name, hint="leave one of them"
        )
