"""The values of a surveyed column as numbers, so that rows can be compared."""

from __future__ import annotations

import numpy as np

from mlpcli.data.inspect.survey import Survey
from mlpcli.data.types import Array


def value_codes(survey: Survey, name: str) -> Array:
    """Return (rows,) integers, one number for each distinct value."""
    profile = survey.profiles[name]
    if profile.numbers is None:
        return survey.table.columns[name].texts.codes
    if profile.exact is None:
        return np.unique(profile.numbers, return_inverse=True)[1].astype(np.int64)
    codes = np.full(profile.rows, -1)
    codes[~np.isnan(profile.numbers)] = np.unique(profile.exact, return_inverse=True)[1]
    return codes
