"""The axis of members between `Members` and `MemberMean`: which layers have it, and mistakes with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mlpcli.errors import KeyPath, Problem
from mlpcli.spec.keras_signatures import keras_class_names
from mlpcli.spec.layer_graph import Graph, Node
from mlpcli.spec.plugins import Catalog
from mlpcli.spec.schema import LayerSpec, Spec

MEMBERS, MEMBER_DENSE, MEMBER_MEAN = "Members", "MemberDense", "MemberMean"

MIXES = re.compile(
    r"Conv|Pool|RNN|LSTM|GRU|Attention|Padding|Cropping|UpSampling|Embedding|Encoding|Hashing|Lookup"
    r"|^(Flatten|Reshape|Permute|RepeatVector|Bidirectional|GroupNormalization|Dot|Masking)$"
)
"""Names of Keras's layers that move, mix or remove the axis of members."""

EMBEDDINGS = ("PeriodicEmbedding", "PiecewiseLinearEmbedding")
"""Layers of mlpcli's own that take rows of numbers alone."""

MIXING_AXES = (0, 1, -2, -3)
KEEPS_MEMBERS = ("Concatenate", "BatchNormalization", "Normalization")
"""Values of `axis` by which a layer of Keras computes over members or rows, and the layers that do not."""


def member_outputs(spec: Spec) -> frozenset[str]:
    """Return the names of the layers that are outputs and means of members."""
    if spec.model is not None:
        return frozenset()
    means = {node.name for node in spec.graph.nodes if _class(node, spec.layers) == MEMBER_MEAN}
    return frozenset(means.intersection(spec.graph.outputs))


def output_nodes(spec: Spec) -> frozenset[str]:
    """Return the names of the outputs and, where one is the mean of members, of what it is the mean of."""
    means = member_outputs(spec)
    below = (source for node in spec.graph.nodes if node.name in means for source in node.sources)
    return frozenset((*spec.graph.outputs, *below))


def member_problems(spec: Spec, catalog: Catalog) -> list[Problem]:
    """Return every mistake with the axis of members, each at its layer.

    Args:
        spec: the spec, whose graph has no problems.
        catalog: the names that it may use; a plug-in's layers of these names are none of ours.
    """
    if spec.model is not None or any(map(catalog.plugin_of, (MEMBERS, MEMBER_DENSE, MEMBER_MEAN))):
        return []
    return _Axes(spec.graph, spec.layers).problems


def _class(node: Node, layers: Sequence[LayerSpec]) -> str:
    return layers[node.index].class_name


def _has_mixing_axis(layer: LayerSpec) -> bool:
    """Return whether a layer of Keras computes over members or rows, by its `axis`."""
    axis = layer.arguments.get("axis")
    axes = axis if isinstance(axis, list) else [axis]
    return layer.class_name not in KEEPS_MEMBERS and any(each in MIXING_AXES for each in axes)


@dataclass
class _Axes:
    """Follows the axis through the network; after a mistake, what reads that layer is not looked at.

    Attributes:
        members: the number of members by layer; 0 for no axis, None where it is unknown.
    """

    graph: Graph
    layers: Sequence[LayerSpec]
    problems: list[Problem] = field(default_factory=list)
    members: dict[str, int | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        reported: set[int] = set()  # a layer that is repeated is reported once
        for node in self.graph.nodes:
            sources = [self.members.get(source, 0) for source in node.sources]
            found = None if None in sources else next(iter(self._problems(node, sources)), None)
            if found is None:
                self.members[node.name] = None if None in sources else self._after(node, sources)
                continue
            self.members[node.name] = None
            if node.index not in reported:
                reported.add(node.index)
                self.problems.append(found)

    def _after(self, node: Node, sources: Sequence[int | None]) -> int | None:
        layer = self.layers[node.index]
        if layer.class_name == MEMBERS:
            count = layer.arguments.get("count")
            return count if isinstance(count, int) else None
        return 0 if layer.class_name == MEMBER_MEAN else max((each or 0 for each in sources), default=0)

    def _problems(self, node: Node, sources: Sequence[int | None]) -> Iterator[Problem]:
        layer, path = self.layers[node.index], ("layers", node.index)
        name = layer.class_name
        if name == MEMBERS and any(sources):
            rule = "the layer before has an axis of members already"
            yield Problem(rule, path=path, received=name, hint="keep one Members before each MemberMean")
        elif name in (MEMBER_DENSE, MEMBER_MEAN) and not all(sources):
            what = "has weights for each member" if name == MEMBER_DENSE else "is the mean of members"
            rule = f"{name} {what}, and there are none before it"
            yield Problem(rule, path=path, received=name, hint="put Members: {count: 16} further up")
        elif any(sources) and (
            name in EMBEDDINGS or (name in keras_class_names("layers") and MIXES.search(name))
        ):
            rule = "this layer would mix the members, or lose their axis: it reads (rows, members, features)"
            hint = f"put {name} before Members"
            yield Problem(rule, path=path, received=name, hint=hint)
        elif any(sources) and name in keras_class_names("layers") and _has_mixing_axis(layer):
            rule = "axis 0 is that of the rows, axis 1 that of the members, which would be mixed"
            axis = layer.arguments["axis"]
            yield Problem(rule, path=(*path, name, "axis"), received=axis, hint="write axis: -1")
        elif len({*sources}) > 1:
            counts = ", ".join(
                f"{source}: {count or 'none'}" for source, count in zip(node.sources, sources, strict=True)
            )
            rule = f"all that this layer reads must have the same members, received {counts}"
            hint = "join them before Members, or give each branch a Members of the same count"
            yield Problem(rule, path=(*path, "from"), hint=hint)
        elif name == MEMBER_MEAN and node.name not in self.graph.outputs:
            yield self._not_last(node)
        elif any(sources) and node.name in self.graph.outputs and name != MEMBER_MEAN:
            rule = "an output must be one prediction for each row, this one is of each member"
            yield Problem(rule, path=path, received=name, hint="end with MemberMean")

    def _not_last(self, mean: Node) -> Problem:
        reader = next((each for each in self.graph.nodes if mean.name in each.sources), None)
        path: KeyPath = ("layers", mean.index)
        behind = f", {_class(reader, self.layers)} reads it" if reader else ""
        rule = f"MemberMean must be the last layer of an output{behind}"
        hint = "put that layer before MemberMean" if reader else ""
        return Problem(rule, path=path, received=MEMBER_MEAN, hint=hint)
