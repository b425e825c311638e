"""Write the spec with every default filled in: `resolved.yaml`, which trains the same run again."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from mlpcli.printable import quoted
from mlpcli.spec.component_rules import namespace_of_argument
from mlpcli.spec.extended_classes import added_defaults
from mlpcli.spec.keras_signatures import Signature
from mlpcli.spec.layer_graph import OWN_LAYER_KEYS
from mlpcli.spec.load import LoadedSpec
from mlpcli.spec.locations import absolute, with_files
from mlpcli.spec.plugins import PLUGINS_FOLDER, Catalog
from mlpcli.spec.schedule_lengths import WHOLE_BY_DEFAULT, WHOLE_TRAINING
from mlpcli.spec.schema import ComponentSpec, DatasetSpec, LayerSpec
from mlpcli.spec.split_forms import SplitBy
from mlpcli.spec.synthetic import CLOUDS, DEFAULT_NOISE, DEFAULT_ROWS
from mlpcli.spec.values import Value, ValueMap
from mlpcli.spec.yaml_reader import FLOAT

T = TypeVar("T")


def resolve_spec(loaded: LoadedSpec, division: Mapping[str, object], features: ValueMap | None = None) -> str:
    """Return the resolved spec as YAML text; see `resolved_document`."""
    return dump(resolved_document(loaded, division, features))


def resolved_document(
    loaded: LoadedSpec, division: Mapping[str, object], features: ValueMap | None = None
) -> dict[str, Any]:
    """Return the resolved spec as plain values.

    Args:
        loaded: the completed spec.
        division: how the `test` and `validation` splits were made, without a test split that the dataset has;
            and other keys of the dataset that its data settled.
        features: for a table, how each column is prepared.
    """
    spec, catalog = loaded.spec, loaded.catalog
    dataset = _dataset(spec.dataset, loaded.folder, division)
    if features is not None:
        for stated in ("features", "scaling", "clip"):
            dataset.pop(stated, None)
        dataset["features"] = features
    document: dict[str, Any] = {"name": spec.name, "seed": spec.seed, "dataset": dataset}
    if spec.inputs:
        document["inputs"] = {k: each.model_dump(exclude_none=True) for k, each in spec.inputs.items()}
    if spec.model is not None:
        document["model"] = _component(spec.model, "models", catalog)
    else:
        document["layers"] = [_layer(layer, catalog) for layer in spec.layers]
    assert spec.loss is not None, "the spec is completed"
    assert spec.metrics is not None, "the spec is completed"
    document["loss"] = _by_output(spec.loss, lambda loss: _flat(_component(loss, "losses", catalog)))
    if spec.loss_weights is not None:
        document["loss_weights"] = dict(spec.loss_weights)
    optimizer = _component(spec.optimizer, "optimizers", catalog)
    factors = spec.optimizer.factors
    document["optimizer"] = {**optimizer, **factors} if factors else _flat(optimizer)
    document["metrics"] = _by_output(
        spec.metrics, lambda metrics: [_flat(_component(metric, "metrics", catalog)) for metric in metrics]
    )
    if spec.start_from is not None:
        document["start_from"] = spec.start_from.model_dump(exclude_none=True)
    document["fit"] = spec.fit.model_dump(exclude_none=True)
    document["callbacks"] = [
        {component.class_name: False} if component.off else _flat({component.class_name: component.arguments})
        for component in spec.callbacks
    ]
    if spec.predict is not None:
        document["predict"] = spec.predict.plain()
    if catalog.plugins:  # the run's own copies
        document["plugins"] = [f"{PLUGINS_FOLDER}/{plugin.base_name}" for plugin in catalog.plugins]
    return document


def _by_output(value: T | dict[str, T], resolve: Callable[[T], Value]) -> Value:
    return {k: resolve(each) for k, each in value.items()} if isinstance(value, dict) else resolve(value)


def _layer(layer: LayerSpec, catalog: Catalog) -> ValueMap:
    own: ValueMap = {"name": layer.name} if layer.name else {}
    if layer.sources is not None:
        own["from"] = layer.sources if isinstance(layer.sources, str) else [*layer.sources]
    if layer.repeat != 1:
        own["repeat"] = layer.repeat
    return {**_component(layer, "layers", catalog), **own}


def _dataset(spec: DatasetSpec, folder: Path, splits: Mapping[str, object]) -> ValueMap:
    found = spec.model_dump(exclude_none=True, exclude={"test", "validation"})
    if spec.name in CLOUDS:
        found = {"name": spec.name, "rows": DEFAULT_ROWS, "noise": DEFAULT_NOISE} | found
    if spec.target_scaling is not None:
        found["target_scaling"] = spec.target_scaling.plain()
    for name, value in splits.items():
        found[name] = value.plain() if isinstance(value, SplitBy) else value
    return with_files(found, lambda path: absolute(path, folder))


def portable(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a spec's plain values for a copy in a run folder, which no longer needs the spec's own folder.

    Data files become absolute; plug-ins are the run's copies. The files that a search chooses from stay as
    written, since a trial is identified by its values.
    """
    placed = dict(document)
    if isinstance(document.get("dataset"), dict):
        placed["dataset"] = with_files(document["dataset"], lambda path: absolute(path, folder))
    if "plugins" in document:
        placed["plugins"] = [f"{PLUGINS_FOLDER}/{Path(name).name}" for name in document["plugins"]]
    return placed


