"""Small models of every kind with their rows, trained by our loop and by Keras's own `fit`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from mlpcli.training.compiled import Arrays, FitSettings, epoch_order, fit

SEED, BATCH, ROWS = 7, 8, 29  # three full batches and one of five rows


def some_rows(count: int = ROWS, *, classes: int = 3, seed: int = 0) -> Arrays:
    """Four features; the label is the class of the largest of the first ones."""
    x = np.random.default_rng(seed).normal(size=(count, 4)).astype("float32")
    return Arrays(x, np.argmax(x[:, :classes], axis=1))


def head(data: Arrays, count: int) -> Arrays:
    parts = (data.x, data.y, data.sample_weight)
    return Arrays(*keras.tree.map_structure(lambda leaf: None if leaf is None else leaf[:count], parts))


def stack(*middle: keras.Layer, units: int = 3, activation: str | None = "softmax") -> keras.Model:
    return keras.Sequential([keras.Input((4,)), *middle, layers.Dense(units, activation=activation)])


def small(optimizer: Any, **compile_args: Any) -> tuple[keras.Model, Arrays]:
    model = stack(layers.Dense(6, activation="relu"))
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], **compile_args)
    return model, some_rows()


def _in_epoch_order(data: Arrays, epochs: int) -> Iterator[Any]:
    """The batches of every epoch, for `model.fit`, in the order the compiled loop takes them."""
    for epoch in range(epochs):
        order = epoch_order(SEED, epoch, data.rows)
        for start in range(0, data.rows, BATCH):
            rows = order[start : start + BATCH]
            yield keras.tree.map_structure(lambda leaf, rows=rows: leaf[rows], data.structure())


def fit_by_keras(
    model: keras.Model, data: Arrays, validation: Arrays | None, epochs: int = 2, **kwargs: Any
) -> Any:
    return model.fit(
        _in_epoch_order(data, epochs),
        steps_per_epoch=-(-data.rows // BATCH),
        epochs=epochs,
        validation_data=None if validation is None else validation.structure(),
        validation_batch_size=BATCH,
        shuffle=False,
        verbose=0,
        **kwargs,
    )


def fit_ours(
    model: keras.Model, data: Arrays, validation: Arrays | None = None, epochs: int = 2, **kwargs: Any
) -> Any:
    settings = {"epochs": epochs, "batch_size": BATCH, "shuffle": True, "seed": SEED} | kwargs
    return fit(model, data, FitSettings(validation=validation, **settings))


# Models: each case returns a fresh compiled model and its rows; equal seeds make equal weights.


def batch_norm_and_dropout() -> tuple[keras.Model, Arrays]:
    model = stack(
        layers.Dense(8, activation="relu"),
        layers.BatchNormalization(),
        layers.Dropout(0.4),
        layers.Dropout(0.2),
    )
    model.compile("rmsprop", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model, some_rows()


def noise_and_l2() -> tuple[keras.Model, Arrays]:
    dense = layers.Dense(6, activation="selu", kernel_regularizer="l2", activity_regularizer="l1")
    model = stack(layers.GaussianNoise(0.1), dense, layers.AlphaDropout(0.2))
    model.compile("nadam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model, some_rows()


def sample_weights() -> tuple[keras.Model, Arrays]:
    model = stack(layers.Dense(6, activation="tanh"), units=1, activation=None)
    model.compile("adagrad", "mse", metrics=["RootMeanSquaredError", "mae"], weighted_metrics=["mape"])
    data = some_rows()
    weights = np.random.default_rng(1).uniform(0.1, 3, ROWS).astype("float32")
    return model, Arrays(data.x, data.x.sum(axis=1) + 5, weights)


def wide_and_deep_with_two_outputs() -> tuple[keras.Model, Arrays]:
    wide, deep = keras.Input((2,), name="wide"), keras.Input((3,), name="deep")
    hidden = layers.Dense(5, activation="relu")(layers.Normalization(mean=0.1, variance=2.0)(deep))
    joined = layers.Concatenate()([wide, hidden])
    outputs = {"main": layers.Dense(1, name="main")(joined), "aux": layers.Dense(1, name="aux")(hidden)}
    model = keras.Model({"wide": wide, "deep": deep}, outputs)
    metrics = {"main": ["RootMeanSquaredError"], "aux": ["mae"]}
    losses, weights = {"main": "mse", "aux": "huber"}, {"main": 0.9, "aux": 0.1}
    model.compile(keras.optimizers.Adam(0.01, clipvalue=0.5), losses, loss_weights=weights, metrics=metrics)
    x = some_rows().x
    y = x.sum(axis=1)
    return model, Arrays({"wide": x[:, :2], "deep": x[:, 1:]}, {"main": y, "aux": y * 0.5})


def inputs_and_outputs_by_position() -> tuple[keras.Model, Arrays]:
    first, second = keras.Input((2,)), keras.Input((2,))
    hidden = layers.Dense(4, activation="relu")(layers.Concatenate()([first, second]))
    model = keras.Model(
        [first, second], [layers.Dense(1)(hidden), layers.Dense(2, activation="softmax")(hidden)]
    )
    model.compile("adamax", ["mse", "sparse_categorical_crossentropy"], loss_weights=[1.0, 0.5])
    data = some_rows()
    return model, Arrays((data.x[:, :2], data.x[:, 2:]), (data.x[:, 0], (data.y > 0).astype("int64")))


def auc_and_precision() -> tuple[keras.Model, Arrays]:
    model = stack(layers.Dense(5, activation="relu"), units=1, activation="sigmoid")
    averaged = keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=3)
    model.compile(averaged, "binary_crossentropy", metrics=["AUC", "Precision", "accuracy"])
    data = some_rows(classes=2)
    return model, Arrays(data.x.astype("float64"), data.y.astype("float64")[:, None])


def embedding() -> tuple[keras.Model, Arrays]:
    words = keras.Input((5,), dtype="int32")
    pooled = layers.GlobalAveragePooling1D()(layers.Embedding(11, 4)(words))
    model = keras.Model(words, layers.Dense(3, activation="softmax")(pooled))
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5, staircase=True)
    momentum = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, clipnorm=0.5)
    model.compile(momentum, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model, Arrays(np.random.default_rng(2).integers(0, 11, (ROWS, 5)), some_rows().y)


def convolution_over_bytes() -> tuple[keras.Model, Arrays]:
    stack = [
        layers.Rescaling(1 / 255),
        layers.Conv2D(3, 3, activation="relu", kernel_constraint="max_norm"),
        layers.MaxPooling2D(),
    ]
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), *stack, layers.Flatten(), layers.Dense(3, activation="softmax")]
    )
    model.compile("adamw", "sparse_categorical_crossentropy", metrics=["accuracy"])
    pixels = np.random.default_rng(3).integers(0, 256, (ROWS, 8, 8, 1)).astype("uint8")
    return model, Arrays(pixels, some_rows().y.astype("uint8"))


@keras.saving.register_keras_serializable()
class Subclassed(keras.Model):  # type: ignore[misc]
    """Unbuilt until it meets its first batch."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.drop, self.out = (
            layers.Dense(5, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(3),
        )

    def call(self, x: Any, training: bool = False) -> Any:
        return self.out(self.drop(self.hidden(x), training=training))


