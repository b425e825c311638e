"""YAML text to a frozen spec, with the place of each value."""
