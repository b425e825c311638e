"""Runs whose spec is trained several times: over folds, with several seeds, or both."""
