"""Searching for hyperparameters: Keras Tuner's algorithms proposing, the compiled loop training."""
