"""A dataset's encoded rows in a folder: what its `dataset.json` holds, and reading it back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.data.contract_form import read_contract
from mlpcli.data.dataset import Dataset, Split
from mlpcli.data.features.verification_sample import Sample
from mlpcli.data.readers.row_errors import Origin
from mlpcli.data.splits import Amount, InColumn
from mlpcli.data.stored.stored_array import StoredArray
from mlpcli.files import sha256_of, write_json
from mlpcli.spec.split_forms import SplitBy

DOCUMENT = "dataset.json"
FORMAT = 1
"""Of the folder; one of another format is written again."""


class Broken(Exception):
    """The folder does not hold what was written into it."""


def write_dataset(folder: Path, dataset: Dataset, names: Mapping[str, str]) -> None:
    """Write what is needed to read a dataset back, whose rows are in files of the folder.

    Args:
        folder: of the rows.
        dataset: whose arrays are in these files.
        names: of the folder, by which it is found.
    """
    files = {path.name: [path.stat().st_size, sha256_of(path)] for path in sorted(folder.glob("*.rows"))}
    sample = dataset.sample
    document = {
        "format": FORMAT,
        **names,
        "fingerprint": dataset.fingerprint,
        "files": files,
        "splits": {name: _split_form(split) for name, split in dataset.splits().items()},
        "contract": dataset.contract.to_json(),
        "split_amounts": {name: _amount_form(each) for name, each in dataset.split_amounts.items()},
        "features": dataset.features,
        "excluded": dataset.excluded,
        "seed": dataset.seed,
        "notes": list(dataset.notes),
        "left_out": dataset.left_out,
        "sparse": dataset.sparse,
        "unscaled_targets": dict(dataset.unscaled_targets),
        "sample": None if sample is None else _sample_form(sample),
    }
    write_json(folder / DOCUMENT, document)


def read_document(folder: Path) -> dict[str, Any]:
    """Return what a folder says of its dataset, after its files were checked.

    Raises:
        Broken: it cannot be read, or a file is not as it was written.
    """
    try:
        document: dict[str, Any] = json.loads((folder / DOCUMENT).read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise Broken("it has another format")
        for name, (size, digest) in document["files"].items():
            path = folder / Path(name).name
            if path.stat().st_size != size or sha256_of(path) != digest:
                raise Broken(f"{name} is not as it was written")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Broken(str(error)) from error
    return document


def read_dataset(folder: Path, document: Mapping[str, Any], *, label: str, memory: int) -> Dataset:
    """Return a dataset whose rows are in files.

    Args:
        folder: of the files.
        document: what the folder says of it.
        label: the name of its source in messages.
        memory: the bytes of an array that may be in memory as a whole.

    Raises:
        Broken: the document contradicts itself.
    """
    try:
        contract = read_contract(document["contract"])
        splits = {name: _split(folder, form, memory) for name, form in document["splits"].items()}
        amounts = {name: _amount(each) for name, each in document["split_amounts"].items()}
        sample = None if document["sample"] is None else _sample(document["sample"], label)
        return Dataset(
            splits["train"],
            splits.get("validation"),
            splits.get("test"),
            contract,
            document["fingerprint"],
            label,
            amounts,
            features=document["features"],
            excluded=document["excluded"],
            sample=sample,
            seed=document["seed"],
            notes=tuple(document["notes"]),
            left_out=document["left_out"],
            sparse=document["sparse"],
            origins={name: Origin(label) for name in splits},
            unscaled_targets=document.get("unscaled_targets", {}),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Broken(str(error)) from error


def _split_form(split: Split) -> dict[str, object]:
    return {part: _arrays_form(getattr(split, part)) for part in ("x", "y", "rows", "weights")}


def _split(folder: Path, form: Mapping[str, Any], memory: int) -> Split:
    x, y, rows, weights = (_arrays(folder, form[part], memory) for part in ("x", "y", "rows", "weights"))
    return Split(x, y, rows, weights)


def _arrays_form(arrays: object) -> object:
    if arrays is None:
        return None
    if isinstance(arrays, dict):
        return {"by_name": {name: _arrays_form(each) for name, each in arrays.items()}}
    assert isinstance(arrays, StoredArray)
    return {
        "file": arrays.path.name,
        "shape": list(arrays.file_shape),
        "dtype": arrays.dtype.str,
        "first": arrays.first,
        "columns": arrays.columns,
    }


def _arrays(folder: Path, form: Any, memory: int) -> Any:
    if form is None:
        return None
    if "by_name" in form:
        return {name: _arrays(folder, each, memory) for name, each in form["by_name"].items()}
    return StoredArray(
        folder / Path(form["file"]).name,
        form["shape"],
        np.dtype(form["dtype"]),
        most_bytes=memory,
        first=form["first"],
        columns=form["columns"],
    )


def _amount_form(amount: Amount | str | None) -> dict[str, object]:
    if isinstance(amount, SplitBy):
        return {"by": amount.plain()}
    if isinstance(amount, InColumn):
        return {"column": amount.column}
    return {"plain": amount}


def _amount(form: Mapping[str, Any]) -> Amount | str | None:
    if "by" in form:
        return SplitBy.model_validate(form["by"])
    found: Amount | str | None = InColumn(form["column"]) if "column" in form else form["plain"]
    return found


def _sample_form(sample: Sample) -> dict[str, object]:
    columns = {
        name: {"texts": each} if isinstance(each, list) else {"numbers": [*map(float, each)]}
        for name, each in sample.columns.items()
    }
    return {"columns": columns, "x": sample.x.tolist(), "positions": sample.positions.tolist()}


def _sample(form: Mapping[str, Any], label: str) -> Sample:
    columns = {
        name: each["texts"] if "texts" in each else np.array(each["numbers"], np.float64)
        for name, each in form["columns"].items()
    }
    return Sample(columns, np.array(form["x"], np.float32), np.array(form["positions"], np.int64), label)
