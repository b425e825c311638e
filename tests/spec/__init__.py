"""The text of a spec: what is valid, what is refused and in what words; `--set`, `extends`, the schema."""
