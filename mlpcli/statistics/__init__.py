"""What can be said of numbers that were measured: intervals, tests, calibration; NumPy only."""
