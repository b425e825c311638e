"""A model as a graph of boxes: what each box says, which feeds which, and where each lies on a page."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlpcli.keras_internals import graph_nodes, producer
from mlpcli.printable import counted, printable

if TYPE_CHECKING:
    from mlpcli.keras_import import keras

StandIn = tuple[tuple[int, int], int]
"""An edge that is longer than one rank, and a rank that it passes."""

Item = int | StandIn
"""What lies in a rank: the index of a box, or a stand-in for a passing edge."""

PICKING = ("Take", "GetItem", "Cast")
"""Keras's operations by which a network picks columns of an input, for embeddings of categories."""

SWEEPS = 4
"""Passes down and up that move boxes close to their neighbours; more change nothing on small graphs."""


@dataclass
class Box:
    """One layer.

    Attributes:
        name: the layer's.
        kind: its class, with its activation.
        shape: of one row's output.
        parameters: how many it has.
        inside: of a model within the model, its layers: name, class, parameters.
        holds: of an input, the columns that it holds, in words; empty where they are not known.
        rank: the rows of boxes above it. Set by `lay_out`.
        place: its column, in columns from the middle. Set by `lay_out`.
    """

    name: str
    kind: str
    shape: str
    parameters: int
    inside: tuple[tuple[str, str, int], ...] = ()
    holds: str = ""
    rank: int = 0
    place: float = 0.0

    @property
    def details(self) -> list[str]:
        """The lines that it has beside the two of every box."""
        inside = [f"{name}  {kind}  {count:,}" for name, kind, count in self.inside]
        return [*filter(None, [self.holds]), *inside]


@dataclass
class Graph:
    """Boxes and the edges between them.

    Attributes:
        boxes: in the order of computation.
        edges: pairs of positions in `boxes`: the first feeds the second.
        bends: for each edge that spans more than one rank, the columns at which it passes the ranks between.
    """

    boxes: list[Box]
    edges: list[tuple[int, int]]
    bends: dict[tuple[int, int], list[float]] = field(default_factory=dict)

    @property
    def ranks(self) -> int:
        """The number of rows of boxes."""
        return 1 + max((box.rank for box in self.boxes), default=0)


def read_graph(model: keras.Model, contents: Mapping[str, str] = {}, *, whole: bool = False) -> Graph:
    """Return the layers of a functional model and how they are connected, laid out.

    Args:
        model: the network.
        contents: what its inputs hold, by their names; of the only one by an empty name.
        whole: also with what picks columns out of an input, which are no layers.
    """
    operations = list(model.operations)
    known = {id(operation): index for index, operation in enumerate(operations)}
    edges = []
    for node in graph_nodes(model):
        for tensor in node.input_tensors:
            edge = (known[id(producer(tensor))], known[id(node.operation)])
            if edge not in edges:
                edges.append(edge)
    graph = Graph([_box(operation) for operation in operations], edges)
    graph = graph if whole else _without_picking(graph)
    for box in graph.boxes:
        if box.kind == "input":
            box.holds = contents.get(box.name, contents.get("", ""))
    lay_out(graph)
    return graph


def _without_picking(graph: Graph) -> Graph:
    """Return a graph in which layers read an input from which operations pick columns, such as categories."""
    boxes = graph.boxes
    above = {second: first for first, second in graph.edges}
    source: dict[int, int] = {}
    for place, box in enumerate(boxes):
        end = place
        while boxes[end].kind in PICKING and end in above:
            end = above[end]
        if box.kind in PICKING and boxes[end].kind == "input":
            source[place] = end
    kept = [each for each in range(len(boxes)) if each not in source]
    places = {old: new for new, old in enumerate(kept)}
    edges = [(source.get(first, first), second) for first, second in graph.edges if second in places]
    pairs = dict.fromkeys((places[first], places[second]) for first, second in edges)
    return Graph([boxes[each] for each in kept], list(pairs))


def _box(operation: keras.Operation) -> Box:
    kind = type(operation).__name__
    activation = getattr(getattr(operation, "activation", None), "__name__", "linear")
    if kind == "InputLayer":
        kind = "input"
    elif activation != "linear" and kind not in ("Activation",):
        kind = f"{kind}, {activation}"
    parameters = int(operation.count_params()) if hasattr(operation, "count_params") else 0
    inner = getattr(operation, "layers", None) or ()
    inside = tuple(
        (layer.name, type(layer).__name__, int(layer.count_params()))
        for layer in inner
        if type(layer).__name__ != "InputLayer"
    )
    return Box(operation.name, kind, show_shapes(operation.output), parameters, inside)


