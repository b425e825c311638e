"""Chapter item 20: Wide & Deep with an auxiliary output as a `keras.Model` subclass."""

import keras


class WideAndDeep(keras.Model):
    """The deep input goes through two hidden layers; the wide one joins it right before the output."""

    def __init__(self, units=30, activation="relu", **kwargs):
        super().__init__(**kwargs)
        self.norm_wide = keras.layers.Normalization()
        self.norm_deep = keras.layers.Normalization()
        self.hidden1 = keras.layers.Dense(units, activation=activation)
        self.hidden2 = keras.layers.Dense(units, activation=activation)
        self.main_output = keras.layers.Dense(1)
        self.aux_output = keras.layers.Dense(1)

    def call(self, inputs):
        """Return the main output and the auxiliary output for two arrays, wide and deep."""
        input_wide, input_deep = inputs
        hidden2 = self.hidden2(self.hidden1(self.norm_deep(input_deep)))
        joined = keras.ops.concatenate([self.norm_wide(input_wide), hidden2], axis=-1)
        return self.main_output(joined), self.aux_output(hidden2)