def _component(component: ComponentSpec, namespace: str, catalog: Catalog) -> ValueMap:
    if component.class_name not in catalog.class_names(namespace):  # a short name such as mse
        return {component.class_name: {}}
    return {component.class_name: _arguments(component.class_name, component.arguments, namespace, catalog)}


def _arguments(class_name: str, given: ValueMap, namespace: str, catalog: Catalog) -> ValueMap:
    """Return the given arguments, then Keras's defaults if they are plain constants."""
    signature = catalog.signature(namespace, class_name)
    added = added_defaults(namespace, class_name)  # earlier versions do not know them
    plain = {
        name: value
        for name, value in signature.defaults.items()
        if name not in (*given, *added)
        and isinstance(value, bool | int | float | str)
        and name not in OWN_LAYER_KEYS
    }
    filled: ValueMap = {WHOLE_BY_DEFAULT: dict(WHOLE_TRAINING)} if _whole_is_missing(signature, given) else {}
    return {name: _argument(name, value, catalog) for name, value in given.items()} | filled | plain


def _whole_is_missing(signature: Signature, given: ValueMap) -> bool:
    return WHOLE_BY_DEFAULT in signature.required and WHOLE_BY_DEFAULT not in given


def _argument(name: str, value: Value, catalog: Catalog) -> Value:
    if isinstance(value, dict) and (namespace := namespace_of_argument(name, value, catalog)):
        ((class_name, arguments),) = value.items()
        given = arguments if isinstance(arguments, dict) else {}
        return {class_name: _arguments(class_name, given, namespace, catalog)}
    return value


def _flat(component: ValueMap) -> Value:
    """Return `mse` for `{mse: {}}`."""
    ((name, arguments),) = component.items()
    return component if arguments else name


def dump(document: object, *, flow: bool | None = False) -> str:
    """Write plain values as YAML that our reader reads back unchanged; `flow` None: leaves in one line."""
    text: str = yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100, default_flow_style=flow
    )
    return "".join(char if char == "\n" or char.isprintable() else quoted(char)[1:-1] for char in text)


def inline(value: object) -> str:
    """Write a plain value as YAML in one line, for use inside brackets."""
    text: str = yaml.dump([value], Dumper=_Dumper, allow_unicode=True, width=10**9, default_flow_style=True)
    return text.strip()[1:-1]


class _Dumper(yaml.SafeDumper):
    """A dumper that quotes texts that our reader would read as numbers, and never writes aliases."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def write_double_quoted(self, text: str, split: bool = True) -> None:
        """Write control characters by number where their letters would make a path of Windows of the text."""
        letters = yaml.SafeDumper.ESCAPE_REPLACEMENTS
        found = BY_NUMBER if ENDS_AS_A_FILE.search(text) else letters
        self.ESCAPE_REPLACEMENTS = found  # type: ignore[misc]  # for this text only; PyYAML reads it here
        super().write_double_quoted(text, split)


BY_NUMBER = {'"': '"', "\\": "\\"}
ENDS_AS_A_FILE = re.compile(r"\.\w{1,8}$")


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    """Quote a text with characters to escape: a plain YAML text loses some line ends."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, None if text.isprintable() else '"')


_Dumper.add_representer(str, _represent_text)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", FLOAT, list("-+.0123456789"))