def show_shapes(tensors: keras.KerasTensor | list[keras.KerasTensor] | dict[str, keras.KerasTensor]) -> str:
    """Return the shape of one row of a tensor, or of each of several: `28 x 28`, `1, 1`."""
    if isinstance(tensors, dict):
        tensors = list(tensors.values())
    if isinstance(tensors, list | tuple):
        return ", ".join(show_shapes(tensor) for tensor in tensors)
    return " x ".join("any" if size is None else str(size) for size in tensors.shape[1:]) or "1"


def lay_out(graph: Graph) -> None:
    """Set the rank and place of every box: layers below what they read, few crossings, neighbours close.

    Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system structures" (1981):
    ranks by the longest path from an input, a stand-in on every rank that a long edge passes, then the order
    in each rank by the mean place of the neighbours, down and up.
    """
    above: dict[int, list[int]] = {index: [] for index in range(len(graph.boxes))}
    for first, second in graph.edges:
        above[second].append(first)
    for index, box in enumerate(graph.boxes):  # in the order of computation: what it reads comes before
        box.rank = max((graph.boxes[other].rank + 1 for other in above[index]), default=0)
    rows: list[list[Item]] = [[] for _ in range(graph.ranks)]
    neighbours: dict[Item, list[Item]] = {}
    for index, box in enumerate(graph.boxes):
        rows[box.rank].append(index)
    for edge in graph.edges:
        chain = _chain(graph, edge, rows)
        for one, other in itertools.pairwise(chain):
            neighbours.setdefault(one, []).append(other)
            neighbours.setdefault(other, []).append(one)
    places = _place(rows, neighbours)
    for index, box in enumerate(graph.boxes):
        box.place = places[index]
    for edge in graph.edges:
        between = range(graph.boxes[edge[0]].rank + 1, graph.boxes[edge[1]].rank)
        graph.bends[edge] = [places[edge, rank] for rank in between]


def _chain(graph: Graph, edge: tuple[int, int], rows: list[list[Item]]) -> list[Item]:
    """Return the boxes of an edge with a stand-in for every rank between, which is added to the rows."""
    between: list[Item] = []
    for rank in range(graph.boxes[edge[0]].rank + 1, graph.boxes[edge[1]].rank):
        between.append((edge, rank))
        rows[rank].append((edge, rank))
    return [edge[0], *between, edge[1]]


def _place(rows: list[list[Item]], neighbours: dict[Item, list[Item]]) -> dict[Item, float]:
    places: dict[Item, float] = {}
    rank_of = {item: rank for rank, row in enumerate(rows) for item in row}
    for row in rows:
        places |= {item: index - (len(row) - 1) / 2 for index, item in enumerate(row)}
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for rank in range(len(rows)) if down else reversed(range(len(rows))):
            row = rows[rank]
            wanted = {
                item: _mean(
                    [places[n] for n in neighbours.get(item, []) if (rank_of[n] < rank) == down], places[item]
                )
                for item in row
            }
            row.sort(key=lambda item, wanted=wanted: wanted[item])  # type: ignore[misc]
            places |= {item: index - (len(row) - 1) / 2 for index, item in enumerate(row)}
    return places


def _mean(values: list[float], default: float) -> float:
    return math.fsum(values) / len(values) if values else default


def summary_text(model: keras.Model) -> str:
    """Return the layers as a table: name, class, shape of a row's output, parameters, and what each reads."""
    graph = read_graph(model, whole=True)
    reads: dict[int, list[str]] = {}
    for first, second in graph.edges:
        reads.setdefault(second, []).append(graph.boxes[first].name)
    rows = [("layer", "class", "output", "parameters", "reads")]
    for index, box in enumerate(graph.boxes):
        rows.append(
            (
                printable(box.name),
                printable(box.kind),
                box.shape,
                f"{box.parameters:,}",
                printable(", ".join(reads.get(index, []))),
            )
        )
        rows += [
            (f"  {printable(name)}", printable(kind), "", f"{count:,}", "")
            for name, kind, count in box.inside
        ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = []
    for name, kind, shape, count, read in rows:
        left = f"{name:<{widths[0]}}  {kind:<{widths[1]}}  {shape:<{widths[2]}}"
        lines.append(f"{left}  {count:>{widths[3]}}  {read}".rstrip())
    trainable = sum(int(math.prod(weight.shape)) for weight in model.trainable_weights)
    total = f"{counted(int(model.count_params()), 'parameter')}, {trainable:,} of them trained"
    return "\n".join([*lines, "", total, ""])