def subclassed_and_unbuilt() -> tuple[keras.Model, Arrays]:
    model = Subclassed()
    model.compile("ftrl", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model, some_rows()


class OwnStep(Subclassed):
    """A train step of the user's own, whose logs are not metrics."""

    def train_step(self, data: Any) -> dict[str, Any]:
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(y=y, y_pred=self(x, training=True))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return {"batch_loss": loss, "norm": tf.linalg.global_norm(gradients)}


def own_train_step() -> tuple[keras.Model, Arrays]:
    model = OwnStep()
    accumulating = keras.optimizers.SGD(0.1, gradient_accumulation_steps=2, global_clipnorm=0.4)
    model.compile(
        accumulating,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model, some_rows()


MODELS = [
    batch_norm_and_dropout,
    noise_and_l2,
    sample_weights,
    wide_and_deep_with_two_outputs,
    inputs_and_outputs_by_position,
    auc_and_precision,
    embedding,
    convolution_over_bytes,
    subclassed_and_unbuilt,
    own_train_step,
]


def twins(case: Callable[[], tuple[keras.Model, Arrays]]) -> tuple[keras.Model, keras.Model, Arrays]:
    """Two equal models: for an unbuilt one, the same random seed serves instead of equal weights."""
    made = []
    for _ in range(2):
        keras.utils.clear_session(free_memory=False)  # for equal names
        keras.utils.set_random_seed(11)
        made.append(case())
    return made[0][0], made[1][0], made[0][1]


def assert_same_training(
    case: Callable[[], tuple[keras.Model, Arrays]], atol: float = 1e-5, **settings: Any
) -> None:
    ours, stock, data = twins(case)
    validation = head(data, 11)
    keras.utils.set_random_seed(12)
    history = fit_ours(ours, data, validation, **settings)
    keras.utils.set_random_seed(12)
    expected = fit_by_keras(stock, data, validation)
    assert list(history.history) == list(expected.history)
    for name, values in expected.history.items():
        np.testing.assert_allclose(history.history[name], values, rtol=atol, atol=atol, err_msg=name)
    for mine, theirs in zip(ours.variables, stock.variables, strict=True):
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), atol=atol, rtol=0, err_msg=mine.path)
    for mine, theirs in zip(ours.optimizer.variables, stock.optimizer.variables, strict=True):
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), atol=10 * atol, rtol=atol, err_msg=mine.path)
