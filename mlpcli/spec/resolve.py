"""The spec with every default written out: `resolved.yaml`, which trains the same run again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from mlpcli.printable import quoted
from mlpcli.spec.component_rules import namespace_of_argument
from mlpcli.spec.layer_graph import OWN_LAYER_KEYS
from mlpcli.spec.load import LoadedSpec
from mlpcli.spec.locations import absolute, with_files
from mlpcli.spec.plugins import PLUGINS_FOLDER, Catalog
from mlpcli.spec.schema import ComponentSpec, DatasetSpec, Last, LayerSpec
from mlpcli.spec.synthetic import CLOUDS, DEFAULT_NOISE, DEFAULT_ROWS
from mlpcli.spec.yaml_reader import FLOAT


def resolve_spec(loaded: LoadedSpec, division: dict[str, Any], features: dict[str, Any] | None = None) -> str:
    """The resolved spec as YAML text; see `resolved_document`."""
    return dump(resolved_document(loaded, division, features))


def resolved_document(
    loaded: LoadedSpec, division: dict[str, Any], features: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The resolved spec as plain values; `division` says how `test` and `validation` were made.

    features: of a table, what becomes of each column.

    A test split that the dataset itself brings is not in `division`, and is left out.
    """
    spec, catalog = loaded.spec, loaded.catalog
    document: dict[str, Any] = {"name": spec.name, "seed": spec.seed}
    document["dataset"] = _dataset(spec.dataset, loaded.folder, division)
    if features is not None:
        for stated in ("features", "scaling"):
            document["dataset"].pop(stated, None)
        document["dataset"]["features"] = features
    if spec.inputs:
        document["inputs"] = {k: each.model_dump(exclude_none=True) for k, each in spec.inputs.items()}
    if spec.model is not None:
        document["model"] = _part(spec.model, "models", catalog)
    else:
        document["layers"] = [_layer(layer, catalog) for layer in spec.layers]
    document["loss"] = _by_output(spec.loss, lambda loss: _flat(_part(loss, "losses", catalog)))
    if spec.loss_weights is not None:
        document["loss_weights"] = dict(spec.loss_weights)
    document["optimizer"] = _flat(_part(spec.optimizer, "optimizers", catalog))
    document["metrics"] = _by_output(
        spec.metrics, lambda metrics: [_flat(_part(metric, "metrics", catalog)) for metric in metrics]
    )
    if spec.start_from is not None:
        document["start_from"] = spec.start_from.model_dump(exclude_none=True)
    document["fit"] = spec.fit.model_dump(exclude_none=True)
    document["callbacks"] = [
        {part.class_name: False} if part.off else _flat({part.class_name: part.arguments})
        for part in spec.callbacks
    ]
    if catalog.plugins:  # the run's own copies
        document["plugins"] = [f"{PLUGINS_FOLDER}/{plugin.base_name}" for plugin in catalog.plugins]
    return document


def _by_output(value: Any, resolve: Callable[[Any], Any]) -> Any:
    return {k: resolve(each) for k, each in value.items()} if isinstance(value, dict) else resolve(value)


def _layer(layer: LayerSpec, catalog: Catalog) -> dict[str, Any]:
    own: dict[str, Any] = {"name": layer.name} if layer.name else {}
    if layer.sources is not None:
        own["from"] = layer.sources
    if layer.repeat != 1:
        own["repeat"] = layer.repeat
    return {**_part(layer, "layers", catalog), **own}


def _dataset(spec: DatasetSpec, folder: Path, splits: dict[str, Any]) -> dict[str, Any]:
    found = spec.model_dump(exclude_none=True, exclude={"test", "validation"})
    if spec.name in CLOUDS:
        found = {"name": spec.name, "rows": DEFAULT_ROWS, "noise": DEFAULT_NOISE} | found
    for name, value in splits.items():
        found[name] = value.model_dump() if isinstance(value, Last) else value
    return with_files(found, lambda path: absolute(path, folder))


def portable(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A spec's plain values for a copy of it in a run's folder, which then needs nothing of the spec's own.

    Data files are found from anywhere; plug-ins are the run's copies. The files that a search chooses from
    stay as written, since a trial is known by the value that it had.
    """
    placed = dict(document)
    if isinstance(document.get("dataset"), dict):
        placed["dataset"] = with_files(document["dataset"], lambda path: absolute(path, folder))
    if "plugins" in document:
        placed["plugins"] = [f"{PLUGINS_FOLDER}/{Path(name).name}" for name in document["plugins"]]
    return placed


def _part(part: ComponentSpec, namespace: str, catalog: Catalog) -> dict[str, Any]:
    if part.class_name not in catalog.class_names(namespace):  # a short name such as mse
        return {part.class_name: {}}
    return {part.class_name: _arguments(part.class_name, part.arguments, namespace, catalog)}


def _arguments(class_name: str, given: dict[str, Any], namespace: str, catalog: Catalog) -> dict[str, Any]:
    """The arguments given, then Keras's defaults where they are plain constants."""
    signature = catalog.signature(namespace, class_name)
    plain = {
        name: value
        for name, value in signature.defaults.items()
        if name not in given and isinstance(value, bool | int | float | str) and name not in OWN_LAYER_KEYS
    }
    return {name: _argument(name, value, catalog) for name, value in given.items()} | plain


def _argument(name: str, value: Any, catalog: Catalog) -> Any:
    if isinstance(value, dict) and (namespace := namespace_of_argument(name, value, catalog)):
        ((class_name, arguments),) = value.items()
        return {class_name: _arguments(class_name, arguments or {}, namespace, catalog)}
    return value


def _flat(part: dict[str, Any]) -> Any:
    """`{mse: {}}` as `mse`."""
    ((name, arguments),) = part.items()
    return part if arguments else name


def dump(document: Any, *, flow: bool | None = False) -> str:
    """Plain values as YAML that our reader reads back the same; `flow` None writes leaves in one line."""
    text: str = yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100, default_flow_style=flow
    )
    return "".join(char if char == "\n" or char.isprintable() else quoted(char)[1:-1] for char in text)


def inline(value: Any) -> str:
    """A plain value as YAML in one line, as it may stand inside brackets."""
    text: str = yaml.dump([value], Dumper=_Dumper, allow_unicode=True, width=10**9, default_flow_style=True)
    return text.strip()[1:-1]


class _Dumper(yaml.SafeDumper):
    """Writes texts that our reader would take for numbers in quotes; never writes aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    """In quotes where there is something to escape: a plain text of YAML loses some line ends."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, None if text.isprintable() else '"')


_Dumper.add_representer(str, _represent_text)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", FLOAT, list("-+.0123456789"))
