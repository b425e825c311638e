"""Specs with wrong keys, names and values, and the exact message for each: place, rule, value received, what to do.

Every case goes through the command line: exit status 2, nothing on stdout, no run folder, no traceback.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Result
from tests.spec.refusals import DATA, GOOD, LAYERS, LOSS, Wrong, assert_refused

WRONG: Wrong = {
    "arguments of layers of our own": (
        DATA
        + "layers:\n"
        + "  - PeriodicEmbedding: {frequencies: 0, width: 1, stddev: 0}\n"
        + "  - PiecewiseLinearEmbedding: {bins: 1, width: 0}\n"
        + "  - Members: {count: 0, width: 0}\n"
        + "  - MemberDense: {units: 3, share: all}\n"
        + "  - NTKDense: {units: 0}\n"
        + "loss: {Quantile: {quantiles: [0.5, 0.1]}}\n",
        [
            "SPEC:3:38 layers[0].PeriodicEmbedding.frequencies: must be a positive integer, received 0",
            "SPEC:3:48 layers[0].PeriodicEmbedding.width: must be an integer of at least 2, received 1",
            "SPEC:3:59 layers[0].PeriodicEmbedding.stddev: must be a positive number, received 0",
            "SPEC:4:38 layers[1].PiecewiseLinearEmbedding.bins: must be an integer from 2 to 10,000, received 1",
            "SPEC:4:48 layers[1].PiecewiseLinearEmbedding.width: must be a positive integer, received 0",
            "SPEC:5:22 layers[2].Members.count: must be a positive integer, received 0",
            "SPEC:5:32 layers[2].Members.width: must be a positive integer, received 0",
            "SPEC:6:36 layers[3].MemberDense.share: must be none or factors, received 'all'",
            "SPEC:7:23 layers[4].NTKDense.units: must be a positive integer, received 0",
            "SPEC:8:30 loss.Quantile.quantiles: must be a list of rising numbers between 0 and 1, such as [0.05, 0.5, 0.95], received [0.5, 0.1]",
        ],
    ),
    "lists as long as a number says": (
        DATA
        + "layers: [{IntegerLookup: {vocabulary: [1], num_oov_indices: 300000000}}, {Dense: {units: 3, activation: softmax}}]\n"
        + LOSS
        + "metrics: [{AUC: {num_thresholds: 1000000000}}, {MeanIoU: {num_classes: 1000000}}]\n",
        [
            "SPEC:2:61 layers[0].IntegerLookup.num_oov_indices: must be an integer from 0 to 10,000, received 300000000",
            "SPEC:4:34 metrics[0].AUC.num_thresholds: must be an integer from 2 to 10,000, received 1000000000",
            "SPEC:4:72 metrics[1].MeanIoU.num_classes: must be an integer from 1 to 10,000, received 1000000",
        ],
    ),
    "a list of activations": (
        DATA + "layers: [{Dense: {units: 3, activation: [relu, softmax]}}]\n" + LOSS,
        [
            "SPEC:2:41 layers[0].Dense.activation: must be one activation, not a list, received ['relu', 'softmax']; write a name, or {Name: {argument: value}}",
        ],
    ),
    "layers that are a number": (
        "dataset: {name: iris}\nlayers: 3\nloss: {mse: {}}\n",
        [
            "SPEC:2:9 layers: must be a list such as [Flatten, Dense: {units: 10}], received 3",
            "SPEC:3:8 loss.mse: is a short name of a loss, which takes no arguments, received 'mse'; write the class, or 'mse' alone",
        ],
    ),
    "far too many copies": (
        "dataset: {name: iris}\nlayers: [{Dense: {units: 3}, repeat: 1000000}]\nloss: sparse_categorical_crossentropy\n",
        [
            "SPEC:2:38 layers[0].repeat: must be a number of copies, 0 to 1000, received 1000000",
        ],
    ),
    "a layer reads nothing there": (
        "dataset: {name: iris}\nlayers:\n  - {Dense: {units: 3}, from: hiden}\n  - {Dense: {units: 3, activation: softmax}, name: hidden}\nloss: sparse_categorical_crossentropy\n",
        [
            "SPEC:3:31 layers[0].from: no layer or input has this name, received 'hiden'; did you mean 'hidden'?",
        ],
    ),
    "a schedule without its steps": (
        "dataset: {name: iris}\nlayers: [{Dense: {units: 3, activation: softmax}}]\nloss: sparse_categorical_crossentropy\noptimizer: {SGD: {learning_rate: {CosineDecay: {initial_learning_rate: 0.1}}}}\n",
        [
            "SPEC:4:48 optimizer.SGD.learning_rate.CosineDecay: CosineDecay needs the argument 'decay_steps'; add decay_steps: {share: 1.0}, the whole training: write {CosineDecay: {initial_learning_rate: 0.1, decay_steps: {share: 1.0}}}",
        ],
    ),
    "a constraint as regularizer": (
        "dataset: {name: iris}\nlayers: [{Dense: {units: 3, kernel_regularizer: {MaxNorm: {}}}}]\nloss: sparse_categorical_crossentropy\n",
        [
            "SPEC:2:50 layers[0].Dense.kernel_regularizer.MaxNorm: unknown regularizer, received 'MaxNorm'; MaxNorm is a constraint",
        ],
    ),
    "a metric as loss": (
        "dataset: {name: iris}\nlayers: [{Dense: {units: 3, activation: softmax}}]\nloss: AUC\n",
        [
            "SPEC:3:7 loss: unknown loss, received 'AUC'; AUC is a metric",
        ],
    ),
    "a loss as layer": (
        "dataset: {name: iris}\nlayers: [CategoricalCrossentropy]\nloss: sparse_categorical_crossentropy\n",
        [
            "SPEC:2:10 layers[0]: unknown layer, received 'CategoricalCrossentropy'; CategoricalCrossentropy is a loss",
        ],
    ),
    "loss weights of nothing": (
        "dataset: {name: iris}\nlayers: [{Dense: {units: 3, activation: softmax}}]\nloss: sparse_categorical_crossentropy\nloss_weights: {output: -1}\n",
        [
            "SPEC:4:16 loss_weights.output: no layer has this name, so it cannot be an output, received 'output'; the layers are dense; give the output layer this name",
            "SPEC:4:24 loss_weights.output: must be a mapping of outputs to numbers of at least 0, received -1",
        ],
    ),
    "a negative momentum": (
        "dataset: {name: iris}\nlayers: [{Dense: {units: 3, activation: softmax}}]\nloss: sparse_categorical_crossentropy\noptimizer: {SGD: {momentum: -0.5}}\n",
        [
            "SPEC:4:29 optimizer.SGD.momentum: must be a number from 0 up to but not including 1, received -0.5",
        ],
    ),
    "patience of a half": (
        "dataset: {name: iris}\nlayers: [{Dense: {units: 3, activation: softmax}}]\nloss: sparse_categorical_crossentropy\ncallbacks: [{EarlyStopping: {patience: 0.5}}]\n",
        [
            "SPEC:4:40 callbacks[0].EarlyStopping.patience: must be an integer of at least 0, received 0.5",
        ],
    ),
    "precision": (
        "dataset: {name: iris}\nlayers: [{Dense: {units: 3, activation: softmax}}]\nloss: sparse_categorical_crossentropy\nfit: {precision: float61}\n",
        [
            "SPEC:4:18 fit.precision: must be 'float32', 'mixed_bfloat16' or 'mixed_float16', received 'float61'",
        ],
    ),
    "engine": (
        "dataset: {name: iris}\nlayers: [{Dense: {units: 3, activation: softmax}}]\nloss: sparse_categorical_crossentropy\nfit: {engine: fast}\n",
        [
            "SPEC:4:15 fit.engine: must be 'auto', 'compiled' (XLA), 'graph' (no XLA) or 'keras' (stock model.fit), received 'fast'",
        ],
    ),
    "rows of a table": (
        "dataset: {name: iris, rows: 50}\nlayers: [{Dense: {units: 3, activation: softmax}}]\nloss: sparse_categorical_crossentropy\n",
        [
            "SPEC:1:23 dataset.rows: is not for data that is read, received 'rows'; rows is for xor, circles, moons, gaussians, spirals",
        ],
    ),
    "mode": (
        GOOD + "callbacks: [EarlyStopping: {mode: mx}]\n",
        [
            "SPEC:4:35 callbacks[0].EarlyStopping.mode: must be auto, min or max, received 'mx'; did you mean 'max'?",
        ],
    ),
    "too much smoothing": (
        DATA + LAYERS + "loss: {CategoricalCrossentropy: {label_smoothing: 2}}\n",
        [
            "SPEC:3:51 loss.CategoricalCrossentropy.label_smoothing: must be a number from 0 up to but not including 1, received 2",
        ],
    ),
    "unknown top key": (
        GOOD + "optimiser: Adam\n",
        [
            "SPEC:4:1 optimiser: unknown key, received 'optimiser'; did you mean 'optimizer'?",
        ],
    ),
    "unknown key far from any": (
        GOOD + "zebra: 1\n",
        [
            "SPEC:4:1 zebra: unknown key, received 'zebra'; the keys here are name, seed, dataset, inputs, layers, model, loss, loss_weights, optimizer, metrics, start_from, fit, callbacks, predict, tuner, plugins, extends",
        ],
    ),
    "nothing but a name": (
        "name: x\n",
        [
            "SPEC:1:1 dataset: is required; a mapping with a name or a path",
            "SPEC:1:1 layers: is required; a list such as [Flatten, Dense: {units: 10}]",
        ],
    ),
    "name with a slash": (
        "name: ../up\n" + GOOD,
        [
            "SPEC:1:7 name: must be 1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit, received '../up'",
        ],
    ),
    "negative seed": (
        "seed: -1\n" + GOOD,
        [
            "SPEC:1:7 seed: must be a whole number from 0 to 4294967295, received -1",
        ],
    ),
    "name and path": (
        "dataset: {name: iris, path: a.csv}\n" + LAYERS + LOSS,
        [
            "SPEC:1:29 dataset.path: cannot have both a name and a path; keep one",
        ],
    ),
    "neither name nor path": (
        "dataset: {test: 0.2}\n" + LAYERS + LOSS,
        [
            "SPEC:1:10 dataset: needs a name (of a built-in) or a path (of a file); write name: digits, or path: my.csv",
        ],
    ),
    "fraction above one": (
        "dataset: {name: iris, test: 1.2}\n" + LAYERS + LOSS,
        [
            "SPEC:1:29 dataset.test: must be a fraction between 0 and 1, a number of rows, {last: N}, {share: 0.2, by: COLUMN}, {last: 0.2, by: COLUMN}, a file, or null for none, received 1.2",
        ],
    ),
    "last of nothing": (
        "dataset: {name: iris, validation: {last: 0}}\n" + LAYERS + LOSS,
        [
            "SPEC:1:42 dataset.validation.last: must be a positive number of rows, or a fraction below 1, received 0",
        ],
    ),
    "empty layers": (
        DATA + "layers: []\n" + LOSS,
        [
            "SPEC:2:9 layers: must be a list such as [Flatten, Dense: {units: 10}], received []",
        ],
    ),
    "misspelt layer": (
        DATA + "layers: [Flaten]\n" + LOSS,
        [
            "SPEC:2:10 layers[0]: unknown layer, received 'Flaten'; did you mean 'Flatten'?",
        ],
    ),
    "misspelt argument": (
        DATA + "layers:\n  - Dense: {unit: 3}\n" + LOSS,
        [
            "SPEC:3:13 layers[0].Dense.unit: Dense has no such argument, received 'unit'; did you mean 'units'?",
        ],
    ),
    "argument beside the class": (
        DATA + "layers:\n  - {Dense: {units: 3}, activation: relu}\n" + LOSS,
        [
            "SPEC:3:5 layers[0]: the arguments of Dense are beside it, not inside it, received {Dense: {units: 3}, activation: 'relu'}; write Dense: {units: 3, activation: relu}",
        ],
    ),
    "two classes in a layer": (
        DATA + "layers:\n  - {Dense: {units: 3}, Dropout: {rate: 0.5}}\n" + LOSS,
        [
            "SPEC:3:5 layers[0]: must name one layer, not 2, received ['Dense', 'Dropout']; keep one",
        ],
    ),
    "zero units": (
        DATA + "layers:\n  - Dense: {units: 0}\n" + LOSS,
        [
            "SPEC:3:20 layers[0].Dense.units: must be a positive integer, received 0",
        ],
    ),
    "true units": (
        DATA + "layers:\n  - Dense: {units: true}\n" + LOSS,
        [
            "SPEC:3:20 layers[0].Dense.units: must be a positive integer, received true",
        ],
    ),
    "dropout of one": (
        DATA + "layers:\n  - Dropout: {rate: 1.0}\n" + LOSS,
        [
            "SPEC:3:21 layers[0].Dropout.rate: must be a number from 0 up to but not including 1, received 1.0",
        ],
    ),
    "a text for a flag": (
        DATA + "layers:\n  - Dense: {units: 3, use_bias: 'no'}\n" + LOSS,
        [
            "SPEC:3:33 layers[0].Dense.use_bias: must be true or false, received 'no'; write false",
        ],
    ),
    "misspelt activation": (
        DATA + "layers:\n  - Dense: {units: 3, activation: rleu}\n" + LOSS,
        [
            "SPEC:3:35 layers[0].Dense.activation: unknown activation, received 'rleu'; did you mean 'relu'?",
        ],
    ),
    "misspelt initializer": (
        DATA + "layers:\n  - Dense: {units: 3, kernel_initializer: he_norml}\n" + LOSS,
        [
            "SPEC:3:43 layers[0].Dense.kernel_initializer: unknown initializer, received 'he_norml'; did you mean 'he_normal'?",
        ],
    ),
    "misspelt regularizer argument": (
        DATA + "layers:\n  - Dense: {units: 3, kernel_regularizer: {L2: {l: 0.01}}}\n" + LOSS,
        [
            "SPEC:3:49 layers[0].Dense.kernel_regularizer.L2.l: L2 has no such argument, received 'l'; did you mean 'l2'?",
        ],
    ),
    "lambda": (
        DATA + "layers:\n  - Lambda: {function: 'lambda x: x'}\n" + LOSS,
        [
            "SPEC:3:5 layers[0].Lambda: is not allowed in a spec, received 'Lambda'; a spec runs no code: use Activation, Rescaling or another named layer",
        ],
    ),
    "input layer": (
        DATA + "layers:\n  - Input: {shape: [4]}\n  - Dense: {units: 3}\n" + LOSS,
        [
            "SPEC:3:5 layers[0].Input: is not allowed in a spec, received 'Input'; the input's shape comes from the data: leave the layer out",
        ],
    ),
    "input shape": (
        DATA + "layers:\n  - Dense: {units: 3, input_shape: [4]}\n" + LOSS,
        [
            "SPEC:3:23 layers[0].Dense.input_shape: Dense has no such argument, received 'input_shape'; the input's shape comes from the data: leave it out",
        ],
    ),
    "same name twice": (
        DATA + "layers:\n  - {Dense: {units: 3}, name: a}\n  - {Dense: {units: 3}, name: a}\n" + LOSS,
        [
            "SPEC:4:31 layers[1].name: is already the name of layers[0], received 'a'",
        ],
    ),
    "misspelt loss": (
        DATA + LAYERS + "loss: sparse_categorical_crossentrpy\n",
        [
            "SPEC:3:7 loss: unknown loss, received 'sparse_categorical_crossentrpy'; did you mean 'sparse_categorical_crossentropy'?",
        ],
    ),
    "short loss with arguments": (
        DATA + LAYERS + "loss: {mse: {reduction: sum}}\n",
        [
            "SPEC:3:8 loss.mse: is a short name of a loss, which takes no arguments, received 'mse'; write the class, or 'mse' alone",
        ],
    ),
    "a layer for a loss": (
        DATA + LAYERS + "loss: Dropout\n",
        [
            "SPEC:3:7 loss: unknown loss, received 'Dropout'; Dropout is a layer",
        ],
    ),
    "misspelt optimizer": (
        GOOD + "optimizer: Adm\n",
        [
            "SPEC:4:12 optimizer: unknown optimizer, received 'Adm'; did you mean 'Adam'?",
        ],
    ),
    "negative learning rate": (
        GOOD + "optimizer: {SGD: {learning_rate: -0.1}}\n",
        [
            "SPEC:4:34 optimizer.SGD.learning_rate: must be a number of at least 0, received -0.1",
        ],
    ),
    "learning rate as text": (
        GOOD + "optimizer: {SGD: {learning_rate: fast}}\n",
        [
            "SPEC:4:34 optimizer.SGD.learning_rate: must be a positive number or a schedule, received 'fast'; write a number, or a schedule such as {ExponentialDecay: {...}}",
        ],
    ),
    "schedule argument": (
        GOOD
        + "optimizer: {SGD: {learning_rate: {ExponentialDecay: {initial_learning_rate: 0.1, decay_step: 5, decay_rate: 0.9}}}}\n",
        [
            "SPEC:4:82 optimizer.SGD.learning_rate.ExponentialDecay.decay_step: ExponentialDecay has no such argument, received 'decay_step'; did you mean 'decay_steps'?",
        ],
    ),
    "misspelt metric": (
        GOOD + "metrics: [acuracy]\n",
        [
            "SPEC:4:11 metrics[0]: unknown metric, received 'acuracy'; did you mean 'accuracy'?",
        ],
    ),
    "misspelt callback": (
        GOOD + "callbacks: [EarlyStoping]\n",
        [
            "SPEC:4:13 callbacks[0]: unknown callback, received 'EarlyStoping'; did you mean 'EarlyStopping'?",
        ],
    ),
    "callback argument": (
        GOOD + "callbacks:\n  - EarlyStopping: {patence: 3}\n",
        [
            "SPEC:5:21 callbacks[0].EarlyStopping.patence: EarlyStopping has no such argument, received 'patence'; did you mean 'patience'?",
        ],
    ),
    "no epochs": (
        GOOD + "fit: {epochs: 0}\n",
        [
            "SPEC:4:15 fit.epochs: must be a positive number of epochs, received 0",
        ],
    ),
    "batch size true": (
        GOOD + "fit: {batch_size: true}\n",
        [
            "SPEC:4:19 fit.batch_size: must be a positive number of rows, received true",
        ],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_spec_is_told_with_its_place(
    case: str, mlpcli: Callable[..., Result], spec_file: Callable[[str], Path]
) -> None:
    text, expected = WRONG[case]
    spec = spec_file(text)
    assert_refused(mlpcli("train", spec, "--runs-dir", spec.parent / "runs"), spec, expected)


def test_every_problem_comes_at_once_with_its_source_line(
    mlpcli: Callable[..., Result], spec_file: Callable[[str], Path]
) -> None:
    spec = spec_file("dataset: {name: iris}\nlayers: [Flaten]\nloss: msee\nfit: {epochs: 0}\n")
    result = mlpcli("train", spec)
    assert result.status == 2
    assert result.err.splitlines() == [
        f"{spec}:2:10 layers[0]: unknown layer, received 'Flaten'; did you mean 'Flatten'?",
        "     2 | layers: [Flaten]",
        "                  ^",
        f"{spec}:3:7 loss: unknown loss, received 'msee'; did you mean 'mse'?",
        "     3 | loss: msee",
        "               ^",
        f"{spec}:4:15 fit.epochs: must be a positive number of epochs, received 0",
        "     4 | fit: {epochs: 0}",
        "                       ^",
        "3 problems found",
    ]


def test_a_spec_that_is_not_there_names_its_neighbour(
    mlpcli: Callable[..., Result], spec_file: Callable[..., Path]
) -> None:
    spec = spec_file(GOOD, "digits.yaml")
    result = mlpcli("train", spec.with_name("digit.yaml"))
    assert result.status == 2
    assert (
        result.err == f"{spec.with_name('digit.yaml')}: there is no such file; did you mean 'digits.yaml'?\n"
    )
