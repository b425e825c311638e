"""How the numbers of new rows are written, where options say another notation than the training file's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mlpcli.errors import Problem, UsageError

if TYPE_CHECKING:
    from mlpcli.data.dataset import Contract
    from mlpcli.data.readers.reading import Reading


def in_notation(contract: Contract, reading: Reading) -> Contract:
    """Return a contract whose columns are read in the notation that options say.

    Args:
        contract: of the model.
        reading: what the options say.

    Raises:
        UsageError: the separator of thousands would be the decimal sign.
    """
    preprocessor = contract.preprocessor
    if preprocessor is None:
        return contract
    dialect = preprocessor.dialect
    for decimal in (dialect.decimal, *(each.decimal for each in dialect.notations.values())):
        if reading.thousands and reading.decimal is None and reading.thousands == decimal:
            rule = "--thousands: is the decimal sign of the rows that the model was trained on"
            other = "," if decimal == "." else "."
            hint = f"say the decimal sign of these rows too: --decimal {other}"
            raise UsageError(Problem(rule, received=reading.thousands, hint=hint))
    dialect = replace(reading.on_numbers(dialect), optional=True)
    encoders = tuple(
        replace(each, format=reading.date_format) if reading.date_format and each.kind == "date" else each
        for each in preprocessor.encoders
    )
    return replace(contract, preprocessor=replace(preprocessor, dialect=dialect, encoders=encoders))
