"""A spec as a standalone Keras script: the same data, network and training, without mlpcli.

For readers who want to see what a spec means, and so that nobody depends on mlpcli. With `fit: {engine:
keras}` mlpcli and the script reach the same weights: the script contains the order of rows, a function of
seed and epoch, and creates its layers in the same order from the same seed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import mlpcli
from mlpcli.codegen.data_obstacles import check_data
from mlpcli.codegen.encode_columns import columns_with_gaps
from mlpcli.codegen.keras_calls import KerasCalls
from mlpcli.codegen.names import check_names
from mlpcli.codegen.network_code import network_code
from mlpcli.codegen.read_data import data_code
from mlpcli.codegen.source_text import DataCode, cannot_write, text
from mlpcli.codegen.training_code import batches_code, results_code, training_code
from mlpcli.data.dataset import Dataset
from mlpcli.errors import AllAtOnce
from mlpcli.model.schedule_steps import with_steps
from mlpcli.spec.load import LoadedSpec, located
from mlpcli.spec.repeats import is_repeated
from mlpcli.spec.schema import Spec
from mlpcli.training.find_data import load_data
from mlpcli.training.prepare import complete

COPIED = {
    "fnmatch": "import fnmatch",
    "math": "import math",
    "Callable": "from collections.abc import Callable",
    "Sequence": "from collections.abc import Sequence",
    "Any": "from typing import Any",
    "Literal": "from typing import Literal",
    "TypeVar": "from typing import TypeVar",
}
"""Names in copied functions and in their annotations, each with its import."""

STANDARD = (
    *("import csv", "import fnmatch", "import math", "import os", "import re", "import unicodedata"),
    *("from collections.abc import Callable, Sequence", COPIED["Callable"], COPIED["Sequence"]),
    *("from datetime import datetime", COPIED["Any"], COPIED["Literal"], COPIED["TypeVar"]),
)
"""Imports from the standard library, in order."""


def script_of(loaded: LoadedSpec) -> str:
    """Return the script of a spec; its data is read for what the spec does not say, such as the classes.

    Raises:
        SpecError: the spec and its data do not match.
        DataError: the data cannot be read.
        UsageError: see `write_script`.
    """
    if is_repeated(loaded.spec):
        hint = "the script trains once: add --set fit.folds=null --set fit.seeds=null"
        raise cannot_write("folds and seeds", hint)
    with located(loaded):
        dataset = load_data(loaded)
        completed = complete(loaded, dataset)
    return write_script(completed, dataset)


def write_script(loaded: LoadedSpec, dataset: Dataset) -> str:
    """Return the script of a spec whose losses and metrics are filled in.

    Args:
        loaded: the spec.
        dataset: its data.

    Raises:
        UsageError: the spec has what a script cannot contain (plug-ins, `predict`, ...); all of it.
    """
    spec = with_steps(loaded.spec, len(dataset.train), loaded.catalog)
    at_once = AllAtOnce()
    with at_once:
        if spec.plugins:
            raise cannot_write("plug-ins", "they are Python already: import them into a script of your own")
    with at_once:
        check_data(spec, dataset)
    with at_once:
        gaps = columns_with_gaps(spec, dataset, loaded.folder)
    at_once.finish()
    calls = KerasCalls(spec, dataset.contract)
    graph = spec.graph
    check_names([*(node.name for node in graph.nodes), *graph.inputs, *graph.outputs])
    data = data_code(spec, dataset, loaded.folder, gaps)
    model = [*network_code(calls, graph)]
    training = [*training_code(calls, data)]
    custom_objects = calls.custom_objects()
    copied = "\n".join([*data.functions, *custom_objects])
    data.imports |= {line for name, line in COPIED.items() if re.search(rf"\b{name}\b", copied)}
    blocks = [
        _head(loaded),
        _imports(data),
        "\n".join(_settings(spec)),
        *_function_blocks([*data.functions, *custom_objects, *batches_code(spec)]),
        "# Data\n" + "\n".join(data.lines),
        "# Model\n" + "\n".join(model),
        "# Training\n" + "\n".join(training),
        "# Results\n" + "\n".join(results_code(spec, data)),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _head(loaded: LoadedSpec) -> str:
    file = text(loaded.file.name)[1:-1]  # a file may be named `"""` and then some Python
    lines = [
        f'"""{loaded.spec.name}: what `mlpcli train {file}` does, with Keras only.',
        "",
        f"Written by mlpcli {mlpcli.__version__}; mlpcli with fit.engine: keras reaches the same weights.",
        '"""',
    ]
    return "\n".join(lines)


def _imports(data: DataCode) -> str:
    """Return three groups: the future, the standard library, the rest."""
    both = {COPIED["Callable"], COPIED["Sequence"]}
    if both <= data.imports:
        data.imports = data.imports - both | {"from collections.abc import Callable, Sequence"}
    standard = [line for line in STANDARD if line in data.imports]
    rest = ["import keras", "import numpy as np", *(line for line in data.imports if line not in standard)]
    rest.sort(key=lambda line: (line.startswith("from"), line))
    groups = ["from __future__ import annotations", "\n".join(standard), "\n".join(rest)]
    return "\n\n".join(group for group in groups if group)


def _settings(spec: Spec) -> Iterator[str]:
    yield f"SEED = {spec.seed}"
    yield f"EPOCHS = {spec.fit.epochs}"
    yield f"BATCH_SIZE = {spec.fit.batch_size}"


def _function_blocks(blocks: list[str]) -> list[str]:
    return [f"\n{block}" for block in blocks] + ([""] if blocks else [])
