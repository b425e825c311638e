"""The columns that a model needs of a table, and the values that it knows of each."""

from __future__ import annotations

from collections.abc import Collection

from mlpcli.data.dataset import Contract
from mlpcli.data.features.encoders import CategoryEncoder


def contract_columns(contract: Contract) -> dict[str, Collection[str]]:
    """Return the columns of a model's table, and of those of categories or classes which it knows.

    Args:
        contract: of the model.

    Returns:
        The known values by column; none of a column of numbers, and no columns of a model of arrays.
    """
    if contract.kind != "table":
        return {}
    found: dict[str, Collection[str]] = dict.fromkeys(contract.features, ())
    found |= {} if contract.weights is None else {contract.weights: ()}
    for encoder in contract.preprocessor.encoders if contract.preprocessor else ():
        known = (*encoder.values, *encoder.rare) if isinstance(encoder, CategoryEncoder) else ()
        found[encoder.name] = {value for value in known if value is not None}
    for output in contract.outputs:
        found |= {name: {*map(str, output.classes or ())} for name in output.target}
    return found
