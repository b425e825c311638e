"""How often a spec is trained: once for each of its folds and seeds, each time as a spec of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mlpcli.spec.fit_section import FoldSpec
from mlpcli.spec.load import LoadedSpec
from mlpcli.spec.schema import Spec
from mlpcli.spec.synthetic import CLOUDS

MEAN, RETRAIN = "mean", "retrain"
"""What the model of a run with folds is: the mean of the folds' models, or one trained on all their rows."""

SEEDS = 2**32


@dataclass(frozen=True)
class Repeat:
    """One training of a spec that is trained several times.

    Attributes:
        place: among all trainings, from 1: all seeds of the first fold, then those of the second.
        seed: its seed.
        fold: the number of the fold that it holds out, from 1; None without folds.
    """

    place: int
    seed: int
    fold: int | None = None


def is_repeated(spec: Spec) -> bool:
    """Return whether a spec is trained several times."""
    return spec.fit.folds is not None or (spec.fit.seeds or 1) > 1


def repeats_of(spec: Spec) -> tuple[Repeat, ...]:
    """Return the trainings of a spec with folds or seeds, in their order."""
    seeds = [(spec.seed + place) % SEEDS for place in range(spec.fit.seeds or 1)]
    folds = [None] if spec.fit.folds is None else range(1, spec.fit.folds + 1)
    pairs = [(fold, seed) for fold in folds for seed in seeds]
    return tuple(Repeat(place, seed, fold) for place, (fold, seed) in enumerate(pairs, 1))


def spec_of_repeat(loaded: LoadedSpec, repeat: Repeat) -> LoadedSpec:
    """Return the spec of one of its trainings, an ordinary spec.

    Its splits are those of the first seed, and so are the points of a synthetic dataset. What `predict` asks
    for is fitted for all trainings together.

    Args:
        loaded: a spec with folds or seeds.
        repeat: which of its trainings.
    """
    spec = loaded.spec
    changes: dict[str, object] = {}
    if repeat.fold is not None:
        changes["fold"] = FoldSpec(number=repeat.fold, of=spec.fit.folds or 0)
    if (spec.fit.seeds or 1) > 1:
        changes["split_seed"] = split_seed(spec)
        if spec.dataset.name in CLOUDS and spec.dataset.seed is None:
            changes["seed"] = spec.seed
    dataset = spec.dataset.model_copy(update=changes) if changes else spec.dataset
    once = trained_once(loaded)
    return replace(
        once, spec=once.spec.model_copy(update={"seed": repeat.seed, "dataset": dataset, "predict": None})
    )


def split_seed(spec: Spec) -> int:
    """Return the seed of the random splits of a spec."""
    return spec.seed if spec.dataset.split_seed is None else spec.dataset.split_seed


def trained_once(loaded: LoadedSpec) -> LoadedSpec:
    """Return a spec without its folds and seeds."""
    spec = loaded.spec
    if spec.fit.folds is None and spec.fit.seeds is None and spec.fit.after_folds is None:
        return loaded
    fit = spec.fit.model_copy(update={"folds": None, "seeds": None, "after_folds": None})
    return replace(loaded, spec=spec.model_copy(update={"fit": fit}))


def label_of(repeat: Repeat, spec: Spec) -> str:
    """Return what a training is, for the screen: `fold 2`, `seed 43`, `fold 2, seed 43`.

    Args:
        repeat: the training.
        spec: the spec with folds or seeds.
    """
    fold = [] if repeat.fold is None else [f"fold {repeat.fold}"]
    seeds = (spec.fit.seeds or 1) > 1
    return ", ".join(fold + ([f"seed {repeat.seed}"] if seeds else []))
