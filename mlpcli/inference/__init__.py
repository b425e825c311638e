"""From a finished run: evaluate and predict."""
