"""Give the inputs of an exported SavedModel the names of a table's columns.

TensorFlow traces a signature as a Python function of one argument per input, and takes `City` and `city`
for one argument, and `lambda` for none. So an input is traced under a name of ours, and named in the written
file, where names are only text: with the column's own name for TensorFlow Serving and the C library, and with
a name that Python allows (`Preprocessor.served`) for the function that `tf.saved_model.load` makes, which
takes both.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Protocol

from mlpcli.keras_internals import write_fingerprint


class Message(Protocol):
    """A protobuf message, whose package has no types."""

    def CopyFrom(self, other: object) -> None:
        """Become a copy of another message."""


def traced_names(served: Mapping[str, str]) -> dict[str, str]:
    """Return the name under which each column is traced; they sort as the Python names do.

    A loaded function puts its arguments in the order of their names.

    Args:
        served: the Python name of each column.
    """
    digits = len(str(len(served)))
    ordered = sorted(served, key=served.__getitem__)
    return {column: f"column_{place:0{digits}}" for place, column in enumerate(ordered)}


def signature_names(served: Mapping[str, str]) -> dict[str, str]:
    """Return the name of each column in the signature: its own, unless that is empty.

    Args:
        served: the Python name of each column.
    """
    return {column: column or name for column, name in served.items()}


def rename_inputs(saved_model: Path, served: Mapping[str, str]) -> None:
    """Name the inputs of every signature of a SavedModel after their columns.

    Args:
        saved_model: the written folder.
        served: the Python name of each column.
    """
    from tensorflow.core.protobuf import saved_model_pb2

    traced = traced_names(served)
    names = {traced[column]: name for column, name in signature_names(served).items()}
    arguments = {traced[column]: name for column, name in served.items()}
    file = saved_model / "saved_model.pb"
    document = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    for graph in document.meta_graphs:
        for signature in graph.signature_def.values():
            _rename_keys(signature.inputs, names)
        for node in graph.object_graph_def.nodes:
            if not node.HasField("bare_concrete_function"):  # each of these is the function of a signature
                continue
            function = node.bare_concrete_function
            function.argument_keywords[:] = [names.get(name, name) for name in function.argument_keywords]
            function.ClearField("function_spec")  # lists the traced names again
            traces = graph.object_graph_def.concrete_functions[function.concrete_function_name]
            _, by_name = traces.canonicalized_input_signature.tuple_value.values  # after those by position
            _rename_keys(by_name.dict_value.fields, arguments)
    file.write_bytes(document.SerializeToString())
    write_fingerprint(saved_model)


def _rename_keys(entries: MutableMapping[str, Message], names: Mapping[str, str]) -> None:
    """Rename the keys of a protobuf map of messages; a new name may be the old name of another."""
    renamed = {names.get(name, name): copy.deepcopy(entries[name]) for name in entries}
    entries.clear()
    for name, entry in renamed.items():
        entries[name].CopyFrom(entry)  # such a map takes no assignment
