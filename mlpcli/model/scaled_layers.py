"""Layers whose factors are learnt, or set by the width, as RealMLP has them.

They act on the last axis, whatever the axes before it are.
Holzmüller, Grinsztajn, Steinwart, "Better by Default", arXiv 2407.04491.
"""

from __future__ import annotations

from mlpcli.keras_import import keras

ops = keras.ops
_registered = keras.saving.register_keras_serializable(package="mlpcli")


@_registered
class Scale(keras.layers.Layer):  # type: ignore[misc]
    """Each feature times a factor that is learnt, 1 at first.

    Before the first Dense it lets a network choose its features; there the factors want a learning rate some
    times that of the other weights (RealMLP: 6).

    Input and output shape: (rows, ..., features).
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the factors of (rows, ..., features)."""
        self.scale = self.add_weight(input_shape[-1:], "ones", name="scale")

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Return the scaled features."""
        return inputs * self.scale

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the output, which is that of the input."""
        return input_shape


@_registered
class ParametricActivation(keras.layers.Layer):  # type: ignore[misc]
    """An activation f, of which each feature learns how much it takes: x + alpha * (f(x) - x).

    alpha is 1 at first; with 0 the feature passes unchanged.

    Args:
        activation: f, which acts on each value alone.

    Input and output shape: (rows, ..., features).
    """

    def __init__(self, activation: str, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.activation = keras.activations.get(activation)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the shares of (rows, ..., features)."""
        self.alpha = self.add_weight(input_shape[-1:], "ones", name="alpha")

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Return the activations."""
        return inputs + self.alpha * (self.activation(inputs) - inputs)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the output, which is that of the input."""
        return input_shape

    def get_config(self) -> dict[str, object]:
        """Return the arguments of this layer."""
        return {**super().get_config(), "activation": keras.activations.serialize(self.activation)}


@_registered
class NTKDense(keras.layers.Layer):  # type: ignore[misc]
    """A Dense layer in the neural tangent parametrisation: activation(x @ kernel / sqrt(features) + bias).

    The weights are standard normal at first, whatever the width, so that one learning rate suits all widths.

    Args:
        units: the width of the output.
        activation: of the output.
        use_bias: whether to add a bias.
        kernel_initializer: of the kernel; normal with deviation 1 unless given.
        bias_initializer: of the bias; normal with deviation 1 unless given.
        kernel_regularizer: of the kernel.
        bias_regularizer: of the bias.
        kernel_constraint: of the kernel.
        bias_constraint: of the bias.

    Input shape: (rows, ..., features). Output shape: (rows, ..., units).
    """

    def __init__(
        self,
        units: int,
        activation: str | None = None,
        use_bias: bool = True,
        kernel_initializer: str | None = None,
        bias_initializer: str | None = None,
        kernel_regularizer: str | None = None,
        bias_regularizer: str | None = None,
        kernel_constraint: str | None = None,
        bias_constraint: str | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        normal = keras.initializers.RandomNormal
        self.units, self.use_bias = units, use_bias
        self.activation = keras.activations.get(activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer) or normal(stddev=1.0)
        self.bias_initializer = keras.initializers.get(bias_initializer) or normal(stddev=1.0)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.input_spec = keras.layers.InputSpec(min_ndim=2)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights for (rows, ..., features)."""
        self.kernel = self.add_weight(
            (input_shape[-1], self.units),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        if self.use_bias:
            self.bias = self.add_weight(
                (self.units,),
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Return the outputs."""
        sums = ops.matmul(inputs, self.kernel) * inputs.shape[-1] ** -0.5
        return self.activation(sums + self.bias if self.use_bias else sums)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the output for (rows, ..., features)."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, object]:
        """Return the arguments of this layer."""
        written: dict[str, object] = {
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
        }
        return {**super().get_config(), "units": self.units, "use_bias": self.use_bias, **written}
