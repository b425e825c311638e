"""An axis of ensemble members in one network: each has a loss of its own, their mean is the prediction."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.errors import SpecError
from mlpcli.spec.load import load_spec
from tests.bare_runs import BARE, train_bare
from tests.conftest import Result

pytestmark = pytest.mark.slow

ROWS, FEATURES, MEMBERS = 12, 3, 3


def _model(units: int, activation: str | None, *, own: bool) -> Any:
    """Two layers: of members that share no weight, or of Dense for one of them."""
    import keras

    from mlpcli.model.member_layers import MemberDense, MemberMean, Members

    keras.utils.set_random_seed(5)
    if own:
        middle = [Members(MEMBERS, factors=False), MemberDense(5, activation="tanh")]
        layers = [*middle, MemberDense(units, activation=activation), MemberMean()]
    else:
        layers = [keras.layers.Dense(5, activation="tanh"), keras.layers.Dense(units, activation=activation)]
    return keras.Sequential([keras.Input((FEATURES,)), *layers])


def _absolute(y_true: Any, y_pred: Any) -> Any:
    import keras

    return keras.ops.mean(keras.ops.abs(y_true - y_pred), axis=-1)


LOSSES: dict[str, tuple[Callable[[], Any], int, str | None]] = {
    "classes": (lambda: "sparse_categorical_crossentropy", 3, "softmax"),
    "two classes": (lambda: "binary_crossentropy", 1, "sigmoid"),
    "a sum": (lambda: _keras().losses.Huber(reduction="sum"), 1, None),
    "weighed": (lambda: _keras().losses.MeanSquaredError(reduction="mean_with_sample_weight"), 1, None),
    "of rows": (lambda: _keras().losses.CategoricalGeneralizedCrossEntropy(), 3, "softmax"),
    "a function": (lambda: _absolute, 1, None),
}


def _keras() -> Any:
    import keras

    return keras


@pytest.mark.parametrize("case", LOSSES)
def test_members_that_share_nothing_learn_as_networks_alone(case: str) -> None:
    import keras

    from mlpcli.model.member_loss import MemberLoss

    loss, units, activation = LOSSES[case]
    numbers = np.random.default_rng(0)
    x = numbers.normal(size=(ROWS, FEATURES)).astype("float32")
    y = numbers.integers(0, max(2, units), ROWS)
    weights = numbers.uniform(1, 2, ROWS).astype("float32")
    all_of_them = _model(units, activation, own=True)
    begun = [np.array(each) for each in all_of_them.get_weights()]
    # Each member's loss is one of three in the mean: at three times the rate it learns as one alone.
    all_of_them.compile(
        loss=MemberLoss(loss()), optimizer=keras.optimizers.SGD(0.1 * MEMBERS), run_eagerly=True
    )
    shown = [float(all_of_them.train_on_batch(x, y, sample_weight=weights)) for _ in range(2)]
    alone, probabilities = [], []
    for member in range(MEMBERS):
        one = _model(units, activation, own=False)
        one.set_weights([each[member] for each in begun])
        one.compile(loss=loss(), optimizer=keras.optimizers.SGD(0.1), run_eagerly=True)
        alone.append([float(one.train_on_batch(x, y, sample_weight=weights)) for _ in range(2)])
        for ours, theirs in zip(all_of_them.get_weights(), one.get_weights(), strict=True):
            np.testing.assert_allclose(ours[member], theirs, rtol=1e-4, atol=1e-6)
        probabilities.append(np.asarray(one(x)))
    np.testing.assert_allclose(shown, np.mean(alone, axis=0), rtol=1e-5)
    assert len({round(each[0], 6) for each in alone}) == MEMBERS  # they did not begin alike
    mean = np.mean(probabilities, axis=0)
    np.testing.assert_allclose(np.asarray(all_of_them(x)), mean, rtol=1e-4, atol=1e-6)
    of_mean = keras.losses.get(MemberLoss(loss()))(y, mean, sample_weight=weights)
    judged = all_of_them.evaluate(x, y, sample_weight=weights, verbose=0, batch_size=ROWS)
    np.testing.assert_allclose(judged, float(np.sum(of_mean)), rtol=1e-4)


def test_a_member_s_loss_is_computed_from_its_logits() -> None:
    import keras

    from mlpcli.model.member_layers import MemberMean
    from mlpcli.model.member_loss import MemberLoss

    logits = keras.ops.convert_to_tensor([[[90.0, -90.0], [0.0, 0.0]]])
    mean = MemberMean()(keras.activations.softmax(logits), training=True)
    loss = MemberLoss("sparse_categorical_crossentropy")(np.array([1]), mean)
    np.testing.assert_allclose(
        float(loss), (180.0 + np.log(2)) / 2, rtol=1e-5
    )  # and not the log of an epsilon


def test_factors_are_those_of_batch_ensemble_and_kernels_begin_as_a_dense_layer_s() -> None:
    import keras

    from mlpcli.model.member_layers import MemberDense, Members, RandomSigns

    x = np.random.default_rng(1).normal(size=(5, 6)).astype("float32")
    begin = Members(3, initializer=RandomSigns(seed=2))
    pairs = Members(3, width=2)
    pairs.build((None, 6))
    assert (np.array(pairs.factors)[:, ::2] == np.array(pairs.factors)[:, 1::2]).all()
    assert len(np.unique(np.array(pairs.factors))) == 9
    shared = MemberDense(4, share="factors", factors_initializer="random_normal", bias_initializer="ones")
    found = np.asarray(shared(begin(x)))
    kernel, r, s, bias = (np.array(each) for each in shared.get_weights())
    signs = np.array(begin.factors)
    assert {*np.unique(signs)} == {-1.0, 1.0}
    for member in range(3):
        expected = ((x * signs[member] * r[member]) @ kernel) * s[member] + bias[member]
        np.testing.assert_allclose(found[:, member], expected, rtol=1e-4, atol=1e-6)
    wide = MemberDense(200, kernel_regularizer=keras.regularizers.L2(0.1))
    wide.build((None, 50, 100))
    limit = np.sqrt(6 / 300)  # of glorot_uniform for 100 inputs and 200 units, without the 50 members
    assert 0.99 * limit < np.abs(wide.kernel).max() < 1.0001 * limit
    assert np.ptp(np.array(wide.kernel)[:, 0, 0]) > limit
    penalty = 0.1 * np.square(np.array(wide.kernel)).sum() / 50
    np.testing.assert_allclose(float(wide.losses[0]), penalty, rtol=1e-4)


TWO_OUTPUTS = """\
name: members
seed: 3
dataset: {path: t.csv, target: {kind: kind, size: size}, weights: w, target_scaling: standardize}
layers:
  - Members: {count: 3, initializer: RandomSigns}
  - {Dense: {units: 8, activation: relu}, name: hidden}
  - Dropout: {rate: 0.1}
  - MemberDense: {units: 3}
  - Activation: {activation: softmax}
  - {MemberMean: {}, name: kind}
  - {MemberDense: {units: 1, share: factors}, from: hidden}
  - {MemberMean: {}, name: size}
