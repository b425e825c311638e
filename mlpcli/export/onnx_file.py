"""A network as an ONNX file: raw columns with their own names, texts too; classes by name.

By tf2onnx, from a graph without texts. What a text column needs, an encoder of its labels, and the names of
classes are added to its result.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpcli.data.dataset import Contract
from mlpcli.export.coded_network import CodedNetwork
from mlpcli.export.converting import convert_quietly
from mlpcli.export.frozen_graph import FrozenGraph

if TYPE_CHECKING:
    import onnx

OPSET, ML_OPSET = 18, 2


def convert_to_onnx(
    frozen: FrozenGraph, coded: CodedNetwork, contract: Contract, facts: Mapping[str, object]
) -> bytes:
    """Return an ONNX file.

    Args:
        frozen: the graph.
        coded: whose graph it is.
        contract: of the outputs.
        facts: about the run, kept in the file.

    Raises:
        ExportError: the network cannot be converted.
    """
    import onnx
    import tf2onnx

    def convert() -> bytes:
        model, _ = tf2onnx.convert.from_graph_def(
            frozen.graph,
            name="mlpcli",
            input_names=[*frozen.inputs.values()],
            output_names=[*frozen.outputs.values()],
            opset=OPSET,
            custom_op_handlers={"SelectV2": (_select, []), "Expm1": (_expm1, []), "Log1p": (_log1p, [])},
        )
        _finish(model, frozen, coded, contract)
        model.producer_name, model.producer_version = "mlpcli", str(facts["mlpcli"])
        entry = model.metadata_props.add()
        entry.key, entry.value = "mlpcli", json.dumps(facts, ensure_ascii=False)
        content = bytes(model.SerializeToString())
        onnx.checker.check_model(content)
        return content

    return convert_quietly("ONNX", convert)


def _select(ctx: Any, node: Any, name: str, args: Sequence[object]) -> None:
    """Convert a choice between two tensors to ONNX's own.

    What tf2onnx makes of most, a sum of products with 0 and 1, is NaN where the value not chosen is.
    """
    import onnx
    from tf2onnx.onnx_opset.controlflow import Select

    if ctx.get_dtype(node.output[0]) == onnx.TensorProto.BOOL:
        Select.version_9(ctx, node)  # for which ONNX Runtime lacks it
    else:
        node.type = "Where"


def _expm1(ctx: Any, node: Any, name: str, args: Sequence[object]) -> None:
    """Convert exp(x) - 1, which ONNX has no operation for."""
    import onnx

    dtype = onnx.helper.tensor_dtype_to_np_dtype(ctx.get_dtype(node.output[0]))
    one = ctx.make_const(f"{name}/one", np.array(1, dtype))
    node.type = "Exp"
    ctx.insert_new_node_on_output("Sub", node.output[0], inputs=[node.output[0], one.output[0]])


def _log1p(ctx: Any, node: Any, name: str, args: Sequence[object]) -> None:
    """Convert log(1 + x), which ONNX has no operation for."""
    import onnx

    dtype = onnx.helper.tensor_dtype_to_np_dtype(ctx.get_dtype(node.output[0]))
    one = ctx.make_const(f"{name}/one", np.array(1, dtype))
    node.type = "Log"
    ctx.insert_new_node_on_input(node, "Add", [node.input[0], one.output[0]])


def _finish(model: onnx.ModelProto, frozen: FrozenGraph, coded: CodedNetwork, contract: Contract) -> None:
    """Give inputs and results their names, and texts to columns and classes of texts."""
    graph = model.graph
    columns = {each.name: each for each in coded.given}
    names = {tensor: f"{name}:coded" for name, tensor in frozen.inputs.items()}
    names |= {tensor: f"{name}:result" for name, tensor in frozen.outputs.items()}
    for node in graph.node:
        node.input[:] = [names.get(each, each) for each in node.input]
        node.output[:] = [names.get(each, each) for each in node.output]
    for value in [*graph.input, *graph.output]:
        value.name = names.get(value.name, value.name)
        value.type.tensor_type.shape.dim[0].dim_param = "rows"
    first: list[onnx.NodeProto] = []
    for value in graph.input:
        name = value.name.removesuffix(":coded")
        given = columns.get(name)
        own, codes = (name, ()) if given is None else (given.column or name, given.codes)
        first += _entry(value, own, codes)
    last = [
        node
        for value in graph.output
        for node in _exit(graph, value, value.name.removesuffix(":result"), contract)
    ]
    nodes = [*first, *graph.node, *last]
    del graph.node[:]
    graph.node.extend(nodes)
    if any(node.domain for node in first) and all(each.domain != "ai.onnx.ml" for each in model.opset_import):
        entry = model.opset_import.add()
        entry.domain, entry.version = "ai.onnx.ml", ML_OPSET


def _entry(value: onnx.ValueInfoProto, name: str, codes: tuple[tuple[str, int], ...]) -> list[onnx.NodeProto]:
    """Name an input; return the nodes between it and the graph, which turn texts into their codes."""
    import onnx

    inner, value.name = value.name, name
    if not codes:
        return [onnx.helper.make_node("Identity", [name], [inner])]
    value.type.tensor_type.elem_type = onnx.TensorProto.STRING
    texts, numbers = zip(*codes, strict=True)
    encode = onnx.helper.make_node(
        "LabelEncoder",
        [name],
        [f"{inner}:wide"],
        domain="ai.onnx.ml",
        keys_strings=list(texts),
        values_int64s=list(numbers),
        default_int64=0,
    )
    cast = onnx.helper.make_node("Cast", [f"{inner}:wide"], [inner], to=onnx.TensorProto.INT32)
    return [encode, cast]


def _exit(
    graph: onnx.GraphProto, value: onnx.ValueInfoProto, name: str, contract: Contract
) -> list[onnx.NodeProto]:
    """Name a result; return the nodes between the graph and it, which turn an index into a class's name."""
    import onnx

    inner, value.name = value.name, name
    stem = name.removesuffix("index")
    classes = next(
        (each.classes for each in contract.outputs if stem == (f"{each.name}_" if each.name else "")), None
    )
    if stem == name or classes is None:
        return [onnx.helper.make_node("Identity", [inner], [name])]
    value.name = f"{stem}label"
    value.type.tensor_type.elem_type = onnx.TensorProto.STRING
    table = onnx.numpy_helper.from_array(np.array(classes, dtype=object), f"{stem}classes")
    graph.initializer.append(table)
    return [onnx.helper.make_node("Gather", [table.name, inner], [value.name])]
