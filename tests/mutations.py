"""Valid specs mutated by their structure, for the fuzz: keys dropped, doubled, renamed, values of other types,
parts of other specs, extreme numbers, arguments that belong elsewhere."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

from mlpcli.errors import KeyPath
from mlpcli.spec.yaml_reader import parse_text

TABLE = "a,b,c,kind,half\n" + "".join(
    f"{n % 7}.5,{n * 13 % 11},{n % 3},{'xyz'[n % 3]},{n % 5 / 4}\n" for n in range(48)
)
"""`t.csv`, which the specs with a path read."""

SPECS = """\
name: stack
dataset: {name: iris, test: 0.2, validation: 0.2}
layers:
  - Normalization
  - Dense: {units: 8, activation: relu, kernel_initializer: he_normal, kernel_regularizer: {L2: {l2: 1e-4}}}
  - Dropout: {rate: 0.2}
  - Dense: {units: 3, activation: softmax}
loss: sparse_categorical_crossentropy
optimizer: {SGD: {learning_rate: {ExponentialDecay: {initial_learning_rate: 0.1, decay_steps: 9, decay_rate: 0.9}}}}
metrics: [accuracy, {SparseTopKCategoricalAccuracy: {k: 2}}]
fit: {epochs: 3, batch_size: 16, shuffle: true, class_weight: balanced}
callbacks:
  - EarlyStopping: {patience: 2, monitor: val_accuracy, restore_best_weights: true}
  - TensorBoard: false
---
dataset:
  path: t.csv
  target: {out: half, aux: kind}
  features: {a: {kind: numeric, scaling: robust, missing: median}, b: numeric, c: categorical}
inputs:
  wide: {columns: [a, b]}
  deep: {columns: [b, c]}
layers:
  - {Dense: {units: 4, activation: tanh}, name: h, from: deep, repeat: 2}
  - {Concatenate: {}, from: [wide, h], name: both}
  - {Dense: {units: 1}, name: out, from: both}
  - {Dense: {units: 3, activation: softmax}, name: aux, from: h}
loss: {out: mse, aux: sparse_categorical_crossentropy}
loss_weights: {out: 0.9, aux: 0.1}
metrics: {out: [mae, RootMeanSquaredError], aux: [accuracy]}
optimizer: {Adam: {learning_rate: 0.01, clipnorm: 1.0}}
fit: {epochs: 2, batch_size: 8}
---
seed: 7
dataset: {name: digits, validation: {last: 100}, test: null}
layers: [Rescaling: {scale: 0.0625}, Flatten, BatchNormalization, Dense: {units: 10}]
loss: {SparseCategoricalCrossentropy: {from_logits: true}}
optimizer: nadam
callbacks: [ReduceLROnPlateau: {factor: 0.5, patience: 1}, ModelCheckpoint: {save_best_only: true}]
fit: {epochs: 2, batch_size: 64, precision: mixed_bfloat16}
---
dataset: {path: t.csv, target: c, features: [a, b, kind], target_scaling: minmax}
layers:
  - Dense: {units: {hp: int, min: 2, max: 9}, activation: {LeakyReLU: {negative_slope: 0.1}}}
  - Dense: {units: 1, activation: sigmoid}
