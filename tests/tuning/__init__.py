"""Searches: algorithms, workers, kills, what is reported."""
