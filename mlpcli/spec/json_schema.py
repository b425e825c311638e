"""The spec as a JSON Schema (draft 2020-12), so that an editor completes it and underlines errors.

It is generated from the same pydantic models and Keras signatures as the checks, so nothing is listed twice.
A schema checks less than `check` does: it accepts every valid spec, and rejects what a value and its key
alone show to be wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mlpcli.spec import keras_effects, keras_signatures
from mlpcli.spec.argument_rules import may_be_null, value_rule
from mlpcli.spec.argument_types import ITEMS
from mlpcli.spec.component_rules import (
    ALWAYS_THERE,
    FILLED_IN,
    SINGULAR,
    components_within,
    forbidden,
    has_short_names,
    kind_of_argument,
)
from mlpcli.spec.dataset_names import NAMES
from mlpcli.spec.extended_classes import SCHEDULED, SCHEDULED_LAYERS
from mlpcli.spec.extends import EXTENDS
from mlpcli.spec.features import KINDS, TARGET_SCALINGS
from mlpcli.spec.hyperparameters import FIXED_KEYS, KEYS, SAMPLINGS
from mlpcli.spec.meanings import EXTENDS_MEANING, MEANINGS
from mlpcli.spec.number_rules import BELOW_ONE
from mlpcli.spec.optimizer_keys import OWN_OPTIMIZER_KEYS, own_keys
from mlpcli.spec.schema import ComponentSpec, LayerSpec, OptimizerSpec, Spec

Schema = dict[str, Any]

NAMESPACE_OF_KEY = {
    "layers": "layers",
    "model": "models",
    "loss": "losses",
    "optimizer": "optimizers",
    "metrics": "metrics",
    "callbacks": "callbacks",
}
"""The kind of component under each key of a spec."""

COMPONENTS = ("ComponentSpec", "LayerSpec", "OptimizerSpec")
"""Models written as a class with its arguments, which pydantic cannot describe."""

KEYS_OF_COLUMNS = ("target", "features", "weights", "columns", "split", "by")
"""Keys whose values are column names."""

NEVER_SEARCHED = ("TunerSpec", "ObjectiveSpec", "PredictSpec", "ThresholdSpec")
"""The models under those keys that a search cannot change."""


def spec_schema(*, columns: Sequence[str] = ()) -> Schema:
    """Return the JSON Schema of a spec.

    Args:
        columns: the names that `target`, `features` and similar keys may take; empty for any text.
    """
    made = Spec.model_json_schema()
    definitions = {key: _section(key, item) for key, item in made["$defs"].items() if key not in COMPONENTS}
    top = {key: _property(value, key) for key, value in _told("Spec", made["properties"]).items()}
    top[EXTENDS] = {"type": "string", "description": EXTENDS_MEANING}
    _narrow(definitions["DatasetSpec"]["properties"]["name"], NAMES)
    if columns:
        for section in definitions.values():
            for key in set(KEYS_OF_COLUMNS) & set(section.get("properties", {})):
                _narrow(section["properties"][key], columns, keys_too=key == "features")
    if "FeatureSpec" in definitions:  # `city: categorical` is short for `city: {kind: categorical}`
        kinds = {"enum": list(KINDS)}
        definitions["FeatureSpec"] = {"anyOf": [definitions["FeatureSpec"], kinds]}
    if "TargetScalingSpec" in definitions:  # `log` is short for `{method: log}`
        methods = {"enum": list(TARGET_SCALINGS)}
        definitions["TargetScalingSpec"] = {"anyOf": [definitions["TargetScalingSpec"], methods]}
    required = [key for key in made["required"] if key != "name"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mlpcli spec",
        "type": "object",
        "properties": top | {key: {"anyOf": [top[key], {}]} for key in NAMESPACE_OF_KEY},  # for completion
        "additionalProperties": False,
        "allOf": [
            # missing keys may be inherited
            {
                "if": {"not": {"required": [EXTENDS]}},
                "then": {"required": required, "properties": {"dataset": _ONE_SOURCE}},
            },
            {
                "if": {"not": {"anyOf": [{"required": [EXTENDS]}, {"required": ["model"]}]}},
                "then": {"required": ["layers"]},
            },
            # components may come from a plug-in, which a schema does not know
            {
                "if": {"not": {"required": ["plugins"]}},
                "then": {"properties": {key: top[key] for key in NAMESPACE_OF_KEY}},
            },
        ],
        "$defs": definitions | _component_definitions() | {"hyperparameter": _hyperparameter()},
    }


_TWO_SOURCES: Schema = {
    "properties": {"name": {"type": "string"}, "path": {"type": "string"}},
    "required": ["name", "path"],
}
_ONE_SOURCE: Schema = {"anyOf": [{"required": ["name"]}, {"required": ["path"]}], "not": _TWO_SOURCES}
"""A dataset has a name or a path, not both."""


# ---------------------------------------------------------------- pydantic's half


def _section(name: str, section: Schema) -> Schema:
    """Return a model's schema in which every value that can be searched may be a hyperparameter."""
    top = FIXED_KEYS[0] if name in NEVER_SEARCHED else ""
    properties = {
        key: _property(value, top) for key, value in _told(name, section.get("properties", {})).items()
    }
    return {key: value for key, value in section.items() if key not in ("title", "description")} | {
        "properties": properties
    }