optimizer: {hp: choice, values: [SGD, {RMSprop: {rho: 0.8}}]}
tuner: {algorithm: RandomSearch, objective: val_loss, max_trials: 2}
---
dataset: {name: moons, rows: 60, noise: 0.2, seed: 3}
layers: [Dense: {units: 6, activation: elu, bias_constraint: {MaxNorm: {max_value: 2}}}, Dense: {units: 1, activation: heaviside}]
loss: perceptron
optimizer: {SGD: {learning_rate: {Warmup: {steps: 5, to: 0.1}}, momentum: 0.9, nesterov: true}}
fit: {epochs: 1, batch_size: 1, engine: keras}
"""

VALID: list[dict[str, Any]] = [parse_text(text, "spec").data for text in SPECS.split("---\n")]

VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2, 7, 0.5, -0.5, 1e-320, 1e308, float("inf"), float("nan"), 10**6, 2**31, 2**63,
    10**30, "", " ", "x", "a", "kind", "relu", "softmax", "Dense", "Flatten", "mse", "accuracy", "Adam", "he_normal",
    "val_loss", "out", "h", "0:2", "1:0", "t.csv", "../t.csv", "{epoch}", "${HOME}", "é\u2028", "a" * 300,
    [], {}, [[]], [None], {"a": 1}, {"Dense": None}, {"Dense": {"units": 3}}, {"L2": {}}, {"hp": "int", "min": 1, "max": 3},
    {"hp": "choice", "values": [1, "relu", None]}, {"hp": "float", "min": 1, "max": 0}, {"last": 5}, [1, 2], ["a", "b"],
    {"Zeros": {}}, {"RandomUniform": {"minval": 1, "maxval": 0}}, {"CosineDecay": {}}, -1e9, "float16", "mixed_float16",
]  # fmt: skip

KEYS = [
    "name", "from", "repeat", "units", "activation", "rate", "axis", "dtype", "trainable", "seed", "scale", "offset",
    "monitor", "mode", "patience", "min_delta", "from_logits", "threshold", "thresholds", "k", "reduction", "epsilon",
    "learning_rate", "weight_decay", "epochs", "batch_size", "loss", "metrics", "layers", "inputs", "columns", "target",
    "features", "weights", "test", "validation", "path", "Dense", "Conv1D", "Reshape", "Embedding", "LSTM", "Add",
    "kernel_regularizer", "bias_initializer", "class_weight", "extends", "plugins", "start_from", "model", "hp", "<<",
]  # fmt: skip

LAYERS = [
    "Flatten", "BatchNormalization", "LayerNormalization", "UnitNormalization", "Softmax", "PReLU", "GlobalMaxPooling1D",
    {"Reshape": {"target_shape": [2, -1]}}, {"Reshape": {"target_shape": [-1, -1]}}, {"Conv1D": {"filters": 2, "kernel_size": 2}},
    {"LSTM": {"units": 3}}, {"Embedding": {"input_dim": 4, "output_dim": 2}}, {"RepeatVector": {"n": 3}},
    {"TimeDistributed": {"layer": {"Dense": {"units": 2}}}}, {"Bidirectional": {"layer": {"LSTM": {"units": 2}}}},
    {"Permute": {"dims": [1]}}, {"Permute": {"dims": [2, 1]}}, {"Cropping1D": {"cropping": 5}}, {"Dense": {"units": 0}},
    {"Dense": {"units": 10**9}}, {"GaussianNoise": {"stddev": -1}}, {"Discretization": {"num_bins": 4}},
    {"CategoryEncoding": {"num_tokens": 3}}, {"StringLookup": {}}, {"TextVectorization": {}}, {"Hashing": {"num_bins": 3}},
    {"IntegerLookup": {}}, {"MultiHeadAttention": {"num_heads": 2, "key_dim": 2}}, {"EinsumDense": {"equation": "ab,bc->ac", "output_shape": 3}},
    {"Rescaling": {"scale": [1, 2]}}, {"Normalization": {"axis": None}}, {"Normalization": {"mean": 0}}, {"RNN": {"cell": {"GRUCell": {"units": 2}}}},
    {"SpectralNormalization": {"layer": {"Dense": {"units": 2}}}}, {"RandomFlip": {}}, {"Masking": {}}, {"Dot": {"axes": 1}}, {"Subtract": {}},
    {"ZeroPadding1D": {"padding": 10**9}}, {"UpSampling1D": {"size": 10**8}}, {"Dense": {"units": 3}, "repeat": 10**6}, {"Dense": {"units": 3, "activation": "threshold"}},
    {"Dense": {"units": 4, "activation": "glu"}}, {"MelSpectrogram": {}}, {"FlaxLayer": {}}, {"JaxLayer": {}}, {"TFSMLayer": {"filepath": "/tmp"}},
]  # fmt: skip


def paths(value: Any, path: KeyPath = ()) -> list[KeyPath]:
    """The path of every value inside, the outermost first."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += paths(item, (*path, key))
    return found


def at(tree: Any, path: KeyPath) -> Any:
    """The value at a path."""
    for key in path:
        tree = tree[key]
    return tree


@st.composite
def mutated_specs(draw: st.DrawFn, most: int = 3) -> dict[str, Any]:
    """A valid spec after one to `most` mutations, as plain values."""
    tree: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(1, most))):
        everywhere = paths(tree)
        if everywhere:
            _mutate(draw, tree, draw(st.sampled_from(everywhere)))
    return tree


def _mutate(draw: st.DrawFn, tree: Any, path: KeyPath) -> None:
    holder: Any = at(tree, path[:-1])
    key: Any = path[-1]
    kind = draw(
        st.sampled_from(
            "drop value value splice number number rename add layer layer swap wrap double".split()
        )
    )
    if kind == "drop":
        del holder[key]
    elif kind == "value":
        holder[key] = copy.deepcopy(draw(st.sampled_from(VALUES)))
    elif kind == "splice":
        other = draw(st.sampled_from(VALID))
        holder[key] = copy.deepcopy(at(other, draw(st.sampled_from(paths(other)))))
    elif kind == "number":
        factor = draw(st.sampled_from([-1, 0, 1e-9, 0.5, 3, 1e4, 1e9, 1e300]))
        if isinstance(holder[key], int | float):
            whole = isinstance(holder[key], int) and abs(holder[key] * factor) < 1e18
            holder[key] = int(holder[key] * factor) if whole else holder[key] * factor
    elif kind == "rename" and isinstance(holder, dict):
        new = draw(
            st.sampled_from(KEYS) | st.just(str(key)[:-1]) | st.just(str(key) + "s") | st.text(max_size=4)
        )
        value = holder.pop(key)
        holder[new] = value
    elif kind == "layer" and isinstance(tree.get("layers"), list):
        place = draw(st.integers(0, len(tree["layers"])))
        tree["layers"].insert(place, copy.deepcopy(draw(st.sampled_from(LAYERS))))
    elif kind in ("add", "layer"):
        inside = holder[key]
        value = copy.deepcopy(draw(st.sampled_from(VALUES)))
        if isinstance(inside, dict):
            inside[draw(st.sampled_from(KEYS))] = value
        elif isinstance(inside, list):
            inside.append(value)
        else:
            holder[key] = value
    elif kind == "swap":
        other_path = draw(st.sampled_from(paths(tree)))
        holder[key] = copy.deepcopy(at(tree, other_path))
    elif kind == "wrap":
        holder[key] = draw(st.sampled_from([[holder[key]], {draw(st.sampled_from(KEYS)): holder[key]}]))
    elif isinstance(holder, list):
        holder.append(copy.deepcopy(holder[key]))
