"""Targets that are scaled by their logarithm or quantiles, and predictions kept in their range."""

from __future__ import annotations

import numpy as np
import pytest

from mlpcli.data.contract_form import read_contract
from mlpcli.data.dataset import Contract, Output
from mlpcli.data.scaling import scale_outputs, scale_target
from mlpcli.data.types import Array
from mlpcli.model.prediction_columns import without_idle_digits
from mlpcli.spec.features import TargetScalingSpec

RANDOM = np.random.default_rng(11)
TARGETS: dict[str, Array] = {
    "prices": RANDOM.lognormal(10, 2, 200),
    "with negative ones": RANDOM.normal(-3, 5, 200),
    "two columns": np.stack([RANDOM.exponential(3, 200), RANDOM.normal(1e9, 10, 200)], axis=1),
    "many zeros": np.maximum(RANDOM.normal(-1, 2, 200), 0),
    "a constant": np.full(200, 7.0),
    "one row": np.array([3.0]),
}
METHODS = ["standardize", "minmax", "log", "quantile"]


def learned(y: Array, method: str, *, clip: bool = False) -> Output:
    """An output whose scaling is learned from some rows."""
    names = tuple(f"y{place}" for place in range(y.shape[1] if y.ndim > 1 else 1))
    scaling = TargetScalingSpec.model_validate({"method": method, "clip": clip})
    (output,) = scale_outputs((Output(names),), {"": y}, scaling, ())
    return output


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rows", TARGETS.values(), ids=TARGETS)
def test_targets_come_back_also_those_outside_the_training_rows(rows: Array, method: str) -> None:
    output = learned(rows, method, clip=True)
    span = np.ptp(rows, axis=0) + 1
    new = np.concatenate([rows, rows - 2 * span, rows + 3 * span])
    scaled = scale_target(new, output)
    assert scaled.dtype == np.float32
    assert np.isfinite(scaled).all()
    back = output.restore(scaled, truth=True)
    np.testing.assert_allclose(back / span, new / span, atol=2e-5)
    predicted = output.restore(scaled)
    assert (predicted >= rows.min(axis=0)).all()
    assert (predicted <= rows.max(axis=0)).all()
    np.testing.assert_allclose(predicted[: len(rows)] / span, rows / span, atol=2e-5)


@pytest.mark.parametrize("method", METHODS)
def test_tensors_come_back_as_arrays_do(method: str) -> None:
    from mlpcli.keras_import import import_keras
    from mlpcli.model.target_scaling import InOwnUnits, along_curve, curve_of

    keras = import_keras()
    for rows in TARGETS.values():
        output = learned(rows, method, clip=True)
        values = RANDOM.normal(0, 2, (50, len(output.target)))
        assert output.scale is not None
        assert output.offset is not None
        curve = curve_of(output)
        assert curve is not None
        linear = keras.ops.convert_to_tensor(values * output.scale + output.offset)
        for truth in (False, True):
            found = np.asarray(along_curve(linear, curve, truth=truth))
            np.testing.assert_allclose(found, output.restore(values, truth=truth), rtol=1e-9, atol=1e-9)
    output = learned(TARGETS["two columns"], method, clip=True)
    curve, values = curve_of(output), RANDOM.normal(0, 2, (50, 2))
    mae = keras.metrics.MeanAbsoluteError(dtype="float64")
    metric = InOwnUnits(mae, list(output.scale or ()), list(output.offset or ()), curve=curve)
    again = InOwnUnits.from_config(metric.get_config())
    again.update_state(values + 1, values)
    wanted = np.abs(output.restore(values + 1, truth=True) - output.restore(values)).mean()
    assert np.asarray(again.result()) == pytest.approx(wanted)


def test_a_logarithm_is_of_the_distance_from_the_lowest_row_where_that_is_negative() -> None:
    assert learned(np.array([-4.0, 5.0]), "log").log == (-4.0,)
    output = learned(np.array([2.0, 5.0]), "log")
    assert output.log == (0.0,)
    assert output.offset == pytest.approx([np.log1p([2.0, 5.0]).mean()])


def test_quantiles_make_a_skewed_target_normal() -> None:
    scaled = scale_target(TARGETS["prices"], learned(TARGETS["prices"], "quantile"))
    assert scaled.std() == pytest.approx(1, abs=0.05)
    assert np.abs(scaled).max() == pytest.approx(2.807, abs=1e-3)  # the normal value of 0.5 rows of 200


@pytest.mark.parametrize("method", METHODS)
def test_a_contract_keeps_the_scaling(method: str) -> None:
    output = learned(TARGETS["two columns"], method, clip=True)
    contract = Contract("array", (), (2,), "float32", (output,), numbers="float64")
    assert read_contract(contract.to_json()).outputs == (output,)
    plain = Contract("array", (), (2,), "float32", (learned(TARGETS["prices"], "minmax"),)).to_json()
    assert {"log", "quantiles", "limits"}.isdisjoint(plain["outputs"][0])  # type: ignore[index]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("log", [0.0, 1.0, 2.0], "a value for each target"),
        ("limits", [[2.0, 1.0], [0.0, 1.0]], "no limit below the other"),
        ("quantiles", [{"values": [2.0, 1.0]}, {"values": [1.0, 2.0]}], "do not fall"),
    ],
)
def test_a_damaged_scaling_is_an_error(field: str, value: object, message: str) -> None:
    output = learned(TARGETS["two columns"], "standardize")
    document = Contract("array", (), (2,), "float32", (output,), numbers="float64").to_json()
    document["outputs"][0][field] = value  # type: ignore[index]
    with pytest.raises(ValueError, match=message):
        read_contract(document)


def test_predictions_are_written_with_the_digits_that_the_network_has() -> None:
    output = learned(TARGETS["prices"], "log")
    values = np.array([[123456.123456789], [np.nan], [0.123456789012]])
    found = without_idle_digits(values, output)
    assert found[[0, 2], 0].tolist() == [123456.1235, 0.123456789]
