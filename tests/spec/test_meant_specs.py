"""Specs as a newcomer writes them: each mistake has a sentence of its own, with the YAML as it should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlpcli.errors import SpecError
from mlpcli.spec.load import load_text
from mlpcli.spec.other_names import CROSSENTROPY

GOOD = """\
dataset: {name: iris}
layers:
  - Rescaling: {scale: 0.5}
  - Dense: {units: 8, activation: relu}
  - Dense: {units: 3, activation: softmax}
loss: sparse_categorical_crossentropy
optimizer: {Adam: {learning_rate: 0.01}}
metrics: [accuracy]
fit: {batch_size: 16}
"""
DENSE = "Dense: {units: 8, activation: relu}"

# name: (the good text, what is written instead, place of the problem, the line as it should be)
REPLACED: dict[str, tuple[str, str, str, str]] = {
    "a quotient": ("0.5", "1/255", "3:24 layers[0].Rescaling.scale", "0.00392156863"),
    "a quotient of floats": ("0.5", "1./255.", "3:24 layers[0].Rescaling.scale", "0.00392156863"),
    "a number in quotes": ("units: 8", "units: '8'", "4:20 layers[1].Dense.units", "8"),
    "a float for an integer": ("units: 8", "units: 8.0", "4:20 layers[1].Dense.units", "8"),
    "a percentage as rate": (DENSE, "Dropout: {rate: 50%}", "4:21 layers[1].Dropout.rate", "0.5"),
    "fifty for 50%": (DENSE, "Dropout: {rate: 50}", "4:21 layers[1].Dropout.rate", "0.5"),
    "a power": ("0.01", "10**-2", "7:35 optimizer.Adam.learning_rate", "0.01"),
    "a decimal comma": ("{name: iris}", "\n  name: iris\n  test: 0,2", "3:9 dataset.test", "test: 0.2"),
    "a percentage as split": ("iris}", "iris, test: 20%}", "1:29 dataset.test", "test: 0.2"),
    "a quotient as split": ("iris}", "iris, validation: 1/5}", "1:35 dataset.validation", "validation: 0.2"),
    "epochs in quotes": ("fit: {", "fit: {epochs: '5', ", "9:15 fit.epochs", "5"),
    "1e3 epochs": ("fit: {", "fit: {epochs: 1e3, ", "9:15 fit.epochs", "1000"),
    "a flag in quotes": ("fit: {", "fit: {shuffle: 'True', ", "9:16 fit.shuffle", "true"),
    "lr": ("learning_rate", "lr", "7:20 optimizer.Adam.lr", "learning_rate: 0.01"),
    "lr of another optimizer": (
        "Adam: {learning_rate",
        "RMSprop: {lr",
        "7:23 optimizer.RMSprop.lr",
        "learning_rate: 0.01",
    ),
    "beta1": ("{learning_rate: 0.01", "{beta1: 0.8", "7:20 optimizer.Adam.beta1", "beta_1: 0.8"),
    "decay": (
        "0.01}",
        "0.01, decay: 0.001}",
        "7:41 optimizer.Adam.decay",
        "learning_rate: {InverseTimeDecay: {initial_learning_rate: 0.01, decay_steps: 1, decay_rate: 0.001}}",
    ),
    "neurons": ("units: 8", "neurons: 8", "4:13 layers[1].Dense.neurons", "units: 8"),
    "the only unknown for the only missing": ("units: 8", "k: 8", "4:13 layers[1].Dense.k", "units: 8"),
    "no space after the colon": ("units: 8", "units:8", "4:13 layers[1].Dense.units:8", "units: 8"),
    "a call": (DENSE, "Dense(16, relu)", "4:5 layers[1]", "Dense: {units: 16, activation: relu}"),
    "a call with names": (
        DENSE,
        "keras.layers.Dense(units=16, activation='relu', input_shape=(4,))",
        "4:5 layers[1]",
        "Dense: {units: 16, activation: relu}",
    ),
    "a call of tuples": (
        DENSE,
        "Conv2D(32, (3, 3), padding='same')",
        "4:5 layers[1]",
        "Conv2D: {filters: 32, kernel_size: [3, 3], padding: same}",
    ),
    "a call of calls": (
        DENSE,
        "Dense(8, kernel_regularizer=l2(0.01), activation=tf.nn.relu)",
        "4:5 layers[1]",
        "Dense: {units: 8, kernel_regularizer: {L2: {l2: 0.01}}, activation: relu}",
    ),
    "a call without arguments": (DENSE, "Flatten()", "4:5 layers[1]", "Flatten"),
    "a number as arguments": (DENSE, "Dense: 16", "4:5 layers[1]", "Dense: {units: 16}"),
    "a list as arguments": (
        DENSE,
        "Dense: [16, relu]",
        "4:5 layers[1]",
        "Dense: {units: 16, activation: relu}",
    ),
    "arguments without names": (
        DENSE,
        "Dense: {16, relu}",
        "4:5 layers[1]",
        "Dense: {units: 16, activation: relu}",
    ),
    "arguments beside the class": (
        DENSE,
        "Dense:\n    units: 8\n    activation: relu\n    name: first",
        "4:5 layers[1]",
        "{Dense: {units: 8, activation: relu}, name: first}",
    ),
    "a type": (
        DENSE,
        "{type: Dense, units: 8, activation: relu}",
        "4:5 layers[1]",
        "Dense: {units: 8, activation: relu}",
    ),
    "Keras's own form": (
        DENSE,
        "{class_name: Dense, config: {units: 8}}",
        "4:5 layers[1]",
        "Dense: {units: 8}",
    ),
    "small letters": (DENSE, "dense: {units: 8}", "4:5 layers[1]", "Dense: {units: 8}"),
    "a number as layer": (DENSE, "16", "4:5 layers[1]", "Dense: {units: 16}"),
    "several widths": (
        "units: 8",
        "units: [16, 32]",
        "4:20 layers[1].Dense.units",
        "Dense: {units: 16, activation: relu}, then Dense: {units: 32, activation: relu}",
    ),
    "an activation's class": ("relu}", "ReLU}", "4:35 layers[1].Dense.activation", "relu"),
    "an activation's call": ("relu}", "ReLU()}", "4:35 layers[1].Dense.activation", "activation: relu"),
    "no activation": ("relu}", "None}", "4:35 layers[1].Dense.activation", "linear"),
    "a regularizer's number": (
        "activation: relu",
        "kernel_regularizer: 0.01",
        "4:43 layers[1].Dense.kernel_regularizer",
        "kernel_regularizer: {L2: {l2: 0.01}}",
    ),
    "a regularizer's call": (
        "activation: relu",
        "kernel_regularizer: l2(0.01)",
        "4:43 layers[1].Dense.kernel_regularizer",
        "kernel_regularizer: {L2: {l2: 0.01}}",
    ),
    "an optimizer's call": (
        "{Adam: {learning_rate: 0.01}}",
        "adam(0.05)",
        "7:12 optimizer",
        "optimizer: {Adam: {learning_rate: 0.05}}",
    ),
    "an optimizer's short name": (
        "Adam:",
        "adam:",
        "7:12 optimizer",
        "optimizer: {Adam: {learning_rate: 0.01}}",
    ),
    "an optimizer's rate": (
        "{learning_rate: 0.01}",
        "0.05",
        "7:12 optimizer",
        "optimizer: {Adam: {learning_rate: 0.05}}",
    ),
    "an optimizer's name": (
        "{Adam: {learning_rate: 0.01}}",
        "{name: sgd, lr: 0.1, momentum: 0.9}",
        "7:12 optimizer",
        "optimizer: {SGD: {learning_rate: 0.1, momentum: 0.9}}",
    ),
    "one metric": ("[accuracy]", "acc", "8:10 metrics", "metrics: [acc]"),
    "another word for a metric": ("[accuracy]", "[f1]", "8:11 metrics[0]", "f1_score"),
    "another word for a loss": (
        "sparse_categorical_crossentropy",
        "cce",
        "6:7 loss",
        "categorical_crossentropy",
    ),
    "a list of one loss": (
        "sparse_categorical_crossentropy",
        "[sparse_categorical_crossentropy]",
        "6:7 loss",
        "loss: sparse_categorical_crossentropy",
    ),
    "a dataset's name alone": ("{name: iris}", "iris", "1:10 dataset", "dataset: {name: iris}"),
    "a file's name": ("name: iris", "name: a/iris.csv", "1:17 dataset.name", "path: a/iris.csv"),
    "another word for a path": ("name: iris", "csv: a.csv", "1:11 dataset.csv", "path: a.csv"),
    "another word for a split": (
        "iris}",
        "iris, val_split: 0.2}",
        "1:23 dataset.val_split",
        "validation: 0.2",
    ),
    "a key of Keras's fit": ("fit: {", "fit: {nb_epoch: 7, ", "9:7 fit.nb_epoch", "epochs: 7"),
    "another word for a kind": (
        "name: iris",
        "path: a.csv, target: y, features: {a: number}",
        "1:49 dataset.features.a",
        "numeric",
    ),
}

REPLACED |= {
    "a loss's argument beside it": (
        "sparse_categorical_crossentropy",
        "{SparseCategoricalCrossentropy: , from_logits: true}",
        "6:7 loss",
        "loss: {SparseCategoricalCrossentropy: {from_logits: true}}",
    ),
    "a call in a flow mapping": (
        "learning_rate: 0.01",
        "learning_rate: ExponentialDecay(0.1, 100, 0.9)",
        "7:35 optimizer.Adam.learning_rate",
        "learning_rate: {ExponentialDecay: {initial_learning_rate: 0.1, decay_steps: 100, decay_rate: 0.9}}",
    ),
    "a tuple in a flow mapping": (
        DENSE,
        "Conv2D: {filters: 8, kernel_size: (3, 3)}",
        "4:39 layers[1].Conv2D.kernel_size",
        "kernel_size: [3, 3]",
    ),
    "3x3": (
        DENSE,
        "Conv2D: {filters: 8, kernel_size: 3x3}",
        "4:39 layers[1].Conv2D.kernel_size",
        "kernel_size: [3, 3]",
    ),
    "a shape as arguments": (DENSE, "Reshape: [2, 2]", "4:5 layers[1]", "Reshape: {target_shape: [2, 2]}"),
    "no space after a key": (
        "loss: sparse_categorical_crossentropy",
        "loss:mse",
        "6:1",
        "loss: mse",
    ),
    "no comma": ("{batch_size: 16}", "{epochs: 3 batch_size: 16}", "9:27", "a comma before batch_size"),
    "assignments": (
        "{batch_size: 16}",
        "epochs=3, batch_size=16",
        "9:6 fit",
        "fit: {epochs: 3, batch_size: 16}",
    ),
    "another word for a scaling": (
        "name: iris",
        "path: a.csv, target: y, scaling: StandardScaler",
        "1:44 dataset.scaling",
        "standardize",
    ),
    "columns in one text": (
        "name: iris",
        "path: a.csv, target: y, features: 'a, b'",
        "1:45 dataset.features",
        "features: [a, b]",
    ),
}

REPLACED |= {
    "metrics by name": ("[accuracy]", "{accuracy: true}", "8:10 metrics", "metrics: [accuracy]"),
    "one metric by name": (
        "[accuracy]",
        "{AUC: {curve: PR}}",
        "8:10 metrics",
        "metrics: [AUC: {curve: PR}]",
    ),
    "no arguments of a short name": ("[accuracy]", "[accuracy: {}]", "8:11 metrics[0]", "accuracy"),
    "a loss's name": (
        "sparse_categorical_crossentropy",
        "{type: mse}",
        "6:7 loss",
        "loss: mse",
    ),
    "a loss of PyTorch": (
        "sparse_categorical_crossentropy",
        "nn.CrossEntropyLoss()",
        "6:7 loss",
        CROSSENTROPY.removeprefix("write "),
    ),
    "an optimizer and its arguments in a list": (
        "{Adam: {learning_rate: 0.01}}",
        "[Adam, {learning_rate: 0.1}]",
        "7:12 optimizer",
        "optimizer: {Adam: {learning_rate: 0.1}}",
    ),
    "betas": (
        "learning_rate: 0.01",
        "betas: [0.8, 0.9]",
        "7:20 optimizer.Adam.betas",
        "beta_1: 0.8, beta_2: 0.9",
    ),
    "arguments as a call has them": (
        DENSE,
        "Dense: units=8, activation=relu",
        "4:5 layers[1]",
        "Dense: {units: 8, activation: relu}",
    ),
    "a list with a name in it": (
        DENSE,
        "LSTM: [8, return_sequences=True]",
        "4:5 layers[1]",
        "LSTM: {units: 8, return_sequences: true}",
    ),
    "a tuple as arguments": (
        DENSE,
        "MaxPool2D: (2, 2)",
        "4:5 layers[1]",
        "MaxPool2D: {pool_size: [2, 2]}",
    ),
    "a call as arguments": (
        DENSE,
        "Bidirectional: LSTM(8)",
        "4:5 layers[1]",
        "Bidirectional: {layer: {LSTM: {units: 8}}}",
    ),
    "a layer in a layer": (
        DENSE,
        "TimeDistributed: {Dense: {units: 3}}",
        "4:23 layers[1].TimeDistributed.Dense",
        "layer: {Dense: {units: 3}}",
    ),
    "true": (DENSE, "Flatten: true", "4:5 layers[1]", "Flatten"),
    "an activation with arguments": (
        "relu}",
        "LeakyReLU(0.1)}",
        "4:35 layers[1].Dense.activation",
        "activation: {LeakyReLU: {negative_slope: 0.1}}",
    ),
    "a value that is not enough": (
        DENSE,
        "Conv2D: 32",
        "4:13 layers[1].Conv2D",
        "{Conv2D: {filters: ..., kernel_size: ...}}",
    ),
    "a number as a name": (DENSE, "Dense: {8: relu}", "4:13 layers[1].Dense.8", "units: 8"),
    "half precision": ("fit: {", "fit: {precision: fp16, ", "9:18 fit.precision", "mixed_float16"),
    "a scaling of the target": (
        "name: iris",
        "path: a.csv, target: y, target_scaling: true",
        "1:51 dataset.target_scaling",
        "standardize",
    ),
    "a column's type": (
        "name: iris",
        "path: a.csv, target: y, features: {a: {type: category}}",
        "1:50 dataset.features.a.type",
        "kind: categorical",
    ),
    "an encoding of a column": (
        "name: iris",
        "path: a.csv, target: y, features: {a: {kind: categorical, encoding: onehot}}",
        "1:79 dataset.features.a.encoding",
        "one_hot",
    ),
    "an encoding of a file": (
        "name: iris",
        "path: a.csv, target: y, encoding: latin-1",
        "1:35 dataset.encoding",
        "charset: latin-1",
    ),
    "Lightning's epochs": (
        "fit: {batch_size: 16}",
        "max_epochs: 7",
        "9:1 max_epochs",
        "fit: {epochs: 7}",
    ),
    "Lightning's trainer": ("fit: {", "trainer: {", "9:1 trainer", "fit: {batch_size: 16}"),
}

SCHEDULED = (
    "write it as the learning rate: optimizer: "
    "{Adam: {learning_rate: {CosineDecay: {initial_learning_rate: 0.01, decay_steps: 1000}}}}"
)

# name: (lines after the good spec, place, what is to be done)
ADDED: dict[str, tuple[str, str, str]] = {
    "epochs": ("epochs: 5", "10:1 epochs", "write it inside fit: epochs: 5"),
    "epochs that are there": (
        "batch_size: 5",
        "10:1 batch_size",
        "fit has batch_size: 16 already: remove one of them",
    ),
    "target": ("target: y", "10:1 target", "write it inside dataset: target: y"),
    "validation_split": (
        "validation_split: 20%",
        "10:1 validation_split",
        "write it inside dataset: validation: 0.2",
    ),
    "learning_rate": ("lr: 0.1", "10:1 lr", "write optimizer: {Adam: {learning_rate: 0.1}}"),
    "max_trials": ("max_trials: 9", "10:1 max_trials", "write tuner: {max_trials: 9}"),
    "random_state": ("random_state: 1", "10:1 random_state", "write seed: 1"),
    "patience": ("patience: 3", "10:1 patience", "write callbacks: [EarlyStopping: {patience: 3}]"),
    "one callback": ("callbacks: EarlyStopping", "10:12 callbacks", "write callbacks: [EarlyStopping]"),
    "a mapping of callbacks": (
        "callbacks: {EarlyStopping: {patience: 3}}",
        "10:12 callbacks",
        "write callbacks: [EarlyStopping: {patience: 3}]",
    ),
    "a callback's call": (
        "callbacks: [EarlyStopping(patience=5, restore_best=True)]",
        "10:13 callbacks[0]",
        "write EarlyStopping: {patience: 5, restore_best_weights: true}",
    ),
    "a callback's number": (
        "callbacks: [EarlyStopping: 5]",
        "10:13 callbacks[0]",
        "write EarlyStopping: {patience: 5}",
    ),
    "a scheduler": (
        "lr_scheduler: StepLR",
        "10:1 lr_scheduler",
        SCHEDULED,
    ),
    "folds": (
        "k_fold: 5",
        "10:1 k_fold",
        "write it inside fit: folds: 5",
    ),
    "folds that have no number": (
        "cross_validation: true",
        "10:1 cross_validation",
        "write it inside fit: folds: 5",
    ),
    "a split": (
        "split: [0.6, 0.2, 0.2]",
        "10:1 split",
        "write it inside dataset: test: 0.2, validation: 0.2; the other rows are for training",
    ),
    "the rest of a split": (
        "train: 0.8",
        "10:1 train",
        "leave it out: the rows that test and validation leave are for training",
    ),
    "dropped columns": (
        "drop: [id]",
        "10:1 drop",
        "write it inside dataset: features: {COLUMN: ignore}",
    ),
    "verbose": (
        "verbose: 1",
        "10:1 verbose",
        "leave it out: a terminal shows a bar, a pipe a line for each epoch",
    ),
    "input_shape": (
        "input_shape: [4]",
        "10:1 input_shape",
        "leave it out: the input's shape comes from the data",
    ),
}

LAYERS = {
    "one layer": ("layers: {Dense: {units: 3}}", "2:9 layers", "write layers: [Dense: {units: 3}]"),
    "numbered layers": (
        "layers: {dense1: {units: 4}, dense2: {units: 3}}",
        "2:9 layers",
        "write '- ' before each: - Dense: {units: 4}, - Dense: {units: 3}",
    ),
    "calls in a flow list": (
        "layers: [Dense(4, relu), Dense(3)]",
        "2:10 layers[0]",
        "write Dense: {units: 4, activation: relu}",
    ),
    "a dash without a space": (
        "layers:\n  -Flatten\n  -Softmax",
        "3:3 layers",
        "a space must follow '-': write - Flatten, and so below",
    ),
}

# name: (text, place, rule, what to write)
SYNTAX: dict[str, tuple[str, str, str, str]] = {
    "a path of Windows": (
        'dataset: {path: "C:\\data\\iris.csv", target: y}',
        "1:21",
        "in double quotes a backslash begins an escape",
        "'C:\\data\\iris.csv'",
    ),
    "a home of Windows": (
        'dataset:\n  path: "C:\\Users\\me\\iris.csv"',
        "2:14",
        "in double quotes a backslash begins an escape",
        "'C:\\Users\\me\\iris.csv'",
    ),
    "a path with a line end": (
        'dataset: {path: "C:\\new\\table.csv", target: y}\nlayers: [{Dense: {units: 1}}]',
        "1:17 dataset.path",
        "in double quotes a backslash begins an escape",
        "'C:\\new\\table.csv'",
    ),
    "a tab": ("dataset:\n\tname: iris", "2:1", "a tab cannot indent YAML", '"  name: iris"'),
    "a comma of Python": (
        "fit:\n  epochs: 10\n  precision: 'float32',",
        "3:23",
        "no comma ends a line outside brackets",
        "\"  precision: 'float32'\"",
    ),
    "a bracket": (
        "dataset: {name: iris\nlayers:\n",
        "1:10",
        "this { is never closed",
        "dataset: {name: iris}",
    ),
    "two brackets": (
        "layers: [Flatten, {Dense: {units: 3}}\nloss: mse",
        "1:9",
        "this [ is never closed",
        "layers: [Flatten, {Dense: {units: 3}}]",
    ),
    "a quote": (
        "dataset: {name: 'iris}\nloss: mse\n",
        "1:17",
        "this quote is never closed",
        "dataset: {name: 'iris'}",
    ),
    "too far in": (
        "dataset:\n  name: iris\n   test: 0.2",
        "3:4",
        "is indented further than line 2",
        '"  test: 0.2"',
    ),
    "not far enough": (
        "dataset:\n    name: iris\n  test: 0.2",
        "3:3",
        "is indented by 2, line 2 by 4",
        '"    test: 0.2"',
    ),
    "a missing dash": (
        "layers:\n  - Flatten\n  Dense: {units: 3}",
        "3:3",
        "an item of a list begins with '- '",
        '"  - Dense: {units: 3}"',
    ),
    "no dash at all": (
        "layers:\n  Flatten\n  Dense: {units: 3}",
        "2:3",
        "an item of a list begins with '- '",
        '"  - Flatten", and so below',
    ),
    "no colon": ("dataset\n  name: iris", "1:1", "a key needs a colon", "dataset:"),
    "a colon in a text": ("name: a: b", "1:8", "a text with ': ' in it needs quotes", "name: 'a: b'"),
    "a star": ("dataset: {path: *.csv}", "1:17", "a text must not begin with *", "'*.csv'"),
    "an at sign": ("dataset:\n  path: @me/a.csv", "2:9", "a text must not begin with @", "'@me/a.csv'"),
    "a list on its key's line": (
        "layers: - Flatten",
        "1:9",
        "a list cannot begin on the line of its key",
        "layers: [Flatten]",
    ),
}


def refusals(text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load_text(text, Path("s.yaml"))
    return [problem.headline() for problem in caught.value.problems]


@pytest.mark.parametrize("name", REPLACED)
def test_a_value_in_another_form_is_corrected(name: str) -> None:
    right, wrong, place, written = REPLACED[name]
    assert GOOD.count(right) >= 1
    (said,) = refusals(GOOD.replace(right, wrong, 1))
    assert said.startswith(f"s.yaml:{place}: ")
    assert (
        said.endswith(f"write {written}")
        or f": write {written}" in said
        or f" {written}" == said[-len(written) - 1 :]
    )


@pytest.mark.parametrize(
    "name",
    [
        *("a call", "a call of tuples", "a number as arguments", "arguments beside the class"),
        *("arguments as a call has them", "a list with a name in it", "a tuple as arguments"),
        *("a call as arguments", "true", "metrics by name", "a loss's name"),
    ],
)
def test_a_correction_is_a_spec(name: str) -> None:
    right, _, _, written = REPLACED[name]
    key = written.partition(":")[0]
    line = next((line for line in GOOD.splitlines() if line.startswith(f"{key}:")), right)
    assert line in GOOD
    load_text(GOOD.replace(line, written, 1), Path("s.yaml"))


@pytest.mark.parametrize("name", ADDED)
def test_a_key_in_another_place_is_moved(name: str) -> None:
    line, place, advice = ADDED[name]
    (said,) = refusals(GOOD + line + "\n")
    assert said.startswith(f"s.yaml:{place}: ")
    assert said.endswith(f"; {advice}")


@pytest.mark.parametrize("name", LAYERS)
def test_layers_in_another_form_are_a_list(name: str) -> None:
    layers, place, advice = LAYERS[name]
    said = refusals(f"dataset: {{name: iris}}\n{layers}\nloss: mse\n")[0]
    assert said.startswith(f"s.yaml:{place}: ")
    assert said.endswith(f"; {advice}")


@pytest.mark.parametrize("name", SYNTAX)
def test_no_yaml_is_shown_where_the_mistake_is(name: str) -> None:
    text, place, rule, written = SYNTAX[name]
    (said,) = refusals(text)
    assert said.startswith(f"s.yaml:{place}: {rule}")
    assert said.endswith(f"write {written}")


def test_texts_that_look_like_numbers_stay_texts_where_texts_are_wanted() -> None:
    lookup = "StringLookup: {vocabulary: ['1/2', '50%'], mask_token: '0', oov_token: '1'}"
    text = GOOD.replace(DENSE, lookup).replace(
        "name: iris", "path: a.csv, target: '50%', missing: ['1/2', '0']"
    )
    spec = load_text(text, Path("s.yaml")).spec
    assert (spec.dataset.target, spec.dataset.missing) == ("50%", ["1/2", "0"])
    assert spec.layers[1].arguments == {"vocabulary": ["1/2", "50%"], "mask_token": "0", "oov_token": "1"}


def test_columns_of_one_wrong_kind_are_one_problem() -> None:
    columns = ", ".join(f"c{n}: {{kind: str}}" for n in range(40))
    said = refusals(GOOD.replace("name: iris", f"path: a.csv, target: y, features: {{{columns}}}"))
    (message,) = said
    assert message.startswith("s.yaml:1:57 dataset.features.c0.kind: must be one of numeric, ")
    assert message.endswith(
        "received 'str'; write categorical; also for the columns c1, c2, c3, c4, c5, c6, c7, c8 and 31 more"
    )


def test_a_loss_called_crossentropy_may_be_three() -> None:
    (said,) = refusals(GOOD.replace("sparse_categorical_crossentropy", "cross_entropy"))
    for name in ("sparse_categorical_crossentropy", "categorical_crossentropy", "binary_crossentropy"):
        assert name in said
