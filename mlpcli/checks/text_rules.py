"""Whether the ids of a text column's tokens go to layers that read ids, and to nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from mlpcli.data.dataset import Contract
from mlpcli.data.features.stacked import StackedPreprocessor
from mlpcli.data.features.text_encoder import TextEncoder
from mlpcli.errors import Problem
from mlpcli.model.id_names import ID_COUNTS
from mlpcli.spec.layer_graph import ONLY_INPUT
from mlpcli.spec.schema import Spec


def token_problems(spec: Spec, contract: Contract) -> Iterator[Problem]:
    """Yield a problem for each layer that would read ids of tokens as if they were amounts.

    Args:
        spec: of the network.
        contract: of its data.
    """
    preprocessor = contract.preprocessor
    if preprocessor is None or isinstance(preprocessor, StackedPreprocessor) or spec.model is not None:
        return
    spans = {
        each.name: preprocessor.spans[each.name]
        for each in preprocessor.encoders
        if isinstance(each, TextEncoder) and each.output_mode == "int"
    }
    inputs = {each.name: each.columns for each in contract.inputs} or {ONLY_INPUT: None}
    for name, columns in inputs.items():
        places = {*(range(preprocessor.width) if columns is None else columns)}
        for column, span in spans.items():
            if places & {*span}:
                yield from _of_input(spec, name, column, alone=places == {*span})


def _of_input(spec: Spec, name: str, column: str, *, alone: bool) -> Iterator[Problem]:
    """Yield the problems of the layers that read an input with the ids of a column."""
    features = spec.dataset.features
    stated = features.get(column) if isinstance(features, dict) else None
    most = (stated and stated.max_tokens) or 5000
    table = f"Embedding: {{input_dim: {most}, output_dim: 64, mask_zero: true}}"
    hint = f"write inputs: {{words: {{columns: [{column}]}}}} and {{{table}, from: words}}"
    for node in spec.graph.nodes:
        if name not in node.sources:
            continue
        layer = spec.layers[node.index]
        path = ("layers", node.index, layer.class_name)
        if layer.class_name not in ID_COUNTS:
            rule = f"reads column {column!r} as amounts, but output_mode: int makes ids of its words"
            yield Problem(rule, path=path, hint=hint)
        elif not alone:
            rule = f"reads ids of column {column!r} beside other values, which are no ids of its words"
            yield Problem(rule, path=path, hint=hint)
