"""The layers of a spec as a graph, sorted so that every layer comes after its inputs.

A layer reads the layer above it unless `from` says otherwise; `repeat` creates copies in a chain. Problems
are collected, never raised, so that they are reported with all others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from mlpcli.errors import KeyPath, Problem, listing, suggest
from mlpcli.spec import keras_signatures
from mlpcli.spec.keras_source import snake_case

MOST_COPIES = 1000
"""The most copies of one layer by `repeat`, so that a typing error cannot build a huge network."""

OWN_LAYER_KEYS = ("name", "from", "repeat")
"""The keys next to a layer's class that are mlpcli's, not Keras's."""

ONLY_INPUT = "input"
"""The name of the input if the spec names none."""

MOST_LAYERS = 10_000
"""The most layers of a network, including copies."""

CIRCLE_SHOWN = 12

ONLY_OUTPUT = "output"
"""The name of the only output of a model class."""


@dataclass(frozen=True)
class Node:
    """One layer of the network.

    Attributes:
        name: its given name, or one as Keras gives: `dense`, `dense_1`; copies are `name_1`, `name_2`, ...
        index: its position in the spec's list.
        sources: the layers and inputs that it reads.
        many: the sources are written as a list.
    """

    name: str
    index: int
    sources: tuple[str, ...]
    many: bool


@dataclass(frozen=True)
class Graph:
    """The network.

    Attributes:
        inputs: the names of its inputs, empty if the spec names none.
        nodes: its layers, each after those that it reads.
        outputs: the names of the output layers.
        named: the data, the loss or the metrics name the outputs; otherwise there is only one.
    """

    inputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    named: bool


@dataclass(frozen=True)
class _Entry:
    """One item of the spec's list, with the names of its copies (none if it is repeated 0 times)."""

    index: int
    names: tuple[str, ...]
    sources: tuple[str, ...] | None
    many: bool
    own: str | None


def read_graph(data: Mapping[str, object]) -> tuple[Graph | None, list[Problem]]:
    """Return the graph of a spec's plain values, or None and its problems.

    The schema, not this function, reports values of a wrong type.
    """
    layers = data.get("layers")
    if not isinstance(layers, list) or not layers:
        return None, []
    inputs = data.get("inputs")
    inputs = tuple(map(str, inputs)) if isinstance(inputs, Mapping) else ()
    return _Reader(data, layers, inputs).read()


def output_keys(data: Mapping[str, object]) -> dict[str, KeyPath]:
    """Return the output names that a spec uses, each with the place of its first use."""
    target = _target(data)
    found: dict[str, KeyPath] = {}
    for path, value in (
        (("dataset", "target"), target),
        (("loss",), data.get("loss") if is_by_output(data.get("loss"), data) else None),
        (("loss_weights",), data.get("loss_weights")),
        (("metrics",), data.get("metrics")),
    ):
        for name in value if isinstance(value, Mapping) else ():
            found.setdefault(str(name), (*path, str(name)))
    return found


def layer_names(data: Mapping[str, object]) -> set[str]:
    """Return the names that a spec gives to its layers."""
    layers = data.get("layers")
    listed = layers if isinstance(layers, list) else ()
    return {str(layer["name"]) for layer in listed if isinstance(layer, Mapping) and "name" in layer}


def is_by_output(loss: object, data: Mapping[str, object]) -> bool:
    """Return whether a loss is a mapping of outputs to losses, not one loss with its arguments.

    A component is one class with a mapping of arguments, and classes begin with a capital letter.
    """
    if not isinstance(loss, Mapping):
        return False
    if len(loss) != 1:
        return bool(loss)
    ((name, value),) = loss.items()
    target = _target(data)
    if name in layer_names(data) or (isinstance(target, Mapping) and name in target):
        return True
    is_class = str(name)[:1].isupper() or name in keras_signatures.short_names("losses")
    return not is_class or not isinstance(value, Mapping | None)


def _target(data: Mapping[str, object]) -> object:
    dataset = data.get("dataset")
    return dataset.get("target") if isinstance(dataset, Mapping) else None


