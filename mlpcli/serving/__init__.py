"""A run's model behind HTTP: the contract of `predict`, request by request."""
