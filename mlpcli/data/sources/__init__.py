"""Where rows come from: files, built-in datasets, synthetic data."""
