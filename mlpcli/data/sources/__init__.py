"""Sources of rows: files, built-in datasets, synthetic data."""
