"""Intervals, tests of differences, calibration: against known values, scikit-learn's, and by simulation."""
