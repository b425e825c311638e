"""What a network requires of the data, beside what the `dataset` section says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlpcli.data.dataset import Contract
from mlpcli.data.types import EarlierRule, NumberType, PerStep, TargetKind
from mlpcli.data.weights import ClassWeights
from mlpcli.spec.features import InputSpec


@dataclass(frozen=True)
class Request:
    """What a network requires of the data, besides the `dataset` section.

    Attributes:
        target_kinds: what the loss of each output takes, by the output's name; the name of a single output is
            empty. None to decide by the target: text and booleans are classes.
        symmetric: outputs with values from -1 to 1, for which `minmax` scales the target to that range.
        inputs: the spec's named inputs.
        scales_inputs: whether the network scales its inputs, so that a table's numbers need no scaling here.
        class_weight: from the spec's `fit`.
        inferred: outputs without a loss, whose kind is what their activation is mostly used for.
        reads_ids: whether only layers that take whole numbers read the inputs, so that integers stay exact.
        only_named: whether `features`, if it is a mapping, names every column that is used.
        numbers: how numbers are kept until they are scaled.
        per_step: for which axes of x the columns of an array's target are the steps of a sequence.
        earlier: what is encoded as in earlier versions, whose runs need it.
        levels: of the quantiles that the loss of an output asks for, by the output's name.
        contract: by which the rows are encoded and scaled; None to learn one from the training rows.
        kept: the folder for decoded images; None for none.
    """

    target_kinds: Mapping[str, TargetKind | None]
    symmetric: frozenset[str] = frozenset()
    inputs: Mapping[str, InputSpec] | None = None
    scales_inputs: bool = True
    class_weight: ClassWeights = None
    inferred: frozenset[str] = frozenset()
    only_named: bool = False
    reads_ids: bool = False
    numbers: NumberType = "float64"
    per_step: PerStep = ()
    earlier: frozenset[EarlierRule] = frozenset()
    levels: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    contract: Contract | None = None
    kept: Path | None = None
