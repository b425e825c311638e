"""Scaling by quantiles, the robust scaling of flat columns, and the smooth clip."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlpcli.data.contract_form import read_contract
from mlpcli.data.dataset import Contract, Output
from mlpcli.data.features.encoders import NumericEncoder, encoder_to_json
from mlpcli.data.features.preprocessor import Preprocessor, fit_preprocessor
from mlpcli.data.features.verification_sample import served_values
from mlpcli.data.quantiles import Quantiles, quantile_count
from mlpcli.data.readers.dialect import PLAIN
from mlpcli.data.readers.parse_cells import ParsedColumn
from mlpcli.data.types import Array, EarlierRule
from mlpcli.spec.features import FeatureSpec
from mlpcli.spec.load import Kept, load_spec
from mlpcli.training.find_data import _load, load_data
from tests.data.test_encoders import sklearn_quantiles

RANDOM = np.random.default_rng(3)
DATES = [str(np.datetime64("2020-02-01") + int(day)) for day in RANDOM.exponential(400, 90)]


def fit(cells: list[Any], **settings: Any) -> Preprocessor:
    """A preprocessor of one column, fitted on the first 60 rows."""
    spec = FeatureSpec.model_validate(settings)
    return fit_preprocessor({"a": ParsedColumn(pa.array(cells), PLAIN)}, {"a": spec}, np.arange(60), PLAIN)


def encode(cells: list[Any], **settings: Any) -> Array:
    """The matrix of a column that is fitted on its first 60 rows."""
    return fit(cells, **settings).transform({"a": ParsedColumn(pa.array(cells), PLAIN)}).x


@pytest.mark.parametrize("rows", [7, 900, 5000])
def test_quantiles_are_those_of_scikit_learn(rows: int) -> None:
    known = RANDOM.normal(size=rows) ** 3
    known[1 : rows // 3] = np.median(known)  # a repeated value in the middle of the range
    new = np.concatenate([known, np.linspace(known.min() - 1, known.max() + 1, 300)])
    count = min(max(min(rows // 30, 1000), 10), rows)
    assert quantile_count(rows) == count
    wanted = sklearn_quantiles(known, count).transform(new[:, None])[:, 0]
    found = Quantiles.of(known, count).to_normal(new)
    # Beside the ends, by less than 1e-7, scikit-learn rounds to the ends.
    inside = np.abs(new[:, None] - [known.min(), known.max()]).min(axis=1) > 1e-7
    inside |= np.isin(new, [known.min(), known.max()])
    np.testing.assert_allclose(found[inside], wanted[inside], atol=1e-9)


def test_a_value_repeated_at_the_end_of_the_range_is_in_the_middle_of_its_quantiles() -> None:
    quantiles = Quantiles.of(np.array([0.0] * 50 + list(range(1, 51))), 101)
    low, high = quantiles.to_normal(np.array([0.0, 50.0]))
    assert low == pytest.approx(-0.6745, abs=0.02)  # a quarter of the rows
    assert high == pytest.approx(5.1993, abs=1e-4)
    assert quantiles.to_normal(np.array([-1.0]))[0] == pytest.approx(-5.1993, abs=1e-4)


CELLS: dict[str, list[Any]] = {
    "no two are equal": [float(value) for value in RANDOM.exponential(1, 90)],
    "many are equal": [float(value) for value in np.round(RANDOM.exponential(1, 90))],
    "one in the training rows": [4.0] * 70 + [float(value) for value in range(20)],
    "none in the training rows": [None] * 70 + [float(value) for value in range(20)],
    "far apart": [float(value) for value in RANDOM.choice([-1e30, 0, 1e-30, 3, 1e30], 90)],
}


DATE = {"kind": "date", "format": "%Y-%m-%d", "parts": ["elapsed", "year", "month"], "missing": "indicator"}


def test_keras_scales_as_numpy_does() -> None:
    """All columns in one model: those with quantiles among others, clipped and not."""
    from mlpcli.keras_import import import_keras
    from mlpcli.model.raw_column_network import build_preprocessing

    columns: dict[str, ParsedColumn] = {}
    features: dict[str, FeatureSpec] = {}
    for name, cells in (CELLS | {"dates": DATES}).items():
        given = [None if place % 11 == 5 else cell for place, cell in enumerate(cells)]
        for scaling in ("quantile", "robust") if name == "dates" else ("quantile", "robust", "none"):
            for clip in ("smooth", "none"):
                key = f"{name} {scaling} {clip}"
                columns[key] = ParsedColumn(pa.array(given), PLAIN)
                kind = DATE if name == "dates" else {"kind": "numeric", "missing": "indicator"}
                features[key] = FeatureSpec.model_validate(kind | {"scaling": scaling, "clip": clip})
    preprocessor = fit_preprocessor(columns, features, np.arange(60), PLAIN)
    matrix = preprocessor.transform(columns).x
    raw = [served_values(each, columns[each.name]) for each in preprocessor.encoders]
    convert = import_keras().ops.convert_to_tensor
    served = build_preprocessing(preprocessor, ())([convert(each) for each in raw])
    np.testing.assert_allclose(served, matrix, atol=2e-6, rtol=1e-6)
    for name, span in preprocessor.spans.items():
        first = np.abs(matrix[:, span.start]).max()
        assert first <= (3 if "smooth" in name else 5.2 if "quantile" in name else 1.1e30), name


@pytest.mark.parametrize("scaling", ["minmax", "robust", "quantile"])
def test_dates_are_scaled_as_numbers_are(scaling: str) -> None:
    settings = {**DATE, "scaling": scaling}
    matrix = encode(DATES, **settings)
    days = (np.array(DATES, "datetime64[D]") - np.datetime64("1970-01-01")).astype(np.float64)
    numbers = encode(days.tolist(), kind="numeric", scaling=scaling, missing="mean")
    np.testing.assert_allclose(matrix[:, 0], numbers[:, 0], atol=1e-5)
    clipped = encode(DATES, **settings, clip="smooth")
    np.testing.assert_allclose(
        clipped[:, :2], matrix[:, :2] / np.sqrt(1 + (matrix[:, :2] / 3) ** 2), atol=1e-6
    )
    np.testing.assert_array_equal(clipped[:, 2:], matrix[:, 2:])


def test_robust_divides_by_half_the_range_where_the_quartiles_are_equal() -> None:
    (encoder,) = fit([5.0] * 49 + [1.0, 9.0] * 5 + [7.0], **ROBUST).encoders
    assert isinstance(encoder, NumericEncoder)
    assert (encoder.offset, encoder.scale) == (5.0, 4.0)
    assert not encode([5.0] * 60, **ROBUST).any()


ROBUST = {"kind": "numeric", "scaling": "robust", "missing": "mean"}


@pytest.mark.parametrize("earlier", [{"dates"}, {"dates", "robust"}])
def test_the_data_of_a_run_made_before_is_encoded_as_it_was(
    earlier: set[EarlierRule], tmp_path: Path
) -> None:
    lines = [f"{9 if place == 7 else 5},2024-01-{1 + place % 28:02} 12:00,{place}" for place in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(["a,at,y", *lines]) + "\n")
    columns = "{a: {kind: numeric, scaling: robust}, at: {kind: date, parts: [hour]}}"
    (tmp_path / "s.yaml").write_text(
        f"dataset: {{path: t.csv, target: y, test: null, features: {columns}}}\n"
        "layers: [Dense: {units: 1}]\n"
    )
    loaded = load_spec(tmp_path / "s.yaml")
    before = _load(loaded, earlier=frozenset(earlier)).dataset
    kept = Kept(tmp_path, before.fingerprint)
    assert load_data(replace(loaded, kept=kept, numbers="float64")).fingerprint == before.fingerprint
    assert load_data(loaded).fingerprint != before.fingerprint


def contract_of(encoder: NumericEncoder) -> Contract:
    """The contract of a run whose only column is encoded so."""
    outputs = (Output(("y",)),)
    kept = Preprocessor((encoder,), PLAIN)
    return Contract("table", ("a",), (1,), "float32", outputs, preprocessor=kept, numbers="float64")


def test_a_contract_keeps_the_quantiles_and_is_as_before_without_them() -> None:
    encoder = NumericEncoder("a", 0.0, quantiles=Quantiles((1.0, 2.0, 2.0)), clip="smooth")
    found = read_contract(contract_of(encoder).to_json())
    assert found.preprocessor is not None
    assert found.preprocessor.encoders == (encoder,)
    assert {"clip", "quantiles"}.isdisjoint(encoder_to_json(NumericEncoder("a", 0.0)))


@pytest.mark.parametrize("values", [(1.0,), (2.0, 1.0), (0.0, float("inf"))])
def test_quantiles_that_fall_are_a_damaged_record(values: tuple[float, ...]) -> None:
    document = contract_of(NumericEncoder("a", 0.0, quantiles=Quantiles(values))).to_json()
    with pytest.raises(ValueError, match="two quantiles or more, that do not fall"):
        read_contract(document)
