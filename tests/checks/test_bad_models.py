"""Specs whose mistake only the data and the built model show: told with its place, before anything is written."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Result
from tests.spec.refusals import headlines

IRIS = "dataset: {name: iris}\n"
SPARSE = "loss: sparse_categorical_crossentropy\n"
SOFTMAX = "layers:\n  - Dense: {units: 3, activation: softmax}\n"
TABLE = "a,kind,half,late\n" + "".join(
    f"{n},{'yx'[n % 2]},{n - 0.75},{7 if n == 12 else n % 3}\n" for n in range(1, 13)
)

WRONG: dict[str, tuple[str, list[str]]] = {
    "too few units": (
        IRIS + "layers:\n  - Dense: {units: 2, activation: softmax}\n" + SPARSE,
        [
            "spec.yaml:3:20 layers[0].Dense.units: the output must have 3 units, one for each class, received 2",
        ],
    ),
    "one-hot loss": (
        IRIS + SOFTMAX + "loss: categorical_crossentropy\n",
        [
            "spec.yaml:4:7 loss: the labels are class indices, this loss takes one-hot vectors, received 'categorical_crossentropy'; use sparse_categorical_crossentropy",
        ],
    ),
    "binary loss for three classes": (
        IRIS + "layers:\n  - Dense: {units: 1, activation: sigmoid}\nloss: binary_crossentropy\n",
        [
            "spec.yaml:4:7 loss: this loss takes two classes, the target has 3, received 'binary_crossentropy'; use sparse_categorical_crossentropy and 3 softmax units",
        ],
    ),
    "a sigmoid with a loss of class indices": (
        "dataset: {name: breast_cancer}\nlayers:\n  - Dense: {units: 1, activation: sigmoid}\n" + SPARSE,
        [
            "spec.yaml:3:20 layers[0].Dense.units: the output must have 2 units, one for each class, received 1; or write loss: BinaryCrossentropy for this unit",
        ],
    ),
    "no softmax": (
        IRIS + "layers:\n  - Dense: {units: 3}\n" + SPARSE,
        [
            "spec.yaml:3:5 layers[0]: this loss takes probabilities, which this output does not produce, received 'linear'; use activation: softmax, or from_logits: true in the loss",
        ],
    ),
    "softmax and from_logits": (
        IRIS + SOFTMAX + "loss: {SparseCategoricalCrossentropy: {from_logits: true}}\n",
        [
            "spec.yaml:4:53 loss.SparseCategoricalCrossentropy.from_logits: from_logits cannot be combined with a softmax output, received true; remove from_logits, or the activation",
        ],
    ),
    "softmax on one unit": (
        "dataset: {name: breast_cancer}\nlayers:\n  - Dense: {units: 1, activation: softmax}\nloss: binary_crossentropy\n",
        [
            "spec.yaml:3:35 layers[0].Dense.activation: softmax on one unit is always 1, received 'softmax'; use sigmoid",
        ],
    ),
    "two units for binary": (
        "dataset: {name: breast_cancer}\nlayers:\n  - Dense: {units: 2, activation: sigmoid}\nloss: binary_crossentropy\n",
        [
            "spec.yaml:3:20 layers[0].Dense.units: the output must have 1 unit for this loss, received 2; one sigmoid unit, or sparse_categorical_crossentropy with a softmax unit for each class",
        ],
    ),
    "image without Flatten": (
        "dataset: {name: digits}\nlayers:\n  - Dense: {units: 10, activation: softmax}\n" + SPARSE,
        [
            "spec.yaml:3:5 layers[0]: reads rows of shape (8, 8), so the output of a row must be a list of numbers, not of shape (8, 10); put Flatten before this Dense",
        ],
    ),
    "shapes that do not meet": (
        IRIS
        + "layers:\n  - Conv2D: {filters: 3, kernel_size: 3}\n  - Dense: {units: 3, activation: softmax}\n"
        + SPARSE,
        [
            "spec.yaml:3:13 layers[0].Conv2D: does not fit what comes before it, of shape (rows, 4): it takes rows of 3 axes (height, width, channels); a row of 4 values is no image: use Dense",
        ],
    ),
    "a value that Keras alone refuses": (
        IRIS
        + "layers:\n  - IntegerLookup: {vocabulary: [1, 2, 3], max_tokens: 2}\n  - Dense: {units: 3, activation: softmax}\n"
        + SPARSE,
        [
            "spec.yaml:3:56 layers[0].IntegerLookup.max_tokens: Keras rejects this IntegerLookup: Attempted to set a vocabulary larger than the maximum vocab size, received 2; see keras.io/api for the arguments of IntegerLookup",
        ],
    ),
    "two values that Keras alone refuses": (
        "dataset: {name: digits}\nlayers:\n  - Reshape: {target_shape: [3, 3]}\n  - STFTSpectrogram: {window: ten}\n  - IntegerLookup: {vocabulary: [1, 2, 3], max_tokens: 2}\n"
        + SPARSE,
        [
            "spec.yaml:4:31 layers[1].STFTSpectrogram.window: Keras rejects this STFTSpectrogram: Invalid window name 'ten' in parameter window='ten'!, received 'ten'; see keras.io/api for the arguments of STFTSpectrogram",
            "spec.yaml:5:56 layers[2].IntegerLookup.max_tokens: Keras rejects this IntegerLookup: Attempted to set a vocabulary larger than the maximum vocab size, received 2; see keras.io/api for the arguments of IntegerLookup",
        ],
    ),
    "a regularizer and a constraint that do not fit their weight": (
        IRIS
        + "layers:\n  - Dense: {units: 4, bias_regularizer: orthogonal_regularizer, bias_constraint: {MaxNorm: {axis: 1}}}\n  - Dense: {units: 3, activation: softmax}\n"
        + SPARSE,
        [
            "spec.yaml:3:41 layers[0].Dense.bias_regularizer: cannot be applied to the bias, of shape (4,): Inputs to OrthogonalRegularizer must have rank 2. Received: inputs.shape=(4,), received 'orthogonal_regularizer'",
            "spec.yaml:3:82 layers[0].Dense.bias_constraint: cannot be applied to the bias, of shape (4,): Invalid reduction dimension (1 for input with 1 dimension(s), received {MaxNorm: {axis: 1}}",
        ],
    ),
    "noise for other rows, which is seen only in training": (
        IRIS
        + "layers:\n  - Dropout: {rate: 0.5, noise_shape: [null, 3]}\n  - Dense: {units: 3, activation: softmax}\n"
        + SPARSE,
        [
            "spec.yaml:3:39 layers[0].Dropout.noise_shape: does not fit what comes before it, of shape (rows, 4), received [null, 3]; give 2 sizes: null where each value has noise of its own, 1 where all share it",
        ],
    ),
    "a layer with several outputs": (
        "dataset: {name: digits}\nlayers:\n  - LSTM: {units: 3, return_state: true}\n  - Dense: {units: 10, activation: softmax}\n"
        + SPARSE,
        [
            "spec.yaml:3:36 layers[0].LSTM.return_state: returns 3 outputs, received true; a layer of a spec has one output: remove return_state",
        ],
    ),
    "labels of a metric that are not the units": (
        "dataset: {name: breast_cancer}\nlayers:\n  - Dense: {units: 1, activation: sigmoid}\nloss: binary_crossentropy\nmetrics:\n  - AUC: {multi_label: true, num_labels: 3, label_weights: [1, 2, 3]}\n",
        [
            "spec.yaml:6:42 metrics[0].AUC.num_labels: must be the number of the output's units, 1, received 3",
            "spec.yaml:6:60 metrics[0].AUC.label_weights: must have a number for each unit of the output, of which there is 1, received [1, 2, 3]",
        ],
    ),
    "regression units": (
        "dataset: {name: diabetes}\nlayers:\n  - Dense: {units: 2}\nloss: mse\n",
        [
            "spec.yaml:3:20 layers[0].Dense.units: the output must have 1 unit, one for each target column ('target'), received 2",
        ],
    ),
    "monitor": (
        IRIS + SOFTMAX + SPARSE + "callbacks:\n  - EarlyStopping: {monitor: val_acc}\nmetrics: [accuracy]\n",
        [
            "spec.yaml:6:30 callbacks[0].EarlyStopping.monitor: no metric has this name, received 'val_acc'; did you mean 'val_accuracy'? available: loss, accuracy, val_loss, val_accuracy",
        ],
    ),
    "monitor without validation": (
        "dataset: {name: iris, validation: null}\n"
        + SOFTMAX
        + SPARSE
        + "callbacks:\n  - EarlyStopping: {patience: 3}\n",
        [
            "spec.yaml:6:20 callbacks[0].EarlyStopping: no metric has this name, received 'val_loss'; there is no validation split: set dataset.validation, or monitor: loss",
        ],
    ),
    "unknown dataset": (
        "dataset: {name: irs}\n" + SOFTMAX + SPARSE,
        [
            "spec.yaml:1:17 dataset.name: must be one of digits, iris, wine, breast_cancer, diabetes, fashion_mnist, mnist, california_housing, xor, circles, moons, gaussians, spirals, logic_and, logic_or, logic_not, logic_xor, received 'irs'; did you mean 'iris'?",
        ],
    ),
    "no such file": (
        "dataset: {path: houses.csv, target: a}\n" + SOFTMAX + SPARSE,
        [
            "spec.yaml:1:17 dataset.path: there is no such file, received 'houses.csv'; looked in 'FOLDER'",
        ],
    ),
    "a loss that needs what is not there": (
        IRIS + SOFTMAX + "loss: ctc\n",
        [
            "iris: column 'target' must have the shape (rows, labels), with several labels; CTC takes labels, whole numbers from 1 on, and 0s behind the last one of a row",
        ],
    ),
    "labels for a loss of numbers": (
        "dataset: {path: t.csv, target: kind}\nlayers:\n  - Dense: {units: 1}\nloss: mse\n",
        [
            "spec.yaml:4:7 loss: is for numbers, column 'kind' of t.csv contains text such as 'x'; for classes use a loss such as sparse_categorical_crossentropy",
        ],
    ),
    "missing column": (
        "dataset: {path: t.csv, target: knd}\nlayers:\n  - Dense: {units: 1}\nloss: mse\n",
        [
            "spec.yaml:1:32 dataset.target: must be a column of t.csv, received 'knd'; did you mean 'kind'? the columns are a, kind, half, late",
        ],
    ),
    "fractions for a loss of classes": (
        "dataset: {path: t.csv, target: half}\nlayers:\n  - Dense: {units: 1, activation: sigmoid}\nloss: binary_crossentropy\n",
        [
            "spec.yaml:4:7 loss: is for classes, column 'half' of t.csv holds numbers such as '0.25'; for numbers use a loss such as mse",
        ],
    ),
    "numbers for a loss of labels": (
        "dataset: {path: t.csv, target: [a, half]}\nlayers:\n  - Dense: {units: 2, activation: sigmoid}\nloss: binary_crossentropy\n",
        [
            "spec.yaml:4:7 loss: is for classes, column 'a' of t.csv holds rows such as [2.0, 1.25]; for numbers use a loss such as mse",
        ],
    ),
    "more parameters than memory holds": (
        IRIS + "layers:\n  - Dense: {units: 100000000000000}\n" + SPARSE,
        [
            "spec.yaml:3:5 layers[0]: the outputs of a batch of 32 rows take 12,800 TB of memory; the machine has N GB: make the layer or fit.batch_size smaller",
        ],
    ),
    "embeddings of any length": (
        IRIS + "layers: [Dense: {units: 8}]\nloss: Circle\n",
        [
            "spec.yaml:2:10 layers[0]: this loss takes embeddings of length 1, those of this output are longer or shorter; end with UnitNormalization",
        ],
    ),
    "a metric of embeddings": (
        IRIS + "layers: [Dense: {units: 8}, UnitNormalization: {}]\nloss: circle\nmetrics: [accuracy]\n",
        [
            "spec.yaml:4:11 metrics[0]: this metric compares outputs with targets, the outputs of this loss are embeddings, received 'accuracy'; leave it out: the loss and val_loss are logged",
        ],
    ),
    "a batch that memory does not hold": (
        IRIS + "layers:\n  - RepeatVector: {n: 100000000000}\n  - GlobalMaxPooling1D\n" + SPARSE,
        [
            "spec.yaml:3:5 layers[0]: the outputs of a batch of 32 rows take 51.2 TB of memory; the machine has N GB: make the layer or fit.batch_size smaller",
        ],
    ),
    "a category further down the rows": (
        "dataset: {path: t.csv, target: a, features: {late: {kind: numeric, scaling: none}}, test: null, validation: null}\n"
        "layers: [CategoryEncoding: {num_tokens: 3}, Dense: {units: 1}]\nloss: mse\n",
        [
            "spec.yaml:2:41 layers[0].CategoryEncoding.num_tokens: takes ids from 0 to 2, row 1 of t.csv has -1.59326, received 3; map the numbers to ids first, with Hashing, IntegerLookup or Discretization",
        ],
    ),
    "an activation that needs more": (
        IRIS + "layers: [{Dense: {units: 3, activation: threshold}}]\n" + SPARSE,
        [
            "spec.yaml:2:9 layers: the model cannot compute a batch: threshold() missing 2 required positional arguments: 'threshold' and 'default_value'",
        ],
    ),
    "a schedule that is lowered": (
        IRIS
        + SOFTMAX
        + SPARSE
        + "optimizer: {SGD: {learning_rate: {Warmup: {steps: 5, to: 0.1}}}}\ncallbacks: [ReduceLROnPlateau]\n",
        [
            "spec.yaml:6:13 callbacks[0].ReduceLROnPlateau: cannot lower a learning rate that a schedule sets, received 'ReduceLROnPlateau'; write a number as the learning rate, or remove this callback",
        ],
    ),
    "own test split": (
        "dataset: {name: fashion_mnist, test: 0.2}\nlayers: [Flatten, Dense: {units: 10, activation: softmax}]\n"
        + SPARSE,
        [
            "spec.yaml:1:38 dataset.test: this dataset has its own test split; remove it, or write test: null to go without",
        ],
    ),
    "too many rows": (
        "dataset: {name: iris, validation: {last: 500}}\n" + SOFTMAX + SPARSE,
        [
            "spec.yaml:1:35 dataset.validation: takes 500 of 120 rows and leaves none to train on; write validation: null to go without",
        ],
    ),
    "unset variable": (
        "dataset: {path: '${NOWHERE_AT_ALL}/t.csv', target: kind}\n" + SOFTMAX + SPARSE,
        [
            "spec.yaml:1:17 dataset.path: environment variable NOWHERE_AT_ALL is not set, received '${NOWHERE_AT_ALL}/t.csv'; set it before the command, or write the full path",
        ],
    ),
    "metric that cannot": (
        "dataset: {path: onehot.npz}\n"
        + SOFTMAX
        + "loss: categorical_crossentropy\nmetrics: [accuracy, {CategoricalCrossentropy: {axis: 4}}]\n",
        [
            "spec.yaml:5:54 metrics[1].CategoricalCrossentropy.axis: this metric cannot be computed from this output and target: Requires start <= limit when delta > 0: 5/2, received 4",
        ],
    ),
    "loss along another axis": (
        IRIS + SOFTMAX + "loss: {SparseCategoricalCrossentropy: {axis: 5}}\n",
        [
            "spec.yaml:4:46 loss.SparseCategoricalCrossentropy.axis: this loss cannot be computed from this output and target: Only axis=-1 is currently supported, received 5",
        ],
    ),
    "metric with another's name": (
        "dataset: {path: onehot.npz}\n"
        + SOFTMAX
        + "loss: categorical_crossentropy\nmetrics: [F1Score, {Precision: {name: f1_score_1}}]\n",
        [
            "spec.yaml:5:20 metrics[1]: another metric is logged as f1_score_1 too, received 'Precision'; give it a name: {Precision: {name: other}}",
        ],
    ),
    "everything cropped": (
        IRIS
        + "layers:\n  - Reshape: {target_shape: [4, 1]}\n  - Cropping1D: {cropping: 2}\n  - Flatten\n"
        + "  - Dense: {units: 3, activation: softmax}\n"
        + SPARSE,
        [
            "spec.yaml:4:28 layers[1].Cropping1D.cropping: leaves nothing of what comes before it, of shape (rows, 4, 1), received 2; it cuts off 4 of 4: both ends together can be at most 3 here",
        ],
    ),
    "a window larger than its input": (
        IRIS
        + "layers:\n  - Reshape: {target_shape: [4, 1]}\n  - Conv1D: {filters: 2, kernel_size: 5}\n  - Flatten\n"
        + "  - Dense: {units: 3, activation: softmax}\n"
        + SPARSE,
        [
            "spec.yaml:4:39 layers[1].Conv1D.kernel_size: leaves nothing of what comes before it, of shape (rows, 4, 1), received 5; kernel_size can be at most 4 here; or set padding: same, or shrink less above",
        ],
    ),
    "loss scale of an embedding": (
        "dataset: {path: onehot.npz}\nlayers: [{Embedding: {input_dim: 3, output_dim: 2}, name: words}, Flatten, "
        "{Dense: {units: 3, activation: softmax}}]\nloss: categorical_crossentropy\n"
        "optimizer: {SGD: {loss_scale_factor: 8.0}}\n",
        [
            "spec.yaml:4:38 optimizer.SGD.loss_scale_factor: Keras cannot scale the gradient of layer 'words', which holds only the rows of a batch, received 8.0; remove it, or write optimizer: {LossScaleOptimizer: {inner_optimizer: SGD}}",
        ],
    ),
    "callback refused": (
        IRIS + SOFTMAX + SPARSE + "callbacks:\n  - ReduceLROnPlateau: {factor: 2.0}\n",
        [
            "spec.yaml:6:33 callbacks[0].ReduceLROnPlateau.factor: must be a number between 0 and 1, received 2.0",
        ],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_model_is_told_with_its_place(
    case: str, mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, expected = WRONG[case]
    cached = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "datasets" / "fashion-mnist"
    if "fashion_mnist" in text and not cached.is_dir():
        pytest.skip("Fashion MNIST is not in KERAS_HOME")
    monkeypatch.chdir(tmp_path)
    Path("spec.yaml").write_text(text, encoding="utf-8")
    Path("t.csv").write_text(TABLE, encoding="utf-8")
    np.savez("onehot.npz", x=np.ones((30, 4)), y=np.eye(3)[np.arange(30) % 3])
    result = mlpcli("train", "spec.yaml")
    assert (result.status, result.out) == (2, "")
    told = [
        re.sub(r"(holds|machine has|at most) [0-9,.]+ (?!here)", r"\1 N ", line)
        for line in headlines(result.err)
    ]
    assert told == [line.replace("FOLDER", str(tmp_path)) for line in expected]
    assert not Path("runs").exists()