loss: {kind: sparse_categorical_crossentropy, size: mse}
metrics: {kind: [accuracy], size: [mae]}
fit: {epochs: 2, batch_size: 16, class_weight: {kind: balanced}}
"""


def test_a_run_of_members_is_judged_saved_and_served_by_their_mean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mlpcli: Callable[..., Result]
) -> None:
    import keras

    monkeypatch.chdir(tmp_path)
    place = np.arange(60)
    lines = (f"{i % 7},{i * 13 % 11},{1 + i % 3},{'abc'[i // 2 % 3]},{i * 0.5 - 7}" for i in place)
    Path("t.csv").write_text("a,b,w,kind,size\n" + "\n".join(lines) + "\n")
    Path("spec.yaml").write_text(TWO_OUTPUTS)
    run = train_bare(Path("spec.yaml"), Path("runs"), options=replace(BARE, saved_model=True)).folder
    record, metrics = (json.loads((run / name).read_text()) for name in ("run.json", "metrics.json"))
    assert record["engine"]["name"] == "compiled"
    assert record["saved_model"]["rows"] > 30  # that a clean process served alike
    saved = keras.saving.load_model(run / "model.keras", compile=False)
    rows = {"a": place % 7.0, "b": place * 13 % 11.0}
    found = saved({name: keras.ops.convert_to_tensor(each[:, None]) for name, each in rows.items()})
    predicted = mlpcli("predict", "members", "t.csv")
    assert predicted.status == 0, predicted.err
    table = np.genfromtxt(predicted.out.splitlines(), delimiter=",", names=True, dtype=None, encoding=None)
    np.testing.assert_allclose(table["kind_probability_a"], np.asarray(found["kind"])[:, 0], rtol=1e-4)
    again = mlpcli("evaluate", "members", "--json", "--no-figures")
    assert json.loads(again.out)["metrics"]["loss"] == pytest.approx(metrics["test"]["loss"])


ALIKE = (
    "layers: [Members: {count: 4, factors: false}, %s, Dense: {units: 3, activation: softmax}, MemberMean]\n"
)


@pytest.mark.parametrize(
    ("layer", "alike"),
    [
        ("Dense: {units: 4}", True),
        ("MemberDense: {units: 4, share: factors}", True),
        ("MemberDense: {units: 4, share: factors, factors_initializer: RandomSigns}", False),
        ("MemberDense: {units: 4}", False),
        ("Dropout: {rate: 0.1}", False),
    ],
)
def test_members_that_nothing_makes_differ_are_advised_against(
    layer: str, alike: bool, spec_file: Callable[[str], Path]
) -> None:
    from mlpcli.checks.member_advice import advise_members

    spec = load_spec(spec_file("name: alike\ndataset: {name: iris}\n" + ALIKE % layer)).spec
    assert [advice.path for advice in advise_members(spec)] == [("layers", 3)] * alike


HEAD = "name: bad\ndataset: {name: iris}\nlayers:\n"
BEGIN = "  - Members: {count: 4}\n"
END = "  - MemberMean\n"
OWN = "  - MemberDense: {units: 3, activation: softmax}\n"

MISTAKES = {  # layers and what follows: place, rule
    "no members": ("  - Flatten\n" + OWN + END, "5:5 layers[1]: MemberDense has weights for each member"),
    "no members to mean": (END, "4:5 layers[0]: MemberMean is the mean of members, and there are none"),
    "no mean": (BEGIN + OWN, "5:5 layers[1]: an output must be one prediction for each row"),
    "not last": (BEGIN + OWN + END + "  - Softmax\n", "6:5 layers[2]: MemberMean must be the last layer"),
    "members of members": (
        BEGIN + BEGIN + OWN + END,
        "5:5 layers[1]: the layer before has an axis of members",
    ),
    "flattened": (BEGIN + "  - Flatten\n" + OWN + END, "5:5 layers[1]: this layer would mix the members"),
    "attention": (
        BEGIN + "  - GroupNormalization: {groups: 1}\n" + OWN + END,
        "5:5 layers[1]: this layer would mix the members",
    ),
    "an axis": (
        BEGIN + OWN + "  - Softmax: {axis: 1}\n" + END,
        "6:21 layers[2].Softmax.axis: axis 0 is that of the rows, axis 1 that of the members",
    ),
    "a branch without": (
        "  - {Dense: {units: 4}, name: d}\n  - {Members: {count: 4}, name: m}\n"
        "  - {Add: {}, from: [d, m]}\n" + OWN + END,
        "6:21 layers[2].from: all that this layer reads must have the same members, received d: none, m: 4",
    ),
    "other counts": (
        "  - {Members: {count: 2}, name: l}\n  - {Members: {count: 4}, name: m, from: input}\n"
        "  - {Add: {}, from: [l, m]}\n" + OWN + END,
        "received l: 2, m: 4",
    ),
    "no count": ("  - Members: {count: 0}\n" + OWN + END, "4:22 layers[0].Members.count: must be a positive"),
    "share": (
        BEGIN + "  - MemberDense: {units: 3, share: all}\n" + END,
        "5:36 layers[1].MemberDense.share: must be none or factors, received 'all'",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_with_the_axis_are_found_without_the_data(
    case: str, spec_file: Callable[[str], Path]
) -> None:
    layers, expected = MISTAKES[case]
    with pytest.raises(SpecError) as caught:
        load_spec(spec_file(HEAD + layers))
    assert expected in str(caught.value)


LINEAR = "  - MemberDense: {units: 3}\n"
LOSS_MISTAKES = {
    "logits by default": (LINEAR + END, "write activation: softmax in the last MemberDense"),
    "logits": (
        LINEAR + END + "loss: {SparseCategoricalCrossentropy: {from_logits: true}}\n",
        "write activation: softmax in the last MemberDense, and remove from_logits",
    ),
    "no probabilities": (
        "  - MemberDense: {units: 3, activation: relu}\n" + END + "loss: sparse_categorical_crossentropy\n",
        "5:41 layers[1].MemberDense.activation: the members must predict probabilities",
    ),
    "pairs of rows": (LINEAR + END + "loss: Circle\n", "7:7 loss: this loss is of all rows of a batch"),
    "units": (
        "  - MemberDense: {units: 2, activation: softmax}\n" + END,
        "5:26 layers[1].MemberDense.units: the output must have 3 units",
    ),
    "a batch of a plug-in's": (
        OWN + END + "loss: of_batch\nplugins: [mine.py]\n",
        "7:7 loss: this loss is not the mean of a loss of each row",
    ),
}


@pytest.mark.parametrize("case", LOSS_MISTAKES)
def test_losses_that_members_cannot_have_are_errors(
    case: str, spec_file: Callable[[str], Path], mlpcli: Callable[..., Result]
) -> None:
    layers, expected = LOSS_MISTAKES[case]
    spec = spec_file(HEAD + BEGIN + layers)
    plugin = (
        "import keras\n\ndef of_batch(y_true, y_pred):\n    return keras.ops.max(y_pred) + 0 * y_pred[:, 0]\n"
    )
    (spec.parent / "mine.py").write_text(plugin)
    result = mlpcli("check", spec)
    assert result.status == 2
    assert expected in result.err + result.out


def test_a_plug_in_s_layers_of_these_names_are_left_alone(spec_file: Callable[[str], Path]) -> None:
    spec = spec_file(HEAD + "  - MemberMean\n  - Dense: {units: 3}\nplugins: [mine.py]\n")
    (spec.parent / "mine.py").write_text("import keras\n\nclass MemberMean(keras.layers.Layer):\n    pass\n")
    assert load_spec(spec).spec.layers[0].class_name == "MemberMean"
