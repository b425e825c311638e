"""From a spec to a standalone Keras script."""
