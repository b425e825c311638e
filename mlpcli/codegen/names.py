"""Names of layers and outputs as parts of a script's variables; a name may be any text, even Python."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable

from mlpcli.errors import Problem, UsageError
from mlpcli.spec.keras_signatures import custom_objects

RESERVED = frozenset(
    {
        *("keras", "np", "os", "csv", "math", "fnmatch", "pyarrow", "train_test_split"),
        *("model", "history", "data", "rows", "batches", "callbacks", "input", "trained", "name"),
        *("x", "y", "w", "scale", "offset", "shift", "counts", "class_weight", "cells", "groups", "taken"),
        *("load", "read_table", "split_inputs", "logarithm", "epoch_order", "values", "bins"),
        *("table", "columns", "fills", "fill", "place", "quantiles", "part", "datetime", "as_text", "texts"),
        *("numbers", "booleans", "one_hot", "index", "dates", "around", "filled", "fit_quantiles"),
        *("to_normal", "smooth_clip", "tokens_of", "count_tokens", "idf_weights", "token_ids", "re"),
        *("unicodedata", "standardized", "split_text", "ngrams_of", "standard_character", "is_sign"),
    }
)
"""Names that a script has itself, beside those in capital letters."""


def name_part(name: str) -> str:
    """Return a name with `_` for every character that an identifier cannot have; see `check_names`."""
    return re.sub("[^A-Za-z0-9_]", "_", name)


def identifier(name: str) -> str:
    """Return a layer's name as a variable of the script that is none of the script's own names."""
    variable = name_part(name)
    variable = f"_{variable}" if variable[:1].isdigit() else variable
    own = variable in RESERVED or variable.startswith(("x_", "y_", "w_")) or variable.endswith("_layer")
    own = own or variable[:1].isupper() or variable in custom_objects().functions
    return f"{variable}_" if own or keyword.iskeyword(variable) or hasattr(builtins, variable) else variable


def check_names(names: Iterable[str]) -> None:
    """Check that no two names become the same variable.

    Raises:
        UsageError: two names do.
    """
    taken: dict[str, str] = {}
    for name in names:
        for written in (name_part(name), identifier(name)):
            other = taken.setdefault(written, name)
            if other != name:
                hint = "rename one of them"
                rule = f"a script cannot be written: the names {other!r} and {name!r} are the same in Python"
                raise UsageError(Problem(rule, hint=hint))
