"""Findings from the network, measured on training rows: its units, gradients, inputs and predictions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from mlpcli.doctor import treatments as treat
from mlpcli.doctor.bounds import (
    CLASS_ROWS,
    DEAD_SHARE,
    EXPLODING_RATIO,
    EXPLODING_SHARE,
    LARGE_INPUT,
    LARGE_TARGET,
    SATURATED_SHARE,
    SKEWED,
    SMALL_INPUT,
    UNEVEN,
    VANISHING_NORM,
    VANISHING_RATIO,
)
from mlpcli.doctor.case import Case
from mlpcli.doctor.harm import is_poor, is_stuck
from mlpcli.doctor.numbers import number
from mlpcli.errors import listing
from mlpcli.printable import counted
from mlpcli.runs.diagnosis import Finding
from mlpcli.runs.folder import DIVERGED
from mlpcli.runs.network_record import ClassFacts, LayerFacts
from mlpcli.spec.edit_spec import Edit
from mlpcli.spec.schema import ComponentSpec

MOST_NAMED = 3
TAKEN_FOR = "what their rows are taken for: mlpcli evaluate"


def find_units(case: Case) -> Iterator[Finding]:
    """Yield layers with many dead, saturated or identical units."""
    layers = case.network.layers if case.network is not None else []
    dead = [each for each in layers if each.units and (each.dead or 0) >= DEAD_SHARE * each.units]
    if dead:
        whole = [each for each in dead if each.dead == each.units]
        yield Finding(
            "dead-units",
            "error" if whole else "warning",
            f"units that are 0 on all rows: {_counts(dead, 'dead')}",
            "a unit that is 0 everywhere has no gradient: it learns nothing and says nothing",
            {each.name: each.dead for each in dead},
            "use an activation whose gradient is never 0, and initial weights that suit it",
            (
                *treat.learnable_activation(case, [each.name for each in dead if not each.output]),
                *(treat.lower_rate(case) if _died(case, dead) else ()),
            ),
        )
    full = [
        each
        for each in layers
        if not each.output and each.units and (each.saturated or 0) >= SATURATED_SHARE * each.units
    ]
    if full and is_poor(case):
        yield Finding(
            "saturated-units",
            "warning",
            f"units at an end of their range on 95% of the rows: {_counts(full, 'saturated')}",
            "there the gradient is nearly 0, so that they learn very slowly",
            {each.name: each.saturated for each in full},
            "scale the inputs, or take an activation that does not saturate",
            treat.learnable_activation(case, [each.name for each in full]),
        )
    same = [each for each in layers if each.identical and not each.output]
    if same:
        yield Finding(
            "identical-units",
            "error",
            f"all units of a layer give the same values: {_names(same)}",
            "units that begin alike get the same gradients and stay alike: the layer is one unit",
            {"layers": [each.name for each in same]},
            "initialize the kernel with random numbers",
            treat.set_argument(case, [each.name for each in same], "kernel_initializer", "he_normal"),
        )


def _died(case: Case, dead: Sequence[LayerFacts]) -> bool:
    """Return whether units of some layers died during the training: most were alive before its first step."""
    before = {each.name: each for each in case.initial}
    return any(
        (first := before.get(each.name)) is not None and (first.dead or 0) < DEAD_SHARE * first.units
        for each in dead
    )


def _counts(layers: Sequence[LayerFacts], what: str) -> str:
    shown = [f"{getattr(each, what)} of {each.units} in {each.name}" for each in layers[:MOST_NAMED]]
    rest = len(layers) - len(shown)
    return listing([*shown, counted(rest, "more layer")] if rest else shown)


def _names(layers: Sequence[LayerFacts]) -> str:
    return listing([each.name for each in layers[:MOST_NAMED]])


def find_gradients(case: Case) -> Iterator[Finding]:
    """Yield gradients that vanish or explode on their way to the first layer, where little is learned."""
    if not is_poor(case):
        return
    measured = case.network.layers if case.network is not None else []
    for when, layers in (("now", measured), ("before the first step", case.initial)):
        known = [each for each in layers if each.gradient is not None]
        if len(known) < 3:
            continue
        first, last = known[0], known[-1]
        assert first.gradient is not None
        assert last.gradient is not None
        ratio = first.gradient / last.gradient if last.gradient > 0 else None
        numbers = f"{number(first.gradient)} in {first.name}, {number(last.gradient)} in {last.name}"
        evidence = {each.name: each.gradient for each in known}
        if ratio is not None and ratio < VANISHING_RATIO and first.gradient < VANISHING_NORM:
            names = [one.name for one in known[:-1]]
            yield Finding(
                "vanishing-gradients",
                "error" if is_stuck(case) else "warning",
                f"{when}, the norm of the gradient is {numbers}",
                "the first layers do not learn, since hardly any gradient reaches them",
                evidence,
                "take relu and its initial weights in place of activations that saturate",
                _unsaturating(case, names),
            )
            return
        large = [each for each in known if each.gradient and each.weight and _outgrows(each)]
        if large or (ratio is not None and ratio > EXPLODING_RATIO):
            if large:
                most = max(large, key=lambda each: each.gradient or 0.0)
                numbers = f"{number(most.gradient)} in {most.name}, that of its weights {number(most.weight)}"
            yield Finding(
                "exploding-gradients",
                "error" if case.status == DIVERGED or is_stuck(case) else "warning",
                f"{when}, the norm of the gradient is {numbers}",
                "steps are far larger than the weights that they change",
                evidence,
                "initialize the weights smaller, and bound the gradients",
                _smaller_weights(case, [each.name for each in known]),
            )
            return


def _outgrows(layer: LayerFacts) -> bool:
    return (layer.gradient or 0.0) > EXPLODING_SHARE * (layer.weight or math.inf)


def _unsaturating(case: Case, names: Sequence[str]) -> treat.Patch:
    """Return relu and He's initial weights for layers that saturate; else normalizing layers have to help."""
    saturating = treat.set_argument(case, names, "activation", "relu", when=treat.SATURATING)
    weights = [each.path[:-1] for each in saturating]
    further = tuple(Edit((*path, "kernel_initializer"), "he_normal") for path in weights)
    return (*saturating, *further) or treat.learnable_activation(case, names)


