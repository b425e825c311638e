"""Layers for an ensemble inside one network: an axis of members, (rows, members, features).

Between `Members` and `MemberMean` every layer of Keras that acts on the last axis serves all members with the
same weights, in one matrix product; `MemberDense` has weights of its own for each member.
Wen, Tran and Ba, "BatchEnsemble" (2020); Gorishniy, Kotelnikov and Babenko, "TabM" (2024).
"""

from __future__ import annotations

from typing import Any

from mlpcli.keras_import import keras

ops = keras.ops
_registered = keras.saving.register_keras_serializable(package="mlpcli")


@_registered
class RandomSigns(keras.initializers.Initializer):  # type: ignore[misc]
    """Values of -1 and 1, each as likely as the other.

    Args:
        seed: an integer for the same signs at every call; by default drawn from Keras's seed.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._signs = keras.initializers.RandomUniform(-1.0, 1.0, seed=seed)
        self.seed = seed

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> keras.KerasTensor:
        """Return the signs."""
        drawn = self._signs(shape, dtype=dtype)
        return ops.where(drawn < 0, -ops.ones_like(drawn), ops.ones_like(drawn))

    def get_config(self) -> dict[str, object]:
        """Return the arguments of this initializer."""
        return {"seed": self.seed}


@_registered
class Members(keras.layers.Layer):  # type: ignore[misc]
    """Begins an axis of members: (rows, features) to (rows, count, features).

    Each member sees the features times factors of its own, which are trained: what makes the members differ
    where the layers after this one share their weights.

    Args:
        count: the number of members.
        factors: multiply by factors; otherwise every member gets a plain copy.
        initializer: of the factors; by default normal with mean 0 and standard deviation 1.
        width: of the features, so many in a row are one embedded number, and their factors begin equal.
    """

    def __init__(
        self, count: int, factors: bool = True, initializer: object = None, width: int = 1, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.count, self.use_factors, self.width = count, factors, width
        given = keras.initializers.RandomNormal(stddev=1.0) if initializer is None else initializer
        self.initializer = keras.initializers.get(given)
        self.factors: keras.Variable | None = None

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the factors, (count, features)."""
        if len(input_shape) != 2:
            raise ValueError("Members takes rows of features: put Flatten before it")
        features = input_shape[-1]
        if (features or 0) % self.width:
            raise ValueError(f"{features} features are not a multiple of the width {self.width}")

        def initialize(shape: tuple[int, ...], dtype: str | None = None) -> keras.KerasTensor:
            return ops.repeat(self.initializer((shape[0], shape[1] // self.width), dtype), self.width, axis=1)

        if self.use_factors:
            initializer = self.initializer if self.width == 1 else initialize
            self.factors = self.add_weight(
                name="factors", shape=(self.count, features), initializer=initializer
            )

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Return (rows, count, features)."""
        copies = ops.expand_dims(inputs, axis=1)
        return ops.repeat(copies, self.count, axis=1) if self.factors is None else copies * self.factors

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (rows, count, features)."""
        return (input_shape[0], self.count, *input_shape[1:])

    def get_config(self) -> dict[str, object]:
        """Return the arguments of this layer."""
        own = {"count": self.count, "factors": self.use_factors, "width": self.width}
        own["initializer"] = keras.initializers.serialize(self.initializer)
        return {**super().get_config(), **own}


@_registered
class MemberDense(keras.layers.Layer):  # type: ignore[misc]
    """A Dense layer with weights of its own for each member.

    It takes (rows, members, features) and returns (rows, members, units).

    Args:
        units: outputs of each member.
        activation: applied to the outputs.
        use_bias: add a bias, which each member has of its own.
        share: "none": each member has a kernel of its own, initialized as a Dense layer's. "factors": the
            members share a kernel, ((x * r) kernel) * s + bias, and each has factors r and s of its own.
        kernel_initializer: of the kernel, of each member.
        bias_initializer: of the bias.
        factors_initializer: of r and s.
        kernel_regularizer: of the kernel; where each member has one, the mean of their penalties counts.
        bias_regularizer: of the biases: the mean of their penalties counts.
    """

    def __init__(
        self,
        units: int,
        activation: object = None,
        use_bias: bool = True,
        share: str = "none",
        kernel_initializer: object = "glorot_uniform",
        bias_initializer: object = "zeros",
        factors_initializer: object = "ones",
        kernel_regularizer: object = None,
        bias_regularizer: object = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if share not in ("none", "factors"):
            raise ValueError(f"share must be none or factors, received {share!r}")
        self.units, self.use_bias, self.share = units, use_bias, share
        self.activation = keras.activations.get(activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.factors_initializer = keras.initializers.get(factors_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights."""
        if len(input_shape) != 3:
            raise ValueError("MemberDense takes (rows, members, features): put Members before it")
        _, members, features = input_shape
        kernel_shape: tuple[int | None, ...] = (features, self.units)
        initializer, regularizer = self.kernel_initializer, self.kernel_regularizer
        if self.share == "none":
            kernel_shape = (members, *kernel_shape)
            initializer = _for_each_member(initializer)
            regularizer = _mean_of_members(regularizer, members)
        self.kernel = self.add_weight(
            name="kernel", shape=kernel_shape, initializer=initializer, regularizer=regularizer
        )
        if self.share == "factors":
            for name, width in (("input_factors", features), ("output_factors", self.units)):
                values = self.add_weight(
                    name=name, shape=(members, width), initializer=self.factors_initializer
                )
                setattr(self, name, values)
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(members, self.units),
                initializer=_for_each_member(self.bias_initializer),
                regularizer=_mean_of_members(self.bias_regularizer, members),
            )

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Return (rows, members, units)."""
        if self.share == "factors":
            x = ops.matmul(inputs * self.input_factors, self.kernel) * self.output_factors
        elif self.units == 1:  # one pass over the inputs, where a product would first reorder them
            x = ops.sum(inputs * ops.squeeze(self.kernel, -1), axis=-1, keepdims=True)
        else:
            x = ops.einsum("rmf,mfu->rmu", inputs, self.kernel)
        x = x + self.bias if self.use_bias else x
        return self.activation(x)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (rows, members, units)."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, object]:
        """Return the arguments of this layer."""
        initializers, regularizers = keras.initializers, keras.regularizers
        own: dict[str, object] = {"units": self.units, "use_bias": self.use_bias, "share": self.share}
        own["activation"] = keras.activations.serialize(self.activation)
        own["kernel_initializer"] = initializers.serialize(self.kernel_initializer)
        own["bias_initializer"] = initializers.serialize(self.bias_initializer)
        own["factors_initializer"] = initializers.serialize(self.factors_initializer)
        own["kernel_regularizer"] = regularizers.serialize(self.kernel_regularizer)
        own["bias_regularizer"] = regularizers.serialize(self.bias_regularizer)
        return {**super().get_config(), **own}


@_registered
class MemberMean(keras.layers.Layer):  # type: ignore[misc]
    """Ends the axis of members: their mean prediction, (rows, members, units) to (rows, units).

    In training the output carries the predictions of all members, for `MemberLoss`: the mean of their losses
    is not the loss of their mean.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Check the shape."""
        if len(input_shape) != 3:
            raise ValueError("MemberMean takes (rows, members, units): put Members before it")

    def call(self, inputs: keras.KerasTensor, training: bool | None = None) -> keras.KerasTensor:
        """Return (rows, units)."""
        mean = ops.mean(inputs, axis=1)
        if training:
            mean.of_members = inputs
        return mean

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (rows, units)."""
        return (input_shape[0], *input_shape[2:])


def _for_each_member(initializer: Any) -> Any:
    """Return an initializer of (members, ...) that calls another for each member, with a seed of its own."""

    def initialize(shape: tuple[int, ...], dtype: str | None = None) -> keras.KerasTensor:
        seed = getattr(initializer, "seed", None)
        found = []
        for member in range(shape[0]):
            one = initializer
            if member and isinstance(seed, int):  # or every member would begin as the first
                one = type(initializer).from_config({**initializer.get_config(), "seed": seed + member})
            found.append(one(shape[1:], dtype=dtype))
        return ops.stack(found)

    return initialize


def _mean_of_members(regularizer: Any, members: int | None) -> Any:
    """Return a regularizer of (members, ...): the mean over the members of another's penalty."""
    if regularizer is None:
        return None

    def penalty(weights: keras.KerasTensor) -> keras.KerasTensor:
        if isinstance(regularizer, keras.regularizers.L1 | keras.regularizers.L2 | keras.regularizers.L1L2):
            return regularizer(weights) / members  # a sum over all values
        return sum(regularizer(each) for each in ops.unstack(weights, num=members)) / members

    return penalty
