"""A spec as a standalone Keras script."""
