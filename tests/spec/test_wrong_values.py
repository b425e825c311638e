"""Wrong values of arguments are reported where they are, with the rule, before Keras is imported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlpcli.spec.components import check_components
from mlpcli.spec.values import ValueMap
from tests.conftest import Result
from tests.spec.refusals import headlines

CONV = {"filters": 4, "kernel_size": 3}

# kind, class, arguments, the problem: from the argument on, or from the class on where none is given
WRONG: list[tuple[str, str, dict[str, Any], str]] = [
    ("layers", "Dense", {"units": 0}, ".units: must be a positive integer, received 0"),
    ("layers", "Dense", {"units": -3}, ".units: must be a positive integer, received -3"),
    ("layers", "Dense", {"units": "ten"}, ".units: must be a positive integer, received 'ten'"),
    ("layers", "Dense", {"units": None}, ".units: must be a positive integer, received null"),
    ("layers", "Dense", {"units": 3, "dtype": "flot32"}, "received 'flot32'; did you mean 'float32'?"),
    ("layers", "Dropout", {"rate": 1.5}, ".rate: must be a number from 0 up to but not including 1"),
    ("layers", "LSTM", {"units": 3, "dropout": 1.5}, ".dropout: must be a number from 0 up to but not"),
    ("layers", "GaussianNoise", {"stddev": -1}, ".stddev: must be a number from 0 to 1, received -1"),
    (
        "layers",
        "Conv2D",
        CONV | {"kernel_size": 0},
        ".kernel_size: must be a positive integer, or a list of 2 of them, received 0",
    ),
    (
        "layers",
        "Conv2D",
        CONV | {"strides": [1, 2, 3]},
        ".strides: must be a positive integer, or a list of 2",
    ),
    (
        "layers",
        "Conv1D",
        CONV | {"kernel_size": 1.5},
        ".kernel_size: must be a positive integer, received 1.5",
    ),
    (
        "layers",
        "Conv2D",
        {"filters": 5, "kernel_size": 3, "groups": 2},
        ".groups: must divide the filters, of which there are 5, received 2; make filters a",
    ),
    (
        "layers",
        "Conv2D",
        CONV | {"strides": 2, "dilation_rate": 2},
        ".dilation_rate: cannot be above 1 where strides is, which is 2, received 2; keep one of",
    ),
    (
        "layers",
        "Conv2D",
        CONV | {"padding": "sane"},
        ".padding: must be valid or same, received 'sane'; did you mean 'same'?",
    ),
    ("layers", "MaxPooling2D", {"padding": "causal"}, ".padding: must be valid or same, received 'causal'"),
    (
        "layers",
        "Conv2DTranspose",
        CONV | {"output_padding": 2},
        ".output_padding: must be below strides, which is [1, 1], received 2; leave it out",
    ),
    (
        "layers",
        "ZeroPadding2D",
        {"padding": -1},
        ".padding: must be an integer of at least 0, or a list of 2",
    ),
    (
        "layers",
        "UpSampling2D",
        {"interpolation": "foo"},
        ".interpolation: must be nearest, bilinear, bicubic, ",
    ),
    ("layers", "RandomFlip", {"mode": "horizontally"}, "received 'horizontally'; did you mean 'horizontal'?"),
    (
        "layers",
        "RandomZoom",
        {"height_factor": -1},
        ".height_factor: must be a number above -1, up to 1, or a",
    ),
    (
        "layers",
        "MultiHeadAttention",
        {"num_heads": 0, "key_dim": 2},
        ".num_heads: must be a positive integer",
    ),
    (
        "layers",
        "GroupQueryAttention",
        {"head_dim": 2, "num_query_heads": 3, "num_key_value_heads": 2},
        ".num_key_value_heads: must divide num_query_heads, which is 3, received 2",
    ),
    ("layers", "BatchNormalization", {"momentum": 2}, ".momentum: must be a number from 0 to 1, received 2"),
    (
        "layers",
        "Normalization",
        {"mean": 1.0},
        ".mean: needs the variance beside it, received 1.0; give both",
    ),
    ("layers", "Rescaling", {"scale": []}, ".scale: must be a number, or a list of numbers, received []"),
    ("layers", "Permute", {"dims": [0, 1]}, ".dims: must be a list of the axes 1, 2, ... in another order"),
    ("layers", "Reshape", {"target_shape": [-1, -1]}, ".target_shape: must be a list of sizes of at least 0"),
    ("layers", "Embedding", {"input_dim": 3, "output_dim": 0}, ".output_dim: must be a positive integer"),
    (
        "layers",
        "StringLookup",
        {"vocabulary": ["a", "a"]},
        ".vocabulary: must be a list of distinct texts, such as [red, green], received ['a', 'a']",
    ),
    (
        "layers",
        "Hashing",
        {"num_bins": 3, "sparse": True},
        ".sparse: can be true only where output_mode is one_hot, multi_hot or count, and here it is int",
    ),
    (
        "layers",
        "CategoryEncoding",
        {},
        ": num_tokens must be given; write how many classes there are, from 0 on",
    ),
    (
        "layers",
        "Discretization",
        {"num_bins": 3, "bin_boundaries": [1, 2]},
        ".num_bins: must be given where bin_boundaries is not, and only there, received 3; write",
    ),
    (
        "layers",
        "LSTM",
        {"units": 3, "stateful": True},
        ".stateful: must be false: the rows of a batch do not",
    ),
    (
        "layers",
        "TimeDistributed",
        {"layer": 3},
        ".layer: must be a layer, not a number, received 3; write layer: {Dense: {units: 3}}",
    ),
    ("layers", "Pipeline", {"layers": []}, ".layers: must be a list of layers, received []"),
    ("layers", "RNN", {"cell": []}, ".cell: must not be an empty list, received []; "),
    (
        "layers",
        "Dense",
        {"units": 3, "dtype": "int32"},
        ".dtype: must be a type of numbers, such as float32, fl",
    ),
    (
        "layers",
        "EinsumDense",
        {"equation": "ab", "output_shape": 3},
        ".equation: must be an equation of letters",
    ),
    (
        "layers",
        "EinsumDense",
        {"equation": "ab,bc->ac", "output_shape": 3, "bias_axes": "f"},
        ".bias_axes: must be letters behind the arrow of the equation, which is ab,bc->ac, received 'f'",
    ),
    (
        "layers",
        "MultiHeadAttention",
        {"num_heads": 2, "key_dim": 2, "flash_attention": True},
        ".flash_attention: must be false: TensorFlow has no flash attention, received true",
    ),
    ("losses", "Huber", {"delta": -1}, ".delta: must be a positive number, received -1"),
    (
        "losses",
        "MeanSquaredError",
        {"reduction": "avg"},
        ".reduction: must be sum_over_batch_size, sum, mean, ",
    ),
    ("losses", "Tversky", {"alpha": -0.5}, ".alpha: must be a number of at least 0, received -0.5"),
    (
        "losses",
        "CategoricalGeneralizedCrossEntropy",
        {"q": 1},
        ".q: must be a number between 0 and 1, received 1",
    ),
    (
        "metrics",
        "AUC",
        {"curve": "RUC"},
        ".curve: must be ROC, PR or PRGAIN, received 'RUC'; did you mean 'ROC'?",
    ),
    ("metrics", "AUC", {"num_labels": 3}, ".num_labels: is used only where multi_label is true, received 3"),
    (
        "metrics",
        "Precision",
        {"thresholds": 2},
        ".thresholds: must be a number from 0 to 1, or a list of them",
    ),
    (
        "metrics",
        "F1Score",
        {"average": "micros"},
        ".average: must be micro, macro, weighted or null, received",
    ),
    (
        "metrics",
        "IoU",
        {"num_classes": 2, "target_class_ids": [2]},
        ".target_class_ids: must be below num_classes, which is 2: the first class is 0, received [2]",
    ),
    ("metrics", "TopKCategoricalAccuracy", {"k": 0}, ".k: must be a positive integer, received 0"),
    (
        "optimizers",
        "SGD",
        {"learning_rate": -1},
        ".learning_rate: must be a number of at least 0, received -1",
    ),
    (
        "optimizers",
        "Adam",
        {"learning_rate": None},
        ".learning_rate: must be a number of at least 0, received",
    ),
    (
        "optimizers",
        "Adam",
        {"beta_1": 2},
        ".beta_1: must be a number from 0 up to but not including 1, received",
    ),
    ("optimizers", "Adam", {"epsilon": -1}, ".epsilon: must be a number of at least 0, received -1"),
    (
        "optimizers",
        "Adam",
        {"ema_momentum": 1.5},
        ".ema_momentum: must be a number from 0 to 1, received 1.5",
    ),
    (
        "optimizers",
        "Adam",
        {"clipnorm": 1, "clipvalue": 1},
        ".clipnorm: only one of clipnorm, clipvalue and global_clipnorm can be set, received 1; remove the",
    ),
    ("optimizers", "Ftrl", {"learning_rate_power": 1}, ".learning_rate_power: must be a number of at most 0"),
    (
        "optimizers",
        "MultiOptimizer",
        {"optimizer_map": 3},
        ".optimizer_map: must be an OptimizerMap, received 3",
    ),
    (
        "optimizers.schedules",
        "PiecewiseConstantDecay",
        {"boundaries": [10], "values": [0.1]},
        ".values: must be a list with one value more than boundaries, received [0.1]; the first value is",
    ),
    (
        "optimizers.schedules",
        "CosineDecay",
        {"initial_learning_rate": 0.1, "decay_steps": 9, "alpha": -1},
        ".alpha: must be a number of at least 0, received -1",
    ),
    ("callbacks", "EarlyStopping", {"mode": "foo"}, ".mode: must be auto, min or max, received 'foo'"),
    (
        "callbacks",
        "ReduceLROnPlateau",
        {"factor": 1.5},
        ".factor: must be a number between 0 and 1, received 1.5",
    ),
    ("callbacks", "TensorBoard", {"profile_batch": [1]}, ".profile_batch: must be a batch, or the first and"),
    (
        "callbacks",
        "ModelCheckpoint",
        {"filepath": "best.txt"},
        ".filepath: must end in .keras, or with save_weights_only: true in .weights.h5, received 'best.txt'",
    ),
    ("initializers", "RandomNormal", {"stddev": -1}, ".stddev: must be a number of at least 0, received -1"),
    (
        "initializers",
        "VarianceScaling",
        {"mode": "fan"},
        ".mode: must be fan_in, fan_out or fan_avg, received",
    ),
    ("initializers", "VarianceScaling", {"scale": 0}, ".scale: must be a positive number, received 0"),
    ("regularizers", "L2", {"l2": -1}, ".l2: must be a number of at least 0, received -1"),
    (
        "regularizers",
        "OrthogonalRegularizer",
        {"mode": "row"},
        ".mode: must be rows or columns, received 'row'",
    ),
    ("constraints", "MaxNorm", {"max_value": "ten"}, ".max_value: must be a number of at least 0, received"),
    (
        "constraints",
        "MinMaxNorm",
        {"min_value": 3, "max_value": 2},
        ".min_value: must be at most max_value, which is 2, received 3",
    ),
]


def with_component(namespace: str, component: ValueMap) -> ValueMap:
    """A spec's values with one component where components of its kind are."""
    dense: dict[str, ValueMap] = {
        "initializers": {"units": 1, "kernel_initializer": component},
        "regularizers": {"units": 1, "kernel_regularizer": component},
        "constraints": {"units": 1, "kernel_constraint": component},
    }
    if namespace in dense:
        return {"layers": [{"Dense": dense[namespace]}]}
    top: dict[str, ValueMap] = {
        "layers": {"layers": [component]},
        "losses": {"loss": component},
        "metrics": {"metrics": [component]},
        "optimizers": {"optimizer": component},
        "callbacks": {"callbacks": [component]},
        "optimizers.schedules": {"optimizer": {"SGD": {"learning_rate": component}}},
    }
    return top[namespace]