def _smaller_weights(case: Case, names: Sequence[str]) -> treat.Patch:
    given = [
        path for path, arguments in treat.spec_layers(case.spec, names) if "kernel_initializer" in arguments
    ]
    weights = tuple(Edit((*path, "kernel_initializer"), "he_normal") for path in given)
    return (*weights, *treat.clip_gradients(case))


def find_scales(case: Case) -> Iterator[Finding]:
    """Yield inputs and targets that are not scaled, of a network that learns too little."""
    network = case.network
    if network is None or not is_poor(case):
        return
    size, spread = network.input_size, network.input_spread
    large = size is not None and size > LARGE_INPUT
    if large or (spread is not None and spread < SMALL_INPUT):
        what = (
            f"a root mean square of {number(size)}" if large else f"a standard deviation of {number(spread)}"
        )
        yield Finding(
            "inputs-not-scaled",
            "warning",
            f"a value that reaches the first weights has {what}",
            "initial weights suit inputs of about 1: with others the steps are too large or too small",
            {"root_mean_square": size, "standard_deviation": spread},
            "scale the inputs",
            treat.scale_inputs(case),
        )
    if case.spec is None or case.spec.dataset.target_scaling is not None:
        return
    for each in network.targets:
        if max(each.deviation, abs(each.mean)) > LARGE_TARGET and _grows(case, each.output):
            yield Finding(
                "target-not-scaled",
                "warning",
                f"the target has a mean of {number(each.mean)} "
                f"and a standard deviation of {number(each.deviation)}",
                "outputs begin near 0, and it takes many steps to get them that far",
                {"mean": each.mean, "standard_deviation": each.deviation},
                "scale the target; metrics stay in its own units",
                treat.scale_targets(case),
            )
            return


def _grows(case: Case, output: str) -> bool:
    """Return whether the loss of an output grows with the size of its targets."""
    loss = case.spec.loss if case.spec is not None else None
    own = loss.get(output) if isinstance(loss, dict) else loss
    name = own.class_name.lower() if isinstance(own, ComponentSpec) else ""
    words = ("squared", "absolute", "mse", "mae", "huber", "cosh")
    return (
        any(word in name for word in words)
        and "percentage" not in name
        and "log" not in name.replace("logcosh", "")
    )


def find_lost_classes(case: Case) -> Iterator[Finding]:
    """Yield classes that are never predicted, though training rows have them."""
    for each in case.network.classes if case.network is not None and not is_stuck(case) else []:
        lost = [at for at, count in enumerate(each.truth) if count >= CLASS_ROWS and each.predicted[at] == 0]
        if not lost:
            continue
        shown = [f"{each.names[at]!r} ({counted(each.truth[at], 'row')})" for at in lost[:MOST_NAMED]]
        rest = len(lost) - len(shown)
        of = f" of {each.output}" if each.output else ""
        why, fix, patch = _why_lost(case, each, lost)
        yield Finding(
            "class-never-predicted",
            "warning",
            f"never predicted{of} on {counted(sum(each.truth), 'training row')}: "
            f"{listing([*shown, counted(rest, 'more class', 'more classes')] if rest else shown)}",
            why,
            {each.names[at]: each.truth[at] for at in lost},
            fix,
            patch,
        )


def _why_lost(case: Case, each: ClassFacts, lost: Sequence[int]) -> tuple[str, str, treat.Patch]:
    """Return why classes are never predicted, what to do, and the patch that does it.

    A class that the network does distinguish from others needs another threshold, or weights. Of a run whose
    record does not say whether it does, the classes must be far from equally frequent.
    """
    skew, two = max(each.truth) / max(1, min(each.truth[at] for at in lost)), len(each.names) == 2
    measured = [each.distinguished[at] for at in lost] if each.distinguished else []
    known = [one for one in measured if one is not None]
    told = any(known) if known else skew >= SKEWED
    if not told:
        look = "whether the columns say anything of it: mlpcli inspect DATA --target COLUMN"
        why = "the network does not distinguish these classes from others"
        return why, f"see {look if two else TAKEN_FOR}", ()
    why = f"the largest class has {skew:,.0f} times as many rows, so that to ignore these costs little"
    if known:
        often = f": the largest class has {skew:,.0f} times as many rows" if skew >= UNEVEN else ""
        why = f"the network distinguishes them from others, but never thinks them the most probable{often}"
    if known and two and (patch := treat.choose_threshold(case, lost[0])):
        return why, "choose the probability from which on it is predicted; the network stays the same", patch
    if skew >= UNEVEN and (patch := treat.balance_classes(case)):
        return why, "make every class count the same", patch
    return (
        why,
        "choose another threshold" if two else f"see {TAKEN_FOR}",
        (),
    )