def _told(model: str, properties: Schema) -> Schema:
    """Return the keys of a model with what each means before the rule of its values: editors show both."""
    told = {}
    for key, value in properties.items():
        meaning, rule = MEANINGS[model][key], value.get("description")
        told[key] = value | {"description": f"{meaning.removesuffix('.')}: {rule}" if rule else meaning}
    return told


def _property(value: Schema, top: str = "") -> Schema:
    """Return the schema of one key under `top`: components by their kind, or a hyperparameter."""
    namespace = NAMESPACE_OF_KEY.get(top, "")
    plain = _mapped(value, lambda node: _reference(node, namespace))
    plain = {name: item for name, item in plain.items() if name not in ("title", "default")}
    if top in FIXED_KEYS:
        return plain
    description = plain.pop("description", "")
    return {"description": description} | _or_searched(plain)


def _reference(node: Schema, namespace: str) -> Schema:
    reference = node.get("$ref", "")
    if reference.endswith(tuple(f"/{name}" for name in COMPONENTS)):
        return _or_searched({"$ref": f"#/$defs/{namespace}"})
    return node


def _mapped(node: Any, change: Callable[[Schema], Schema]) -> Any:
    """Return a copy of a schema with each mapping in it changed, the innermost first."""
    if isinstance(node, dict):
        return change({key: _mapped(item, change) for key, item in node.items()})
    return [_mapped(item, change) for item in node] if isinstance(node, list) else node


def _narrow(node: Schema, names: Sequence[str], *, keys_too: bool = False) -> None:
    """Restrict the texts in a property to some names, and with `keys_too` the keys of its mappings."""

    def narrowed(inner: Schema) -> Schema:
        if keys_too and "additionalProperties" in inner:
            return inner | {"propertyNames": {"enum": list(names)}}
        return {"enum": list(names)} if inner.get("type") == "string" and "pattern" not in inner else inner

    node["else"] = _mapped(node["else"], narrowed)


def _or_searched(schema: Schema) -> Schema:
    """Allow a hyperparameter instead; not by `anyOf`, whose error messages do not say what is wrong."""
    searched = {"type": "object", "required": ["hp"]}
    return {"if": searched, "then": {"$ref": "#/$defs/hyperparameter"}, "else": schema}


