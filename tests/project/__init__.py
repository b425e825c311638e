"""The repository itself: the order of the packages, the docs, the scripts, the wheel."""
