"""The part of a standalone script that reads arrays of npz and npy files, row for row as mlpcli does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.codegen.names import name_part
from mlpcli.data.dataset import Contract, Output
from mlpcli.data.readers.arrays import SPLIT_KEYS
from mlpcli.printable import quoted
from mlpcli.spec.schema import Spec

if TYPE_CHECKING:
    from mlpcli.codegen.source_text import DataCode

LOAD = '''\
def load(path, x="x", y="y"):
    """Arrays as x (rows, ...), uint8 or float32, and y{weights}."""
    data = np.load(path)
    x, y = data[x], data[y]'''

LOAD_PAIR = '''\
def load(path, target):
    """Two files as x (rows, ...), uint8 or float32, and y."""
    x, y = np.load(path), np.load(target)'''


def array_code(
    code: DataCode, spec: Spec, contract: Contract, path: Path, written: Callable[[str], str]
) -> None:
    """Add lines that define x and y, and x_test and y_test where the file has them.

    Args:
        code: what the lines are added to.
        spec: the spec.
        contract: what the rows look like.
        path: the file that the spec names.
        written: returns a path of the spec as the script writes it.
    """
    assert spec.dataset.path is not None
    own_test = path.suffix.lower() == ".npz" and _has_splits(path)
    if path.suffix.lower() == ".npy":
        assert isinstance(spec.dataset.target, str)
        head, arguments = LOAD_PAIR, f"{written(spec.dataset.path)}, {written(spec.dataset.target)}"
    else:
        weighted = contract.weights is not None
        head = LOAD.format(weights=", and row weights" if weighted else "")
        arguments = written(spec.dataset.path)
    code.functions.append("\n".join([head, *_body(contract)]))
    weights = ", w" if contract.weights else ""
    # The weights of the file are those of the training rows; a test split in the file has none.
    if not own_test:
        code.lines.append(f"x, y{weights} = load({arguments})")
        return
    code.lines.append(f'x, y{weights} = load({arguments}, "x_train", "y_train")')
    if "test" not in spec.dataset.model_fields_set:
        code.lines.append(f'x_test, y_test{weights and ", _"} = load({arguments}, "x_test", "y_test")')
        if weights:
            code.lines.append('w_test = np.ones(len(x_test), "float32")')


def _has_splits(path: Path) -> bool:
    with np.load(path, allow_pickle=False) as archive:
        return set(SPLIT_KEYS) <= set(archive.files)


def _body(contract: Contract) -> Iterator[str]:
    yield "    if x.ndim == 1:"
    yield "        x = x[:, None]"
    if contract.dtype == "int64":
        yield '    x = np.ascontiguousarray(x, "int64")'
    else:
        yield "    if x.dtype != np.uint8:"
        yield '        x = np.ascontiguousarray(x, "float32")'
    if not contract.output.steps:
        yield "    if y.ndim == 2 and y.shape[1] == 1:"
        yield "        y = y[:, 0]"
    for each in contract.outputs:
        yield from _target(each)
    if contract.output.name:
        yield (
            "    y = {"
            + ", ".join(f"{quoted(each.name)}: y_{name_part(each.name)}" for each in contract.outputs)
            + "}"
        )
    if contract.weights:
        yield f'    w = data[{quoted(contract.weights)}].reshape(-1).astype("float32")'
    yield f"    return x, y{', w' if contract.weights else ''}"


def _target(output: Output) -> Iterator[str]:
    variable = f"y_{name_part(output.name)}" if output.name else "y"
    if output.kind == "sequences":
        yield f'    {variable} = y.astype("int64")'
        return
    if output.kind not in ("classes", "groups"):
        number = "float32" if output.scale is None else "float64"
        yield f'    {variable} = {_cut(output)}.astype("{number}"){_reshape(output, -1)}'
        return
    names = output.classes or ()
    yield f"    classes = [{', '.join(map(quoted, names))}]"
    spelled = "str(label).strip()"
    if all(name.lstrip("-").isdigit() for name in names):
        spelled = "str(int(label))"
    elif set(names) <= {"true", "false"}:
        spelled += ".lower()"
    labels = "y.reshape(-1)" if output.steps else "y"
    yield f"    {variable} = np.array([classes.index({spelled}) for label in {labels}]){_reshape(output, 1)}"


def _cut(output: Output) -> str:
    """Return the expression for the target columns of one of several outputs."""
    places = [name.removeprefix("target_") for name in output.target]
    if not output.name or not all(place.isdigit() for place in places):
        return "y"
    if len(places) == 1 and not output.steps:
        return f"y[:, {places[0]}]"
    return f"y[..., [{', '.join(places)}]]"


def _reshape(output: Output, values: int) -> str:
    """Return the call that gives a target (rows, *steps, values); nothing without steps."""
    return f".reshape(len(y), {', '.join(map(str, output.steps))}, {values})" if output.steps else ""
