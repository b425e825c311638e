"""The file of a training with a fold: the outputs of its network for the rows that it holds out."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli import runs
from mlpcli.data.named_arrays import of_name
from mlpcli.data.types import Array, Arrays
from mlpcli.errors import Problem, RunError
from mlpcli.files import write_with
from mlpcli.keras_import import keras
from mlpcli.model.outputs import final_outputs
from mlpcli.model.run_contract import run_contract
from mlpcli.runs.folder import Run
from mlpcli.runs.record_models import TRAIN_AGAIN
from mlpcli.spec.schema import Spec
from mlpcli.training.compiled.row_arrays import Structure


def read_held_out(run: Run, spec: Spec) -> tuple[Array, dict[str, Array]]:
    """Return the rows that a training held out, and what its model predicts for them, by output.

    Args:
        run: The training.
        spec: Its spec, with its losses.

    Raises:
        RunError: The file is missing or damaged.
    """
    path = run.require(runs.HELD_OUT)
    contract = run_contract(run)
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        rows, plain = arrays["rows"], {each.name: arrays[f"output_{each.name}"] for each in contract.outputs}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        rule = f"{path} is damaged ({type(error).__name__})"
        raise RunError(Problem(rule, hint=TRAIN_AGAIN)) from None
    found = final_outputs(spec, contract, contract.by_output(plain))
    return rows, {each.name: _as_array(found, each.name) for each in contract.outputs}


def _as_array(outputs: Arrays, name: str) -> Array:
    values = np.asarray(keras.ops.convert_to_numpy(of_name(outputs, name)))
    return values if values.dtype == np.float64 else values.astype(np.float32)


def write_held_out(path: Path, rows: Array, outputs: Structure) -> None:
    """Write a network's outputs for the rows that its fold holds out.

    Args:
        path: The file.
        rows: (rows,) int positions in the source.
        outputs: Of the network, (rows, ...), or by output.
    """
    named = outputs if isinstance(outputs, Mapping) else {"": outputs}
    arrays: dict[str, Any] = {f"output_{name}": np.asarray(values) for name, values in named.items()}
    write_with(path, lambda target: np.savez(target, allow_pickle=False, rows=rows, **arrays))
