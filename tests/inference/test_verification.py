"""What a served model gives is held against what the network gives, column by column."""

from __future__ import annotations

import numpy as np
import pytest

from mlpcli.data.dataset import Output
from mlpcli.data.features.verification_sample import Sample
from mlpcli.export.verify import TOLERANCE, SavedModelError, compare, compare_labels

SAMPLE = Sample({}, np.zeros((4, 1), np.float32), np.array([0, 3, 6, 9]), "rows.csv")


def test_rounding_passes_and_a_narrow_column_is_not_lost_beside_a_wide_one() -> None:
    wanted = np.array([[1000.0, 0.1], [2000.0, 0.2], [3000.0, np.nan], [4000.0, 0.4]], np.float32)
    assert compare("value", wanted, wanted * np.float32(1 + 1e-6), TOLERANCE, SAMPLE) < 1e-5
    found = wanted.copy()
    found[1, 1] += 0.01
    told = r"for rows.csv row 4 its value is 0.21, the network gives 0.2; 1 of 4 rows differ"
    with pytest.raises(SavedModelError, match=told):
        compare("value", wanted, found, TOLERANCE, SAMPLE)
    with pytest.raises(SavedModelError, match="rows differ"):
        compare("value", wanted, np.nan_to_num(wanted), TOLERANCE, SAMPLE)
    with pytest.raises(SavedModelError, match=r"value has the shape \(3, 2\), the network gives \(4, 2\)"):
        compare("value", wanted, wanted[:3], TOLERANCE, SAMPLE)


def test_a_constant_far_from_zero_may_be_rounded_but_not_be_another() -> None:
    wanted = np.full((4, 1), 1e6, np.float32)
    compare("value", wanted, wanted + 1, TOLERANCE, SAMPLE)
    with pytest.raises(SavedModelError, match="4 of 4 rows differ"):
        compare("value", wanted, wanted + 100, TOLERANCE, SAMPLE)


def test_labels_must_be_those_of_the_network_but_where_it_is_undecided() -> None:
    output = Output(("sort",), "classes", ("no", "yes"))
    chances = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5], [0.7, 0.3]])
    compare_labels(output, chances, np.array(["no", "yes", "yes", "no"]), TOLERANCE, SAMPLE)
    with pytest.raises(SavedModelError, match=r"for rows.csv row 10 its label is 'yes', the network's 'no'"):
        compare_labels(output, chances, np.array(["no", "yes", "no", "yes"]), TOLERANCE, SAMPLE)