def _hyperparameter() -> Schema:
    """Return the schema of a hyperparameter: `{hp: int, min: 1, max: 9}`; bounds and values are required."""
    types: Schema = {
        "name": {"type": "string"},
        "min": {"type": "number"},
        "max": {"type": "number"},
        "step": {"type": "number", "exclusiveMinimum": 0},
        "sampling": {"enum": list(SAMPLINGS)},
        "values": {"type": "array", "minItems": 1},
    }
    kinds = []
    for kind, keys in KEYS.items():
        properties = {key: types.get(key, {}) for key in keys} | {"hp": {"const": kind}}
        required = ["hp", *(key for key in ("min", "max", "values") if key in keys)]
        kinds.append(
            {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
        )
    return {"description": "a value to be searched; train takes its default", "oneOf": kinds}


# ---------------------------------------------------------------- Keras's half


def _component_definitions() -> Schema:
    """Return a definition for each kind of component: a short name, or a class with its arguments."""
    definitions: Schema = {}
    for namespace in (*keras_signatures.NAMESPACES, "activations"):
        classes = _classes(namespace)
        for name in classes:
            definitions[f"{namespace}.{name}"] = _arguments(namespace, name)
        definitions[namespace] = _component(namespace, classes)
    definitions["models"] = {"type": ["string", "object"]}  # in a plug-in, which is not read here
    return definitions


def _classes(namespace: str) -> list[str]:
    if namespace == "activations":
        return []
    return [name for name in keras_signatures.class_names(namespace) if not forbidden(namespace, name)]


def _component(namespace: str, classes: list[str]) -> Schema:
    words = {name for name in classes if not _required(namespace, name)}
    if namespace == "activations":
        return {
            "description": "an activation, by name or as a layer such as {LeakyReLU: {negative_slope: 0.1}}",
            "anyOf": [{"enum": sorted(keras_signatures.short_names(namespace))}, {"$ref": "#/$defs/layers"}],
        }
    if has_short_names(namespace):
        short = set(keras_signatures.short_names(namespace)) - set(classes)
        words |= {name for name in short if not forbidden(namespace, name)}
    mapping: Schema = {
        "type": "object",
        "properties": {name: {"$ref": f"#/$defs/{namespace}.{name}"} for name in classes},
        "additionalProperties": False,
    }
    if namespace in ("layers", "optimizers"):
        model: type[ComponentSpec] = LayerSpec if namespace == "layers" else OptimizerSpec
        own = model.model_json_schema()["properties"]
        told = _told(model.__name__, {key: own[key] for key in own_keys(namespace) if key in own})
        mapping["properties"] |= {key: _property(value) for key, value in told.items()}
        for key in OWN_OPTIMIZER_KEYS if namespace == "optimizers" else ():
            factor = {"type": "number", "minimum": 0}
            mapping["properties"][key] = {
                "description": told[key]["description"],
                "type": ["object", "null"],
                "additionalProperties": _or_searched(factor),
            }
        mapping["oneOf"] = [{"required": [name]} for name in classes]
    else:
        mapping |= {"minProperties": 1, "maxProperties": 1}
    kind = SINGULAR[namespace]
    return {
        "description": f"a {kind}, by name or as {{Name: {{argument: value}}}}",
        "anyOf": [{"enum": sorted(words)}, mapping],
    }


def _required(namespace: str, class_name: str) -> list[str]:
    needed = keras_signatures.signature(namespace, class_name).required
    return [name for name in needed if (namespace, name) not in FILLED_IN]


def _arguments(namespace: str, class_name: str) -> Schema:
    signature = keras_signatures.signature(namespace, class_name)
    required = _required(namespace, class_name)
    properties = {
        name: _argument(namespace, class_name, name, default) for name, default in signature.defaults.items()
    }
    for name in properties:
        for schema in _several(namespace, class_name, name):
            properties[name] = schema
        if keras_effects.list_hint(namespace, class_name, name):
            properties[name] = _or_searched({"type": ["array", "null"]})
    off = ["boolean"] if namespace == "callbacks" and class_name in ALWAYS_THERE else []
    return {
        "type": "object" if required else ["object", "null", *off],
        **({"not": {"const": True}} if off else {}),
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _several(namespace: str, class_name: str, name: str) -> Iterator[Schema]:
    """Yield the schema of an argument that is a list or mapping of components, or may be one."""
    if lists := components_within(namespace, class_name, name, [None]):
        items = {"type": "array", "items": _or_searched({"$ref": f"#/$defs/{lists[0][2]}"})}
        one = [] if name in ITEMS else [{"$ref": f"#/$defs/{lists[0][2]}"}]
        yield _or_searched({"anyOf": [items, *one]} if one else items)
    if namespace == "layers" and name == SCHEDULED and class_name in SCHEDULED_LAYERS:
        yield _or_searched({"anyOf": [{"$ref": "#/$defs/optimizers.schedules"}, BELOW_ONE.schema]})
    if values := components_within(namespace, class_name, name, {"": None}):
        yield {"type": ["object", "null"], "additionalProperties": {"$ref": f"#/$defs/{values[0][2]}"}}


def _argument(namespace: str, class_name: str, name: str, default: object) -> Schema:
    """Return the schema of an argument, by the rules of `argument_rules.py`."""
    kind = kind_of_argument(name)
    rule = value_rule(namespace, class_name, name, keras=True)
    schema: Schema = {}
    if rule is not None:
        null = may_be_null(namespace, default, rule, keras=True)
        schema = {"anyOf": [rule.schema, {"type": "null"}]} if null else {**rule.schema}
    elif isinstance(default, bool):
        schema = {"type": "boolean"}
    elif isinstance(default, float):
        schema = {"not": {"type": ["boolean", "string"]}}
    elif isinstance(default, int) and name != "verbose":
        schema = {"not": {"type": "boolean"}}
    if kind is not None:
        other = schema if rule is not None else {"not": {"type": ["string", "object", "array"]}}
        schema = {"anyOf": [{"$ref": f"#/$defs/{kind}"}, other]}
    if isinstance(default, bool | int | float | str):
        schema |= {"default": default}
    return _or_searched(schema) if schema else {}
