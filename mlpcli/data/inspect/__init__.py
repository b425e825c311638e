"""A table surveyed for `inspect`, and the spec that `init` proposes for it."""
