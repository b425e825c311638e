"""Keras components as the Python source that creates them."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from pathlib import Path

from mlpcli.codegen.extract import read_pieces
from mlpcli.codegen.source_text import text
from mlpcli.data.dataset import Contract, Output
from mlpcli.data.levels import median_place
from mlpcli.spec import keras_signatures
from mlpcli.spec.argument_types import as_keras_takes
from mlpcli.spec.component_rules import components_within, namespace_of_argument
from mlpcli.spec.extended_classes import class_in_place
from mlpcli.spec.keras_source import snake_case
from mlpcli.spec.optimizer_keys import DECAYS
from mlpcli.spec.schema import ComponentSpec, Spec
from mlpcli.spec.values import Value

WIDTH = 100
"""Columns of a line of the script."""

PACKAGE = Path(__file__).parents[1]
MORE_FILES = (
    PACKAGE / "keras_internals.py",
    PACKAGE / "model" / "member_loss.py",
    PACKAGE / "model" / "metric_wrappers.py",
    PACKAGE / "model" / "quantile_outputs.py",
)
"""The files of what no spec names: the loss of members, factors on single variables, quantiles in order."""


class KerasCalls:
    """Writes Keras components as Python, and remembers which custom objects it used."""

    def __init__(self, spec: Spec, contract: Contract) -> None:
        self.spec, self.contract = spec, contract
        self.used: set[str] = set()
        self.factored: set[str] = set()  # classes of optimizers with factors, or with a schedule of the decay

    def custom_objects(self) -> list[str]:
        """Return the source of the custom objects that were used."""
        pieces: dict[str, None] = {}  # in their order; each file has an alias of `keras.ops`
        given = ("keras", "np", "math", "fnmatch", "Callable", "Any")
        for file in (*keras_signatures.custom_object_files(), *MORE_FILES):
            pieces |= dict.fromkeys(read_pieces(file, sorted(self.used), given=given))
        for name in sorted(self.factored):
            head = f"class {name}WithFactors(VariableFactors, keras.optimizers.{name}):"
            pieces[f'{head}\n    """Keras\'s own, with factors on single variables."""'] = None
        return list(pieces)

    def component(self, component: ComponentSpec, namespace: str) -> str:
        """Return a loss, metric, optimizer or callback as source; short names stay texts."""
        name = component.class_name
        if name in keras_signatures.class_names(namespace):
            return self.call(namespace, name, component.arguments)
        return self.short(name, namespace)

    def loss(self, component: ComponentSpec, *, of_members: bool) -> str:
        """Return a loss as source; in training, that of each member."""
        written = self.component(component, "losses")
        if not of_members:
            return written
        self.used |= {"MemberLoss", "with_logits"}
        return call("MemberLoss", [written])

    def metric(self, component: ComponentSpec, output: Output) -> str:
        """Return a metric as source; of quantiles it is that of the median."""
        written, levels = self.component(component, "metrics"), output.levels
        if not levels:
            return written
        self.used |= {"OfMedian", "MetricWrapper", "metric_direction", "set_metric_direction"}
        return call("OfMedian", [written, f"levels={len(levels)}", f"place={median_place(levels)}"])

    def in_order(self, tensor: str, levels: int | None) -> str:
        """Return the source of an output of quantiles in order; that of another output unchanged."""
        return f"{self.ordering(levels)}({tensor})" if levels else tensor

    def ordering(self, levels: int) -> str:
        """Return the layer that puts quantiles in order, as source."""
        self.used.add("RisingQuantiles")
        exact = [] if self.spec.fit.precision == "float32" else ['dtype="float32"']
        return call("RisingQuantiles", [f"levels={levels}", *exact])

    def optimizer(self) -> str:
        """Return the spec's optimizer as source; of a class of its own where variables have factors."""
        optimizer = self.spec.optimizer
        factors = [f"{key}={each!r}" for key, each in optimizer.factors.items()]
        if not factors:
            return self.component(optimizer, "optimizers")
        given = self.arguments("optimizers", optimizer.class_name, optimizer.arguments)
        return call(self._with_factors(optimizer.class_name), [*given, *factors])

    def _with_factors(self, class_name: str) -> str:
        self.used.add("VariableFactors")
        self.factored.add(class_name)
        return f"{class_name}WithFactors"

    def short(self, name: str, namespace: str) -> str:
        """Return a short name, or the custom object that it stands for."""
        if name in keras_signatures.own_class_names(namespace):
            return self.call(namespace, name, {})
        if name not in keras_signatures.own_short_names(namespace):
            return text(name.lower() if namespace == "optimizers" else name)
        if namespace == "losses":
            owners = keras_signatures.own_class_names("losses")
            name = next(each for each in owners if snake_case(each) == name)
            self.used.add(name)
            return f"{name}()"
        self.used.add(name)
        return name

    def call(self, namespace: str, class_name: str, arguments: Mapping[str, Value]) -> str:
        """Return a call such as `keras.layers.Dense(units=10, activation="relu")`."""
        owner = f"keras.{namespace}."
        in_place, given = class_in_place(namespace, class_name, arguments)
        if in_place in keras_signatures.own_class_names(namespace) or in_place.startswith("_"):
            self.used.add(in_place)
            owner = ""
        elif namespace == "optimizers" and any(isinstance(arguments.get(name), dict) for name in DECAYS):
            owner, in_place = "", self._with_factors(class_name)
        return call(f"{owner}{in_place}", self.arguments(namespace, class_name, given))

    def arguments(self, namespace: str, class_name: str, arguments: Mapping[str, Value]) -> list[str]:
        """Return the arguments of a call: `["units=10", "activation='relu'"]`."""
        return [
            f"{name}={self.argument(namespace, class_name, name, value)}" for name, value in arguments.items()
        ]

    def argument(self, namespace: str, class_name: str, name: str, value: Value) -> str:
        """Return an argument of a class as Python source, with its components as calls."""
        several = components_within(namespace, class_name, name, value)
        if several is not None:
            written = [self.nested(kind, item) for _, item, kind in several]
            if isinstance(value, dict):
                keyed = (f"{text(key)}: {item}" for key, item in zip(value, written, strict=True))
                return "{" + ", ".join(keyed) + "}"
            return "[" + ", ".join(written) + "]"
        taken = as_keras_takes(namespace, class_name, name, value)
        if isinstance(taken, tuple):
            return "(" + "".join(f"{self.value(name, item)}, " for item in taken).rstrip(" ") + ")"
        return self.value(name, taken if isinstance(taken, float) else value)

    def nested(self, namespace: str, component: Value) -> str:
        """Return a component inside another as source; an optimizer's name as the optimizer."""
        if isinstance(component, dict):
            ((class_name, given),) = component.items()
            return self.call(namespace, class_name, given if isinstance(given, dict) else {})
        if component in keras_signatures.class_names(namespace):
            return self.call(namespace, str(component), {})
        short = self.short(str(component), namespace)
        return f"keras.optimizers.get({short})" if namespace == "optimizers" else short

    def value(self, name: str, value: Value) -> str:
        """Return an argument's value as Python source."""
        namespace = namespace_of_argument(name, value)
        if isinstance(value, dict) and namespace:
            ((class_name, given),) = value.items()
            arguments = given if isinstance(given, dict) else {}
            return self.call(namespace, class_name, arguments)
        if isinstance(value, str):
            if namespace in ("layers", "optimizers"):
                return self.nested(namespace, value)
            return self.short(value, namespace) if namespace else text(value)
        if isinstance(value, list):
            return "[" + ", ".join(self.value(name, item) for item in value) + "]"
        if isinstance(value, dict):
            return "{" + ", ".join(f"{key!r}: {self.value('', item)}" for key, item in value.items()) + "}"
        finite = not isinstance(value, float) or math.isfinite(value)
        return repr(value) if finite else f'float("{value}")'


def call(function: str, arguments: list[str]) -> str:
    """Return a call on one line, or with one argument per line where it is too long."""
    one_line = f"{function}({', '.join(arguments)})"
    if len(one_line) <= WIDTH and "\n" not in one_line:
        return one_line
    inside = "".join(textwrap.indent(f"{argument},\n", "    ") for argument in arguments)
    return f"{function}(\n{inside})"
