"""From a checked spec to a finished run: session, callbacks, checkpoints, resume."""