@pytest.mark.parametrize("case", WRONG, ids=lambda case: f"{case[1]}-{case[3][:24]}")
def test_a_wrong_value_is_reported_at_its_argument(case: tuple[str, str, dict[str, Any], str]) -> None:
    namespace, name, arguments, expected = case
    (found,) = check_components(with_component(namespace, {name: arguments}))
    place, _, problem = found.headline().partition(name)
    assert place.endswith(".")
    assert expected in problem
    assert expected[:1] not in ".:" or problem.startswith(expected)


def test_a_wrong_value_is_reported_with_line_and_column_before_keras_is_imported(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    spec = tmp_path / "s.yaml"
    spec.write_text(
        "dataset: {name: digits}\n"
        "layers:\n"
        "  - Conv1D: {filters: 5, kernel_size: 0}\n"
        "  - Conv1D: {filters: 5, kernel_size: 2, groups: 2}\n"
        "  - Flatten\n"
        "  - Dense: {units: 10, activation: softmaxx}\n"
        "loss: {CategoricalCrossentropy: {axis: ten}}\n"
        "optimizer: {Adam: {beta_1: 2}}\n"
    )
    result = mlpcli("check", spec)
    assert result.status == 2
    assert headlines(result.err) == [
        f"{spec}:3:39 layers[0].Conv1D.kernel_size: must be a positive integer, received 0",
        (
            f"{spec}:4:50 layers[1].Conv1D.groups: must divide the filters, of which there are 5, "
            "received 2; make filters a multiple of groups"
        ),
        (
            f"{spec}:6:36 layers[3].Dense.activation: unknown activation, received 'softmaxx'; "
            "did you mean 'softmax'?"
        ),
        (
            f"{spec}:7:40 loss.CategoricalCrossentropy.axis: must be an integer, or a list of them, "
            "received 'ten'"
        ),
        f"{spec}:8:28 optimizer.Adam.beta_1: must be a number from 0 up to but not including 1, received 2",
    ]


def test_what_keras_takes_is_accepted() -> None:
    """Null for a default of null, one size for each axis, older and capital names, ranges."""
    right: list[tuple[str, str, dict[str, Any]]] = [
        ("layers", "MaxPooling2D", {"pool_size": [2, 1], "strides": None}),
        ("layers", "Conv2D", CONV | {"padding": "SAME", "strides": [1, 2]}),
        ("layers", "Conv2D", CONV | {"dilation_rate": 2, "strides": [1, 1]}),
        ("layers", "Conv1D", CONV | {"padding": "causal", "groups": 2}),
        ("layers", "ZeroPadding2D", {"padding": [[1, 0], [2, 2]]}),
        ("layers", "CategoryEncoding", {"num_tokens": 3, "output_mode": "binary"}),
        ("layers", "GroupNormalization", {"groups": -1}),
        ("layers", "RandomContrast", {"factor": [0.1, 0.4]}),
        ("layers", "RandomBrightness", {"factor": -0.2}),
        ("layers", "Normalization", {"axis": None}),
        ("layers", "Rescaling", {"scale": [0.5, 2.0], "offset": -1}),
        ("layers", "TextVectorization", {"standardize": None, "ngrams": [1, 2]}),
        ("layers", "Bidirectional", {"layer": {"LSTM": {"units": 3}}, "merge_mode": None}),
        ("losses", "Dice", {"axis": [1], "reduction": "none"}),
        ("losses", "BinaryCrossentropy", {"label_smoothing": None}),
        ("metrics", "AUC", {"curve": "roc", "thresholds": [0.1, 0.9]}),
        ("optimizers", "Adam", {"gradient_accumulation_steps": 0, "weight_decay": None}),
        ("optimizers", "Muon", {"weight_decay": None}),
        ("regularizers", "L1L2", {"l1": None, "l2": 0.1}),
        ("constraints", "MaxNorm", {"axis": [0, 1]}),
        ("initializers", "Constant", {"value": [0.5, 2]}),
    ]
    wrong = {f"{n}.{c}": check_components(with_component(n, {c: given})) for n, c, given in right}
    assert [label for label, found in wrong.items() if found] == []
