"""The columns that a model needs of a table, the values that it knows of each; columns to pass through."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mlpcli.data.dataset import Contract
from mlpcli.data.features.encoders import CategoryEncoder
from mlpcli.errors import Problem, UsageError, nearest_column


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


def kept_columns(names: Sequence[str], keep: Sequence[str], label: str) -> tuple[str, ...]:
    """Return the columns to keep; `a,b` names two columns unless one has that name.

    Raises:
        UsageError: a column is not in the file.
    """
    wanted = [
        part for name in keep for part in ([name] if name in names else [p.strip() for p in name.split(",")])
    ]
    missing = [name for name in wanted if name not in names]
    if missing:
        problems = (
            Problem(
                f"--keep: {label} has no column {name!r}",
                hint=nearest_column(name, names) if names else "it has no names",
            )
            for name in missing
        )
        raise UsageError(*problems)
    return tuple(dict.fromkeys(wanted))