class _Reader:
    """Read the list of layers, first for their names, then for their sources."""

    def __init__(self, data: Mapping[str, object], layers: Sequence[object], inputs: tuple[str, ...]) -> None:
        self.data, self.layers, self.inputs = data, layers, inputs or (ONLY_INPUT,)
        self.declared = bool(inputs)
        self.problems: list[Problem] = []
        self.entries = self._entries()
        self.sources: dict[str, tuple[str, ...]] = {}
        self.places: dict[str, int] = {name: entry.index for entry in self.entries for name in entry.names}
        self.aliases: dict[str, tuple[str, ...]] = {name: (name,) for name in self.inputs}
        for entry in self.entries:
            self.aliases |= {name: (name,) for name in entry.names}
            if entry.own is not None:
                self.aliases[entry.own] = entry.names[-1:]

    def read(self) -> tuple[Graph | None, list[Problem]]:
        """Return the graph, or None, and the problems."""
        if self.problems:  # with a name used twice, the sources are ambiguous
            return None, self.problems
        many: dict[str, bool] = {}
        above: tuple[str, ...] | None = None
        for entry in self.entries:
            reads = self._reads(entry, above)
            for name in entry.names:
                self.sources[name], many[name] = reads, entry.many and name == entry.names[0]
                reads = (name,)
            above = reads
            if entry.own is not None and not entry.names:
                self.aliases[entry.own] = reads
        keys = output_keys(self.data)
        outputs = self._outputs(keys, above or ())
        order = self._order()
        if not self.problems:
            self.problems += self._unread(outputs, bool(keys))
        if self.problems:
            return None, self.problems
        nodes = tuple(Node(name, self.places[name], self.sources[name], many[name]) for name in order)
        return Graph(self.inputs if self.declared else (), nodes, outputs, bool(keys)), []

    def _entries(self) -> list[_Entry]:
        """Return every item of the list that names a class, with the names of its layers."""
        found = []
        taken = {name: f"input {name!r}" if self.declared else "the network's input" for name in self.inputs}
        given = [_own_name(layer) for layer in self.layers]
        reserved = {*given, *taken}
        for layer, name in zip(self.layers, given, strict=True):
            reserved |= {*_copied(name, _copies(layer))} if name is not None else set()
        count: dict[str, int] = {}
        total = 0
        for index, layer in enumerate(self.layers):
            class_name = _class_of(layer)
            if class_name is None:
                continue
            own, copies = given[index], _copies(layer)
            total += copies
            if total > MOST_LAYERS:
                rule = f"brings the network to more than {MOST_LAYERS:,} layers"
                self.problems.append(Problem(rule, path=("layers", index)))
                break
            names = _names(own, class_name, copies, reserved, count)
            used = dict.fromkeys((own, *names)) if own is not None else names
            if twice := next((name for name in used if name in taken), None):
                rule = f"is already the name of {taken[twice]}"
                if twice != own:
                    rule = f"its copies are {own}_1 and so on, and {twice} {rule}"
                self.problems.append(Problem(rule, path=("layers", index, "name"), received=own))
            taken |= dict.fromkeys(used, f"a copy of layers[{index}]")
            if own is not None:
                taken[own] = f"layers[{index}]"
            found.append(_Entry(index, names, *_from(layer), own))
        return found

    def _reads(self, entry: _Entry, above: tuple[str, ...] | None) -> tuple[str, ...]:
        path: KeyPath = ("layers", entry.index, "from")
        if entry.sources is None:
            if above is None and len(self.inputs) > 1:
                hint = f"add from: {self.inputs[0]}, or another of {listing(self.inputs)}"
                rule = "must name the input that it reads, there are several"
                self.problems.append(Problem(rule, path=("layers", entry.index), hint=hint))
            return above if above is not None else self.inputs[:1]
        found: list[str] = []
        for place, source in enumerate(entry.sources):
            where = (*path, place) if entry.many else path
            if source not in self.aliases:
                rule = "no layer or input has this name"
                near = suggest(source, self._known(), lambda: f"available: {listing(self._known())}")
                self.problems.append(Problem(rule, path=where, received=source, hint=near))
            elif not self.aliases[source]:
                rule = "is the name of a layer further down that is repeated 0 times"
                self.problems.append(Problem(rule, path=where, received=source))
            found += self.aliases.get(source, ())
        if len(found) > 1 and not entry.names:
            rule = "a layer that is repeated 0 times can read only one layer"
            self.problems.append(Problem(rule, path=path, received=list(entry.sources)))
        return tuple(found)

    def _known(self) -> Iterator[str]:
        return chain(self.inputs, self.places)

    def _order(self) -> list[str]:
        """Return every layer after those that it reads, in the spec's order where possible."""
        position = {name: place for place, name in enumerate(self.sources)}
        readers: dict[str, list[str]] = {}
        for name, sources in self.sources.items():
            for source in set(sources) - set(self.inputs):
                readers.setdefault(source, []).append(name)
        left = {name: len(set(sources) - set(self.inputs)) for name, sources in self.sources.items()}
        ready = [name for name, count in left.items() if not count]
        rounds = dict.fromkeys(self.sources, 0)  # the pass through the list in which a layer can be built
        done = set(self.inputs)
        while ready:
            source = ready.pop()
            done.add(source)
            for name in readers.get(source, ()):
                rounds[name] = max(rounds[name], rounds[source] + (position[source] > position[name]))
                left[name] -= 1
                if not left[name]:
                    ready.append(name)
        if waiting := [name for name in self.sources if name not in done]:
            self._report_circle(waiting, done)
        order = (name for name in self.sources if name in done)
        return sorted(order, key=lambda name: (rounds[name], position[name]))

    def _report_circle(self, waiting: Sequence[str], done: set[str]) -> None:
        """Follow the layers that read each other until one repeats."""
        trail: dict[str, None] = {}
        name = waiting[0]
        while name not in trail:
            trail[name] = None
            name = next(source for source in self.sources[name] if source not in done)
        circle = list(trail)[list(trail).index(name) :]
        first = min(range(len(circle)), key=lambda place: self.places[circle[place]])
        turned = [*circle[first:], *circle[: first + 1]]
        if len(turned) > CIRCLE_SHOWN:
            turned = [*turned[: CIRCLE_SHOWN - 2], "...", turned[-1]]
        rule = f"layers read each other in a circle: {' reads '.join(turned)}"
        path: KeyPath = ("layers", self.places[turned[0]], "from")
        self.problems.append(Problem(rule, path=path, hint="let one of them read a layer outside the circle"))

    def _outputs(self, keys: Mapping[str, KeyPath], last: tuple[str, ...]) -> tuple[str, ...]:
        """Return the output layers: those that the spec names as outputs, otherwise the last one."""
        if not keys:
            return last
        found: list[str] = []
        for name, path in keys.items():
            if name in self.aliases and name not in self.inputs:
                found += self.aliases[name]
            else:
                hint = suggest(name, self.places, self._which_layers)
                rule = "no layer has this name, so it cannot be an output"
                self.problems.append(Problem(rule, path=path, received=name, hint=hint))
        self.problems += self._without_loss(keys)
        return tuple(dict.fromkeys(found))

    def _which_layers(self) -> str:
        return f"the layers are {listing(self.places)}; give the output layer this name"

    def _without_loss(self, keys: Mapping[str, KeyPath]) -> Iterator[Problem]:
        """Yield a problem for each output without a loss or without a target."""
        target = _target(self.data)
        loss = self.data.get("loss")
        for name, path in keys.items():
            if isinstance(loss, Mapping) and is_by_output(loss, self.data) and name not in loss:
                yield Problem("has no loss", path=path, received=name, hint=f"add {name}: ... to loss")
            elif isinstance(target, Mapping) and name not in target:
                hint = suggest(name, target, f"add {name}: COLUMN to dataset.target")
                yield Problem("has no target", path=path, received=name, hint=hint)

    def _unread(self, outputs: tuple[str, ...], named: bool) -> Iterator[Problem]:
        """Yield a problem for each layer and input that nothing reads."""
        read = {source for sources in self.sources.values() for source in sources} | {*outputs}
        for name, index in self.places.items():
            if name not in read:
                hint = "name it in another layer's from, or make it an output with dataset.target: {"
                hint += f"{name}: COLUMN" + ", ...}"
                yield Problem("nothing reads this layer", path=("layers", index), received=name, hint=hint)
        for name in self.inputs if self.declared else ():
            if name not in read:
                hint = f"write from: {name} in a layer, or remove it"
                yield Problem("no layer reads this input", path=("inputs", name), received=name, hint=hint)


