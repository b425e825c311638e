"""Loss, activation, target and metrics that do not go together, and those that do.

Each spec is one network with many outputs, every one of which is wrong in its own way, so that one build
shows that each is told at its own place, and all at once. The last is as odd as can be and right.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Result
from tests.spec.refusals import headlines

COLUMNS: dict[str, Callable[[int], object]] = {
    "a": lambda i: i % 7 / 7,
    "b": lambda i: i * 13 % 11 / 11,
    "num": lambda i: i * 17 % 23 - 11.5,
    "pos": lambda i: i % 9 + 0.5,
    "unit": lambda i: round((1 + math.sin(i)) / 2, 3),
    "sym": lambda i: round(math.sin(i), 3),
    "count": lambda i: i % 4,
    "bit": lambda i: i % 2,
    "kind": lambda i: "xyz"[i % 3],
    "two": lambda i: ("no", "maybe")[i % 2],
    "p": lambda i: int(i % 3 == 0),
    "q": lambda i: int(i % 3 == 1),
    "r": lambda i: int(i % 3 == 2),
    "l1": lambda i: int(i % 2 == 0),
    "l2": lambda i: int(i % 5 == 0),
}
TABLE = (
    ",".join(COLUMNS)
    + "\n"
    + "".join(",".join(str(cell(i)) for cell in COLUMNS.values()) + "\n" for i in range(60))
)

# name: outputs, each with its target, units, activation, loss and metrics
Outputs = dict[str, tuple[str, int, str, str, str]]

NUMBERS: Outputs = {
    "o1": ("num", 1, "relu", "mse", "[mae]"),
    "o2": ("num", 1, "softplus", "mae", "[accuracy]"),
    "o3": ("num", 1, "sigmoid", "huber", "[AUC]"),
    "o4": ("num", 1, "tanh", "log_cosh", "[{Precision: {thresholds: 0.3}}]"),
    "o5": ("unit", 1, "softmax", "mse", "[sparse_categorical_accuracy]"),
    "o6": ("num", 1, "softplus", "poisson", "[binary_accuracy]"),
    "o7": ("count", 1, "linear", "poisson", "[mae]"),
    "o8": ("num", 1, "linear", "mean_squared_logarithmic_error", "[F1Score]"),
    "o9": ("count", 1, "linear", "mape", "[mape]"),
    "o10": ("num", 1, "linear", "cosine_similarity", "[Accuracy]"),
    "o11": ("[num, pos]", 1, "linear", "mse", "[mae]"),
    "o12": ("[num, pos]", 2, "relu6", "mse", "[msle]"),
    "o13": ("[p, unit]", 2, "softmax", "mse", "[mae]"),
}
CLASSES: Outputs = {
    "o1": ("kind", 3, "softmax", "categorical_crossentropy", "[categorical_accuracy]"),
    "o2": ("kind", 3, "sigmoid", "sparse_categorical_crossentropy", "[AUC]"),
    "o3": ("kind", 2, "softmax", "sparse_categorical_crossentropy", "[accuracy]"),
    "o4": ("kind", 3, "linear", "sparse_categorical_crossentropy", "[RootMeanSquaredError]"),
    "o5": ("kind", 3, "softmax", "{SparseCategoricalCrossentropy: {from_logits: true}}", "[Precision]"),
    "o6": ("kind", 1, "sigmoid", "binary_crossentropy", "[accuracy]"),
    "o7": ("two", 1, "sigmoid", "hinge", "[accuracy]"),
    "o8": ("two", 1, "softmax", "binary_crossentropy", "[categorical_accuracy]"),
    "o9": ("two", 1, "relu", "binary_crossentropy", "[{MeanIoU: {num_classes: 2}}]"),
    "o10": ("two", 1, "linear", "{BinaryCrossentropy: {from_logits: true}}", "[accuracy, Recall, AUC]"),
    "o11": ("two", 1, "relu", "{BinaryCrossentropy: {from_logits: true}}", "[{BinaryAccuracy: {threshold: 0.0}}]"),
    "o12": ("two", 2, "sigmoid", "binary_crossentropy", "[binary_accuracy]"),
    "o13": ("kind", 3, "softmax", "sparse_categorical_crossentropy", "[SparseTopKCategoricalAccuracy]"),
    "o14": ("kind", 3, "softmax", "kl_divergence", "[Accuracy]"),
}  # fmt: skip
VECTORS: Outputs = {
    "o1": ("[p, q, r]", 3, "softmax", "sparse_categorical_crossentropy", "[sparse_categorical_accuracy]"),
    "o2": ("[p, q, r]", 3, "sigmoid", "categorical_crossentropy", "[accuracy]"),
    "o3": ("[p, q, r]", 2, "softmax", "categorical_crossentropy", "[accuracy]"),
    "o4": ("[l1, l2]", 2, "softmax", "binary_crossentropy", "[accuracy]"),
    "o5": ("[l1, l2]", 2, "sigmoid", "categorical_crossentropy", "[binary_accuracy]"),
    "o6": ("[l1, l2]", 2, "linear", "{BinaryCrossentropy: {from_logits: true}}", "[binary_accuracy]"),
    "o7": ("[l1, l2]", 3, "sigmoid", "binary_crossentropy", "[binary_accuracy]"),
}  # fmt: skip
RIGHT: Outputs = {
    "o1": ("unit", 1, "sigmoid", "mse", "[mae]"),
    "o2": ("pos", 1, "relu", "mape", "[mape, msle]"),
    "o3": ("count", 1, "exponential", "poisson", "[RootMeanSquaredError]"),
    "o4": ("sym", 1, "tanh", "log_cosh", "[R2Score]"),
    "o5": ("bit", 1, "sigmoid", "mse", "[accuracy, AUC]"),
    "o6": ("two", 1, "tanh", "squared_hinge", "[{BinaryAccuracy: {threshold: 0.0}}]"),
    "o7": ("two", 1, "linear", "{BinaryCrossentropy: {from_logits: true}}", "[{AUC: {from_logits: true}}]"),
    "o8": ("[p, q, r]", 3, "sigmoid", "binary_crossentropy", "[categorical_accuracy]"),
    "o9": ("[p, q, r]", 3, "softmax", "mse", "[categorical_accuracy]"),
    "o10": ("kind", 3, "log_softmax", "{SparseCategoricalCrossentropy: {from_logits: true}}", "[acc]"),
    "o11": ("two", 1, "hard_sigmoid", "binary_crossentropy", "[mse, Precision]"),
    "o12": ("num", 1, "{LeakyReLU: {negative_slope: 0.1}}", "mse", "[mae]"),
    "o13": ("two", 1, "sign", "perceptron", "[accuracy]"),
    "o14": ("kind", 3, "softmax", "sparse_categorical_crossentropy", "[{SparseTopKCategoricalAccuracy: {k: 2}}]"),
}  # fmt: skip


def spec_of(outputs: Outputs) -> str:
    """A spec with these outputs: line 4 holds the first layer, 5 the first output's, and so on."""
    targets = ", ".join(f"{name}: {target}" for name, (target, *_) in outputs.items())
    lines = [f"dataset: {{path: t.csv, features: [a, b], target: {{{targets}}}}}", "layers:"]
    lines += ["  # the trunk, and an output a line", "  - {Dense: {units: 4}, name: trunk}"]
    for name, (_, units, activation, _, _) in outputs.items():
        given = f", activation: {activation}" if activation != "linear" else ""
        lines.append(f"  - {{Dense: {{units: {units}{given}}}, name: {name}, from: trunk}}")
    for key, place in (("loss", 3), ("metrics", 4)):
        lines += [f"{key}:", *(f"  {name}: {each[place]}" for name, each in outputs.items())]
    return "\n".join(lines) + "\n"


