"""From a finished run: predict, evaluate, explain, doctor, export, serve, a standalone script."""