def _class_of(layer: object) -> str | None:
    if isinstance(layer, str):
        return layer
    if not isinstance(layer, Mapping):
        return None
    classes = [str(key) for key in layer if key not in OWN_LAYER_KEYS]
    return classes[0] if len(classes) == 1 else None


def _own_name(layer: object) -> str | None:
    if not isinstance(layer, Mapping):
        return None
    arguments = next((v for k, v in layer.items() if k not in OWN_LAYER_KEYS and isinstance(v, Mapping)), {})
    name = layer.get("name") or arguments.get("name")
    return name if isinstance(name, str) else None


def _copies(layer: object) -> int:
    repeat = layer.get("repeat", 1) if isinstance(layer, Mapping) else 1
    return (
        repeat
        if isinstance(repeat, int) and not isinstance(repeat, bool) and 0 <= repeat <= MOST_COPIES
        else 1
    )


def _from(layer: object) -> tuple[tuple[str, ...] | None, bool]:
    sources = layer.get("from") if isinstance(layer, Mapping) else None
    if isinstance(sources, str):
        return (sources,), False
    if isinstance(sources, list | tuple) and sources and all(isinstance(each, str) for each in sources):
        return tuple(sources), True
    return None, False


def _copied(name: str, copies: int) -> tuple[str, ...]:
    """Return the names of the copies of a layer that has a name."""
    return (name,) if copies == 1 else tuple(f"{name}_{place + 1}" for place in range(copies))


def _names(
    own: str | None, class_name: str, copies: int, reserved: set[str | None], count: dict[str, int]
) -> tuple[str, ...]:
    """Return the names of a layer's copies, as Keras names them if the spec gives no name."""
    if own is not None:
        return _copied(own, copies)
    stem = snake_case(class_name)
    names: list[str] = []
    while len(names) < copies:
        number = count.get(stem, 0)
        count[stem] = number + 1
        name = f"{stem}_{number}" if number else stem
        if name not in reserved:
            names.append(name)
    return tuple(names)