@pytest.fixture
def check(
    mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Result]:
    """`check` on a spec's text beside the table."""
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text(TABLE, encoding="utf-8")

    def run(text: str) -> Result:
        Path("s.yaml").write_text(text, encoding="utf-8")
        return mlpcli("check", "s.yaml")

    return run


TOLD: dict[str, tuple[Outputs, list[str]]] = {
    "numbers": (
        NUMBERS,
        [
            "s.yaml:5:36 layers[1].Dense.activation: the target ranges from -11.5 to 10.5, relu only produces values of at least 0; leave the activation out",
            "s.yaml:6:36 layers[2].Dense.activation: the target ranges from -11.5 to 10.5, softplus only produces values of at least 0; leave the activation out",
            "s.yaml:7:36 layers[3].Dense.activation: the target ranges from -11.5 to 10.5, sigmoid only produces values from 0 to 1; leave the activation out, or set dataset.target_scaling: minmax",
            "s.yaml:8:36 layers[4].Dense.activation: the target ranges from -11.5 to 10.5, tanh only produces values from -1 to 1; leave the activation out, or set dataset.target_scaling: minmax",
            "s.yaml:9:36 layers[5].Dense.activation: softmax on one unit is always 1, received 'softmax'; leave the activation out",
            "s.yaml:10:36 layers[6].Dense.activation: the target ranges from -11.5 to 10.5, softplus only produces values of at least 0; leave the activation out",
            "s.yaml:11:5 layers[7]: this loss takes outputs of at least 0, linear also produces negative ones, received 'linear'; use activation: softplus or exponential",
            "s.yaml:15:21 layers[11].Dense.units: the output must have 2 units, one for each target column ('num', 'pos'), received 1",
            "s.yaml:16:36 layers[12].Dense.activation: the target ranges from -11.5 to 10.5, relu6 only produces values from 0 to 6; leave the activation out",
            "s.yaml:17:36 layers[13].Dense.activation: the values of a softmax add up to 1, those of a row of the target do not; leave the activation out",
            "s.yaml:24:7 loss.o6: this loss takes targets of at least 0, this target ranges from -11.5 to 10.5, received 'poisson'; use mse or mae",
            "s.yaml:26:7 loss.o8: this loss takes targets of at least 0, this target ranges from -11.5 to 10.5, received 'mean_squared_logarithmic_error'; use mse or mae",
            "s.yaml:27:7 loss.o9: this loss divides by the target, which is 0 in some rows, received 'mape'; use mae, or msle for targets of at least 0",
            "s.yaml:28:8 loss.o10: this loss compares directions, and a single number has only a sign, received 'cosine_similarity'; use mse or mae",
            "s.yaml:34:8 metrics.o2[0]: this metric counts classes, the target is numbers, received 'accuracy'; use RootMeanSquaredError or mae",
            "s.yaml:35:8 metrics.o3[0]: this metric counts classes, the target is numbers, received 'AUC'; use RootMeanSquaredError or mae",
            "s.yaml:36:8 metrics.o4[0]: this metric counts classes, the target is numbers, received 'Precision'; use RootMeanSquaredError or mae",
            "s.yaml:37:8 metrics.o5[0]: this metric counts classes, the target is numbers, received 'sparse_categorical_accuracy'; use RootMeanSquaredError or mae",
            "s.yaml:38:8 metrics.o6[0]: this metric counts classes, the target is numbers, received 'binary_accuracy'; use RootMeanSquaredError or mae",
            "s.yaml:40:8 metrics.o8[0]: this metric counts classes, the target is numbers, received 'F1Score'; use RootMeanSquaredError or mae",
            "s.yaml:41:8 metrics.o9[0]: this metric divides by the target, which is 0 in some rows, received 'mape'; use mae, or msle for targets of at least 0",
            "s.yaml:42:9 metrics.o10[0]: Accuracy counts outputs that equal the target exactly, received 'Accuracy'; use RootMeanSquaredError or mae",
            "s.yaml:44:9 metrics.o12[0]: this metric takes targets of at least 0, this target ranges from -11.5 to 10.5, received 'msle'; use RootMeanSquaredError or mae",
        ],
    ),
    "classes": (
        CLASSES,
        [
            "s.yaml:6:36 layers[2].Dense.activation: the classes are mutually exclusive, sigmoid gives each an independent probability, received 'sigmoid'; use softmax",
            "s.yaml:7:21 layers[3].Dense.units: the output must have 3 units, one for each class, received 2",
            "s.yaml:8:5 layers[4]: this loss takes probabilities, which this output does not produce, received 'linear'; use activation: softmax, or from_logits: true in the loss",
            "s.yaml:11:36 layers[7].Dense.activation: this loss separates the classes by sign, sigmoid only produces values from 0 to 1, received 'sigmoid'; leave the activation out, or use tanh",
            "s.yaml:12:36 layers[8].Dense.activation: softmax on one unit is always 1, received 'softmax'; use sigmoid",
            "s.yaml:13:36 layers[9].Dense.activation: this loss takes probabilities, which this output does not produce, received 'relu'; use activation: sigmoid, or from_logits: true in the loss",
            "s.yaml:15:36 layers[11].Dense.activation: logits separate the classes by sign, relu only produces values of at least 0, received 'relu'; leave the activation out",
            "s.yaml:16:21 layers[12].Dense.units: the output must have 1 unit for this loss, received 2; one sigmoid unit, or sparse_categorical_crossentropy with a softmax unit for each class",
            "s.yaml:20:7 loss.o1: the labels are class indices, this loss takes one-hot vectors, received 'categorical_crossentropy'; use sparse_categorical_crossentropy",
            "s.yaml:24:53 loss.o5.SparseCategoricalCrossentropy.from_logits: from_logits cannot be combined with a softmax output, received true; remove from_logits, or the activation",
            "s.yaml:25:7 loss.o6: this loss takes two classes, the target has 3, received 'binary_crossentropy'; use sparse_categorical_crossentropy and 3 softmax units",
            "s.yaml:33:8 loss.o14: the labels are class indices, this loss takes one-hot vectors, received 'kl_divergence'; use sparse_categorical_crossentropy",
            "s.yaml:35:8 metrics.o1[0]: the labels are class indices, this metric takes one-hot vectors, received 'categorical_accuracy'; use sparse_categorical_accuracy",
            "s.yaml:36:8 metrics.o2[0]: this metric takes 0 or 1 for every unit, the labels are class indices, received 'AUC'; use accuracy; evaluate shows precision, recall and F1 of each class",
            "s.yaml:38:8 metrics.o4[0]: this metric measures numbers, the target is classes, received 'RootMeanSquaredError'; use accuracy",
            "s.yaml:39:8 metrics.o5[0]: this metric takes 0 or 1 for every unit, the labels are class indices, received 'Precision'; use accuracy; evaluate shows precision, recall and F1 of each class",
            "s.yaml:41:8 metrics.o7[0]: this metric counts an output above 0.5 as positive, these are scores, whose threshold is 0, received 'accuracy'; write {BinaryAccuracy: {threshold: 0.0}}",
            "s.yaml:42:8 metrics.o8[0]: this metric looks for the largest of several units, this output has one, received 'categorical_accuracy'; use binary_accuracy",
            "s.yaml:43:8 metrics.o9[0]: this metric reads an output as the number of a class: probabilities below 1 are class 0, received 'MeanIoU'; write {BinaryIoU: {target_class_ids: [0, 1], threshold: 0.5}}",
            "s.yaml:44:9 metrics.o10[0]: this metric counts an output above 0.5 as positive, these are logits, whose threshold is 0, received 'accuracy'; write {BinaryAccuracy: {threshold: 0.0}}",
            "s.yaml:44:19 metrics.o10[1]: this metric counts an output above 0.5 as positive, these are logits, whose threshold is 0, received 'Recall'; write {Recall: {thresholds: 0.0}}",
            "s.yaml:44:27 metrics.o10[2]: this metric takes probabilities, these are logits, received 'AUC'; write {AUC: {from_logits: true}}",
            "s.yaml:46:9 metrics.o12[0]: this metric takes 0 or 1 for every unit, the labels are class indices, received 'binary_accuracy'; use accuracy; evaluate shows precision, recall and F1 of each class",
            "s.yaml:47:9 metrics.o13[0]: the correct class is always among the 5 most likely of 3, received 5; use a k below 3",
            "s.yaml:48:9 metrics.o14[0]: Accuracy counts outputs that equal the target exactly, received 'Accuracy'; use accuracy",
        ],
    ),
    "vectors": (
        VECTORS,
        [
            "s.yaml:6:36 layers[2].Dense.activation: the classes are mutually exclusive, sigmoid gives each an independent probability, received 'sigmoid'; use softmax",
            "s.yaml:7:21 layers[3].Dense.units: the output must have 3 units, one for each class, received 2",
            "s.yaml:8:36 layers[4].Dense.activation: a row may have several labels, the values of a softmax add up to 1, received 'softmax'; use sigmoid",
            "s.yaml:11:21 layers[7].Dense.units: the output must have 2 units, one for each label, received 3",
            "s.yaml:13:7 loss.o1: the labels are one-hot vectors, this loss takes class indices, received 'sparse_categorical_crossentropy'; use categorical_crossentropy",
            "s.yaml:17:7 loss.o5: a row may have several labels, this loss takes one class per row, received 'categorical_crossentropy'; use binary_crossentropy and sigmoid",
            "s.yaml:21:8 metrics.o1[0]: the labels are one-hot vectors, this metric takes class indices, received 'sparse_categorical_accuracy'; use categorical_accuracy",
            "s.yaml:24:8 metrics.o4[0]: a row may have several labels, this metric takes one class per row, received 'accuracy'; use binary_accuracy",
            "s.yaml:26:8 metrics.o6[0]: this metric counts an output above 0.5 as positive, these are logits, whose threshold is 0, received 'binary_accuracy'; write {BinaryAccuracy: {threshold: 0.0}}",
        ],
    ),
}


@pytest.mark.parametrize("case", TOLD)
def test_what_does_not_fit_is_told_at_each_output(case: str, check: Callable[[str], Result]) -> None:
    outputs, expected = TOLD[case]
    result = check(spec_of(outputs))
    assert result.status == 2
    assert headlines(result.err) == expected


def test_what_is_odd_but_right_passes(check: Callable[[str], Result]) -> None:
    result = check(spec_of(RIGHT))
    assert (result.status, result.err) == (0, "")


def test_a_loss_of_ones_own_may_read_targets_in_its_own_way(check: Callable[[str], Result]) -> None:
    Path("own.py").write_text("def censored(y_true, y_pred):\n    return (abs(y_true) - y_pred) ** 2\n")
    text = "dataset: {path: t.csv, features: [a, b], target: num}\nlayers: [Dense: {units: 1, activation: relu}]\n"
    assert check("plugins: [own.py]\nloss: censored\nmetrics: [accuracy]\n" + text).status == 0
    assert check("loss: mse\n" + text).status == 2
