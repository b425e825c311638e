"""Advice on members that nothing makes differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlpcli.runs.results import Advice
from mlpcli.spec.layer_graph import Node
from mlpcli.spec.member_axis import MEMBER_DENSE, MEMBER_MEAN, MEMBERS
from mlpcli.spec.schema import LayerSpec, Spec
from mlpcli.spec.values import Value

CONSTANT = ("ones", "one", "zeros", "zero", "Ones", "Zeros", "Constant", "constant", "Identity", "identity")
"""Initializers that give every member the same values."""


def advise_members(spec: Spec) -> Iterator[Advice]:
    """Yield advice on each mean of members that begin alike and get the same gradients."""
    nodes = {node.name: node for node in spec.graph.nodes}
    for node in nodes.values():
        layer = spec.layers[node.index]
        if layer.class_name == MEMBER_MEAN and not _differ(node, nodes, spec):
            yield Advice(
                "all members begin alike and learn alike: they are one network",
                "remove factors: false from Members, or give MemberDense a random factors_initializer",
                "the mean of predictions that are the same is no better than one of them",
                ("layers", node.index),
            )


def _differ(mean: Node, nodes: Mapping[str, Node], spec: Spec) -> bool:
    """Return whether a layer up to the beginning of the axis is random for each member."""
    waiting, seen = [mean], {mean.name}
    while waiting:
        node = waiting.pop()
        layer = spec.layers[node.index]
        if _is_random(layer):
            return True
        if layer.class_name != MEMBERS:
            below = [source for source in node.sources if source in nodes and source not in seen]
            seen.update(below)
            waiting += [nodes[source] for source in below]
    return False


def _is_random(layer: LayerSpec) -> bool:
    name, given = layer.class_name, layer.arguments
    if name == MEMBERS:
        is_one = given.get("count") == 1
        return is_one or (given.get("factors", True) is not False and not _constant(given.get("initializer")))
    if name == MEMBER_DENSE:
        bias = given.get("use_bias", True) is not False and "bias_initializer" in given
        if bias and not _constant(given["bias_initializer"]):
            return True
        if given.get("share", "none") == "none":
            return not _constant(given.get("kernel_initializer"))
        return "factors_initializer" in given and not _constant(given["factors_initializer"])
    return "Dropout" in name or "Noise" in name


def _constant(initializer: Value | None) -> bool:
    """Return whether an initializer of a spec gives the same values everywhere."""
    name = next(iter(initializer), "") if isinstance(initializer, dict) else initializer
    return name in CONSTANT
