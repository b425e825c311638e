"""From spec and data to a compiled Keras model."""
