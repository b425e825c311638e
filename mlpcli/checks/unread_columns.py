"""Advice on columns of a table that are features, and that no named input reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mlpcli.data.dataset import Contract
from mlpcli.data.features.encoders import Encoder
from mlpcli.data.features.preprocessor import Preprocessor
from mlpcli.data.features.text_encoder import TextEncoder
from mlpcli.errors import KeyPath, listing
from mlpcli.printable import counted, verb
from mlpcli.runs.results import Advice
from mlpcli.spec.features import InputKind, InputSpec
from mlpcli.spec.resolve import inline

MOST_NAMED = 3
"""Columns of a kind that are named; the others are counted."""

ALIKE: tuple[frozenset[InputKind], ...] = (
    frozenset(["numeric", "date"]),
    frozenset(["categorical", "boolean", "text", "missing"]),
)
"""Kinds whose columns an input may take side by side."""


def advise_on_unread_columns(inputs: Mapping[str, InputSpec] | None, contract: Contract) -> Iterator[Advice]:
    """Yield advice for each kind of columns that are features, but that no input takes.

    The values of an array have no names, and a spec cannot say that one is left out on purpose.

    Args:
        inputs: the spec's named inputs, if it has any.
        contract: of its rows.
    """
    if not inputs or contract.preprocessor is None:
        return
    for kind, encoders in _unread(contract, contract.preprocessor).items():
        names = [each.name for each in encoders]
        count = len(names)
        shown = f"column {names[0]!r} ({kind}) is"
        if count > 1:
            shown = f"{counted(count, 'column')} ({kind}: {listing(names, MOST_NAMED)}) {verb(count, 'are')}"
        name = None if any(map(_is_apart, encoders)) else _fitting_input(inputs, kind)
        path: KeyPath = ("inputs",) if name is None else ("inputs", name, "kinds")
        ignored = ", ".join(f"{inline(each)}: ignore" for each in names[:MOST_NAMED])
        left_out = f"leave {'it' if count == 1 else 'them'} out on purpose: features: {{{ignored}}}"
        yield Advice(
            f"{shown} read by no input",
            f"{_way_in(kind, names, name)}, or {left_out}",
            "the network never sees it" if count == 1 else "the network never sees them",
            path,
        )


def _unread(contract: Contract, preprocessor: Preprocessor) -> Mapping[InputKind, Sequence[Encoder]]:
    """Return the encoders of the columns whose values no input takes, by kind.

    The first number of a column is one of its values; the last may only mark its missing cells, and be read
    by an input of the kind `missing`.
    """
    wholes = (range(contract.shape[0]) if each.columns is None else each.columns for each in contract.inputs)
    taken = [each if isinstance(each, range) else frozenset(each) for each in wholes]
    found: dict[InputKind, list[Encoder]] = {}
    for encoder in preprocessor.encoders:
        span = preprocessor.spans[encoder.name]
        if span and not any(span.start in places for places in taken):
            found.setdefault(encoder.kind, []).append(encoder)
    return found


def _is_apart(encoder: Encoder) -> bool:
    """Return whether a column needs an input of its own: ids of tokens are no amounts."""
    return isinstance(encoder, TextEncoder) and encoder.output_mode == "int"


def _fitting_input(inputs: Mapping[str, InputSpec], kind: InputKind) -> str | None:
    """Return the input that takes columns of like kinds; None where there is none."""
    alike = next((kinds for kinds in ALIKE if kind in kinds), frozenset[InputKind]())
    return next((name for name, each in inputs.items() if alike & {*(each.kinds or ())}), None)


def _way_in(kind: InputKind, names: Sequence[str], name: str | None) -> str:
    """Return what makes an input read some columns."""
    if name is not None:
        return f"add {kind} to these kinds"
    columns = ", ".join(map(inline, names[: 1 if kind == "image" else MOST_NAMED]))
    return f"add an input, more: {{columns: [{columns}]}}, and a layer that reads it, from: more"
